//! Kilwa is a permission engine: it decides whether a subject has a permission on a resource, from relationships and a schema.
//!
//! Most users run the `kilwa` server. The library has three entry points for programs that embed it:
//!
//! - [`engine::Engine`] evaluates checks over a schema and relationships in memory, without a disk, a clock or a runtime;
//! - [`database::Database`] adds storage, history and consistency, on disk or in memory;
//! - [`server::run`] serves the gRPC API on a listener until a future completes; [`config::Config`] holds its options.
//!
//! Two programs in `examples/` embed the engine and the server. This is a check without a server:
//!
//! ```
//! use kilwa::engine::{CheckQuery, Engine};
//! use kilwa::relationship::{RelationshipSet, Timestamp};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let schema = kilwa::schema::compile(
//!     "definition user {}
//!      definition document {
//!          relation owner: user
//!          permission read = owner
//!      }",
//! )?;
//! let mut relationships = RelationshipSet::default();
//! relationships.insert("document:plan#owner@user:ann".parse()?);
//! let engine = Engine::new(schema, relationships);
//!
//! // The engine has no clock: the caller passes the time that decides which relationships have expired.
//! let now = Timestamp::parse("2026-11-28T12:00:00Z")?;
//! let (plan, ann) = ("document:plan".parse()?, "user:ann".parse()?);
//! let result = engine.check(&CheckQuery::new(&plan, "read", &ann), now)?;
//! assert!(result.permissionship.is_granted());
//! # Ok(())
//! # }
//! ```
//!
//! And a server that another part of the program stops:
//!
//! ```
//! use kilwa::config::Config;
//! use kilwa::server;
//! use std::time::Duration;
//! use tokio::net::TcpListener;
//! use tokio::sync::oneshot;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let data_dir = tempfile::tempdir()?;
//! # let data_dir = data_dir.path();
//! let config = Config::new(data_dir).with_key("secret").with_shutdown_grace(Duration::from_secs(2));
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let (stop, stopped) = oneshot::channel::<()>();
//! let serving = tokio::spawn(server::run(listener, config, async { drop(stopped.await) }));
//!
//! // Calls that are running get the grace period; then the data folder is closed.
//! drop(stop);
//! serving.await??;
//! # Ok(())
//! # }
//! ```
//!
//! # Modules
//!
//! ```text
//!                        cli
//!           client      server      bench
//!                    api   config
//!           validation      database
//!              engine        store
//!              schema
//!              caveat
//!           relationship      telemetry
//! ```
//!
//! They are listed in reading order. Each uses only modules above it, which `tests/it/architecture` enforces.
//!
//! | module | what it is for |
//! |---|---|
//! | [`telemetry`] | logs, and rate limits of log lines |
//! | `file_mode` | who may read and change a file |
//! | [`relationship`] | the vocabulary: objects, subjects, relationships, filters and revisions; the reader trait and its in-memory implementation |
//! | [`caveat`] | caveats: typed parameters, CEL expressions, three-valued results |
//! | [`schema`] | the schema language: compiles text into a schema, or returns all errors at once |
//! | [`engine`] | check, expand and lookups over a schema and any relationship reader |
//! | [`store`] | storage: relationships and schema texts in RocksDB, by revision |
//! | [`database`] | store, compiled schemas and caches behind one handle: a view is one revision of schema and relationships; the rules of writing |
//! | [`validation`] | validation files: schema, relationships, assertions and expected relations |
//! | [`proto`] | the protocol: generated messages, and their conversions to and from the vocabulary |
//! | [`settings_file`] | small TOML files for a part of the server: reading, and mistakes with their lines |
//! | [`access`] | callers and their roles: who may call which method on which part of the data |
//! | [`audit`] | the audit log: a record of each call as a `CloudEvent`, in a file or on standard output |
//! | [`api`] | the gRPC layer: decode, call, encode |
//! | [`envoy`] | external authorization of Envoy: rules that make checks of requests |
//! | [`config`] | the options of a server |
//! | [`server`] | the server: listen, serve, collect garbage, drain |
//! | [`client`] | the gRPC client of the command line |
//! | [`mod@bench`] | the benchmark: workloads with known answers, a generator of calls, a reference server |
//! | [`cli`] | the command line: one file per command; the only module that prints |
//!
//! # Invariants
//!
//! - Queries are evaluated on a view, which is one revision of schema and relationships. A write returns a revision.
//! - The core ([`relationship`], [`caveat`], [`schema`], [`engine`], [`validation`]) has no disk, clock, thread, socket or
//!   randomness: time is an argument, and a validation file is answered by the same code as a request.
//! - [`store`] knows no schema; nothing below [`api`] knows a gRPC code; async ends at the workers of [`api`].
//! - Each foreign crate is used by one module: pest by [`schema`], CEL by [`caveat`], RocksDB by [`store`], tonic by those that
//!   speak gRPC, clap by [`cli`].
//! - An error is never a "no".
//! - No input makes the program panic, overflow a stack or allocate memory without a bound.

pub mod telemetry;

mod file_mode;

pub mod relationship;

pub mod caveat;

pub mod schema;

pub mod engine;

pub mod store;

pub mod database;

pub mod validation;

pub mod proto;

pub mod settings_file;

pub mod access;
pub mod metrics;

pub mod traces;

pub mod audit;

pub mod api;

pub mod config;

pub mod http;

pub mod envoy;

pub mod server;

pub mod client;

pub mod bench;

pub mod cli;
