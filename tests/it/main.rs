//! Everything that is tested through the public surface, as one binary: one module a topic.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod agreement;
mod architecture;
mod as_of;
mod big_shapes;
mod big_shapes_on_disk;
mod bulk_at_scale;
mod bulk_export;
mod bulk_import;
mod cache;
mod caveat;
mod caveat_language;
mod caveat_mended;
mod check_in_cycles;
mod check_limits;
mod check_rules;
mod cli;
mod cli_backup;
mod cli_files;
mod cli_lists;
mod cli_questions;
mod cli_serve;
mod cli_watch;
mod clients;
mod compatibility;
mod corpora;
mod damage;
mod database;
mod differential;
mod examples;
mod expand;
mod failing_disk;
mod from_spicedb;
mod history;
mod lookup_at_scale;
mod lookup_resources;
mod lookup_rules;
mod lookup_subjects;
mod lookup_waiting;
mod memo_counterexamples;
mod outside;
mod peer;
mod permission_list;
mod readers;
mod readme;
mod recovery;
mod reference;
mod scan_limits;
mod schema_changes;
mod schema_dependencies;
mod schema_diff;
mod schema_errors;
mod schema_files;
mod schema_format;
mod schema_layout;
mod schema_limits;
mod schema_lint;
mod schema_operators;
mod schema_rules;
mod schema_support;
mod schema_syntax;
mod serve_testing;
mod served;
mod server;
mod server_support;
mod spicedb;
mod spicedb_lists;
mod spicedb_schema;
mod store;
mod store_model;
mod subject_agreement;
mod subject_lists;
mod tenant_lives;
mod validation;
mod watch_model;
mod watch_restart;
mod watch_slow;
mod watch_support;
mod wire;
mod wire_check;
mod wire_counters;
mod wire_cursors;
mod wire_delete_cursors;
mod wire_expand;
mod wire_export;
mod wire_filters;
mod wire_import;
mod wire_lookup_resources;
mod wire_lookup_subjects;
mod wire_own_writes;
mod wire_reflection;
mod wire_relationships;
mod wire_schema;
mod wire_tokens;
mod wire_validation;
mod wire_watch;
mod wire_watch_expirations;
mod write_conditions;
mod write_queue;
