//! The parser that pest derives from `grammar.pest`.

#[derive(pest_derive::Parser)]
#[grammar = "schema/parse/grammar.pest"]
pub(super) struct Grammar;
