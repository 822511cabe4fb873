//! Writes of schemas: nothing that relationships use may go.
//!
//! To find out that nothing uses what goes can take a look at many relationships. That happens on a snapshot, while
//! others write on; the write itself then only looks at what has changed since.

use super::error::DatabaseError;
use super::handle::Database;
use crate::relationship::{ReadError, Relationship, Revision, Timestamp, UpdateOperation};
use crate::schema::diff::{self, Removal};
use crate::schema::{self, Schema};
use crate::store::{Change, ChangePosition, Snapshot, Transaction, WriteError};
use std::sync::Arc;

/// How many relationships or changes are read at a time.
const PAGE: usize = 1000;
/// Counting stops here: to know that there are many is enough.
const COUNT_MAX: u64 = 1000;

pub(super) fn write_schema(
    database: &Database,
    now: Timestamp,
    text: &str,
) -> Result<Revision, DatabaseError> {
    let new = Arc::new(schema::compile(text).map_err(DatabaseError::Schema)?);
    loop {
        let snapshot = database.store.snapshot(now)?;
        let examined = Examined::on(database, &snapshot, &new)?;
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
            Err(WriteError::Closed) => return Err(DatabaseError::Closed),
        }
    }
}

/// Why the write was not made.
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
    ) -> Result<Self, DatabaseError> {
        let schema_revision = snapshot.schema_revision()?;
        let current = database.schemas.get(schema_revision, || snapshot.schema())?;
        let same = schema_revision > Revision::default() && current.source() == new.source();
        let removals = diff::removals(&current, new);
        for removal in &removals {
            Users::stored(snapshot, removal)?.require_none(removal)?;
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
    fn stored(snapshot: &Snapshot<'_>, removal: &Removal) -> Result<Self, DatabaseError> {
        let filters = removal.filters();
        let mut users = Self { forbidden: filters.is_empty(), ..Self::default() };
        for filter in &filters {
            let mut after = None;
            while !users.more {
                let page = snapshot.scan(filter, after.as_ref(), PAGE)?;
                let Some((_, last)) = page.last() else { break };
                after = Some(last.clone());
                for (relationship, _) in page {
                    users.add(removal, relationship);
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
        let removal = removal.clone();
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
