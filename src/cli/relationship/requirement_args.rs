//! Permissions that must be held for a write to happen.

use crate::cli::error::CliError;
use crate::client::Asked;
use crate::relationship::{Context, parse_relationship_key};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct RequirementArgs {
    /// Write only if this holds at that moment, such as document:plan#edit@user:ann; may be repeated, and all must hold.
    #[arg(long = "require", value_name = "QUESTION")]
    require: Vec<String>,
    /// Values for the caveat parameters of what is required, as a JSON object.
    #[arg(long, requires = "require", value_name = "JSON")]
    require_context: Option<String>,
}

impl RequirementArgs {
    /// The permissions as questions.
    pub(super) fn read(&self) -> Result<Vec<Asked>, CliError> {
        let context = self.require_context.as_deref().map(Context::parse).transpose()?;
        let context = context.unwrap_or_default();
        let asked = |text: &String| {
            let (resource, permission, subject) = parse_relationship_key(text)?;
            Ok(Asked { resource, permission, subject, context: context.clone() })
        };
        self.require.iter().map(asked).collect()
    }
}
