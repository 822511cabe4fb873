//! The reads that snapshots and transactions share.

use super::budget::ScanBudget;
use super::keys::{self, Corrupt, KeyBuf, NameId, RowKey};
use super::matches::Matches;
use super::names::Names;
use super::plan::{Plan, ScanPosition};
use super::rocks::{Family, Source};
use super::rows::{self, Index, Moment, Rows};
use super::values;
use crate::relationship::{
    ObjectRef, Page, ReadError, RelationKey, Relationship, RelationshipFilter, ResourceKey,
    Revision, Subject, SubjectForm, SubjectKey, Terms, Timestamp,
};
use std::sync::Arc;

/// Which rows a read shows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown {
    /// Those that have not expired at this time.
    Unexpired(Timestamp),
    /// The expired ones too.
    Stored,
}

impl Shown {
    fn shows(self, expires_at: Option<Timestamp>) -> bool {
        match self {
            Self::Unexpired(now) => expires_at.is_none_or(|at| now < at),
            Self::Stored => true,
        }
    }
}

/// A schema as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaText {
    /// The revision that wrote it.
    pub revision: Revision,
    /// The text.
    pub text: Arc<str>,
}

/// Relationships with the positions behind them.
pub(super) type Scanned = Vec<(Relationship, ScanPosition)>;

/// What a read by filter found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScanPage {
    /// The relationships, each with the position behind it.
    pub rows: Vec<(Relationship, ScanPosition)>,
    /// The position to continue from; `None` when everything has been read. A page may have it and no rows: when the
    /// budget for examining rows was spent before one matched.
    pub next: Option<ScanPosition>,
}

/// Reads at one moment.
#[derive(Clone, Copy)]
pub(super) struct Reads<'a> {
    pub(super) source: Source<'a>,
    pub(super) names: &'a Names,
    pub(super) moment: Moment,
    pub(super) shown: Shown,
}

impl Reads<'_> {
    /// See `RelationshipReader::find`.
    pub(super) fn find(
        &self,
        resource: ResourceKey<'_>,
        subject: SubjectKey<'_>,
    ) -> Result<Option<Terms>, ReadError> {
        let Some(row) = self.row_key(resource, subject) else { return Ok(None) };
        match rows::find(self.source, self.moment, &row.by_resource())? {
            Some(terms) => self.visible(&terms),
            None => Ok(None),
        }
    }

    /// See `RelationshipReader::subjects`.
    pub(super) fn subjects(
        &self,
        resource: ResourceKey<'_>,
        form: SubjectForm<'_>,
        page: Page<'_>,
    ) -> Result<Vec<(String, Terms)>, ReadError> {
        let key = || {
            let resource_key = KeyBuf::default()
                .name(self.names.find(resource.object_type)?)
                .name(self.names.find(resource.relation)?)
                .object_id(resource.object_id)
                .name(self.names.find(form.object_type)?);
            Some(resource_key.subject_relation(self.subject_relation(form.relation)?))
        };
        key().map_or_else(|| Ok(Vec::new()), |prefix| self.ids(Index::ByResource, prefix, page))
    }

    /// See `RelationshipReader::resources`.
    pub(super) fn resources(
        &self,
        relation: RelationKey<'_>,
        subject: SubjectKey<'_>,
        page: Page<'_>,
    ) -> Result<Vec<(String, Terms)>, ReadError> {
        let key = || {
            let subject_key = KeyBuf::default()
                .name(self.names.find(subject.object_type)?)
                .object_id(subject.object_id)
                .subject_relation(self.subject_relation(subject.relation)?);
            let resource_type = self.names.find(relation.object_type)?;
            Some(subject_key.name(resource_type).name(self.names.find(relation.relation)?))
        };
        key().map_or_else(|| Ok(Vec::new()), |prefix| self.ids(Index::BySubject, prefix, page))
    }

    /// The relationships that a filter selects, in the order of the index that serves it.
    pub(super) fn scan(
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

    /// How many relationships a filter selects behind `after`, and where to continue if the budget was spent before the
    /// end was reached.
    pub(super) fn count(
        &self,
        filter: &RelationshipFilter,
        after: Option<&ScanPosition>,
        budget: &ScanBudget<'_>,
    ) -> Result<(u64, Option<ScanPosition>), ReadError> {
        let mut count = 0;
        let next = self.each(filter, after, budget, |_, _, value| {
            let expires_at = values::expiration(values::split_row(value)?.1)?;
            count += u64::from(self.shown.shows(expires_at));
            Ok(true)
        })?;
        Ok((count, next))
    }

    /// Shows the rows behind `after` that a filter selects, key and value, until `visit` has seen enough or the budget is
    /// spent. Gives the position to continue from, unless the end was reached.
    fn each(
        &self,
        filter: &RelationshipFilter,
        after: Option<&ScanPosition>,
        budget: &ScanBudget<'_>,
        mut visit: impl FnMut(Index, &[u8], &[u8]) -> Result<bool, ReadError>,
    ) -> Result<Option<ScanPosition>, ReadError> {
        let Some(plan) = Plan::new(filter, self.names) else { return Ok(None) };
        let start = match after {
            Some(position) => position.start(&plan).ok_or_else(another_filter)?,
            None => plan.prefix.clone(),
        };

        let mut matches = Matches::new(self, &plan, budget)?;
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
    pub(super) fn show(
        &self,
        index: Index,
        key: &[u8],
        value: &[u8],
    ) -> Result<Option<(Relationship, ScanPosition)>, ReadError> {
        let Some(terms) = self.visible(values::split_row(value)?.1)? else { return Ok(None) };
        let relationship = relationship(self.names, &row_of(index, key)?, terms)?;
        Ok(Some((relationship, ScanPosition::new(index, key))))
    }

    /// The newest schema that was written at or before a revision.
    pub(super) fn schema_at(&self, revision: Revision) -> Result<Option<SchemaText>, ReadError> {
        let mut cursor = self.source.cursor(Family::Schema, &[])?;
        cursor.seek_back(&keys::schema(revision));
        let Some((key, text)) = cursor.item()? else { return Ok(None) };
        let text = std::str::from_utf8(text).map_err(|_| Corrupt("a schema is not text"))?;
        Ok(Some(SchemaText { revision: keys::schema_revision(key)?, text: text.into() }))
    }

    /// The numbers of a key's names; `None` when one has none.
    pub(super) fn row_key<'k>(
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

    /// The ids behind `prefix` with their terms.
    fn ids(
        &self,
        index: Index,
        prefix: KeyBuf,
        page: Page<'_>,
    ) -> Result<Vec<(String, Terms)>, ReadError> {
        let start = match page.after {
            Some(id) => keys::past(prefix.clone().object_id(id).bytes()),
            None => prefix.clone().bytes(),
        };
        let prefix = prefix.bytes();
        let mut found = Vec::new();
        let mut rows = Rows::new(self.source, index, self.moment, prefix.clone())?;
        rows.seek(&start)?;
        while found.len() < page.count_max
            && let Some(row) = rows.current()?
        {
            if row.is_there
                && let Some(terms) = self.visible(values::split_row(row.value)?.1)?
            {
                found.push((keys::last_id(row.key, &prefix)?.to_owned(), terms));
            }
            rows.advance()?;
        }
        Ok(found)
    }

    /// Terms, unless they hide their row.
    pub(super) fn visible(&self, terms: &[u8]) -> Result<Option<Terms>, ReadError> {
        if self.shown.shows(values::expiration(terms)?) {
            Ok(Some(values::split_terms(terms, self.names)?))
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

pub(super) fn another_filter() -> ReadError {
    ReadError::new("the position belongs to another filter")
}

pub(super) fn row_of(index: Index, key: &[u8]) -> Result<RowKey<'_>, Corrupt> {
    match index {
        Index::ByResource => RowKey::from_by_resource(key),
        Index::BySubject => RowKey::from_by_subject(key),
    }
}

/// The relationship of a row.
pub(super) fn relationship(
    names: &Names,
    row: &RowKey<'_>,
    terms: Terms,
) -> Result<Relationship, Corrupt> {
    let invalid = |_| Corrupt("a key names no object");
    let resource = ObjectRef::new(names.text(row.resource_type)?, row.resource_id);
    let subject_relation = match row.subject_relation {
        Some(relation) => names.text(relation)?,
        None => "",
    };
    let subject_type = names.text(row.subject_type)?;
    let subject = Subject::new(subject_type, row.subject_id, subject_relation);
    Ok(Relationship {
        resource: resource.map_err(invalid)?,
        relation: names.text(row.relation)?.to_owned(),
        subject: subject.map_err(invalid)?,
        caveat: terms.caveat,
        expires_at: terms.expires_at,
    })
}
