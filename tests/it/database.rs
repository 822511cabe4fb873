//! The database through its handle: the rules of writes and deletions, schemas and data that change at the same time,
//! and views at every revision.

use kilwa::database::{
    Changes, Consistency, Database, DatabaseError, DatabaseOptions, DeleteRequest, DeletionSummary,
    RelationshipChange, RevisionChanges, View, WatchPosition, WriteRequest,
};
use kilwa::engine::{CheckQuery, EngineError};
use kilwa::relationship::PreconditionOperation::{MustMatch, MustNotMatch};
use kilwa::relationship::{
    Context, ObjectRef, Permissionship, Precondition, PreconditionOperation, Relationship,
    RelationshipFilter, RelationshipUpdate, Revision, Subject, SubjectFilter,
    SubjectRelationFilter, Timestamp, UpdateOperation,
};
use kilwa::store::StoreOptions;
use std::time::Duration;
use tempfile::TempDir;

const SCHEMA: &str = "
use expiration

caveat odd(n int) { n % 2 == 1 }

definition user {}

definition group {
    relation member: user | group#member
}

definition document {
    relation viewer: user | user:* | group#member | user with odd | user with expiration
    relation owner: user
    permission view = viewer + owner
}
";

struct Trial {
    dir: TempDir,
    database: Database,
}

impl Trial {
    fn empty() -> Self {
        let dir = TempDir::new().unwrap();
        let database = open(&dir);
        Self { dir, database }
    }

    fn new() -> Self {
        let trial = Self::empty();
        trial.schema(1, SCHEMA).unwrap();
        trial
    }

    fn reopened(self) -> Self {
        let Self { dir, database } = self;
        drop(database);
        let database = open(&dir);
        Self { dir, database }
    }

    fn schema(&self, second: i64, text: &str) -> Result<Revision, DatabaseError> {
        self.database.write_schema(at(second), text)
    }

    /// Writes updates, one a line: `+` creates, `~` touches, `-` deletes.
    fn write(&self, second: i64, text: &str) -> Result<Revision, DatabaseError> {
        self.database.write(at(second), request(text))
    }

    fn head(&self, second: i64) -> View<'_> {
        self.database.view(Consistency::FullyConsistent, at(second)).unwrap()
    }

    fn delete(
        &self,
        second: i64,
        filter: &str,
        limit: Option<u32>,
        allow_partial: bool,
    ) -> Result<DeletionSummary, DatabaseError> {
        let request =
            DeleteRequest { filter: of_type(filter), limit, allow_partial, ..Default::default() };
        self.database.delete(at(second), request)
    }
}

fn open(dir: &TempDir) -> Database {
    let store = StoreOptions {
        history_window: Duration::from_secs(100),
        block_cache_bytes: 1 << 20,
        sync: false,
        ..StoreOptions::default()
    };
    Database::open(dir.path(), &store, DatabaseOptions::default()).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix(second, 0).unwrap()
}

fn relationship(text: &str) -> Relationship {
    text.parse().unwrap()
}

fn request(text: &str) -> WriteRequest {
    let update = |line: &str| {
        let (sign, text) = line.split_at(1);
        let operation = match sign {
            "+" => UpdateOperation::Create,
            "~" => UpdateOperation::Touch,
            "-" => UpdateOperation::Delete,
            _ => panic!("`{line}` starts with no operation"),
        };
        RelationshipUpdate { operation, relationship: relationship(text) }
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    WriteRequest { updates: lines.map(update).collect(), ..WriteRequest::default() }
}

/// A write of the lines that `line` makes of the numbers below `count`.
fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect::<Vec<_>>().join("\n")
}

fn of_type(resource_type: &str) -> RelationshipFilter {
    RelationshipFilter { resource_type: Some(resource_type.to_owned()), ..Default::default() }
}

fn rows(view: &View<'_>, resource_type: &str) -> Vec<String> {
    let rows = view.read(&of_type(resource_type), None, 10_000).unwrap().rows;
    rows.into_iter().map(|(row, _)| row.to_string()).collect()
}

fn check(view: &View<'_>, question: &str) -> Permissionship {
    let (resource, rest) = question.split_once('#').unwrap();
    let (permission, subject) = rest.split_once('@').unwrap();
    let (resource, subject): (ObjectRef, Subject) =
        (resource.parse().unwrap(), subject.parse().unwrap());
    let context = Context::default();
    let question =
        CheckQuery { resource: &resource, permission, subject: &subject, context: &context };
    view.check(&question, false).unwrap().permissionship
}

#[test]
fn without_a_schema_there_is_an_empty_one() {
    let trial = Trial::empty();
    let view = trial.head(1);
    assert_eq!(view.schema_text(), None);
    assert_eq!(view.schema().definitions().len(), 0);
    assert_eq!(view.revision(), Revision(0));
    assert!(matches!(
        trial.write(1, "+document:a#viewer@user:ann"),
        Err(DatabaseError::Relationship { .. })
    ));
    let written = trial.schema(2, "").unwrap();
    assert_eq!(trial.head(2).schema_text(), Some(""));
    assert_eq!(trial.head(2).revision(), written);
}

#[test]
fn what_is_written_answers_questions_at_once_and_after_a_restart() {
    let trial = Trial::new();
    let revision =
        trial.write(2, "+document:a#viewer@group:eng#member\n+group:eng#member@user:ann").unwrap();
    let trial = trial.reopened();
    let view = trial.head(2);
    assert_eq!(view.revision(), revision);
    assert_eq!(check(&view, "document:a#view@user:ann"), Permissionship::HasPermission);
    assert_eq!(check(&view, "document:a#view@user:bob"), Permissionship::NoPermission);
    assert_eq!(view.schema_text(), Some(SCHEMA));
}

#[test]
fn a_question_is_answered_at_once_when_that_takes_little_and_no_disk() {
    let trial = Trial::new();
    let chain = lines(300, |n| format!("+group:g{n}#member@group:g{}#member", n + 1));
    trial.write(2, &chain).unwrap();
    let written = trial.write(2, "+document:a#viewer@user:ann").unwrap();
    let (old, empty) = (Revision(written.0 - 1), Context::default());
    let ann: Subject = "user:ann".parse().unwrap();
    let at_once = |trial: &Trial, consistency, resource: &str, permission| {
        let resource: ObjectRef = resource.parse().unwrap();
        let question =
            CheckQuery { resource: &resource, permission, subject: &ann, context: &empty };
        let database = &trial.database;
        let (at, answer) =
            database.check_in_memory(consistency, at(3), &|| Duration::ZERO, &question)?;
        assert_eq!(at, written);
        Some(answer.map(|checked| checked.permissionship))
    };
    let newest = Consistency::FullyConsistent;
    for consistency in [
        newest,
        Consistency::MinimizeLatency,
        Consistency::AtLeastAsFresh(old),
        Consistency::AtExactSnapshot(written),
    ] {
        let answer = at_once(&trial, consistency, "document:a", "view");
        assert_eq!(answer.unwrap().unwrap(), Permissionship::HasPermission);
    }
    let error = at_once(&trial, newest, "document:a", "fly").unwrap().unwrap_err();
    assert!(error.to_string().contains("`fly` not found"), "{error}");
    // Another revision, or a longer way, is not a matter of an instant.
    for consistency in
        [Consistency::AtExactSnapshot(old), Consistency::AtLeastAsFresh(Revision(written.0 + 1))]
    {
        assert!(at_once(&trial, consistency, "document:a", "view").is_none());
    }
    assert!(at_once(&trial, newest, "group:g0", "member").is_none());
    // Nothing is in memory yet after a restart, and everything that was read is from then on.
    let trial = trial.reopened();
    assert!(at_once(&trial, newest, "document:a", "view").is_none());
    assert_eq!(check(&trial.head(3), "document:a#view@user:ann"), Permissionship::HasPermission);
    let answer = at_once(&trial, newest, "document:a", "view");
    assert_eq!(answer.unwrap().unwrap(), Permissionship::HasPermission);
}

#[test]
fn what_takes_long_is_not_answered_at_once() {
    let trial = Trial::new();
    let schema = "caveat heavy(l list<int>) { l.all(a, l.all(b, a + b > 0)) }
        definition user {}
        definition document { relation viewer: user with heavy }";
    trial.schema(2, schema).unwrap();
    trial.write(2, "+document:a#viewer@user:ann[heavy]").unwrap();
    let (document, ann) = ("document:a".parse().unwrap(), "user:ann".parse().unwrap());
    let at_once = |list_length: usize, took: Duration| {
        let list = vec!["1"; list_length].join(",");
        let context = Context::parse(&format!(r#"{{"l": [{list}]}}"#)).unwrap();
        let question = CheckQuery {
            resource: &document,
            permission: "viewer",
            subject: &ann,
            context: &context,
        };
        let database = &trial.database;
        let newest = Consistency::FullyConsistent;
        let (_, answer) = database.check_in_memory(newest, at(3), &|| took, &question)?;
        Some(answer.unwrap().permissionship)
    };
    assert_eq!(at_once(3, Duration::ZERO), Some(Permissionship::HasPermission));
    assert_eq!(at_once(300, Duration::ZERO), None);
    assert_eq!(at_once(3, Duration::from_millis(2)), None);
}

#[test]
fn a_view_keeps_schema_and_relationships_of_its_revision() {
    let trial = Trial::new();
    let old = trial.write(2, "+document:a#viewer@user:ann\n+document:a#owner@user:bob").unwrap();
    let kept = trial.head(2);
    trial.write(3, "-document:a#viewer@user:ann").unwrap();
    let narrower = SCHEMA.replace("view = viewer + owner", "view = owner");
    trial.schema(4, &narrower).unwrap();
    let exact = trial.database.view(Consistency::AtExactSnapshot(old), at(5)).unwrap();
    for view in [&kept, &exact] {
        assert_eq!(view.schema_text(), Some(SCHEMA));
        assert_eq!(check(view, "document:a#view@user:ann"), Permissionship::HasPermission);
        assert_eq!(rows(view, "document").len(), 2);
    }
    let head = trial.head(5);
    assert_eq!(check(&head, "document:a#view@user:ann"), Permissionship::NoPermission);
    assert_eq!(rows(&head, "document"), ["document:a#owner@user:bob"]);
}

#[test]
fn consistency_chooses_the_revision() {
    let trial = Trial::new();
    let old = trial.write(2, "+document:a#viewer@user:ann").unwrap();
    let new = trial.write(3, "+document:b#viewer@user:ann").unwrap();
    let revision =
        |consistency| trial.database.view(consistency, at(4)).map(|view| view.revision());
    assert_eq!(revision(Consistency::MinimizeLatency).unwrap(), new);
    assert_eq!(revision(Consistency::FullyConsistent).unwrap(), new);
    assert_eq!(revision(Consistency::AtLeastAsFresh(old)).unwrap(), new);
    assert_eq!(revision(Consistency::AtExactSnapshot(old)).unwrap(), old);
    let future = Revision(new.0 + 1);
    for consistency in [Consistency::AtLeastAsFresh(future), Consistency::AtExactSnapshot(future)] {
        let error = revision(consistency).unwrap_err();
        assert!(
            matches!(error, DatabaseError::RevisionFuture { revision, newest } if revision == future && newest == new)
        );
    }
    trial.database.collect_garbage(at(500)).unwrap();
    assert_eq!(revision(Consistency::AtLeastAsFresh(old)).unwrap(), new);
    let error = revision(Consistency::AtExactSnapshot(old)).unwrap_err();
    assert!(
        matches!(error, DatabaseError::RevisionExpired { revision, oldest } if revision == old && oldest == new)
    );
    assert_eq!(revision(Consistency::AtExactSnapshot(new)).unwrap(), new);
}

#[test]
fn a_create_of_what_is_stored_is_refused_even_when_it_has_expired() {
    let trial = Trial::new();
    trial.write(2, "+document:a#viewer@user:ann[expiration:1970-01-01T00:00:05Z]").unwrap();
    for second in [3, 9] {
        let error = trial.write(second, "+document:a#viewer@user:ann").unwrap_err();
        assert!(matches!(error, DatabaseError::AlreadyExists(_)), "{error}");
        assert!(
            error
                .to_string()
                .contains("could not CREATE relationship `document:a#viewer@user:ann`"),
            "{error}"
        );
    }
    assert_eq!(rows(&trial.head(9), "document"), [""; 0]);
    trial.database.collect_garbage(at(106)).unwrap();
    trial.write(107, "+document:a#viewer@user:ann").unwrap();
}

#[test]
fn a_write_with_one_refused_update_changes_nothing() {
    let trial = Trial::new();
    let before = trial.write(2, "+document:a#viewer@user:ann").unwrap();
    trial.write(3, "+document:b#viewer@user:ann\n-document:a#viewer@user:ann\n+document:a#owner@user:ann\n+document:a#viewer@user:ann").unwrap_err();
    trial.write(3, "+document:b#viewer@user:ann\n+document:a#viewer@user:ann").unwrap_err();
    let view = trial.head(4);
    assert_eq!(view.revision(), before);
    assert_eq!(rows(&view, "document"), ["document:a#viewer@user:ann"]);
}

#[test]
fn a_touch_replaces_what_the_relationship_carries() {
    let trial = Trial::new();
    for (second, text) in [
        (2, "document:a#viewer@user:ann"),
        (3, "document:a#viewer@user:ann[odd:{\"n\":3}]"),
        (4, "document:a#viewer@user:ann[expiration:1970-01-02T00:00:00Z]"),
        (5, "document:a#viewer@user:ann"),
    ] {
        trial.write(second, &format!("~{text}")).unwrap();
        assert_eq!(rows(&trial.head(second), "document"), [text]);
    }
    let before = trial.head(6).revision();
    let after = trial.write(6, "~document:a#viewer@user:ann").unwrap();
    let changes = trial.head(6).changes(&WatchPosition::after(before), 10).unwrap();
    assert!(after > before && changes.parts.is_empty() && changes.complete);
}

#[test]
fn a_delete_takes_any_terms_and_misses_without_complaint() {
    let trial = Trial::new();
    trial.write(2, "+document:a#viewer@user:ann[odd:{\"n\":3}]").unwrap();
    trial.write(3, "-document:a#viewer@user:ann\n-document:b#viewer@user:ann").unwrap();
    assert_eq!(rows(&trial.head(3), "document"), [""; 0]);
}

#[test]
fn an_empty_write_makes_a_revision() {
    let trial = Trial::new();
    let before = trial.head(2).revision();
    assert!(trial.write(2, "").unwrap() > before);
}

#[test]
fn what_the_schema_does_not_allow_is_refused_with_the_relationship() {
    let trial = Trial::new();
    for text in [
        "planet:a#viewer@user:ann",
        "document:a#editor@user:ann",
        "document:a#view@user:ann",
        "document:a#owner@user:*",
        "document:a#owner@group:eng#member",
        "document:a#viewer@user:ann[even]",
        "document:a#viewer@user:ann[odd:{\"m\":1}]",
        "document:a#viewer@robot:r2",
    ] {
        for operation in ["+", "~"] {
            let error = trial.write(2, &format!("{operation}{text}")).unwrap_err();
            assert!(
                matches!(&error, DatabaseError::Relationship { relationship, .. } if relationship.to_string() == text),
                "{text}: {error}"
            );
        }
    }
}

#[test]
fn writes_keep_within_their_bounds() {
    let trial = Trial::new();
    let many = |count| lines(count, |n| format!("~document:d{n}#viewer@user:ann"));
    trial.write(2, &many(1000)).unwrap();
    let error = trial.write(2, &many(1001)).unwrap_err();
    assert!(matches!(error, DatabaseError::TooManyUpdates { count: 1001, max: 1000 }));
    let metadata = |bytes| Context::parse(&format!("{{\"a\":\"{}\"}}", "x".repeat(bytes))).unwrap();
    let with = |metadata| WriteRequest { metadata: Some(metadata), ..WriteRequest::default() };
    trial.database.write(at(3), with(metadata(64_992))).unwrap();
    let error = trial.database.write(at(3), with(metadata(64_993))).unwrap_err();
    assert!(matches!(error, DatabaseError::MetadataTooLarge { bytes: 65_001, max: 65_000 }));
    let preconditions = vec![precondition("document", MustMatch); 1001];
    let request = WriteRequest { preconditions, ..WriteRequest::default() };
    let error = trial.database.write(at(3), request).unwrap_err();
    assert!(matches!(error, DatabaseError::TooManyPreconditions { count: 1001, max: 1000 }));
}

#[test]
fn an_import_creates_everything_or_nothing() {
    let trial = Trial::new();
    let rows_of = |range: std::ops::Range<usize>| {
        range.map(|n| relationship(&format!("document:d{n}#viewer@user:ann"))).collect::<Vec<_>>()
    };
    trial.database.import(at(2), &rows_of(0..3000)).unwrap();
    let error = trial.database.import(at(2), &rows_of(2999..6000)).unwrap_err();
    assert!(matches!(error, DatabaseError::AlreadyExists(_)), "{error}");
    let twice = [rows_of(7000..7001), rows_of(7000..7001)].concat();
    let error = trial.database.import(at(2), &twice).unwrap_err();
    assert!(matches!(error, DatabaseError::AlreadyExists(_)), "{error}");
    let foreign = vec![relationship("planet:a#viewer@user:ann")];
    let error = trial.database.import(at(2), &foreign).unwrap_err();
    assert!(matches!(error, DatabaseError::Relationship { .. }), "{error}");
    assert_eq!(rows(&trial.head(2), "document").len(), 3000);
}

#[test]
fn two_updates_of_one_relationship_are_refused() {
    let trial = Trial::new();
    let error = trial
        .write(2, "+document:a#viewer@user:ann\n-document:a#viewer@user:ann[odd:{\"n\":1}]")
        .unwrap_err();
    assert!(matches!(error, DatabaseError::DuplicateUpdate(_)), "{error}");
    trial.write(2, "+document:a#viewer@user:ann\n+document:a#viewer@group:ann#member").unwrap();
}

fn precondition(resource_type: &str, operation: PreconditionOperation) -> Precondition {
    Precondition { operation, filter: of_type(resource_type) }
}

#[test]
fn preconditions_see_the_state_before_without_what_has_expired() {
    let trial = Trial::new();
    let with = |resource_type, operation, text| WriteRequest {
        preconditions: vec![precondition(resource_type, operation)],
        ..request(text)
    };
    let short = "+document:a#viewer@user:ann[expiration:1970-01-01T00:00:05Z]";
    let error = trial.database.write(at(2), with("document", MustMatch, short)).unwrap_err();
    assert!(matches!(error, DatabaseError::PreconditionFailed(_)));
    assert_eq!(
        error.to_string(),
        "unable to satisfy write precondition `MUST_MATCH document:*#*@*`"
    );
    trial.database.write(at(2), with("document", MustNotMatch, short)).unwrap();
    trial.database.write(at(3), with("document", MustMatch, "")).unwrap();
    trial.database.write(at(3), with("document", MustNotMatch, "")).unwrap_err();
    trial.database.write(at(9), with("document", MustNotMatch, "")).unwrap();
    let error = trial.database.write(at(9), with("planet", MustNotMatch, "")).unwrap_err();
    assert!(matches!(error, DatabaseError::UnknownName(_)), "{error}");
    let anything = Precondition { operation: MustMatch, filter: RelationshipFilter::default() };
    let request = WriteRequest { preconditions: vec![anything], ..WriteRequest::default() };
    let error = trial.database.write(at(9), request).unwrap_err();
    assert!(matches!(error, DatabaseError::EmptyFilter), "{error}");
}

#[test]
fn deletions_go_up_to_their_limit() {
    let trial = Trial::new();
    let ten = lines(10, |n| format!("~document:d{n}#viewer@user:ann"));
    trial.write(2, &ten).unwrap();
    let error = trial.delete(3, "document", Some(9), false).unwrap_err();
    assert!(matches!(error, DatabaseError::TooManyToDelete { limit: 9, .. }), "{error}");
    assert_eq!(rows(&trial.head(3), "document").len(), 10);
    let deleted = trial.delete(3, "document", Some(4), true).unwrap();
    assert_eq!((deleted.count, deleted.complete), (4, false));
    let deleted = trial.delete(3, "document", Some(6), true).unwrap();
    assert_eq!((deleted.count, deleted.complete), (6, true));
    assert_eq!(rows(&trial.head(3), "document").len(), 0);
    let deleted = trial.delete(3, "document", None, false).unwrap();
    assert_eq!((deleted.count, deleted.complete), (0, true));
    assert_eq!(trial.head(3).revision(), deleted.revision);
}

#[test]
fn deletions_without_a_limit_take_everything_at_once() {
    let trial = Trial::new();
    for round in 0..3 {
        let text = lines(1000, |n| format!("~document:r{round}d{n}#viewer@user:ann"));
        trial.write(2, &text).unwrap();
    }
    trial.write(3, "~document:x#viewer@user:ann[expiration:1970-01-01T00:00:05Z]").unwrap();
    let before = trial.head(9).revision();
    let deleted = trial.delete(9, "document", None, false).unwrap();
    assert_eq!((deleted.count, deleted.complete), (3001, true));
    trial.write(9, "+document:x#viewer@user:ann").unwrap();
    let view = trial.database.view(Consistency::AtExactSnapshot(before), at(9)).unwrap();
    assert_eq!(rows(&view, "document").len(), 3000);
}

#[test]
fn deletions_know_their_names_and_preconditions() {
    let trial = Trial::new();
    let error = trial.delete(2, "planet", None, false).unwrap_err();
    assert!(matches!(error, DatabaseError::UnknownName(_)), "{error}");
    let error = trial.database.delete(at(2), DeleteRequest::default()).unwrap_err();
    assert!(matches!(error, DatabaseError::EmptyFilter), "{error}");
    let preconditions = vec![precondition("group", MustMatch)];
    let request =
        DeleteRequest { filter: of_type("document"), preconditions, ..Default::default() };
    let error = trial.database.delete(at(2), request).unwrap_err();
    assert!(matches!(error, DatabaseError::PreconditionFailed(_)), "{error}");
}

#[test]
fn reads_are_paged_and_know_their_names() {
    let trial = Trial::new();
    let five = lines(5, |n| format!("~document:d{n}#viewer@user:ann"));
    trial.write(2, &five).unwrap();
    let view = trial.head(2);
    let first = view.read(&of_type("document"), None, 3).unwrap().rows;
    let position = first[2].1.to_bytes();
    let position = kilwa::database::ReadPosition::from_bytes(&position).unwrap();
    let rest = view.read(&of_type("document"), Some(&position), 3).unwrap().rows;
    let ids: Vec<_> = first.iter().chain(&rest).map(|(row, _)| row.resource.object_id()).collect();
    assert_eq!(ids, ["d0", "d1", "d2", "d3", "d4"]);
    let by_subject = RelationshipFilter {
        subject: Some(SubjectFilter {
            subject_type: "robot".to_owned(),
            subject_id: None,
            relation: SubjectRelationFilter::Any,
        }),
        ..RelationshipFilter::default()
    };
    assert!(matches!(view.read(&by_subject, None, 1), Err(DatabaseError::UnknownName(_))));
    let permission =
        RelationshipFilter { relation: Some("view".to_owned()), ..of_type("document") };
    let error = view.read(&permission, None, 1).unwrap_err();
    assert!(matches!(error, DatabaseError::FilterOnPermission { .. }), "{error}");
    assert!(matches!(
        view.read(&RelationshipFilter::default(), None, 1),
        Err(DatabaseError::EmptyFilter)
    ));
}

#[test]
fn a_faulty_schema_is_refused_and_the_old_one_stays() {
    let trial = Trial::new();
    let error = trial.schema(2, "definition {").unwrap_err();
    assert!(matches!(&error, DatabaseError::Schema(faults) if !faults.is_empty()), "{error}");
    assert_eq!(trial.head(2).schema_text(), Some(SCHEMA));
}

#[test]
fn the_same_schema_again_changes_nothing() {
    let trial = Trial::new();
    let before = trial.head(2).revision();
    let after = trial.schema(2, SCHEMA).unwrap();
    assert!(after > before);
    assert_eq!(trial.head(2).changes(&WatchPosition::after(before), 9).unwrap().parts, []);
}

#[test]
fn a_schema_may_not_remove_what_relationships_use() {
    let trial = Trial::new();
    let many = lines(1000, |n| format!("~document:d{n}#owner@user:ann"));
    trial.write(2, &many).unwrap();
    trial.write(2, "~document:x#owner@user:ann\n~document:a#viewer@user:ann[expiration:1970-01-01T00:00:09Z]").unwrap();
    let without_owner = SCHEMA.replace("relation owner: user", "").replace(" + owner", "");
    let error = trial.schema(3, &without_owner).unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, DatabaseError::SchemaRemoval { count: 1000, counted_all: false, .. }),
        "{text}"
    );
    assert!(
        text.starts_with("cannot delete relation `owner` in object definition `document`"),
        "{text}"
    );
    assert!(text.ends_with("@user:ann (one of at least 1000)"), "{text}");
    let without_expiration = SCHEMA.replace(" | user with expiration", "");
    let error = trial.schema(3, &without_expiration).unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, DatabaseError::SchemaRemoval { count: 1, counted_all: true, .. }),
        "{text}"
    );
    assert!(text.ends_with("@user:ann[expiration:1970-01-01T00:00:09Z]"), "{text}");
    assert_eq!(trial.head(3).schema_text(), Some(SCHEMA));
    trial.schema(10, &without_expiration).unwrap();
    trial.delete(11, "document", None, false).unwrap();
    trial.schema(12, &without_owner).unwrap();
}

#[test]
fn a_caveat_parameter_never_goes() {
    let trial = Trial::new();
    let other = SCHEMA.replace("odd(n int) { n % 2 == 1 }", "odd(m int) { m % 2 == 1 }");
    let error = trial.schema(2, &other).unwrap_err();
    assert!(matches!(error, DatabaseError::SchemaRemoval { count: 0, .. }), "{error}");
    assert_eq!(error.to_string(), "cannot remove parameter `n` on caveat `odd`");
}

#[test]
fn expired_relationships_do_not_hold_a_schema_back_nor_come_back_with_it() {
    let trial = Trial::new();
    trial.write(2, "~document:a#viewer@user:ann[expiration:1970-01-01T00:00:05Z]").unwrap();
    let without = SCHEMA.replace(" | user with expiration", "");
    trial.schema(4, &without).unwrap_err();
    trial.schema(6, &without).unwrap();
    assert_eq!(check(&trial.head(6), "document:a#view@user:ann"), Permissionship::NoPermission);
}

/// Whatever order they come in, a relation is never removed under a relationship.
#[test]
fn schemas_and_relationships_that_race_never_leave_orphans() {
    let trial = Trial::empty();
    let with =
        "definition user {}\ndefinition document { relation viewer: user\n relation owner: user }";
    let without = "definition user {}\ndefinition document { relation viewer: user }";
    trial.schema(1, with).unwrap();
    let trial = &trial;
    std::thread::scope(|scope| {
        for writer in 0..3 {
            scope.spawn(move || {
                for n in 0..60 {
                    let row = format!("document:w{writer}n{n}#owner@user:ann");
                    match trial.write(1, &format!("+{row}")) {
                        Ok(_) => drop(trial.write(1, &format!("-{row}"))),
                        Err(DatabaseError::Relationship { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
        scope.spawn(move || {
            for n in 0..60 {
                match trial.schema(1, if n % 2 == 0 { without } else { with }) {
                    Ok(_) | Err(DatabaseError::SchemaRemoval { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
        for _ in 0..200 {
            let view = trial.head(1);
            let document = view.schema().find_definition("document").unwrap();
            if view.schema().find_node(document.id, "owner").is_none() {
                assert_eq!(rows(&view, "document"), [""; 0]);
            }
        }
    });
}

#[test]
fn followers_see_each_change_once_and_in_order() {
    let trial = Trial::new();
    let start = trial.head(2).revision();
    let metadata = Context::parse(r#"{"by": "test"}"#).unwrap();
    let first = WriteRequest {
        metadata: Some(metadata.clone()),
        ..request("+document:a#viewer@user:ann\n~document:b#viewer@user:ann")
    };
    let first = trial.database.write(at(2), first).unwrap();
    trial.write(3, "-document:z#viewer@user:ann").unwrap();
    let second = trial.write(4, "-document:a#viewer@user:ann").unwrap();
    let third = trial.schema(5, &format!("{SCHEMA}\n")).unwrap();
    let view = trial.head(5);
    let Changes { parts: all, through: end, complete: true, .. } =
        view.changes(&WatchPosition::after(start), 100).unwrap()
    else {
        panic!("there is no more");
    };
    let revisions: Vec<_> = all.iter().map(|changes| changes.revision).collect();
    assert_eq!(revisions, [first, second, third]);
    assert_eq!(all[0].metadata, Some(metadata));
    assert_eq!(
        updates(&all[0]),
        ["Touch document:a#viewer@user:ann", "Touch document:b#viewer@user:ann"]
    );
    assert_eq!(updates(&all[1]), ["Delete document:a#viewer@user:ann"]);
    assert!(all[2].schema_written && !all[1].schema_written);
    assert!(all.iter().all(|part| part.ends));
    let rest = view.changes(&end, 100).unwrap();
    assert_eq!((rest.parts, rest.through), (Vec::new(), end));

    let (mut position, mut pieces) = (WatchPosition::after(start), Vec::new());
    loop {
        let piece = view.changes(&position, 1).unwrap();
        position = WatchPosition::from_bytes(&piece.through.to_bytes()).unwrap();
        pieces.extend(piece.parts);
        if piece.complete {
            break;
        }
    }
    let reported: Vec<_> = pieces
        .iter()
        .map(|part| (updates(part), part.schema_written, part.metadata.is_some(), part.ends))
        .collect();
    assert_eq!(
        reported,
        [
            (vec![], false, true, false),
            (vec!["Touch document:a#viewer@user:ann".to_owned()], false, true, false),
            (vec!["Touch document:b#viewer@user:ann".to_owned()], false, true, true),
            (vec!["Delete document:a#viewer@user:ann".to_owned()], false, false, true),
            (vec![], true, false, true),
        ]
    );
    trial.database.collect_garbage(at(500)).unwrap();
    let error = trial.head(500).changes(&WatchPosition::after(start), 1).unwrap_err();
    assert!(matches!(error, DatabaseError::RevisionExpired { .. }), "{error}");
}

/// The updates of a part as text.
fn updates(part: &RevisionChanges) -> Vec<String> {
    let text = |change: &RelationshipChange| {
        let RelationshipUpdate { operation, relationship } = &change.update;
        format!("{operation:?} {relationship}{}", if change.expired { " expired" } else { "" })
    };
    part.updates.iter().map(text).collect()
}

#[test]
fn a_count_ends_when_nobody_waits_for_it() {
    let trial = Trial::new();
    trial.write(2, "+document:a#viewer@user:ann\n+document:b#viewer@user:ann").unwrap();
    trial.database.register_counter(at(2), "documents", of_type("document")).unwrap();
    let view = trial.head(3);
    assert_eq!(view.count("documents").unwrap(), 2);
    let error = view.interrupted_by(&|| true).count("documents").unwrap_err();
    assert!(matches!(error, DatabaseError::Engine(EngineError::Interrupted)), "{error}");
}

#[test]
fn an_empty_database_is_filled_whole_or_not_at_all() {
    let trial = Trial::empty();
    let fill = |second: i64, relationships: &[&str]| {
        let relationships = relationships.iter().map(|text| relationship(text)).collect();
        trial.database.bootstrap(at(second), SCHEMA, relationships)
    };
    fill(1, &["document:plan#owner@user:ann", "document:plan#owner@group:eng#member"]).unwrap_err();
    assert_eq!(trial.head(1).schema_text(), None);

    assert!(fill(2, &["document:plan#owner@user:ann", "document:plan#owner@user:bob"]).unwrap());
    assert_eq!(trial.head(2).schema_text(), Some(SCHEMA));
    let filled = trial.head(2).revision();
    assert!(!fill(3, &["document:plan#owner@user:cat"]).unwrap());
    assert_eq!(trial.head(3).revision(), filled);
    let owners = rows(&trial.head(3), "document");
    assert_eq!(owners, ["document:plan#owner@user:ann", "document:plan#owner@user:bob"]);
}
