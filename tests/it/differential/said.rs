//! The answer of a server to one check, in a form in which two servers' answers can be compared.

use crate::reference::solution::Verdict;
use crate::server_support::text;
use kilwa::proto::authzed::api::v1 as proto;
use proto::check_permission_response::Permissionship;
use proto::permission_relationship_tree::TreeType;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// An answer, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    /// Of a check.
    Verdict(Verdict),
    /// Of a lookup: what was found.
    Found(BTreeMap<String, Found>),
    /// Of everything else.
    Text(String),
    /// None.
    Refused { code: Code, reason: String, message: String },
}

/// One result of a lookup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Whether it depends on context that is missing.
    pub(super) conditional: bool,
    /// For a wildcard: who is left out, each with whether that depends on missing context.
    pub(super) excluded: BTreeMap<String, bool>,
}

impl Said {
    pub(super) fn refused(status: &Status) -> Self {
        // A reason that is not specified is none.
        let reason = status.get_details_error_info().map(|info| info.reason);
        let reason = reason.filter(|reason| reason != "ERROR_REASON_UNSPECIFIED");
        Self::Refused {
            code: status.code(),
            reason: reason.unwrap_or_default(),
            message: status.message().to_owned(),
        }
    }

    pub(super) fn from_response<T>(
        answer: Result<T, Status>,
        read: impl FnOnce(T) -> Self,
    ) -> Self {
        answer.map_or_else(|status| Self::refused(&status), read)
    }

    /// Whether it is a refusal for this reason.
    pub(super) fn is_refused_for(&self, reasons: &[&str]) -> bool {
        matches!(self, Self::Refused { reason, .. } if reasons.contains(&reason.as_str()))
    }

    /// Whether the server says that it is itself at fault.
    pub(super) fn is_own_fault(&self) -> bool {
        matches!(self, Self::Refused { code: Code::Unknown, message, .. } if message.starts_with("BUG:"))
    }

    /// Whether it did not come in time.
    pub(super) fn is_late(&self) -> bool {
        matches!(self, Self::Refused { code: Code::Cancelled | Code::DeadlineExceeded, .. })
    }

    /// Whether the two say the same to a program. Of what is missing, one may name less.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Verdict(Verdict::Conditional(left)),
                Self::Verdict(Verdict::Conditional(right)),
            ) => left.is_subset(right) || right.is_subset(left),
            (
                Self::Refused { code, reason, .. },
                Self::Refused { code: other_code, reason: other_reason, .. },
            ) => code == other_code && reason == other_reason,
            (left, right) => left == right,
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verdict(verdict) => write!(f, "{verdict:?}"),
            Self::Text(text) => f.write_str(text),
            Self::Refused { code, reason, message } => write!(f, "{code:?} {reason}: {message}"),
            Self::Found(found) => {
                for (id, Found { conditional, excluded }) in found {
                    write!(f, "{id}{} ", if *conditional { "?" } else { "" })?;
                    if !excluded.is_empty() {
                        write!(f, "- {excluded:?} ")?;
                    }
                }
                Ok(())
            }
        }
    }
}

pub(super) fn verdict(
    permissionship: Permissionship,
    missing: Option<proto::PartialCaveatInfo>,
) -> Said {
    Said::Verdict(match permissionship {
        Permissionship::HasPermission => Verdict::Member,
        Permissionship::NoPermission => Verdict::NotMember,
        Permissionship::ConditionalPermission => {
            let missing = missing.unwrap_or_default().missing_required_context;
            Verdict::Conditional(missing.into_iter().collect::<BTreeSet<String>>())
        }
        Permissionship::Unspecified => panic!("an answer without a value"),
    })
}

/// The results of a lookup of resources. The same one may come twice, conditional and not.
pub(super) fn resources(responses: Vec<proto::LookupResourcesResponse>) -> Said {
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    for response in responses {
        let conditional = is_conditional(response.permissionship);
        let entry = Found { conditional, excluded: BTreeMap::new() };
        let known = found.entry(response.resource_object_id).or_insert(entry);
        known.conditional &= conditional;
    }
    Said::Found(found)
}

/// The results of a lookup of subjects. The same one may come twice, conditional and not.
pub(super) fn subjects(responses: Vec<proto::LookupSubjectsResponse>) -> Said {
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    for response in responses {
        let subject = response.subject.unwrap_or_default();
        let conditional = is_conditional(subject.permissionship);
        let excluded = response.excluded_subjects.into_iter();
        let excluded =
            excluded.map(|it| (it.subject_object_id, is_conditional(it.permissionship))).collect();
        let entry = Found { conditional, excluded };
        let known = found.entry(subject.subject_object_id).or_insert(entry);
        known.conditional &= conditional;
    }
    Said::Found(found)
}

fn is_conditional(permissionship: i32) -> bool {
    permissionship == i32::from(proto::LookupPermissionship::ConditionalPermission)
}

/// A tree in one line; the order of operands that commute and of subjects is left out.
pub(super) fn tree(tree: &proto::PermissionRelationshipTree) -> String {
    use proto::algebraic_subject_set::Operation;
    let object = tree.expanded_object.clone().unwrap_or_default();
    let label = format!("{}:{}#{}", object.object_type, object.object_id, tree.expanded_relation);
    match &tree.tree_type {
        Some(TreeType::Leaf(leaf)) => {
            let mut subjects: Vec<String> = leaf.subjects.iter().map(subject).collect();
            subjects.sort();
            format!("{label}[{}]", subjects.join(" "))
        }
        Some(TreeType::Intermediate(node)) => {
            let mut children: Vec<String> = node.children.iter().map(self::tree).collect();
            if node.operation() != Operation::Exclusion {
                children.sort();
            }
            format!("{label}{:?}({})", node.operation(), children.join(", "))
        }
        None => format!("{label} without a kind"),
    }
}

fn subject(subject: &proto::SubjectReference) -> String {
    let object = subject.object.clone().unwrap_or_default();
    format!("{}:{}#{}", object.object_type, object.object_id, subject.optional_relation)
}

/// The relationships of a read, in order-free form.
pub(super) fn relationships(responses: &[proto::ReadRelationshipsResponse]) -> Said {
    let texts = responses.iter().filter_map(|response| response.relationship.as_ref()).map(text);
    let texts: BTreeSet<String> = texts.collect();
    Said::Text(texts.into_iter().collect::<Vec<_>>().join("\n"))
}
