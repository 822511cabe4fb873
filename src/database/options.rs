//! Limits and memory sizes of a database.

use crate::engine::Limits;

/// Limits and memory budgets of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatabaseOptions {
    /// How much one check, lookup or expansion may cost.
    pub limits: Limits,
    /// Maximum memory of the cache of check results, in bytes; 0 disables it.
    pub cache_bytes: usize,
    /// Maximum memory of all running lookups together, in bytes.
    pub lookups_bytes_max: usize,
    /// Maximum memory of parked lookups, in bytes; 0 disables parking.
    pub parked_lookups_bytes: usize,
    /// Maximum updates per write.
    pub updates_max: usize,
    /// Maximum preconditions per write or deletion.
    pub preconditions_max: usize,
    /// Maximum limit of a deletion.
    pub delete_limit_max: u32,
    /// Maximum metadata of a write or deletion, in bytes of JSON.
    pub metadata_bytes_max: usize,
}

impl Default for DatabaseOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            cache_bytes: 64 << 20,
            lookups_bytes_max: 1 << 30,
            parked_lookups_bytes: 32 << 20,
            updates_max: 1000,
            preconditions_max: 1000,
            delete_limit_max: 1000,
            metadata_bytes_max: 65_000,
        }
    }
}
