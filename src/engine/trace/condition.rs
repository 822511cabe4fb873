//! The caveat expression that a traced result depends on.

use crate::relationship::Context;

/// Maximum length of an expression in a trace, in bytes.
const EXPRESSION_BYTES_MAX: usize = 4_000;
/// Maximum number of context values in a trace.
const VALUES_MAX: usize = 64;

/// The caveats that a result depends on, as one expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The caveat's name, when the condition is a single caveat.
    pub caveat: Option<String>,
    /// The expressions of all caveats, joined by the operators of CEL. A very long one ends in `…`.
    pub expression: String,
    /// The values that the caveats were evaluated with. Where two caveats saw different values, the first one's.
    pub context: Context,
}

impl Condition {
    pub(in crate::engine) fn or(&self, other: &Self) -> Self {
        self.joined("||", other)
    }

    pub(in crate::engine) fn and(&self, other: &Self) -> Self {
        self.joined("&&", other)
    }

    pub(in crate::engine) fn not(&self) -> Self {
        let expression = shortened(format!("!({})", self.expression));
        Self { caveat: None, expression, context: self.context.clone() }
    }

    fn joined(&self, operator: &str, other: &Self) -> Self {
        if self == other {
            return self.clone();
        }
        let expression = format!("({}) {operator} ({})", self.expression, other.expression);
        let mut values = self.context.as_map().clone();
        for (name, value) in other.context.iter() {
            if values.len() < VALUES_MAX {
                values.entry(name).or_insert_with(|| value.clone());
            }
        }
        let context = Context::from_map(values);
        Self { caveat: None, expression: shortened(expression), context }
    }
}

fn shortened(mut expression: String) -> String {
    if expression.len() > EXPRESSION_BYTES_MAX {
        expression.truncate(expression.floor_char_boundary(EXPRESSION_BYTES_MAX));
        expression.push('…');
    }
    expression
}
