//! Whole stores: relationships in streams.

use super::calls::Moment;
use super::connection::{CallError, Connection};
use super::message;
use crate::proto::authzed::api::v1 as wire;
use crate::relationship::{Relationship, RelationshipFilter};
use std::pin::pin;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// How many parts of an import may wait for the network.
const PARTS_WAITING_MAX: usize = 2;

/// What to export.
#[derive(Clone, Debug, Default)]
pub struct Export {
    /// Which relationships; all of them without it.
    pub filter: Option<RelationshipFilter>,
    /// The moment to read.
    pub moment: Moment,
    /// The cursor that came with the last part of an export that is to go on.
    pub cursor: Option<String>,
    /// How many relationships a part holds at most; 0 leaves that to the server.
    pub part_size: u32,
}

impl Connection {
    /// Hands over what there is part by part, each with the cursor behind it. Ends with the first error, of either side.
    pub fn export<E: From<CallError>>(
        &self,
        export: &Export,
        mut take: impl FnMut(Vec<Relationship>, String) -> Result<(), E>,
    ) -> Result<(), E> {
        let request = wire::ExportBulkRelationshipsRequest {
            consistency: Some(message::consistency(&export.moment)),
            optional_limit: export.part_size,
            optional_cursor: export.cursor.clone().map(|token| wire::Cursor { token }),
            optional_relationship_filter: export.filter.as_ref().map(message::filter),
        };
        let mut stream = self.wait(self.permissions().export_bulk_relationships(request))?;
        while let Some(part) = self.next(&mut stream)? {
            let relationships = part.relationships.into_iter().map(message::to_relationship);
            let cursor = part.after_result_cursor.unwrap_or_default().token;
            take(relationships.collect::<Result<_, _>>()?, cursor)?;
        }
        Ok(())
    }

    /// Creates the relationships of all parts, or none, and says how many those are. Ends with the first error, of
    /// either side; nothing is created then.
    pub fn import<E: From<CallError>>(
        &self,
        parts: impl Iterator<Item = Result<Vec<Relationship>, E>>,
    ) -> Result<u64, E> {
        self.block_on(async {
            let (sender, receiver) = mpsc::channel(PARTS_WAITING_MAX);
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
                let relationships = part.iter().map(message::relationship).collect();
                let part = wire::ImportBulkRelationshipsRequest { relationships };
                if sender.send(part).await.is_err() {
                    // The server has answered already.
                    return Ok(());
                }
            }
            Err(error) => {
                // A stream that ends is an import that is complete. This one must break off instead.
                std::mem::forget(sender);
                return Err(error);
            }
        }
    }
    Ok(())
}
