//! The moment that a question is about, as flags.

use crate::api::proto::authzed::api::v1::consistency::Requirement;
use crate::api::proto::authzed::api::v1::{Consistency, ZedToken};
use clap::Args;

/// Which moment to ask about; any recent one when nothing is said.
#[derive(Debug, Args)]
#[command(next_help_heading = "Consistency")]
#[group(multiple = false)]
pub(super) struct Flags {
    /// Ask about the newest moment.
    #[arg(long = "consistency-full")]
    full: bool,
    /// Ask about a moment that is at least as new as this token's.
    #[arg(long = "consistency-at-least", value_name = "TOKEN")]
    at_least: Option<String>,
    /// Ask about exactly this token's moment.
    #[arg(long = "consistency-at-exactly", value_name = "TOKEN")]
    at_exactly: Option<String>,
    /// Ask about the moment that is quickest to read.
    #[arg(long = "consistency-min-latency")]
    min_latency: bool,
}

impl Flags {
    pub(super) fn message(&self) -> Consistency {
        let token = |token: &String| ZedToken { token: token.clone() };
        let requirement = if self.full {
            Requirement::FullyConsistent(true)
        } else if let Some(least) = &self.at_least {
            Requirement::AtLeastAsFresh(token(least))
        } else if let Some(exact) = &self.at_exactly {
            Requirement::AtExactSnapshot(token(exact))
        } else {
            Requirement::MinimizeLatency(true)
        };
        Consistency { requirement: Some(requirement) }
    }
}
