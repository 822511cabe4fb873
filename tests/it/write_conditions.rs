//! Preconditions and required permissions hold when the write is made, not only when it was examined.

use kilwa::database::{
    Caller, Consistency, Database, DatabaseError, DatabaseOptions, DeleteObjectRequest,
    DeleteRequest, RequiredPermission, SubmitOutcome, WriteRequest,
};
use kilwa::relationship::{
    Context, ObjectIdFilter, ObjectRef, Precondition, PreconditionOperation, RelationshipFilter,
    RelationshipUpdate, Subject, SubjectFilter, SubjectRelationFilter, Timestamp, UpdateOperation,
};
use kilwa::store::{StoreOptions, WriteClock};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

const SCHEMA: &str = "use expiration
definition user {}
definition lock {
  relation holder: user | user with expiration
  permission held = holder
}
definition token { relation owner: user }
";

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix(second, 0).unwrap()
}

fn database() -> Database {
    let (store, options) = (StoreOptions::default(), DatabaseOptions::default());
    let database = Database::in_memory(&store, options).unwrap();
    database.write_schema(at(1), SCHEMA).unwrap();
    database
}

fn update(operation: UpdateOperation, text: &str) -> RelationshipUpdate {
    RelationshipUpdate { operation, relationship: text.parse().unwrap() }
}

fn touch(text: &str) -> WriteRequest {
    let updates = vec![update(UpdateOperation::Touch, text)];
    WriteRequest { updates, ..WriteRequest::default() }
}

fn condition(operation: PreconditionOperation, resource_type: &str, id: &str) -> Precondition {
    let filter = RelationshipFilter {
        resource_type: Some(resource_type.to_owned()),
        resource_id: Some(ObjectIdFilter::Exact(id.to_owned())),
        ..RelationshipFilter::default()
    };
    Precondition { operation, filter }
}

fn holder_is(user: &str) -> RequiredPermission {
    RequiredPermission {
        resource: ObjectRef::new("lock", "a").unwrap(),
        permission: "held".to_owned(),
        subject: Subject::new("user", user, "").unwrap(),
        context: Context::default(),
    }
}

#[test]
fn a_lock_that_expires_before_the_writers_turn_is_not_held() {
    let database = Arc::new(database());
    let text = "lock:a#holder@user:ann[expiration:1970-01-01T00:00:20Z]";
    database.write(at(2), touch(text)).unwrap();
    let held = condition(PreconditionOperation::MustMatch, "lock", "a");

    for (preconditions, permissions) in [(vec![held], vec![]), (vec![], vec![holder_is("ann")])] {
        // The examination reads 10 s, the writer 30 s.
        let looks = AtomicI64::new(0);
        let now = move || at(if looks.fetch_add(1, Ordering::SeqCst) == 0 { 10 } else { 30 });
        let clock = WriteClock::new(now, || Duration::ZERO);
        let request =
            WriteRequest { preconditions, permissions, ..touch("token:t#owner@user:ann") };
        let refused = database.write(clock, request.clone()).unwrap_err();
        assert!(
            matches!(
                refused,
                DatabaseError::PreconditionFailed(_) | DatabaseError::PermissionRequired(_)
            ),
            "{refused}"
        );
        database.write(at(15), request).unwrap();
    }
}

#[test]
fn a_lock_that_expires_during_a_large_deletion_is_not_held() {
    let database = database();
    let text = "lock:a#holder@user:ann[expiration:1970-01-01T00:00:20Z]";
    database.write(at(2), touch(text)).unwrap();
    let tokens: Vec<_> =
        (0..12_000).map(|n| format!("token:t{n}#owner@user:ann").parse().unwrap()).collect();
    database.import(at(3), &tokens).unwrap();
    // The examination reads 10 s, the writer 11 s when it begins, and 30 s at the end.
    let looks = AtomicI64::new(0);
    let now = move || match looks.fetch_add(1, Ordering::SeqCst) {
        0 => at(10),
        1 => at(11),
        _ => at(30),
    };
    let filter = RelationshipFilter {
        resource_type: Some("token".to_owned()),
        ..RelationshipFilter::default()
    };
    let request = DeleteRequest {
        filter,
        preconditions: vec![condition(PreconditionOperation::MustMatch, "lock", "a")],
        ..DeleteRequest::default()
    };
    let refused = database.delete(WriteClock::new(now, || Duration::ZERO), request.clone());
    assert!(matches!(refused, Err(DatabaseError::PreconditionFailed(_))), "{refused:?}");
    assert_eq!(database.delete(at(15), request).unwrap().count, 12_000);
}

#[test]
fn many_changes_during_an_examination_do_not_keep_a_write_from_being_made() {
    let database = Arc::new(database());
    database.write(at(2), touch("lock:a#holder@user:ann")).unwrap();
    let tokens: Vec<_> =
        (0..2_000).map(|n| format!("token:t{n}#owner@user:ann").parse().unwrap()).collect();
    database.import(at(3), &tokens).unwrap();
    // No index serves it, so that the examination looks at every token, and whether its caller still waits.
    let subject = SubjectFilter {
        subject_type: "lock".to_owned(),
        subject_id: None,
        relation: SubjectRelationFilter::Any,
    };
    let filter = RelationshipFilter {
        resource_type: Some("token".to_owned()),
        subject: Some(subject),
        ..RelationshipFilter::default()
    };
    let operation = PreconditionOperation::MustNotMatch;
    let request = WriteRequest {
        preconditions: vec![Precondition { operation, filter }],
        ..touch("token:new#owner@user:ann")
    };

    // During each examination, which begins with a look at the clock, others write more than the writer looks at.
    let (examiner, other) = (thread::current().id(), Arc::clone(&database));
    let begins = Arc::new(AtomicBool::new(false));
    let began = Arc::clone(&begins);
    let now = move || {
        begins.fetch_or(thread::current().id() == examiner, Ordering::SeqCst);
        at(10)
    };
    let interrupted = move || {
        if thread::current().id() == examiner && began.swap(false, Ordering::SeqCst) {
            for part in 0..12 {
                let touch = |n| {
                    update(UpdateOperation::Touch, &format!("lock:l{part}x{n}#holder@user:bob"))
                };
                let delete = |n| {
                    update(UpdateOperation::Delete, &format!("lock:l{part}x{n}#holder@user:bob"))
                };
                let updates = |each: &dyn Fn(i32) -> RelationshipUpdate| WriteRequest {
                    updates: (0..500).map(each).collect(),
                    ..WriteRequest::default()
                };
                other.write(at(10), updates(&touch)).unwrap();
                other.write(at(10), updates(&delete)).unwrap();
            }
        }
        false
    };
    let clock = WriteClock::new(now, || Duration::ZERO);
    let caller = Caller { clock, interrupted: Arc::new(interrupted), writer: None };
    database.execute(&caller, request).unwrap();
}

#[test]
fn a_write_is_dated_to_its_turn() {
    let database = database();
    let looks = AtomicI64::new(0);
    let now = move || at(10 + 10 * looks.fetch_add(1, Ordering::SeqCst));
    let revision =
        database.write(WriteClock::new(now, || Duration::ZERO), touch("token:t#owner@user:ann"));
    assert_eq!(revision.unwrap().0, 20_000_000_000);
}

/// Writers that compete for the same relationship. Exactly one may write it, in every round.
fn race(requests: impl Fn(usize, usize) -> WriteRequest + Send + Sync + 'static, rounds: usize) {
    const WRITERS: usize = 8;
    let database = Arc::new(database());
    database.write(at(2), touch("lock:a#holder@user:ann")).unwrap();
    let requests = Arc::new(requests);
    for round in 0..rounds {
        let threads: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (database, requests) = (Arc::clone(&database), Arc::clone(&requests));
                thread::spawn(move || database.write(at(10), requests(round, writer)))
            })
            .collect();
        let made = threads.into_iter().map(|thread| thread.join().unwrap());
        let made: Vec<_> = made.collect();
        let winners = made.iter().filter(|made| made.is_ok()).count();
        assert_eq!(winners, 1, "round {round}: {made:?}");
        for refused in made.into_iter().filter_map(Result::err) {
            assert!(
                matches!(
                    refused,
                    DatabaseError::PreconditionFailed(_)
                        | DatabaseError::PermissionRequired(_)
                        | DatabaseError::AlreadyExists(_)
                ),
                "{refused}"
            );
        }
    }
}

#[test]
fn of_writes_that_require_an_absence_one_is_made() {
    race(
        |round, writer| WriteRequest {
            preconditions: vec![condition(
                PreconditionOperation::MustNotMatch,
                "token",
                &format!("t{round}"),
            )],
            ..touch(&format!("token:t{round}#owner@user:u{writer}"))
        },
        60,
    );
}

#[test]
fn of_writes_that_require_and_take_a_relationship_one_is_made() {
    race(
        |round, _| {
            // PendingWrite by round, the token moves on.
            let (from, to) = (format!("t{round}"), format!("t{}", round + 1));
            let mut updates =
                vec![update(UpdateOperation::Touch, &format!("token:{to}#owner@user:ann"))];
            let mut preconditions = Vec::new();
            if round == 0 {
                preconditions.push(condition(PreconditionOperation::MustNotMatch, "token", &to));
            } else {
                preconditions.push(condition(PreconditionOperation::MustMatch, "token", &from));
                let gone = format!("token:{from}#owner@user:ann");
                updates.push(update(UpdateOperation::Delete, &gone));
            }
            WriteRequest { updates, preconditions, ..WriteRequest::default() }
        },
        60,
    );
}

#[test]
fn of_writes_that_require_and_take_a_permission_one_is_made() {
    race(
        |round, _| {
            let user = |even: bool| if even { "ann" } else { "bob" };
            let (has, gets) = (user(round % 2 == 0), user(round % 2 == 1));
            WriteRequest {
                updates: vec![
                    update(UpdateOperation::Delete, &format!("lock:a#holder@user:{has}")),
                    update(UpdateOperation::Touch, &format!("lock:a#holder@user:{gets}")),
                ],
                permissions: vec![holder_is(has)],
                ..WriteRequest::default()
            }
        },
        60,
    );
}

#[test]
fn what_matches_and_comes_meanwhile_is_deleted_too() {
    let database = Arc::new(database());
    let stop = Arc::new(AtomicBool::new(false));
    let (writing, stopped) = (Arc::clone(&database), Arc::clone(&stop));
    let (sender, written) = mpsc::channel();
    let writer = thread::spawn(move || {
        for number in 0..10_000 {
            if stopped.load(Ordering::SeqCst) {
                break;
            }
            let revision = writing.write(at(10), touch(&format!("token:t{number}#owner@user:ann")));
            sender.send((number, revision.unwrap())).unwrap();
        }
    });
    let mut deleted = 0;
    for _ in 0..50 {
        let filter = RelationshipFilter {
            resource_type: Some("token".to_owned()),
            ..RelationshipFilter::default()
        };
        let request = DeleteRequest { filter: filter.clone(), ..DeleteRequest::default() };
        let done = database.delete(at(10), request).unwrap();
        deleted += done.count;
        let then = Consistency::AtExactSnapshot(done.revision);
        let left = database.view(then, at(10)).unwrap().read(&filter, None, 10);
        assert_eq!(left.unwrap().rows, [], "nothing is left at the deletion's revision");
    }
    stop.store(true, Ordering::SeqCst);
    writer.join().unwrap();
    assert!(deleted <= u64::try_from(written.iter().count()).unwrap());
}

/// Relationships of one object are listed before they are removed up to this number.
const LISTED_MAX: usize = 10_000;

#[test]
fn an_object_with_as_many_relationships_as_are_listed_is_deleted() {
    let database = database();
    let holders = (0..LISTED_MAX).map(|n| format!("lock:a#holder@user:u{n}").parse().unwrap());
    database.import(at(2), &holders.collect::<Vec<_>>()).unwrap();
    let request = DeleteObjectRequest {
        within: None,
        object: ObjectRef::new("lock", "a").unwrap(),
        preconditions: vec![],
        permissions: vec![],
        metadata: Some(Context::default()),
    };
    let (_, mentions) = database.delete_object(at(3), request).unwrap();
    assert_eq!(mentions.as_resource, u64::try_from(LISTED_MAX).unwrap());
}

#[test]
fn a_limited_deletion_counts_what_is_there_at_its_turn() {
    let database = database();
    let lock = |user: &str| format!("lock:a#holder@user:{user}");
    for user in ["ann", "bob"] {
        database.write(at(2), touch(&lock(user))).unwrap();
    }

    // The writer looks at the clock when it begins the exchange, and waits there until the deletion has been examined.
    let (release, released) = mpsc::channel::<()>();
    let (released, looks) = (Mutex::new(released), AtomicI64::new(0));
    let now = move || {
        if looks.fetch_add(1, Ordering::SeqCst) == 1 {
            released.lock().unwrap().recv().unwrap();
        }
        at(10)
    };
    let updates = vec![
        update(UpdateOperation::Delete, &lock("ann")),
        update(UpdateOperation::Touch, &lock("eve")),
    ];
    let exchange = Arc::new(WriteRequest { updates, ..WriteRequest::default() });
    let caller = Caller::patient(WriteClock::new(now, || Duration::ZERO));
    let round = database.admit(&*exchange, 0).unwrap();
    database.submit(round, &exchange, &caller, drop);

    let filter = condition(PreconditionOperation::MustMatch, "lock", "a").filter;
    let deletion = DeleteRequest { filter, limit: Some(2), ..DeleteRequest::default() };
    let deletion = Arc::new(deletion);
    let mut round = database.admit(&*deletion, 0).unwrap();
    let mut release = Some(release);
    let deleted = loop {
        let (reply, answer) = mpsc::channel();
        database.submit(round, &deletion, &Caller::patient(at(11)), move |outcome| {
            reply.send(outcome).unwrap();
        });
        release.take().into_iter().for_each(|release| release.send(()).unwrap());
        match answer.recv().unwrap() {
            SubmitOutcome::Final(made) => break made.unwrap().1,
            SubmitOutcome::Retry(next) => round = next,
        }
    };
    assert_eq!((deleted.count, deleted.complete), (2, true));
}
