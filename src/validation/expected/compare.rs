//! Expected subjects against found ones.

use super::parse::ExpectedSubject;
use super::relations::{ExpectedLine, ExpectedRelations};
use super::set::{Provenance, SubjectSet, SubjectType, TypeSubjects};
use crate::relationship::Subject;
use crate::validation::evidence::Evidence;
use crate::validation::source::SourceLocation;
use std::collections::{BTreeMap, BTreeSet};

/// A way in which expected relations were not met.
#[derive(Clone, Debug)]
pub struct ExpectedFailure {
    /// The line of the expectation, or its key.
    pub location: SourceLocation,
    /// What differs.
    pub mismatch: Mismatch,
    /// Why the subject that it is about has the relation or permission or not, where a check can say so.
    pub evidence: Option<Evidence>,
}

impl ExpectedFailure {
    pub(super) fn new(location: &SourceLocation, mismatch: Mismatch) -> Self {
        Self { location: location.clone(), mismatch, evidence: None }
    }
}

impl Mismatch {
    /// The subject that was found, or was not, against the expectation.
    pub(super) fn subject(&self) -> Option<&str> {
        match self {
            Self::Missing { subject, .. }
            | Self::Unlisted { subject, .. }
            | Self::Through { subject, .. }
            | Self::Caveat { subject, .. } => Some(subject),
            Self::NoSubject { .. }
            | Self::Exceptions { .. }
            | Self::ExceptionsOfOne { .. }
            | Self::NotExpanded { .. } => None,
        }
    }
}

/// What differs between the expected and the found subjects.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// A line names no subject.
    #[error("`{text}` names no subject: write it like `[user:ann] is <document:plan#viewer>`")]
    NoSubject {
        /// The line.
        text: String,
    },
    /// An expected subject was not found.
    #[error("`{subject}` is expected in `{key}`, but is not in it")]
    Missing {
        /// The relation or permission.
        key: String,
        /// The subject.
        subject: String,
    },
    /// A subject was found through other relations.
    #[error("`{subject}` is expected in `{key}` through {expected}, but was found through {found}")]
    Through {
        /// The relation or permission.
        key: String,
        /// The subject.
        subject: String,
        /// The expected relations.
        expected: String,
        /// The relations that name it.
        found: String,
    },
    /// A wildcard leaves out other subjects.
    #[error("`{subject}` is expected in `{key}` without {expected}, but was found without {found}")]
    Exceptions {
        /// The relation or permission.
        key: String,
        /// The wildcard.
        subject: String,
        /// The expected exceptions.
        expected: String,
        /// The exceptions found.
        found: String,
    },
    /// Exceptions are expected of a subject that is no wildcard.
    #[error("`{subject}` is one subject and can have no exceptions")]
    ExceptionsOfOne {
        /// The subject.
        subject: String,
    },
    /// A subject is there only under a caveat and was not expected to be, or the other way round.
    #[error(
        "`{subject}` is expected in `{key}` {}, but was found {}", under(*.expected), under(!*.expected)
    )]
    Caveat {
        /// The relation or permission.
        key: String,
        /// The subject.
        subject: String,
        /// Whether a caveat was expected.
        expected: bool,
    },
    /// A subject was found that no line lists.
    #[error("`{subject}` is in `{key}`, but is not listed")]
    Unlisted {
        /// The relation or permission.
        key: String,
        /// The subject.
        subject: String,
        /// The line that would list it.
        line: String,
    },
    /// The relation or permission could not be expanded.
    #[error("the expected relations cannot be compared: {reason}")]
    NotExpanded {
        /// Why.
        reason: String,
    },
}

fn under(caveat: bool) -> &'static str {
    if caveat { "under a caveat" } else { "without a caveat" }
}

/// Every difference: those of expected subjects first, then the subjects that are not listed.
pub(super) fn compare(expected: &ExpectedRelations, found: &SubjectSet) -> Vec<ExpectedFailure> {
    let key = expected.key();
    let mut failures = Vec::new();
    let mut listed = BTreeSet::new();
    for item in &expected.items {
        let mismatches = match &item.subject {
            Some(subject) => {
                listed.insert(subject.subject.clone());
                compare_one(&key, subject, found)
            }
            None => vec![Mismatch::NoSubject { text: item.text.clone() }],
        };
        failures.extend(mismatches.into_iter().map(|mismatch| failure(item, mismatch)));
    }

    for subject in all(found).filter(|found| !listed.contains(&found.subject)) {
        let line = subject.line();
        let subject = subject.subject.to_string();
        let mismatch = Mismatch::Unlisted { key: key.clone(), subject, line };
        failures.push(ExpectedFailure::new(&expected.location, mismatch));
    }
    failures
}

fn failure(item: &ExpectedLine, mismatch: Mismatch) -> ExpectedFailure {
    ExpectedFailure::new(&item.location, mismatch)
}

fn compare_one(key: &str, expected: &ExpectedSubject, found: &SubjectSet) -> Vec<Mismatch> {
    let (key, subject) = (key.to_owned(), expected.subject.to_string());
    let Some(found) = look_up(found, &expected.subject) else {
        return vec![Mismatch::Missing { key, subject }];
    };
    let mut mismatches = Vec::new();
    let through: BTreeSet<String> = found.through();
    if through != expected.through {
        mismatches.push(Mismatch::Through {
            key: key.clone(),
            subject: subject.clone(),
            expected: shown_through(&expected.through),
            found: shown_through(&through),
        });
    }

    let is_wildcard = matches!(expected.subject, Subject::Wildcard(_));
    if !is_wildcard && !expected.exceptions.is_empty() {
        mismatches.push(Mismatch::ExceptionsOfOne { subject: subject.clone() });
    }
    let exceptions = found.exceptions();
    if is_wildcard && exceptions != expected.exceptions {
        mismatches.push(Mismatch::Exceptions {
            key: key.clone(),
            subject: subject.clone(),
            expected: shown_exceptions(&expected.exceptions),
            found: shown_exceptions(&exceptions),
        });
    }

    if found.found.conditional != expected.caveated {
        mismatches.push(Mismatch::Caveat { key, subject, expected: expected.caveated });
    }
    mismatches
}

/// A subject of a set with all that is known of it.
struct ActualSubject<'s> {
    subject: Subject,
    found: &'s Provenance,
    exclusions: Option<&'s BTreeMap<String, bool>>,
}

impl ActualSubject<'_> {
    fn through(&self) -> BTreeSet<String> {
        self.found.through.iter().map(ToString::to_string).collect()
    }

    fn exceptions(&self) -> BTreeSet<(Subject, bool)> {
        let object_type = self.subject.object_type();
        let exception = |(id, conditional): (&String, &bool)| {
            Some((Subject::new(object_type, id, "").ok()?, *conditional))
        };
        self.exclusions.into_iter().flatten().filter_map(exception).collect()
    }

    /// The line that expects this subject.
    fn line(&self) -> String {
        let mut subject = marked(&self.subject, self.found.conditional);
        let exceptions = self.exceptions();
        if !exceptions.is_empty() {
            subject = format!("{subject} - {{{}}}", joined_exceptions(&exceptions));
        }
        format!("[{subject}] is {}", joined_through(&self.through()))
    }
}

fn look_up<'s>(set: &'s SubjectSet, subject: &Subject) -> Option<ActualSubject<'s>> {
    let form = (subject.object_type().to_owned(), subject.relation().map(str::to_owned));
    let set = set.forms.get(&form)?;
    let (found, exclusions) = match subject {
        Subject::Wildcard(_) => {
            let wildcard = set.wildcard.as_ref()?;
            (&wildcard.found, Some(&wildcard.exclusions))
        }
        Subject::Object(_) | Subject::Userset(..) => (set.concrete.get(subject.object_id())?, None),
    };
    Some(ActualSubject { subject: subject.clone(), found, exclusions })
}

fn all(set: &SubjectSet) -> impl Iterator<Item = ActualSubject<'_>> {
    set.forms.iter().flat_map(|(form, set)| subjects(form, set))
}

fn subjects<'s>(
    (object_type, relation): &'s SubjectType,
    set: &'s TypeSubjects,
) -> impl Iterator<Item = ActualSubject<'s>> + use<'s> {
    let wildcard = set.wildcard.iter().map(|wildcard| ActualSubject {
        subject: Subject::Wildcard(object_type.clone()),
        found: &wildcard.found,
        exclusions: Some(&wildcard.exclusions),
    });
    let concrete = set.concrete.iter().filter_map(move |(id, found)| {
        let subject = Subject::new(object_type, id, relation.as_deref().unwrap_or_default());
        Some(ActualSubject { subject: subject.ok()?, found, exclusions: None })
    });
    wildcard.chain(concrete)
}

fn marked(subject: &Subject, caveated: bool) -> String {
    format!("{subject}{}", if caveated { "[...]" } else { "" })
}

fn joined_through(through: &BTreeSet<String>) -> String {
    let relations: Vec<String> = through.iter().map(|through| format!("<{through}>")).collect();
    relations.join("/")
}

fn joined_exceptions(exceptions: &BTreeSet<(Subject, bool)>) -> String {
    let subjects: Vec<String> =
        exceptions.iter().map(|(subject, caveated)| marked(subject, *caveated)).collect();
    subjects.join(", ")
}

fn shown_through(through: &BTreeSet<String>) -> String {
    if through.is_empty() { "nothing".to_owned() } else { format!("`{}`", joined_through(through)) }
}

fn shown_exceptions(exceptions: &BTreeSet<(Subject, bool)>) -> String {
    if exceptions.is_empty() {
        "exceptions".to_owned()
    } else {
        format!("`{}`", joined_exceptions(exceptions))
    }
}
