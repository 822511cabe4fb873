//! Work that finds little among much: it asks whether its caller still waits, however few results it has.

use kilwa::database::{
    Caller, Consistency, Database, DatabaseError, DatabaseOptions, SetRelationRequest, View,
};
use kilwa::engine::{
    CheckQuery, EngineError, ExpandTreeKind, LookupResourcesQuery, LookupSubjectsQuery,
    ResourceFilter,
};
use kilwa::relationship::{
    Context, ObjectRef, Permissionship, Qualifiers, Relationship, Subject, Timestamp,
};
use kilwa::store::StoreOptions;
use std::cell::Cell;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const SCHEMA: &str = "use expiration

definition user {}

caveat heavy(numbers list<int>, seed int) {
  numbers.exists(a, numbers.exists(b, numbers.exists(c, a + b + c == seed)))
}

definition group {
  relation member: user
}

definition document {
  relation viewer: user | user with heavy | group#member | group#member with expiration
}
";

/// How many expired relationships lie before the only one that is valid.
const EXPIRED: usize = 100_000;
/// How many relationships are expanded.
const MEMBERS: usize = 90_000;
/// At least so often is asked on the way across them.
const LOOKS_MIN: u32 = 50;

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix(second, 0).unwrap()
}

fn database(options: DatabaseOptions, rows: impl Iterator<Item = String>) -> Database {
    let database = Database::in_memory(&StoreOptions::default(), options).unwrap();
    database.write_schema(at(1), SCHEMA).unwrap();
    let rows: Vec<Relationship> = rows.map(|text| text.parse().unwrap()).collect();
    database.import(at(2), &rows).unwrap();
    database
}

/// Requires that work asks many times for a caller that waits, and that it ends with the second question when the caller
/// has gone by then.
#[track_caller]
fn asks<T: Debug>(database: &Database, work: impl Fn(&View<'_>) -> Result<T, DatabaseError>) -> T {
    let run = |patience: u32| {
        let looks = Cell::new(0);
        let interrupted = || {
            looks.set(looks.get() + 1);
            looks.get() > patience
        };
        let view = database.view(Consistency::FullyConsistent, at(100)).unwrap();
        (work(&view.interrupted_by(&interrupted)), looks.get())
    };

    let (ended, looks) = run(1);
    assert!(matches!(ended, Err(DatabaseError::Engine(EngineError::Interrupted))), "{ended:?}");
    assert_eq!(looks, 2);
    let (result, looks) = run(u32::MAX);
    assert!(looks >= LOOKS_MIN, "asked {looks} times");
    result.unwrap()
}

const EXPIRATION: &str = "[expiration:1970-01-01T00:00:50Z]";

#[test]
fn a_check_and_a_lookup_of_subjects_that_cross_expired_usersets_end_when_nobody_waits() {
    let expired =
        (0..EXPIRED).map(|n| format!("document:plan#viewer@group:g{n:06}#member{EXPIRATION}"));
    let valid = ["document:plan#viewer@group:z#member", "group:z#member@user:ann"];
    let options = DatabaseOptions::default();
    let database = database(options, expired.chain(valid.map(ToOwned::to_owned)));

    let (resource, context) = (ObjectRef::new("document", "plan").unwrap(), Context::default());
    let subject: Subject = "user:ann".parse().unwrap();
    let permissionship = asks(&database, |view| {
        let query = CheckQuery {
            resource: &resource,
            permission: "viewer",
            subject: &subject,
            context: &context,
        };
        view.check(&query, false).map(|result| result.permissionship)
    });
    assert_eq!(permissionship, Permissionship::HasPermission);

    let found = asks(&database, |view| {
        let query = LookupSubjectsQuery {
            resource: &resource,
            permission: "viewer",
            subject_type: "user",
            subject_relation: None,
            context: &context,
            wildcards: true,
        };
        let mut lookup = view.look_up_subjects(&query, None)?;
        view.next_subjects(&mut lookup, 10)
    });
    assert_eq!(found.iter().map(|it| &*it.object_id).collect::<Vec<_>>(), ["ann"]);
}

#[test]
fn a_lookup_of_resources_that_crosses_expired_relationships_ends_when_nobody_waits() {
    let expired =
        (0..EXPIRED).map(|n| format!("document:d{n:06}#viewer@group:all#member{EXPIRATION}"));
    let valid = ["document:z#viewer@group:all#member", "group:all#member@user:ann"];
    let database =
        database(DatabaseOptions::default(), expired.chain(valid.map(ToOwned::to_owned)));

    let subject: Subject = "user:ann".parse().unwrap();
    let (context, within) = (Context::default(), ResourceFilter::default());
    let found = asks(&database, |view| {
        let query = LookupResourcesQuery {
            resource_type: "document",
            permission: "viewer",
            subject: &subject,
            context: &context,
            within: &within,
        };
        let (mut lookup, _) = view.start_lookup(&query, None, false)?;
        view.continue_lookup(&mut lookup, &query, 10)
    });
    assert_eq!(found.found.len(), 1);
}

#[test]
fn a_single_evaluation_of_a_caveat_ends_when_nobody_waits() {
    let rows = ["document:plan#viewer@user:ann[heavy]"].map(ToOwned::to_owned);
    let database = database(DatabaseOptions::default(), rows.into_iter());
    let (resource, subject) =
        (ObjectRef::new("document", "plan").unwrap(), "user:ann".parse::<Subject>().unwrap());
    // Some 700,000 steps.
    let numbers: Vec<u32> = (0..44).collect();
    let context = Context::parse(&format!(r#"{{"seed": -1, "numbers": {numbers:?}}}"#)).unwrap();
    let checked = asks(&database, |view| {
        let query = CheckQuery {
            resource: &resource,
            permission: "viewer",
            subject: &subject,
            context: &context,
        };
        view.check(&query, false)
    });
    assert_eq!(checked.permissionship, Permissionship::NoPermission);
    let steps = checked.statistics.caveat_steps;
    assert!(steps > 500_000, "{steps}");
}

#[test]
fn the_other_items_of_a_bulk_check_are_not_evaluated_when_nobody_waits() {
    let database = database(DatabaseOptions::default(), std::iter::empty());
    let (subject, context) = ("user:ann".parse::<Subject>().unwrap(), Context::default());
    let resources: Vec<ObjectRef> =
        (0..100).map(|id| ObjectRef::new("document", format!("d{id}")).unwrap()).collect();
    let queries: Vec<CheckQuery<'_>> = resources
        .iter()
        .map(|resource| CheckQuery {
            resource,
            permission: "viewer",
            subject: &subject,
            context: &context,
        })
        .collect();
    let answered = asks(&database, |view| {
        view.check_each(&queries, false).into_iter().collect::<Result<Vec<_>, _>>()
    });
    assert_eq!(answered.len(), queries.len());
}

#[test]
fn an_expansion_ends_when_nobody_waits() {
    // An expansion may have 100,000 parts.
    let members = (0..MEMBERS).map(|n| format!("group:all#member@user:u{n:06}"));
    let database = database(DatabaseOptions::default(), members);
    let group = ObjectRef::new("group", "all").unwrap();
    let expanded = asks(&database, |view| view.expand(&group, "member"));
    let ExpandTreeKind::Subjects(subjects) = expanded.tree.kind else { panic!("no leaf") };
    assert_eq!(subjects.len(), MEMBERS);
}

/// Wherever the caller goes away, the relation is as it was; and a patient caller sets it.
#[test]
fn a_relation_that_is_set_stays_as_it_was_when_nobody_waits() {
    let members = 0..3_000;
    let options = DatabaseOptions { updates_max: 5_000, ..DatabaseOptions::default() };
    let database =
        database(options, members.clone().map(|n| format!("group:all#member@user:u{n:04}")));
    let request = SetRelationRequest {
        resource: ObjectRef::new("group", "all").unwrap(),
        relation: "member".to_owned(),
        within: None,
        subjects: vec![("user:ann".parse().unwrap(), Qualifiers::default())],
        preconditions: Vec::new(),
        permissions: Vec::new(),
        metadata: None,
    };
    let newest = || database.view(Consistency::FullyConsistent, at(100)).unwrap().revision();
    let before = newest();

    let mut patience = 0;
    let diff = loop {
        let looks = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&looks);
        let interrupted = move || counted.fetch_add(1, Ordering::SeqCst) >= patience;
        let caller = Caller { interrupted: Arc::new(interrupted), ..Caller::patient(at(3)) };
        match database.execute(&caller, request.clone()) {
            Ok((_, diff)) => break diff,
            Err(DatabaseError::Engine(EngineError::Interrupted)) => {
                assert_eq!(looks.load(Ordering::SeqCst), patience + 1);
                assert_eq!(newest(), before);
            }
            Err(error) => panic!("{error}"),
        }
        patience += 1;
    };
    // Before it begins, with the first of its rows, and twice on the way across them.
    assert!(patience >= 4, "asked {patience} times");
    assert_eq!((diff.added.len(), diff.removed.len()), (1, members.len()));
    assert!(newest() > before);
}
