//! Writes of schemas, which must not remove what relationships use.
//!
//! To decide that, many relationships may have to be read. That runs on a snapshot, while other writes continue; the writer
//! then only reads the changes since.

use super::change_log::{
    CATCH_UPS_MAX, CHANGES_MAX, CHANGES_PAGE, ChangeLogReader, written_relationship,
};
use super::proposal::{Caller, Examination, ExaminedWrite, Proposal, Rejection};
use super::removal_uses::RemovalUses;
use crate::database::error::DatabaseError;
use crate::database::handle::Database;
use crate::relationship::{ReadError, Relationship, RelationshipReader, Revision};
use crate::schema::removals::{self, Removal};
use crate::schema::{self, Schema};
use crate::store::{ChangePosition, Snapshot, Transaction, WriteClock};
use std::sync::{Arc, OnceLock};

/// A write of a schema.
#[derive(Debug)]
pub struct WriteSchema {
    text: String,
    compiled: OnceLock<Arc<Schema>>,
}

impl WriteSchema {
    /// A write of this text.
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
        let Examination { database, view, .. } = examination;
        let new = self.compiled()?;
        let mut examined = ExaminedSchema::on(database, &view.snapshot, &new)?;
        examined.catch_up(examination)?;

        let schemas = Arc::clone(&database.state.schemas);
        Ok(ExaminedWrite::new(move |transaction, _| {
            if examined.finish(transaction, &new)? {
                // Before the commit, so that the first reader of the revision finds it compiled. If the commit fails, the
                // revision is either found on disk with this text, or written by another schema, which is kept instead.
                schemas.keep(transaction.revision(), new);
            }
            Ok(())
        }))
    }
}

/// The removals of a new schema, after no use of them was found on a snapshot.
struct ExaminedSchema {
    revision: Revision,
    schema_revision: Revision,
    /// Whether the text is that of the current schema.
    same: bool,
    removals: Vec<Removal>,
}

impl ExaminedSchema {
    fn on(
        database: &Database,
        snapshot: &Snapshot<'_>,
        new: &Schema,
    ) -> Result<Self, DatabaseError> {
        let schema_revision = snapshot.schema_revision()?;
        let current = database.state.schemas.get(schema_revision, || snapshot.schema())?;
        let same = schema_revision > Revision::default() && current.source() == new.source();
        let removals = removals::removals(&current, new);
        let budget = snapshot.scan_budget();

        for removal in &removals {
            RemovalUses::stored(snapshot, removal, &budget)?.require_none(removal)?;
        }
        Ok(Self { revision: snapshot.revision(), schema_revision, same, removals })
    }

    /// Reads the changes since the snapshot, so that few are left for the writer.
    fn catch_up(&mut self, examination: &Examination<'_>) -> Result<(), DatabaseError> {
        if self.removals.is_empty() {
            return Ok(());
        }
        for _ in 0..CATCH_UPS_MAX {
            let newer = examination.newer_view()?;
            let snapshot = &newer.snapshot;
            let is_collected = snapshot.oldest_revision() > self.revision;
            if is_collected || snapshot.schema_revision()? != self.schema_revision {
                return Ok(());
            }
            let changes = self.require_still_unused(snapshot, usize::MAX)?;
            self.revision = snapshot.revision();
            if changes.is_some_and(|count| count <= CHANGES_PAGE) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Writes the schema, unless a relationship written since uses what it removes. `false` when it is the current schema.
    fn finish(self, transaction: &mut Transaction<'_>, new: &Schema) -> Result<bool, Rejection> {
        let is_collected = transaction.oldest_revision() > self.revision;
        if is_collected || transaction.schema_revision() != self.schema_revision {
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

    /// Requires that no relationship written since uses what is removed. Returns the number of changes since, or `None` when
    /// there are more than `count_max`: the rest is not read.
    fn require_still_unused(
        &self,
        state: &impl ChangeLogReader,
        count_max: usize,
    ) -> Result<Option<usize>, DatabaseError> {
        if self.removals.is_empty() {
            return Ok(Some(0));
        }
        let mut uses: Vec<RemovalUses> =
            self.removals.iter().map(|_| RemovalUses::default()).collect();
        let (mut count, mut after) = (0, ChangePosition::after(self.revision));

        while count <= count_max {
            let page = state.changes(after, CHANGES_PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            count += page.len();
            for relationship in
                page.into_iter().filter_map(|(_, change)| written_relationship(change))
            {
                let removals = self.removals.iter().zip(&mut uses);
                let mut matching = removals.filter(|(it, _)| it.matches(&relationship)).peekable();
                if matching.peek().is_some() && is_unchanged(state, &relationship)? {
                    matching.for_each(|(removal, uses)| uses.add(removal, relationship.clone()));
                }
            }
        }

        for (removal, uses) in self.removals.iter().zip(uses) {
            uses.require_none(removal)?;
        }
        Ok((count <= count_max).then_some(count))
    }
}

/// Whether a relationship exists with exactly this caveat and expiration.
fn is_unchanged(
    state: &impl RelationshipReader,
    relationship: &Relationship,
) -> Result<bool, ReadError> {
    let found = state.find(relationship.resource_key(), relationship.subject.key())?;
    Ok(found == Some(relationship.qualifiers()))
}

impl Database {
    /// Writes a schema, unless it is not valid or removes what relationships use.
    pub fn write_schema(
        &self,
        clock: impl Into<WriteClock>,
        text: &str,
    ) -> Result<Revision, DatabaseError> {
        let written = self.execute(&Caller::patient(clock), WriteSchema::new(text));
        written.map(|(revision, ())| revision)
    }
}

#[cfg(test)]
mod tests {
    //! Changes between the examination and the write, step by step.

    use super::*;
    use crate::database::{DatabaseOptions, DeleteRequest, WriteRequest};
    use crate::relationship::{RelationshipFilter, RelationshipUpdate, Timestamp, UpdateOperation};
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
            (ExaminedSchema::on(&self.database, &snapshot, &new).unwrap(), new)
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
    fn a_relationship_written_in_between_is_found() {
        let trial = SchemaWriteFixture::new();
        let examined = trial.examine(2);
        trial.add(2, "document:plan#owner@user:ann");
        let refusal = trial.finish(2, examined).unwrap_err();
        let WriteError::Refused(Rejection::Final(error)) = refusal else { panic!("written") };
        let DatabaseError::SchemaRemoval { count: 1, example: Some(example), .. } = *error else {
            panic!("{error}")
        };
        assert_eq!(example.to_string(), "document:plan#owner@user:ann");
    }

    #[test]
    fn a_relationship_written_and_deleted_in_between_does_not_matter() {
        let trial = SchemaWriteFixture::new();
        let examined = trial.examine(2);
        trial.add(2, "document:plan#owner@user:ann");
        trial.clear(2);
        assert!(trial.finish(2, examined).unwrap());
    }

    #[test]
    fn another_schema_in_between_makes_the_examination_outdated() {
        let trial = SchemaWriteFixture::new();
        let examined = trial.examine(2);
        trial.database.write_schema(at(2), &format!("{WITH}\n")).unwrap();
        let refusal = trial.finish(2, examined).unwrap_err();
        assert!(matches!(refusal, WriteError::Refused(Rejection::Outdated)));
    }

    #[test]
    fn changes_collected_in_between_make_the_examination_outdated() {
        let trial = SchemaWriteFixture::new();
        let examined = trial.examine(2);
        let later = 1_000_000;
        trial.add(later, "document:plan#owner@user:ann");
        trial.database.collect_garbage(at(2 * later)).unwrap();
        let refusal = trial.finish(2 * later, examined).unwrap_err();
        assert!(matches!(refusal, WriteError::Refused(Rejection::Outdated)));
    }
}
