//! The conditions: named, typed parameters and a CEL expression over them, with three-valued results.
//!
//! A [`Caveat`] is compiled once: its body is parsed and type-checked. To evaluate it is to convert the parameters that a
//! context has a value for, and to walk the expression, which says true, false, or what is missing to say it.
//!
//! Parsing, values, operators and functions are the `cel` crate's. Its evaluator is not used: it knows neither what is
//! missing nor an end of work. `check` is the type checker, which the crate does not have, `evaluate` the way through
//! an expression, and `mended` what the crate has wrong.
//!
//! Invariants: whatever compiled has a bool as its result and reads each of its parameters; an evaluation takes a
//! bounded number of steps and keeps nothing; no input makes it panic or overflow the stack.

mod call_kind;
mod compiled;
mod context;
mod error;
mod eval;
mod parameter;
mod parse;
mod print;
mod typecheck;

pub use compiled::{Caveat, CaveatResult};
pub use error::{CaveatError, CompileError, CompileErrorKind};
pub use eval::budget::Steps;
pub use parameter::{Parameter, ParameterType, UnknownType};
