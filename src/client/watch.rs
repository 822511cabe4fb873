//! Following what a server stores.

use super::connection::{CallError, Connection};
use super::message;
use crate::proto::authzed::api::v1 as wire;
use crate::proto::kilwa::v1 as own;
use crate::relationship::{
    Context, RelationshipFilter, RelationshipUpdate, Timestamp, UpdateOperation,
};
use prost_types::Struct;
use tokio::signal::unix::{SignalKind, signal};
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

/// What to follow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Following {
    /// Only resources of these types, if any are given.
    pub object_types: Vec<String>,
    /// Only what one of these filters selects, if any are given.
    pub filters: Vec<RelationshipFilter>,
    /// The token from which to go on; the newest moment without it.
    pub start: Option<String>,
    /// Whether to hear of schemas.
    pub schemas: bool,
    /// Whether to hear up to which moment everything has been told.
    pub checkpoints: bool,
    /// Whether to hear of relationships that expire, which only Kilwa tells.
    pub expirations: bool,
}

/// What a server tells at once.
#[derive(Clone, Debug, PartialEq)]
pub struct News {
    /// Relationships that changed, each with the time if it expired.
    pub updates: Vec<(RelationshipUpdate, Option<Timestamp>)>,
    /// Where to go on behind this.
    pub token: String,
    /// What the writer said about it.
    pub metadata: Option<Context>,
    /// Whether a schema was written.
    pub schema_updated: bool,
    /// Whether nothing more is to come up to this moment.
    pub is_checkpoint: bool,
}

impl Connection {
    /// Hands what happens to `take`, until the process is interrupted, the server ends it, or either side fails.
    pub fn watch<E: From<CallError>>(
        &self,
        following: &Following,
        take: impl FnMut(News) -> Result<(), E>,
    ) -> Result<(), E> {
        let request = request(following);
        if !following.expirations {
            let stream = self.wait(self.watcher().watch(request))?;
            return self.each(stream.map(|response| response.map(News::read)), take);
        }
        let request = own::WatchRequest {
            optional_object_types: request.optional_object_types,
            optional_start_cursor: request.optional_start_cursor,
            optional_relationship_filters: request.optional_relationship_filters,
            optional_update_kinds: request.optional_update_kinds,
            include_expirations: true,
        };
        let stream = self.wait(self.own_watcher().watch(request))?;
        self.each(stream.map(|response| response.map(News::read_own)), take)
    }

    fn each<E: From<CallError>>(
        &self,
        mut stream: impl Stream<Item = Result<Result<News, CallError>, Status>> + Unpin,
        mut take: impl FnMut(News) -> Result<(), E>,
    ) -> Result<(), E> {
        let setup = |error: std::io::Error| CallError::Setup(error.to_string());
        let interrupted = self.block_on(async { signal(SignalKind::interrupt()) });
        let mut interrupted = interrupted.map_err(setup)?;
        loop {
            let next = self.block_on(async {
                tokio::select! {
                    _ = interrupted.recv() => None,
                    next = stream.next() => next,
                }
            });
            let Some(response) = next else { return Ok(()) };
            take(response.map_err(|status| self.error(&status))??)?;
        }
    }
}

fn request(following: &Following) -> wire::WatchRequest {
    use wire::WatchKind::{IncludeCheckpoints, IncludeRelationshipUpdates, IncludeSchemaUpdates};
    let kinds = [
        (true, IncludeRelationshipUpdates),
        (following.schemas, IncludeSchemaUpdates),
        (following.checkpoints, IncludeCheckpoints),
    ];
    let start = following.start.clone();
    wire::WatchRequest {
        optional_object_types: following.object_types.clone(),
        optional_start_cursor: start.map(|token| wire::ZedToken { token }),
        optional_relationship_filters: following.filters.iter().map(message::filter).collect(),
        optional_update_kinds: kinds
            .into_iter()
            .filter_map(|(wanted, kind)| wanted.then_some(kind.into()))
            .collect(),
    }
}

impl News {
    fn read(response: wire::WatchResponse) -> Result<Self, CallError> {
        let updates = response.updates.into_iter().map(|update| (update, None));
        Ok(Self {
            updates: updates.map(read_update).collect::<Result<_, _>>()?,
            token: message::token(response.changes_through),
            metadata: read_metadata(response.optional_transaction_metadata),
            schema_updated: response.schema_updated,
            is_checkpoint: response.is_checkpoint,
        })
    }

    fn read_own(response: own::WatchResponse) -> Result<Self, CallError> {
        let updates = response.updates.into_iter();
        let updates =
            updates.map(|change| (change.update.unwrap_or_default(), change.optional_expired_at));
        Ok(Self {
            updates: updates.map(read_update).collect::<Result<_, _>>()?,
            token: message::token(response.changes_through),
            metadata: read_metadata(response.optional_transaction_metadata),
            schema_updated: response.schema_updated,
            is_checkpoint: response.is_checkpoint,
        })
    }
}

fn read_metadata(metadata: Option<Struct>) -> Option<Context> {
    metadata.map(|metadata| message::to_context(Some(metadata)))
}

fn read_update(
    (update, expired_at): (wire::RelationshipUpdate, Option<prost_types::Timestamp>),
) -> Result<(RelationshipUpdate, Option<Timestamp>), CallError> {
    use wire::relationship_update::Operation;
    let operation = match update.operation() {
        Operation::Create => UpdateOperation::Create,
        Operation::Touch => UpdateOperation::Touch,
        Operation::Delete => UpdateOperation::Delete,
        Operation::Unspecified => {
            return Err(CallError::Nonsense("an update without an operation".to_owned()));
        }
    };
    let relationship = message::to_relationship(update.relationship.unwrap_or_default())?;
    let expired_at = expired_at.map(message::to_timestamp).transpose()?;
    Ok((RelationshipUpdate { operation, relationship }, expired_at))
}
