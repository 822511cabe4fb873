//! Watches: streams of changes.

use super::call_error::CallError;
use super::connection::Connection;
use super::decode;
use crate::proto::authzed::api::v1 as authzed;
use crate::proto::encode;
use crate::proto::kilwa::v1 as wire;
use crate::relationship::{Context, RelationshipFilter, RelationshipUpdate, Timestamp};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

/// Which changes to watch.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each asks for something of its own")]
pub struct WatchQuery {
    /// Only resources of these types; all if empty.
    pub object_types: Vec<String>,
    /// Only relationships that match one of these filters; all if empty.
    pub filters: Vec<RelationshipFilter>,
    /// The token to start after; `None` for the latest revision.
    pub start: Option<String>,
    /// Whether to report writes of the schema.
    pub schemas: bool,
    /// Whether to send checkpoints.
    pub checkpoints: bool,
    /// Whether to report relationships that expire, which only Kilwa does.
    pub expirations: bool,
    /// Whether to report who made the changes, which only Kilwa does.
    pub writers: bool,
}

/// A message of a watch stream.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchMessage {
    /// Relationships that changed; with a time if the relationship expired then.
    pub updates: Vec<(RelationshipUpdate, Option<Timestamp>)>,
    /// The token to resume after this message.
    pub token: String,
    /// Metadata of the transaction.
    pub metadata: Option<Context>,
    /// Whether the transaction wrote a schema.
    pub schema_updated: bool,
    /// Whether every change up to the token has been sent.
    pub is_checkpoint: bool,
    /// The name of who made the changes, if the server tells.
    pub writer: Option<String>,
}

impl Connection {
    /// Passes each message to `receive`, until the process is interrupted, the server ends the stream, or either side fails.
    pub fn watch<E: From<CallError>>(
        &self,
        args: &WatchQuery,
        receive: impl FnMut(WatchMessage) -> Result<(), E>,
    ) -> Result<(), E> {
        let request = request(args);
        if !args.expirations && !args.writers {
            let stream = self.wait(self.watcher().watch(request))?;
            let stream = stream.map(|response| response.map(without_expirations));
            return self.each(args, stream, receive);
        }

        let request = wire::WatchRequest {
            optional_object_types: request.optional_object_types,
            optional_start_cursor: request.optional_start_cursor,
            optional_relationship_filters: request.optional_relationship_filters,
            optional_update_kinds: request.optional_update_kinds,
            include_expirations: args.expirations,
        };
        let stream = self.wait(self.kilwa_watcher().watch(request))?;
        self.each(args, stream, receive)
    }

    /// Waits, and returns whether the process was interrupted meanwhile.
    pub fn is_interrupted_within(&self, duration: Duration) -> Result<bool, CallError> {
        self.block_on(async {
            let mut interrupted = interrupts()?;
            Ok(timeout(duration, interrupted.recv()).await.is_ok())
        })
    }

    fn each<E: From<CallError>>(
        &self,
        args: &WatchQuery,
        mut stream: impl Stream<Item = Result<wire::WatchResponse, Status>> + Unpin,
        mut receive: impl FnMut(WatchMessage) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut interrupted = self.block_on(async { interrupts() })?;

        loop {
            let next = self.block_on(async {
                tokio::select! {
                    _ = interrupted.recv() => None,
                    next = stream.next() => next,
                }
            });
            let Some(response) = next else { return Ok(()) };
            let response = response.map_err(|status| self.error(&status))?;
            receive(WatchMessage::from_response(response, args.writers)?)?;
        }
    }
}

/// The interrupts of the process from now on.
fn interrupts() -> Result<Signal, CallError> {
    signal(SignalKind::interrupt()).map_err(|error| CallError::Setup(error.to_string()))
}

fn request(args: &WatchQuery) -> authzed::WatchRequest {
    use authzed::WatchKind::{
        IncludeCheckpoints, IncludeRelationshipUpdates, IncludeSchemaUpdates,
    };
    let kinds = [
        (true, IncludeRelationshipUpdates),
        (args.schemas, IncludeSchemaUpdates),
        (args.checkpoints, IncludeCheckpoints),
    ];
    let start = args.start.clone();

    authzed::WatchRequest {
        optional_object_types: args.object_types.clone(),
        optional_start_cursor: start.map(|token| authzed::ZedToken { token }),
        optional_relationship_filters: args.filters.iter().map(encode::filter).collect(),
        optional_update_kinds: kinds
            .into_iter()
            .filter_map(|(included, kind)| included.then_some(kind.into()))
            .collect(),
    }
}

/// A response of `authzed.api.v1`, which reports no expirations, in the form of `kilwa.v1`.
fn without_expirations(response: authzed::WatchResponse) -> wire::WatchResponse {
    let update = |update| wire::WatchUpdate { update: Some(update), optional_expired_at: None };
    wire::WatchResponse {
        updates: response.updates.into_iter().map(update).collect(),
        changes_through: response.changes_through,
        optional_transaction_metadata: response.optional_transaction_metadata,
        schema_updated: response.schema_updated,
        is_checkpoint: response.is_checkpoint,
        full_revision_metadata: response.full_revision_metadata,
        written_by: String::new(),
    }
}

impl WatchMessage {
    fn from_response(response: wire::WatchResponse, shows_writer: bool) -> Result<Self, CallError> {
        let metadata = response.optional_transaction_metadata;
        let metadata =
            metadata.map(|metadata| decode::context("optional_transaction_metadata", metadata));
        Ok(Self {
            updates: response.updates.into_iter().map(update).collect::<Result<_, _>>()?,
            token: decode::token(response.changes_through),
            metadata: metadata.transpose()?,
            schema_updated: response.schema_updated,
            is_checkpoint: response.is_checkpoint,
            writer: Some(response.written_by).filter(|name| shows_writer && !name.is_empty()),
        })
    }
}

fn update(
    message: wire::WatchUpdate,
) -> Result<(RelationshipUpdate, Option<Timestamp>), CallError> {
    let update = decode::update(message.update.unwrap_or_default())?;
    let expired_at = message.optional_expired_at;
    let expired_at =
        expired_at.map(|at| decode::timestamp("optional_expired_at", at)).transpose()?;
    Ok((update, expired_at))
}
