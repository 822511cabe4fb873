//! Caveats: parameter types, and bodies, which the `caveat` module compiles.

use crate::caveat::{
    Caveat, CompileError, CompileErrorKind, Parameter, ParameterType, UnknownType,
};
use crate::schema::diagnostics::fault::{Faults, SchemaFault};
use crate::schema::diagnostics::odd_character::OddCharacter;
use crate::schema::diagnostics::position::Span;
use crate::schema::parse::ast;
use crate::schema::schema::Schema;
use std::collections::HashSet;

/// The longest body, in characters.
const BODY_CHARS_MAX: usize = 100_000;

/// Compiles the caveats, in id order.
pub(super) fn compile(caveats: Vec<ast::CaveatSyntax>, schema: &mut Schema, faults: &mut Faults) {
    for caveat in caveats {
        if let Some(compiled) = compile_one(&caveat, faults) {
            schema.caveats.push(compiled);
        }
        schema.syntax.caveats.push(caveat);
    }
}

fn compile_one(written: &ast::CaveatSyntax, faults: &mut Faults) -> Option<Caveat> {
    let parameters = parameters(written, faults);
    let name = &written.name.text;
    if written.body.text.chars().nth(BODY_CHARS_MAX).is_some() {
        let message = format!(
            "invalid expression for caveat `{name}`: it is longer than {BODY_CHARS_MAX} characters"
        );
        faults.push(SchemaFault::parse("invalid-caveat", written.name.span, message));
        return None;
    }

    match Caveat::compile(name, &written.comment.text, parameters?, &written.body.text) {
        Ok(caveat) => Some(caveat),
        Err(errors) => {
            for error in errors {
                if faults.is_full() {
                    break;
                }
                faults.push(fault(written, error));
            }
            None
        }
    }
}

/// The parameters; `None` when one is at fault, which has then been reported.
fn parameters(written: &ast::CaveatSyntax, faults: &mut Faults) -> Option<Vec<Parameter>> {
    let caveat = &written.name.text;
    let mut names = HashSet::new();
    let mut parameters = Vec::new();

    for parameter in &written.parameters {
        let name = &parameter.name;
        if !names.insert(name.text.as_str()) {
            let message =
                format!("duplicate parameter `{}` defined on caveat `{caveat}`", name.text);
            faults.push(SchemaFault::parse("duplicate-parameter", name.span, message));
            continue;
        }
        match parameter_type(&parameter.parameter_type) {
            Ok(parameter_type) => {
                parameters.push(Parameter { name: name.text.clone(), parameter_type });
            }
            Err((error, span)) => {
                let message = format!(
                    "invalid type for caveat parameter `{}` on caveat `{caveat}`: {error}",
                    name.text
                );
                let fault = SchemaFault::parse("invalid-parameter-type", span, message);
                faults.push(match &error {
                    UnknownType::Name { name } => fault.suggest(name, ParameterType::names()),
                    UnknownType::Arguments { .. } | UnknownType::TooDeep { .. } => fault,
                });
            }
        }
    }

    (parameters.len() == written.parameters.len()).then_some(parameters)
}

fn parameter_type(
    written: &ast::ParameterTypeSyntax,
) -> Result<ParameterType, (UnknownType, Span)> {
    let arguments = written.arguments.iter().map(parameter_type).collect::<Result<_, _>>()?;
    ParameterType::from_name(&written.name.text, arguments).map_err(|error| (error, written.span))
}

fn fault(written: &ast::CaveatSyntax, error: CompileError) -> SchemaFault {
    let body = written.body.span;
    let in_body = Span {
        start: body.start + error.range.start,
        end: (body.start + error.range.end).min(body.end),
        ..body
    };
    let message = error.to_string();

    match error.kind {
        CompileErrorKind::UnusedParameter { name, .. } => {
            let declared = written.parameters.iter().find(|parameter| parameter.name.text == name);
            let span = declared.map_or(written.name.span, |parameter| parameter.name.span);
            SchemaFault::typed("unused-parameter", span, message).about([
                ("caveat_name", written.name.text.as_str()),
                ("parameter_name", name.as_str()),
            ])
        }
        CompileErrorKind::Syntax { .. }
        | CompileErrorKind::Type { .. }
        | CompileErrorKind::TooLarge { .. } => {
            let faulty = written.body.text.get(error.range).unwrap_or_default();
            let fault = SchemaFault::parse("invalid-caveat", in_body, message);
            match OddCharacter::first_in(faulty) {
                Some((_, odd)) => fault.help(format!("{}: {}", odd.described(), odd.advice())),
                None => fault,
            }
        }
    }
}
