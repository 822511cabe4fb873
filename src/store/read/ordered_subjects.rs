//! Subjects of one relation of one resource that are too many to be sorted in memory.
//!
//! Their keys sort by the numbers of type and relation, then by id: the subjects of one type are merged from one stretch
//! for each relation.

use super::match_cursor::MatchCursor;
use super::ordered::{OrderedPage, SubjectRank};
use super::row_cursor::RowCursor;
use super::row_index::RowIndex;
use super::scan_position::ScanPosition;
use crate::relationship::ReadError;
use crate::store::layout::corrupt_bytes::CorruptBytes;
use crate::store::layout::keys::{self, KeyBuf, RowKey};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// The bytes of two names in a key.
const NAMES_BYTES: usize = 8;

/// The stretches of one type's subjects: the relation of each and how its keys start.
type Forms<'e> = Vec<(&'e str, Vec<u8>)>;

impl<'e> OrderedPage<'e, '_> {
    /// Adds the subjects whose keys start with `group`. Returns the position to continue from when the page ended on the way.
    pub(in crate::store) fn large_group(
        &mut self,
        group: &[u8],
    ) -> Result<Option<ScanPosition>, ReadError> {
        let after = self.after.as_ref();
        let within = after.filter(|(key, _)| key.bytes().starts_with(group));
        let within = within.and_then(|(_, rank)| rank.subject);
        for (subject_type, forms) in self.forms(group)? {
            if within.is_some_and(|(first, _, _)| subject_type < first) {
                continue;
            }
            let within = within.filter(|(first, _, _)| *first == subject_type);
            if let Some(next) = self.subjects(forms, within)? {
                return Ok(Some(next));
            }
        }
        Ok(None)
    }

    /// The stretches by the type of their subjects.
    fn forms(&self, group: &[u8]) -> Result<BTreeMap<&'e str, Forms<'e>>, ReadError> {
        let names = self.reader.names;
        let (source, read_at) = (self.reader.source, self.reader.read_at);
        let mut forms: BTreeMap<&'e str, Forms<'e>> = BTreeMap::new();

        let mut rows = RowCursor::new(source, RowIndex::ByResource, read_at, group.to_vec())?;
        rows.seek(group)?;
        while let Some(row) = rows.current()? {
            self.budget.examine()?;
            let form = row.key.get(..group.len() + NAMES_BYTES);
            let form = form.ok_or(CorruptBytes("a key is cut short"))?.to_vec();
            let found = RowKey::from_by_resource(row.key)?;
            let relation = found.subject_relation.map(|relation| names.text(relation));
            let relation = relation.transpose()?.unwrap_or_default();
            let of_type = forms.entry(names.text(found.subject_type)?).or_default();
            of_type.push((relation, form.clone()));
            let Some(end) = keys::end_of(&form) else { break };
            rows.seek(&end)?;
        }
        Ok(forms)
    }

    /// Adds the subjects of one type.
    fn subjects(
        &mut self,
        forms: Forms<'e>,
        within: Option<SubjectRank<'e>>,
    ) -> Result<Option<ScanPosition>, ReadError> {
        let mut stretches = Vec::with_capacity(forms.len());
        for (relation, form) in forms {
            let start = match within {
                Some((_, id, last)) => {
                    let id = KeyBuf::default().object_id(id).bytes();
                    let subject = [form.as_slice(), &id].concat();
                    if relation <= last { keys::past(subject) } else { subject }
                }
                None => form.clone(),
            };
            let mut matches = MatchCursor::within(
                (self.reader.source, self.reader.read_at),
                self.plan,
                form.clone(),
                self.budget,
            )?;
            matches.seek_within(&start, 1)?;
            stretches.push((relation, form, matches));
        }

        let mut order = BinaryHeap::with_capacity(stretches.len());
        let position = |(relation, form, matches): &(&'e str, Vec<u8>, MatchCursor<'e>),
                        number: usize| {
            let key = matches.key()?;
            let id = key.map(|key| keys::last_id(key, form).map(str::to_owned)).transpose()?;
            Ok::<_, ReadError>(id.map(|id| Reverse((id, *relation, number))))
        };
        // One stretch is the common case, and needs no order.
        let is_single = stretches.len() == 1;
        for (number, stretch) in stretches.iter().enumerate() {
            order.extend(position(stretch, number)?);
        }
        while let Some(Reverse((_, _, number))) = order.pop() {
            let Some(stretch) = stretches.get_mut(number) else { continue };
            loop {
                if let Some(next) = self.subject(&mut stretch.2)? {
                    return Ok(Some(next));
                }
                if !is_single || stretch.2.is_at_end() {
                    break;
                }
            }
            order.extend(position(stretch, number)?);
        }
        Ok(None)
    }

    /// Adds the subject at which a stretch stands. Returns the position to continue from when the page ended with it.
    fn subject(
        &mut self,
        matches: &mut MatchCursor<'e>,
    ) -> Result<Option<ScanPosition>, ReadError> {
        if let Some((key, value)) = matches.current()? {
            self.rows.extend(self.reader.show_ordered(RowIndex::ByResource, key, value)?);
        }
        if self.is_full() || self.budget.is_spent() {
            return Ok(matches.key()?.map(ScanPosition::after));
        }
        matches.advance_within(1)?;
        Ok(None)
    }
}
