//! The byte layout of values.
//!
//! Every value but a schema's text and the time in `meta` opens with the version of its layout, [`VERSION`].
//!
//! | value | after the version |
//! |---|---|
//! | row | revision of the creation (8) · qualifiers |
//! | qualifiers | flags (1): 1 caveat, 2 expiration · time of the expiration (12), if any · caveat, if any |
//! | caveat | the name's id (4) · context as JSON up to the end, nothing when it is empty |
//! | change | kind (1): 0 touch, 1 replacing touch, 2 delete, 3 schema, 4 metadata, 5 writer, 6 prepared · content |
//! | content | of a touch: key as in `live` · qualifiers; of a delete: key; of metadata: JSON; of the writer: its name; of prepared: mark (8) |
//! | head | revision (8) · revision of the schema (8) · oldest readable revision (8) · revision of a chunked write in progress (8), if any, 0 before · number of changes to the prepared revisions, of those that are pending, and newest revision at which one was published (24), if any |
//! | prepared revision | nothing while it is pending, then the revision at which it was published (8) |
//! | counter | its filter as JSON: an object of the conditions that are set |
//! | name id | 4, big endian |

use super::corrupt_bytes::CorruptBytes;
use super::keys::{NameId, RowKey};
use super::log_keys;
use super::names::NameCatalog;
use crate::relationship::{Context, ContextualizedCaveat, Qualifiers, Revision, Timestamp};

/// The version of the layouts above.
pub(in crate::store) const VERSION: u8 = 1;

const HAS_CAVEAT: u8 = 1;
const HAS_EXPIRATION: u8 = 2;

const TOUCH: u8 = 0;
const REPLACING_TOUCH: u8 = 1;
const DELETE: u8 = 2;
const SCHEMA: u8 = 3;
const METADATA: u8 = 4;
const WRITER: u8 = 5;
const PREPARED: u8 = 6;

/// The value of a row: the revision that created it, and its qualifiers in bytes.
pub(in crate::store) fn row(created: Revision, qualifiers: &[u8]) -> Vec<u8> {
    [&[VERSION], created.0.to_be_bytes().as_slice(), qualifiers].concat()
}

/// Splits the value of a row.
pub(in crate::store) fn split_row(value: &[u8]) -> Result<(Revision, &[u8]), CorruptBytes> {
    split_revision(versioned(value)?)
}

/// A caveat by the id of its name, and its context.
pub(in crate::store) type StoredCaveat<'a> = (NameId, &'a Context);

/// Qualifiers in bytes. Equal qualifiers have equal bytes.
pub(in crate::store) fn qualifiers(
    caveat: Option<StoredCaveat<'_>>,
    expires_at: Option<Timestamp>,
) -> Vec<u8> {
    let flag = |set, bit| if set { bit } else { 0 };
    let mut bytes =
        vec![flag(caveat.is_some(), HAS_CAVEAT) | flag(expires_at.is_some(), HAS_EXPIRATION)];
    bytes.extend(expires_at.into_iter().flat_map(log_keys::time));
    if let Some((name, context)) = caveat {
        bytes.extend(name.0.to_be_bytes());
        bytes.extend(context_bytes(context));
    }
    bytes
}

/// Decodes qualifiers.
pub(in crate::store) fn decode_qualifiers(
    bytes: &[u8],
    names: &NameCatalog,
) -> Result<Qualifiers, CorruptBytes> {
    let (flags, expires_at, rest) = split_qualifiers(bytes)?;
    if flags & HAS_CAVEAT == 0 {
        return match rest {
            [] => Ok(Qualifiers { caveat: None, expires_at }),
            _ => Err(CorruptBytes("a relationship's qualifiers continue after their end")),
        };
    }
    let (name, context) = split_name(rest)?;
    let name = names.text(name)?.to_owned();
    let caveat = ContextualizedCaveat { name, context: split_context(context)? };
    Ok(Qualifiers { caveat: Some(caveat), expires_at })
}

/// The same qualifiers with another number for the caveat's name; see [`RowKey::renamed`].
pub(in crate::store) fn renamed(bytes: &[u8], ids: &[NameId]) -> Result<Vec<u8>, CorruptBytes> {
    let (flags, _, rest) = split_qualifiers(bytes)?;
    if flags & HAS_CAVEAT == 0 {
        return Ok(bytes.to_vec());
    }
    let start = bytes.get(..bytes.len() - rest.len()).unwrap_or_default();
    let (name, context) = split_name(rest)?;
    Ok([start, name.renamed(ids)?.0.to_be_bytes().as_slice(), context].concat())
}

/// The expiration within qualifiers.
pub(in crate::store) fn expiration(qualifiers: &[u8]) -> Result<Option<Timestamp>, CorruptBytes> {
    split_qualifiers(qualifiers).map(|(_, expires_at, _)| expires_at)
}

fn split_qualifiers(bytes: &[u8]) -> Result<(u8, Option<Timestamp>, &[u8]), CorruptBytes> {
    let (flags, rest) =
        bytes.split_first().ok_or(CorruptBytes("a relationship lacks its qualifiers"))?;
    if flags & !(HAS_CAVEAT | HAS_EXPIRATION) != 0 {
        return Err(CorruptBytes("a relationship has unknown qualifiers"));
    }
    if flags & HAS_EXPIRATION == 0 {
        return Ok((*flags, None, rest));
    }
    let (expires_at, rest) = log_keys::split_time(rest)?;
    Ok((*flags, Some(expires_at), rest))
}

/// A context in bytes.
fn context_bytes(context: &Context) -> Vec<u8> {
    if context.is_empty() {
        return Vec::new();
    }
    // The map prints its doubles so that they come back exactly, which the context's own short form need not.
    serde_json::Value::Object(context.as_map().clone()).to_string().into_bytes()
}

fn split_context(bytes: &[u8]) -> Result<Context, CorruptBytes> {
    if bytes.is_empty() {
        return Ok(Context::default());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| CorruptBytes("a context is not text"))?;
    Context::parse(text).map_err(|_| CorruptBytes("a context is not a JSON object"))
}

/// An entry of the change log as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) enum ChangeRecord<'a> {
    /// A relationship was added, or its qualifiers changed.
    Touched {
        /// Whether there was one with the same key before.
        replaced: bool,
        /// The key.
        row: RowKey<'a>,
        /// The new qualifiers in bytes.
        qualifiers: &'a [u8],
    },
    /// A relationship was removed.
    Deleted(RowKey<'a>),
    /// A schema was written.
    SchemaWritten,
    /// The metadata of the transaction.
    Metadata(Context),
    /// The name of who made the write; the first entry of its revision.
    Writer(&'a str),
    /// In its place stand the changes that were logged under this mark of a prepared revision.
    Prepared(Revision),
}

impl<'a> ChangeRecord<'a> {
    pub(in crate::store) fn bytes(&self) -> Vec<u8> {
        let (kind, content) = match self {
            Self::Touched { replaced, row, qualifiers } => {
                let kind = if *replaced { REPLACING_TOUCH } else { TOUCH };
                (kind, [row.by_resource().as_slice(), qualifiers].concat())
            }
            Self::Deleted(row) => (DELETE, row.by_resource()),
            Self::SchemaWritten => (SCHEMA, Vec::new()),
            Self::Metadata(metadata) => (METADATA, context_bytes(metadata)),
            Self::Writer(name) => (WRITER, name.as_bytes().to_vec()),
            Self::Prepared(mark) => (PREPARED, mark.0.to_be_bytes().to_vec()),
        };
        [&[VERSION, kind], content.as_slice()].concat()
    }

    pub(in crate::store) fn from_bytes(bytes: &'a [u8]) -> Result<Self, CorruptBytes> {
        let (kind, content) =
            versioned(bytes)?.split_first().ok_or(CorruptBytes("a change lacks its kind"))?;
        match *kind {
            TOUCH | REPLACING_TOUCH => {
                let (row, qualifiers) = RowKey::start_of(content)?;
                Ok(Self::Touched { replaced: *kind == REPLACING_TOUCH, row, qualifiers })
            }
            DELETE => RowKey::from_by_resource(content).map(Self::Deleted),
            SCHEMA => Ok(Self::SchemaWritten),
            METADATA => split_context(content).map(Self::Metadata),
            WRITER => match std::str::from_utf8(content) {
                Ok(name) => Ok(Self::Writer(name)),
                Err(_) => Err(CorruptBytes("the name of a writer is not text")),
            },
            PREPARED => match split_revision(content)? {
                (mark, []) => Ok(Self::Prepared(mark)),
                _ => Err(CorruptBytes("a change continues after its end")),
            },
            _ => Err(CorruptBytes("a change is of an unknown kind")),
        }
    }
}

/// The value of a counter.
pub(in crate::store) fn counter(filter: &serde_json::Value) -> Vec<u8> {
    [&[VERSION], filter.to_string().as_bytes()].concat()
}

/// Reads the value of a counter.
pub(in crate::store) fn split_counter(value: &[u8]) -> Result<serde_json::Value, CorruptBytes> {
    serde_json::from_slice(versioned(value)?).map_err(|_| CorruptBytes("a counter is no JSON"))
}

/// Reads a name's id.
pub(in crate::store) fn name_id(bytes: &[u8]) -> Result<NameId, CorruptBytes> {
    match split_name(bytes)? {
        (name, []) => Ok(name),
        _ => Err(CorruptBytes("the id of a name continues after its end")),
    }
}

pub(in crate::store) fn versioned(bytes: &[u8]) -> Result<&[u8], CorruptBytes> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(rest),
        Some(_) => Err(CorruptBytes("a value has an unknown version")),
        None => Err(CorruptBytes("a value is empty")),
    }
}

pub(in crate::store) fn split_revision(bytes: &[u8]) -> Result<(Revision, &[u8]), CorruptBytes> {
    let (revision, rest) =
        bytes.split_first_chunk().ok_or(CorruptBytes("a revision is cut short"))?;
    Ok((Revision(u64::from_be_bytes(*revision)), rest))
}

fn split_name(bytes: &[u8]) -> Result<(NameId, &[u8]), CorruptBytes> {
    let (id, rest) =
        bytes.split_first_chunk().ok_or(CorruptBytes("the id of a name is cut short"))?;
    Ok((NameId(u32::from_be_bytes(*id)), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::from),
            any::<i32>().prop_map(f64::from).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z\"]{0,3}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    fn context() -> impl Strategy<Value = Context> {
        prop::collection::btree_map("[a-z]{1,3}", json(), 0..4)
            .prop_map(|fields| Context::from_map(fields.into_iter().collect()))
    }

    fn expiration_time() -> impl Strategy<Value = Option<Timestamp>> {
        prop::option::of((0_i64..4_000_000_000, 0_u32..1_000_000_000))
            .prop_map(|at| at.map(|(s, n)| Timestamp::from_unix(s, n).unwrap()))
    }

    proptest! {
        #[test]
        fn terms_come_back_as_they_went_in(
            context in prop::option::of(context()), expires_at in expiration_time(), created in any::<u64>(),
        ) {
            let mut names = NameCatalog::default();
            let name = names.add("only_on_tuesday").unwrap();
            let bytes = qualifiers(context.as_ref().map(|context| (name, context)), expires_at);
            let value = row(Revision(created), &bytes);
            let (found, split) = split_row(&value).unwrap();
            prop_assert_eq!(found, Revision(created));
            prop_assert_eq!(expiration(split), Ok(expires_at));
            let caveat = context
                .map(|context| ContextualizedCaveat { name: "only_on_tuesday".to_owned(), context });
            prop_assert_eq!(decode_qualifiers(split, &names), Ok(Qualifiers { caveat, expires_at }));
        }

        #[test]
        fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..60), known in any::<bool>()) {
            if let (true, Some(first)) = (known, bytes.first_mut()) {
                *first = VERSION;
            }
            let names = NameCatalog::default();
            let _ = ChangeRecord::from_bytes(&bytes);
            let _ = split_row(&bytes).and_then(|(_, qualifiers)| decode_qualifiers(qualifiers, &names));
            let _ = name_id(&bytes);
        }
    }

    #[test]
    fn changes_come_back_as_they_went_in() {
        let row = RowKey {
            resource_type: NameId(1),
            relation: NameId(2),
            resource_id: "plan",
            subject_type: NameId(3),
            subject_relation: None,
            subject_id: "*",
        };
        let qualifiers = qualifiers(None, None);

        let metadata = Context::parse(r#"{"why": "import"}"#).unwrap();
        for logged in [
            ChangeRecord::Touched { replaced: false, row, qualifiers: &qualifiers },
            ChangeRecord::Touched { replaced: true, row, qualifiers: &qualifiers },
            ChangeRecord::Deleted(row),
            ChangeRecord::SchemaWritten,
            ChangeRecord::Metadata(metadata),
            ChangeRecord::Writer("ann's laptop"),
            ChangeRecord::Prepared(Revision(7)),
        ] {
            assert_eq!(ChangeRecord::from_bytes(&logged.bytes()), Ok(logged));
        }
    }
}
