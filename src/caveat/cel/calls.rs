//! Calls: of functions, of operators, and of macros, which go through a list, a map or an optional.

use super::ast::{Expr, Kind, Literal};
use super::check::{Checker, Typed};
use super::evaluate::{Access, Macro, MacroKind, Node};
use super::function::Function;
use super::pattern;
use super::signature::{Signature, Style};
use super::types::Type;

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        expr: &Expr,
        function: &str,
        target: Option<&Expr>,
        arguments: &[Expr],
    ) -> Typed {
        match (function, target, arguments) {
            ("has", None, [tested]) => return self.has(tested),
            (_, Some(target), [variable, rest @ ..]) => {
                if let Some(kind) = macro_of(function, rest.len()) {
                    return self.expand(kind, target, variable, rest);
                }
            }
            _ => {}
        }
        let namespace = target.and_then(|target| self.qualified_name(target));
        if let Some(namespace) = namespace {
            let name = format!("{namespace}.{function}");
            let arguments: Vec<&Expr> = arguments.iter().collect();
            return self.apply(expr, &name, Style::Global, &arguments);
        }
        let style = if target.is_some() { Style::Method } else { Style::Global };
        let arguments: Vec<&Expr> = target.into_iter().chain(arguments).collect();
        self.apply(expr, function, style, &arguments)
    }

    fn has(&mut self, tested: &Expr) -> Typed {
        if let Kind::Field { operand, field, optional: false } = &tested.kind {
            return self.field(tested, operand, field, Access::Test);
        }
        self.fault(tested, "`has` takes a field, as in `has(a.b)`".to_owned())
    }

    /// A function or operator with its arguments, of a method the target first.
    pub(super) fn apply(
        &mut self,
        expr: &Expr,
        name: &str,
        style: Style,
        arguments: &[&Expr],
    ) -> Typed {
        let faults_before = self.faults.len();
        let checked = arguments.iter().map(|argument| self.expr(argument));
        let (nodes, types): (Vec<Node>, Vec<Type>) = checked.unzip();
        let Some(signature) = Signature::find(name, style) else {
            // Names within a call that means nothing, such as the variable of an unknown macro, mean nothing either.
            self.faults.truncate(faults_before);
            let called_otherwise = Signature::is_name(name);
            return self.fault(expr, no_function(name, style, called_otherwise));
        };
        let Some(found) = signature.result(&types) else {
            return self.fault(expr, no_overload(name, &types));
        };
        let node = match (signature.function, arguments, <[Node; 2]>::try_from(nodes)) {
            (Function::Or, _, Ok(operands)) => {
                Node::OrElse { operands: Box::new(operands), unwrapped: false }
            }
            (Function::OrValue, _, Ok(operands)) => {
                Node::OrElse { operands: Box::new(operands), unwrapped: true }
            }
            (Function::Matches, [_, written], Ok([text, pattern])) => {
                self.search(written, text, pattern)
            }
            (function, _, Ok(operands)) => Node::Call(function, operands.into()),
            (function, _, Err(operands)) => Node::Call(function, operands),
        };
        (node, found)
    }

    /// A search; a pattern that is written out is compiled now, once.
    fn search(&mut self, written: &Expr, text: Node, pattern: Node) -> Node {
        let Kind::Literal(Literal::String(literal)) = &written.kind else {
            return Node::Call(Function::Matches, vec![text, pattern]);
        };
        match pattern::compile(literal) {
            Ok(pattern) => Node::Matches(Box::new(text), pattern),
            Err(message) => self.fault(written, message).0,
        }
    }

    fn expand(&mut self, kind: MacroKind, target: &Expr, variable: &Expr, rest: &[Expr]) -> Typed {
        let (operand, over) = self.expr(target);
        let element = variable_type(kind, &over).unwrap_or_else(|| {
            let wanted =
                if kind == MacroKind::OptionalMap { "an optional" } else { "a list or map" };
            self.fault(target, format!("expected {wanted} to go through, found `{over}`")).1
        });
        let Kind::Name { name, absolute: false } = &variable.kind else {
            let message = "the first argument must be a simple name for the variable".to_owned();
            return self.fault(variable, message);
        };
        self.locals.push((name.clone(), element.clone()));
        let (condition, body, made) = match (kind, rest) {
            (MacroKind::Map, [condition, body]) => {
                let condition = self.bool(condition);
                let (body, made) = self.expr(body);
                (Some(condition), body, made)
            }
            (MacroKind::Map | MacroKind::OptionalMap, [body]) => {
                let (body, made) = self.expr(body);
                (None, body, made)
            }
            (_, [body, ..]) => (None, self.bool(body), Type::Bool),
            (_, []) => return self.fault(target, format!("the macro on `{name}` has no body")),
        };
        self.locals.pop();
        let found = match kind {
            MacroKind::All | MacroKind::Exists | MacroKind::ExistsOne => Type::Bool,
            MacroKind::Filter => Type::list(element),
            MacroKind::Map => Type::list(made),
            MacroKind::OptionalMap => Type::optional(made),
        };
        (Node::Macro(Box::new(Macro { kind, operand, condition, body })), found)
    }
}

/// The macro of a name with this many arguments after its variable.
fn macro_of(name: &str, arguments: usize) -> Option<MacroKind> {
    match (name, arguments) {
        ("all", 1) => Some(MacroKind::All),
        ("exists", 1) => Some(MacroKind::Exists),
        ("exists_one", 1) => Some(MacroKind::ExistsOne),
        ("filter", 1) => Some(MacroKind::Filter),
        ("map", 1 | 2) => Some(MacroKind::Map),
        ("optMap", 1) => Some(MacroKind::OptionalMap),
        _ => None,
    }
}

/// What a macro's variable is.
fn variable_type(kind: MacroKind, over: &Type) -> Option<Type> {
    match (over, kind) {
        (Type::Any, _) => Some(Type::Any),
        (Type::Optional(value), MacroKind::OptionalMap) => Some(value.as_ref().clone()),
        (_, MacroKind::OptionalMap) => None,
        (Type::List(element), _) => Some(element.as_ref().clone()),
        (Type::Map(key, _), _) => Some(key.as_ref().clone()),
        _ => None,
    }
}

/// What to say of arguments that no overload takes.
pub(super) fn no_overload(name: &str, types: &[Type]) -> String {
    let listed: Vec<String> = types.iter().map(Type::to_string).collect();
    let mut message =
        format!("found no matching overload for `{name}` applied to `({})`", listed.join(", "));
    let has = |wanted: &Type| types.contains(wanted);
    if has(&Type::Double) && has(&Type::Int) {
        message.push_str("; an int is no double: write `1.0`, or convert with `double(…)`");
    } else if has(&Type::Uint) && has(&Type::Int) {
        message.push_str("; an int is no uint, and parameters of type uint are ints: write `1`");
    }
    message
}

fn no_function(name: &str, style: Style, called_otherwise: bool) -> String {
    match (name, style, called_otherwise) {
        (_, Style::Method, true) => {
            format!("`{name}` is not called on a value: write `{name}(…)`")
        }
        (_, Style::Global, true) => {
            format!("`{name}` is called on a value: write `value.{name}(…)`")
        }
        ("now", Style::Global, _) => "undeclared reference to `now`: a caveat has no clock; \
            pass the time as a parameter of type timestamp"
            .to_owned(),
        ("has" | "all" | "exists" | "exists_one" | "filter" | "map" | "optMap", _, _) => {
            format!("`{name}` is called with other arguments, as in `list.{name}(x, x > 1)`")
        }
        _ => format!("undeclared reference to `{name}`: there is no such function"),
    }
}
