//! The byte layout of keys, and the keys of rows. `log_keys` and `meta_keys` have the others; no other file knows a layout.
//!
//! | family | key | value |
//! |---|---|---|
//! | `live` | resource type · relation · resource id · subject type · subject relation · subject id | row |
//! | `live_by_subject` | subject type · subject id · subject relation · resource type · relation · resource id | row |
//! | `deleted` | the key of `live` · revision of the removal | row |
//! | `dead_by_subject` | the key of `live_by_subject` · revision of the removal | row |
//! | `expiring` | time · the key of `live` | nothing |
//! | `changes` | revision · ordinal within it | change |
//! | `schema` | revision | text |
//! | `meta` | `format`, `head`, `store-id`, `expired`, `counter/` and its name, `name/` and a name, `prepared/` and a mark, or `visible/` and a revision | 4 bytes big endian, head, 16 bytes, time, counter, name id, prepared revision, 8 bytes big endian |
//!
//! | part | bytes |
//! |---|---|
//! | type, relation | the name's id in the catalog: 4, big endian, never 0 |
//! | subject relation | the same, 0 for objects and wildcards |
//! | object id | its bytes, then a 0; `*` for a wildcard |
//! | revision | 8, big endian; or the mark of a prepared revision, with the highest bit set |
//! | ordinal | 4, big endian |
//! | time | seconds since 1970: 8, big endian, sign flipped; nanoseconds: 4, big endian |
//!
//! No object id holds a byte below `*`, so the closing 0 keeps the order of ids, makes no key the beginning of another,
//! and turned into a 1 it is the end of everything that continues the key. Subject relation stands before subject id, so
//! that the usersets of a relation lie apart from its many direct subjects. The values are described in `values`.

use super::corrupt_bytes::CorruptBytes;
use crate::relationship::Revision;

/// Closes every object id.
const END: u8 = 0;
/// Replaces the closing byte to skip everything that continues a key.
const PAST: u8 = 1;

/// The number of a name in the catalog, never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::store) struct NameId(pub(in crate::store) u32);

/// The key of a relationship, its names replaced by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct RowKey<'a> {
    pub(in crate::store) resource_type: NameId,
    pub(in crate::store) relation: NameId,
    pub(in crate::store) resource_id: &'a str,
    pub(in crate::store) subject_type: NameId,
    pub(in crate::store) subject_relation: Option<NameId>,
    pub(in crate::store) subject_id: &'a str,
}

impl NameId {
    /// The number of the name in the store, where `self` is its number in another catalog.
    pub(in crate::store) fn renamed(self, ids: &[Self]) -> Result<Self, CorruptBytes> {
        let index = usize::try_from(self.0).ok().and_then(|number| number.checked_sub(1));
        let id = index.and_then(|index| ids.get(index)).copied();
        id.ok_or(CorruptBytes("a name has a number that was never given"))
    }
}

impl<'a> RowKey<'a> {
    /// The same key with other numbers for its names: those that stand in `ids`, in the order of the old ones.
    pub(in crate::store) fn renamed(self, ids: &[NameId]) -> Result<Self, CorruptBytes> {
        Ok(Self {
            resource_type: self.resource_type.renamed(ids)?,
            relation: self.relation.renamed(ids)?,
            subject_type: self.subject_type.renamed(ids)?,
            subject_relation: self.subject_relation.map(|name| name.renamed(ids)).transpose()?,
            ..self
        })
    }

    /// The key in `live`.
    pub(in crate::store) fn by_resource(&self) -> Vec<u8> {
        KeyBuf::default()
            .name(self.resource_type)
            .name(self.relation)
            .object_id(self.resource_id)
            .name(self.subject_type)
            .subject_relation(self.subject_relation)
            .object_id(self.subject_id)
            .bytes()
    }

    /// The key in `live_by_subject`.
    pub(in crate::store) fn by_subject(&self) -> Vec<u8> {
        KeyBuf::default()
            .name(self.subject_type)
            .object_id(self.subject_id)
            .subject_relation(self.subject_relation)
            .name(self.resource_type)
            .name(self.relation)
            .object_id(self.resource_id)
            .bytes()
    }

    /// Reads a key of `live`.
    pub(in crate::store) fn from_by_resource(key: &'a [u8]) -> Result<Self, CorruptBytes> {
        let (found, rest) = Self::start_of(key)?;
        if rest.is_empty() { Ok(found) } else { Err(CorruptBytes("a key continues after its end")) }
    }

    /// Reads a key of `live` from the start of `bytes`, and returns the rest.
    pub(in crate::store) fn start_of(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), CorruptBytes> {
        let mut parts = KeyParts(bytes);
        let found = Self {
            resource_type: parts.name()?,
            relation: parts.name()?,
            resource_id: parts.object_id()?,
            subject_type: parts.name()?,
            subject_relation: parts.subject_relation()?,
            subject_id: parts.object_id()?,
        };
        Ok((found, parts.0))
    }

    /// Reads a key of `live_by_subject`.
    pub(in crate::store) fn from_by_subject(key: &'a [u8]) -> Result<Self, CorruptBytes> {
        let mut parts = KeyParts(key);
        let subject_type = parts.name()?;
        let subject_id = parts.object_id()?;
        let subject_relation = parts.subject_relation()?;
        let (resource_type, relation) = (parts.name()?, parts.name()?);
        let resource_id = parts.object_id()?;
        if !parts.0.is_empty() {
            return Err(CorruptBytes("a key continues after its end"));
        }
        Ok(Self {
            resource_type,
            relation,
            resource_id,
            subject_type,
            subject_relation,
            subject_id,
        })
    }
}

/// Writes keys and the beginnings of keys, part by part.
#[derive(Clone, Debug, Default)]
pub(in crate::store) struct KeyBuf(Vec<u8>);

impl KeyBuf {
    pub(in crate::store) fn name(mut self, name: NameId) -> Self {
        self.0.extend(name.0.to_be_bytes());
        self
    }

    pub(in crate::store) fn subject_relation(mut self, relation: Option<NameId>) -> Self {
        self.0.extend(relation.map_or(0, |name| name.0).to_be_bytes());
        self
    }

    pub(in crate::store) fn object_id(mut self, object_id: &str) -> Self {
        self.0.extend(object_id.as_bytes());
        self.0.push(END);
        self
    }

    pub(in crate::store) fn bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Reads keys part by part.
struct KeyParts<'a>(&'a [u8]);

impl<'a> KeyParts<'a> {
    fn number(&mut self) -> Result<u32, CorruptBytes> {
        let (head, rest) = self.0.split_first_chunk().ok_or(CorruptBytes("a key is cut short"))?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*head))
    }

    fn name(&mut self) -> Result<NameId, CorruptBytes> {
        match self.number()? {
            0 => Err(CorruptBytes("a key lacks a name")),
            number => Ok(NameId(number)),
        }
    }

    fn subject_relation(&mut self) -> Result<Option<NameId>, CorruptBytes> {
        Ok(Some(self.number()?).filter(|number| *number != 0).map(NameId))
    }

    fn object_id(&mut self) -> Result<&'a str, CorruptBytes> {
        let end = self.0.iter().position(|byte| *byte == END);
        let end = end.ok_or(CorruptBytes("an object id in a key is cut short"))?;
        let (id, rest) = self.0.split_at_checked(end).ok_or(CorruptBytes("a key is cut short"))?;
        self.0 = rest.get(1..).unwrap_or_default();
        std::str::from_utf8(id).map_err(|_| CorruptBytes("an object id in a key is not text"))
    }
}

/// The names with which a key of `live` starts: those of the resource type and the relation.
pub(in crate::store) fn resource_type_and_relation(
    key: &[u8],
) -> Result<(NameId, NameId), CorruptBytes> {
    let mut parts = KeyParts(key);
    Ok((parts.name()?, parts.name()?))
}

/// Resource type, relation and resource id at the start of a key of `live`.
pub(in crate::store) fn resource_parts(key: &[u8]) -> Result<(NameId, NameId, &str), CorruptBytes> {
    let mut parts = KeyParts(key);
    Ok((parts.name()?, parts.name()?, parts.object_id()?))
}

/// How many parts a row's key has.
pub(in crate::store) const KEY_PARTS: usize = 6;

/// What stands in one part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum KeyPart {
    Name,
    ObjectId,
}

/// The parts of a key of `live`.
pub(in crate::store) const BY_RESOURCE: [KeyPart; KEY_PARTS] = [
    KeyPart::Name,
    KeyPart::Name,
    KeyPart::ObjectId,
    KeyPart::Name,
    KeyPart::Name,
    KeyPart::ObjectId,
];
/// The parts of a key of `live_by_subject`.
pub(in crate::store) const BY_SUBJECT: [KeyPart; KEY_PARTS] = [
    KeyPart::Name,
    KeyPart::ObjectId,
    KeyPart::Name,
    KeyPart::Name,
    KeyPart::Name,
    KeyPart::ObjectId,
];

/// Cuts a row's key into its parts, the closing bytes of ids included.
pub(in crate::store) fn cut(
    key: &[u8],
    kinds: [KeyPart; KEY_PARTS],
) -> Result<[&[u8]; KEY_PARTS], CorruptBytes> {
    let mut rest = key;
    let mut parts = [key; KEY_PARTS];
    for (part, kind) in parts.iter_mut().zip(kinds) {
        let bytes = match kind {
            KeyPart::Name => Some(4),
            KeyPart::ObjectId => rest.iter().position(|byte| *byte == END).map(|end| end + 1),
        };
        let cut = bytes.and_then(|bytes| rest.split_at_checked(bytes));
        (*part, rest) = cut.ok_or(CorruptBytes("a key is cut short"))?;
    }
    if rest.is_empty() { Ok(parts) } else { Err(CorruptBytes("a key continues after its end")) }
}

/// The first key after `key` and everything that continues it. `key` ends with an object id.
pub(in crate::store) fn past(mut key: Vec<u8>) -> Vec<u8> {
    if let Some(last) = key.last_mut() {
        *last = PAST;
    }
    key
}

/// The smallest key that is above every key with this beginning; `None` when there is none.
pub(in crate::store) fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

/// The object id with which a key of `live` or `live_by_subject` ends, when everything before it is `prefix`.
pub(in crate::store) fn last_id<'k>(key: &'k [u8], prefix: &[u8]) -> Result<&'k str, CorruptBytes> {
    let mut parts =
        KeyParts(key.strip_prefix(prefix).ok_or(CorruptBytes("a key has another beginning"))?);
    let id = parts.object_id()?;
    if parts.0.is_empty() { Ok(id) } else { Err(CorruptBytes("a key continues after its end")) }
}

/// The key in `deleted` or `dead_by_subject` of a row removed at a revision.
pub(in crate::store) fn deleted(key: &[u8], removed: Revision) -> Vec<u8> {
    [key, removed.0.to_be_bytes().as_slice()].concat()
}

/// Takes a key of `deleted` or `dead_by_subject` apart: the row's key, the revision of the removal.
pub(in crate::store) fn split_deleted(key: &[u8]) -> Result<(&[u8], Revision), CorruptBytes> {
    let (row, removed) = key.split_last_chunk().ok_or(CorruptBytes("a key lacks its revision"))?;
    Ok((row, Revision(u64::from_be_bytes(*removed))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The owned parts of a key, in the order of `live`.
    type Owned = (u32, u32, String, u32, u32, String);

    fn name_number() -> impl Strategy<Value = u32> {
        prop_oneof![1_u32..4, 250_u32..260, Just(65_535), Just(u32::MAX), 1_u32..]
    }

    fn object_id() -> impl Strategy<Value = String> {
        prop_oneof!["[ab]{1,3}", "[a-zA-Z0-9/_|=+-]{1,12}"]
    }

    fn owned() -> impl Strategy<Value = Owned> {
        let subject_id = prop_oneof![object_id(), Just("*".to_owned())];
        let subject_relation = prop_oneof![Just(0), name_number()];
        (name_number(), name_number(), object_id(), name_number(), subject_relation, subject_id)
    }

    fn row(parts: &Owned) -> RowKey<'_> {
        RowKey {
            resource_type: NameId(parts.0),
            relation: NameId(parts.1),
            resource_id: &parts.2,
            subject_type: NameId(parts.3),
            subject_relation: Some(parts.4).filter(|number| *number != 0).map(NameId),
            subject_id: &parts.5,
        }
    }

    fn by_subject_order(parts: &Owned) -> (u32, &str, u32, u32, u32, &str) {
        (parts.3, &parts.5, parts.4, parts.0, parts.1, &parts.2)
    }

    proptest! {
        #[test]
        fn keys_come_back_as_they_went_in(parts in owned()) {
            let row = row(&parts);
            let (by_resource, by_subject) = (row.by_resource(), row.by_subject());
            prop_assert_eq!(RowKey::from_by_resource(&by_resource), Ok(row));
            prop_assert_eq!(RowKey::from_by_subject(&by_subject), Ok(row));
            prop_assert!(cut(&by_resource, BY_RESOURCE).unwrap()[5].starts_with(parts.5.as_bytes()));
            prop_assert!(cut(&by_subject, BY_SUBJECT).unwrap()[5].starts_with(parts.2.as_bytes()));
            prop_assert_eq!(cut(&by_resource, BY_RESOURCE).unwrap().concat(), by_resource);
            prop_assert_eq!(cut(&by_subject, BY_SUBJECT).unwrap().concat(), by_subject);
        }

        #[test]
        fn keys_sort_as_their_parts_do(a in owned(), b in owned()) {
            let (left, right) = (row(&a), row(&b));
            prop_assert_eq!(left.by_resource().cmp(&right.by_resource()), a.cmp(&b));
            let expected = by_subject_order(&a).cmp(&by_subject_order(&b));
            prop_assert_eq!(left.by_subject().cmp(&right.by_subject()), expected);
        }

        #[test]
        fn deleted_keys_sort_by_row_and_then_by_removal(
            a in owned(), b in owned(), same in any::<bool>(), at in any::<u64>(), bt in any::<u64>(),
        ) {
            let b = if same { a.clone() } else { b };
            let (left, right) = (row(&a).by_resource(), row(&b).by_resource());
            let (left_dead, right_dead) = (deleted(&left, Revision(at)), deleted(&right, Revision(bt)));
            prop_assert_eq!(left_dead.cmp(&right_dead), (&left, at).cmp(&(&right, bt)));
            prop_assert_eq!(split_deleted(&left_dead), Ok((left.as_slice(), Revision(at))));
        }

        #[test]
        fn past_skips_a_row_and_its_deleted_rows_and_nothing_else(
            a in owned(), b in owned(), removed in any::<u64>(),
        ) {
            let (key, other) = (row(&a).by_resource(), row(&b).by_resource());
            prop_assert!(deleted(&key, Revision(removed)) < past(key.clone()));
            prop_assert_eq!(other < past(key.clone()), other <= key);
        }

        #[test]
        fn the_end_of_a_prefix_is_above_all_that_starts_with_it(
            prefix in prop::collection::vec(prop_oneof![Just(255_u8), any::<u8>()], 0..5),
            rest in prop::collection::vec(any::<u8>(), 0..5),
            other in prop::collection::vec(any::<u8>(), 0..5),
        ) {
            let inside = [prefix.clone(), rest].concat();
            let end = end_of(&prefix);
            prop_assert!(end.as_ref().is_none_or(|end| inside < *end));
            let before_end = end.is_none_or(|end| other < end);
            prop_assert_eq!(other >= prefix && before_end, other.starts_with(&prefix));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = RowKey::from_by_resource(&bytes);
            let _ = RowKey::from_by_subject(&bytes);
            let _ = split_deleted(&bytes);
            let _ = last_id(&bytes, b"\0");
            let _ = cut(&bytes, BY_RESOURCE);
            let _ = cut(&bytes, BY_SUBJECT);
        }
    }
}
