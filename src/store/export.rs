//! Everything that a filter selects, in an order that is the same in every store with the same relationships.
//!
//! The keys of a store sort names by the numbers that they got, so two stores may sort the same relationships differently.
//! An export sorts by resource type, relation, resource id, subject type, subject relation and subject id, each as text:
//! it reads the stretches of the index in the order of their names. What a filter finds by its subject comes in the
//! order of the index.

use super::budget::ScanBudget;
use super::keys::{self, Corrupt, RowKey};
use super::matches::Matches;
use super::plan::{Plan, ScanPosition};
use super::reads::{Reads, ScanPage, Scanned, another_filter};
use super::rows::Index;
use crate::relationship::{ReadError, RelationshipFilter};

/// The most subjects of a relation that are sorted in memory; more are read form by form.
const SORTED_MAX: usize = 1000;
/// The bytes of two names in a key.
const NAMES_BYTES: usize = 8;

impl Reads<'_> {
    /// See [`super::Snapshot::export`].
    pub(super) fn export(
        &self,
        filter: &RelationshipFilter,
        after: Option<&ScanPosition>,
        count_max: usize,
        budget: &ScanBudget<'_>,
    ) -> Result<ScanPage, ReadError> {
        let Some(plan) = Plan::new(filter, self.names) else { return Ok(ScanPage::default()) };
        if plan.index == Index::BySubject {
            return self.scan(filter, after, count_max, budget);
        }
        let after = match after {
            Some(position) => Some(position.key_in(&plan).ok_or_else(another_filter)?),
            None => None,
        };
        let matches = Matches::new(self, &plan, budget)?;
        let mut export = Export { reads: self, matches, after, found: Scanned::new(), count_max };
        export.all()?;
        let rows = export.found;
        let next = rows.last().filter(|_| rows.len() >= count_max);
        Ok(ScanPage { next: next.map(|(_, position)| position.clone()), rows })
    }
}

/// One page in the making.
struct Export<'e, 'a> {
    reads: &'e Reads<'a>,
    matches: Matches<'e>,
    /// The key of the last row that came before; `None` once that has been passed.
    after: Option<&'e [u8]>,
    found: Scanned,
    count_max: usize,
}

/// The stretch of an index whose keys start alike, with the two names in which it differs from its neighbours.
type Stretch<'e> = (&'e str, &'e str, Vec<u8>);

impl<'e> Export<'e, '_> {
    fn is_full(&self) -> bool {
        self.found.len() >= self.count_max
    }

    /// One relation of one type after the other.
    fn all(&mut self) -> Result<(), ReadError> {
        for (_, _, relation) in self.stretches(&[])? {
            if self.is_full() {
                break;
            }
            self.relation(&relation)?;
        }
        Ok(())
    }

    /// The stretches that continue `prefix` with two names, in the order of these, from the one on that holds `after`.
    fn stretches(&mut self, prefix: &[u8]) -> Result<Vec<Stretch<'e>>, ReadError> {
        let mut stretches = Vec::new();
        self.matches.seek(prefix)?;
        while let Some((key, _)) = self.matches.current()?
            && key.starts_with(prefix)
        {
            let stretch = self.stretch(prefix, key)?;
            let end = keys::end_of(&stretch.2);
            stretches.push(stretch);
            let Some(end) = end else { break };
            self.matches.seek(&end)?;
        }
        stretches.sort_unstable();
        if let Some(after) = self.after {
            let first = self.stretch(prefix, after)?;
            stretches.retain(|stretch| *stretch >= first);
        }
        Ok(stretches)
    }

    /// The stretch of a key.
    fn stretch(&self, prefix: &[u8], key: &[u8]) -> Result<Stretch<'e>, ReadError> {
        let row = RowKey::from_by_resource(key)?;
        let names = self.reads.names;
        let names = if prefix.is_empty() {
            (names.text(row.resource_type)?, names.text(row.relation)?)
        } else {
            let relation = row.subject_relation.map(|relation| names.text(relation)).transpose()?;
            (names.text(row.subject_type)?, relation.unwrap_or_default())
        };
        let end = prefix.len() + NAMES_BYTES;
        let start = key.get(..end).ok_or(Corrupt("a key is cut short"))?;
        Ok((names.0, names.1, start.to_vec()))
    }

    /// One resource after the other.
    fn relation(&mut self, relation: &[u8]) -> Result<(), ReadError> {
        let within = self.after.filter(|after| after.starts_with(relation));
        let start = within.map_or(Ok(relation.to_vec()), resource_of)?;
        self.matches.seek(&start)?;
        while !self.is_full()
            && let Some((key, _)) = self.matches.current()?
            && key.starts_with(relation)
        {
            let resource = resource_of(key)?;
            if self.after.is_some_and(|after| !after.starts_with(&resource)) {
                self.after = None;
            }
            self.resource(&resource)?;
        }
        // What comes behind the stretch of `after` comes from its start.
        self.after = None;
        Ok(())
    }

    /// The subjects of one resource. Leaves the cursor behind them, unless the page is full.
    fn resource(&mut self, resource: &[u8]) -> Result<(), ReadError> {
        let mut rows = Vec::new();
        while let Some((key, value)) = self.matches.current()?
            && key.starts_with(resource)
        {
            if rows.len() == SORTED_MAX {
                return self.large_resource(resource);
            }
            rows.push((self.stretch(resource, key)?, key.to_vec(), value.to_vec()));
            self.matches.advance()?;
        }
        rows.sort_unstable();
        let last = match self.after {
            Some(after) => Some((self.stretch(resource, after)?, after)),
            None => None,
        };
        for (stretch, key, value) in rows {
            let passed = last.as_ref().is_some_and(|(last_stretch, last_key)| {
                (&stretch, key.as_slice()) <= (last_stretch, *last_key)
            });
            if !passed && !self.is_full() {
                self.found.extend(self.reads.show(Index::ByResource, &key, &value)?);
            }
        }
        Ok(())
    }

    /// The same for subjects that are too many to be sorted: one form of them after the other.
    fn large_resource(&mut self, resource: &[u8]) -> Result<(), ReadError> {
        for (_, _, form) in self.stretches(resource)? {
            let within = self.after.take().filter(|after| after.starts_with(&form));
            let start = within.map_or_else(|| form.clone(), |after| keys::past(after.to_vec()));
            self.matches.seek(&start)?;
            while let Some((key, value)) = self.matches.current()?
                && key.starts_with(&form)
            {
                if self.is_full() {
                    return Ok(());
                }
                self.found.extend(self.reads.show(Index::ByResource, key, value)?);
                self.matches.advance()?;
            }
        }
        self.matches.seek(&keys::past(resource.to_vec()))
    }
}

/// The part of a key that names the resource: type, relation and id.
fn resource_of(key: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let [object_type, relation, id, ..] = Index::ByResource.cut(key)?;
    Ok([object_type, relation, id].concat())
}
