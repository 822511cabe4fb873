//! The history of relationships, which only Kilwa keeps.

use super::call_error::CallError;
use super::connection::Connection;
use super::decode;
use crate::proto::authzed::api::v1::ZedToken;
use crate::proto::encode;
use crate::proto::kilwa::v1 as wire;
use crate::relationship::{Context, RelationshipFilter, RelationshipUpdate, Timestamp};

/// Which changes to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistoryFilter {
    /// Changes of these relationships; `None` for all, and for those of the schema.
    pub filter: Option<RelationshipFilter>,
    /// Changes that were not written before this time.
    pub since: Option<Timestamp>,
    /// Changes that were not written after this time.
    pub until: Option<Timestamp>,
}

/// A change of the past.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeReport {
    /// When it was written.
    pub time: Timestamp,
    /// The token of its revision.
    pub token: String,
    /// The change of a relationship; `None` for a write of the schema.
    pub update: Option<RelationshipUpdate>,
    /// The name of who made it, if the server tells.
    pub writer: Option<String>,
    /// The metadata of the write.
    pub metadata: Option<Context>,
}

impl Connection {
    /// Passes the changes to `receive`, newest first, at most `count_max`. Returns the time up to which the server no longer
    /// keeps changes, if there is one.
    pub fn history<E: From<CallError>>(
        &self,
        HistoryFilter { filter, since, until }: &HistoryFilter,
        mut count_max: u64,
        mut receive: impl FnMut(ChangeReport) -> Result<(), E>,
    ) -> Result<Option<Timestamp>, E> {
        let mut before: Option<ZedToken> = None;
        loop {
            let request = wire::ReadHistoryRequest {
                optional_relationship_filter: filter.as_ref().map(encode::filter),
                optional_since: since.map(encode::timestamp),
                optional_until: until.map(encode::timestamp),
                optional_before: before,
                optional_limit: u32::try_from(count_max.min(1_000)).unwrap_or_default(),
            };

            let response = self.wait(self.relationships().read_history(request))?;
            for entry in response.entries {
                receive(report(entry)?)?;
                count_max = count_max.saturating_sub(1);
            }
            before = response.next.filter(|_| count_max > 0);
            if before.is_none() {
                let kept_after = response.kept_after;
                let kept_after = kept_after.map(|time| decode::timestamp("kept_after", time));
                return Ok(kept_after.transpose()?);
            }
        }
    }
}

fn report(entry: wire::HistoryEntry) -> Result<ChangeReport, CallError> {
    let metadata = entry.optional_transaction_metadata;
    let metadata =
        metadata.map(|metadata| decode::context("optional_transaction_metadata", metadata));
    Ok(ChangeReport {
        time: decode::timestamp("time", entry.time.unwrap_or_default())?,
        token: decode::token(entry.written_at),
        update: entry.update.map(decode::update).transpose()?,
        writer: Some(entry.written_by).filter(|name| !name.is_empty()),
        metadata: metadata.transpose()?,
    })
}
