//! Writes: admitted, examined on a worker thread, and awaited without one.

use crate::api::status;
use crate::api::workers::{Abandoned, Purpose, Workers};
use crate::database::{Caller, Proposal, SubmitOutcome};
use crate::relationship::Revision;
use std::sync::Arc;
use tokio::sync::oneshot;
use tonic::Status;

impl Workers {
    /// Makes a write and gives the revision that it made, with what became of it. `bytes` is the size of the request, for
    /// as long as it waits; `writer` is the name of the caller, which is kept with the changes.
    ///
    /// Dropping the future drops a write that has not begun, and rolls back a large one that has.
    pub(crate) async fn write<P: Proposal>(
        &self,
        bytes: usize,
        proposal: P,
        writer: Option<Arc<str>>,
    ) -> Result<(Revision, P::Output), Status> {
        let database = self.open_database().await?;
        let mut round = database.admit(&proposal, bytes).map_err(status::from_database)?;
        drop(database);

        let (abandoned, proposal) = (Abandoned(Arc::default()), Arc::new(proposal));
        let interrupted = self.interruption(&abandoned);
        loop {
            let (reply, answer) = oneshot::channel();
            let caller = Caller {
                clock: self.write_clock(),
                interrupted: Arc::clone(&interrupted),
                writer: writer.clone(),
            };
            let proposal = Arc::clone(&proposal);
            let purpose = match (round.is_exclusive(), round.is_slow()) {
                (true, _) => Purpose::Import,
                (false, true) => Purpose::SlowWrite,
                (false, false) => Purpose::Write,
            };
            let submitting = self.run_for(purpose, move |job| {
                job.database.submit(round, &proposal, &caller, move |outcome| {
                    // Fails when the caller has gone.
                    let _ = reply.send(outcome);
                });
                Ok(())
            });
            submitting.await?;
            match answer.await.map_err(|_| status::shutting_down())? {
                SubmitOutcome::Final(made) => return made.map_err(status::from_database),
                SubmitOutcome::Retry(next) => round = next,
            }
        }
    }
}
