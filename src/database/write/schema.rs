//! Writes of schemas: nothing that relationships use may go.
//!
//! To find out that nothing uses what goes can take a look at many relationships. That happens on a snapshot, while
//! others write on; the write itself then only looks at what has changed since.

use super::proposal::{Examination, ExaminedWrite, Proposal, Rejection};
use super::requirements::added_relationship;
use crate::database::error::DatabaseError;
use crate::database::handle::Database;
use crate::relationship::{ReadError, Relationship, RelationshipReader, Revision, Timestamp};
use crate::schema::removals::{self, Removal};
use crate::schema::{self, Schema};
use crate::store::{ChangeLogEntry, ChangePosition, ScanBudget, Snapshot, Transaction};
use std::sync::{Arc, OnceLock};

/// How many relationships or changes are read at a time.
const PAGE: usize = 1000;
/// Counting stops here: to know that there are many is enough.
const COUNT_MAX: u64 = 1000;
/// The most changes since the examination that the writer looks at.
const CHANGES_MAX: usize = 10_000;
/// How often an examination looks at what changed meanwhile, before it leaves the rest to the writer.
const CATCH_UPS_MAX: usize = 16;

/// A schema that is to be put into force.
#[derive(Debug)]
pub struct WriteSchema {
    text: String,
    compiled: OnceLock<Arc<Schema>>,
}

impl WriteSchema {
    /// The schema of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), compiled: OnceLock::new() }
    }

    fn compiled(&self) -> Result<Arc<Schema>, DatabaseError> {
        if let Some(schema) = self.compiled.get() {
            return Ok(Arc::clone(schema));
        }
        let schema = Arc::new(schema::compile(&self.text).map_err(DatabaseError::Schema)?);
        Ok(Arc::clone(self.compiled.get_or_init(|| schema)))
    }
}

impl Proposal for WriteSchema {
    type Output = ();

    fn is_slow(&self) -> bool {
        true
    }

    fn examine(
        self: &Arc<Self>,
        examination: &Examination<'_>,
    ) -> Result<ExaminedWrite<()>, DatabaseError> {
        let Examination { database, view, interrupted, .. } = examination;
        let new = self.compiled()?;
        let mut examined = ExaminedSchema::on(database, &view.snapshot, &new, *interrupted)?;
        examined.catch_up(database, view.now())?;
        let schemas = Arc::clone(&database.schemas);
        Ok(ExaminedWrite::new(move |transaction, _| {
            if examined.finish(transaction, &new)? {
                schemas.keep(transaction.revision(), new);
            }
            Ok(())
        }))
    }
}

/// What a new schema takes away, after no use of it was found on a snapshot.
struct ExaminedSchema {
    revision: Revision,
    schema_revision: Revision,
    /// Whether the text is the one in force already.
    same: bool,
    removals: Vec<Removal>,
}

impl ExaminedSchema {
    fn on(
        database: &Database,
        snapshot: &Snapshot<'_>,
        new: &Schema,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Self, DatabaseError> {
        let schema_revision = snapshot.schema_revision()?;
        let current = database.schemas.get(schema_revision, || snapshot.schema())?;
        let same = schema_revision > Revision::default() && current.source() == new.source();
        let removals = removals::removals(&current, new);
        let budget = ScanBudget::new(interrupted);
        for removal in &removals {
            RemovalUses::stored(snapshot, removal, &budget)?.require_none(removal)?;
        }
        Ok(Self { revision: snapshot.revision(), schema_revision, same, removals })
    }

    /// Looks at what has changed since the snapshot, so that little is left for the writer.
    fn catch_up(&mut self, database: &Database, now: Timestamp) -> Result<(), DatabaseError> {
        if self.removals.is_empty() {
            return Ok(());
        }
        for _ in 0..CATCH_UPS_MAX {
            let snapshot = database.store.snapshot(now)?;
            let is_forgotten = snapshot.oldest_revision() > self.revision;
            if is_forgotten || snapshot.schema_revision()? != self.schema_revision {
                return Ok(());
            }
            let changes = self.require_still_unused(&snapshot, usize::MAX)?;
            self.revision = snapshot.revision();
            if changes.is_some_and(|count| count <= PAGE) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Puts the schema into force, unless something came to use what it takes away. `false` when it was in force already.
    fn finish(self, transaction: &mut Transaction<'_>, new: &Schema) -> Result<bool, Rejection> {
        let is_forgotten = transaction.oldest_revision() > self.revision;
        if is_forgotten || transaction.schema_revision() != self.schema_revision {
            return Err(Rejection::Outdated);
        }
        if self.same {
            return Ok(false);
        }
        if self.require_still_unused(transaction, CHANGES_MAX)?.is_none() {
            return Err(Rejection::Outdated);
        }
        transaction.set_schema(new.source())?;
        Ok(true)
    }

    /// Requires that nothing came since that uses what goes. Gives the number of changes since, or `None` when there are
    /// more than `count_max`, of which it does not look at the rest.
    fn require_still_unused(
        &self,
        state: &impl ChangeLogReader,
        count_max: usize,
    ) -> Result<Option<usize>, DatabaseError> {
        if self.removals.is_empty() {
            return Ok(Some(0));
        }
        let mut users: Vec<RemovalUses> =
            self.removals.iter().map(|_| RemovalUses::default()).collect();
        let (mut count, mut after) = (0, ChangePosition::after(self.revision));
        while count <= count_max {
            let page = state.changes(after, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            count += page.len();
            for relationship in
                page.into_iter().filter_map(|(_, change)| added_relationship(change))
            {
                let removals = self.removals.iter().zip(&mut users);
                let mut matching = removals.filter(|(it, _)| it.matches(&relationship)).peekable();
                if matching.peek().is_some() && exists(state, &relationship)? {
                    matching.for_each(|(removal, users)| users.add(removal, relationship.clone()));
                }
            }
        }

        for (removal, users) in self.removals.iter().zip(users) {
            users.require_none(removal)?;
        }
        Ok((count <= count_max).then_some(count))
    }
}

/// The relationships that use what a schema takes away.
#[derive(Default)]
struct RemovalUses {
    /// Whether it must not go whatever is stored.
    forbidden: bool,
    count: u64,
    /// Whether counting stopped early.
    more: bool,
    example: Option<Box<Relationship>>,
}

impl RemovalUses {
    /// Those of a snapshot.
    fn stored(
        snapshot: &Snapshot<'_>,
        removal: &Removal,
        budget: &ScanBudget<'_>,
    ) -> Result<Self, DatabaseError> {
        let filters = removal.filters();
        let mut users = Self { forbidden: removal.is_always_forbidden(), ..Self::default() };
        for (number, filter) in filters.iter().enumerate() {
            let mut after = None;
            while !users.more {
                let page = snapshot.scan(filter, after.as_ref(), PAGE, budget)?;
                for (relationship, _) in page.rows {
                    let mut seen = filters.iter().take(number);
                    if !seen.any(|filter| filter.matches(&relationship)) {
                        users.add(removal, relationship);
                    }
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(users)
    }

    fn add(&mut self, removal: &Removal, relationship: Relationship) {
        if !removal.matches(&relationship) {
            return;
        }
        if self.count == COUNT_MAX {
            self.more = true;
            return;
        }
        self.count += 1;
        self.example.get_or_insert_with(|| Box::new(relationship));
    }

    fn require_none(self, removal: &Removal) -> Result<(), DatabaseError> {
        let Self { forbidden, count, more, example } = self;
        if !forbidden && count == 0 {
            return Ok(());
        }
        let removal = Box::new(removal.clone());
        Err(DatabaseError::SchemaRemoval { removal, count, counted_all: !more, example })
    }
}

/// A state whose earlier changes are known.
trait ChangeLogReader: RelationshipReader {
    fn changes(
        &self,
        after: ChangePosition,
        count_max: usize,
    ) -> Result<Vec<(ChangePosition, ChangeLogEntry)>, ReadError>;
}

impl ChangeLogReader for Snapshot<'_> {
    fn changes(
        &self,
        after: ChangePosition,
        count_max: usize,
    ) -> Result<Vec<(ChangePosition, ChangeLogEntry)>, ReadError> {
        self.changes(after, count_max)
    }
}

impl ChangeLogReader for Transaction<'_> {
    fn changes(
        &self,
        after: ChangePosition,
        count_max: usize,
    ) -> Result<Vec<(ChangePosition, ChangeLogEntry)>, ReadError> {
        self.changes(after, count_max)
    }
}

/// Whether a relationship is there with exactly these terms.
fn exists(state: &impl RelationshipReader, relationship: &Relationship) -> Result<bool, ReadError> {
    let found = state.find(relationship.resource_key(), relationship.subject.key())?;
    Ok(found == Some(relationship.qualifiers()))
}

#[cfg(test)]
mod tests {
    //! What happens between the look at the snapshot and the write, step by step.

    use super::*;
    use crate::database::{DatabaseOptions, DeleteRequest, WriteRequest};
    use crate::relationship::UpdateOperation;
    use crate::relationship::{RelationshipFilter, RelationshipUpdate};
    use crate::store::{StoreOptions, WriteError};
    use tempfile::TempDir;

    const WITH: &str = "definition user {}\ndefinition document {\n relation owner: user\n}";
    const WITHOUT: &str = "definition user {}\ndefinition document {}";

    struct SchemaWriteFixture {
        _dir: TempDir,
        database: Database,
    }

    impl SchemaWriteFixture {
        fn new() -> Self {
            let dir = TempDir::new().unwrap();
            let (store, options) = (StoreOptions::default(), DatabaseOptions::default());
            let database = Database::open(dir.path(), &store, options).unwrap();
            database.write_schema(at(1), WITH).unwrap();
            Self { _dir: dir, database }
        }

        fn examine(&self, second: i64) -> (ExaminedSchema, Arc<Schema>) {
            let new = Arc::new(schema::compile(WITHOUT).unwrap());
            let snapshot = self.database.store.snapshot(at(second)).unwrap();
            (ExaminedSchema::on(&self.database, &snapshot, &new, &|| false).unwrap(), new)
        }

        fn finish(
            &self,
            second: i64,
            (examined, new): (ExaminedSchema, Arc<Schema>),
        ) -> Result<bool, WriteError<Rejection>> {
            let work = move |transaction: &mut Transaction<'_>| examined.finish(transaction, &new);
            self.database.store.write(at(second), work).map(|(_, written)| written)
        }

        fn add(&self, second: i64, text: &str) {
            let (operation, relationship) = (UpdateOperation::Create, text.parse().unwrap());
            let updates = vec![RelationshipUpdate { operation, relationship }];
            let request = WriteRequest { updates, ..WriteRequest::default() };
            self.database.write(at(second), request).unwrap();
        }

        fn clear(&self, second: i64) {
            let filter = RelationshipFilter {
                resource_type: Some("document".to_owned()),
                ..RelationshipFilter::default()
            };
            let request = DeleteRequest { filter, ..DeleteRequest::default() };
            self.database.delete(at(second), request).unwrap();
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix(second, 0).unwrap()
    }

    #[test]
    fn nothing_in_between() {
        let trial = SchemaWriteFixture::new();
        let examined = trial.examine(2);
        assert!(trial.finish(2, examined).unwrap());
    }

    #[test]
    fn a_relationship_that_comes_in_between_is_seen() {
        let trial = SchemaWriteFixture::new();
        let examined = trial.examine(2);
        trial.add(2, "document:plan#owner@user:ann");
        let refusal = trial.finish(2, examined).unwrap_err();
        let WriteError::Refused(Rejection::Final(error)) = refusal else { panic!("went through") };
        let DatabaseError::SchemaRemoval { count: 1, example: Some(example), .. } = *error else {
            panic!("{error}")
        };
        assert_eq!(example.to_string(), "document:plan#owner@user:ann");
    }

    #[test]
    fn a_relationship_that_comes_and_goes_in_between_does_not_matter() {
        let trial = SchemaWriteFixture::new();
        let examined = trial.examine(2);
        trial.add(2, "document:plan#owner@user:ann");
        trial.clear(2);
        assert!(trial.finish(2, examined).unwrap());
    }

    #[test]
    fn another_schema_in_between_asks_for_a_second_look() {
        let trial = SchemaWriteFixture::new();
        let examined = trial.examine(2);
        trial.database.write_schema(at(2), &format!("{WITH}\n")).unwrap();
        let refusal = trial.finish(2, examined).unwrap_err();
        assert!(matches!(refusal, WriteError::Refused(Rejection::Outdated)));
    }

    #[test]
    fn changes_that_were_forgotten_in_between_ask_for_a_second_look() {
        let trial = SchemaWriteFixture::new();
        let examined = trial.examine(2);
        let later = 1_000_000;
        trial.add(later, "document:plan#owner@user:ann");
        trial.database.collect_garbage(at(2 * later)).unwrap();
        let refusal = trial.finish(2 * later, examined).unwrap_err();
        assert!(matches!(refusal, WriteError::Refused(Rejection::Outdated)));
    }
}
