//! Evaluates an expression with the known values of its parameters.
//!
//! The evaluator is part of this module because parameters may be missing. A missing value propagates like a failure: an
//! expression with a missing operand is missing. The logical operators, and the macros based on them, evaluate further
//! terms: a decided term takes precedence over a missing one, and a missing one over a failed one, in any order.

pub(super) mod budget;
pub(super) mod cel_fixes;
mod functions;
pub(super) mod ip;
pub(super) mod pattern;

use crate::caveat::call_kind::{
    Access, CallKind, MacroCall, MacroKind, call_kind, qualified_name, type_of_name,
};
use crate::caveat::eval::budget::{EvalResult, EvalStop, Steps, failed, no_such_overload};
use crate::caveat::eval::functions::{apply, bool, element, matches, operate};
use crate::caveat::parameter::Parameter;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, ListExpr, MapExpr, SelectExpr};
use cel::common::types::{CelBool, CelList, CelMap, CelMapKey, CelOptional, CelString, CelType};
use cel::common::value::{CowVal, Val};
use regex::Regex;
use std::collections::{BTreeSet, HashMap};

/// One evaluation.
#[derive(Debug)]
pub(in crate::caveat) struct Evaluation<'v> {
    parameters: &'v [Parameter],
    /// The values by parameter position; `None` for a missing value.
    values: &'v [Option<Box<dyn Val>>],
    /// Compiled literal patterns, by the id of the call that uses them.
    patterns: &'v HashMap<u64, Regex>,
    steps: &'v Steps<'v>,
}

/// A macro's variable, with the variables of the enclosing macros.
#[derive(Clone, Copy, Debug)]
pub(in crate::caveat) struct LocalVariable<'b> {
    name: &'b str,
    value: &'b (dyn Val + 'static),
    outer: Locals<'b>,
}

type Locals<'b> = Option<&'b LocalVariable<'b>>;

/// The missing names and the first failure among the operands of one expression.
#[derive(Default)]
struct OperandErrors {
    missing: BTreeSet<String>,
    failure: Option<String>,
}

impl OperandErrors {
    /// Records a required operand. A failure ends the evaluation, unless an earlier operand is missing.
    fn required<T>(&mut self, answer: Result<T, EvalStop>) -> Result<Option<T>, EvalStop> {
        let value = self.absorbed(answer)?;
        match self.failure.take() {
            Some(failure) if self.missing.is_empty() => Err(EvalStop::Failed(failure)),
            _ => Ok(value),
        }
    }

    /// Records an operand that another operand may outweigh.
    fn absorbed<T>(&mut self, answer: Result<T, EvalStop>) -> Result<Option<T>, EvalStop> {
        match answer {
            Ok(value) => return Ok(Some(value)),
            Err(EvalStop::Missing(missing)) => self.missing.extend(missing),
            Err(EvalStop::Failed(failure)) => _ = self.failure.get_or_insert(failure),
            Err(stop @ (EvalStop::Exhausted | EvalStop::Interrupted)) => return Err(stop),
        }
        Ok(None)
    }

    /// The value, if nothing errors.
    fn or_value<T>(self, value: T) -> Result<T, EvalStop> {
        match self.failure {
            _ if !self.missing.is_empty() => Err(EvalStop::Missing(self.missing)),
            Some(failure) => Err(EvalStop::Failed(failure)),
            None => Ok(value),
        }
    }
}

impl<'v> Evaluation<'v> {
    pub(in crate::caveat) fn new(
        parameters: &'v [Parameter],
        values: &'v [Option<Box<dyn Val>>],
        patterns: &'v HashMap<u64, Regex>,
        steps: &'v Steps<'v>,
    ) -> Self {
        Self { parameters, values, patterns, steps }
    }

    /// Evaluates an expression of type bool.
    pub(in crate::caveat) fn holds(&self, expr: &IdedExpr) -> Result<bool, EvalStop> {
        self.bool(expr, None)
    }

    fn bool(&self, expr: &IdedExpr, scope: Locals<'_>) -> Result<bool, EvalStop> {
        let value = self.value(expr, scope)?;
        value.downcast_ref::<CelBool>().map_or_else(no_such_overload, |bool| Ok(*bool.inner()))
    }

    fn value<'b>(&'b self, expr: &'b IdedExpr, scope: Locals<'b>) -> EvalResult<'b> {
        self.steps.take(1)?;
        match &expr.expr {
            Expr::Literal(literal) => Ok(literal.to_val()),
            Expr::Ident(name) => self.name(name, scope),
            Expr::Select(select) => self.select(select, scope),
            Expr::Call(call) => self.call(expr.id, call, scope),
            Expr::List(list) => self.list(list, scope),
            Expr::Map(map) => self.map(map, scope),
            Expr::Comprehension(_) | Expr::Struct(_) | Expr::Unspecified => no_such_overload(),
        }
    }

    fn name<'b>(&'b self, name: &str, scope: Locals<'b>) -> EvalResult<'b> {
        if let Some(local) = local(name, scope) {
            return Ok(CowVal::Borrowed(local));
        }
        let name = name.strip_prefix('.').unwrap_or(name);
        match (self.parameter(name), type_of_name(name)) {
            (Some(Some(value)), _) => Ok(CowVal::Borrowed(value.as_ref())),
            (Some(None), _) => Err(EvalStop::Missing(BTreeSet::from([name.to_owned()]))),
            (None, Some(named)) => Ok(CowVal::owned(CelType::new_static(named))),
            (None, None) => failed(format!("undeclared reference to `{name}`")),
        }
    }

    fn parameter(&self, name: &str) -> Option<&Option<Box<dyn Val>>> {
        let position = self.parameters.iter().position(|parameter| parameter.name == name)?;
        self.values.get(position)
    }

    fn is_declared(&self, name: &str, scope: Locals<'_>) -> bool {
        local(name, scope).is_some()
            || self.parameter(name.strip_prefix('.').unwrap_or(name)).is_some()
    }

    fn select<'b>(&'b self, select: &'b SelectExpr, scope: Locals<'b>) -> EvalResult<'b> {
        let is_declared = |name: &str| self.is_declared(name, scope);
        if matches!(select.field.as_str(), "Duration" | "Timestamp")
            && let Some(namespace) = qualified_name(&select.operand, &is_declared)
            && let Some(named) = type_of_name(&format!("{namespace}.{}", select.field))
        {
            return Ok(CowVal::owned(CelType::new_static(named)));
        }
        let operand = self.value(&select.operand, scope)?;
        element(operand, &CelString::from(select.field.as_str()), Access::Required, self.steps)
    }

    fn call<'b>(&'b self, id: u64, call: &'b CallExpr, scope: Locals<'b>) -> EvalResult<'b> {
        match call_kind(call, |name| self.is_declared(name, scope)) {
            CallKind::Logical { terms, deciding } => self.logical(terms, deciding, scope).map(bool),
            CallKind::Not(operand) => self.bool(operand, scope).map(|holds| bool(!holds)),
            CallKind::Conditional([condition, then, otherwise]) => {
                let holds = self.bool(condition, scope)?;
                self.value(if holds { then } else { otherwise }, scope)
            }
            CallKind::Has(tested) => {
                let Expr::Select(select) = &tested.expr else { return no_such_overload() };
                let operand = self.value(&select.operand, scope)?;
                let field = CelString::from(select.field.as_str());
                element(operand, &field, Access::Test, self.steps)
            }
            CallKind::Index { operand, index, access } => {
                let [operand, index] = self.both([operand, index], scope)?;
                element(operand, index.as_ref(), access, self.steps)
            }
            CallKind::OptionalField { operand, field } => {
                let [operand, field] = self.both([operand, field], scope)?;
                element(operand, field.as_ref(), Access::Optional, self.steps)
            }
            CallKind::OrElse { operands, unwrapped } => self.or_else(operands, unwrapped, scope),

            CallKind::Macro(found) => self.expand(found, scope),
            CallKind::Function { name, target: None, arguments: [left, right] }
                if name.starts_with(['_', '@']) =>
            {
                let [left, right] = self.both([left, right], scope)?;
                operate(&name, left.as_ref(), right.as_ref(), self.steps)
            }
            CallKind::Function { name, target, arguments } => {
                if let Some(pattern) = self.patterns.get(&id)
                    && let Some(text) = target.or(arguments.first())
                {
                    let text = self.value(text, scope)?;
                    return matches(text.as_ref(), pattern, self.steps).map(bool);
                }
                let mut errors = OperandErrors::default();
                let mut values = Vec::with_capacity(arguments.len() + 1);
                for argument in target.into_iter().chain(arguments) {
                    values.extend(errors.required(self.value(argument, scope))?);
                }
                let values = errors.or_value(values)?;
                apply(&name, target.is_some(), values, self.steps)
            }
        }
    }

    fn both<'b>(
        &'b self,
        [left, right]: [&'b IdedExpr; 2],
        scope: Locals<'b>,
    ) -> Result<[CowVal<'b, 'static>; 2], EvalStop> {
        let mut errors = OperandErrors::default();
        let left = errors.required(self.value(left, scope))?;
        let right = errors.required(self.value(right, scope))?;
        match errors.or_value((left, right))? {
            (Some(left), Some(right)) => Ok([left, right]),
            _ => no_such_overload(),
        }
    }

    /// Terms of which a single one with the value `deciding` decides.
    fn logical(
        &self,
        terms: &[IdedExpr],
        deciding: bool,
        scope: Locals<'_>,
    ) -> Result<bool, EvalStop> {
        let mut errors = OperandErrors::default();
        for term in terms {
            if errors.absorbed(self.bool(term, scope))? == Some(deciding) {
                return Ok(deciding);
            }
        }
        errors.or_value(!deciding)
    }

    fn list<'b>(&'b self, list: &'b ListExpr, scope: Locals<'b>) -> EvalResult<'b> {
        let mut errors = OperandErrors::default();
        let mut values = Vec::with_capacity(list.elements.len());
        for (at, element) in list.elements.iter().enumerate() {
            if let Some(value) = errors.required(self.value(element, scope))? {
                let optional = list.optional_indices.binary_search(&at).is_ok();
                values.extend(self.present(value, optional)?);
            }
        }
        errors.or_value(CowVal::owned(CelList::from(values)))
    }

    fn map<'b>(&'b self, map: &'b MapExpr, scope: Locals<'b>) -> EvalResult<'b> {
        let mut errors = OperandErrors::default();
        let mut entries: HashMap<CelMapKey<'static>, Box<dyn Val>> = HashMap::new();
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { return no_such_overload() };
            let key = errors.required(self.value(&entry.key, scope))?;
            let value = errors.required(self.value(&entry.value, scope))?;
            let (Some(key), Some(value)) = (key, value) else { continue };
            let kind = key.get_type().name().to_owned();
            let Ok(key) = CelMapKey::try_from(key) else {
                return failed(format!("unsupported key type: {kind}"));
            };
            if let Some(value) = self.present(value, entry.optional)? {
                if cel_fixes::has_key(&entries, &key) {
                    return failed("repeated key in a map");
                }
                entries.insert(key, value);
            }
        }

        errors.or_value(CowVal::owned(CelMap::from(entries)))
    }

    /// The value of an element or entry of a literal; for an optional one, the value of the optional, if it has one.
    fn present(
        &self,
        value: CowVal<'_, 'static>,
        optional: bool,
    ) -> Result<Option<Box<dyn Val>>, EvalStop> {
        if !optional {
            return self.steps.owned(value).map(Some);
        }
        let Some(value) = value.downcast_ref::<CelOptional<'_>>() else {
            return no_such_overload();
        };
        value.option().map(|value| self.steps.owned(CowVal::Borrowed(value))).transpose()
    }

    fn or_else<'b>(
        &'b self,
        [first, second]: [&'b IdedExpr; 2],
        unwrapped: bool,
        scope: Locals<'b>,
    ) -> EvalResult<'b> {
        let found = self.value(first, scope)?;
        let Some(optional) = found.downcast_ref::<CelOptional<'_>>() else {
            return no_such_overload();
        };
        match (optional.option(), unwrapped) {
            (Some(value), true) => self.steps.owned(CowVal::Borrowed(value)).map(CowVal::Owned),
            (Some(_), false) => Ok(found),
            (None, _) => self.value(second, scope),
        }
    }

    fn expand<'b>(&'b self, found: MacroCall<'b>, scope: Locals<'b>) -> EvalResult<'b> {
        let operand = self.value(found.operand, scope)?;
        if found.kind.is_over_optional() {
            return self.expand_optional(found, &operand, scope);
        }
        let elements = cel_fixes::elements(&operand)?;
        self.steps.take(elements.len())?;
        match found.kind {
            MacroKind::All => self.quantified(&elements, found, false, scope).map(bool),
            MacroKind::Exists => self.quantified(&elements, found, true, scope).map(bool),
            MacroKind::ExistsOne => Ok(bool(self.collected(&elements, found, scope)?.len() == 1)),
            MacroKind::Filter
            | MacroKind::Map
            | MacroKind::OptionalMap
            | MacroKind::OptionalFlatMap => {
                Ok(CowVal::owned(CelList::from(self.collected(&elements, found, scope)?)))
            }
        }
    }

    fn expand_optional<'b>(
        &'b self,
        found: MacroCall<'b>,
        operand: &CowVal<'b, 'static>,
        scope: Locals<'b>,
    ) -> EvalResult<'b> {
        let Some(optional) = operand.downcast_ref::<CelOptional<'_>>() else {
            return no_such_overload();
        };
        let Some(value) = optional.option() else { return Ok(CowVal::owned(CelOptional::none())) };
        let inner = LocalVariable { name: found.name(), value, outer: scope };
        let value = self.steps.owned(self.value(found.body, Some(&inner))?)?;
        if found.kind == MacroKind::OptionalMap {
            return Ok(CowVal::owned(CelOptional::of(value)));
        }
        let is_optional = value.downcast_ref::<CelOptional<'_>>().is_some();
        if is_optional { Ok(CowVal::Owned(value)) } else { no_such_overload() }
    }

    /// Whether the body is `deciding` for an element, as if the elements were joined by a logical operator.
    fn quantified(
        &self,
        elements: &[&(dyn Val + 'static)],
        found: MacroCall<'_>,
        deciding: bool,
        scope: Locals<'_>,
    ) -> Result<bool, EvalStop> {
        let mut errors = OperandErrors::default();
        for value in elements {
            let inner = LocalVariable { name: found.name(), value: *value, outer: scope };
            if errors.absorbed(self.bool(found.body, Some(&inner)))? == Some(deciding) {
                return Ok(deciding);
            }
        }
        errors.or_value(!deciding)
    }

    /// The elements for which the condition holds, mapped by the body of `map`.
    fn collected(
        &self,
        elements: &[&(dyn Val + 'static)],
        found: MacroCall<'_>,
        scope: Locals<'_>,
    ) -> Result<Vec<Box<dyn Val>>, EvalStop> {
        let is_map = found.kind == MacroKind::Map;
        let (condition, made) =
            if is_map { (found.condition, Some(found.body)) } else { (Some(found.body), None) };

        let mut errors = OperandErrors::default();
        let mut collected = Vec::new();
        for value in elements {
            let inner = LocalVariable { name: found.name(), value: *value, outer: scope };
            let holds = condition.map_or(Ok(true), |condition| self.bool(condition, Some(&inner)));
            if errors.required(holds)? == Some(true) {
                let value = match made {
                    Some(made) => self.value(made, Some(&inner)),
                    None => Ok(CowVal::Borrowed(*value)),
                };
                if let Some(value) = errors.required(value)? {
                    collected.push(self.steps.owned(value)?);
                }
            }
        }
        errors.or_value(collected)
    }
}

/// The innermost of the macros' variables that has a name.
fn local<'b>(name: &str, scope: Locals<'b>) -> Option<&'b (dyn Val + 'static)> {
    let mut around = std::iter::successors(scope, |local| local.outer);
    around.find(|local| local.name == name).map(|local| local.value)
}
