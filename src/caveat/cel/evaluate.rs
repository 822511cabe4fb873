//! Evaluation: a resolved expression and what is known of its parameters in; a value, or why there is none, out.
//!
//! What is missing is carried through like a failure: an operand that is missing makes the whole missing. The
//! logical operators and the macros built on them look further, and take a decided term over one that is missing,
//! and a missing one over one that failed, in whichever order they are written.

use super::function::{self, Function};
use super::value::{Answer, Map, Steps, Stop, Value, failed, no_such_overload};
use regex::Regex;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A resolved expression.
#[derive(Debug)]
pub(crate) enum Node {
    Constant(Value),
    /// By position.
    Parameter(usize),
    /// A macro's variable, by how many others are around it.
    Local(usize),
    Field {
        operand: Box<Node>,
        key: Value,
        access: Access,
    },
    Index {
        operand: Box<Node>,
        index: Box<Node>,
        access: Access,
    },
    Call(Function, Vec<Node>),
    /// A search for a pattern that is known beforehand.
    Matches(Box<Node>, Regex),
    Not(Box<Node>),
    /// Terms of which one that is `deciding` decides: true for an or, false for an and.
    Logical {
        terms: Vec<Node>,
        deciding: bool,
    },
    Conditional(Box<[Node; 3]>),
    /// Elements, and whether they are optional.
    List(Vec<(Node, bool)>),
    /// Keys and values, and whether they are optional.
    Map(Vec<(Node, Node, bool)>),
    /// The first of two optionals that has a value, or that value itself.
    OrElse {
        operands: Box<[Node; 2]>,
        unwrapped: bool,
    },
    Macro(Box<Macro>),
}

/// How a part of a value is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Access {
    /// It has to be there.
    Required,
    /// As an optional.
    Optional,
    /// Whether it is there.
    Test,
}

/// A macro: an expression that is evaluated for each element of a list, or key of a map.
#[derive(Debug)]
pub(crate) struct Macro {
    pub(crate) kind: MacroKind,
    pub(crate) operand: Node,
    /// For `map` with a condition.
    pub(crate) condition: Option<Node>,
    pub(crate) body: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MacroKind {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
    /// Over the value of an optional.
    OptionalMap,
}

/// One evaluation.
#[derive(Debug)]
pub(crate) struct Evaluation<'v> {
    /// By the parameters' positions; `None` for what is missing.
    parameters: &'v [Option<Value>],
    locals: Vec<Value>,
    steps: Steps,
}

/// What the operands of one expression lack.
#[derive(Default)]
struct Lacks {
    missing: BTreeSet<usize>,
    failure: Option<String>,
}

impl Lacks {
    /// An operand without which there is no value. A failure ends it, unless something is missing already.
    fn required(&mut self, answer: Answer) -> Result<Option<Value>, Stop> {
        let value = self.absorbed(answer)?;
        match self.failure.take() {
            Some(failure) if self.missing.is_empty() => Err(Stop::Failed(failure)),
            _ => Ok(value),
        }
    }

    /// An operand that another one may make up for.
    fn absorbed(&mut self, answer: Answer) -> Result<Option<Value>, Stop> {
        match answer {
            Ok(value) => return Ok(Some(value)),
            Err(Stop::Missing(missing)) => self.missing.extend(missing),
            Err(Stop::Failed(failure)) => {
                self.failure.get_or_insert(failure);
            }
            Err(Stop::Exhausted) => return Err(Stop::Exhausted),
        }
        Ok(None)
    }

    /// The value, if nothing lacks.
    fn unless_lacking(self, value: impl FnOnce() -> Answer) -> Answer {
        match self.failure {
            _ if !self.missing.is_empty() => Err(Stop::Missing(self.missing)),
            Some(failure) => Err(Stop::Failed(failure)),
            None => value(),
        }
    }
}

impl<'v> Evaluation<'v> {
    pub(crate) fn new(parameters: &'v [Option<Value>]) -> Self {
        Self { parameters, locals: Vec::new(), steps: Steps::default() }
    }

    /// The expression's value.
    pub(crate) fn value(&mut self, node: &Node) -> Answer {
        self.steps.take(1)?;
        match node {
            Node::Constant(value) => Ok(value.clone()),
            Node::Parameter(position) => self.parameter(*position),
            Node::Local(position) => Ok(self.locals.get(*position).cloned().unwrap_or(Value::Null)),
            Node::Field { operand, key, access } => {
                let operand = self.value(operand)?;
                accessed(&operand, *access, |value| element(value, key))
            }
            Node::Index { operand, index, access } => self.index(operand, index, *access),
            Node::Call(function, arguments) => {
                let arguments = self.all(arguments)?;
                function.apply(&arguments, &mut self.steps)
            }
            Node::Matches(text, pattern) => {
                let text = self.value(text)?;
                function::matches(&text, pattern, &mut self.steps)
            }
            Node::Not(operand) => Ok(Value::Bool(!bool_of(&self.value(operand)?)?)),
            Node::Logical { terms, deciding } => self.logical(terms, *deciding),
            Node::Conditional(parts) => {
                let [condition, then, otherwise] = parts.as_ref();
                let holds = bool_of(&self.value(condition)?)?;
                self.value(if holds { then } else { otherwise })
            }
            Node::List(elements) => self.list(elements),
            Node::Map(entries) => self.map(entries),
            Node::OrElse { operands, unwrapped } => self.or_else(operands, *unwrapped),
            Node::Macro(found) => self.expand(found),
        }
    }

    fn parameter(&self, position: usize) -> Answer {
        match self.parameters.get(position) {
            Some(Some(value)) => Ok(value.clone()),
            Some(None) | None => Err(Stop::Missing(BTreeSet::from([position]))),
        }
    }

    /// Every one's value, or everything that is missing for them.
    fn all(&mut self, nodes: &[Node]) -> Result<Vec<Value>, Stop> {
        let mut lacks = Lacks::default();
        let mut values = Vec::with_capacity(nodes.len());
        for node in nodes {
            values.extend(lacks.required(self.value(node))?);
        }
        lacks.unless_lacking(|| Ok(Value::Null)).map(|_| values)
    }

    /// Terms of which one that is `deciding` decides.
    fn logical(&mut self, terms: &[Node], deciding: bool) -> Answer {
        let mut lacks = Lacks::default();
        for term in terms {
            let answer = self.value(term).and_then(|value| bool_of(&value).map(Value::Bool));
            if let Some(Value::Bool(found)) = lacks.absorbed(answer)?
                && found == deciding
            {
                return Ok(Value::Bool(deciding));
            }
        }
        lacks.unless_lacking(|| Ok(Value::Bool(!deciding)))
    }

    fn index(&mut self, operand: &Node, index: &Node, access: Access) -> Answer {
        let mut lacks = Lacks::default();
        let operand = lacks.required(self.value(operand))?;
        let index = lacks.required(self.value(index))?;
        lacks.unless_lacking(|| {
            let (Some(operand), Some(index)) = (operand, index) else { return no_such_overload() };
            accessed(&operand, access, |value| element(value, &index))
        })
    }

    fn list(&mut self, elements: &[(Node, bool)]) -> Answer {
        let mut lacks = Lacks::default();
        let mut values = Vec::with_capacity(elements.len());
        for (element, optional) in elements {
            let value = lacks.required(self.value(element))?;
            values.extend(value.map(|value| present(value, *optional)).transpose()?.flatten());
        }
        lacks.unless_lacking(|| Ok(Value::List(values.into())))
    }

    fn map(&mut self, entries: &[(Node, Node, bool)]) -> Answer {
        let mut lacks = Lacks::default();
        let mut found = Vec::with_capacity(entries.len());
        for (key, value, optional) in entries {
            let key = lacks.required(self.value(key))?;
            let value = lacks.required(self.value(value))?;
            let (Some(key), Some(value)) = (key, value) else { continue };
            let Some(key) = key.as_key().filter(|key| !matches!(key, Value::Double(_))) else {
                return failed(format!("unsupported key type: {}", key.type_name()));
            };
            found.extend(present(value, *optional)?.map(|value| (key, value)));
        }
        lacks.unless_lacking(|| match Map::of(found) {
            (map, false) => Ok(Value::Map(Arc::new(map))),
            (_, true) => failed("repeated key in a map"),
        })
    }

    fn or_else(&mut self, operands: &[Node; 2], unwrapped: bool) -> Answer {
        let [first, second] = operands;
        let Value::Optional(found) = self.value(first)? else { return no_such_overload() };
        match (found, unwrapped) {
            (Some(value), true) => Ok(value.as_ref().clone()),
            (Some(value), false) => Ok(Value::Optional(Some(value))),
            (None, _) => self.value(second),
        }
    }

    fn expand(&mut self, found: &Macro) -> Answer {
        let operand = self.value(&found.operand)?;
        if found.kind == MacroKind::OptionalMap {
            let Value::Optional(value) = operand else { return no_such_overload() };
            let Some(value) = value else { return Ok(Value::Optional(None)) };
            return self.with_local(value.as_ref().clone(), &found.body).map(Value::some);
        }
        let elements = elements_of(&operand)?;
        self.steps.take(elements.len())?;
        let (body, condition) = (&found.body, found.condition.as_ref());
        match found.kind {
            MacroKind::All => self.quantified(elements, body, false),
            MacroKind::Exists => self.quantified(elements, body, true),
            MacroKind::ExistsOne => {
                let held = self.collected(elements, Some(body), None)?;
                Ok(Value::Bool(held.len() == 1))
            }
            MacroKind::Filter => {
                Ok(Value::List(self.collected(elements, Some(body), None)?.into()))
            }
            MacroKind::Map | MacroKind::OptionalMap => {
                Ok(Value::List(self.collected(elements, condition, Some(body))?.into()))
            }
        }
    }

    /// Whether one element is `deciding` under the body; as if all were joined by a logical operator.
    fn quantified(&mut self, elements: Vec<Value>, body: &Node, deciding: bool) -> Answer {
        let mut lacks = Lacks::default();
        for element in elements {
            let answer = self.with_local(element, body);
            let answer = answer.and_then(|value| bool_of(&value).map(Value::Bool));
            if let Some(Value::Bool(found)) = lacks.absorbed(answer)?
                && found == deciding
            {
                return Ok(Value::Bool(deciding));
            }
        }
        lacks.unless_lacking(|| Ok(Value::Bool(!deciding)))
    }

    /// The elements for which a condition holds, or what is made of them.
    fn collected(
        &mut self,
        elements: Vec<Value>,
        condition: Option<&Node>,
        made: Option<&Node>,
    ) -> Result<Vec<Value>, Stop> {
        let mut lacks = Lacks::default();
        let mut collected = Vec::new();
        for element in elements {
            let holds = match condition {
                Some(condition) => self
                    .with_local(element.clone(), condition)
                    .and_then(|value| bool_of(&value).map(Value::Bool)),
                None => Ok(Value::Bool(true)),
            };
            if let Some(Value::Bool(true)) = lacks.required(holds)? {
                let value = match made {
                    Some(made) => self.with_local(element, made),
                    None => Ok(element),
                };
                collected.extend(lacks.required(value)?);
            }
        }
        lacks.unless_lacking(|| Ok(Value::Null)).map(|_| collected)
    }

    /// The body's value with a value for the innermost variable, which is gone afterwards in any case.
    fn with_local(&mut self, value: Value, body: &Node) -> Answer {
        self.locals.push(value);
        let answer = self.value(body);
        self.locals.pop();
        answer
    }
}

fn bool_of(value: &Value) -> Result<bool, Stop> {
    if let Value::Bool(value) = value { Ok(*value) } else { no_such_overload() }
}

/// What a macro goes through.
fn elements_of(value: &Value) -> Result<Vec<Value>, Stop> {
    if let Value::List(values) = value {
        return Ok(values.to_vec());
    }
    if let Value::Map(map) = value {
        return Ok(map.iter().map(|(key, _)| key.clone()).collect());
    }
    failed(format!("got '{}', expected a list or map to go through", value.type_name()))
}

/// What an element or entry of a literal contributes: an optional one its value, if it has one.
fn present(value: Value, optional: bool) -> Result<Option<Value>, Stop> {
    if !optional {
        return Ok(Some(value));
    }
    let Value::Optional(value) = value else { return no_such_overload() };
    Ok(value.map(|value| value.as_ref().clone()))
}

/// What was looked for in a value: it, or how to say that it is not there.
type Found = Result<Value, String>;

/// A part of a value, or of an optional's value, in the way that it is asked for.
fn accessed(value: &Value, access: Access, part: impl Fn(&Value) -> Result<Found, Stop>) -> Answer {
    let (found, access) = match (value, access) {
        (Value::Optional(Some(inner)), Access::Required) => (part(inner)?, Access::Optional),
        (Value::Optional(Some(inner)), access) => (part(inner)?, access),
        (Value::Optional(None), access) => (Err(String::new()), access.max(Access::Optional)),
        (value, access) => (part(value)?, access),
    };
    match (access, found) {
        (Access::Required, Ok(value)) => Ok(value),
        (Access::Required, Err(message)) => failed(message),
        (Access::Optional, found) => Ok(Value::Optional(found.ok().map(Arc::new))),
        (Access::Test, found) => Ok(Value::Bool(found.is_ok())),
    }
}

/// `value[index]`, which `value.index` is too.
fn element(value: &Value, index: &Value) -> Result<Found, Stop> {
    let absent = || Err(format!("no such key: {}", index.shown()));
    match (value, index.as_key()) {
        (Value::Map(map), Some(key)) => Ok(map.get(&key).cloned().ok_or(()).or_else(|()| absent())),
        (Value::List(values), Some(position @ (Value::Int(_) | Value::Uint(_)))) => {
            Ok(at(values, &position).ok_or(format!("index out of bounds: {}", index.shown())))
        }
        (Value::List(_), None) if matches!(index, Value::Double(_)) => {
            failed(format!("unsupported index value {} in list", index.shown()))
        }
        (Value::List(_), _) => {
            failed(format!("unsupported index type '{}' in list", index.type_name()))
        }
        (_, _) => Ok(absent()),
    }
}

fn at(values: &[Value], position: &Value) -> Option<Value> {
    let position = match (position, position) {
        (Value::Int(position), _) => usize::try_from(*position).ok()?,
        (_, Value::Uint(position)) => usize::try_from(*position).ok()?,
        _ => return None,
    };
    values.get(position).cloned()
}
