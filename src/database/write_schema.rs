//! Writes of schemas: nothing that relationships use may go.
//!
//! To find out that nothing uses what goes can take a look at many relationships. That happens on a snapshot, while
//! others write on; the write itself then only looks at what has changed since.

use super::error::DatabaseError;
use super::handle::Database;
use crate::relationship::{
    ReadError, Relationship, RelationshipReader, Revision, Timestamp, UpdateOperation,
};
use crate::schema::diff::{self, Removal};
use crate::schema::{self, Schema};
use crate::store::{Change, ChangePosition, ScanBudget, Snapshot, Transaction, WriteError};
use std::sync::Arc;

/// How many relationships or changes are read at a time.
const PAGE: usize = 1000;
/// Counting stops here: to know that there are many is enough.
const COUNT_MAX: u64 = 1000;

pub(super) fn write_schema(
    database: &Database,
    now: Timestamp,
    text: &str,
    interrupted: &dyn Fn() -> bool,
) -> Result<Revision, DatabaseError> {
    let new = Arc::new(schema::compile(text).map_err(DatabaseError::Schema)?);
    loop {
        let snapshot = database.store.snapshot(now)?;
        let examined = Examined::on(database, &snapshot, &new, interrupted)?;
        drop(snapshot);
        let written = Arc::clone(&new);
        match database.store.write(now, move |transaction| examined.finish(transaction, &written)) {
            Ok((revision, true)) => {
                database.schemas.keep(revision, new);
                return Ok(revision);
            }
            Ok((revision, false)) => return Ok(revision),
            // Another schema came in between, or what changed since is no longer known: look again.
            Err(WriteError::Refused(Refusal::Moved)) => {}
            Err(WriteError::Refused(Refusal::Final(error))) => return Err(*error),
            Err(WriteError::Commit { reason }) => return Err(DatabaseError::Commit { reason }),
            Err(WriteError::Stopped { reason }) => return Err(DatabaseError::Stopped { reason }),
            Err(WriteError::Closed) => return Err(DatabaseError::Closed),
            Err(WriteError::ReadOnly) => return Err(DatabaseError::ReadOnly),
        }
    }
}

/// Why the write was not made.
#[derive(Debug)]
enum Refusal {
    Moved,
    Final(Box<DatabaseError>),
}

impl From<DatabaseError> for Refusal {
    fn from(error: DatabaseError) -> Self {
        Self::Final(Box::new(error))
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        DatabaseError::from(error).into()
    }
}

/// What a new schema takes away, after no use of it was found on a snapshot.
struct Examined {
    revision: Revision,
    schema_revision: Revision,
    /// Whether the text is the one in force already.
    same: bool,
    removals: Vec<Removal>,
}

impl Examined {
    fn on(
        database: &Database,
        snapshot: &Snapshot<'_>,
        new: &Schema,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Self, DatabaseError> {
        let schema_revision = snapshot.schema_revision()?;
        let current = database.schemas.get(schema_revision, || snapshot.schema())?;
        let same = schema_revision > Revision::default() && current.source() == new.source();
        let removals = diff::removals(&current, new);
        let budget = ScanBudget::new(interrupted);
        for removal in &removals {
            Users::stored(snapshot, removal, &budget)?.require_none(removal)?;
        }
        Ok(Self { revision: snapshot.revision(), schema_revision, same, removals })
    }

    /// Puts the schema into force, unless something came to use what it takes away. `false` when it was in force already.
    fn finish(self, transaction: &mut Transaction<'_>, new: &Schema) -> Result<bool, Refusal> {
        let forgotten = transaction.oldest_revision() > self.revision;
        if forgotten || transaction.schema_revision() != self.schema_revision {
            return Err(Refusal::Moved);
        }
        if self.same {
            return Ok(false);
        }
        for removal in &self.removals {
            Users::changed(transaction, removal, self.revision)?.require_none(removal)?;
        }
        transaction.set_schema(new.source())?;
        Ok(true)
    }
}

/// The relationships that use what a schema takes away.
#[derive(Default)]
struct Users {
    /// Whether it must not go whatever is stored.
    forbidden: bool,
    count: u64,
    /// Whether counting stopped early.
    more: bool,
    example: Option<Box<Relationship>>,
}

impl Users {
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

    /// Those that came behind a revision and are still there.
    fn changed(
        transaction: &Transaction<'_>,
        removal: &Removal,
        since: Revision,
    ) -> Result<Self, DatabaseError> {
        let mut users = Self::default();
        let mut after = ChangePosition::after(since);
        while !users.more {
            let page = transaction.changes(after, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            for (_, change) in page {
                if let Some(relationship) = touched(change)
                    && is_there(transaction, &relationship)?
                {
                    users.add(removal, relationship);
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

fn touched(change: Change) -> Option<Relationship> {
    match change {
        Change::Relationship(update) => match update.operation {
            UpdateOperation::Create | UpdateOperation::Touch => Some(update.relationship),
            UpdateOperation::Delete => None,
        },
        Change::Schema | Change::Metadata(_) => None,
    }
}

/// Whether a relationship is there with exactly these terms.
fn is_there(transaction: &Transaction<'_>, relationship: &Relationship) -> Result<bool, ReadError> {
    let found = transaction.find(relationship.resource_key(), relationship.subject.key())?;
    Ok(found == Some(relationship.terms()))
}

#[cfg(test)]
mod tests {
    //! What happens between the look at the snapshot and the write, step by step.

    use super::super::{DatabaseOptions, DeleteRequest, WriteRequest};
    use super::*;
    use crate::relationship::{RelationshipFilter, RelationshipUpdate};
    use crate::store::StoreOptions;
    use tempfile::TempDir;

    const WITH: &str = "definition user {}\ndefinition document {\n relation owner: user\n}";
    const WITHOUT: &str = "definition user {}\ndefinition document {}";

    struct Trial {
        _dir: TempDir,
        database: Database,
    }

    impl Trial {
        fn new() -> Self {
            let dir = TempDir::new().unwrap();
            let (store, options) = (StoreOptions::default(), DatabaseOptions::default());
            let database = Database::open(dir.path(), &store, options).unwrap();
            write_schema(&database, at(1), WITH, &|| false).unwrap();
            Self { _dir: dir, database }
        }

        fn examine(&self, second: i64) -> (Examined, Arc<Schema>) {
            let new = Arc::new(schema::compile(WITHOUT).unwrap());
            let snapshot = self.database.store.snapshot(at(second)).unwrap();
            (Examined::on(&self.database, &snapshot, &new, &|| false).unwrap(), new)
        }

        fn finish(
            &self,
            second: i64,
            (examined, new): (Examined, Arc<Schema>),
        ) -> Result<bool, WriteError<Refusal>> {
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
        let trial = Trial::new();
        let examined = trial.examine(2);
        assert!(trial.finish(2, examined).unwrap());
    }

    #[test]
    fn a_relationship_that_comes_in_between_is_seen() {
        let trial = Trial::new();
        let examined = trial.examine(2);
        trial.add(2, "document:plan#owner@user:ann");
        let refusal = trial.finish(2, examined).unwrap_err();
        let WriteError::Refused(Refusal::Final(error)) = refusal else { panic!("went through") };
        let DatabaseError::SchemaRemoval { count: 1, example: Some(example), .. } = *error else {
            panic!("{error}")
        };
        assert_eq!(example.to_string(), "document:plan#owner@user:ann");
    }

    #[test]
    fn a_relationship_that_comes_and_goes_in_between_does_not_matter() {
        let trial = Trial::new();
        let examined = trial.examine(2);
        trial.add(2, "document:plan#owner@user:ann");
        trial.clear(2);
        assert!(trial.finish(2, examined).unwrap());
    }

    #[test]
    fn another_schema_in_between_asks_for_a_second_look() {
        let trial = Trial::new();
        let examined = trial.examine(2);
        write_schema(&trial.database, at(2), &format!("{WITH}\n"), &|| false).unwrap();
        let refusal = trial.finish(2, examined).unwrap_err();
        assert!(matches!(refusal, WriteError::Refused(Refusal::Moved)));
    }

    #[test]
    fn changes_that_were_forgotten_in_between_ask_for_a_second_look() {
        let trial = Trial::new();
        let examined = trial.examine(2);
        let later = 1_000_000;
        trial.add(later, "document:plan#owner@user:ann");
        trial.database.collect_garbage(at(2 * later)).unwrap();
        let refusal = trial.finish(2 * later, examined).unwrap_err();
        assert!(matches!(refusal, WriteError::Refused(Refusal::Moved)));
    }
}
