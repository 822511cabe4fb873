//! Functions and operators on values that are there. The `cel` crate has them; where it is at odds with CEL's
//! specification, [`cel_fixes`] comes first.

use crate::caveat::call_kind::Access;
use crate::caveat::eval::budget::{EvalResult, EvalStop, Steps, failed, no_such_overload, shown};
use crate::caveat::eval::ip;
use crate::caveat::eval::{cel_fixes, pattern};
use cel::common::ast::{CallExpr, Expr, IdedExpr, operators};
use cel::common::types::{CelBool, CelInt, CelList, CelMap, CelOptional, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Context, Env, ExecutionError, Value};
use regex::Regex;
use std::cmp::Ordering;
use std::sync::{Arc, LazyLock};

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// Applies a function or method to values; a method's target comes first.
pub(in crate::caveat) fn apply<'b>(
    name: &str,
    is_method: bool,
    arguments: Vec<CowVal<'b, 'static>>,
    steps: &Steps<'_>,
) -> EvalResult<'b> {
    match (name, arguments.as_slice()) {
        (operators::NEGATE, [value]) => {
            let negated =
                value.as_negator().map_or_else(no_such_overload, |own| Ok(own.negate()))?;
            return negated.map(CowVal::Owned).map_err(|error| failure(name, None, error));
        }
        ("value", [value]) => {
            let Some(optional) = value.downcast_ref::<CelOptional<'_>>() else {
                return no_such_overload();
            };
            return match optional.option() {
                Some(value) => steps.owned(CowVal::Borrowed(value)).map(CowVal::Owned),
                None => failed("optional.none() dereference"),
            };
        }
        ("isSubtreeOf", [part, whole]) => {
            return cel_fixes::is_subtree(part.as_ref(), whole.as_ref(), steps).map(bool);
        }
        ("in_cidr", [address, network]) => {
            return ip::in_cidr(address.as_ref(), network.as_ref()).map(bool);
        }
        ("matches", [text, pattern]) => {
            return search(text.as_ref(), pattern.as_ref(), steps).map(bool);
        }
        _ => {}
    }

    for argument in &arguments {
        if name.starts_with("optional.") {
            steps.take_for_copy(argument.as_ref())?;
        } else {
            steps.take_for_bytes(cel_fixes::length(argument.as_ref()))?;
        }
    }
    if let Some(answer) = cel_fixes::function(name, &arguments) {
        return answer;
    }
    if is_method && name != "size" {
        return method(name, &arguments);
    }
    let Some(function) = ENV.find_overload(name, &arguments) else { return no_such_overload() };
    let is_conversion = matches!(name, "bool" | "int" | "uint" | "double" | "string" | "timestamp");
    let converted = arguments.first().filter(|_| is_conversion).map(|value| shown(value.as_ref()));
    function(arguments).map_err(|error| failure(name, converted, error))
}

/// What an operator between two values gives.
pub(in crate::caveat) fn operate<'b>(
    name: &str,
    left: &(dyn Val + 'static),
    right: &(dyn Val + 'static),
    steps: &Steps<'_>,
) -> EvalResult<'b> {
    let value = match name {
        operators::ADD => {
            steps.take_for_copy(left)?;
            steps.take_for_copy(right)?;
            let adder = left.as_adder().filter(|_| cel_fixes::are_addable(left, right));
            adder.map(|own| own.add(right))
        }
        operators::SUBSTRACT => left.as_subtractor().map(|own| own.sub(right)),
        operators::MULTIPLY => left.as_multiplier().map(|own| own.mul(right)),
        operators::DIVIDE => left.as_divider().map(|own| own.div(right)),
        operators::MODULO => left.as_modder().map(|own| own.modulo(right)),
        _ => return compare(name, left, right, steps).map(bool),
    };

    match value {
        Some(Ok(value)) => Ok(CowVal::Owned(value.into_owned())),
        Some(Err(error)) => Err(failure(name, None, error)),
        None => no_such_overload(),
    }
}

fn compare(
    name: &str,
    left: &(dyn Val + 'static),
    right: &(dyn Val + 'static),
    steps: &Steps<'_>,
) -> Result<bool, EvalStop> {
    let order = || cel_fixes::order(left, right, steps);
    match name {
        operators::EQUALS => cel_fixes::equal(left, right, steps),
        operators::NOT_EQUALS => cel_fixes::equal(left, right, steps).map(|equal| !equal),
        operators::LESS => order().map(Ordering::is_lt),
        operators::LESS_EQUALS => order().map(Ordering::is_le),
        operators::GREATER => order().map(Ordering::is_gt),
        operators::GREATER_EQUALS => order().map(Ordering::is_ge),
        operators::IN => cel_fixes::contains(right, left, steps),
        _ => no_such_overload(),
    }
}

/// A bool as a value.
pub(in crate::caveat) fn bool<'b>(value: bool) -> CowVal<'b, 'static> {
    CowVal::owned(CelBool::from(value))
}

/// A search for a pattern that is not known beforehand.
fn search(
    text: &(dyn Val + 'static),
    pattern: &(dyn Val + 'static),
    steps: &Steps<'_>,
) -> Result<bool, EvalStop> {
    let Some(pattern) = pattern.downcast_ref::<CelString<'_>>() else { return no_such_overload() };
    // Compiling is far dearer than anything else that a step stands for.
    steps.take(1_000 + pattern.inner().len() * 10)?;
    match pattern::compile(pattern.inner()) {
        Ok(pattern) => matches(text, &pattern, steps),
        Err(message) => failed(message),
    }
}

/// Whether a pattern is found anywhere in a text.
pub(in crate::caveat) fn matches(
    text: &(dyn Val + 'static),
    pattern: &Regex,
    steps: &Steps<'_>,
) -> Result<bool, EvalStop> {
    let Some(text) = text.downcast_ref::<CelString<'_>>() else { return no_such_overload() };
    // The time that a search takes grows with both lengths.
    steps.take_for_bytes(text.inner().len().saturating_mul(1 + pattern.as_str().len() / 8))?;
    Ok(pattern.is_match(text.inner()))
}

/// The arguments of a method call, as variables named `0` and `1`.
struct MethodArguments<'a>(&'a [CowVal<'a, 'static>]);

impl VariableResolver for MethodArguments<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let value = self.0.get(variable.parse::<usize>().ok()?)?;
        Some(CowVal::Borrowed(value.as_ref()))
    }
}

/// Calls a method of the crate; all of them return a bool or an int. The crate has no other way to call one than to
/// evaluate a call expression.
fn method<'b>(name: &str, arguments: &[CowVal<'_, 'static>]) -> EvalResult<'b> {
    let value = |name: &str| IdedExpr { id: 0, expr: Expr::Ident(name.to_owned()) };
    let call = CallExpr {
        func_name: name.to_owned(),
        target: Some(Box::new(value("0"))),
        args: if arguments.len() > 1 { vec![value("1")] } else { Vec::new() },
    };
    let call = IdedExpr { id: 0, expr: Expr::Call(call) };
    let resolver = MethodArguments(arguments);
    let mut context = Context::with_env(Arc::clone(&ENV));
    context.set_variable_resolver(&resolver);
    let argument_text = arguments.get(1).map(|argument| shown(argument.as_ref()));
    let answer =
        Value::resolve_val(&call, &context).map_err(|error| failure(name, argument_text, error))?;
    let bool = answer.downcast_ref::<CelBool>().map(|bool| CowVal::owned(*bool));
    let int = answer.downcast_ref::<CelInt>().map(|int| CowVal::owned(*int));
    bool.or(int).map_or_else(no_such_overload, Ok)
}

/// An element of a value, or of an optional's value.
pub(in crate::caveat) fn element<'b>(
    value: CowVal<'b, 'static>,
    index: &dyn Val,
    access: Access,
    steps: &Steps<'_>,
) -> EvalResult<'b> {
    let optional = value.downcast_ref::<CelOptional<'_>>().map(|optional| {
        optional.option().map(|value| steps.owned(CowVal::Borrowed(value))).transpose()
    });
    let (value, access) = match optional.transpose()? {
        None => (Some(value), access),
        Some(inner) => (inner.map(CowVal::Owned), access.max(Access::Optional)),
    };
    let found = value.map_or_else(|| Ok(Err(String::new())), |value| part(value, index))?;
    match (access, found) {
        (Access::Required, Ok(value)) => Ok(value),
        (Access::Required, Err(message)) => failed(message),
        (Access::Optional, Ok(value)) => Ok(CowVal::owned(CelOptional::of(steps.owned(value)?))),
        (Access::Optional, Err(_)) => Ok(CowVal::owned(CelOptional::none())),
        (Access::Test, found) => Ok(bool(found.is_ok())),
    }
}

/// An element, or the message that it does not exist.
type ElementLookup<'b> = Result<CowVal<'b, 'static>, String>;

fn part<'b>(value: CowVal<'b, 'static>, index: &dyn Val) -> Result<ElementLookup<'b>, EvalStop> {
    let is_list = value.downcast_ref::<CelList<'_>>().is_some();
    if !is_list && value.downcast_ref::<CelMap<'_>>().is_none() {
        return Ok(Err(format!("no such key: {}", shown(index))));
    }
    let found = match value {
        CowVal::Borrowed(value) => value.as_indexer().map(|own| own.get(index)),
        CowVal::Owned(value) => value.into_indexer().map(|own| own.steal(index).map(CowVal::Owned)),
    };

    match found {
        Some(Ok(value)) => Ok(Ok(value)),
        Some(Err(ExecutionError::IndexOutOfBounds(_))) => {
            Ok(Err(format!("index out of bounds: {}", shown(index))))
        }
        Some(Err(ExecutionError::UnsupportedIndex(..))) => {
            failed(format!("unsupported index value {} in list", shown(index)))
        }
        Some(Err(_)) if is_list => {
            failed(format!("unsupported index type '{}' in list", index.get_type().name()))
        }
        Some(Err(_)) | None => Ok(Err(format!("no such key: {}", shown(index)))),
    }
}

/// Translates the crate's errors into CEL's messages where CEL defines them.
fn failure(name: &str, value: Option<String>, error: ExecutionError) -> EvalStop {
    use Value::{Duration, Timestamp, UInt};

    EvalStop::Failed(match (error, value) {
        (ExecutionError::Overflow(_, Timestamp(_), Timestamp(_)), _) => {
            "duration overflow".to_owned()
        }
        (
            ExecutionError::Overflow(_, Timestamp(_), _)
            | ExecutionError::Overflow(_, _, Timestamp(_)),
            _,
        ) => "timestamp overflow".to_owned(),
        (ExecutionError::Overflow(_, Duration(_), _), _) => "duration overflow".to_owned(),
        (ExecutionError::Overflow(_, UInt(_), _), _) => "unsigned integer overflow".to_owned(),
        (ExecutionError::Overflow(..), _) => "integer overflow".to_owned(),
        (ExecutionError::DivisionByZero(_), _) => "division by zero".to_owned(),
        (ExecutionError::RemainderByZero(_), _) => "modulus by zero".to_owned(),
        (ExecutionError::FunctionError { message, .. }, Some(value)) => {
            format!("`{name}` of `{value}`: {message}")
        }
        (ExecutionError::FunctionError { message, .. }, None) => format!("`{name}`: {message}"),
        _ => "no such overload".to_owned(),
    })
}
