//! Imports: relationships that come in a stream and are created all or none.

use super::core::Core;
use super::proto::authzed::api::v1 as proto;
use super::{from_proto, status};
use tonic::{Status, Streaming};

/// A part of an import, in the form of either service.
pub(super) trait Part: Send + 'static {
    fn relationships(self) -> Vec<proto::Relationship>;
}

impl Part for proto::ImportBulkRelationshipsRequest {
    fn relationships(self) -> Vec<proto::Relationship> {
        self.relationships
    }
}

impl Part for proto::BulkImportRelationshipsRequest {
    fn relationships(self) -> Vec<proto::Relationship> {
        self.relationships
    }
}

/// Takes in the whole stream, creates what came and says how many those are.
///
/// Nothing is held for the client while it takes its time, neither a thread nor the other writes; should it go away,
/// nothing is left.
pub(super) async fn import<P: Part>(core: &Core, mut parts: Streaming<P>) -> Result<u64, Status> {
    let limits = core.limits;
    let mut import = core
        .workers
        .run(|job| job.database.begin_import(job.now).map_err(status::of_database))
        .await?;
    while let Some(part) = parts.message().await? {
        let added = core.workers.run(move |_| {
            let relationships = from_proto::import(part.relationships(), limits)?;
            import.add(&relationships).map_err(status::of_database)?;
            Ok(import)
        });
        import = added.await?;
    }
    let finished = core
        .workers
        .run(move |job| job.database.finish_import(job.now, import).map_err(status::of_database));
    Ok(finished.await?.1)
}
