//! The subject forms that a walk over a relation follows.

use crate::schema::{AllowedForm, AllowedSubject, Arrow, DefinitionId, NodeId, Quantifier};

/// A subject form to follow, and the node that it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Branch {
    pub(in crate::engine) definition: DefinitionId,
    pub(in crate::engine) subject_relation: Option<NodeId>,
    pub(in crate::engine) target: Option<NodeId>,
}

/// The subject forms that a walk over a relation follows.
#[derive(Debug)]
pub(in crate::engine) struct Branches(pub(in crate::engine) Vec<Branch>);

impl Branches {
    /// The usersets among a relation's subject forms, each once, without those from which the subject is unreachable.
    pub(in crate::engine) fn from_usersets(
        subjects: &[AllowedSubject],
        can_reach: impl Fn(NodeId) -> bool,
    ) -> Self {
        let mut branches: Vec<Branch> = subjects
            .iter()
            .filter_map(|subject| match subject.form {
                AllowedForm::Userset(relation) if can_reach(relation) => Some(Branch {
                    definition: subject.definition,
                    subject_relation: Some(relation),
                    target: Some(relation),
                }),
                AllowedForm::Userset(_) | AllowedForm::Object | AllowedForm::Wildcard => None,
            })
            .collect();
        branches.sort_unstable_by_key(|branch| branch.target);
        branches.dedup_by_key(|branch| branch.target);
        Self(branches)
    }

    /// Every subject form that a relation allows, each once, objects before usersets.
    pub(in crate::engine) fn from_relation(subjects: &[AllowedSubject]) -> Vec<Branch> {
        let mut branches: Vec<Branch> = Vec::new();
        for usersets in [false, true] {
            for subject in subjects {
                let target = match subject.form {
                    AllowedForm::Userset(relation) => Some(relation),
                    AllowedForm::Object | AllowedForm::Wildcard => None,
                };
                let definition = subject.definition;
                let branch = Branch { definition, subject_relation: target, target };
                if target.is_some() == usersets && !branches.contains(&branch) {
                    branches.push(branch);
                }
            }
        }
        branches
    }

    /// An arrow's branches. For an `any` arrow, branches that cannot reach the subject are left out. For an `all` arrow they
    /// stay, because an object on such a branch makes the result *no*.
    pub(in crate::engine) fn from_arrow(arrow: &Arrow, can_reach: impl Fn(NodeId) -> bool) -> Self {
        let branches = arrow.branches.iter().map(|branch| Branch {
            definition: branch.definition,
            subject_relation: branch.subject_relation,
            target: branch.target.filter(|target| can_reach(*target)),
        });
        let followed =
            |branch: &Branch| arrow.quantifier == Quantifier::All || branch.target.is_some();
        Self(branches.filter(followed).collect())
    }
}
