//! The messages of `authzed.api.v1` that the generator sends and reads.

use super::model::{
    BenchCaveat, BenchObject, BenchSubject, BenchTuple, CheckItem, LookupItem, LookupSide,
};
use super::protobuf::{
    FieldValue, bytes_in, fields, number_in, write_double, write_nested, write_number, write_text,
};

pub(super) const HEALTH_PATH: &str = "/grpc.health.v1.Health/Check";
pub(super) const CHECK_PATH: &str = "/authzed.api.v1.PermissionsService/CheckPermission";
pub(super) const BULK_PATH: &str = "/authzed.api.v1.PermissionsService/CheckBulkPermissions";
pub(super) const RESOURCES_PATH: &str = "/authzed.api.v1.PermissionsService/LookupResources";
pub(super) const SUBJECTS_PATH: &str = "/authzed.api.v1.PermissionsService/LookupSubjects";
pub(super) const WRITE_PATH: &str = "/authzed.api.v1.PermissionsService/WriteRelationships";
pub(super) const IMPORT_PATH: &str = "/authzed.api.v1.PermissionsService/ImportBulkRelationships";
/// The name of the import in older servers.
pub(super) const OLDER_IMPORT_PATH: &str =
    "/authzed.api.v1.ExperimentalService/BulkImportRelationships";
pub(super) const READ_SCHEMA_PATH: &str = "/authzed.api.v1.SchemaService/ReadSchema";
pub(super) const WRITE_SCHEMA_PATH: &str = "/authzed.api.v1.SchemaService/WriteSchema";

/// At which revision a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BenchConsistency {
    /// After every write that was acknowledged before.
    Full,
    /// At whatever revision is the fastest.
    MinimizeLatency,
}

impl BenchConsistency {
    /// All of them with their names.
    pub const NAMES: [(&'static str, Self); 2] =
        [("full", Self::Full), ("minimize-latency", Self::MinimizeLatency)];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}

/// What a write does with its relationship.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UpdateKind {
    Touch,
    Delete,
}

impl UpdateKind {
    fn number(self) -> u64 {
        match self {
            Self::Touch => 2,
            Self::Delete => 3,
        }
    }
}

/// The revision that a call asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum AskedRevision<'a> {
    Policy(BenchConsistency),
    /// At least as fresh as the token of a write.
    After(&'a [u8]),
}

/// Begins a message of gRPC; [`end_message`] sets its length.
pub(super) fn begin_message(out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&[0; 5]);
}

pub(super) fn end_message(out: &mut [u8]) {
    let length = u32::try_from(out.len().saturating_sub(5)).unwrap_or_default();
    if let Some(place) = out.get_mut(1..5) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

pub(super) fn write_check(out: &mut Vec<u8>, revision: AskedRevision<'_>, item: &CheckItem) {
    write_revision(out, revision);
    write_object(out, 2, item.resource);
    write_text(out, 3, item.permission);
    write_subject(out, 4, plain(item.subject));
    write_context(out, 5, item.context.as_slice());
}

pub(super) fn write_bulk_item(out: &mut Vec<u8>, item: &CheckItem) {
    write_nested(out, 2, |out| {
        write_object(out, 1, item.resource);
        write_text(out, 2, item.permission);
        write_subject(out, 3, plain(item.subject));
        write_context(out, 4, item.context.as_slice());
    });
}

pub(super) fn write_lookup(out: &mut Vec<u8>, revision: AskedRevision<'_>, item: &LookupItem) {
    write_revision(out, revision);
    match item.side {
        LookupSide::Resources { kind, subject } => {
            write_text(out, 2, kind);
            write_text(out, 3, item.permission);
            write_subject(out, 4, plain(subject));
            write_context(out, 5, item.context.as_slice());
        }
        LookupSide::Subjects { resource, kind } => {
            write_object(out, 2, resource);
            write_text(out, 3, item.permission);
            write_text(out, 4, kind);
            write_context(out, 6, item.context.as_slice());
        }
    }
}

pub(super) fn write_update(out: &mut Vec<u8>, kind: UpdateKind, tuple: &BenchTuple) {
    write_nested(out, 1, |out| {
        write_number(out, 1, kind.number());
        write_tuple(out, 2, tuple);
    });
}

pub(super) fn write_tuple(out: &mut Vec<u8>, field: u8, tuple: &BenchTuple) {
    write_nested(out, field, |out| {
        write_object(out, 1, tuple.resource);
        write_text(out, 2, tuple.relation);
        write_subject(out, 3, tuple.subject);
        if let Some(caveat) = tuple.caveat {
            write_caveat(out, 4, caveat);
        }
    });
}

pub(super) fn write_revision(out: &mut Vec<u8>, revision: AskedRevision<'_>) {
    write_nested(out, 1, |out| match revision {
        AskedRevision::Policy(BenchConsistency::MinimizeLatency) => write_number(out, 1, 1),
        AskedRevision::Policy(BenchConsistency::Full) => write_number(out, 4, 1),
        AskedRevision::After(token) => write_nested(out, 2, |out| {
            write_nested(out, 1, |out| out.extend_from_slice(token));
        }),
    });
}

fn plain(object: BenchObject) -> BenchSubject {
    BenchSubject { object, relation: "" }
}

fn write_object(out: &mut Vec<u8>, field: u8, object: BenchObject) {
    write_nested(out, field, |out| {
        write_text(out, 1, object.kind);
        write_nested(out, 2, |out| object.id.write(out));
    });
}

fn write_subject(out: &mut Vec<u8>, field: u8, subject: BenchSubject) {
    write_nested(out, field, |out| {
        write_object(out, 1, subject.object);
        if !subject.relation.is_empty() {
            write_text(out, 2, subject.relation);
        }
    });
}

fn write_caveat(out: &mut Vec<u8>, field: u8, caveat: BenchCaveat) {
    write_nested(out, field, |out| {
        write_text(out, 1, caveat.name);
        write_context(out, 2, &caveat.context);
    });
}

/// A `google.protobuf.Struct` of numbers; nothing if there are none.
fn write_context(out: &mut Vec<u8>, field: u8, numbers: &[(&'static str, u32)]) {
    if numbers.is_empty() {
        return;
    }
    write_nested(out, field, |out| {
        for (name, number) in numbers {
            write_nested(out, 1, |out| {
                write_text(out, 1, name);
                write_nested(out, 2, |out| write_double(out, 2, f64::from(*number)));
            });
        }
    });
}

/// The permissionship in the answer of a check.
pub(super) fn read_check(message: &[u8]) -> u64 {
    number_in(message, 2)
}

/// The permissionships in the answer of a bulk check, in the order of the items; 0 for an error.
pub(super) fn read_bulk(message: &[u8]) -> impl Iterator<Item = u64> {
    let pairs = fields(message).filter_map(|(field, value)| match value {
        FieldValue::Bytes(pair) => (field == 2).then_some(pair),
        FieldValue::Number(_) => None,
    });
    pairs.map(|pair| number_in(bytes_in(pair, 2), 1))
}

/// The id of a found resource, and whether it is found with a condition.
pub(super) fn read_resource(message: &[u8]) -> (&[u8], bool) {
    let mut found: (&[u8], bool) = (&[], false);
    for (field, value) in fields(message) {
        match (field, value) {
            (2, FieldValue::Bytes(id)) => found.0 = id,
            (3, FieldValue::Number(permissionship)) => found.1 = permissionship == 2,
            _ => {}
        }
    }
    found
}

/// The id of a found subject, and whether it is found with a condition.
pub(super) fn read_subject(message: &[u8]) -> (&[u8], bool) {
    let subject = bytes_in(message, 6);
    (bytes_in(subject, 1), number_in(subject, 2) == 2)
}

/// The token in the answer of a write.
pub(super) fn read_token(message: &[u8]) -> &[u8] {
    bytes_in(bytes_in(message, 1), 1)
}
