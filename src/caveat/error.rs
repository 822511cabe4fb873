//! The errors of compiling and evaluating caveats.

use std::ops::Range;

/// An error in a caveat's text, with its position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct CompileError {
    /// The error.
    pub kind: CompileErrorKind,
    /// The byte range in the compiled body.
    pub range: Range<usize>,
}

/// The kinds of errors in a caveat's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileErrorKind {
    /// The body is not a CEL expression.
    #[error("invalid expression for caveat `{caveat}`: {message}")]
    Syntax {
        /// The caveat.
        caveat: String,
        /// The parser's message.
        message: String,
    },
    /// The expression has a type error.
    #[error("invalid expression for caveat `{caveat}`: {message}")]
    Type {
        /// The caveat.
        caveat: String,
        /// The type checker's message.
        message: String,
    },
    /// The body is longer or more deeply nested than allowed.
    #[error("invalid expression for caveat `{caveat}`: {message}")]
    TooLarge {
        /// The caveat.
        caveat: String,
        /// The limit that is exceeded.
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

/// The errors of a context, or of an evaluation with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaveatError {
    /// A stored context has a name that is not a parameter of the caveat.
    #[error("unknown parameter `{parameter}` for caveat `{caveat}`")]
    UnknownParameter {
        /// The caveat.
        caveat: String,
        /// The unknown name.
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
        /// The reason.
        message: String,
    },
    /// The expression failed on these values.
    #[error("evaluation error for caveat `{caveat}`: {message}")]
    Evaluation {
        /// The caveat.
        caveat: String,
        /// The message, in CEL's words.
        message: String,
    },
    /// The evaluation on these values needs more steps than allowed.
    #[error(
        "evaluation error for caveat `{caveat}`: the expression takes more than {steps_max} steps on this context"
    )]
    Exhausted {
        /// The caveat.
        caveat: String,
        /// The number of allowed steps.
        steps_max: usize,
    },
    /// The caller no longer waits for the evaluation.
    #[error("the evaluation was interrupted, because the caller no longer waits")]
    Interrupted,
}
