//! Classifies calls: the parser turns every operator, function, method and macro into a call.

use cel::common::ast::{CallExpr, Expr, IdedExpr, operators};
use std::borrow::Cow;

/// The kind of a call, by how its operands are evaluated.
#[derive(Debug)]
pub(super) enum CallKind<'e> {
    /// Terms of which a single one with the value `deciding` decides: true for `||`, false for `&&`.
    Logical { terms: &'e [IdedExpr], deciding: bool },
    /// `condition ? then : otherwise`
    Conditional([&'e IdedExpr; 3]),
    /// `!operand`
    Not(&'e IdedExpr),
    /// `has(operand.field)`
    Has(&'e IdedExpr),
    /// `operand[index]` or `operand[?index]`
    Index { operand: &'e IdedExpr, index: &'e IdedExpr, access: Access },
    /// `operand.?field`
    OptionalField { operand: &'e IdedExpr, field: &'e IdedExpr },
    /// The first of two optionals that has a value, or that value unwrapped.
    OrElse { operands: [&'e IdedExpr; 2], unwrapped: bool },
    /// An expression that is evaluated for each element of a list or key of a map.
    Macro(MacroCall<'e>),
    /// A function or method that evaluates all its arguments; a method's target comes first. A method's name starts with a
    /// dot.
    Function { name: Cow<'e, str>, target: Option<&'e IdedExpr>, arguments: &'e [IdedExpr] },
}

/// How an element of a value is accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    /// The element must exist.
    Required,
    /// The element is returned as an optional.
    Optional,
    /// Only whether the element exists.
    Test,
}

/// A macro with a variable.
#[derive(Clone, Copy, Debug)]
pub(super) struct MacroCall<'e> {
    pub(super) kind: MacroKind,
    pub(super) operand: &'e IdedExpr,
    /// The variable; a type error unless it is a simple name.
    pub(super) variable: &'e IdedExpr,
    /// The condition of a `map` with three arguments.
    pub(super) condition: Option<&'e IdedExpr>,
    pub(super) body: &'e IdedExpr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MacroKind {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
    /// `optMap`: maps the value of an optional to a value.
    OptionalMap,
    /// `optFlatMap`: maps the value of an optional to an optional.
    OptionalFlatMap,
}

/// The macros with a variable, by name.
const MACROS: [(&str, MacroKind); 8] = [
    ("all", MacroKind::All),
    ("exists", MacroKind::Exists),
    ("exists_one", MacroKind::ExistsOne),
    ("existsOne", MacroKind::ExistsOne),
    ("filter", MacroKind::Filter),
    ("map", MacroKind::Map),
    ("optMap", MacroKind::OptionalMap),
    ("optFlatMap", MacroKind::OptionalFlatMap),
];

impl MacroKind {
    pub(super) fn is_over_optional(self) -> bool {
        matches!(self, Self::OptionalMap | Self::OptionalFlatMap)
    }
}

impl<'e> MacroCall<'e> {
    /// The variable's name; empty when it is not a simple name.
    pub(super) fn name(&self) -> &'e str {
        let Expr::Ident(name) = &self.variable.expr else { return "" };
        if name.starts_with('.') { "" } else { name }
    }
}

/// Classifies a call, given which names are variables.
pub(super) fn call_kind(call: &CallExpr, is_declared: impl Fn(&str) -> bool) -> CallKind<'_> {
    let arguments = call.args.as_slice();
    let name = call.func_name.as_str();

    match (call.target.as_deref(), arguments, name) {
        (None, terms, operators::LOGICAL_AND) => CallKind::Logical { terms, deciding: false },
        (None, terms, operators::LOGICAL_OR) => CallKind::Logical { terms, deciding: true },
        (None, [operand], operators::LOGICAL_NOT) => CallKind::Not(operand),
        (None, [operand, index], operators::INDEX) => {
            CallKind::Index { operand, index, access: Access::Required }
        }
        (None, [operand, index], operators::OPT_INDEX) => {
            CallKind::Index { operand, index, access: Access::Optional }
        }
        (None, [operand, field], operators::OPT_SELECT) => {
            CallKind::OptionalField { operand, field }
        }
        (None, [tested], operators::HAS) => CallKind::Has(tested),
        (None, [condition, then, otherwise], operators::CONDITIONAL) => {
            CallKind::Conditional([condition, then, otherwise])
        }
        (None, ..) => {
            let name = name.strip_prefix('.').unwrap_or(name).into();
            CallKind::Function { name, target: None, arguments }
        }
        (Some(target), ..) => method_kind(name, target, arguments, is_declared),
    }
}

fn method_kind<'e>(
    name: &'e str,
    target: &'e IdedExpr,
    arguments: &'e [IdedExpr],
    is_declared: impl Fn(&str) -> bool,
) -> CallKind<'e> {
    let kind = MACROS.into_iter().find(|(macro_name, _)| *macro_name == name);
    let plain = match (name, arguments, kind) {
        (_, [variable, body], Some((_, kind))) => {
            return CallKind::Macro(MacroCall {
                kind,
                operand: target,
                variable,
                condition: None,
                body,
            });
        }
        ("map", [variable, condition, body], Some((_, kind))) => {
            let condition = Some(condition);
            return CallKind::Macro(MacroCall { kind, operand: target, variable, condition, body });
        }
        ("or", [second], _) => CallKind::OrElse { operands: [target, second], unwrapped: false },
        ("orValue", [second], _) => {
            CallKind::OrElse { operands: [target, second], unwrapped: true }
        }
        _ => CallKind::Function { name: name.into(), target: Some(target), arguments },
    };

    match qualified_name(target, &is_declared) {
        Some(namespace) => {
            let name = format!("{namespace}.{name}").into();
            CallKind::Function { name, target: None, arguments }
        }
        None => plain,
    }
}

/// The qualified name that a chain of field selections spells, unless its first part is a variable.
pub(super) fn qualified_name(
    expr: &IdedExpr,
    is_declared: &impl Fn(&str) -> bool,
) -> Option<String> {
    let mut first = expr;
    let mut fields = Vec::new();
    while let Expr::Select(select) = &first.expr {
        fields.push(select.field.as_str());
        first = &select.operand;
    }
    let Expr::Ident(name) = &first.expr else { return None };
    let declared = is_declared(name);
    fields.push(name.strip_prefix('.').unwrap_or(name));
    fields.reverse();
    (!declared).then(|| fields.join("."))
}

/// The CEL type with a name.
pub(super) fn type_of_name(name: &str) -> Option<&'static str> {
    const NAMES: [&str; 13] = [
        "null_type",
        "bool",
        "int",
        "uint",
        "double",
        "string",
        "bytes",
        "list",
        "map",
        "type",
        "optional_type",
        "google.protobuf.Duration",
        "google.protobuf.Timestamp",
    ];
    NAMES.into_iter().find(|known| *known == name)
}
