//! The conditions: named, typed parameters and a CEL expression over them, with three-valued results.
//!
//! A [`Caveat`] is compiled once: its body is parsed, type-checked and resolved. To evaluate it is to convert the
//! parameters that a context has a value for, and to walk the resolved expression, which says true, false, or what is
//! missing to say it.
//!
//! Invariants: whatever compiled has a bool as its result and reads each of its parameters; an evaluation takes a
//! bounded number of steps and keeps nothing; no input makes it panic or overflow the stack.

mod cel;
mod context;
mod error;
mod types;

pub use error::{CaveatError, CompileError, CompileErrorKind};
pub use types::{Parameter, ParameterType, UnknownType};

use crate::relationship::Context;
use cel::check::{Checked, check};
use cel::evaluate::{Evaluation, Node};
use cel::types::Type;
use cel::value::{STEPS_MAX, Stop, Value};
use std::collections::BTreeSet;
use std::ops::Range;

/// How long a body may be, in characters.
const BODY_LENGTH_MAX: usize = 100_000;

/// A compiled caveat. Immutable; many threads may evaluate it at once.
#[derive(Debug)]
pub struct Caveat {
    name: String,
    doc: String,
    parameters: Vec<Parameter>,
    body: String,
    canonical_body: String,
    node: Node,
}

/// What a caveat says about a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The condition does not hold.
    False,
    /// The condition holds.
    True,
    /// Undecided: these parameters have no value and are needed.
    Missing(BTreeSet<String>),
}

impl Caveat {
    /// The caveat of a name, its doc comment, its parameters and the text between its braces.
    ///
    /// # Errors
    ///
    /// The first fault in the syntax, or every fault in the names and types and every unused parameter.
    pub fn compile(
        name: &str,
        doc: &str,
        parameters: Vec<Parameter>,
        body: &str,
    ) -> Result<Self, Vec<CompileError>> {
        let caveat = || name.to_owned();
        let whole = trimmed_range(body);
        if body.trim().chars().nth(BODY_LENGTH_MAX).is_some() {
            let message = format!("it is longer than {BODY_LENGTH_MAX} characters");
            let kind = CompileErrorKind::TooLarge { caveat: caveat(), message };
            return Err(vec![CompileError { kind, range: whole }]);
        }
        let expr = cel::parse::parse(body).map_err(|fault| {
            let kind = CompileErrorKind::Syntax { caveat: caveat(), message: fault.message };
            vec![CompileError { kind, range: fault.range }]
        })?;
        let typed: Vec<(&str, Type)> = parameters
            .iter()
            .map(|parameter| (parameter.name.as_str(), Type::from(&parameter.parameter_type)))
            .collect();
        let Checked { node, used, faults } = check(&expr, &typed);
        let faults = faults.into_iter().map(|fault| {
            let kind = CompileErrorKind::Type { caveat: caveat(), message: fault.message };
            CompileError { kind, range: fault.range }
        });
        let unused = parameters.iter().zip(used).filter(|(_, used)| !used).map(|(parameter, _)| {
            let unused = parameter.name.clone();
            let kind = CompileErrorKind::UnusedParameter { caveat: caveat(), name: unused };
            CompileError { kind, range: whole.clone() }
        });
        let errors: Vec<CompileError> = faults.chain(unused).collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            name: name.to_owned(),
            doc: doc.to_owned(),
            body: body.trim().to_owned(),
            canonical_body: cel::print::print(&expr),
            parameters,
            node,
        })
    }

    /// Its name, prefixes included.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The doc comment above it, without comment marks; empty when there is none.
    pub fn doc(&self) -> &str {
        &self.doc
    }

    /// Its parameters, in written order.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The expression as written, trimmed.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The expression in the one spelling that the canonical schema text uses: comments gone, single spaces, double
    /// quotes, lines broken after `&&` and `||` where they grow beyond 80 columns. Compiling it gives the same caveat.
    pub fn canonical_body(&self) -> String {
        self.canonical_body.clone()
    }

    /// Whether a relationship may carry this context: every name a parameter, every value of its type.
    pub fn check_stored(&self, stored: &Context) -> Result<(), CaveatError> {
        for (name, value) in stored.iter() {
            let parameter = self.parameters.iter().find(|parameter| parameter.name == name);
            let Some(parameter) = parameter else {
                let (caveat, parameter) = (self.name.clone(), name.to_owned());
                return Err(CaveatError::UnknownParameter { caveat, parameter });
            };
            self.convert(parameter, value)?;
        }
        Ok(())
    }

    /// What the caveat says. A stored value wins over the request's; names that are no parameters are ignored.
    pub fn evaluate(&self, stored: &Context, request: &Context) -> Result<Outcome, CaveatError> {
        let given = |parameter: &Parameter| {
            let name = parameter.name.as_str();
            let value = stored.get(name).or_else(|| request.get(name));
            value.map(|value| self.convert(parameter, value)).transpose()
        };
        let values: Vec<Option<Value>> =
            self.parameters.iter().map(given).collect::<Result<_, _>>()?;
        match Evaluation::new(&values).value(&self.node) {
            Ok(Value::Bool(true)) => Ok(Outcome::True),
            Ok(Value::Bool(false)) => Ok(Outcome::False),
            Ok(other) => Err(self.failure(format!("the result is no bool: {}", other.shown()))),
            Err(Stop::Missing(positions)) => Ok(Outcome::Missing(self.names(&positions))),
            Err(Stop::Failed(message)) => Err(self.failure(message)),
            Err(Stop::Exhausted) => Err(self.failure(format!(
                "the expression takes more than {STEPS_MAX} steps on this context"
            ))),
        }
    }

    fn convert(
        &self,
        parameter: &Parameter,
        value: &serde_json::Value,
    ) -> Result<Value, CaveatError> {
        context::convert(value, &parameter.parameter_type).map_err(|message| {
            let (caveat, parameter) = (self.name.clone(), parameter.name.clone());
            CaveatError::ParameterType { caveat, parameter, message }
        })
    }

    fn names(&self, positions: &BTreeSet<usize>) -> BTreeSet<String> {
        let parameters = positions.iter().filter_map(|position| self.parameters.get(*position));
        parameters.map(|parameter| parameter.name.clone()).collect()
    }

    fn failure(&self, message: String) -> CaveatError {
        CaveatError::Evaluation { caveat: self.name.clone(), message }
    }
}

/// The bytes of a text between the blanks around it.
fn trimmed_range(text: &str) -> Range<usize> {
    let start = text.len() - text.trim_start().len();
    start..start + text.trim().len()
}
