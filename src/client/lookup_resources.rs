//! Lookups of resources.

use super::calls::Moment;
use super::connection::{CallError, Connection};
use super::message;
use crate::proto::authzed::api::v1 as wire;
use crate::proto::kilwa::v1::LookupResourcesWithinRequest;
use crate::relationship::{Context, Subject};
use tonic::Streaming;

/// On which resources may this subject do this?
#[derive(Clone, Debug, PartialEq)]
pub struct ResourcesAsked {
    /// The resources' type.
    pub resource_type: String,
    /// A permission or relation of that type.
    pub permission: String,
    /// Who asks for access.
    pub subject: Subject,
    /// Values for caveat parameters.
    pub context: Context,
    /// Only resources with one of these ids, when there are any.
    pub ids: Vec<String>,
    /// Only resources whose id starts so.
    pub id_prefix: String,
}

/// Which part of the results is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourcesPage {
    /// The moment to look at.
    pub moment: Moment,
    /// At most so many; 0 for all.
    pub count_max: u32,
    /// Only what is behind the result that this came with, in an earlier call with the same arguments.
    pub cursor: Option<String>,
}

/// A resource on which the subject has the permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its id.
    pub id: String,
    /// Whether it depends on context that is missing.
    pub is_conditional: bool,
    /// The names of that context, sorted.
    pub missing_context: Vec<String>,
    /// The token of the moment that this is true of.
    pub looked_up_at: String,
    /// Where to go on behind it.
    pub cursor: String,
}

impl Connection {
    /// Hands every resource of a page to `take`, in byte order of the ids. Ends with the first error, of either side.
    pub fn lookup_resources<E: From<CallError>>(
        &self,
        asked: &ResourcesAsked,
        page: ResourcesPage,
        mut take: impl FnMut(Resource) -> Result<(), E>,
    ) -> Result<(), E> {
        let request = wire::LookupResourcesRequest {
            consistency: Some(message::consistency(&page.moment)),
            resource_object_type: asked.resource_type.clone(),
            permission: asked.permission.clone(),
            subject: Some(message::subject(&asked.subject)),
            context: message::context(&asked.context),
            optional_limit: page.count_max,
            optional_cursor: page.cursor.map(|token| wire::Cursor { token }),
            with_debug: true,
        };
        let mut stream = self.looked_up(asked, request)?;
        while let Some(response) = self.next(&mut stream)? {
            take(resource(response))?;
        }
        Ok(())
    }

    fn looked_up(
        &self,
        asked: &ResourcesAsked,
        request: wire::LookupResourcesRequest,
    ) -> Result<Streaming<wire::LookupResourcesResponse>, CallError> {
        if asked.ids.is_empty() && asked.id_prefix.is_empty() {
            return self.wait(self.permissions().lookup_resources(request));
        }
        let request = LookupResourcesWithinRequest {
            lookup: Some(request),
            resource_ids: asked.ids.clone(),
            resource_id_prefix: asked.id_prefix.clone(),
        };
        self.wait(self.lookups().lookup_resources_within(request))
    }
}

fn resource(response: wire::LookupResourcesResponse) -> Resource {
    let is_conditional =
        response.permissionship() == wire::LookupPermissionship::ConditionalPermission;
    let mut missing_context =
        response.partial_caveat_info.unwrap_or_default().missing_required_context;
    missing_context.sort();
    Resource {
        id: response.resource_object_id,
        is_conditional,
        missing_context,
        looked_up_at: message::token(response.looked_up_at),
        cursor: response.after_result_cursor.map(|cursor| cursor.token).unwrap_or_default(),
    }
}
