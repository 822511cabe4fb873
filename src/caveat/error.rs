//! What can be wrong with a caveat: when it is compiled, and when it is given a context.

use std::ops::Range;

/// A fault in a caveat's text, with its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct CompileError {
    /// What is wrong.
    pub kind: CompileErrorKind,
    /// Where: bytes of the body that was compiled.
    pub range: Range<usize>,
}

/// What is wrong with a caveat's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileErrorKind {
    /// The body is no CEL expression.
    #[error("invalid expression for caveat `{caveat}`: {message}")]
    Syntax {
        /// The caveat.
        caveat: String,
        /// What the parser found.
        message: String,
    },
    /// The body is an expression that cannot work.
    #[error("invalid expression for caveat `{caveat}`: {message}")]
    Type {
        /// The caveat.
        caveat: String,
        /// What does not fit.
        message: String,
    },
    /// The body is longer or deeper than is allowed.
    #[error("invalid expression for caveat `{caveat}`: {message}")]
    TooLarge {
        /// The caveat.
        caveat: String,
        /// What exceeds which limit.
        message: String,
    },
    /// The expression never reads a parameter.
    #[error("parameter `{name}` for caveat `{caveat}` is unused")]
    UnusedParameter {
        /// The caveat.
        caveat: String,
        /// The parameter.
        name: String,
    },
}

/// What is wrong with a context, or went wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaveatError {
    /// A stored context names what the caveat does not have.
    #[error("unknown parameter `{parameter}` for caveat `{caveat}`")]
    UnknownParameter {
        /// The caveat.
        caveat: String,
        /// The name that is no parameter.
        parameter: String,
    },
    /// A value is not of its parameter's type.
    #[error(
        "type error for parameters for caveat `{caveat}`: could not convert context parameter `{parameter}`: {message}"
    )]
    ParameterType {
        /// The caveat.
        caveat: String,
        /// The parameter.
        parameter: String,
        /// Why the value does not fit.
        message: String,
    },
    /// The expression failed on these values.
    #[error("evaluation error for caveat `{caveat}`: {message}")]
    Evaluation {
        /// The caveat.
        caveat: String,
        /// What failed, as CEL says it.
        message: String,
    },
    /// There were not enough steps to evaluate the expression on these values.
    #[error(
        "evaluation error for caveat `{caveat}`: the expression takes more than {steps_max} steps on this context"
    )]
    Exhausted {
        /// The caveat.
        caveat: String,
        /// How many steps it was given.
        steps_max: usize,
    },
}
