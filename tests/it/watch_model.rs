//! Watching a database under random writes, deletions, schemas, clocks that jump, collections and interruptions: in the
//! end each watcher has the state of the database, and has received every expiration once.

use kilwa::database::{
    ChangesPin, Consistency, Database, DatabaseError, DatabaseOptions, DeleteRequest,
    RevisionChanges, WatchPosition, WriteRequest,
};
use kilwa::relationship::{
    ObjectIdFilter, Relationship, RelationshipFilter, RelationshipUpdate, Revision, Timestamp,
    UpdateOperation,
};
use kilwa::store::StoreOptions;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use std::time::Duration;
use tempfile::TempDir;

const SCHEMA: &str = "
use expiration
caveat odd(n int) { n % 2 == 1 }
definition user {}
definition document {
    relation viewer: user | user with odd | user with expiration | user with odd and expiration
}
";
const WINDOW: i64 = 60;

/// A time in tenths of a second, so that times and revisions fall together now and then.
fn at(tenth: i64) -> Timestamp {
    let nanos = u32::try_from(tenth.rem_euclid(10)).unwrap() * 100_000_000;
    Timestamp::from_unix(tenth.div_euclid(10), nanos).unwrap()
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// Updates: which document, which user, how many tenths of a second later it expires, or a deletion.
    Write(Vec<(u8, u8, Option<Terms>)>),
    /// New relationships, many enough to be prepared in pieces: which document, and the terms. Refused when one exists.
    Import(u8, Vec<Terms>),
    /// Everything of documents whose ids start so, or of all documents.
    Delete(Option<u8>),
    Schema,
    /// The clock advances, or goes back.
    Clock(i64),
    Collect,
    /// The watcher reads so many changes at once, and loses its connection after so many responses, if any.
    Follow {
        count_max: usize,
        lost_after: Option<usize>,
        restarts: bool,
    },
    Reopen,
}

#[derive(Clone, Copy, Debug)]
struct Terms {
    expires_in: Option<i64>,
    caveat: bool,
}

fn terms() -> impl Strategy<Value = Terms> {
    (prop::option::weighted(0.7, -5_i64..30), any::<bool>())
        .prop_map(|(expires_in, caveat)| Terms { expires_in, caveat })
}

fn step() -> impl Strategy<Value = Step> {
    let update = (0_u8..4, 0_u8..3, prop::option::weighted(0.8, terms()));
    prop_oneof![
        6 => prop::collection::vec(update, 1..5).prop_map(Step::Write),
        2 => (0_u8..4, prop::collection::vec(terms(), 1..8))
            .prop_map(|(document, terms)| Step::Import(document, terms)),
        2 => prop::option::of(0_u8..4).prop_map(Step::Delete),
        1 => Just(Step::Schema),
        4 => prop_oneof![4 => 0_i64..15, 1 => -8_i64..0, 1 => 50_i64..150].prop_map(Step::Clock),
        1 => Just(Step::Collect),
        4 => (1_usize..6, prop::option::of(0_usize..3), any::<bool>())
            .prop_map(|(count_max, lost_after, restarts)| Step::Follow { count_max, lost_after, restarts }),
        1 => Just(Step::Reopen),
    ]
}

type Rows = BTreeMap<String, Relationship>;

fn key(relationship: &Relationship) -> String {
    Relationship { caveat: None, expires_at: None, ..relationship.clone() }.to_string()
}

/// A watcher.
struct Follower {
    position: WatchPosition,
    expirations: bool,
    held: Option<ChangesPin>,
    rows: Rows,
    /// The newest time and the last revision that it heard of.
    newest: i64,
    last: Revision,
}

impl Follower {
    fn new(database: &Database, expirations: bool) -> Self {
        let position = WatchPosition::after(Revision(0));
        let position = if expirations { position.with_expirations(at(0)) } else { position };
        let mut follower = Self {
            position,
            expirations,
            held: None,
            rows: Rows::new(),
            newest: 0,
            last: Revision(0),
        };
        let view = database.view(Consistency::FullyConsistent, at(0)).unwrap();
        follower.held = Some(view.pin_changes(&follower.position));
        follower
    }

    /// Looks for changes until there are none, or one answer was lost.
    fn follow(
        &mut self,
        database: &Database,
        now: i64,
        count_max: usize,
        lost_after: Option<usize>,
    ) {
        self.newest = self.newest.max(now);
        loop {
            let view = database.view(Consistency::FullyConsistent, at(now)).unwrap();
            let changes = view.changes(&self.position, count_max).unwrap();
            let lost = lost_after.filter(|lost| *lost < changes.parts.len());
            for part in changes.parts.iter().take(lost.unwrap_or(usize::MAX)) {
                self.take(part, now);
            }
            if lost.is_none() {
                self.position = changes.through;
            }
            // As it comes back from a token.
            self.position = WatchPosition::from_bytes(&self.position.to_bytes()).unwrap();
            self.held = Some(view.pin_changes(&self.position));
            if lost.is_some() || changes.complete {
                return;
            }
        }
    }

    fn take(&mut self, part: &RevisionChanges, now: i64) {
        for change in &part.updates {
            let RelationshipUpdate { operation, relationship } = &change.update;
            let key = key(relationship);
            if change.expired {
                assert!(self.expirations);
                let gone = self.rows.remove(&key).expect("what expires was there");
                assert_eq!(gone.expires_at, relationship.expires_at);
                assert!(gone.expires_at.unwrap() <= at(self.newest));
                continue;
            }
            let due = part.revision.time().min(at(now));
            let late = |row: &&Relationship| row.expires_at.is_some_and(|time| time <= due);
            // Expirations come before the changes of later revisions.
            if self.expirations && self.last < part.revision {
                self.last = part.revision;
                assert_eq!(self.rows.values().find(late), None, "{part:?}");
            }
            match operation {
                UpdateOperation::Touch => {
                    let before = self.rows.insert(key, relationship.clone());
                    assert_ne!(before.as_ref(), Some(relationship), "nothing changed");
                }
                UpdateOperation::Delete => drop(self.rows.remove(&key)),
                UpdateOperation::Create => panic!("a creation is told as a touch"),
            }
        }
        self.position = part.through.clone();
    }

    /// What it has at a time.
    fn shown(&self, now: i64) -> Vec<Relationship> {
        let rows = self.rows.values();
        rows.filter(|row| row.expires_at.is_none_or(|time| at(now) < time)).cloned().collect()
    }
}

struct Trial {
    dir: TempDir,
    database: Option<Database>,
    now: i64,
    newest: i64,
    followers: Vec<Follower>,
}

fn open(dir: &TempDir) -> Database {
    let store = StoreOptions {
        history_window: Duration::from_millis(u64::try_from(WINDOW * 100).unwrap()),
        block_cache_bytes: 1 << 20,
        sync: false,
        piece_rows_max: 1,
        ..StoreOptions::default()
    };
    Database::open(dir.path(), &store, DatabaseOptions::default()).unwrap()
}

impl Trial {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let database = open(&dir);
        let followers = [true, false].map(|wants| Follower::new(&database, wants)).into();
        database.write_schema(at(1), SCHEMA).unwrap();
        Self { dir, database: Some(database), now: 1, newest: 1, followers }
    }

    fn database(&self) -> &Database {
        self.database.as_ref().unwrap()
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Write(updates) => self.write(updates),
            Step::Import(document, terms) => self.import(*document, terms),
            Step::Delete(document) => {
                // All of them may be so many that their deletion is prepared in pieces.
                let filter = RelationshipFilter {
                    resource_type: Some("document".to_owned()),
                    resource_id: document.map(|it| ObjectIdFilter::Prefix(format!("d{it}"))),
                    ..RelationshipFilter::default()
                };
                let request = DeleteRequest { filter, ..DeleteRequest::default() };
                self.database().delete(at(self.now), request).unwrap();
            }
            Step::Schema => {
                let text = format!("{SCHEMA}// {}\n", self.now);
                self.database().write_schema(at(self.now), &text).unwrap();
            }
            Step::Clock(by) => {
                // What was collected must not come back.
                self.now = (self.now + by).max(self.newest - WINDOW / 3).max(1);
                self.newest = self.newest.max(self.now);
            }
            Step::Collect => drop(self.database().collect_garbage(at(self.now)).unwrap()),
            Step::Follow { count_max, lost_after, restarts } => {
                let database = self.database.as_ref().unwrap();
                for follower in &mut self.followers {
                    follower.follow(database, self.now, *count_max, *lost_after);
                    if *restarts {
                        let view = database.view(Consistency::FullyConsistent, at(self.now));
                        follower.held = None;
                        follower.held = Some(view.unwrap().pin_changes(&follower.position));
                    }
                }
            }
            Step::Reopen => self.reopen(),
        }
    }

    fn import(&self, document: u8, terms: &[Terms]) {
        let users = (0_u8..).zip(terms);
        let rows: Vec<_> = users.map(|(user, terms)| self.row(document, user, *terms)).collect();
        let view = self.database().view(Consistency::FullyConsistent, at(1)).unwrap();
        match self.database().import(at(self.now), &rows) {
            Ok(revision) => assert!(revision > view.revision()),
            Err(DatabaseError::AlreadyExists(found)) => {
                assert!(rows.iter().any(|row| key(row) == key(&found)), "{found}");
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn row(&self, document: u8, user: u8, terms: Terms) -> Relationship {
        let expires = terms.expires_in;
        let expires = expires.map(|tenths| format!("[expiration:{}]", at(self.now + tenths)));
        let caveat = if terms.caveat { "[odd:{\"n\":3}]" } else { "" };
        let text = format!(
            "document:d{document}#viewer@user:u{user}{caveat}{}",
            expires.unwrap_or_default()
        );
        text.parse().unwrap()
    }

    fn write(&self, updates: &[(u8, u8, Option<Terms>)]) {
        let mut distinct = BTreeMap::new();
        for (document, user, terms) in updates {
            let none = Terms { expires_in: None, caveat: false };
            let relationship = self.row(*document, *user, terms.unwrap_or(none));
            let operation = match terms {
                Some(_) => UpdateOperation::Touch,
                None => UpdateOperation::Delete,
            };
            distinct.insert((*document, *user), RelationshipUpdate { operation, relationship });
        }
        let updates = distinct.into_values().collect();
        let request = WriteRequest { updates, ..WriteRequest::default() };
        self.database().write(at(self.now), request).unwrap();
    }

    /// Nothing is held while the store is closed, nor collected.
    fn reopen(&mut self) {
        for follower in &mut self.followers {
            follower.held = None;
        }
        self.database = None;
        let database = open(&self.dir);
        let view = database.view(Consistency::FullyConsistent, at(self.now)).unwrap();
        for follower in &mut self.followers {
            follower.held = Some(view.pin_changes(&follower.position));
        }
        drop(view);
        self.database = Some(database);
    }

    /// Both have what there is.
    fn check(&mut self) {
        self.now = self.newest;
        let database = self.database.as_ref().unwrap();
        for follower in &mut self.followers {
            follower.follow(database, self.now, 3, None);
            let view = database.view(Consistency::FullyConsistent, at(self.now)).unwrap();
            let filter = RelationshipFilter {
                resource_type: Some("document".to_owned()),
                ..RelationshipFilter::default()
            };
            let mut stored: Vec<_> = view
                .read(&filter, None, 1000)
                .unwrap()
                .rows
                .into_iter()
                .map(|(row, _)| row)
                .collect();
            stored.sort_by_key(key);
            assert_eq!(follower.shown(self.now), stored);
            if follower.expirations {
                let gone = |row: &&Relationship| row.expires_at.is_some_and(|t| t <= at(self.now));
                assert_eq!(follower.rows.values().find(gone), None);
            }
        }
    }
}

/// How many lives to try; more than usual when `KILWA_TEST_CASES` says so.
#[expect(clippy::disallowed_methods, reason = "the one knob of the test, for long runs by hand")]
fn cases() -> u32 {
    std::env::var("KILWA_TEST_CASES").map_or(20, |cases| cases.parse().unwrap())
}

#[test]
fn whoever_follows_has_what_the_database_has_and_hears_of_each_expiration_once() {
    let config = ProptestConfig { cases: cases(), failure_persistence: None, ..Default::default() };
    let steps = prop::collection::vec(step(), 10..60);
    TestRunner::new(config)
        .run(&steps, |steps| {
            let mut trial = Trial::new();
            for step in &steps {
                trial.run(step);
            }
            trial.check();
            Ok(())
        })
        .unwrap();
}

fn touch(trial: &Trial, text: &str) -> Revision {
    let relationship = text.parse().unwrap();
    let update = RelationshipUpdate { operation: UpdateOperation::Touch, relationship };
    let request = WriteRequest { updates: vec![update], ..WriteRequest::default() };
    trial.database().write(at(trial.now), request).unwrap()
}

#[test]
fn what_expires_together_comes_in_pieces_and_once() {
    let mut trial = Trial::new();
    for number in 0..7 {
        touch(&trial, &format!("document:d{number}#viewer@user:u[expiration:{}]", at(20)));
    }
    trial.now = 30;
    let view = trial.database().view(Consistency::FullyConsistent, at(30)).unwrap();
    let mut position = WatchPosition::at(view.revision(), at(19));
    let (mut found, mut answers) = (Vec::new(), 0);
    loop {
        let changes = view.changes(&position, 2).unwrap();
        for part in &changes.parts {
            assert!(part.updates.len() <= 2 && !part.ends);
            found.extend(part.updates.iter().map(|it| it.update.relationship.to_string()));
        }
        position = WatchPosition::from_bytes(&changes.through.to_bytes()).unwrap();
        answers += 1;
        if changes.complete {
            break;
        }
    }
    let expected: Vec<_> =
        (0..7).map(|n| format!("document:d{n}#viewer@user:u[expiration:{}]", at(20))).collect();
    assert_eq!((found, answers), (expected, 4));
    // A clock that goes back within what expired together loses nothing of it.
    let half = view.changes(&WatchPosition::at(view.revision(), at(19)), 3).unwrap().through;
    let early = trial.database().view(Consistency::FullyConsistent, at(15)).unwrap();
    let same = early.changes(&half, 9).unwrap();
    assert_eq!((same.parts, same.through), (Vec::new(), half.clone()));
    let rest = view.changes(&half, 9).unwrap();
    assert_eq!(rest.parts.iter().map(|part| part.updates.len()).sum::<usize>(), 4);
}

#[test]
fn what_is_held_stays_and_what_is_not_is_refused() {
    let mut trial = Trial::new();
    trial.followers.clear();
    let start = trial.database().view(Consistency::FullyConsistent, at(1)).unwrap().revision();
    let position = WatchPosition::at(start, at(1));
    touch(&trial, &format!("document:a#viewer@user:u[expiration:{}]", at(20)));
    touch(&trial, "document:b#viewer@user:u");
    trial.now = 1_000;
    touch(&trial, "document:c#viewer@user:u");
    let view = || trial.database().view(Consistency::FullyConsistent, at(1_000)).unwrap();
    let held = view().pin_changes(&position);
    trial.database().collect_garbage(at(1_000)).unwrap();
    let changes = view().changes(&position, 100).unwrap();
    assert_eq!(changes.parts.len(), 4, "{changes:?}");
    drop(held);
    trial.database().collect_garbage(at(1_000)).unwrap();
    let error = view().changes(&position, 100).unwrap_err();
    assert!(matches!(error, DatabaseError::RevisionExpired { .. }), "{error}");

    // The head is kept for ever, earlier expirations are not.
    let newest = view().revision();
    let expired = WatchPosition::at(newest, at(900));
    let error = view().changes(&expired, 100).unwrap_err();
    let DatabaseError::ExpirationsCollected { after, oldest } = error else { panic!("{error}") };
    assert_eq!((after, oldest), (at(900), at(1_000 - WINDOW)));
    view().changes(&expired.without_expirations(), 100).unwrap();
    let error = view().changes(&WatchPosition::after(Revision(newest.0 + 1)), 9).unwrap_err();
    assert!(matches!(error, DatabaseError::RevisionFuture { .. }), "{error}");
}
