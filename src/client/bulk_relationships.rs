//! Bulk export and bulk import.

use super::call_error::CallError;
use super::connection::Connection;
use super::decode;
use super::read_consistency::ReadConsistency;
use crate::proto::authzed::api::v1 as wire;
use crate::proto::encode;
use crate::relationship::{Relationship, RelationshipFilter};
use std::pin::pin;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Number of import messages that are queued for the network.
const PARTS_QUEUED_MAX: usize = 2;

/// Which relationships to args.
#[derive(Clone, Debug, Default)]
pub struct ExportArgs {
    /// Only matching relationships; all if `None`.
    pub filter: Option<RelationshipFilter>,
    /// The revision to read.
    pub consistency: ReadConsistency,
    /// The cursor of the last message of an export to resume.
    pub cursor: Option<String>,
    /// Maximum number of relationships in a message; 0 for the server's default.
    pub part_size: u32,
}

impl Connection {
    /// Passes the relationships of each message to `receive`, with the cursor after it. Ends with the first error of either side.
    pub fn export<E: From<CallError>>(
        &self,
        args: &ExportArgs,
        mut receive: impl FnMut(Vec<Relationship>, String) -> Result<(), E>,
    ) -> Result<(), E> {
        let request = wire::ExportBulkRelationshipsRequest {
            consistency: Some(args.consistency.to_message()),
            optional_limit: args.part_size,
            optional_cursor: args.cursor.clone().map(|token| wire::Cursor { token }),
            optional_relationship_filter: args.filter.as_ref().map(encode::filter),
        };
        let mut stream = self.wait(self.permissions().export_bulk_relationships(request))?;
        while let Some(part) = self.next(&mut stream)? {
            let cursor = part.after_result_cursor.unwrap_or_default().token;
            receive(decode::relationships(part.relationships)?, cursor)?;
        }
        Ok(())
    }

    /// Creates the relationships of all parts, or none, and returns their number. Ends with the first error of
    /// either side, and then creates nothing.
    pub fn import<E: From<CallError>>(
        &self,
        parts: impl Iterator<Item = Result<Vec<Relationship>, E>>,
    ) -> Result<u64, E> {
        self.block_on(async {
            let (sender, receiver) = mpsc::channel(PARTS_QUEUED_MAX);
            let mut client = self.permissions();
            let mut call = pin!(client.import_bulk_relationships(ReceiverStream::new(receiver)));
            let mut sending = pin!(send(parts, sender));
            let answer = tokio::select! {
                sent = &mut sending => {
                    sent?;
                    call.await
                }
                answer = &mut call => answer,
            };
            let response = answer.map_err(|status| self.error(&status))?;
            Ok(response.into_inner().num_loaded)
        })
    }
}

async fn send<E>(
    parts: impl Iterator<Item = Result<Vec<Relationship>, E>>,
    sender: mpsc::Sender<wire::ImportBulkRelationshipsRequest>,
) -> Result<(), E> {
    for part in parts {
        match part {
            Ok(part) => {
                let relationships = part.iter().map(encode::relationship).collect();
                let part = wire::ImportBulkRelationshipsRequest { relationships };
                if sender.send(part).await.is_err() {
                    // The server has responded already: its status says why.
                    return Ok(());
                }
            }
            Err(error) => {
                // Dropping the sender would end the stream, which completes the import. The call must be cancelled instead.
                std::mem::forget(sender);
                return Err(error);
            }
        }
    }

    Ok(())
}
