//! A benchmark for every server of `authzed.api.v1`: data of a known shape, questions with known answers, and a generator of calls that is not itself the
//! limit.
//!
//! * [`Workload`]: eight kinds of data from a seed, of any size. The right answer of each question follows from how the data were made, not from what a server says,
//!   so wrong answers are counted.
//! * The generator is one thread with hand-made frames of HTTP/2: about 1.5 µs of its CPU time for a check. It makes calls in a closed or in an open loop (`generator`).
//! * Latencies are kept in HDR histograms. CPU time and memory of the server are read from `/proc`, those of `RocksDB`'s background threads apart (`process`).
//! * Two servers are compared round by round, so that both see the same machine ([`run`] with two targets).
//! * A reference server answers bytes of a check's size from bare hyper ([`serve_reference`]): the least that a call costs on a machine.
//!
//! It speaks plain text, no TLS.

mod caller;
mod clock;
mod dataset;
mod draw;
mod generator;
mod http2;
mod link;
mod load;
mod messages;
mod meter;
mod model;
mod numbers;
mod page;
mod pending;
mod process;
mod protobuf;
mod reference;
mod report;
mod run;
mod settings;
mod wait;
mod workload;

pub use draw::Distribution;
pub use messages::BenchConsistency;
pub use page::page as html_page;
pub use process::listening_process;
pub use reference::{ReferenceError, serve as serve_reference};
pub use report::{
    BenchConditions, BenchReport, LatencyCurve, LatencyFigures, RatioFigure, RoundFigures,
    ServerFigures, Spread, SummaryFigure, TargetReport,
};
pub use run::{BenchError, BenchProgress, run};
pub use settings::{
    BenchCall, BenchSettings, BenchTarget, CallMix, CallSettings, DataSettings, RoundSettings,
};
pub use workload::Workload;
