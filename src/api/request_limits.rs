//! Limits on requests.

/// Limits on requests. Limits of the database are in its own options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Bytes of a check's caveat context, as a serialized `google.protobuf.Struct`; `None` for no limit.
    pub context_bytes_max: Option<usize>,
    /// Bytes of a caveat that a relationship carries, its context included, as a serialized `ContextualizedCaveat`.
    pub caveat_bytes_max: usize,
    /// Checks in one bulk check.
    pub checks_max: usize,
    /// The largest limit of a read.
    pub read_limit_max: u32,
    /// The largest limit of a lookup of resources.
    pub lookup_resources_limit_max: u32,
    /// The most relationships in one message of an export.
    pub export_limit_max: u32,
    /// Memory of all requests in progress together, in bytes.
    pub all_bytes_max: usize,
    /// Open imports of one caller. All callers share the threads that write what imports bring, of which there are 16 by default.
    pub imports_per_key_max: u32,
    /// Open watches of one caller.
    pub watches_per_key_max: u32,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            context_bytes_max: Some(4_096),
            caveat_bytes_max: 25_000,
            checks_max: 10_000,
            read_limit_max: 1_000,
            lookup_resources_limit_max: 1_000,
            export_limit_max: 10_000,
            all_bytes_max: 256 << 20,
            imports_per_key_max: 8,
            watches_per_key_max: 10_000,
        }
    }
}
