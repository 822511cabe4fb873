//! The type checker for caveat expressions: names, calls and types. All errors are reported at once, with their positions.

mod signatures;
pub(super) mod types;

use crate::caveat::call_kind::{
    Access, CallKind, MacroCall, MacroKind, call_kind, qualified_name, type_of_name,
};
use crate::caveat::eval::pattern;
use crate::caveat::parse::Parsed;
use crate::caveat::parse::lexer::SyntaxFault;
use crate::caveat::typecheck::types::Type;
use crate::relationship::nearest;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, ListExpr, LiteralValue, MapExpr};
use regex::Regex;
use std::collections::HashMap;

/// Maximum number of reported errors.
const FAULTS_MAX: usize = 100;

/// The result of type-checking an expression.
#[derive(Debug, Default)]
pub(in crate::caveat) struct TypecheckResult {
    /// Whether each parameter is read, by position.
    pub(in crate::caveat) used: Vec<bool>,
    /// Compiled literal patterns, by the id of the call that uses them.
    pub(in crate::caveat) patterns: HashMap<u64, Regex>,
    pub(in crate::caveat) faults: Vec<SyntaxFault>,
}

/// Checks an expression over these parameters, which must have type bool.
pub(in crate::caveat) fn check(
    parsed: &Parsed<'_>,
    parameters: &[(&str, Type)],
) -> TypecheckResult {
    let used = vec![false; parameters.len()];
    let checked = TypecheckResult { used, ..TypecheckResult::default() };
    let mut typechecker = Typechecker { parsed, parameters, locals: Vec::new(), checked };
    let found = typechecker.expr(&parsed.expr);
    if found != Type::BOOL && typechecker.checked.faults.is_empty() {
        let mut message =
            format!("caveat expression must result in a boolean value: found `{found}`");
        if found == Type::Any {
            message.push_str("; compare it with something, as in `… == true`");
        }
        typechecker.fault(&parsed.expr, message);
    }
    typechecker.checked
}

/// The state of a type check.
struct Typechecker<'c> {
    parsed: &'c Parsed<'c>,
    parameters: &'c [(&'c str, Type)],
    /// The macros' variables, innermost last.
    locals: Vec<(&'c str, Type)>,
    checked: TypecheckResult,
}

impl<'c> Typechecker<'c> {
    /// Reports an error. The type of the expression is then `any`, so that it causes no further errors.
    fn fault(&mut self, expr: &IdedExpr, message: String) -> Type {
        if self.checked.faults.len() < FAULTS_MAX {
            self.checked.faults.push(SyntaxFault { message, range: self.parsed.range(expr) });
        }
        Type::Any
    }

    fn expr(&mut self, expr: &'c IdedExpr) -> Type {
        match &expr.expr {
            Expr::Literal(literal) => type_of_literal(literal),
            Expr::Ident(name) => self.name(expr, name),
            Expr::Select(select) => {
                self.field(expr, &select.operand, &select.field, Access::Required)
            }
            Expr::Call(call) => self.call(expr, call),
            Expr::List(list) => self.list(list),
            Expr::Map(map) => self.map(map),

            Expr::Struct(_) => self.fault(
                expr,
                "messages such as `a.b.C{}` cannot be made in a caveat; use a function such as \
                 `timestamp(\"…\")`"
                    .to_owned(),
            ),
            Expr::Comprehension(_) | Expr::Unspecified => {
                self.fault(expr, "this cannot stand in a caveat".to_owned())
            }
        }
    }

    /// Checks an expression that must have type bool.
    fn bool(&mut self, expr: &'c IdedExpr) {
        let found = self.expr(expr);
        if found.join(&Type::BOOL).is_none() {
            self.fault(expr, format!("expected type `bool` but found `{found}`"));
        }
    }

    fn name(&mut self, expr: &IdedExpr, name: &str) -> Type {
        let absolute = name.strip_prefix('.');
        let mut locals = self.locals.iter().rev();
        if let Some((_, found)) = locals.find(|(local, _)| *local == name) {
            return found.clone();
        }

        let name = absolute.unwrap_or(name);
        let parameter = self.parameters.iter().zip(&mut self.checked.used);
        for ((own, found), used) in parameter {
            if *own == name {
                *used = true;
                return found.clone();
            }
        }

        if type_of_name(name).is_some() {
            return Type::META;
        }
        let known = self.locals.iter().chain(self.parameters).map(|(known, _)| *known);
        let meant = did_you_mean(name, known);
        self.fault(expr, format!("undeclared reference to `{name}`{meant}"))
    }

    fn qualified_name(&self, expr: &IdedExpr) -> Option<String> {
        qualified_name(expr, &|name| self.is_declared(name))
    }

    fn is_declared(&self, name: &str) -> bool {
        let parameter = name.strip_prefix('.').unwrap_or(name);
        self.locals.iter().any(|(local, _)| *local == name)
            || self.parameters.iter().any(|(own, _)| *own == parameter)
    }

    fn field(
        &mut self,
        expr: &'c IdedExpr,
        operand: &'c IdedExpr,
        field: &str,
        access: Access,
    ) -> Type {
        let named = self.qualified_name(operand).map(|namespace| format!("{namespace}.{field}"));
        if access == Access::Required && named.is_some_and(|name| type_of_name(&name).is_some()) {
            return Type::META;
        }
        let of = self.expr(operand);
        let Some(found) = of.field() else {
            return self.fault(expr, format!("type `{of}` does not support field selection"));
        };
        match access {
            Access::Required => found,
            Access::Optional => found.into_optional(),
            Access::Test => Type::BOOL,
        }
    }

    fn list(&mut self, list: &'c ListExpr) -> Type {
        let mut common = None;
        for (at, element) in list.elements.iter().enumerate() {
            let found = self.present(element, list.optional_indices.binary_search(&at).is_ok());
            common = Some(common_type(common, found));
        }
        Type::list(common.unwrap_or(Type::Any))
    }

    fn map(&mut self, map: &'c MapExpr) -> Type {
        let (mut keys, mut values) = (None, None);
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
            // Only simple types can be keys, so types grow at most as fast as expressions.
            let key = self.expr(&entry.key);
            if !key.is_key() {
                self.fault(&entry.key, format!("`{key}` is no type for the keys of a map"));
            }
            let value = self.present(&entry.value, entry.optional);
            keys = Some(common_type(keys, if key.is_key() { key } else { Type::Any }));
            values = Some(common_type(values, value));
        }
        Type::map(keys.unwrap_or(Type::Any), values.unwrap_or(Type::Any))
    }

    /// The type of an element or value of a literal.
    fn present(&mut self, expr: &'c IdedExpr, optional: bool) -> Type {
        match (self.expr(expr), optional) {
            (found, false) => found,
            (Type::Any, true) => Type::Any,
            (Type::Optional(value), true) => *value,
            (found, true) => {
                self.fault(expr, format!("expected type `optional` but found `{found}`"))
            }
        }
    }

    fn call(&mut self, expr: &'c IdedExpr, call: &'c CallExpr) -> Type {
        let kind = call_kind(call, |name| self.is_declared(name));

        match kind {
            CallKind::Logical { terms, .. } => {
                for term in terms {
                    self.bool(term);
                }
                Type::BOOL
            }
            CallKind::Not(operand) => {
                self.bool(operand);
                Type::BOOL
            }
            CallKind::Conditional([condition, then, otherwise]) => {
                self.bool(condition);
                let (left, right) = (self.expr(then), self.expr(otherwise));
                left.join(&right).unwrap_or_else(|| {
                    self.fault(expr, no_overload("_?:_", &[Type::BOOL, left, right]))
                })
            }
            CallKind::Has(tested) => {
                let Expr::Select(select) = &tested.expr else {
                    return self.fault(tested, "`has` takes a field, as in `has(a.b)`".to_owned());
                };
                self.field(tested, &select.operand, &select.field, Access::Test)
            }
            CallKind::Index { operand, index, access } => {
                let (of, by) = (self.expr(operand), self.expr(index));
                match of.element(&by) {
                    Some(found) if access == Access::Optional => found.into_optional(),
                    Some(found) => found,
                    None => self.fault(expr, no_overload("_[]_", &[of, by])),
                }
            }
            CallKind::OptionalField { operand, field } => {
                let Expr::Literal(LiteralValue::String(field)) = &field.expr else {
                    return Type::Any;
                };
                self.field(expr, operand, field.inner(), Access::Optional)
            }
            CallKind::OrElse { operands, unwrapped } => {
                let name = if unwrapped { ".orValue" } else { ".or" };
                self.apply(expr, name, &operands)
            }
            CallKind::Macro(found) => self.expand(found),
            CallKind::Function { name, target, arguments } => {
                let name = if target.is_some() { format!(".{name}") } else { name.into_owned() };
                let arguments: Vec<&IdedExpr> = target.into_iter().chain(arguments).collect();
                self.apply(expr, &name, &arguments)
            }
        }
    }

    /// Checks a function, operator or method with its arguments; a method's target comes first.
    fn apply(&mut self, expr: &'c IdedExpr, name: &str, arguments: &[&'c IdedExpr]) -> Type {
        let faults_before = self.checked.faults.len();
        let types: Vec<Type> = arguments.iter().map(|argument| self.expr(argument)).collect();

        if !signatures::is_function(name) {
            // Errors within an unknown call are not reported, such as the variable of an unknown macro.
            self.checked.faults.truncate(faults_before);
            return self.fault(expr, no_function(name));
        }

        if let (".matches" | "matches", [_, written]) = (name, arguments)
            && let Expr::Literal(LiteralValue::String(text)) = &written.expr
        {
            match pattern::compile(text.inner()) {
                Ok(pattern) => _ = self.checked.patterns.insert(expr.id, pattern),
                Err(message) => _ = self.fault(written, message),
            }
        }

        match signatures::result(name, &types) {
            Some(found) => found,
            None => self.fault(expr, no_overload(name, &types)),
        }
    }

    fn expand(&mut self, found: MacroCall<'c>) -> Type {
        let MacroCall { kind, operand, variable, condition, body } = found;
        let over = self.expr(operand);
        let element = variable_type(kind, &over).unwrap_or_else(|| {
            let wanted = if kind.is_over_optional() { "an optional" } else { "a list or map" };
            self.fault(operand, format!("expected {wanted} to go through, found `{over}`"))
        });

        let name = found.name();
        if name.is_empty() {
            let message = "the first argument must be a simple name for the variable";
            return self.fault(variable, message.to_owned());
        }

        self.locals.push((name, element.clone()));
        if let Some(condition) = condition {
            self.bool(condition);
        }

        let found = match kind {
            MacroKind::All | MacroKind::Exists | MacroKind::ExistsOne => {
                self.bool(body);
                Type::BOOL
            }
            MacroKind::Filter => {
                self.bool(body);
                Type::list(element)
            }
            MacroKind::Map => Type::list(self.expr(body)),
            MacroKind::OptionalMap => Type::optional(self.expr(body)),
            MacroKind::OptionalFlatMap => Type::optional(self.present(body, true)),
        };
        self.locals.pop();
        found
    }
}

fn type_of_literal(literal: &LiteralValue) -> Type {
    match literal {
        LiteralValue::Null => Type::Named("null"),
        LiteralValue::Boolean(_) => Type::BOOL,
        LiteralValue::Int(_) => Type::INT,
        LiteralValue::UInt(_) => Type::Named("uint"),
        LiteralValue::Double(_) => Type::Named("double"),
        LiteralValue::String(_) => Type::STRING,
        LiteralValue::Bytes(_) => Type::Named("bytes"),
    }
}

/// The common type of a literal's elements so far and one more; `any` when they have none.
fn common_type(so_far: Option<Type>, found: Type) -> Type {
    match so_far {
        Some(so_far) => so_far.join(&found).unwrap_or(Type::Any),
        None => found,
    }
}

/// The type of a macro's variable.
fn variable_type(kind: MacroKind, over: &Type) -> Option<Type> {
    match (over, kind.is_over_optional()) {
        (Type::Any, _) => Some(Type::Any),
        (Type::Optional(element), true) | (Type::List(element) | Type::Map(element, _), false) => {
            Some(element.as_ref().clone())
        }
        _ => None,
    }
}

/// The message for arguments without a matching overload.
fn no_overload(name: &str, types: &[Type]) -> String {
    let listed: Vec<String> = types.iter().map(Type::to_string).collect();
    let mut message = format!(
        "found no matching overload for `{}` applied to `({})`",
        name.trim_start_matches('.').trim_matches(['_', '@']),
        listed.join(", ")
    );
    let has = |wanted| types.contains(&Type::Named(wanted));
    if has("double") && has("int") {
        message.push_str("; an int is no double: write `1.0`, or convert with `double(…)`");
    } else if has("uint") && has("int") {
        message.push_str("; an int is no uint, and parameters of type uint are ints: write `1`");
    }
    message
}

/// The message for an unknown function, or one that is called in the wrong way.
fn no_function(called: &str) -> String {
    let name = called.trim_start_matches('.');
    let method = name.len() < called.len();
    if method && signatures::is_function(name) {
        return format!("`{name}` is not called on a value: write `{name}(…)`");
    }
    if signatures::is_function(&format!(".{name}")) {
        return format!("`{name}` is called on a value: write `value.{name}(…)`");
    }

    match name {
        "now" if !method => "undeclared reference to `now`: a caveat has no clock; \
            pass the time as a parameter of type timestamp"
            .to_owned(),
        "has" | "all" | "exists" | "exists_one" | "filter" | "map" | "optMap" => {
            format!("`{name}` is called with other arguments, as in `list.{name}(x, x > 1)`")
        }
        _ => {
            let meant = did_you_mean(name, signatures::names());
            format!("undeclared reference to `{name}`: there is no such function{meant}")
        }
    }
}

/// A suggestion, if a known name is similar.
fn did_you_mean<'n>(wanted: &str, known: impl Iterator<Item = &'n str>) -> String {
    match nearest(wanted, known) {
        Some(name) => format!("; did you mean `{name}`?"),
        None => String::new(),
    }
}
