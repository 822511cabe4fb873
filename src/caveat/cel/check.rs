//! From an expression as written to one that is resolved: names become positions, calls functions, macros loops; and
//! whatever cannot work is refused with its place, all of it at once.

use super::ast::{Element, Entry, Expr, Kind, Literal};
use super::evaluate::{Access, Macro, MacroKind, Node};
use super::function::Function;
use super::pattern;
use super::signature::{Signature, Style};
use super::types::Type;
use super::value::Value;
use std::ops::Range;

/// How many faults are told of at most.
const FAULTS_MAX: usize = 100;

/// Something in an expression that cannot work.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) message: String,
    /// Bytes of the source.
    pub(crate) range: Range<usize>,
}

/// What the checker made of an expression.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) node: Node,
    /// Whether each of the parameters is read, by position.
    pub(crate) used: Vec<bool>,
    /// What is wrong; the node is worth nothing unless this is empty.
    pub(crate) faults: Vec<Fault>,
}

/// Resolves an expression that reads these parameters and has to be a bool.
pub(crate) fn check(expr: &Expr, parameters: &[(&str, Type)]) -> Checked {
    let used = vec![false; parameters.len()];
    let mut checker = Checker { parameters, used, locals: Vec::new(), faults: Vec::new() };
    let (node, found) = checker.expr(expr);
    if found != Type::Bool && checker.faults.is_empty() {
        let mut message =
            format!("caveat expression must result in a boolean value: found `{found}`");
        if found == Type::Any {
            message.push_str("; compare it with something, as in `… == true`");
        }
        checker.fault(expr, message);
    }
    Checked { node, used: checker.used, faults: checker.faults }
}

/// An expression that resolved, and what it will be.
type Typed = (Node, Type);

struct Checker<'p> {
    parameters: &'p [(&'p str, Type)],
    used: Vec<bool>,
    /// The macros' variables, innermost last.
    locals: Vec<(String, Type)>,
    faults: Vec<Fault>,
}

impl Checker<'_> {
    fn fault(&mut self, expr: &Expr, message: String) -> Typed {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { message, range: expr.range.clone() });
        }
        (Node::Constant(Value::Null), Type::Any)
    }

    fn boxed(&mut self, expr: &Expr) -> (Box<Node>, Type) {
        let (node, found) = self.expr(expr);
        (Box::new(node), found)
    }

    fn expr(&mut self, expr: &Expr) -> Typed {
        match &expr.kind {
            Kind::Literal(literal) => constant(literal),
            Kind::Name { name, absolute } => self.name(expr, name, *absolute),
            Kind::Field { operand, field, optional } => {
                let access = if *optional { Access::Optional } else { Access::Required };
                self.field(expr, operand, field, access)
            }
            Kind::Index { operand, index, optional } => self.index(expr, operand, index, *optional),
            Kind::Call { function, target, arguments } => {
                self.call(expr, function, target.as_deref(), arguments)
            }
            Kind::Not(operand) => (Node::Not(Box::new(self.bool(operand))), Type::Bool),
            Kind::Negate(operand) => self.apply(expr, "negation", Style::Operator, &[operand]),
            Kind::Binary(operator, left, right) => {
                self.apply(expr, operator.symbol(), Style::Operator, &[left, right])
            }
            Kind::And(terms) => (Node::And(self.bools(terms)), Type::Bool),
            Kind::Or(terms) => (Node::Or(self.bools(terms)), Type::Bool),
            Kind::Conditional(parts) => self.conditional(expr, parts),
            Kind::List(elements) => self.list(elements),
            Kind::Map(entries) => self.map(entries),
        }
    }

    fn bools(&mut self, terms: &[Expr]) -> Vec<Node> {
        terms.iter().map(|term| self.bool(term)).collect()
    }

    /// An expression that has to be a bool.
    fn bool(&mut self, expr: &Expr) -> Node {
        let (node, found) = self.expr(expr);
        if found.join(&Type::Bool).is_none() {
            self.fault(expr, format!("expected type `bool` but found `{found}`"));
        }
        node
    }

    fn name(&mut self, expr: &Expr, name: &str, absolute: bool) -> Typed {
        let local = self.locals.iter().rposition(|(local, _)| local == name && !absolute);
        if let Some((position, (_, found))) =
            local.and_then(|at| self.locals.get(at).map(|local| (at, local)))
        {
            return (Node::Local(position), found.clone());
        }
        if let Some(position) = self.parameters.iter().position(|(own, _)| *own == name) {
            self.used.iter_mut().skip(position).take(1).for_each(|used| *used = true);
            let found = self.parameters.get(position).map_or(Type::Any, |(_, found)| found.clone());
            return (Node::Parameter(position), found);
        }
        if let Some(named) = type_of_name(name) {
            return (Node::Constant(Value::Type(named)), Type::Type);
        }
        self.fault(expr, format!("undeclared reference to `{name}`"))
    }

    fn is_declared(&self, name: &str) -> bool {
        self.locals.iter().any(|(local, _)| local == name)
            || self.parameters.iter().any(|(parameter, _)| *parameter == name)
    }

    /// The name that a chain of fields writes, if its first part is no variable.
    fn qualified_name(&self, expr: &Expr) -> Option<String> {
        if let Kind::Name { name, .. } = &expr.kind {
            return (!self.is_declared(name)).then(|| name.clone());
        }
        if let Kind::Field { operand, field, optional: false } = &expr.kind {
            return Some(format!("{}.{field}", self.qualified_name(operand)?));
        }
        None
    }

    fn field(&mut self, expr: &Expr, operand: &Expr, field: &str, access: Access) -> Typed {
        if let Some(named) = self.qualified_name(expr).and_then(|name| type_of_name(&name)) {
            return (Node::Constant(Value::Type(named)), Type::Type);
        }
        let (operand, of) = self.boxed(operand);
        let Some(found) = field_type(&of) else {
            return self.fault(expr, format!("type `{of}` does not support field selection"));
        };
        let node = Node::Field { operand, key: Value::text(field), access };
        match access {
            Access::Required => (node, found),
            Access::Optional => (node, found.into_optional()),
            Access::Test => (node, Type::Bool),
        }
    }

    fn index(&mut self, expr: &Expr, operand: &Expr, index: &Expr, optional: bool) -> Typed {
        let (operand, of) = self.boxed(operand);
        let (index, by) = self.boxed(index);
        let Some(found) = element_type(&of, &by) else {
            return self.fault(expr, no_overload("[]", &[of, by]));
        };
        let access = if optional { Access::Optional } else { Access::Required };
        let found = if optional { found.into_optional() } else { found };
        (Node::Index { operand, index, access }, found)
    }

    fn conditional(&mut self, expr: &Expr, parts: &[Expr; 3]) -> Typed {
        let [condition, then, otherwise] = parts;
        let condition = self.bool(condition);
        let (then, left) = self.expr(then);
        let (otherwise, right) = self.expr(otherwise);
        let Some(found) = left.join(&right) else {
            return self.fault(expr, no_overload("?:", &[Type::Bool, left, right]));
        };
        (Node::Conditional(Box::new([condition, then, otherwise])), found)
    }

    fn list(&mut self, elements: &[Element]) -> Typed {
        let mut nodes = Vec::with_capacity(elements.len());
        let mut common: Option<Type> = None;
        for element in elements {
            let (node, found) = self.present(&element.value, element.optional);
            nodes.push((node, element.optional));
            common = Some(common_type(common, found));
        }
        (Node::List(nodes), Type::list(common.unwrap_or(Type::Any)))
    }

    fn map(&mut self, entries: &[Entry]) -> Typed {
        let mut nodes = Vec::with_capacity(entries.len());
        let (mut keys, mut values) = (None, None);
        for entry in entries {
            let (key, key_type) = self.expr(&entry.key);
            if !key_type.is_key() {
                let message = format!("`{key_type}` is no type for the keys of a map");
                self.fault(&entry.key, message);
            }
            let (value, found) = self.present(&entry.value, entry.optional);
            nodes.push((key, value, entry.optional));
            keys = Some(common_type(keys, key_type));
            values = Some(common_type(values, found));
        }
        let (keys, values) = (keys.unwrap_or(Type::Any), values.unwrap_or(Type::Any));
        (Node::Map(nodes), Type::map(keys, values))
    }

    /// An element or value of a literal, and the type of what it contributes.
    fn present(&mut self, expr: &Expr, optional: bool) -> Typed {
        let (node, found) = self.expr(expr);
        match found {
            Type::Optional(value) if optional => (node, *value),
            Type::Any => (node, Type::Any),
            found if optional => {
                self.fault(expr, format!("expected type `optional` but found `{found}`"))
            }
            found => (node, found),
        }
    }

    fn call(
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
    fn apply(&mut self, expr: &Expr, name: &str, style: Style, arguments: &[&Expr]) -> Typed {
        let faults_before = self.faults.len();
        let checked = arguments.iter().map(|argument| self.expr(argument));
        let (mut nodes, types): (Vec<Node>, Vec<Type>) = checked.unzip();
        let Some(signature) = Signature::find(name, style) else {
            // Names within a call that means nothing, such as the variable of an unknown macro, mean nothing either.
            self.faults.truncate(faults_before);
            let called_otherwise = Signature::is_name(name);
            return self.fault(expr, no_function(name, style, called_otherwise));
        };
        let Some(found) = signature.result(&types) else {
            return self.fault(expr, no_overload(name, &types));
        };
        let node = match (signature.function, nodes.as_mut_slice(), arguments) {
            (Function::Or | Function::OrValue, [_, _], _) => {
                let unwrapped = signature.function == Function::OrValue;
                let operands: Result<Box<[Node; 2]>, _> = nodes.into_boxed_slice().try_into();
                match operands {
                    Ok(operands) => Node::OrElse { operands, unwrapped },
                    Err(_) => return self.fault(expr, no_overload(name, &types)),
                }
            }
            (Function::Matches, [text, _], [_, searched]) => {
                let text = std::mem::replace(text, Node::Constant(Value::Null));
                return self.search(searched, text, nodes, found);
            }
            (function, _, _) => Node::Call(function, nodes),
        };
        (node, found)
    }

    /// A search; a pattern that is written out is compiled now, once.
    fn search(&mut self, searched: &Expr, text: Node, mut nodes: Vec<Node>, found: Type) -> Typed {
        if let Kind::Literal(Literal::String(written)) = &searched.kind {
            return match pattern::compile(written) {
                Ok(pattern) => (Node::Matches(Box::new(text), pattern), found),
                Err(message) => self.fault(searched, message),
            };
        }
        nodes.splice(..1, [text]);
        (Node::Call(Function::Matches, nodes), found)
    }

    fn expand(&mut self, kind: MacroKind, target: &Expr, variable: &Expr, rest: &[Expr]) -> Typed {
        let (operand, over) = self.expr(target);
        let Some(element) = variable_type(kind, &over) else {
            let wanted =
                if kind == MacroKind::OptionalMap { "an optional" } else { "a list or map" };
            return self.fault(target, format!("expected {wanted} to go through, found `{over}`"));
        };
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
            (_, []) => (None, Node::Constant(Value::Null), Type::Any),
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

fn constant(literal: &Literal) -> Typed {
    let (value, found) = match literal {
        Literal::Null => (Value::Null, Type::Null),
        Literal::Bool(value) => (Value::Bool(*value), Type::Bool),
        Literal::Int(value) => (Value::Int(*value), Type::Int),
        Literal::Uint(value) => (Value::Uint(*value), Type::Uint),
        Literal::Double(value) => (Value::Double(*value), Type::Double),
        Literal::String(value) => (Value::text(value), Type::String),
        Literal::Bytes(value) => (Value::Bytes(value.as_slice().into()), Type::Bytes),
    };
    (Node::Constant(value), found)
}

/// The types that can be named, by their names in CEL.
fn type_of_name(name: &str) -> Option<&'static str> {
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

/// The type of a literal's elements so far, with one more: anything, when they have no type in common.
fn common_type(so_far: Option<Type>, found: Type) -> Type {
    match so_far {
        Some(so_far) => so_far.join(&found).unwrap_or(Type::Any),
        None => found,
    }
}

fn field_type(of: &Type) -> Option<Type> {
    match (of, ()) {
        (Type::Any, ()) => Some(Type::Any),
        (Type::Map(_, value), ()) => Some(value.as_ref().clone()),
        (Type::Optional(value), ()) => field_type(value).map(Type::into_optional),
        _ => None,
    }
}

fn element_type(of: &Type, by: &Type) -> Option<Type> {
    match (of, by) {
        (Type::Any, _) => Some(Type::Any),
        (Type::List(element), Type::Int | Type::Any) => Some(element.as_ref().clone()),
        (Type::Map(key, value), by) => key.join(by).map(|_| value.as_ref().clone()),
        (Type::Optional(value), by) => element_type(value, by).map(Type::into_optional),
        _ => None,
    }
}

fn no_overload(name: &str, types: &[Type]) -> String {
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
