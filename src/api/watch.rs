//! `authzed.api.v1.WatchService`.

use super::proto::authzed::api::v1::watch_service_server::WatchService;
use super::proto::authzed::api::v1::{WatchRequest, WatchResponse};
use super::status;
use super::stream::Results;
use tonic::{Request, Response, Status};

/// The changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watching;

#[tonic::async_trait]
impl WatchService for Watching {
    type WatchStream = Results<WatchResponse>;

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(status::unserved("Watch"))
    }
}
