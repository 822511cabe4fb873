//! Watching a server of the tests.

use super::server_support::{Bearer, KEY, Keyed, Running, soon, text};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::authzed::api::v1::watch_service_client::WatchServiceClient;
use kilwa::proto::kilwa::v1 as own;
use proto::relationship_update::Operation;
use tonic::{Status, Streaming};

pub(crate) const RELATIONSHIPS: i32 = 1;
pub(crate) const SCHEMAS: i32 = 2;
pub(crate) const CHECKPOINTS: i32 = 3;

/// Everything after a token, or new changes.
pub(crate) fn from(start: Option<&proto::ZedToken>, kinds: &[i32]) -> proto::WatchRequest {
    proto::WatchRequest {
        optional_start_cursor: start.cloned(),
        optional_update_kinds: kinds.to_vec(),
        ..Default::default()
    }
}

/// A watch in progress.
pub(crate) struct Watched(pub(crate) Streaming<proto::WatchResponse>);

impl Running {
    pub(crate) async fn watcher(&self) -> WatchServiceClient<Keyed> {
        WatchServiceClient::with_interceptor(self.channel().await, Bearer(KEY.to_owned()))
    }

    pub(crate) async fn watch(&self, request: proto::WatchRequest) -> Result<Watched, Status> {
        Ok(Watched(soon(self.watcher().await.watch(request)).await?.into_inner()))
    }
}

impl Watched {
    pub(crate) async fn next(&mut self) -> Result<proto::WatchResponse, Status> {
        Ok(soon(self.0.message()).await?.expect("a watch does not end by itself"))
    }

    /// The next response as text; see [`told`].
    pub(crate) async fn reported(&mut self) -> String {
        reported(&self.next().await.unwrap())
    }

    /// How the watch ends, after whatever still comes.
    pub(crate) async fn end(&mut self) -> Status {
        loop {
            if let Err(status) = self.next().await {
                return status;
            }
        }
    }
}

/// A response in one line: its updates, `schema`, `checkpoint`.
pub(crate) fn reported(response: &proto::WatchResponse) -> String {
    let mut parts: Vec<String> = response.updates.iter().map(change).collect();
    parts.extend(response.schema_updated.then(|| "schema".to_owned()));
    parts.extend(response.is_checkpoint.then(|| "checkpoint".to_owned()));
    parts.join(", ")
}

/// `+` or `-` and the relationship.
pub(crate) fn change(update: &proto::RelationshipUpdate) -> String {
    let sign = match update.operation() {
        Operation::Touch => '+',
        Operation::Delete => '-',
        Operation::Create | Operation::Unspecified => '?',
    };
    format!("{sign}{}", text(update.relationship.as_ref().unwrap()))
}

/// The same for `kilwa.v1`, with a `!` where a relationship expired.
pub(crate) fn own_reported(response: &own::WatchResponse) -> String {
    let updates = response.updates.iter().map(|update| {
        let expired = if update.optional_expired_at.is_some() { "!" } else { "" };
        format!("{}{expired}", change(update.update.as_ref().unwrap()))
    });
    let mut parts: Vec<String> = updates.collect();
    parts.extend(response.schema_updated.then(|| "schema".to_owned()));
    parts.extend(response.is_checkpoint.then(|| "checkpoint".to_owned()));
    parts.join(", ")
}
