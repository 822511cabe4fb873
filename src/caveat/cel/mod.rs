//! The Common Expression Language: text to expression, expression to resolved expression, and on to a value.
//!
//! Values may be missing, which is what a caveat is about, and the work is bounded whatever the expression and the
//! values are: in depth by [`parse`], in time and memory by the steps of [`evaluate`].

pub(super) mod address;
mod ast;
mod calls;
pub(super) mod check;
mod compare;
mod conversion;
pub(super) mod evaluate;
mod function;
mod lexer;
mod literal;
mod number;
pub(super) mod parse;
mod pattern;
pub(super) mod print;
mod signature;
pub(super) mod time;
pub(super) mod types;
pub(super) mod value;
