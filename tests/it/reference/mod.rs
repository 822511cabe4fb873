//! The oracle: who is in what, straight from the definitions, by least fixpoint over all (node, object) pairs.
//!
//! It shares no code with the engine, walks no paths, cuts no cycles and knows no order of evaluation: it writes one
//! equation for each pair that a check can depend on ([`equations`]) and solves them all at once ([`solution`]).
//! Slow, and short enough to be believed. Around it stand the generators of checks ([`generate`], [`model`]) and what makes a
//! failing case small ([`shrink`]).

pub(crate) mod case;
pub(crate) mod compare;
pub(crate) mod equations;
pub(crate) mod generate;
pub(crate) mod lookups;
pub(crate) mod model;
pub(crate) mod random;
pub(crate) mod rules;
pub(crate) mod shrink;
pub(crate) mod solution;

use equations::{Asker, Pair};
use kilwa::relationship::{Context, ObjectRef, Relationship, Subject, Timestamp};
use kilwa::schema::Schema;
use rules::Rules;
use solution::{Solution, Verdict};

/// What the definitions say about one check.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    /// Whether the subject is a member.
    pub(crate) verdict: Verdict,
    /// Whether the check depends on a cycle.
    pub(crate) cyclic: bool,
    /// Whether one of these cycles passes through the right side of an exclusion.
    pub(crate) cyclic_exclusion: bool,
}

/// A schema's rules and the relationships of one revision.
pub(crate) struct Reference<'a> {
    rules: &'a Rules,
    schema: &'a Schema,
    relationships: equations::Relationships,
}

impl<'a> Reference<'a> {
    /// The relationships as they stand at `now`. Of the schema, only the compiled caveats are used.
    pub(crate) fn new<'r>(
        rules: &'a Rules,
        schema: &'a Schema,
        relationships: impl IntoIterator<Item = &'r Relationship>,
        now: Timestamp,
    ) -> Self {
        let visible = |relationship: &&Relationship| {
            relationship.expires_at.is_none_or(|expires_at| now < expires_at)
        };
        let relationships = relationships.into_iter().filter(visible).cloned().collect();
        Self { rules, schema, relationships }
    }

    /// The answer to one check. Every name in it must exist in the rules.
    pub(crate) fn answer(
        &self,
        resource: &ObjectRef,
        permission: &str,
        subject: &Subject,
        context: &Context,
    ) -> Answer {
        let pair = Pair { object: resource.clone(), node: permission.to_owned() };
        self.solve(vec![pair.clone()], subject, context).answer(&pair)
    }

    /// The answers to every check about these pairs by one subject.
    pub(crate) fn solve(&self, roots: Vec<Pair>, subject: &Subject, context: &Context) -> Solution {
        let asker = Asker {
            rules: self.rules,
            schema: self.schema,
            relationships: &self.relationships,
            subject,
            context,
        };
        Solution::from_equations(asker.equations(roots))
    }
}
