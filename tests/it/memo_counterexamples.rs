//! Every small graph of groups that contain each other: where a memo that remembers too much is wrong.
//!
//! A "no" that was found while another node was open may depend on that node; cached, it is wrong as
//! soon as the open check becomes a "yes". Both kinds of reuse are tried: within a check (an intersection
//! evaluates two groups, one after the other) and between checks (a shared cache).

use crate::reference::case::{Asked, now};
use kilwa::engine::{Cache, EvalContext, check};
use kilwa::relationship::{Permissionship, ReadPoint, RelationshipSet, Revision};
use kilwa::schema::compile;

const GROUPS: usize = 3;
const NAMES: [&str; GROUPS] = ["a", "b", "c"];

/// Each group's members reach it by a userset, by an arrow, or by one or the other.
const SCHEMA: &str = "
definition user {}
definition group {
  relation member: user | group#member
  relation parent: group
  relation link: group#mixed | user
  permission walked = member + parent->walked
  permission mixed = link + parent->mixed
}
definition pair {
  relation left: group
  relation right: group
  permission members = left->member & right->member
  permission walked = left->walked & right->walked
  permission mixed = left->mixed & right->mixed
}";

/// A graph: who contains whom, and who contains the user.
struct Graph {
    contains: [[bool; GROUPS]; GROUPS],
    direct: [bool; GROUPS],
}

impl Graph {
    /// Every graph without loops.
    fn all() -> impl Iterator<Item = Self> {
        const EDGES: usize = GROUPS * (GROUPS - 1);
        (0_u32..1 << (EDGES + GROUPS)).map(|bits| {
            let mut bits = (0..EDGES + GROUPS).map(|bit| bits >> bit & 1 == 1);
            let mut graph = Self { contains: [[false; GROUPS]; GROUPS], direct: [false; GROUPS] };
            for group in 0..GROUPS {
                for other in (0..GROUPS).filter(|other| *other != group) {
                    graph.contains[group][other] = bits.next().unwrap();
                }
                graph.direct[group] = bits.next().unwrap();
            }
            graph
        })
    }

    /// Which groups contain the user, directly or not.
    fn members(&self) -> [bool; GROUPS] {
        let mut members = self.direct;
        for _ in 0..GROUPS {
            for group in 0..GROUPS {
                members[group] |=
                    (0..GROUPS).any(|other| self.contains[group][other] && members[other]);
            }
        }
        members
    }

    fn relationships(&self, kind: &str) -> RelationshipSet {
        let mut lines = Vec::new();
        for (group, name) in NAMES.into_iter().enumerate() {
            if self.direct[group] {
                let relation = if kind == "mixed" { "link" } else { "member" };
                lines.push(format!("group:{name}#{relation}@user:u"));
            }
            for other in (0..GROUPS).filter(|other| self.contains[group][*other]) {
                let other_name = NAMES[other];
                lines.push(match (kind, group < other) {
                    ("members", _) => format!("group:{name}#member@group:{other_name}#member"),
                    ("mixed", true) => format!("group:{name}#link@group:{other_name}#mixed"),
                    _ => format!("group:{name}#parent@group:{other_name}"),
                });
            }
        }
        for (left, right) in pairs() {
            let (left, right) = (NAMES[left], NAMES[right]);
            lines.push(format!("pair:{left}{right}#left@group:{left}"));
            lines.push(format!("pair:{left}{right}#right@group:{right}"));
        }
        lines.iter().map(|line| line.parse().unwrap()).collect()
    }
}

fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..GROUPS).flat_map(|left| (0..GROUPS).map(move |right| (left, right)))
}

#[test]
fn groups_in_groups() {
    every_graph("members");
}

#[test]
fn groups_under_groups() {
    every_graph("walked");
}

#[test]
fn groups_in_and_under_groups() {
    every_graph("mixed");
}

fn every_graph(kind: &str) {
    let schema = compile(SCHEMA).unwrap();
    for graph in Graph::all() {
        let relationships = graph.relationships(kind);
        let visible = relationships.visible_at(now());
        let members = graph.members();
        let scope = EvalContext::new(&schema, &visible);
        let cache = Cache::new(1 << 20);
        let cached =
            EvalContext { cache: Some(cache.at(ReadPoint::new(Revision(1), now()))), ..scope };
        for (left, right) in pairs() {
            let pair = format!("pair:{}{}#{kind}@user:u", NAMES[left], NAMES[right]);
            let expected = members[left] && members[right];
            assert_eq!(is_member(&scope, &pair), expected, "{pair}\n{}", shown(&relationships));
        }
        let node = if kind == "members" { "member" } else { kind };
        for (position, name) in NAMES.iter().enumerate() {
            // Each group first in its own cache, then the others after it.
            let cache = Cache::new(1 << 20);
            let own =
                EvalContext { cache: Some(cache.at(ReadPoint::new(Revision(1), now()))), ..cached };
            for (offset, _) in NAMES.iter().enumerate() {
                let other = (position + offset) % GROUPS;
                let group = format!("group:{}#{node}@user:u", NAMES[other]);
                let reported = format!("{group} after {name}\n{}", shown(&relationships));
                assert_eq!(is_member(&own, &group), members[other], "{reported}");
            }
        }
    }
}

fn is_member<R: kilwa::relationship::RelationshipReader>(
    scope: &EvalContext<'_, R>,
    question: &str,
) -> bool {
    check(scope, &Asked::parse(question).question()).unwrap().permissionship
        == Permissionship::HasPermission
}

fn shown(relationships: &RelationshipSet) -> String {
    relationships.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
