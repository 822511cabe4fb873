//! Imports: relationships that come in a stream and are created all or none.

use crate::api::call_access::{CallAccess, CallStanding, caller_name};
use crate::api::context::ServiceContext;
use crate::api::convert;
use crate::api::status;
use crate::api::workers::Purpose;
use crate::database::CompleteImport;
use crate::proto::authzed::api::v1 as proto;
use std::time::Duration;
use tonic::{Request, Status, Streaming};

/// A part of an import, in the form of either service.
pub(crate) trait ImportMessage: Send + 'static {
    fn relationships(self) -> Vec<proto::Relationship>;
}

impl ImportMessage for proto::ImportBulkRelationshipsRequest {
    fn relationships(self) -> Vec<proto::Relationship> {
        self.relationships
    }
}

impl ImportMessage for proto::BulkImportRelationshipsRequest {
    fn relationships(self) -> Vec<proto::Relationship> {
        self.relationships
    }
}

/// Reads the whole stream, creates its relationships in one write, and returns their number.
///
/// A slow client occupies no thread and delays no other write. If it disconnects or sends nothing for too long, nothing is
/// imported.
pub(crate) async fn import<P: ImportMessage>(
    context: &ServiceContext,
    access: &CallAccess,
    request: Request<Streaming<P>>,
) -> Result<u64, Status> {
    let standing: Option<CallStanding> = request.extensions().get().cloned();
    let writer = caller_name(&request);
    let require_current = || standing.as_ref().map_or(Ok(()), CallStanding::require_current);
    let mut parts = request.into_inner();

    let limits = context.limits;
    let mut import = context
        .workers
        .run_for(Purpose::Write, |job| {
            job.database.begin_import(job.now).map_err(status::from_database)
        })
        .await?;
    while let Some(part) = next(&mut parts, context.import_idle_max).await? {
        require_current()?;
        let access = access.clone();
        let added = context.workers.run_for(Purpose::SlowWrite, move |_| {
            let relationships = convert::import(part.relationships(), limits)?;
            access.require_relationships(&relationships)?;
            import.add(&relationships).map_err(status::from_database)?;
            Ok(import)
        });
        import = added.await?;
    }
    // A key that was taken away meanwhile writes nothing more.
    require_current()?;
    let (_, count) = context.workers.write(0, CompleteImport::from(import), writer).await?;
    Ok(count)
}

/// The next part; none at the end of the stream.
async fn next<P: ImportMessage>(
    parts: &mut Streaming<P>,
    idle_max: Duration,
) -> Result<Option<P>, Status> {
    tokio::time::timeout(idle_max, parts.message())
        .await
        .unwrap_or_else(|_| Err(status::import_idle(idle_max)))
}
