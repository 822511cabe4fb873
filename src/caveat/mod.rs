//! The conditions: named, typed parameters and a CEL expression over them, with three-valued results.

mod error;
mod types;

pub use error::{CaveatError, CompileError, CompileErrorKind};
pub use types::{Parameter, ParameterType, UnknownType};

use crate::relationship::Context;
use std::collections::BTreeSet;

/// A compiled caveat. Immutable; many threads may evaluate it at once.
#[derive(Debug)]
pub struct Caveat {
    name: String,
    doc: String,
    parameters: Vec<Parameter>,
    body: String,
    expression: cel::IdedExpr,
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
    pub fn compile(
        name: &str,
        doc: &str,
        parameters: Vec<Parameter>,
        body: &str,
    ) -> Result<Self, Vec<CompileError>> {
        let (name, doc, body) = (name.to_owned(), doc.to_owned(), body.to_owned());
        let fault = |kind| CompileError { kind, range: 0..body.len() };
        let expression = cel::parser::Parser::new()
            .enable_optional_syntax(true)
            .parse(&body)
            .map_err(|errors| {
                vec![fault(CompileErrorKind::Syntax {
                    caveat: name.clone(),
                    message: errors.errors.first().map_or_else(String::new, |e| e.msg.clone()),
                })]
            })?;
        let unused: Vec<CompileError> = parameters
            .iter()
            .filter(|parameter| !expression.references().has_variable(&parameter.name))
            .map(|parameter| {
                fault(CompileErrorKind::UnusedParameter {
                    caveat: name.clone(),
                    name: parameter.name.clone(),
                })
            })
            .collect();
        if !unused.is_empty() {
            return Err(unused);
        }
        let body = body.trim().to_owned();
        Ok(Self { name, doc, parameters, body, expression })
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

    /// The expression in the one spelling that the canonical schema text uses.
    pub fn canonical_body(&self) -> String {
        self.body.clone()
    }

    /// Whether a relationship may carry this context: every name a parameter, every value of its type.
    pub fn check_stored(&self, stored: &Context) -> Result<(), CaveatError> {
        for (name, _) in stored.iter() {
            if !self.parameters.iter().any(|parameter| parameter.name == name) {
                return Err(CaveatError::UnknownParameter {
                    caveat: self.name.clone(),
                    parameter: name.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// What the caveat says. A stored value wins over the request's; names that are no parameters are ignored.
    pub fn evaluate(&self, stored: &Context, request: &Context) -> Result<Outcome, CaveatError> {
        let fault =
            |message: String| CaveatError::Evaluation { caveat: self.name.clone(), message };
        let mut context = cel::Context::default();
        for parameter in &self.parameters {
            if let Some(value) =
                stored.get(&parameter.name).or_else(|| request.get(&parameter.name))
            {
                context
                    .add_variable(parameter.name.clone(), value)
                    .map_err(|error| fault(error.to_string()))?;
            }
        }
        match cel::Value::resolve(&self.expression, &context) {
            Ok(cel::Value::Bool(true)) => Ok(Outcome::True),
            Ok(cel::Value::Bool(false)) => Ok(Outcome::False),
            Ok(other) => Err(fault(format!("the result is {other:?}, not a bool"))),
            Err(cel::ExecutionError::UndeclaredReference(name)) => {
                Ok(Outcome::Missing(BTreeSet::from([name.to_string()])))
            }
            Err(error) => Err(fault(error.to_string())),
        }
    }
}
