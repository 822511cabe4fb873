//! The language: schema text in, a [`Schema`] or diagnostics out.

mod compiled;
mod reachability;

pub use compiled::{
    AllowedForm, AllowedSubject, Arrow, ArrowBranch, ArrowNotation, CaveatId, Definition,
    DefinitionId, Expr, Node, NodeId, Quantifier, Rule, Schema,
};
