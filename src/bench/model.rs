//! What workloads are made of: objects, relationships, and checks and lookups with their right answers.
//!
//! Everything is a small value without an allocation, so that a question costs less than its call.

use std::fmt;

/// The id of an object: a tag and up to two numbers, such as `w12-7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BenchId {
    tag: &'static str,
    numbers: [u32; 2],
    count: usize,
}

/// An object: its type and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BenchObject {
    pub(super) kind: &'static str,
    pub(super) id: BenchId,
}

/// A subject: an object, or with a relation a userset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BenchSubject {
    pub(super) object: BenchObject,
    pub(super) relation: &'static str,
}

/// A caveat on a relationship, with a stored context of whole numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct BenchCaveat {
    pub(super) name: &'static str,
    pub(super) context: [(&'static str, u32); 2],
}

/// A relationship.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct BenchTuple {
    pub(super) resource: BenchObject,
    pub(super) relation: &'static str,
    pub(super) subject: BenchSubject,
    pub(super) caveat: Option<BenchCaveat>,
}

/// The right answer of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RightAnswer {
    No,
    Yes,
    Conditional,
}

/// A check and its right answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CheckItem {
    pub(super) resource: BenchObject,
    pub(super) permission: &'static str,
    pub(super) subject: BenchObject,
    pub(super) context: Option<(&'static str, u32)>,
    pub(super) right: RightAnswer,
}

/// Which side of a permission is looked up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum LookupSide {
    /// The resources of a type on which a subject has the permission.
    Resources { kind: &'static str, subject: BenchObject },
    /// The subjects of a type that have the permission on a resource.
    Subjects { resource: BenchObject, kind: &'static str },
}

/// A lookup and its right answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LookupItem {
    pub(super) side: LookupSide,
    pub(super) permission: &'static str,
    pub(super) context: Option<(&'static str, u32)>,
    /// The ids, and whether they are found with a condition only.
    pub(super) right: Vec<(BenchId, bool)>,
}

/// An id of a tag and a number.
pub(super) const fn id(tag: &'static str, number: u32) -> BenchId {
    BenchId { tag, numbers: [number, 0], count: 1 }
}

/// An id of a tag and two numbers.
pub(super) const fn id_of(tag: &'static str, first: u32, second: u32) -> BenchId {
    BenchId { tag, numbers: [first, second], count: 2 }
}

/// An id that is a name.
pub(super) const fn named(tag: &'static str) -> BenchId {
    BenchId { tag, numbers: [0, 0], count: 0 }
}

pub(super) const fn object(kind: &'static str, id: BenchId) -> BenchObject {
    BenchObject { kind, id }
}

/// A relationship of a resource and an object.
pub(super) const fn tuple(
    resource: BenchObject,
    relation: &'static str,
    subject: BenchObject,
) -> BenchTuple {
    userset_tuple(resource, relation, subject, "")
}

/// A relationship of a resource and the relation of an object.
pub(super) const fn userset_tuple(
    resource: BenchObject,
    relation: &'static str,
    subject: BenchObject,
    subject_relation: &'static str,
) -> BenchTuple {
    let subject = BenchSubject { object: subject, relation: subject_relation };
    BenchTuple { resource, relation, subject, caveat: None }
}

/// A check without a context.
pub(super) fn check(
    resource: BenchObject,
    permission: &'static str,
    subject: BenchObject,
    holds: bool,
) -> CheckItem {
    CheckItem { resource, permission, subject, context: None, right: RightAnswer::from_bool(holds) }
}

/// A lookup of resources without a context, all found without a condition.
pub(super) fn resources(
    kind: &'static str,
    permission: &'static str,
    subject: BenchObject,
    right: impl Iterator<Item = BenchId>,
) -> LookupItem {
    let right = right.map(|id| (id, false)).collect();
    LookupItem { side: LookupSide::Resources { kind, subject }, permission, context: None, right }
}

/// A lookup of subjects without a context, all found without a condition.
pub(super) fn subjects(
    resource: BenchObject,
    permission: &'static str,
    kind: &'static str,
    right: impl Iterator<Item = BenchId>,
) -> LookupItem {
    let right = right.map(|id| (id, false)).collect();
    LookupItem { side: LookupSide::Subjects { resource, kind }, permission, context: None, right }
}

impl RightAnswer {
    pub(super) fn from_bool(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    /// Its number in the protocol.
    pub(super) fn number(self) -> u64 {
        match self {
            Self::No => 1,
            Self::Yes => 2,
            Self::Conditional => 3,
        }
    }
}

impl BenchId {
    /// Appends the text of the id.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.tag.as_bytes());
        for (position, number) in self.numbers.iter().take(self.count).enumerate() {
            if position > 0 {
                out.push(b'-');
            }
            write_decimal(out, *number);
        }
    }
}

fn write_decimal(out: &mut Vec<u8>, number: u32) {
    let mut digits = [b'0'; 10];
    let mut rest = number;
    let mut length = 0;
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        length += 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - length..).unwrap_or_default());
}

impl fmt::Display for BenchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        self.write(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

impl fmt::Display for BenchObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}

impl fmt::Display for CheckItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.resource, self.permission, self.subject)?;
        match self.context {
            Some((name, value)) => write!(f, " with {name} = {value}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for LookupItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.side {
            LookupSide::Resources { kind, subject } => {
                write!(f, "lookup of {kind} resources with {} for {subject}", self.permission)
            }
            LookupSide::Subjects { resource, kind } => {
                write!(f, "lookup of {kind} subjects with {} on {resource}", self.permission)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_text() {
        assert_eq!(named("main").to_string(), "main");
        assert_eq!(id("o", 0).to_string(), "o0");
        assert_eq!(id_of("o", 120, u32::MAX).to_string(), "o120-4294967295");
    }
}
