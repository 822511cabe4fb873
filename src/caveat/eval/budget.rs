//! The step budget of an evaluation, and the reasons why an expression has no value.

use cel::common::types::{CelBytes, CelList, CelMap, CelOptional, CelString};
use cel::common::value::{CowVal, Val};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;

/// Maximum number of steps of one evaluation.
const STEPS_MAX: usize = 1_000_000;

/// Number of bytes that are read or copied in one step.
const BYTES_A_STEP: usize = 32;

/// Number of steps between two questions whether the caller still waits: about a millisecond.
const STEPS_PER_INTERRUPTION: usize = 4_096;

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::caveat) enum EvalStop {
    /// It reads parameters that have no value.
    Missing(BTreeSet<String>),
    /// It failed.
    Failed(String),
    /// It needs more steps than allowed. No other operand outweighs that, not even `|| true`.
    Exhausted,
    /// The caller no longer waits. Nothing outweighs that either.
    Interrupted,
}

/// A value, possibly borrowed from the expression, a parameter or a macro's variable; or the reason why there is none.
pub(in crate::caveat) type EvalResult<'b> = Result<CowVal<'b, 'static>, EvalStop>;

/// A failed evaluation.
pub(in crate::caveat) fn failed<T>(message: impl Into<String>) -> Result<T, EvalStop> {
    Err(EvalStop::Failed(message.into()))
}

/// The failure of an operation without an overload for its operands.
pub(in crate::caveat) fn no_such_overload<T>() -> Result<T, EvalStop> {
    failed("no such overload")
}

/// The step budget of an evaluation.
///
/// Every expression costs one step. Operations that read or copy content cost more: one step for each element of a list or
/// map, and for each 32 bytes of text. So the number of steps bounds both time and memory.
pub struct Steps<'i> {
    max: usize,
    left: Cell<usize>,
    interrupted: &'i dyn Fn() -> bool,
}

impl Default for Steps<'_> {
    fn default() -> Self {
        Self::at_most(STEPS_MAX)
    }
}

impl fmt::Debug for Steps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps").field("left", &self.left).finish_non_exhaustive()
    }
}

impl<'i> Steps<'i> {
    /// A budget of `count` steps, at most the maximum of one evaluation.
    pub fn at_most(count: usize) -> Self {
        let max = count.min(STEPS_MAX);
        Self { max, left: Cell::new(max), interrupted: &|| false }
    }

    /// The same budget for a caller that may stop waiting: `interrupted` is called at regular intervals; `true` ends the evaluation with
    /// [`CaveatError::Interrupted`](super::super::CaveatError::Interrupted).
    #[must_use]
    pub fn interrupted_by(self, interrupted: &'i dyn Fn() -> bool) -> Self {
        Self { interrupted, ..self }
    }

    /// The number of steps taken.
    pub fn taken(&self) -> usize {
        self.max - self.left.get()
    }

    /// The initial number of steps.
    pub(in crate::caveat) fn max(&self) -> usize {
        self.max
    }

    pub(in crate::caveat) fn take(&self, count: usize) -> Result<(), EvalStop> {
        let before = self.left.get();
        let left = before.checked_sub(count);
        self.left.set(left.unwrap_or(0));
        let left = left.ok_or(EvalStop::Exhausted)?;
        let looks = |left: usize| (self.max - left) / STEPS_PER_INTERRUPTION;
        let is_due = looks(left) > looks(before);
        if is_due && (self.interrupted)() { Err(EvalStop::Interrupted) } else { Ok(()) }
    }

    pub(in crate::caveat) fn take_for_bytes(&self, length: usize) -> Result<(), EvalStop> {
        self.take(length / BYTES_A_STEP)
    }

    /// Charges the steps for a deep copy of a value.
    pub(in crate::caveat) fn take_for_copy(
        &self,
        value: &(dyn Val + 'static),
    ) -> Result<(), EvalStop> {
        if let Some(text) = value.downcast_ref::<CelString<'_>>() {
            return self.take_for_bytes(text.inner().len());
        }
        if let Some(bytes) = value.downcast_ref::<CelBytes<'_>>() {
            return self.take_for_bytes(bytes.inner().len());
        }

        if let Some(list) = value.downcast_ref::<CelList<'_>>() {
            self.take(list.inner().len())?;
            return list
                .inner()
                .iter()
                .try_for_each(|element| self.take_for_copy(element.as_ref()));
        }

        if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
            self.take(map.inner().len())?;
            return map.inner().iter().try_for_each(|(key, value)| {
                self.take_for_copy(key.inner())?;
                self.take_for_copy(value.as_ref())
            });
        }

        let optional = value.downcast_ref::<CelOptional<'_>>().and_then(CelOptional::option);
        optional.map_or(Ok(()), |value| self.take_for_copy(value))
    }

    /// The value as an owned one; charges the copy of a borrowed one.
    pub(in crate::caveat) fn owned(
        &self,
        value: CowVal<'_, 'static>,
    ) -> Result<Box<dyn Val>, EvalStop> {
        if let CowVal::Borrowed(value) = value {
            self.take_for_copy(value)?;
        }
        Ok(value.into_owned())
    }
}

/// The value as shown in messages.
pub(in crate::caveat) fn shown(value: &dyn Val) -> String {
    use cel::common::types::{CelBool, CelDouble, CelInt, CelUInt};
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        return text.inner().chars().take(100).collect();
    }
    let bool = value.downcast_ref::<CelBool>().map(|bool| bool.to_string());
    let int = value.downcast_ref::<CelInt>().map(|int| int.to_string());
    let uint = value.downcast_ref::<CelUInt>().map(|uint| uint.to_string());
    let double = value.downcast_ref::<CelDouble>().map(|double| double.to_string());
    bool.or(int).or(uint).or(double).unwrap_or_else(|| value.get_type().name().to_owned())
}
