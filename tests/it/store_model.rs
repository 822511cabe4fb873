//! The store against a model: random writes, expirations, collections and reopenings on a store on disk and on a map
//! from revisions to sets of relationships; every kind of read has to agree, at the head and at older revisions. Imports are
//! prepared, and published or given up some steps later; so are deletions.

use kilwa::relationship::{
    Context, ContextualizedCaveat, IdPage, ObjectIdFilter, ObjectRef, Qualifiers, ReadError,
    Relationship, RelationshipFilter, RelationshipReader, RelationshipSet, RelationshipUpdate,
    Revision, Subject, SubjectFilter, SubjectForm, SubjectRelationFilter, Timestamp,
    UpdateOperation,
};
use kilwa::relationship::{RelationKey, ResourceKey, SubjectKey};
use kilwa::store::{
    ChangeLogEntry, ChangePosition, IsInterrupted, PrepareError, PreparedDeletion, PreparedWrite,
    ScanBudget, ScanPage, ScanPosition, Snapshot, SnapshotError, Store, StoreOptions,
    TransactionError, WriteError,
};
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const SEEDS: u64 = 16;
const STEPS: usize = 60;
const WINDOW: i64 = 8;

const TYPES: [&str; 4] = ["document", "folder", "group", "user"];
const RELATIONS: [&str; 3] = ["viewer", "parent", "member"];
const IDS: [&str; 6] = ["a", "ab", "abc", "b", "b/c", "z"];

/// A small random generator: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn maybe<T>(&mut self, percent: usize, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.chance(percent).then(|| make(self))
    }

    fn subject(&mut self) -> Subject {
        let id = if self.chance(10) { "*" } else { self.pick(&IDS) };
        let relation = if id != "*" && self.chance(30) { self.pick(&RELATIONS) } else { "" };
        Subject::new(self.pick(&TYPES), id, relation).unwrap()
    }

    fn relationship(&mut self, now: i64) -> Relationship {
        let caveat = self.maybe(25, |random| {
            let context =
                if random.chance(50) { r#"{"n": 1.5, "list": ["x", null]}"# } else { "{}" };
            ContextualizedCaveat {
                name: random.pick(&["odd", "viewer"]).to_owned(),
                context: Context::parse(context).unwrap(),
            }
        });
        Relationship {
            resource: ObjectRef::new(self.pick(&TYPES), self.pick(&IDS)).unwrap(),
            relation: self.pick(&RELATIONS).to_owned(),
            subject: self.subject(),
            caveat,
            expires_at: self
                .maybe(30, |random| second(now - 2 + i64::try_from(random.below(10)).unwrap())),
        }
    }

    fn filter(&mut self) -> RelationshipFilter {
        RelationshipFilter {
            resource_type: self.maybe(55, |random| random.pick(&TYPES).to_owned()),
            resource_id: self.maybe(40, |random| {
                let id = random.pick(&IDS);
                if random.chance(50) {
                    ObjectIdFilter::Exact(id.to_owned())
                } else {
                    ObjectIdFilter::Prefix(id[..1].to_owned())
                }
            }),
            relation: self.maybe(40, |random| random.pick(&RELATIONS).to_owned()),
            subject: self.maybe(50, |random| SubjectFilter {
                subject_type: random.pick(&TYPES).to_owned(),
                subject_id: random.maybe(60, |random| random.pick(&["a", "ab", "*"]).to_owned()),
                relation: match random.below(3) {
                    0 => SubjectRelationFilter::Any,
                    1 => SubjectRelationFilter::Itself,
                    _ => SubjectRelationFilter::Named(random.pick(&RELATIONS).to_owned()),
                },
            }),
        }
    }
}

fn second(number: i64) -> Timestamp {
    Timestamp::from_unix(number, 0).unwrap()
}

/// What the store should hold at one revision.
#[derive(Clone, Default)]
struct Moment {
    stored: RelationshipSet,
    schema: Option<(Revision, String)>,
}

/// What the store should hold.
struct Model {
    moments: BTreeMap<Revision, Moment>,
    changes: Vec<(Revision, ChangeLogEntry)>,
    /// The revisions of imports, whose changes come in any order.
    imported: BTreeSet<Revision>,
    horizon: Revision,
    now: i64,
}

impl Model {
    fn head(&self) -> (Revision, &Moment) {
        let (revision, moment) = self.moments.last_key_value().unwrap();
        (*revision, moment)
    }

    fn at(&self, revision: Revision) -> &Moment {
        self.moments.range(..=revision).next_back().unwrap().1
    }
}

/// The same change on the model as on the store; says whether anything changed.
fn apply(moment: &mut Moment, update: &RelationshipUpdate) -> bool {
    let relationship = &update.relationship;
    let before = moment.stored.remove(relationship);
    let (after, changed) = match (update.operation, before) {
        (UpdateOperation::Create, Some(before)) => (Some(before), false),
        (UpdateOperation::Create, None) => (Some(relationship.clone()), true),
        (UpdateOperation::Touch, before) => {
            let changed = before.as_ref() != Some(relationship);
            (Some(relationship.clone()), changed)
        }
        (UpdateOperation::Delete, before) => (None, before.is_some()),
    };
    if let Some(after) = after {
        moment.stored.insert(after);
    }
    changed
}

fn logged(update: &RelationshipUpdate) -> ChangeLogEntry {
    let mut logged = update.clone();
    if logged.operation == UpdateOperation::Delete {
        logged.relationship.caveat = None;
        logged.relationship.expires_at = None;
    } else {
        logged.operation = UpdateOperation::Touch;
    }
    ChangeLogEntry::Relationship(logged)
}

/// The key of a relationship.
fn key(relationship: &Relationship) -> String {
    Relationship { caveat: None, expires_at: None, ..relationship.clone() }.to_string()
}

/// An import that is prepared and not published.
struct Pending {
    prepared: PreparedWrite,
    rows: Vec<Relationship>,
    /// Those that other writes have written since.
    taken: BTreeSet<String>,
}

impl Pending {
    /// Notes which of its relationships another write has written.
    fn take(&mut self, log: &[ChangeLogEntry]) {
        let written = log.iter().filter_map(|change| match change {
            ChangeLogEntry::Relationship(update) if update.operation == UpdateOperation::Touch => {
                Some(key(&update.relationship))
            }
            ChangeLogEntry::Relationship(_)
            | ChangeLogEntry::Schema
            | ChangeLogEntry::Metadata(_)
            | ChangeLogEntry::Writer(_) => None,
        });
        let own: BTreeSet<_> = self.rows.iter().map(key).collect();
        self.taken.extend(written.filter(|row| own.contains(row)));
    }
}

fn patient() -> IsInterrupted {
    Arc::new(|| false)
}

fn touched(relationship: Relationship) -> ChangeLogEntry {
    logged(&RelationshipUpdate { operation: UpdateOperation::Touch, relationship })
}

/// A deletion that is prepared and not published.
struct Deleting {
    prepared: PreparedDeletion,
    /// The keys that were added, in order, once each.
    added: Vec<String>,
    /// Those that other writes have changed since.
    reclaimed: BTreeSet<String>,
}

impl Deleting {
    /// Notes what another write has changed.
    fn reclaim(&mut self, log: &[ChangeLogEntry]) {
        for change in log {
            if let ChangeLogEntry::Relationship(update) = change {
                let key = key(&update.relationship);
                if self.added.contains(&key) {
                    self.reclaimed.insert(key);
                }
            }
        }
    }
}

struct Trial {
    dir: TempDir,
    store: Option<Store>,
    pending: Option<Pending>,
    deleting: Option<Deleting>,
    model: Model,
    random: Random,
}

impl Trial {
    fn new(seed: u64) -> Self {
        let dir = TempDir::new().unwrap();
        let moments = BTreeMap::from([(Revision(0), Moment::default())]);
        let (changes, imported, horizon) = (Vec::new(), BTreeSet::new(), Revision(0));
        let model = Model { moments, changes, imported, horizon, now: 100 };
        let (store, pending, deleting, random) = (None, None, None, Random(seed));
        let mut trial = Self { dir, store, pending, deleting, model, random };
        trial.reopen();
        trial
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        // As after a crash: nobody gives them up.
        mem::forget((self.pending.take(), self.deleting.take()));
        self.store = None;
        let options = StoreOptions {
            history_window: Duration::from_secs(WINDOW.unsigned_abs()),
            block_cache_bytes: 1 << 20,
            sync: false,
            piece_rows_max: 3,
            ..StoreOptions::default()
        };
        self.store = Some(Store::open(self.dir.path(), &options).unwrap());
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..36 => self.write(),
            36..42 => self.prepare(),
            42..47 => self.end_import(),
            47..54 => self.prepare_deletion(),
            54..58 => self.end_deletion(),
            58..65 => self.delete(),
            65..70 => self.write_schema(),
            70..80 => self.collect(),
            80..82 => self.reopen(),
            82..95 => self.model.now += i64::try_from(self.random.below(6)).unwrap(),
            _ => self.model.now -= 1,
        }
    }

    fn write(&mut self) {
        let count = self.random.below(5);
        let now = self.model.now;
        let operations = [UpdateOperation::Create, UpdateOperation::Touch, UpdateOperation::Delete];
        let updates: Vec<_> = (0..count)
            .map(|_| RelationshipUpdate {
                operation: operations[self.random.below(3)],
                relationship: self.contested().unwrap_or_else(|| self.random.relationship(now)),
            })
            .collect();
        let refuse = self.random.chance(15);
        let mut moment = self.model.head().1.clone();
        let expected: Vec<_> = updates.iter().map(|update| apply(&mut moment, update)).collect();
        let mut log: Vec<_> = updates
            .iter()
            .zip(&expected)
            .filter(|(_, changed)| **changed)
            .map(|(update, _)| logged(update))
            .collect();
        let metadata = self.random.maybe(20, |_| Context::parse(r#"{"why": "test"}"#).unwrap());
        log.splice(0..0, metadata.clone().map(ChangeLogEntry::Metadata));
        let result = self.store().write(second(now), move |transaction| {
            if let Some(metadata) = &metadata {
                transaction.set_metadata(metadata).unwrap();
            }
            for (update, expected) in updates.iter().zip(expected) {
                let relationship = &update.relationship;
                let changed = match update.operation {
                    UpdateOperation::Create => transaction.create(relationship),
                    UpdateOperation::Touch => transaction.put(relationship),
                    UpdateOperation::Delete => transaction.remove(relationship),
                };
                assert_eq!(changed.unwrap(), expected, "{update:?}");
                let seen =
                    transaction.find(relationship.resource_key(), relationship.subject.key());
                let holds = relationship.expires_at.is_none_or(|at| second(now) < at);
                if expected && update.operation != UpdateOperation::Delete {
                    assert_eq!(seen.unwrap(), holds.then(|| relationship.qualifiers()));
                }
            }
            if refuse { Err("refused") } else { Ok(()) }
        });
        match result {
            Ok((revision, ())) => {
                if let Some(pending) = &mut self.pending {
                    pending.take(&log);
                }
                if let Some(deleting) = &mut self.deleting {
                    deleting.reclaim(&log);
                }
                self.advance(revision, moment, log);
            }
            Err(WriteError::Refused("refused")) if refuse => {}
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Often one of the relationships that are prepared, and otherwise sometimes one that was there before.
    fn contested(&mut self) -> Option<Relationship> {
        if !self.random.chance(40) {
            return None;
        }
        let prepared = self.pending.iter().flat_map(|pending| pending.rows.iter().cloned());
        let added = self.deleting.iter().flat_map(|deleting| deleting.added.iter());
        let added = added.map(|key| key.parse().unwrap());
        let mut rows: Vec<Relationship> = prepared.chain(added).collect();
        if rows.is_empty() {
            let (_, oldest) = self.model.moments.range(self.model.horizon..).next()?;
            rows.extend(oldest.stored.iter().cloned());
        }
        (!rows.is_empty()).then(|| rows.swap_remove(self.random.below(rows.len())))
    }

    /// Prepares an import. It is refused when any of it exists.
    fn prepare(&mut self) {
        if self.pending.is_some() || self.deleting.is_some() {
            return;
        }
        let (now, count) = (self.model.now, 1 + self.random.below(10));
        let rows: BTreeMap<_, _> = (0..count)
            .map(|_| self.random.relationship(now))
            .map(|relationship| (key(&relationship), relationship))
            .collect();
        let mut staged = self.store().spill_file().unwrap();
        for row in rows.values() {
            staged.add(row).unwrap();
        }
        let stored = &self.model.head().1.stored;
        let existing: BTreeSet<_> = stored.iter().map(key).collect();
        let must_fail = rows.keys().any(|row| existing.contains(row));

        match self.store().prepare(second(now), &mut staged, &patient()) {
            Ok(prepared) => {
                assert!(!must_fail);
                let (rows, taken) = (rows.into_values().collect(), BTreeSet::new());
                self.pending = Some(Pending { prepared, rows, taken });
            }
            Err(PrepareError::Exists(found)) => {
                let found = key(&found);
                assert!(existing.contains(&found) && rows.contains_key(&found), "{found}");
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Publishes an import or gives it up.
    fn end_import(&mut self) {
        let Some(Pending { mut prepared, rows, taken }) = self.pending.take() else { return };
        if self.random.chance(25) {
            return;
        }

        let metadata = self.random.maybe(30, |_| Context::parse(r#"{"why": "import"}"#).unwrap());
        let mut log: Vec<_> = rows.iter().cloned().map(touched).collect();
        log.splice(0..0, metadata.clone().map(ChangeLogEntry::Metadata));
        let (first, refuse) = (rows[0].clone(), self.random.chance(15));
        let result = self.store().write(second(self.model.now), move |transaction| {
            let refused = |reason: &str| TransactionError::Read(ReadError::new(reason));
            if let Some(metadata) = &metadata {
                transaction.set_metadata(metadata)?;
            }
            if refuse {
                return Err(refused("refused"));
            }
            if let Some(existing) = transaction.publish(&mut prepared)? {
                return Err(refused(&key(&existing)));
            }
            // Others of the same batch would find it.
            assert!(!transaction.create(&first)?);
            Ok(())
        });
        match result {
            Ok((revision, ())) => {
                assert!(taken.is_empty());
                let mut moment = self.model.head().1.clone();
                for row in rows {
                    assert!(moment.stored.insert(row).is_none());
                }
                self.model.imported.insert(revision);
                self.advance(revision, moment, log);
            }
            Err(WriteError::Refused(TransactionError::Read(error)))
                if error.reason == "refused" =>
            {
                assert!(refuse);
            }
            Err(WriteError::Refused(TransactionError::Read(error))) => {
                assert!(taken.contains(&error.reason), "{error}");
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Prepares a deletion of some relationships, or of some more.
    fn prepare_deletion(&mut self) {
        if self.pending.is_some() {
            return;
        }
        let (now, patient) = (second(self.model.now), patient());
        let mut deleting = match self.deleting.take() {
            Some(deleting) => deleting,
            None => Deleting {
                prepared: self.store().prepare_deletion(now, &patient).unwrap(),
                added: Vec::new(),
                reclaimed: BTreeSet::new(),
            },
        };
        let filter = self.random.filter();
        // What expires may be collected before or after it is moved back, which nobody sees, except who creates it again.
        let rows = self.model.head().1.stored.iter().filter(|row| {
            row.expires_at.is_none() && filter.matches(row) && !deleting.added.contains(&key(row))
        });
        let mut rows: Vec<_> = rows.take(6).cloned().collect();
        deleting.added.extend(rows.iter().map(key));
        // One that does not exist changes nothing.
        let absent = self.random.relationship(self.model.now);
        if !self.model.head().1.stored.iter().any(|row| key(row) == key(&absent)) {
            rows.push(absent);
        }
        self.store().add_to_deletion(&mut deleting.prepared, rows, &patient).unwrap();
        self.deleting = Some(deleting);
    }

    /// Publishes a deletion or gives it up.
    fn end_deletion(&mut self) {
        let Some(Deleting { mut prepared, added, reclaimed }) = self.deleting.take() else {
            return;
        };
        if self.random.chance(30) {
            return;
        }
        let refuse = self.random.chance(15);
        let result = self.store().write(second(self.model.now), move |transaction| {
            if refuse {
                return Err(TransactionError::Interrupted);
            }
            transaction.publish_deletion(&mut prepared)
        });
        if refuse {
            assert!(matches!(result, Err(WriteError::Refused(TransactionError::Interrupted))));
            return;
        }
        let (revision, counts) = result.unwrap();
        let removed: Vec<_> = added.iter().filter(|key| !reclaimed.contains(*key)).collect();
        assert_eq!(counts.all, u64::try_from(removed.len()).unwrap());
        let mut moment = self.model.head().1.clone();
        let mut log = Vec::new();
        for key in removed {
            let relationship: Relationship = key.parse().unwrap();
            assert!(moment.stored.remove(&relationship).is_some());
            let operation = UpdateOperation::Delete;
            log.push(logged(&RelationshipUpdate { operation, relationship }));
        }
        self.advance(revision, moment, log);
    }

    fn delete(&mut self) {
        let filter = self.random.filter();
        let mut moment = self.model.head().1.clone();
        let doomed: Vec<_> =
            moment.stored.iter().filter(|one| filter.matches(one)).cloned().collect();
        for relationship in &doomed {
            moment.stored.remove(relationship);
        }
        let count = doomed.len();
        let result = self.store().write(second(self.model.now), move |transaction| {
            let mut removed = Vec::new();
            loop {
                let page =
                    transaction.scan_stored(&filter, None, 3, &ScanBudget::unlimited())?.rows;
                if page.is_empty() {
                    return Ok::<_, kilwa::store::TransactionError>(removed);
                }
                for (relationship, _) in page {
                    assert!(transaction.remove(&relationship)?);
                    removed.push(relationship);
                }
            }
        });
        let (revision, removed) = result.unwrap();
        assert_eq!(removed.len(), count);
        let log = removed.into_iter().map(|relationship| {
            logged(&RelationshipUpdate { operation: UpdateOperation::Delete, relationship })
        });
        let log: Vec<_> = log.collect();
        if let Some(deleting) = &mut self.deleting {
            deleting.reclaim(&log);
        }
        self.advance(revision, moment, log);
    }

    fn write_schema(&mut self) {
        let text = format!("// {}", self.random.below(1000));
        let mut moment = self.model.head().1.clone();
        let written = text.clone();
        let result = self.store().write(second(self.model.now), move |transaction| {
            transaction.set_schema(&written)?;
            assert_eq!(transaction.schema()?.unwrap().text.as_ref(), written);
            Ok::<_, kilwa::store::TransactionError>(())
        });
        let (revision, ()) = result.unwrap();
        moment.schema = Some((revision, text));
        self.advance(revision, moment, vec![ChangeLogEntry::Schema]);
    }

    fn advance(&mut self, revision: Revision, moment: Moment, log: Vec<ChangeLogEntry>) {
        assert!(revision > self.model.head().0);
        self.model.moments.insert(revision, moment);
        self.model.changes.extend(log.into_iter().map(|change| (revision, change)));
    }

    fn collect(&mut self) {
        let before = self.store().snapshot(second(self.model.now)).unwrap();
        let oldest = self.model.now - WINDOW;
        self.store().collect_garbage(second(self.model.now)).unwrap();
        let (head, head_moment) = self.model.head();
        self.compare(&before, head_moment, &mut Random(7));
        drop(before);
        let expired: Vec<_> = head_moment
            .stored
            .iter()
            .filter(|one| one.expires_at.is_some_and(|at| at <= second(oldest)))
            .cloned()
            .collect();
        let horizon = Revision(oldest.unsigned_abs() * 1_000_000_000).min(head);
        self.model.horizon = self.model.horizon.max(horizon);
        let moment = self.model.moments.get_mut(&head).unwrap();
        for relationship in expired {
            moment.stored.remove(&relationship);
        }
    }

    fn check(&mut self) {
        let mut random = Random(self.random.next());
        let now = second(self.model.now);
        let (head, moment) = self.model.head();
        let snapshot = self.store().snapshot(now).unwrap();
        assert_eq!(snapshot.revision(), head);
        assert_eq!(snapshot.oldest_revision(), self.model.horizon);
        self.compare(&snapshot, moment, &mut random);
        self.compare_changes(&snapshot, &mut random);
        let revisions: Vec<_> = self.model.moments.keys().copied().collect();
        for _ in 0..4 {
            let near = revisions[random.below(revisions.len())].0 + u64::from(random.chance(30));
            self.compare_at(Revision(near), &mut random);
        }
        self.compare_at(self.model.horizon, &mut random);
    }

    fn compare_at(&self, revision: Revision, random: &mut Random) {
        match self.store().snapshot_at(revision, second(self.model.now)) {
            Ok(snapshot) => {
                assert!(self.model.horizon <= revision && revision <= self.model.head().0);
                assert_eq!(snapshot.revision(), revision);
                self.compare(&snapshot, self.model.at(revision), random);
            }
            Err(SnapshotError::Expired { oldest, .. }) => {
                assert!(revision < oldest && oldest == self.model.horizon);
            }
            Err(SnapshotError::Future { newest, .. }) => {
                assert!(revision > newest && newest == self.model.head().0);
            }
            Err(error @ (SnapshotError::Time { .. } | SnapshotError::Read(_))) => panic!("{error}"),
        }
    }

    fn compare(&self, snapshot: &Snapshot<'_>, moment: &Moment, random: &mut Random) {
        let schema = snapshot.schema().unwrap();
        let schema = schema.map(|schema| (schema.revision, schema.text.to_string()));
        assert_eq!(schema, moment.schema);
        let written = moment.schema.as_ref().map_or(Revision(0), |(revision, _)| *revision);
        assert_eq!(snapshot.schema_revision().unwrap(), written);
        self.compare_scan(snapshot, moment, &RelationshipFilter::default(), 7);
        for _ in 0..8 {
            let filter = random.filter();
            self.compare_scan(snapshot, moment, &filter, 1 + random.below(5));
        }
        self.compare_reader(snapshot, moment, random);
    }

    fn compare_scan(
        &self,
        snapshot: &Snapshot<'_>,
        moment: &Moment,
        filter: &RelationshipFilter,
        page: usize,
    ) {
        let now = second(self.model.now);
        let mut expected: Vec<_> = moment
            .stored
            .iter()
            .filter(|one| filter.matches(one) && one.expires_at.is_none_or(|at| now < at))
            .map(ToString::to_string)
            .collect();
        let mut found = Vec::new();
        let mut after: Option<ScanPosition> = None;
        loop {
            // Small enough that pages end before a row matches.
            let budget = ScanBudget::unlimited().with_rows_max(u64::try_from(page).unwrap());
            let ScanPage { rows, next } =
                snapshot.scan(filter, after.as_ref(), page, &budget).unwrap();
            assert!(rows.len() <= page);
            found.extend(rows.into_iter().map(|(relationship, _)| relationship.to_string()));
            let Some(next) = next else { break };
            after = Some(ScanPosition::from_bytes(&next.to_bytes()).unwrap());
        }
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{filter:?} at {snapshot:?}");
    }

    fn compare_reader(&self, snapshot: &Snapshot<'_>, moment: &Moment, random: &mut Random) {
        let twin = moment.stored.visible_at(second(self.model.now));
        for _ in 0..12 {
            let (object_id, relation) = (random.pick(&IDS), random.pick(&RELATIONS));
            let object_type = random.pick(&TYPES);
            let resource = ResourceKey { object_type, object_id, relation };
            let subject = random.subject();
            let page = IdPage {
                after: random.maybe(30, |random| random.pick(&IDS)),
                count_max: 1 + random.below(4),
            };
            same(snapshot.find(resource, subject.key()), twin.find(resource, subject.key()));
            let SubjectKey { object_type: subject_type, relation: subject_relation, .. } =
                subject.key();
            let form = SubjectForm { object_type: subject_type, relation: subject_relation };
            same(snapshot.subjects(resource, form, page), twin.subjects(resource, form, page));
            let key = RelationKey { object_type, relation };
            let found = snapshot.resources(key, subject.key(), page);
            same(found, twin.resources(key, subject.key(), page));

            // Mostly in order, as they are cheap; any order and any id has to do.
            let mut ids: Vec<_> = IDS.iter().copied().filter(|_| random.chance(60)).collect();
            if random.chance(20) {
                ids.extend([random.pick(&IDS), random.pick(&IDS)]);
            }
            let found = snapshot.find_each(key, &ids, subject.key());
            same(found, twin.find_each(key, &ids, subject.key()));
            let found = snapshot.subjects_of_each(key, &ids, form, page.count_max);
            same(found, twin.subjects_of_each(key, &ids, form, page.count_max));
            let found = snapshot.resources_of_each(key, form, &ids, page);
            same(found, twin.resources_of_each(key, form, &ids, page));
        }
        for relationship in moment.stored.iter() {
            let (resource, subject) = (relationship.resource_key(), relationship.subject.key());
            let found: Option<Qualifiers> = snapshot.find(resource, subject).unwrap();
            assert_eq!(found, twin.find(resource, subject).unwrap());
        }
    }

    fn compare_changes(&self, snapshot: &Snapshot<'_>, random: &mut Random) {
        let page = 1 + random.below(5);
        let mut found = Vec::new();
        let mut after = ChangePosition::after(self.model.horizon);
        loop {
            let changes = snapshot.changes(after, page).unwrap();
            let Some((last, _)) = changes.last() else { break };
            after = *last;
            found.extend(changes.into_iter().map(|(position, change)| (position.revision, change)));
        }
        let kept = self.model.changes.iter().filter(|(at, _)| *at > self.model.horizon);
        assert_eq!(self.sorted(found.clone()), self.sorted(kept.cloned().collect()));

        // The same from the end.
        let (mut back, mut before) = (Vec::new(), ChangePosition::after(snapshot.revision()));
        loop {
            let changes = snapshot.changes_back(before, page).unwrap();
            let Some((last, _)) = changes.last() else { break };
            before = *last;
            back.extend(changes.into_iter().map(|(position, change)| (position.revision, change)));
        }
        back.reverse();
        assert_eq!(found, back);
    }

    /// Changes with those of an import in the order of their keys, after its metadata.
    fn sorted(
        &self,
        mut changes: Vec<(Revision, ChangeLogEntry)>,
    ) -> Vec<(Revision, ChangeLogEntry)> {
        let place = |(revision, change): &(Revision, ChangeLogEntry)| match change {
            ChangeLogEntry::Relationship(update) if self.model.imported.contains(revision) => {
                (*revision, Some(key(&update.relationship)))
            }
            ChangeLogEntry::Relationship(_)
            | ChangeLogEntry::Schema
            | ChangeLogEntry::Metadata(_)
            | ChangeLogEntry::Writer(_) => (*revision, None),
        };
        changes.sort_by_cached_key(place);
        changes
    }
}

#[track_caller]
fn same<T: PartialEq + std::fmt::Debug>(
    found: Result<T, kilwa::relationship::ReadError>,
    expected: Result<T, kilwa::relationship::ReadError>,
) {
    assert_eq!(found.unwrap(), expected.unwrap());
}

/// Says where a test panicked.
struct Place {
    seed: u64,
    step: usize,
}

impl Drop for Place {
    #[expect(clippy::print_stderr, reason = "a failure that cannot be repeated helps nobody")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("at seed {}, step {}", self.seed, self.step);
        }
    }
}

/// How many seeds to try; more than usual when `KILWA_TEST_CASES` says so.
#[expect(clippy::disallowed_methods, reason = "the one knob of the test, for long runs by hand")]
fn seeds() -> u64 {
    std::env::var("KILWA_TEST_CASES").map_or(SEEDS, |cases| cases.parse().unwrap())
}

#[test]
fn every_read_agrees_with_the_model() {
    for seed in 0..seeds() {
        let mut trial = Trial::new(seed);
        for step in 0..STEPS {
            // Shown when a step fails, with the seed that repeats it.
            let _place = Place { seed, step };
            trial.step();
            trial.check();
        }
    }
}
