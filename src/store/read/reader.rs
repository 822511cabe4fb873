//! The reads that snapshots and transactions share.

use super::decode;
use super::match_cursor::MatchCursor;
use super::page::{ExpiryFilter, ScanPage, SchemaText};
use super::row_cursor::{self, ReadAt};
use super::row_index::RowIndex;
use super::scan_budget::ScanBudget;
use super::scan_plan::ScanPlan;
use super::scan_position::ScanPosition;
use super::sweep::RowSweep;
use crate::relationship::{
    IdPage, Qualifiers, ReadError, RelationKey, Relationship, RelationshipFilter, ResourceKey,
    Revision, SubjectForm, SubjectKey,
};
use crate::store::layout::corrupt_bytes::CorruptBytes;
use crate::store::layout::keys::{self, KeyBuf, NameId, RowKey};
use crate::store::layout::log_keys;
use crate::store::layout::names::NameCatalog;
use crate::store::layout::values;
use crate::store::rocks::column_family::ColumnFamily;
use crate::store::rocks::source::ReadSource;

/// Reads at one revision.
#[derive(Clone, Copy)]
pub(in crate::store) struct SnapshotReader<'a> {
    pub(in crate::store) source: ReadSource<'a>,
    pub(in crate::store) names: &'a NameCatalog,
    pub(in crate::store) read_at: ReadAt<'a>,
    pub(in crate::store) expiry: ExpiryFilter,
    /// Whether the caller has stopped waiting.
    pub(in crate::store) interrupted: &'a dyn Fn() -> bool,
}

impl SnapshotReader<'_> {
    /// See `RelationshipReader::find`.
    pub(in crate::store) fn find(
        &self,
        resource: ResourceKey<'_>,
        subject: SubjectKey<'_>,
    ) -> Result<Option<Qualifiers>, ReadError> {
        let Some(row) = self.row_key(resource, subject) else { return Ok(None) };
        match row_cursor::find(self.source, self.read_at, &row.by_resource())? {
            Some(qualifiers) => self.visible(&qualifiers),
            None => Ok(None),
        }
    }

    /// See `RelationshipReader::subjects`.
    pub(in crate::store) fn subjects(
        &self,
        resource: ResourceKey<'_>,
        form: SubjectForm<'_>,
        page: IdPage<'_>,
    ) -> Result<Vec<(String, Qualifiers)>, ReadError> {
        let key = || {
            let resource_key = KeyBuf::default()
                .name(self.names.find(resource.object_type)?)
                .name(self.names.find(resource.relation)?)
                .object_id(resource.object_id)
                .name(self.names.find(form.object_type)?);
            Some(resource_key.subject_relation(self.subject_relation(form.relation)?))
        };
        key().map_or_else(|| Ok(Vec::new()), |prefix| self.ids(RowIndex::ByResource, prefix, page))
    }

    /// See `RelationshipReader::resources`.
    pub(in crate::store) fn resources(
        &self,
        relation: RelationKey<'_>,
        subject: SubjectKey<'_>,
        page: IdPage<'_>,
    ) -> Result<Vec<(String, Qualifiers)>, ReadError> {
        let key = || {
            let subject_key = KeyBuf::default()
                .name(self.names.find(subject.object_type)?)
                .object_id(subject.object_id)
                .subject_relation(self.subject_relation(subject.relation)?);
            let resource_type = self.names.find(relation.object_type)?;
            Some(subject_key.name(resource_type).name(self.names.find(relation.relation)?))
        };
        key().map_or_else(|| Ok(Vec::new()), |prefix| self.ids(RowIndex::BySubject, prefix, page))
    }

    /// See `RelationshipReader::find_each`.
    pub(in crate::store) fn find_each(
        &self,
        relation: RelationKey<'_>,
        resource_ids: &[&str],
        subject: SubjectKey<'_>,
    ) -> Result<Vec<Option<Qualifiers>>, ReadError> {
        let resource = |object_id| ResourceKey {
            object_type: relation.object_type,
            object_id,
            relation: relation.relation,
        };
        let Some(any) = self.row_key(resource(""), subject) else {
            return Ok(vec![None; resource_ids.len()]);
        };
        let prefix = KeyBuf::default().name(any.resource_type).name(any.relation).bytes();
        let mut sweep = self.sweep(RowIndex::ByResource, prefix)?;

        let mut found = Vec::with_capacity(resource_ids.len());
        for id in resource_ids {
            if sweep.is_futile() {
                found.push(self.find(resource(id), subject)?);
                continue;
            }
            let key = RowKey { resource_id: id, ..any }.by_resource();
            sweep.go_to(key.clone())?;
            let mut qualifiers = None;
            // Earlier versions of a row have its key.
            while let Some(row) = sweep.row(&key)? {
                if row.existed {
                    qualifiers = self.visible(values::split_row(row.value)?.1)?;
                    break;
                }
                sweep.advance()?;
            }
            found.push(qualifiers);
        }
        Ok(found)
    }

    /// See `RelationshipReader::subjects_of_each`.
    pub(in crate::store) fn subjects_of_each(
        &self,
        relation: RelationKey<'_>,
        resource_ids: &[&str],
        form: SubjectForm<'_>,
        count_max: usize,
    ) -> Result<Vec<Vec<(String, Qualifiers)>>, ReadError> {
        let names = || {
            let relation = KeyBuf::default()
                .name(self.names.find(relation.object_type)?)
                .name(self.names.find(relation.relation)?);
            let form_type = self.names.find(form.object_type)?;
            Some((relation, form_type, self.subject_relation(form.relation)?))
        };
        let Some((lane, form_type, subject_relation)) = names() else {
            return Ok(vec![Vec::new(); resource_ids.len()]);
        };
        let mut sweep = self.sweep(RowIndex::ByResource, lane.clone().bytes())?;
        let mut pages = Vec::with_capacity(resource_ids.len());
        for id in resource_ids {
            let prefix = lane.clone().object_id(id).name(form_type);
            let prefix = prefix.subject_relation(subject_relation).bytes();
            sweep.go_to(prefix.clone())?;
            pages.push(self.sweep_ids(&mut sweep, &prefix, count_max)?);
        }
        Ok(pages)
    }

    /// See `RelationshipReader::resources_of_each`.
    pub(in crate::store) fn resources_of_each(
        &self,
        relation: RelationKey<'_>,
        form: SubjectForm<'_>,
        subject_ids: &[&str],
        page: IdPage<'_>,
    ) -> Result<Vec<Vec<(String, Qualifiers)>>, ReadError> {
        let names = || {
            let form_type = KeyBuf::default().name(self.names.find(form.object_type)?);
            let resource_type = self.names.find(relation.object_type)?;
            let relation = self.names.find(relation.relation)?;
            Some((form_type, self.subject_relation(form.relation)?, resource_type, relation))
        };
        let Some((lane, subject_relation, resource_type, relation)) = names() else {
            return Ok(vec![Vec::new(); subject_ids.len()]);
        };
        let mut sweep = self.sweep(RowIndex::BySubject, lane.clone().bytes())?;
        let mut pages = Vec::with_capacity(subject_ids.len());
        for id in subject_ids {
            let prefix = lane.clone().object_id(id).subject_relation(subject_relation);
            let prefix = prefix.name(resource_type).name(relation);
            let start = match page.after {
                Some(after) => keys::past(prefix.clone().object_id(after).bytes()),
                None => prefix.clone().bytes(),
            };
            sweep.go_to(start)?;
            pages.push(self.sweep_ids(&mut sweep, &prefix.bytes(), page.count_max)?);
        }
        Ok(pages)
    }

    fn sweep(&self, index: RowIndex, prefix: Vec<u8>) -> Result<RowSweep<'_>, ReadError> {
        RowSweep::new((self.source, self.read_at), index, prefix, self.interrupted)
    }

    /// The ids that follow `prefix`, at most `count_max`, from where a sweep stands.
    fn sweep_ids(
        &self,
        sweep: &mut RowSweep<'_>,
        prefix: &[u8],
        count_max: usize,
    ) -> Result<Vec<(String, Qualifiers)>, ReadError> {
        let mut found = Vec::new();
        while found.len() < count_max
            && let Some(row) = sweep.row(prefix)?
        {
            if row.existed
                && let Some(qualifiers) = self.visible(values::split_row(row.value)?.1)?
            {
                found.push((keys::last_id(row.key, prefix)?.to_owned(), qualifiers));
            }
            sweep.advance()?;
        }
        Ok(found)
    }

    /// The relationships that a filter selects, in the order of the index that serves it.
    pub(in crate::store) fn scan(
        &self,
        filter: &RelationshipFilter,
        after: Option<&ScanPosition>,
        count_max: usize,
        budget: &ScanBudget<'_>,
    ) -> Result<ScanPage, ReadError> {
        let count_max = count_max.max(1);
        let mut rows = Vec::new();
        let next = self.each(filter, after, budget, |index, key, value| {
            rows.extend(self.show(index, key, value)?);
            Ok(rows.len() < count_max)
        })?;
        Ok(ScanPage { rows, next })
    }

    /// How many relationships a filter selects after `after`, and where to continue if the budget was spent before the
    /// end was reached.
    pub(in crate::store) fn count(
        &self,
        filter: &RelationshipFilter,
        after: Option<&ScanPosition>,
        budget: &ScanBudget<'_>,
    ) -> Result<(u64, Option<ScanPosition>), ReadError> {
        let mut count = 0;
        let next = self.each(filter, after, budget, |_, _, value| {
            let expires_at = values::expiration(values::split_row(value)?.1)?;
            count += u64::from(self.expiry.shows(expires_at));
            Ok(true)
        })?;
        Ok((count, next))
    }

    /// Calls `visit` with key and value of each row that a filter selects after a position, until it returns `false` or the
    /// budget is spent. Returns the position to continue from, unless the end was reached.
    fn each(
        &self,
        filter: &RelationshipFilter,
        after: Option<&ScanPosition>,
        budget: &ScanBudget<'_>,
        mut visit: impl FnMut(RowIndex, &[u8], &[u8]) -> Result<bool, ReadError>,
    ) -> Result<Option<ScanPosition>, ReadError> {
        let Some(plan) = ScanPlan::new(filter, self.names) else { return Ok(None) };
        let start = match after {
            Some(position) => {
                position.start(plan.index, &plan.prefix).ok_or_else(another_filter)?
            }
            None => plan.prefix.clone(),
        };

        let mut matches = MatchCursor::new((self.source, self.read_at), &plan, budget)?;
        matches.seek(&start)?;
        while let Some((key, value)) = matches.current()? {
            if !visit(plan.index, key, value)? {
                return Ok(Some(ScanPosition::new(plan.index, key)));
            }
            matches.advance()?;
        }

        Ok(matches.unfinished().map(|key| ScanPosition::new(plan.index, &key)))
    }

    /// The relationship of a row with its position, unless the row is hidden.
    pub(in crate::store) fn show(
        &self,
        index: RowIndex,
        key: &[u8],
        value: &[u8],
    ) -> Result<Option<(Relationship, ScanPosition)>, ReadError> {
        let Some(qualifiers) = self.visible(values::split_row(value)?.1)? else { return Ok(None) };
        let row = decode::row_key(index, key)?;
        let relationship = decode::relationship(self.names, &row, qualifiers)?;
        Ok(Some((relationship, ScanPosition::new(index, key))))
    }

    /// The newest schema that was written at or before a revision.
    pub(in crate::store) fn schema_at(
        &self,
        revision: Revision,
    ) -> Result<Option<SchemaText>, ReadError> {
        let mut cursor = self.source.cursor(ColumnFamily::Schema, &[])?;
        cursor.seek_back(&log_keys::schema(revision));
        let Some((key, text)) = cursor.item()? else { return Ok(None) };
        let text = std::str::from_utf8(text).map_err(|_| CorruptBytes("a schema is not text"))?;
        Ok(Some(SchemaText { revision: log_keys::schema_revision(key)?, text: text.into() }))
    }

    /// The numbers of a key's names; `None` when one has none.
    pub(in crate::store) fn row_key<'k>(
        &self,
        resource: ResourceKey<'k>,
        subject: SubjectKey<'k>,
    ) -> Option<RowKey<'k>> {
        Some(RowKey {
            resource_type: self.names.find(resource.object_type)?,
            relation: self.names.find(resource.relation)?,
            resource_id: resource.object_id,
            subject_type: self.names.find(subject.object_type)?,
            subject_relation: self.subject_relation(subject.relation)?,
            subject_id: subject.object_id,
        })
    }

    /// The ids that follow `prefix` in the keys, with their qualifiers.
    ///
    /// A page may lie behind any number of rows that have expired, so the work is bounded by the caller's patience and not
    /// by the size of the page.
    fn ids(
        &self,
        index: RowIndex,
        prefix: KeyBuf,
        page: IdPage<'_>,
    ) -> Result<Vec<(String, Qualifiers)>, ReadError> {
        let start = match page.after {
            Some(id) => keys::past(prefix.clone().object_id(id).bytes()),
            None => prefix.clone().bytes(),
        };
        let prefix = prefix.bytes();
        let mut sweep = self.sweep(index, prefix.clone())?;
        sweep.go_to(start)?;
        self.sweep_ids(&mut sweep, &prefix, page.count_max)
    }

    /// The qualifiers, unless they hide their row.
    pub(in crate::store) fn visible(
        &self,
        qualifiers: &[u8],
    ) -> Result<Option<Qualifiers>, ReadError> {
        if self.expiry.shows(values::expiration(qualifiers)?) {
            Ok(Some(values::decode_qualifiers(qualifiers, self.names)?))
        } else {
            Ok(None)
        }
    }

    #[expect(clippy::option_option, reason = "no relation and no such relation are different")]
    fn subject_relation(&self, relation: Option<&str>) -> Option<Option<NameId>> {
        match relation {
            None => Some(None),
            Some(name) => self.names.find(name).map(Some),
        }
    }
}

pub(in crate::store) fn another_filter() -> ReadError {
    ReadError::new("the position belongs to another filter")
}
