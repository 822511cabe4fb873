//! Permissions of a subject on a resource, and tokens of times: calls of `kilwa.v1.PermissionsService`.

use super::call_error::{CallError, describe};
use super::check::CheckAnswer;
use super::connection::Connection;
use super::decode;
use super::read_consistency::ReadConsistency;
use crate::proto::encode;
use crate::proto::kilwa::v1 as wire;
use crate::relationship::{Context, ObjectRef, Subject, Timestamp};
use tonic::Code;

/// Which permissions of which subject to list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListPermissionsArgs {
    /// The object whose permissions are listed.
    pub resource: ObjectRef,
    /// The subject.
    pub subject: Subject,
    /// Values for caveat parameters.
    pub context: Context,
    /// Permissions or relations of the resource; every permission of its definition if empty.
    pub permissions: Vec<String>,
}

/// The permissions of a subject on a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct PermissionList {
    /// Each permission with its answer, or with the error of its check.
    pub permissions: Vec<(String, Result<CheckAnswer, String>)>,
    /// The token of the revision that was read.
    pub token: String,
}

impl Connection {
    /// Checks permissions of a subject on a resource.
    pub fn list_permissions(
        &self,
        args: &ListPermissionsArgs,
        consistency: &ReadConsistency,
    ) -> Result<PermissionList, CallError> {
        let ListPermissionsArgs { resource, subject, context, permissions } = args;
        let request = wire::ListPermissionsRequest {
            consistency: Some(consistency.to_message()),
            resource: Some(encode::object(resource)),
            subject: Some(encode::subject(subject)),
            permissions: permissions.clone(),
            context: encode::optional_context(context),
        };
        let response = self.wait(self.kilwa_permissions().list_permissions(request))?;
        let read = |answer: wire::PermissionResult| (answer.permission, read(answer.response));
        let permissions = response.permissions.into_iter().map(read).collect();
        Ok(PermissionList { permissions, token: decode::token(response.checked_at) })
    }

    /// The token of the revision at a time.
    pub fn revision_at(&self, time: Timestamp) -> Result<String, CallError> {
        let request = wire::ReadRevisionAtRequest { time: Some(encode::timestamp(time)) };
        let response = self.wait(self.kilwa_permissions().read_revision_at(request))?;
        Ok(decode::token(response.token))
    }
}

fn read(response: Option<wire::permission_result::Response>) -> Result<CheckAnswer, String> {
    use wire::permission_result::Response;
    match response {
        Some(Response::Item(item)) => Ok(CheckAnswer::new(
            decode::permissionship(item.permissionship, item.partial_caveat_info),
            None,
            None,
        )),
        Some(Response::Error(status)) => {
            Err(describe(Code::from(status.code), None, &status.message))
        }
        None => Err("the server sent no answer".to_owned()),
    }
}
