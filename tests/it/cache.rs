//! The cache of answers: how much it holds, what it keeps, and what never goes into it.

use crate::reference::case::Asked;
use crate::schema_support::schema;
use kilwa::engine::{Cache, CheckResult, EvalContext, check};
use kilwa::relationship::{Permissionship, ReadPoint, RelationshipSet, Revision, Timestamp};
use kilwa::schema::Schema;

const SCHEMA: &str = "
use expiration
caveat on_day(day string) { day == 'monday' }
definition user {}
definition document {
    relation viewer: user | user with on_day | user with expiration
    permission view = viewer
}";

/// What an entry takes at the least, whatever its key.
const ENTRY_BYTES_MIN: usize = 96;

struct Bench {
    schema: Schema,
    stored: RelationshipSet,
    cache: Cache,
}

impl Bench {
    fn new(cache_bytes: usize, relationships: &[&str]) -> Self {
        let stored = relationships.iter().map(|text| text.parse().unwrap()).collect();
        Self { schema: schema(SCHEMA), stored, cache: Cache::new(cache_bytes) }
    }

    fn ask(&self, second: i64, question: &str, context: &str) -> CheckResult {
        let requested = Asked::parse(&format!("{question} with {context}"));
        let now = Timestamp::from_unix(second, 0).unwrap();
        let visible = self.stored.visible_at(now);
        let cache = Some(self.cache.at(ReadPoint::new(Revision(1), now)));
        check(
            &EvalContext { cache, ..EvalContext::new(&self.schema, &visible) },
            &requested.question(),
        )
        .unwrap()
    }

    /// Whether a check is answered without a read.
    fn knows(&self, question: &str) -> bool {
        let checked = self.ask(1, question, "{}");
        checked.statistics.cache_hits == 1 && checked.statistics.reads == 0
    }
}

#[test]
fn it_stays_within_its_bytes() {
    for bytes in [0, 100, 1_000, 10_000] {
        let bench = Bench::new(bytes, &[]);
        for number in 0..2_000 {
            bench.ask(1, &format!("document:d{number}#view@user:ann"), "{}");
            assert!(bench.cache.len() <= bytes / ENTRY_BYTES_MIN, "{bytes}: {}", bench.cache.len());
        }
        assert_eq!(bench.cache.is_empty(), bytes <= 100, "{bytes}");
    }
}

#[test]
fn options_for_every_call_survive_those_for_one_call() {
    let bench = Bench::new(10_000, &["document:hot#viewer@user:ann"]);
    bench.ask(1, "document:hot#view@user:ann", "{}");
    for number in 0..1_000 {
        bench.ask(1, &format!("document:cold{number}#view@user:ann"), "{}");
        assert!(bench.knows("document:hot#view@user:ann"), "after {number}");
    }
    assert!(!bench.knows("document:cold0#view@user:ann"));
}

#[test]
fn an_answer_goes_with_the_first_relationship_that_it_rests_on() {
    let bench =
        Bench::new(10_000, &["document:d#viewer@user:ann[expiration:1970-01-01T00:00:05Z]"]);
    let ask = |second| bench.ask(second, "document:d#view@user:ann", "{}");
    assert_eq!(ask(1).permissionship, Permissionship::HasPermission);
    assert_eq!(
        (ask(4).permissionship, ask(4).statistics.reads),
        (Permissionship::HasPermission, 0)
    );
    assert_eq!(ask(5).permissionship, Permissionship::NoPermission);
    // And what was not there yet when the clock showed an earlier time is not known for that time.
    assert_eq!(ask(1).permissionship, Permissionship::HasPermission);
}

#[test]
fn an_answer_that_a_caveat_had_a_part_in_stays_with_its_question() {
    let bench = Bench::new(10_000, &["document:d#viewer@user:ann[on_day]"]);
    let missing = Permissionship::Conditional(["day".to_owned()].into());
    for (context, expected) in [
        (r#"{"day": "monday"}"#, Permissionship::HasPermission),
        (r#"{"day": "sunday"}"#, Permissionship::NoPermission),
        ("{}", missing),
        (r#"{"day": "monday"}"#, Permissionship::HasPermission),
    ] {
        assert_eq!(bench.ask(1, "document:d#view@user:ann", context).permissionship, expected);
    }
    assert!(bench.cache.is_empty());
}
