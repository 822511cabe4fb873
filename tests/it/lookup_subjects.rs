//! Lists of subjects: the rules, one by one, and that lists and checks say the same.

use crate::reference::case::{Asked, now};
use crate::reference::compare::{Said, ask};
use crate::schema_support::schema;
use crate::subject_lists::{Listing, listed, reported};
use kilwa::engine::{
    EngineError, EvalContext, Limits, ResourceFilter, ResourceLookup, SubjectLookup, WorkKind,
};
use kilwa::relationship::{Context, RelationshipSet};

const SCHEMA: &str = "
use expiration
use self
caveat ca(a int) { a == 1 }
caveat cb(b int) { b == 1 }
caveat divides(n int, by int) { n / by == 1 }
definition user { permission mine = self }
definition team {
    relation member: user | team#member | team#member with ca | team#all
    relation guest: user:*
    permission all = member
}
definition folder {
    relation viewer: user | team#member
    relation parent: folder
    permission view = viewer + parent->view
}
definition document {
    relation viewer: user | user:* | user with ca | user with cb | user:* with ca | user with divides
    relation banned: user | user:* | user with cb | user with ca | document#circular
    relation other: user | user:* | user:* with ca
    relation another: user | user:* | user with cb
    relation reader: team#member | team#all | user with expiration
    relation parent: folder | team | folder with ca
    permission except = viewer - banned
    permission both = viewer & banned
    permission either = viewer + banned
    permission twice = (viewer - banned) - (other - another)
    permission inherited = parent->view
    permission every = parent.all(view)
    permission itself = self
    permission circular = viewer - banned
    permission nobody = nil
}";

pub(crate) fn set(relationships: &str) -> RelationshipSet {
    let lines = relationships.lines().flat_map(|line| line.split(';')).map(str::trim);
    let lines = lines.filter(|line| !line.is_empty());
    lines.map(|line| line.parse().unwrap_or_else(|error| panic!("`{line}`: {error}"))).collect()
}

/// What is listed: `zoe`, `bob?a` for one who lacks the context `a`, `*-bob-eve?b` for a wildcard.
fn list(relationships: &str, listing: &str, context: &str) -> Result<String, EngineError> {
    let (schema, set) = (schema(SCHEMA), set(relationships));
    for stored in set.iter() {
        schema.check_relationship(stored).unwrap();
    }
    let context = Context::parse(context).unwrap();
    let visible = set.visible_at(now());
    let listing = Listing::parse(listing, &context);
    Ok(reported(&listed(&EvalContext::new(&schema, &visible), &listing, usize::MAX)?))
}

#[track_caller]
fn assert_list(relationships: &str, listing: &str, context: &str, expected: &str) {
    let found = list(relationships, listing, context).unwrap();
    assert_eq!(found, expected, "{listing} with {context} of {relationships}");
}

#[test]
fn wildcards_conditions_and_exclusions_combine() {
    let viewer = |text: &str| text.replace('@', "document:1#viewer@");
    let banned = |text: &str| text.replace('@', "document:1#banned@");
    for (left, right, permission, context, expected) in [
        ("@user:*;@user:z", "@user:x;@user:y[cb]", "except", "{}", "*-x-y?b z"),
        ("@user:*;@user:z", "@user:x;@user:y[cb]", "except", r#"{"b":1}"#, "*-x-y z"),
        ("@user:*;@user:z", "@user:x;@user:y[cb]", "except", r#"{"b":2}"#, "*-x z"),
        ("@user:*[ca];@user:p", "@user:p[cb];@user:q", "except", "{}", "*?a-p?b-q p?b"),
        ("@user:*[ca];@user:p", "@user:p[cb];@user:q", "both", "{}", "p?b q?a"),
        ("@user:*[ca];@user:p", "@user:p[cb];@user:q", "either", "{}", "*?a p q"),
        ("@user:p", "@user:*", "except", "{}", ""),
        ("@user:p", "@user:*", "either", "{}", "* p"),
        ("@user:p", "@user:*", "both", "{}", "p"),
        ("@user:*[ca]", "@user:*", "except", "{}", ""),
        ("@user:*[ca]", "@user:*", "both", "{}", "*?a"),
        ("@user:*[ca]", "@user:*", "either", "{}", "*"),
        ("@user:p[ca]", "@user:p[cb]", "except", "{}", "p?a,b"),
        ("@user:p[ca]", "@user:p[cb]", "except", r#"{"a":2}"#, ""),
        ("@user:p[ca]", "@user:p[cb]", "except", r#"{"a":1}"#, "p?b"),
    ] {
        let relationships = format!("{};{}", viewer(left), banned(right));
        assert_list(&relationships, &format!("document:1#{permission}@user"), context, expected);
    }
}

#[test]
fn an_unconditional_wildcard_takes_the_wildcard_away_whatever_it_excepts() {
    let relationships = "document:1#viewer@user:*[ca];document:1#banned@user:p;
        document:1#other@user:*;document:1#another@user:q";
    assert_list(relationships, "document:1#twice@user", r#"{"a":1}"#, "q");
    assert_list(relationships, "document:1#twice@user", "{}", "q?a");
    let conditional = relationships.replace("other@user:*", "other@user:*[ca]");
    let viewers = conditional.replace("viewer@user:*[ca]", "viewer@user:*");
    assert_list(&viewers, "document:1#twice@user", "{}", "*?a-p q");
}

#[test]
fn wildcards_may_be_left_out_and_cover_no_usersets() {
    let relationships = "document:1#viewer@user:*;document:1#viewer@user:z;
        document:1#banned@user:x";
    assert_list(relationships, "document:1#except@user!", "{}", "z");
    assert_list("team:a#guest@user:*", "team:a#guest@user", "{}", "*");
    assert_list("team:a#guest@user:*", "team:a#guest@user#mine", "{}", "");
}

#[test]
fn groups_are_looked_into_and_usersets_are_in_themselves() {
    let relationships = "document:1#reader@team:a#member;document:1#reader@team:b#all;
        team:a#member@team:b#member;team:b#member@team:a#member;team:b#member@user:u;
        team:a#member@user:v;team:a#member@team:c#member[ca];team:c#member@user:w;
        document:1#reader@user:gone[expiration:2020-01-01T00:00:00Z];
        document:1#reader@user:here[expiration:2090-01-01T00:00:00Z]";
    assert_list(relationships, "document:1#reader@user", "{}", "here u v w?a");
    assert_list(relationships, "document:1#reader@user", r#"{"a":1}"#, "here u v w");
    assert_list(relationships, "document:1#reader@user", r#"{"a":2}"#, "here u v");
    assert_list(relationships, "document:1#reader@team#member", "{}", "a b c?a");
    assert_list(relationships, "document:1#reader@team#all", "{}", "b");
    assert_list(relationships, "document:1#reader@team", "{}", "");
    assert_list("", "document:7#nobody@document#nobody", "{}", "7");
    assert_list("", "document:7#except@document#except", "{}", "7");
    assert_list("", "document:7#itself@document", "{}", "7");
    assert_list("", "document:7#itself@user", "{}", "");
}

#[test]
fn arrows_are_followed() {
    let relationships = "document:1#parent@folder:a;document:1#parent@folder:b[ca];
        folder:a#viewer@user:u;folder:a#viewer@user:v;folder:b#parent@folder:c;
        folder:c#viewer@user:v;folder:c#viewer@user:w";
    assert_list(relationships, "document:1#inherited@user", "{}", "u v w?a");
    assert_list(relationships, "document:1#every@user", "{}", "v?a");
    assert_list(relationships, "document:1#every@user", r#"{"a":1}"#, "v");
    assert_list(relationships, "document:1#every@user", r#"{"a":2}"#, "");
    // A subject whose type lacks the permission is one that does not have it.
    let team = format!("{relationships};document:1#parent@team:x");
    assert_list(&team, "document:1#inherited@user", r#"{"a":1}"#, "u v w");
    assert_list(&team, "document:1#every@user", r#"{"a":1}"#, "");
    assert_list("", "document:1#every@user", "{}", "");
}

#[test]
fn what_has_no_answer_is_an_error() {
    let circle = "document:1#viewer@user:u;document:1#banned@document:1#circular";
    let refused = list(circle, "document:1#circular@user", "{}").unwrap_err();
    let EngineError::CyclicExclusion { cycle } = refused else { panic!("{refused}") };
    assert_eq!(cycle, ["document:1#circular"]);
    let failing = r#"document:1#viewer@user:u[divides:{"by":0}]"#;
    let refused = list(failing, "document:1#viewer@user", r#"{"n":1}"#).unwrap_err();
    assert!(matches!(refused, EngineError::Caveat(_)), "{refused}");
    for (listing, name) in [
        ("paper:1#viewer@user", "paper"),
        ("document:1#nothing@user", "nothing"),
        ("document:1#viewer@alien", "alien"),
        ("document:1#viewer@team#nothing", "nothing"),
    ] {
        let refused = list("", listing, "{}").unwrap_err();
        let (EngineError::UnknownDefinition { name: found }
        | EngineError::UnknownRelation { name: found, .. }) = refused
        else {
            panic!("{refused}")
        };
        assert_eq!(found, name);
    }
}

/// Exclusions that may subtract what depends on them.
const CYCLES: &str = "definition user {}
    definition group { relation member: user }
    definition folder {
        relation parent: document
        permission view = parent->viewer
    }
    definition document {
        relation direct: user | group#member
        relation other: user
        relation restricted: user | document#viewer | document#nested | document#inherited | document#twice
        relation parent: folder
        permission viewer = direct - restricted
        permission nested = other & (direct - restricted)
        permission inherited = parent->view - restricted
        permission both = direct & viewer
        permission either = other + viewer
        permission swapped = direct - (restricted & other)
        permission straight = direct - (other & restricted)
        permission twice = direct - (direct - restricted)
    }";

/// The error of a cycle through an exclusion is given exactly where an answer hinges on it, by checks and lists alike.
#[test]
fn a_cycle_through_an_exclusion_is_an_error_only_where_the_answer_hinges_on_it() {
    let itself = "document:1#restricted@document:1#viewer";
    let ann = "document:1#direct@user:ann";
    // By permission: what a check of ann, a list of subjects and a lookup of ann's documents say; `!` for the error.
    for (relationships, permission, check, subjects, resources) in [
        (itself.to_owned(), "viewer", "no", "", ""),
        (itself.to_owned(), "both", "no", "", ""),
        (itself.to_owned(), "either", "no", "", ""),
        ("document:1#restricted@document:1#nested".to_owned(), "nested", "no", "", ""),
        (format!("document:1#restricted@document:1#nested;{ann}"), "nested", "no", "", ""),
        ("document:1#restricted@document:1#inherited".to_owned(), "inherited", "no", "", ""),
        ("document:1#restricted@document:1#inherited;document:1#parent@folder:f;folder:f#parent@document:2".to_owned(), "inherited", "no", "", ""),
        ("document:1#restricted@document:1#inherited;document:1#parent@folder:f;folder:f#parent@document:2;document:2#direct@user:ann".to_owned(), "inherited", "!", "!", "!"),
        (format!("{itself};{ann}"), "viewer", "!", "!", "!"),
        (format!("{itself};{ann}"), "both", "!", "!", "!"),
        (format!("{itself};{ann};document:1#other@user:ann"), "either", "yes", "ann", "1"),
        (format!("{itself};document:1#direct@user:bob"), "viewer", "no", "!", ""),
        (format!("{itself};{ann};document:1#restricted@user:ann"), "viewer", "no", "", ""),
        // Whatever is looked at first.
        (format!("{itself};{ann}"), "swapped", "yes", "ann", "1"),
        (format!("{itself};{ann}"), "straight", "yes", "ann", "1"),
        (format!("document:1#restricted@document:1#twice;{ann}"), "twice", "!", "!", "!"),
    ] {
        let (schema, set) = (schema(CYCLES), set(&relationships));
        let visible = set.visible_at(now());
        let scope = EvalContext::new(&schema, &visible);
        let case = format!("{permission} of {relationships}");

        let requested = Asked::parse(&format!("document:1#{permission}@user:ann"));
        let checked = match ask(&scope, &requested) {
            Said::NotMember => "no",
            Said::Member => "yes",
            Said::CyclicExclusion => "!",
            other @ (Said::Conditional(_)
            | Said::CaveatFailed
            | Said::ReadFailed
            | Said::Refused(_)) => panic!("{case}: {other:?}"),
        };
        assert_eq!(checked, check, "{case}");

        let listing = Listing::parse(&format!("document:1#{permission}@user"), &Context::default());
        let listed = match listed(&scope, &listing, usize::MAX) {
            Ok(found) => reported(&found),
            Err(EngineError::CyclicExclusion { .. }) => "!".to_owned(),
            Err(error) => panic!("{case}: {error}"),
        };
        assert_eq!(listed, subjects, "{case}");

        let within = ResourceFilter::default();
        let sought = requested.sought(&within);
        let page = ResourceLookup::start(&scope, &sought, None)
            .and_then(|(mut lookup, _)| lookup.next_page(&scope, &sought, 10));
        let found = match page {
            Ok(page) => page.found.into_iter().map(|found| found.object_id).collect(),
            Err(EngineError::CyclicExclusion { .. }) => "!".to_owned(),
            Err(error) => panic!("{case}: {error}"),
        };
        assert_eq!(found, resources, "{case}");
    }
}

/// A group of so many single members.
fn crowd(count: usize) -> RelationshipSet {
    let member = |n| format!("team:a#member@user:u{n:07}").parse().unwrap();
    (0..count).map(member).chain(set("document:1#reader@team:a#member").iter().cloned()).collect()
}

#[test]
fn a_large_group_is_read_as_far_as_it_is_listed() {
    let (schema, crowd) = (schema(SCHEMA), crowd(100_000));
    let visible = crowd.visible_at(now());
    let context = Context::default();
    let listing = Listing::parse("document:1#reader@user", &context);
    // Far fewer than there are may be in memory at once.
    let limits = Limits { subjects_max: 2_000, ..Limits::default() };
    let scope = EvalContext { limits, ..EvalContext::new(&schema, &visible) };
    let mut lookup = SubjectLookup::new(&scope, &listing.question(), None).unwrap();
    assert_eq!(lookup.next(&scope, 10).unwrap().len(), 10);
    assert!(lookup.statistics().reads < 10, "{:?}", lookup.statistics());
    let all = listed(&scope, &listing, 1_000).unwrap();
    assert_eq!(all.len(), 100_000);
    assert!(all.windows(2).all(|pair| pair[0].object_id < pair[1].object_id));
}

#[test]
fn work_is_bounded() {
    let schema = schema(SCHEMA);
    let chain: RelationshipSet = (0..1_000)
        .map(|n| format!("folder:{n}#parent@folder:{}", n + 1).parse().unwrap())
        .chain((0..1_000).map(|n| format!("document:1#banned@user:u{n}").parse().unwrap()))
        .chain(set("document:1#viewer@user:*").iter().cloned())
        .collect();
    let visible = chain.visible_at(now());
    let context = Context::default();
    let refused = |listing: &str, limits: Limits| {
        let scope = EvalContext { limits, ..EvalContext::new(&schema, &visible) };
        listed(&scope, &Listing::parse(listing, &context), 100).unwrap_err()
    };
    let defaults = Limits::default();
    for (listing, limits, expected) in [
        ("folder:0#view@user", Limits { visits_max: 500, ..defaults }, WorkKind::Visits),
        ("folder:0#view@user", Limits { reads_max: 500, ..defaults }, WorkKind::Reads),
        ("document:1#except@user", Limits { subjects_max: 500, ..defaults }, WorkKind::Subjects),
    ] {
        let refused = refused(listing, limits);
        let EngineError::WorkExceeded { work, limit: 500 } = refused else { panic!("{refused}") };
        assert_eq!(work, expected);
    }
    let deep = refused("folder:0#view@user", Limits { depth_max: Some(50), ..defaults });
    assert!(matches!(deep, EngineError::DepthExceeded { depth_max: 50 }), "{deep}");
    let scope = EvalContext { interrupted: &|| true, ..EvalContext::new(&schema, &visible) };
    let listing = Listing::parse("folder:0#view@user", &context);
    let ended = SubjectLookup::new(&scope, &listing.question(), None).unwrap_err();
    assert!(matches!(ended, EngineError::Interrupted), "{ended}");
}

#[test]
fn a_long_chain_and_a_lattice_are_listed() {
    let schema = schema(SCHEMA);
    let chain: RelationshipSet = (0..50_000)
        .map(|n| format!("team:{n}#member@team:{}#member", n + 1).parse().unwrap())
        .chain(set("team:50000#member@user:u").iter().cloned())
        .collect();
    // Thirty levels of two, each with both of the next: 2^30 ways, half of the steps under a caveat.
    let lattice: RelationshipSet = (0..30)
        .flat_map(|n| {
            let step = move |from: &str, to: &str, caveat: &str| {
                format!("team:{from}{n}#member@team:{to}{}#member{caveat}", n + 1).parse().unwrap()
            };
            [step("a", "a", ""), step("a", "b", "[ca]"), step("b", "a", "[ca]"), step("b", "b", "")]
        })
        .chain(set("team:a30#member@user:u;team:b30#member@user:v").iter().cloned())
        .collect();
    let context = Context::default();
    for (relationships, start, expected) in [(chain, "0", "u"), (lattice, "a0", "u v?a")] {
        let visible = relationships.visible_at(now());
        let listing = format!("team:{start}#member@user");
        let scope = EvalContext::new(&schema, &visible);
        let found = listed(&scope, &Listing::parse(&listing, &context), 7).unwrap();
        assert_eq!(reported(&found), expected);
    }
}

/// Many folders that are shared with the same hierarchy of groups, each with a subject excluded.
#[test]
fn what_many_permissions_share_is_worked_out_once() {
    let text = "
        definition user {}
        definition team { relation member: user | team#member }
        definition folder {
            relation viewer: team#member
            relation banned: user
            permission view = viewer - banned
        }
        definition document {
            relation parent: folder
            permission view = parent->view
            permission every = parent.all(view)
        }";
    let schema = schema(text);
    let folders = (0..200).flat_map(|n| {
        [
            format!("document:1#parent@folder:{n}"),
            format!("folder:{n}#viewer@team:0#member"),
            format!("folder:{n}#banned@user:u{n}"),
        ]
    });
    let teams = (0..200).flat_map(|n| {
        [format!("team:{n}#member@team:{}#member", n + 1), format!("team:{n}#member@user:u{n}")]
    });
    let lines: Vec<String> = folders.chain(teams).chain(["team:9#member@user:v".into()]).collect();
    let relationships = set(&lines.join(";"));
    let visible = relationships.visible_at(now());
    // Far fewer than there are ways.
    let limits = Limits { visits_max: 1_000, ..Limits::default() };
    let scope = EvalContext { limits, ..EvalContext::new(&schema, &visible) };
    let context = Context::default();
    let list = |listing: &str| listed(&scope, &Listing::parse(listing, &context), 100).unwrap();
    assert_eq!(list("document:1#view@user").len(), 201);
    assert_eq!(reported(&list("document:1#every@user")), "v");
}
