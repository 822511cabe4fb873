//! Options of a server that limit requests.

use super::defaults::defaults;
use crate::cli::duration;
use crate::config::Config;
use clap::Args;
use std::num::NonZero;
use std::time::Duration;

/// Limits on requests.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(in crate::cli) struct LimitArgs {
    /// Maximum depth of a check: relations and permissions from a resource to a subject. [default: none]
    #[arg(
        long,
        env = "KILWA_DISPATCH_MAX_DEPTH",
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    dispatch_max_depth: Option<u32>,
    /// Maximum number of object-and-relation nodes that one check may visit.
    #[arg(
        long,
        env = "KILWA_MAX_CHECK_VISITS",
        default_value_t = defaults().database.limits.visits_max,
        value_parser = clap::value_parser!(u64).range(1..),
        value_name = "COUNT"
    )]
    max_check_visits: u64,
    /// Maximum number of store reads of one check.
    #[arg(
        long,
        env = "KILWA_MAX_CHECK_READS",
        default_value_t = defaults().database.limits.reads_max,
        value_parser = clap::value_parser!(u64).range(1..),
        value_name = "COUNT"
    )]
    max_check_reads: u64,
    /// Maximum number of evaluation steps of all caveats of one check.
    #[arg(
        long,
        env = "KILWA_MAX_CHECK_CAVEAT_STEPS",
        default_value_t = defaults().database.limits.caveat_steps_max,
        value_parser = clap::value_parser!(u64).range(1..),
        value_name = "COUNT"
    )]
    max_check_caveat_steps: u64,
    /// Maximum duration of one check, or of all checks of one bulk check together.
    #[arg(
        long,
        env = "KILWA_MAX_CHECK_DURATION",
        default_value = duration::text(defaults().database.limits.time_max.unwrap_or_default()),
        value_parser = duration::parse_positive,
        value_name = "DURATION"
    )]
    max_check_duration: Duration,
    /// Maximum duration of a call whose client sets no deadline. Streams have timeouts of their own.
    #[arg(
        long,
        env = "KILWA_MAX_CALL_DURATION",
        default_value = duration::text(defaults().call_time_max),
        value_parser = duration::parse_positive,
        value_name = "DURATION"
    )]
    max_call_duration: Duration,
    /// Maximum size of the caveat context of a check, in bytes; 0 or less for no limit.
    #[arg(
        long,
        env = "KILWA_MAX_CAVEAT_CONTEXT_SIZE",
        default_value = defaults().requests.context_bytes_max.unwrap_or_default().to_string(),
        allow_negative_numbers = true,
        value_name = "BYTES"
    )]
    max_caveat_context_size: i64,
    /// Maximum size of the caveat context stored with a relationship, in bytes.
    #[arg(
        long,
        env = "KILWA_MAX_RELATIONSHIP_CONTEXT_SIZE",
        default_value_t = defaults().requests.caveat_bytes_max,
        value_name = "BYTES"
    )]
    max_relationship_context_size: usize,
    /// Maximum updates per write.
    #[arg(
        long,
        env = "KILWA_WRITE_RELATIONSHIPS_MAX_UPDATES_PER_CALL",
        default_value = defaults().database.updates_max.to_string(),
        value_name = "COUNT"
    )]
    write_relationships_max_updates_per_call: NonZero<usize>,
    /// Maximum preconditions per write or deletion.
    #[arg(
        long,
        env = "KILWA_UPDATE_RELATIONSHIPS_MAX_PRECONDITIONS_PER_CALL",
        default_value_t = defaults().database.preconditions_max,
        value_name = "COUNT"
    )]
    update_relationships_max_preconditions_per_call: usize,
    /// Maximum limit of one read of relationships.
    #[arg(
        long,
        env = "KILWA_MAX_READ_RELATIONSHIPS_LIMIT",
        default_value_t = defaults().requests.read_limit_max,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    max_read_relationships_limit: u32,
    /// Maximum limit of one lookup of resources.
    #[arg(
        long,
        env = "KILWA_MAX_LOOKUP_RESOURCES_LIMIT",
        default_value_t = defaults().requests.lookup_resources_limit_max,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    max_lookup_resources_limit: u32,
    /// Maximum memory of one lookup for the objects between a subject and its resources, in bytes.
    #[arg(
        long,
        env = "KILWA_MAX_LOOKUP_MEMORY",
        default_value_t = defaults().database.limits.lookup_bytes_max,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "BYTES"
    )]
    max_lookup_memory: u32,
    /// Maximum memory of all running requests together, from the first byte to the end of the response, in bytes.
    /// Requests beyond it are refused with `RESOURCE_EXHAUSTED`.
    #[arg(
        long,
        env = "KILWA_MAX_REQUESTS_MEMORY",
        default_value = defaults().requests.all_bytes_max.to_string(),
        value_parser = clap::value_parser!(u32).range(1 << 20..),
        value_name = "BYTES"
    )]
    max_requests_memory: u32,
    /// Maximum number of subjects that one expand, or one window of a lookup of subjects, may hold in memory.
    #[arg(
        long,
        env = "KILWA_MAX_LOOKUP_SUBJECTS",
        default_value_t = defaults().database.limits.subjects_max,
        value_parser = clap::value_parser!(u64).range(1..),
        value_name = "COUNT"
    )]
    max_lookup_subjects: u64,
    /// Maximum relationships per message of a bulk export.
    #[arg(
        long,
        env = "KILWA_MAX_BULK_EXPORT_RELATIONSHIPS_LIMIT",
        default_value_t = defaults().requests.export_limit_max,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    max_bulk_export_relationships_limit: u32,
    /// Maximum limit of one deletion.
    #[arg(
        long,
        env = "KILWA_MAX_DELETE_RELATIONSHIPS_LIMIT",
        default_value_t = defaults().database.delete_limit_max,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    max_delete_relationships_limit: u32,
}

impl LimitArgs {
    /// Copies the options into a configuration.
    pub(in crate::cli) fn apply(&self, config: &mut Config) {
        config.database.limits.depth_max = self.dispatch_max_depth;
        config.database.limits.visits_max = self.max_check_visits;
        config.database.limits.reads_max = self.max_check_reads;
        config.database.limits.caveat_steps_max = self.max_check_caveat_steps;
        config.database.limits.time_max = Some(self.max_check_duration);
        config.call_time_max = self.max_call_duration;
        config.requests.caveat_bytes_max = self.max_relationship_context_size;

        config.database.updates_max = self.write_relationships_max_updates_per_call.get();
        config.database.preconditions_max = self.update_relationships_max_preconditions_per_call;
        config.requests.context_bytes_max =
            usize::try_from(self.max_caveat_context_size).ok().filter(|bytes| *bytes > 0);
        config.requests.read_limit_max = self.max_read_relationships_limit;
        config.requests.lookup_resources_limit_max = self.max_lookup_resources_limit;
        config.database.limits.lookup_bytes_max = self.max_lookup_memory;
        config.requests.all_bytes_max =
            usize::try_from(self.max_requests_memory).unwrap_or(usize::MAX);
        config.database.limits.subjects_max = self.max_lookup_subjects;
        config.requests.export_limit_max = self.max_bulk_export_relationships_limit;
        config.database.delete_limit_max = self.max_delete_relationships_limit;
    }
}
