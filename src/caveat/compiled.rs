//! A compiled caveat: its parameters, its parsed expression and the patterns it searches for.

use super::context;
use super::error::{CaveatError, CompileError, CompileErrorKind};
use super::eval::Evaluation;
use super::eval::budget::{EvalStop, Steps};
use super::parameter::Parameter;
use super::typecheck::types::Type;
use super::typecheck::{TypecheckResult, check};
use super::{parse, print};
use crate::relationship::Context;
use cel::IdedExpr;
use cel::common::value::Val;
use regex::Regex;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

/// Maximum length of a body, in characters.
const BODY_LENGTH_MAX: usize = 100_000;

/// A compiled caveat. Immutable; many threads may evaluate it at once.
#[derive(Debug)]
pub struct Caveat {
    name: String,
    doc: String,
    parameters: Vec<Parameter>,
    body: String,
    canonical_body: String,
    expr: IdedExpr,
    /// Compiled literal patterns, by the id of the call that uses them.
    patterns: HashMap<u64, Regex>,
}

/// The result of evaluating a caveat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaveatResult {
    /// The condition is false.
    False,
    /// The condition is true.
    True,
    /// The result depends on these parameters, which have no value.
    Missing(BTreeSet<String>),
}

impl Caveat {
    /// Compiles a caveat from its name, its doc comment, its parameters and the text between its braces.
    ///
    /// # Errors
    ///
    /// The first syntax error, or all errors in names and types and all unused parameters.
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

        let parsed = parse::parse(body).map_err(|fault| {
            let kind = CompileErrorKind::Syntax { caveat: caveat(), message: fault.message };
            vec![CompileError { kind, range: fault.range }]
        })?;

        let typed: Vec<(&str, Type)> = parameters
            .iter()
            .map(|parameter| (parameter.name.as_str(), Type::from(&parameter.parameter_type)))
            .collect();
        let TypecheckResult { used, patterns, faults } = check(&parsed, &typed);
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
            canonical_body: print::print(&parsed.expr),
            parameters,
            expr: parsed.expr,
            patterns,
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

    /// Requires that a relationship may store this context: each name is a parameter, and each value has its type.
    ///
    /// # Errors
    ///
    /// The first name or value that does not fit.
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

    /// Evaluates the caveat. Stored values take precedence over those of the request; names that are not parameters are
    /// ignored. Converting values and evaluating the expression both consume steps.
    ///
    /// # Errors
    ///
    /// [`CaveatError::Exhausted`] when the steps do not suffice, and [`CaveatError::Interrupted`] when the caller no longer waits; otherwise a value has the wrong type or the expression failed.
    pub fn evaluate(
        &self,
        stored: &Context,
        request: &Context,
        steps: &Steps<'_>,
    ) -> Result<CaveatResult, CaveatError> {
        let mut values = Vec::with_capacity(self.parameters.len());
        for parameter in &self.parameters {
            let name = parameter.name.as_str();
            let given = stored.get(name).or_else(|| request.get(name));
            let value = given.map(|value| self.convert(parameter, value)).transpose()?;
            if let Some(value) = &value {
                steps.take_for_copy(value.as_ref()).map_err(|stop| self.stopped(&stop, steps))?;
            }
            values.push(value);
        }

        let evaluation = Evaluation::new(&self.parameters, &values, &self.patterns, steps);
        match evaluation.holds(&self.expr) {
            Ok(true) => Ok(CaveatResult::True),
            Ok(false) => Ok(CaveatResult::False),
            Err(EvalStop::Missing(names)) => Ok(CaveatResult::Missing(names)),
            Err(EvalStop::Failed(message)) => Err(self.failure(message)),
            Err(stop @ (EvalStop::Exhausted | EvalStop::Interrupted)) => {
                Err(self.stopped(&stop, steps))
            }
        }
    }

    fn convert(
        &self,
        parameter: &Parameter,
        value: &serde_json::Value,
    ) -> Result<Box<dyn Val>, CaveatError> {
        context::convert(value, &parameter.parameter_type).map_err(|message| {
            let (caveat, parameter) = (self.name.clone(), parameter.name.clone());
            CaveatError::ParameterType { caveat, parameter, message }
        })
    }

    fn failure(&self, message: String) -> CaveatError {
        CaveatError::Evaluation { caveat: self.name.clone(), message }
    }

    /// The error of an evaluation that did not come to its end.
    fn stopped(&self, stop: &EvalStop, steps: &Steps<'_>) -> CaveatError {
        match stop {
            EvalStop::Interrupted => CaveatError::Interrupted,
            EvalStop::Exhausted | EvalStop::Missing(_) | EvalStop::Failed(_) => {
                CaveatError::Exhausted { caveat: self.name.clone(), steps_max: steps.max() }
            }
        }
    }
}

/// The byte range of a text without surrounding white space.
fn trimmed_range(text: &str) -> Range<usize> {
    let start = text.len() - text.trim_start().len();
    start..start + text.trim().len()
}
