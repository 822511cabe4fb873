//! From an expression as written to one that is resolved: names become positions, calls functions, macros loops; and
//! whatever cannot work is refused with its place, all of it at once.

use super::ast::{Element, Entry, Expr, Kind, Literal, Logical};
use super::calls::no_overload;
use super::evaluate::{Access, Node};
use super::signature::Style;
use super::types::Type;
use super::value::Value;
use std::collections::HashMap;
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
    let mut checker = Checker {
        parameters: parameters
            .iter()
            .enumerate()
            .map(|(position, (name, found))| (*name, (position, found)))
            .collect(),
        used: vec![false; parameters.len()],
        locals: Vec::new(),
        faults: Vec::new(),
    };
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
pub(super) type Typed = (Node, Type);

/// The checker at work.
pub(super) struct Checker<'p> {
    /// Positions and types by name.
    parameters: HashMap<&'p str, (usize, &'p Type)>,
    used: Vec<bool>,
    /// The macros' variables, innermost last.
    pub(super) locals: Vec<(String, Type)>,
    pub(super) faults: Vec<Fault>,
}

impl Checker<'_> {
    pub(super) fn fault(&mut self, expr: &Expr, message: String) -> Typed {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { message, range: expr.range.clone() });
        }
        (Node::Constant(Value::Null), Type::Any)
    }

    fn boxed(&mut self, expr: &Expr) -> (Box<Node>, Type) {
        let (node, found) = self.expr(expr);
        (Box::new(node), found)
    }

    pub(super) fn expr(&mut self, expr: &Expr) -> Typed {
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
            Kind::Logical(logical, terms) => {
                let terms = terms.iter().map(|term| self.bool(term)).collect();
                (Node::Logical { terms, deciding: *logical == Logical::Or }, Type::Bool)
            }
            Kind::Conditional(parts) => self.conditional(expr, parts),
            Kind::List(elements) => self.list(elements),
            Kind::Map(entries) => self.map(entries),
        }
    }

    /// An expression that has to be a bool.
    pub(super) fn bool(&mut self, expr: &Expr) -> Node {
        let (node, found) = self.expr(expr);
        if found.join(&Type::Bool).is_none() {
            self.fault(expr, format!("expected type `bool` but found `{found}`"));
        }
        node
    }

    fn name(&mut self, expr: &Expr, name: &str, absolute: bool) -> Typed {
        let mut locals = self.locals.iter().enumerate().rev();
        let local = locals.find(|(_, (local, _))| local == name && !absolute);
        if let Some((position, (_, found))) = local {
            return (Node::Local(position), found.clone());
        }
        if let Some((position, found)) = self.parameters.get(name) {
            self.used.iter_mut().skip(*position).take(1).for_each(|used| *used = true);
            return (Node::Parameter(*position), (*found).clone());
        }
        if let Some(named) = type_of_name(name) {
            return (Node::Constant(Value::Type(named)), Type::Meta);
        }
        self.fault(expr, format!("undeclared reference to `{name}`"))
    }

    fn is_declared(&self, name: &str) -> bool {
        self.locals.iter().any(|(local, _)| local == name) || self.parameters.contains_key(name)
    }

    /// The name that a chain of fields writes, if its first part is no variable.
    pub(super) fn qualified_name(&self, expr: &Expr) -> Option<String> {
        if let Kind::Name { name, .. } = &expr.kind {
            return (!self.is_declared(name)).then(|| name.clone());
        }
        if let Kind::Field { operand, field, optional: false } = &expr.kind {
            return Some(format!("{}.{field}", self.qualified_name(operand)?));
        }
        None
    }

    pub(super) fn field(
        &mut self,
        expr: &Expr,
        operand: &Expr,
        field: &str,
        access: Access,
    ) -> Typed {
        if let Some(named) = self.qualified_name(expr).and_then(|name| type_of_name(&name)) {
            return (Node::Constant(Value::Type(named)), Type::Meta);
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
            let (key, key_type) = self.key(&entry.key);
            let (value, found) = self.present(&entry.value, entry.optional);
            nodes.push((key, value, entry.optional));
            keys = Some(common_type(keys, key_type));
            values = Some(common_type(values, found));
        }
        let (keys, values) = (keys.unwrap_or(Type::Any), values.unwrap_or(Type::Any));
        (Node::Map(nodes), Type::map(keys, values))
    }

    /// A key of a literal. Only simple types can be keys, so that types grow with expressions, and no faster.
    fn key(&mut self, expr: &Expr) -> Typed {
        let (node, found) = self.expr(expr);
        if found.is_key() {
            return (node, found);
        }
        self.fault(expr, format!("`{found}` is no type for the keys of a map"))
    }

    /// An element or value of a literal, and the type of what it contributes.
    fn present(&mut self, expr: &Expr, optional: bool) -> Typed {
        let (node, found) = self.expr(expr);
        match (found, optional) {
            (found, false) => (node, found),
            (Type::Any, true) => (node, Type::Any),
            (Type::Optional(value), true) => (node, *value),
            (found, true) => {
                self.fault(expr, format!("expected type `optional` but found `{found}`"))
            }
        }
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

/// The type of a literal's elements so far, with one more: anything, when they have no type in common.
fn common_type(so_far: Option<Type>, found: Type) -> Type {
    match so_far {
        Some(so_far) => so_far.join(&found).unwrap_or(Type::Any),
        None => found,
    }
}

/// Of a map, whatever its keys are: a field that it does not have is found missing later.
fn field_type(of: &Type) -> Option<Type> {
    match (of, of) {
        (Type::Any, _) => Some(Type::Any),
        (Type::Map(_, value), _) => Some(value.as_ref().clone()),
        (_, Type::Optional(value)) => field_type(value).map(Type::into_optional),
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
