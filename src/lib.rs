//! Kilwa answers one question: may this subject do this on that resource?
//!
//! ```text
//!                        cli
//!           client      server
//!                    api   config
//!           validation      database
//!              engine        store
//!              schema
//!              caveat
//!           relationship      telemetry
//! ```
//!
//! The modules below stand in reading order. Each uses only modules above it, and `tests/it/architecture` holds that.
//!
//! | module | what it is for |
//! |---|---|
//! | [`telemetry`] | logs, and bounds on how often something is logged |
//! | [`relationship`] | the vocabulary: objects, subjects, relationships, filters, revisions, and the seam through which they are read |
//! | [`caveat`] | the conditions: typed parameters, CEL, three-valued results |
//! | [`schema`] | the language: text in, a compiled schema or every fault at once out |
//! | [`engine`] | the questions: check over a schema and whatever reads relationships |
//! | [`store`] | the history: relationships and schema texts in RocksDB, by revision |
//! | [`database`] | store, compiled schemas and caches behind one handle: a view is one revision of schema and relationships; the rules of writing |
//! | [`validation`] | validation files: schema, relationships, assertions and expected relations |
//! | [`proto`] | the protocol: generated messages, and their conversions to and from the vocabulary |
//! | [`api`] | the gRPC layer: decode, call, encode |
//! | [`config`] | what a server needs to know, as plain values |
//! | [`server`] | the life of a server: listen, serve, collect garbage, drain |
//! | [`client`] | the other end of the wire, for the command line |
//! | [`cli`] | the command line: one file a command, the only module that prints |
//!
//! # Invariants
//!
//! - Queries are evaluated on a view, which is one revision of schema and relationships. A write returns a revision.
//! - The core ([`relationship`], [`caveat`], [`schema`], [`engine`], [`validation`]) has no disk, clock, thread, socket or
//!   randomness: time is an argument, and a validation file is answered by the same code as a request.
//! - [`store`] knows no schema; nothing below [`api`] knows a gRPC code; async ends at the workers of [`api`].
//! - Each foreign thing is known by one module: pest by [`schema`], CEL by [`caveat`], RocksDB by [`store`], tonic by those that
//!   speak gRPC, clap by [`cli`].
//! - An error is never a "no".
//! - No input makes the program panic, overflow a stack or take memory without a bound.

pub mod telemetry;

pub mod relationship;

pub mod caveat;

pub mod schema;

pub mod engine;

pub mod store;

pub mod database;

pub mod validation;

pub mod proto;

pub mod api;

pub mod config;

pub mod server;

pub mod client;

pub mod cli;
