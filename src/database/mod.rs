//! Stub.
#![allow(warnings, clippy::all, clippy::pedantic)]
use crate::engine::*; use crate::relationship::*; use crate::schema::Schema; use crate::store::*;
use std::sync::Arc; use std::collections::*;
pub enum Consistency { MinimizeLatency, AtLeastAsFresh(Revision), AtExactSnapshot(Revision), FullyConsistent }
#[derive(Clone, Debug, Default)] pub struct DatabaseOptions { pub limits: Limits, pub cache_entries_max: usize, pub updates_max: usize, pub preconditions_max: usize }
pub struct Database;
pub struct WriteRequest { pub updates: Vec<RelationshipUpdate>, pub preconditions: Vec<Precondition>, pub metadata: Option<Context> }
pub struct DeleteRequest { pub filter: RelationshipFilter, pub preconditions: Vec<Precondition>, pub limit: Option<u32>, pub allow_partial: bool, pub metadata: Option<Context> }
pub struct Deleted { pub revision: Revision, pub count: u64, pub complete: bool }
#[derive(Debug, thiserror::Error)] pub enum DatabaseError { #[error(transparent)] Engine(#[from] EngineError), #[error(transparent)] Snapshot(#[from] SnapshotError) }
impl Database {
 pub fn new(store: Store, options: DatabaseOptions) -> Database { todo!() }
 pub fn store_id(&self) -> StoreId { todo!() }
 pub fn view(&self, c: Consistency, now: Timestamp) -> Result<View<'_>, DatabaseError> { todo!() }
 pub fn write(&self, now: Timestamp, r: WriteRequest) -> Result<Revision, DatabaseError> { todo!() }
 pub fn delete(&self, now: Timestamp, r: DeleteRequest) -> Result<Deleted, DatabaseError> { todo!() }
 pub fn write_schema(&self, now: Timestamp, text: &str) -> Result<Revision, DatabaseError> { todo!() }
 pub fn collect_garbage(&self, now: Timestamp) -> Result<Collected, DatabaseError> { todo!() }
}
pub struct View<'a>(&'a ());
impl View<'_> {
 pub fn revision(&self) -> Revision { todo!() }
 pub fn schema(&self) -> &Arc<Schema> { todo!() }
 pub fn schema_text(&self) -> Option<Arc<str>> { todo!() }
 pub fn check(&self, q: &Question<'_>, tracing: bool, interrupted: &dyn Fn() -> bool) -> Result<Checked, DatabaseError> { todo!() }
 pub fn check_each(&self, q: &[Question<'_>], tracing: bool, interrupted: &dyn Fn() -> bool) -> Vec<Result<Checked, DatabaseError>> { todo!() }
 pub fn read(&self, f: &RelationshipFilter, after: Option<&ScanPosition>, n: usize) -> Result<Vec<(Relationship, ScanPosition)>, DatabaseError> { todo!() }
}
