//! A list without context agrees with checks in every context that is given later.
//!
//! Two conditions that lack the same parameters are not the same condition: a list may only leave out subjects that have the value
//! of the wildcard in every context, and may only call a subject or resource certain or absent if every context does.

use crate::agreement::for_each_specimen;
use crate::reference::case::{Asked, Case, now};
use crate::reference::compare::{Said, ask};
use crate::reference::lookups::{by_pages, is_askable};
use crate::reference::random::Random;
use crate::schema_support::schema as compiled;
use crate::subject_agreement::listings;
use crate::subject_lists::{Listing, ids, listed, reported};
use kilwa::engine::{EvalContext, FoundSubject, ResourceFilter, ResourceLookup};
use kilwa::relationship::{
    Context, ObjectRef, Permissionship, RelationshipReader, RelationshipSet, Subject, VisibleSet,
};
use kilwa::schema::{Schema, compile};
use serde_json::json;
use std::collections::BTreeSet;

/// An id that no relationship names.
const STRANGER: &str = "nobody-names-me";

#[test]
fn an_exception_is_distinguished_from_a_wildcard_that_lacks_the_same_parameter() {
    let schema = compiled(
        "caveat one(x int) { x == 1 }
         caveat positive(x int) { x > 0 }
         definition person {}
         definition page {
             relation pub: person:* with one
             relation ban: person with positive
             permission view = pub - ban
         }",
    );
    let relationships: RelationshipSet =
        ["page:p#pub@person:*[one]", "page:p#ban@person:eve[positive]"]
            .map(|line| line.parse().unwrap())
            .into_iter()
            .collect();
    let visible = relationships.visible_at(now());
    let listing = Listing::parse("page:p#view@person", &Context::default());
    let found = listed(&EvalContext::new(&schema, &visible), &listing, usize::MAX).unwrap();
    assert_eq!(reported(&found), "*?x-eve?x");
}

#[test]
fn random_lists_hold_in_later_contexts() {
    for_each_specimen(600, |specimen| {
        let contexts = contexts(&[
            ("flag", &[json!(true), json!(false)]),
            ("other", &[json!(true), json!(false)]),
            ("level", &[json!(0), json!(2), json!(4)]),
            ("step", &[json!(0), json!(2)]),
        ]);
        fault(&specimen.case(), &contexts)
    });
}

/// Caveats that share parameters, and every way in which wildcards, members and exceptions come together.
#[test]
fn random_algebra_holds_in_later_contexts() {
    let contexts =
        contexts(&[("a", &[json!(1), json!(2), json!(3)]), ("b", &[json!(1), json!(2), json!(3)])]);
    let mut random = Random::new(53);
    let [mut excepted, mut conditional] = [0; 2];
    for _ in 0..400 {
        let case = algebra(&mut random);
        assert_eq!(fault(&case, &contexts), None, "\n\n{case}");
        let schema = compile(&case.schema).unwrap();
        let visible = case.relationships.visible_at(now());
        for found in case.questions.iter().flat_map(|requested| {
            let listing = Listing::parse(
                &format!("{}#{}@user", requested.resource, requested.permission),
                &Context::default(),
            );
            listed(&EvalContext::new(&schema, &visible), &listing, usize::MAX).unwrap()
        }) {
            conditional += usize::from(found.permissionship != Permissionship::HasPermission);
            excepted += found.excluded.len();
        }
    }
    assert!(excepted > 40 && conditional > 300, "{excepted} {conditional}");
}

fn algebra(random: &mut Random) -> Case {
    const CAVEATS: [&str; 5] = ["", "one", "two", "other", "sum"];
    let forms = |definition: &str, suffix: &str| {
        let form = |caveat: &&str| match *caveat {
            "" => format!("{definition}{suffix}"),
            caveat => format!("{definition}{suffix} with {caveat}"),
        };
        CAVEATS.iter().map(form).collect::<Vec<_>>().join(" | ")
    };
    let users = format!("{} | {}", forms("user", ""), forms("user", ":*"));
    let (in_folder, in_document) = (
        expression(random, &["viewer", "banned"], 1),
        expression(random, &["viewer", "banned", "other", "parent->view", "parent.all(view)"], 3),
    );
    let schema = format!(
        "caveat one(a int) {{ a == 1 }}
         caveat two(a int) {{ a == 2 }}
         caveat other(b int) {{ b == 1 }}
         caveat sum(a int, b int) {{ a + b == 4 }}
         definition user {{}}
         definition folder {{
             relation viewer: {users}
             relation banned: {users}
             permission view = {in_folder}
         }}
         definition document {{
             relation viewer: {users}
             relation banned: {users}
             relation other: {users}
             relation parent: {}
             permission view = {in_document}
         }}\n",
        forms("folder", "")
    );
    let mut relationships = RelationshipSet::default();
    for _ in 0..random.between(2, 12) {
        let resource = *random.pick(&[
            "document:d#viewer",
            "document:d#viewer",
            "document:d#banned",
            "document:d#other",
            "document:d#parent",
            "folder:f#viewer",
            "folder:f#banned",
            "folder:g#viewer",
        ]);
        let subject = if resource.ends_with("parent") {
            format!("folder:{}", random.pick(&["f", "g"]))
        } else {
            format!("user:{}", random.pick(&["*", "*", "p", "q"]))
        };
        let caveat = match *random.pick(&CAVEATS) {
            "" => String::new(),
            "sum" if random.percent(50) => r#"[sum:{"b":3}]"#.to_owned(),
            caveat => format!("[{caveat}]"),
        };
        relationships.insert(format!("{resource}@{subject}{caveat}").parse().unwrap());
    }
    let questions = ["document:d#view@user:p", "folder:f#view@user:q"].map(Asked::parse).to_vec();
    Case { schema, relationships, questions }
}

fn expression(random: &mut Random, leaves: &[&str], depth: usize) -> String {
    if depth == 0 || random.percent(15) {
        return (*random.pick(leaves)).to_owned();
    }
    let operator = random.pick(&["+", "&", "-", "-"]);
    let left = expression(random, leaves, depth - 1);
    let right = expression(random, leaves, depth - 1);
    format!("({left} {operator} {right})")
}

/// Every choice of a value for each parameter.
fn contexts(parameters: &[(&str, &[serde_json::Value])]) -> Vec<Context> {
    let mut all = vec![serde_json::Map::new()];
    for (name, values) in parameters {
        let with = |chosen: &serde_json::Map<String, serde_json::Value>| {
            let chosen = chosen.clone();
            values.iter().map(move |value| {
                let mut chosen = chosen.clone();
                chosen.insert((*name).to_owned(), value.clone());
                chosen
            })
        };
        all = all.iter().flat_map(with).collect();
    }
    all.into_iter().map(Context::from_map).collect()
}

/// The differences between a list without context and checks in a later context.
fn fault(case: &Case, contexts: &[Context]) -> Option<String> {
    let schema = compile(&case.schema).ok()?;
    let mut case = case.clone();
    for requested in &mut case.questions {
        requested.context = Context::default();
    }
    let visible = case.relationships.visible_at(now());
    let bench = Bench { schema: &schema, visible: &visible, contexts };
    let subjects = listings(&case).iter().find_map(|listing| {
        bench.subjects_fault(listing, &ids(case.relationships.iter(), &listing.resource))
    });
    subjects.or_else(|| {
        let mut requested = case.questions.iter().filter(|requested| is_askable(requested));
        requested.find_map(|requested| bench.resources_fault(&case, requested))
    })
}

struct Bench<'a> {
    schema: &'a Schema,
    visible: &'a VisibleSet<'a>,
    contexts: &'a [Context],
}

impl Bench<'_> {
    fn said(
        &self,
        resource: &ObjectRef,
        permission: &str,
        subject: &Subject,
        context: &Context,
    ) -> Said {
        let requested = Asked {
            resource: resource.clone(),
            permission: permission.to_owned(),
            subject: subject.clone(),
            context: context.clone(),
        };
        ask(&EvalContext::new(self.schema, self.visible), &requested)
    }

    fn subjects_fault(&self, listing: &Listing, ids: &BTreeSet<String>) -> Option<String> {
        let found =
            listed(&EvalContext::new(self.schema, self.visible), listing, usize::MAX).ok()?;
        let Listing { resource, permission, .. } = listing;
        self.contexts.iter().find_map(|context| {
            let said = |id: &str| self.said(resource, permission, &listing.subject(id), context);
            let everybody = said(STRANGER);
            ids.iter().find_map(|id| {
                let said = said(id);
                (!may_be(&found, id, &said, &everybody)).then(|| {
                    let list = reported(&found);
                    format!("`{listing}` without context is {list}, but with {context} `{id}` is {said:?} and everybody else {everybody:?}")
                })
            })
        })
    }

    fn resources_fault(&self, case: &Case, requested: &Asked) -> Option<String> {
        let scope = EvalContext::new(self.schema, self.visible);
        let found = everything(&scope, requested)?;
        let ids = ids(case.relationships.iter(), &requested.resource);
        ids.iter().find_map(|id| {
            let resource = ObjectRef::new(requested.resource.object_type(), id.as_str()).unwrap();
            let listed = found.iter().find(|found| found.object_id == *id);
            self.contexts.iter().find_map(|context| {
                let said = self.said(&resource, &requested.permission, &requested.subject, context);
                let holds = match listed {
                    None => said == Said::NotMember,
                    Some(found) => !found.missing.is_empty() || said == Said::Member,
                };
                (!holds).then(|| format!("`{requested}` without context: {listed:?}, but with {context} `{id}` is {said:?}"))
            })
        })
    }
}

fn everything<R: RelationshipReader>(
    scope: &EvalContext<'_, R>,
    requested: &Asked,
) -> Option<Vec<kilwa::engine::FoundResource>> {
    let within = ResourceFilter::default();
    let sought = requested.sought(&within);
    let looked_up = by_pages(
        &|sought, after, size| {
            ResourceLookup::start(scope, sought, after)?.0.next_page(scope, sought, size)
        },
        &sought,
        usize::MAX,
    );
    looked_up.error.is_none().then_some(looked_up.found)
}

/// Whether a subject may have this value later, when every subject that no relationship names has that one.
fn may_be(found: &[FoundSubject], id: &str, said: &Said, everybody: &Said) -> bool {
    let entry = |id: &str| found.iter().find(|found| found.object_id == id);
    let wildcard = entry("*");
    let excepted = wildcard.and_then(|it| it.excluded.iter().find(|it| it.object_id == id));
    // A caveat fails for both, or one of them is decided without it.
    let (Some(rank), Some(of_everybody)) = (rank(said), rank(everybody)) else { return true };
    let covered = match wildcard.map(|wildcard| &wildcard.permissionship) {
        None => of_everybody == 0,
        Some(Permissionship::HasPermission) => of_everybody == 1,
        Some(_) => true,
    };
    let agrees = match (entry(id).filter(|_| id != "*"), excepted) {
        (Some(listed), _) if listed.permissionship == Permissionship::HasPermission => rank == 1,
        (Some(_), Some(_)) => true,
        (Some(_), None) => rank >= of_everybody,
        (None, Some(excepted)) if excepted.permissionship == Permissionship::NoPermission => {
            rank == 0
        }
        (None, Some(_)) => rank <= of_everybody,
        (None, None) => rank == of_everybody,
    };
    covered && agrees
}

fn rank(said: &Said) -> Option<u8> {
    match said {
        Said::NotMember => Some(0),
        Said::Member => Some(1),
        Said::Conditional(_)
        | Said::CaveatFailed
        | Said::CyclicExclusion
        | Said::ReadFailed
        | Said::Refused(_) => None,
    }
}
