//! Reads by filter in a stable order: by resource type, resource id, relation, subject type,
//! subject id and subject relation, each as text. So the order is the same in every store with the same relationships.
//!
//! The keys of an index sort by relation before resource id, and names by their numbers. What a filter selects
//! therefore lies in several *lanes*, one for each type and relation, each in the order of resource ids: the lanes of
//! a type are merged. What one relation of one resource holds is sorted in memory, or merged too where it is
//! much; see `ordered_subjects`.

use super::decode;
use super::match_cursor::MatchCursor;
use super::page::{ScanPage, Scanned};
use super::reader::SnapshotReader;
use super::row_cursor::RowCursor;
use super::row_index::RowIndex;
use super::scan_budget::ScanBudget;
use super::scan_plan::ScanPlan;
use super::scan_position::{OrderedKey, ScanPosition};
use crate::relationship::{ReadError, Relationship, RelationshipFilter};
use crate::store::layout::keys::{self, KeyBuf, RowKey};
use crate::store::layout::values;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// How many rows a lane examines for its next match before the others have their turn.
const ROWS_PER_TURN: usize = 64;
/// The most subjects of one relation of one resource that are sorted in memory.
const SORTED_MAX: usize = 100;
/// Selections by a type of subjects alone that are not larger are sorted in memory.
const SELECTION_MAX: usize = 500;

/// What relationships are ordered by. Without a subject: before all subjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct Rank<'t> {
    resource_type: &'t str,
    resource_id: &'t str,
    relation: &'t str,
    pub(in crate::store) subject: Option<SubjectRank<'t>>,
}

/// Type, id and relation of a subject; the relation is empty for objects and wildcards.
pub(in crate::store) type SubjectRank<'t> = (&'t str, &'t str, &'t str);

impl<'t> Rank<'t> {
    fn from_relationship(relationship: &'t Relationship) -> Self {
        Self {
            resource_type: relationship.resource.object_type(),
            resource_id: relationship.resource.object_id(),
            relation: &relationship.relation,
            subject: Some(subject_rank(relationship)),
        }
    }

    /// Whether both are about the same relation of the same resource.
    fn is_beside(&self, other: &Self) -> bool {
        Self { subject: None, ..*self } == Self { subject: None, ..*other }
    }
}

fn subject_rank(relationship: &Relationship) -> SubjectRank<'_> {
    let subject = &relationship.subject;
    (subject.object_type(), subject.object_id(), subject.relation().unwrap_or_default())
}

impl SnapshotReader<'_> {
    /// See [`super::Snapshot::scan_ordered`].
    pub(in crate::store) fn scan_ordered(
        &self,
        filter: &RelationshipFilter,
        after: Option<&ScanPosition>,
        count_max: usize,
        budget: &ScanBudget<'_>,
    ) -> Result<ScanPage, ReadError> {
        let count_max = count_max.max(1);
        let other_order = || ReadError::new("the position belongs to a read in another order");
        let after = after.map(|position| position.ordered().ok_or_else(other_order)).transpose()?;
        let rank = after.as_ref().map(|key| self.rank(key)).transpose()?;
        let Some(mut plan) = ScanPlan::new(filter, self.names) else {
            return Ok(ScanPage::default());
        };
        if plan.index == RowIndex::BySubject && !plan.fixes_subject() {
            if let Some(page) = self.scan_small(filter, rank.as_ref(), count_max, budget)? {
                return Ok(page);
            }
            // Its subjects are too many to be merged; and so it is not far from a match to the next.
            let Some(by_resource) = ScanPlan::for_index(RowIndex::ByResource, filter, self.names)
            else {
                return Ok(ScanPage::default());
            };
            plan = by_resource;
        }

        let (after, rows) = (after.zip(rank), Scanned::new());
        let resuming = after.is_some();
        let mut page =
            OrderedPage { reader: self, plan: &plan, budget, after, resuming, rows, count_max };
        let next = page.fill()?;
        Ok(ScanPage { rows: page.rows, next })
    }

    /// The page of a selection that is small enough to be sorted in memory; `None` when it is not.
    fn scan_small(
        &self,
        filter: &RelationshipFilter,
        after: Option<&Rank<'_>>,
        count_max: usize,
        budget: &ScanBudget<'_>,
    ) -> Result<Option<ScanPage>, ReadError> {
        let rows_max = u64::try_from(2 * SELECTION_MAX).unwrap_or(u64::MAX);
        let found = self.scan(filter, None, SELECTION_MAX, &budget.part(rows_max))?;
        if found.next.is_some() {
            return Ok(None);
        }
        let mut rows = Scanned::new();
        for (relationship, position) in found.rows {
            if after.is_none_or(|after| Rank::from_relationship(&relationship) > *after) {
                rows.push((relationship, position.into_ordered()?));
            }
        }
        rows.sort_unstable_by(|(left, _), (right, _)| {
            Rank::from_relationship(left).cmp(&Rank::from_relationship(right))
        });
        let more = rows.len() > count_max;
        rows.truncate(count_max);
        let last = rows.last().filter(|_| more);
        Ok(Some(ScanPage { next: last.map(|(_, position)| position.clone()), rows }))
    }

    /// The rank after which, or before which, a position is.
    fn rank<'t>(&'t self, key: &OrderedKey<'t>) -> Result<Rank<'t>, ReadError> {
        let names = self.names;
        let (resource_type, relation, resource_id) = keys::resource_parts(key.bytes())?;
        let subject = match key {
            OrderedKey::After(row) => {
                let row = RowKey::from_by_resource(row)?;
                let relation = row.subject_relation.map(|relation| names.text(relation));
                let relation = relation.transpose()?.unwrap_or_default();
                Some((names.text(row.subject_type)?, row.subject_id, relation))
            }
            OrderedKey::Before(_) => None,
        };
        let (resource_type, relation) = (names.text(resource_type)?, names.text(relation)?);
        Ok(Rank { resource_type, resource_id, relation, subject })
    }

    /// The relationship of a row with its position in this order, unless the row is hidden.
    pub(in crate::store) fn show_ordered(
        &self,
        index: RowIndex,
        key: &[u8],
        value: &[u8],
    ) -> Result<Option<(Relationship, ScanPosition)>, ReadError> {
        let Some(qualifiers) = self.visible(values::split_row(value)?.1)? else { return Ok(None) };
        let row = decode::row_key(index, key)?;
        let position = match index {
            RowIndex::ByResource => ScanPosition::after(key),
            RowIndex::BySubject => ScanPosition::after(&row.by_resource()),
        };
        Ok(Some((decode::relationship(self.names, &row, qualifiers)?, position)))
    }
}

/// A page in progress.
pub(in crate::store) struct OrderedPage<'e, 'a> {
    pub(in crate::store) reader: &'e SnapshotReader<'a>,
    pub(in crate::store) plan: &'e ScanPlan,
    pub(in crate::store) budget: &'e ScanBudget<'e>,
    /// The position to continue from.
    pub(in crate::store) after: Option<(OrderedKey<'e>, Rank<'e>)>,
    /// Whether rows at or before that position may still come.
    resuming: bool,
    pub(in crate::store) rows: Scanned,
    pub(in crate::store) count_max: usize,
}

/// A stretch of an index in the order of resource ids.
struct LaneName<'e> {
    relation: &'e str,
    /// Empty where the stretch has subjects with several relations.
    subject_relation: &'e str,
    prefix: Vec<u8>,
}

struct Lane<'e> {
    name: LaneName<'e>,
    matches: MatchCursor<'e>,
}

/// The order of lanes by where they stand.
type LaneOrder<'e> = Reverse<(Vec<u8>, &'e str, &'e str, usize)>;

impl<'e> OrderedPage<'e, '_> {
    pub(in crate::store) fn is_full(&self) -> bool {
        self.rows.len() >= self.count_max
    }

    /// The position after the last row of a full page.
    fn last(&self) -> Option<ScanPosition> {
        self.rows.last().map(|(_, position)| position.clone())
    }

    /// Reads one type after the other. Returns the position to continue from, unless the end was reached.
    fn fill(&mut self) -> Result<Option<ScanPosition>, ReadError> {
        let first = self.after.map(|(_, rank)| rank.resource_type);
        for (resource_type, names) in self.lanes()? {
            if first.is_some_and(|first| resource_type < first) {
                continue;
            }

            let resumes = first == Some(resource_type);
            let mut lanes = Vec::with_capacity(names.len());
            for name in names {
                lanes.push(self.open(name, resumes)?);
            }
            if let Some(next) = self.merge(&mut lanes)? {
                return Ok(Some(next));
            }
            if self.is_full() {
                return Ok(self.last());
            }
        }
        Ok(None)
    }

    /// The lanes of the plan, by the type of their resources.
    fn lanes(&self) -> Result<BTreeMap<&'e str, Vec<LaneName<'e>>>, ReadError> {
        let (reader, plan) = (self.reader, self.plan);
        let mut lanes: BTreeMap<&'e str, Vec<LaneName<'e>>> = BTreeMap::new();
        if let Some(prefix) = plan.only_lane() {
            let (resource_type, relation) = keys::resource_type_and_relation(prefix)?;
            let relation = reader.names.text(relation)?;
            let lane = LaneName { relation, subject_relation: "", prefix: prefix.to_vec() };
            lanes.insert(reader.names.text(resource_type)?, vec![lane]);
            return Ok(lanes);
        }

        // The names that stand before the resource id are few, so that a seek for each costs little.
        let mut rows =
            RowCursor::new(reader.source, plan.index, reader.read_at, plan.prefix.clone())?;
        rows.seek(&plan.prefix)?;
        while let Some(row) = rows.current()? {
            self.budget.examine()?;
            let prefix = plan.index.lane(row.key)?.to_vec();
            let found = decode::row_key(plan.index, row.key)?;
            if plan.may_match_in_lane(row.key)? {
                let relation = reader.names.text(found.relation)?;
                let subject_relation = match (plan.index, found.subject_relation) {
                    (RowIndex::BySubject, Some(relation)) => reader.names.text(relation)?,
                    (RowIndex::BySubject, None) | (RowIndex::ByResource, _) => "",
                };
                let resource_type = reader.names.text(found.resource_type)?;
                let lane = LaneName { relation, subject_relation, prefix: prefix.clone() };
                lanes.entry(resource_type).or_default().push(lane);
            }
            let Some(end) = keys::end_of(&prefix) else { break };
            rows.seek(&end)?;
        }
        Ok(lanes)
    }

    /// Opens a lane where the page begins in it.
    fn open(&self, name: LaneName<'e>, resumes: bool) -> Result<Lane<'e>, ReadError> {
        let start = match self.after {
            Some((_, rank)) if resumes => {
                let resource = [
                    name.prefix.as_slice(),
                    KeyBuf::default().object_id(rank.resource_id).bytes().as_slice(),
                ]
                .concat();
                if name.relation < rank.relation { keys::past(resource) } else { resource }
            }
            Some(_) | None => name.prefix.clone(),
        };

        let mut matches = MatchCursor::within(
            (self.reader.source, self.reader.read_at),
            self.plan,
            name.prefix.clone(),
            self.budget,
        )?;
        matches.seek_within(&start, ROWS_PER_TURN)?;
        Ok(Lane { name, matches })
    }

    /// Merges the lanes of one type. Returns the position to continue from, unless the end was reached.
    fn merge(&mut self, lanes: &mut [Lane<'e>]) -> Result<Option<ScanPosition>, ReadError> {
        if let [lane] = lanes {
            return self.single(lane);
        }

        let mut order = BinaryHeap::with_capacity(lanes.len());
        for (number, lane) in lanes.iter().enumerate() {
            order.extend(lane.order(self.plan.index, number)?);
        }
        // A page always gets further than the turns that were taken to open its lanes.
        let turns_min = lanes.len();
        let mut turns = 0;
        while let Some(Reverse((_, _, _, number))) = order.pop() {
            let Some(lane) = lanes.get_mut(number) else { continue };
            if self.is_full() {
                return Ok(self.last());
            }
            turns += 1;
            if self.budget.is_spent() && turns > turns_min && !self.is_begun(lane)? {
                return self.before(lane);
            }
            if let Some(next) = self.turn(lane)? {
                return Ok(Some(next));
            }
            order.extend(lane.order(self.plan.index, number)?);
        }
        Ok(None)
    }

    fn single(&mut self, lane: &mut Lane<'e>) -> Result<Option<ScanPosition>, ReadError> {
        let mut turns = 0;
        while !lane.matches.is_at_end() {
            if self.is_full() {
                return Ok(self.last());
            }
            turns += 1;
            if self.budget.is_spent() && turns > 1 && !self.is_begun(lane)? {
                return self.before(lane);
            }
            if let Some(next) = self.turn(lane)? {
                return Ok(Some(next));
            }
        }
        Ok(None)
    }

    /// Whether rows of the relation and resource at which a lane stands have been given already, in this page or before it.
    /// The position before these would give them again, so that the page has to continue whatever is left of the budget.
    fn is_begun(&self, lane: &Lane<'_>) -> Result<bool, ReadError> {
        let Some(key) = lane.matches.key()? else { return Ok(false) };
        let row = decode::row_key(self.plan.index, key)?;
        let names = self.reader.names;
        let at = Rank {
            resource_type: names.text(row.resource_type)?,
            resource_id: row.resource_id,
            relation: names.text(row.relation)?,
            subject: None,
        };

        let given = self.rows.last().map(|(row, _)| Rank::from_relationship(row));
        let given = given.or(self.after.map(|(_, rank)| rank));
        Ok(given.is_some_and(|given| given.subject.is_some() && given.is_beside(&at)))
    }

    /// The position before the resource at which a lane stands.
    fn before(&self, lane: &Lane<'_>) -> Result<Option<ScanPosition>, ReadError> {
        let Some(key) = lane.matches.key()? else { return Ok(None) };
        let row = decode::row_key(self.plan.index, key)?;
        Ok(Some(ScanPosition::before(&row)))
    }

    /// Reads the rows of the resource at which a lane is, or searches further for one. Returns the position to continue from
    /// when the page ended on the way.
    fn turn(&mut self, lane: &mut Lane<'e>) -> Result<Option<ScanPosition>, ReadError> {
        if !lane.matches.is_at_match() {
            lane.matches.settle_within(ROWS_PER_TURN)?;
            return Ok(None);
        }
        let Some(key) = lane.matches.key()? else { return Ok(None) };
        let group = self.plan.index.group(key)?.to_vec();
        let start = self.rows.len();
        let mut count = 0;
        while let Some(key) = lane.matches.key()?
            && key.starts_with(&group)
        {
            if let Some((key, value)) = lane.matches.current()? {
                count += 1;
                if count > SORTED_MAX {
                    self.rows.truncate(start);
                    let next = self.large_group(&group)?;
                    if next.is_none() {
                        lane.matches.seek_within(&keys::past(group), ROWS_PER_TURN)?;
                    }
                    return Ok(next);
                }
                self.rows.extend(self.reader.show_ordered(self.plan.index, key, value)?);
                lane.matches.advance_within(ROWS_PER_TURN)?;
            } else {
                lane.matches.settle_within(ROWS_PER_TURN)?;
            }
        }

        self.sort(start);
        Ok(None)
    }

    /// Sorts the rows from `start` on, which are of one resource and relation, and leaves out what comes too early or is too
    /// much.
    fn sort(&mut self, start: usize) {
        let by_subject = |(left, _): &(Relationship, _), (right, _): &(Relationship, _)| {
            subject_rank(left).cmp(&subject_rank(right))
        };
        if let Some(rows) = self.rows.get_mut(start..)
            && !rows.is_sorted_by(|left, right| by_subject(left, right).is_le())
        {
            rows.sort_unstable_by(by_subject);
        }

        if let Some((_, after)) = self.after.filter(|_| self.resuming)
            && let Some((first, _)) = self.rows.get(start)
        {
            // Lanes come in the order of ranks, so that no row at or before the position follows one after it.
            let first = Rank::from_relationship(first);
            self.resuming = first.is_beside(&after) || first < after;
            let rows = self.rows.split_off(start);
            self.rows
                .extend(rows.into_iter().filter(|(row, _)| Rank::from_relationship(row) > after));
        }
        self.rows.truncate(self.count_max);
    }
}

impl<'e> Lane<'e> {
    /// Where the lane stands in the order of lanes; `None` at its end.
    fn order(&self, index: RowIndex, number: usize) -> Result<Option<LaneOrder<'e>>, ReadError> {
        let Some(key) = self.matches.key()? else { return Ok(None) };
        let resource_id = index.resource_id(key)?.to_vec();
        Ok(Some(Reverse((resource_id, self.name.relation, self.name.subject_relation, number))))
    }
}
