//! Results, cost and limits of a lookup of resources.

use crate::readers::CountingReader;
use crate::reference::case::{Asked, now};
use crate::reference::compare::{Said, ask};
use crate::schema_support::schema;
use kilwa::engine::{
    EngineError, EvalContext, Limits, LookupPage, LookupResourcesQuery, ResourceFilter,
    ResourceLookup, WorkKind,
};
use kilwa::relationship::{RelationshipReader, RelationshipSet, Timestamp};
use std::cell::Cell;
use std::time::Duration;

fn stored<S: AsRef<str>>(lines: impl IntoIterator<Item = S>) -> RelationshipSet {
    lines.into_iter().map(|line| line.as_ref().parse().unwrap()).collect()
}

/// Everything that a lookup finds, as the first page. The id of the query is ignored.
fn page<R: RelationshipReader>(
    scope: &EvalContext<'_, R>,
    question: &str,
    within: &ResourceFilter,
    after: Option<&str>,
    count_max: usize,
) -> Result<LookupPage, EngineError> {
    let requested = Asked::parse(question);
    let sought: LookupResourcesQuery<'_> = requested.sought(within);
    let (mut lookup, cost) = ResourceLookup::start(scope, &sought, after)?;
    let mut whole = LookupPage { statistics: cost, ..LookupPage::default() };
    while !whole.ended && whole.found.len() < count_max {
        let page = lookup.next_page(scope, &sought, count_max - whole.found.len())?;
        whole.found.extend(page.found);
        whole.ended = page.ended;
        whole.statistics.visits += page.statistics.visits;
        whole.statistics.reads += page.statistics.reads;
    }
    Ok(whole)
}

fn all<R: RelationshipReader>(scope: &EvalContext<'_, R>, question: &str) -> Vec<String> {
    let page = page(scope, question, &ResourceFilter::default(), None, usize::MAX).unwrap();
    let reported = page.found.into_iter().map(|found| {
        let missing: Vec<String> = found.missing.into_iter().collect();
        if missing.is_empty() {
            found.object_id
        } else {
            format!("{}?{}", found.object_id, missing.join(","))
        }
    });
    reported.collect()
}

#[track_caller]
fn require(text: &str, relationships: &[&str], expected: &[(&str, &[&str])]) {
    let (schema, set) = (schema(text), stored(relationships));
    let visible = set.visible_at(now());
    let scope = EvalContext::new(&schema, &visible);
    for (question, ids) in expected {
        assert_eq!(all(&scope, question), *ids, "{question}");
        // What a lookup finds, a check finds.
        for id in *ids {
            let (id, missing) = id.split_once('?').unwrap_or((id, ""));
            let mut requested = Asked::parse(question);
            let resource = format!("{}:{id}", requested.resource.object_type());
            requested.resource = resource.parse().unwrap();
            let names = missing.split(',').map(str::to_owned).collect();
            let said = if missing.is_empty() { Said::Member } else { Said::Conditional(names) };
            assert_eq!(ask(&scope, &requested), said, "{requested}");
        }
    }
}

const BASICS: &str = "
    use self
    use expiration
    caveat on_flag(flag bool) { flag }
    caveat is_high(level int) { level > 2 }
    definition user {}
    definition group {
        relation direct: user | user:* | group#member | group#everybody
        relation banned: user
        permission member = direct
        permission everybody = member - banned
    }
    definition folder {
        relation parent: folder
        relation viewer: user | group#everybody | user with on_flag | user with expiration
        permission view = viewer + parent->view
        permission own = self + viewer
    }
    definition document {
        relation parent: folder | folder with is_high
        relation viewer: user | user:* | folder | group#member
        relation signed: user
        permission view = viewer + parent->view
        permission both = viewer & signed
        permission less = viewer - signed
        permission everywhere = parent.all(view)
        permission near = parent + parent->own
        permission nothing = nil
    }";

#[test]
fn unions_arrows_and_usersets_lead_to_resources() {
    require(
        BASICS,
        &[
            "folder:top#viewer@user:ann",
            "folder:mid#parent@folder:top",
            "folder:low#parent@folder:mid",
            "document:z#parent@folder:low",
            "document:b#parent@folder:top",
            "document:a#viewer@user:ann",
            "document:a#parent@folder:low",
            "document:c#viewer@group:eng#member",
            "group:eng#direct@group:ops#member",
            "group:ops#direct@user:ann",
            "document:d#viewer@user:ben",
        ],
        &[
            ("document:x#view@user:ann", &["a", "b", "c", "z"]),
            ("folder:x#view@user:ann", &["low", "mid", "top"]),
            ("document:x#view@user:ben", &["d"]),
            ("document:x#view@user:cid", &[]),
            ("document:x#viewer@group:ops#member", &["c"]),
            ("document:x#nothing@user:ann", &[]),
        ],
    );
}

/// A union of a relation with an arrow over the same relation: neither hides the other.
#[test]
fn one_relation_may_lead_there_in_two_ways() {
    require(
        BASICS,
        &[
            "document:a#parent@folder:one",
            "document:b#parent@folder:two",
            "folder:one#viewer@user:ann",
            "folder:two#viewer@user:ann",
        ],
        &[
            ("document:x#near@user:ann", &["a", "b"]),
            ("document:x#near@folder:one", &["a"]),
            ("document:x#near@folder:two", &["b"]),
        ],
    );
}

#[test]
fn intersections_exclusions_and_all_are_decided_by_the_check() {
    require(
        BASICS,
        &[
            "document:a#viewer@user:ann",
            "document:a#signed@user:ann",
            "document:b#viewer@user:ann",
            "document:c#signed@user:ann",
            "document:d#parent@folder:one",
            "document:d#parent@folder:two",
            "document:e#parent@folder:one",
            "folder:one#viewer@user:ann",
            "folder:three#viewer@group:eng#everybody",
            "group:eng#direct@user:ann",
            "group:eng#direct@user:ben",
            "group:eng#banned@user:ann",
        ],
        &[
            ("document:x#both@user:ann", &["a"]),
            ("document:x#less@user:ann", &["b"]),
            ("document:x#everywhere@user:ann", &["e"]),
            ("folder:x#view@user:ann", &["one"]),
            ("folder:x#view@user:ben", &["three"]),
        ],
    );
}

#[test]
fn wildcards_cover_objects_and_nothing_else() {
    require(
        BASICS,
        &[
            "document:a#viewer@user:*",
            "document:b#viewer@group:all#member",
            "group:all#direct@user:*",
            "document:c#viewer@user:ann",
            "document:a#viewer@user:ann",
        ],
        &[
            ("document:x#view@user:ann", &["a", "b", "c"]),
            ("document:x#view@user:zoe", &["a", "b"]),
            ("document:x#view@group:all#member", &["b"]),
            ("document:x#view@group:other#member", &[]),
        ],
    );
}

#[test]
fn a_userset_is_in_itself_and_an_object_in_self() {
    require(
        BASICS,
        &["folder:b#viewer@user:ann", "group:a#direct@group:c#everybody"],
        &[
            ("document:x#view@document:new#view", &["new"]),
            ("document:x#nothing@document:new#nothing", &["new"]),
            ("document:x#view@document:new#viewer", &["new"]),
            ("document:x#viewer@document:new#view", &[]),
            ("group:x#everybody@group:c#everybody", &["a", "c"]),
            ("group:x#everybody@group:c#member", &["a", "c"]),
            ("folder:x#own@folder:b", &["b"]),
            ("folder:x#own@user:ann", &["b"]),
            ("folder:x#own@folder:b#own", &["b"]),
        ],
    );
}

#[test]
fn caveats_make_results_conditional_or_none() {
    require(
        BASICS,
        &[
            "folder:one#viewer@user:ann[on_flag]",
            "folder:two#viewer@user:ann[on_flag:{\"flag\":true}]",
            "folder:six#viewer@user:ann[on_flag:{\"flag\":false}]",
            "document:a#parent@folder:one",
            "document:b#parent@folder:one[is_high]",
            "document:c#parent@folder:two[is_high]",
            "document:d#parent@folder:two[is_high:{\"level\":1}]",
            "document:e#parent@folder:one[is_high:{\"level\":9}]",
            "document:e#parent@folder:two",
        ],
        &[
            ("folder:x#view@user:ann", &["one?flag", "two"]),
            ("document:x#view@user:ann", &["a?flag", "b?flag,level", "c?level", "e"]),
            ("document:x#view@user:ann with {\"flag\": true}", &["a", "b?level", "c?level", "e"]),
            ("document:x#view@user:ann with {\"flag\": false}", &["c?level", "e"]),
            ("document:x#everywhere@user:ann", &["a?flag", "b?flag,level", "c?level", "e?flag"]),
        ],
    );
}

#[test]
fn what_has_expired_leads_nowhere() {
    let schema = schema(BASICS);
    let set = stored([
        "folder:one#viewer@user:ann[expiration:2031-01-01T00:00:00Z]",
        "folder:two#viewer@user:ann[expiration:2029-01-01T00:00:00Z]",
        "folder:low#parent@folder:one",
        "folder:top#viewer@user:ann",
    ]);
    for (at, expected) in [
        ("2028-01-01T00:00:00Z", ["low", "one", "top", "two"].as_slice()),
        ("2030-01-01T00:00:00Z", &["low", "one", "top"]),
        ("2031-01-01T00:00:00Z", &["top"]),
    ] {
        let now = Timestamp::parse(at).unwrap();
        let visible = set.visible_at(now);
        let scope = EvalContext::new(&schema, &visible);
        assert_eq!(all(&scope, "folder:x#view@user:ann"), expected, "{at}");
    }
    let visible = set.visible_at(now());
    let requested = Asked::parse("folder:x#view@user:ann");
    let within = ResourceFilter::default();
    let (lookup, _) = ResourceLookup::start(
        &EvalContext::new(&schema, &visible),
        &requested.sought(&within),
        None,
    )
    .unwrap();
    assert_eq!(lookup.until(), Some(Timestamp::parse("2031-01-01T00:00:00Z").unwrap()));
}

#[test]
fn circles_end() {
    require(
        BASICS,
        &[
            "group:a#direct@group:b#member",
            "group:b#direct@group:c#member",
            "group:c#direct@group:a#member",
            "group:c#direct@user:ann",
            "folder:one#parent@folder:two",
            "folder:two#parent@folder:one",
            "folder:two#viewer@group:a#everybody",
            "document:a#parent@folder:one",
        ],
        &[
            ("group:x#member@user:ann", &["a", "b", "c"]),
            ("folder:x#view@user:ann", &["one", "two"]),
            ("document:x#view@user:ann", &["a"]),
            ("folder:x#view@folder:one#view", &["one", "two"]),
        ],
    );
}

#[test]
fn a_lookup_within_candidates_finds_no_others() {
    let schema = schema(BASICS);
    let set = stored(
        ["ab", "abc", "abd", "ac", "b", "aB"].map(|id| format!("document:{id}#viewer@user:ann")),
    );
    let visible = set.visible_at(now());
    let scope = EvalContext::new(&schema, &visible);
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    for (within, expected) in [
        (
            ResourceFilter { prefix: "ab".to_owned(), ..ResourceFilter::default() },
            ["ab", "abc", "abd"].as_slice(),
        ),
        (
            ResourceFilter { prefix: "a".to_owned(), ..ResourceFilter::default() },
            &["aB", "ab", "abc", "abd", "ac"],
        ),
        (ResourceFilter { prefix: "c".to_owned(), ..ResourceFilter::default() }, &[]),
        (
            ResourceFilter { ids: ids(&["b", "nowhere", "ac"]), ..ResourceFilter::default() },
            &["ac", "b"],
        ),
        (
            ResourceFilter {
                ids: ids(&["b", "ac"]),
                prefix: "a".to_owned(),
                ..ResourceFilter::default()
            },
            &["ac"],
        ),
    ] {
        let found = page(&scope, "document:x#view@user:ann", &within, None, 99).unwrap().found;
        let found: Vec<String> = found.into_iter().map(|found| found.object_id).collect();
        assert_eq!(found, expected, "{within:?}");
    }
}

const WIDE: &str = "
    definition user {}
    definition group { relation member: user }
    definition folder {
        relation parent: folder
        relation viewer: user | group#member
        permission view = viewer + parent->view
    }
    definition document {
        relation folder: folder
        relation viewer: user | group#member
        relation banned: user
        permission view = viewer + folder->view
        permission allowed = view - banned
    }";

/// However much is stored, three results cost about three reads.
#[test]
fn few_results_cost_few_reads() {
    let schema = schema(WIDE);
    let others = (0..20_000).flat_map(|n| {
        [format!("document:d{n}#viewer@user:u{n}"), format!("document:d{n}#folder@folder:f{n}")]
    });
    let mine = ["document:d7#viewer@user:ann", "document:d9#viewer@group:eng#member"];
    let rest = ["group:eng#member@user:ann", "folder:f11#viewer@user:ann"];
    let set = stored(others.chain(mine.into_iter().chain(rest).map(str::to_owned)));
    for (permission, most) in [("view", 12), ("allowed", 24)] {
        let reader = CountingReader::new(set.visible_at(now()));
        let found =
            all(&EvalContext::new(&schema, &reader), &format!("document:x#{permission}@user:ann"));
        assert_eq!(found, ["d11", "d7", "d9"]);
        assert!(reader.reads() <= most, "{permission} took {} reads", reader.reads());
        assert!(reader.returned() <= 20, "{permission} returned {}", reader.returned());
    }
}

/// A page costs what it returns, wherever it starts.
#[test]
fn a_page_costs_what_it_returns() {
    let schema = schema(WIDE);
    let set = stored((0..30_000).map(|n| format!("document:d{n:05}#viewer@user:ann")));
    for after in ["d00000", "d15000", "d29000"] {
        let reader = CountingReader::new(set.visible_at(now()));
        let scope = EvalContext::new(&schema, &reader);
        let found =
            page(&scope, "document:x#view@user:ann", &ResourceFilter::default(), Some(after), 100)
                .unwrap();
        assert_eq!(found.found.len(), 100);
        assert!(found.found[0].object_id.as_str() > after);
        assert!(reader.reads() <= 10, "{} reads", reader.reads());
        assert!(reader.returned() <= 300, "{} returned", reader.returned());
    }
}

/// Results from very many objects come in order, and every object is read about once.
#[test]
fn many_sources_are_merged() {
    let schema = schema(WIDE);
    let groups = 3_000;
    let memberships = (0..groups).map(|n| format!("group:g{n}#member@user:ann"));
    let documents = (0..groups).flat_map(|n| {
        (0..3).map(move |m| {
            format!("document:d{:05}#viewer@group:g{n}#member", (n * 7 + m * 1_013) % 8_000)
        })
    });
    let set = stored(memberships.chain(documents));
    let expected: std::collections::BTreeSet<String> = set
        .iter()
        .filter(|stored| stored.relation == "viewer")
        .map(|stored| stored.resource.object_id().to_owned())
        .collect();
    let reader = CountingReader::new(set.visible_at(now()));
    let found = all(&EvalContext::new(&schema, &reader), "document:x#view@user:ann");
    assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    assert!(reader.reads() < 2 * groups + 100, "{} reads", reader.reads());
}

fn chain(length: usize) -> RelationshipSet {
    let links = (1..length).map(|n| format!("folder:f{n:06}#parent@folder:f{:06}", n - 1));
    stored(links.chain([
        "folder:f000000#viewer@user:ann".to_owned(),
        format!("document:end#folder@folder:f{:06}", length - 1),
    ]))
}

#[test]
fn long_chains_cost_no_stack() {
    let (schema, set) = (schema(WIDE), chain(100_000));
    let visible = set.visible_at(now());
    assert_eq!(all(&EvalContext::new(&schema, &visible), "document:x#view@user:ann"), ["end"]);
    assert_eq!(all(&EvalContext::new(&schema, &visible), "folder:x#view@user:ann").len(), 100_000);
}

#[test]
fn a_lookup_is_bounded_like_a_check() {
    let (schema, set) = (schema(WIDE), chain(2_000));
    let visible = set.visible_at(now());
    let whole = ResourceFilter::default();
    let requested = |limits: Limits| {
        let scope = EvalContext { limits, ..EvalContext::new(&schema, &visible) };
        page(&scope, "document:x#allowed@user:ann", &whole, None, usize::MAX)
    };
    let generous = Limits::default();
    assert_eq!(requested(generous).unwrap().found.len(), 1);
    for (limits, work) in [
        (Limits { visits_max: 1_500, ..generous }, WorkKind::Visits),
        (Limits { reads_max: 1_500, ..generous }, WorkKind::Reads),
        (Limits { lookup_bytes_max: 4_000, ..generous }, WorkKind::LookupBytes),
    ] {
        let error = requested(limits).unwrap_err();
        assert!(
            matches!(error, EngineError::WorkExceeded { work: found, .. } if found == work),
            "{work:?}: {error}"
        );
    }
    for patience in [0, 1, 2, 9] {
        let requested_times = Cell::new(0);
        let interrupted = || {
            requested_times.set(requested_times.get() + 1);
            requested_times.get() > patience
        };
        let scope =
            EvalContext { interrupted: &interrupted, ..EvalContext::new(&schema, &visible) };
        let error = page(&scope, "document:x#allowed@user:ann", &whole, None, 9).unwrap_err();
        assert!(matches!(error, EngineError::Interrupted), "{error}");
        assert_eq!(requested_times.get(), patience + 1);
    }
    let limits = Limits { time_max: Some(Duration::from_secs(1)), ..generous };
    let stopwatch = || Duration::from_secs(2);
    let scope =
        EvalContext { limits, stopwatch: &stopwatch, ..EvalContext::new(&schema, &visible) };
    let error = page(&scope, "document:x#allowed@user:ann", &whole, None, 9).unwrap_err();
    assert!(matches!(error, EngineError::TimeExceeded { .. }), "{error}");
}

/// A lookup goes as deep as a check that finds the same, and no deeper.
#[test]
fn a_lookup_goes_as_deep_as_a_check() {
    let (schema, set) = (schema(WIDE), chain(30));
    let visible = set.visible_at(now());
    for (question, id) in [
        ("document:end#view@user:ann", "end"),
        ("folder:f000029#view@user:ann", "f000029"),
        ("document:end#allowed@user:ann", "end"),
        ("document:end#allowed@folder:f000000#view", "end"),
    ] {
        let depths: Vec<u32> = (1..50)
            .filter(|depth_max| {
                let limits = Limits { depth_max: Some(*depth_max), ..Limits::default() };
                let scope = EvalContext { limits, ..EvalContext::new(&schema, &visible) };
                let checked = ask(&scope, &Asked::parse(question));
                let found = page(&scope, question, &ResourceFilter::default(), None, usize::MAX);
                match (&checked, found) {
                    (Said::Member, Ok(found)) => {
                        assert!(found.found.iter().any(|it| it.object_id == id), "{question}");
                        true
                    }
                    (Said::Refused(_), Err(EngineError::DepthExceeded { .. })) => false,
                    (checked, found) => panic!("{question} in {depth_max}: {checked:?}, {found:?}"),
                }
            })
            .collect();
        assert!((15..35).contains(&depths.len()), "{question}: {depths:?}");
    }
}

#[test]
fn unknown_names_and_wildcards_are_refused() {
    let (schema, set) = (schema(WIDE), RelationshipSet::default());
    let visible = set.visible_at(now());
    let scope = EvalContext::new(&schema, &visible);
    let error = |question: &str| {
        page(&scope, question, &ResourceFilter::default(), None, 1).unwrap_err().to_string()
    };
    for (question, said) in [
        ("paper:x#view@user:ann", "object definition `paper` not found"),
        (
            "document:x#edit@user:ann",
            "relation/permission `edit` not found under definition `document`",
        ),
        ("document:x#view@person:ann", "object definition `person` not found"),
        (
            "document:x#view@group:a#all",
            "relation/permission `all` not found under definition `group`",
        ),
        ("document:x#view@user:*", "cannot perform lookup resources on wildcard"),
    ] {
        assert_eq!(error(question), said);
    }
}
