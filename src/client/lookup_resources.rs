//! Lookups of resources.

use super::call_error::CallError;
use super::connection::Connection;
use super::decode;
use super::read_consistency::ReadConsistency;
use crate::proto::authzed::api::v1 as wire;
use crate::proto::encode;
use crate::proto::kilwa::v1::LookupResourcesWithinRequest;
use crate::relationship::{Context, Subject};
use tonic::Streaming;

/// Which resources to look up.
#[derive(Clone, Debug, PartialEq)]
pub struct LookupResourcesArgs {
    /// The resources' type.
    pub resource_type: String,
    /// A permission or relation of that type.
    pub permission: String,
    /// The subject.
    pub subject: Subject,
    /// Values for caveat parameters.
    pub context: Context,
    /// Only resources with one of these ids; all if empty.
    pub ids: Vec<String>,
    /// Only resources whose id has this prefix.
    pub id_prefix: String,
}

/// Which page of the results to return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// The revision to read.
    pub consistency: ReadConsistency,
    /// Maximum number of results; 0 for all.
    pub count_max: u32,
    /// The cursor of the result to continue after, from an earlier call with the same arguments.
    pub cursor: Option<String>,
}

/// A resource on which the subject has the permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceMatch {
    /// Its id.
    pub id: String,
    /// Whether the permission depends on missing context.
    pub is_conditional: bool,
    /// The names of the missing context, sorted.
    pub missing_context: Vec<String>,
    /// The token of the revision that was read.
    pub looked_up_at: String,
    /// The cursor to continue after this result.
    pub cursor: String,
}

impl Connection {
    /// Passes every resource of a page to `receive`, in byte order of the ids. Ends with the first error of either side.
    pub fn lookup_resources<E: From<CallError>>(
        &self,
        args: &LookupResourcesArgs,
        page: PageRequest,
        mut receive: impl FnMut(ResourceMatch) -> Result<(), E>,
    ) -> Result<(), E> {
        let request = wire::LookupResourcesRequest {
            consistency: Some(page.consistency.to_message()),
            resource_object_type: args.resource_type.clone(),
            permission: args.permission.clone(),
            subject: Some(encode::subject(&args.subject)),
            context: encode::optional_context(&args.context),
            optional_limit: page.count_max,
            optional_cursor: page.cursor.map(|token| wire::Cursor { token }),
            with_debug: true,
        };
        let mut stream = self.lookup_stream(args, request)?;
        while let Some(response) = self.next(&mut stream)? {
            receive(resource(response))?;
        }
        Ok(())
    }

    fn lookup_stream(
        &self,
        args: &LookupResourcesArgs,
        request: wire::LookupResourcesRequest,
    ) -> Result<Streaming<wire::LookupResourcesResponse>, CallError> {
        if args.ids.is_empty() && args.id_prefix.is_empty() {
            return self.wait(self.permissions().lookup_resources(request));
        }
        let request = LookupResourcesWithinRequest {
            lookup: Some(request),
            resource_ids: args.ids.clone(),
            resource_id_prefix: args.id_prefix.clone(),
        };
        self.wait(self.lookups().lookup_resources_within(request))
    }
}

fn resource(response: wire::LookupResourcesResponse) -> ResourceMatch {
    let is_conditional =
        response.permissionship() == wire::LookupPermissionship::ConditionalPermission;
    let mut missing_context =
        response.partial_caveat_info.unwrap_or_default().missing_required_context;
    missing_context.sort();
    ResourceMatch {
        id: response.resource_object_id,
        is_conditional,
        missing_context,
        looked_up_at: decode::token(response.looked_up_at),
        cursor: response.after_result_cursor.map(|cursor| cursor.token).unwrap_or_default(),
    }
}
