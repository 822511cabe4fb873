//! Required permissions of a write.

use crate::cli::error::CliError;
use crate::client::PermissionCheck;
use crate::relationship::{Context, parse_relationship_key};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct RequirementArgs {
    /// Write only if this check is true at the time of the write, such as document:plan#edit@user:ann; may be repeated.
    #[arg(long = "require", value_name = "CHECK")]
    require: Vec<String>,
    /// Caveat context for the required permissions, as a JSON object.
    #[arg(long, requires = "require", value_name = "JSON")]
    require_context: Option<String>,
}

impl RequirementArgs {
    /// The required permissions as checks.
    pub(super) fn read(&self) -> Result<Vec<PermissionCheck>, CliError> {
        let context = self.require_context.as_deref().map(Context::parse).transpose()?;
        let context = context.unwrap_or_default();
        let requested = |text: &String| {
            let (resource, permission, subject) = parse_relationship_key(text)?;
            Ok(PermissionCheck { resource, permission, subject, context: context.clone() })
        };
        self.require.iter().map(requested).collect()
    }
}
