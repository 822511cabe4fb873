//! Imports: relationships that come in a stream and are created all or none.

use crate::api::call_access::{CallAccess, CallStanding, caller_name};
use crate::api::context::ServiceContext;
use crate::api::convert;
use crate::api::status;
use crate::api::workers::Purpose;
use crate::database::CompleteImport;
use crate::metrics::ReachedLimit;
use crate::proto::authzed::api::v1 as proto;
use tonic::{Request, Status, Streaming};

/// How many relationships are added between two questions whether the client still waits.
const ADDED_PER_LOOK: usize = 1_024;

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
    let _slot = context.imports.take(&request).ok_or_else(|| {
        context.metrics.limits().record(ReachedLimit::Imports);
        status::too_many_imports_of_key(context.imports.max())
    })?;
    let _open = context.metrics.imports().open();
    let mut parts = request.into_inner();

    let limits = context.limits;
    let mut import = context
        .workers
        .run_for(Purpose::Write, |job| {
            job.database.begin_import(job.now).map_err(status::from_database)
        })
        .await?;
    while let Some(part) = next(&mut parts, context).await? {
        require_current()?;
        let access = access.clone();
        let added = context.workers.run_for(Purpose::SlowWrite, move |job| {
            let require_wanted = || job.require_wanted();
            let relationships = convert::import(part.relationships(), limits, &require_wanted)?;
            access.require_relationships(&relationships, &require_wanted)?;
            for some in relationships.chunks(ADDED_PER_LOOK) {
                require_wanted()?;
                import.add(some).map_err(status::from_database)?;
            }
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
    context: &ServiceContext,
) -> Result<Option<P>, Status> {
    let idle_max = context.import_idle_max;
    let part = tokio::time::timeout(idle_max, parts.message()).await;
    let part = part.map(|part| part.map_err(status::unreadable_message));
    part.unwrap_or_else(|_| {
        context.metrics.limits().record(ReachedLimit::ImportIdle);
        Err(status::import_idle(idle_max))
    })
}
