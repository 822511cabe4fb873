//! Caveats: CEL expressions over named, typed parameters, with three-valued results.
//!
//! A [`Caveat`] is compiled once: its body is parsed and type-checked. An evaluation converts the parameters that have a
//! value in the context and evaluates the expression to true, false, or the names of the missing parameters.
//!
//! The parser, values, operators and functions come from the `cel` crate. Its evaluator is not used, because it supports
//! neither missing values nor a limit on work. `typecheck` is the type checker, which the crate does not have, `eval` the
//! evaluator, and `eval::cel_fixes` contains workarounds for bugs in the crate.
//!
//! Invariants: a compiled expression has type bool and reads each of its parameters; an evaluation takes a bounded number
//! of steps and keeps no state; no input causes a panic or a stack overflow.

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
