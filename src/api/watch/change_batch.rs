//! Changes that were read together, and the watchers that they concern.

use crate::api::convert::WatchFilter;
use crate::api::status;
use crate::api::workers::WorkerJob;
use crate::database::{
    Changes, ChangesPin, Consistency, RelationshipChange, RevisionChanges, View, WatchPosition,
};
use crate::relationship::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tonic::Status;

/// Batches of up to so many changes are matched against the filters of every watcher; larger ones by their types alone.
const MATCHED_CHANGES_MAX: usize = 32;
/// How long to sleep at most before the next expiration: the clock that counts may be set meanwhile.
const SLEEP_MAX: Duration = Duration::from_secs(10);

/// A position in the change log, with what follows it pinned against garbage collection.
#[derive(Debug)]
pub(crate) struct PinnedPosition {
    pub(crate) position: WatchPosition,
    _pin: ChangesPin,
}

impl PinnedPosition {
    /// Pins what follows a position that the view can read.
    pub(crate) fn new(view: &View<'_>, position: WatchPosition) -> Arc<Self> {
        Arc::new(Self { _pin: view.pin_changes(&position), position })
    }
}

/// Changes that were read together.
#[derive(Debug)]
pub(crate) struct ChangeBatch {
    pub(super) from: Arc<PinnedPosition>,
    pub(crate) through: Arc<PinnedPosition>,
    pub(crate) parts: Vec<RevisionChanges>,
    /// Whether nothing more was there.
    pub(crate) complete: bool,
    /// How long until something may expire.
    pub(super) sleep: Option<Duration>,
}

impl ChangeBatch {
    /// Reads what follows a position, up to the newest revision.
    pub(crate) fn read(
        job: &WorkerJob<'_>,
        from: Arc<PinnedPosition>,
        count_max: usize,
    ) -> Result<Self, Status> {
        let view = job.view(Consistency::FullyConsistent)?;
        Self::from_view(&view, job.now, from, count_max)
    }

    /// Reads what follows a position, up to exactly another one.
    pub(crate) fn read_up_to(
        job: &WorkerJob<'_>,
        from: Arc<PinnedPosition>,
        end: &WatchPosition,
        count_max: usize,
    ) -> Result<Self, Status> {
        let now = end.expirations_until().unwrap_or(job.now);
        let at = Consistency::AtExactSnapshot(end.revision());
        let view = job.view_at(at, now)?;
        Self::from_view(&view, job.now, from, count_max)
    }

    fn from_view(
        view: &View<'_>,
        now: Timestamp,
        from: Arc<PinnedPosition>,
        count_max: usize,
    ) -> Result<Self, Status> {
        let changes = view.changes(&from.position, count_max).map_err(status::from_database)?;
        let Changes { parts, through, complete, next_expiration } = changes;
        debug_assert!(through.reaches(&from.position), "a batch ends at or after its start");
        debug_assert!(
            parts.is_sorted_by_key(|part| part.revision),
            "revisions rise within a batch"
        );
        let through = PinnedPosition::new(view, through);
        let sleep = next_expiration.map(|at| between(now, at));
        Ok(Self { from, through, parts, complete, sleep })
    }

    /// The changes of relationships in all parts.
    pub(crate) fn changes(&self) -> impl Iterator<Item = &RelationshipChange> {
        self.parts.iter().flat_map(|part| &part.updates)
    }

    /// Whether it says anything, if only that time has passed without changes.
    pub(super) fn is_news(&self) -> bool {
        let (from, through) = (&self.from.position, &self.through.position);
        !self.parts.is_empty() || from.revision() < through.revision()
    }
}

/// What of a batch decides whom it concerns.
pub(super) struct BatchMatcher<'b> {
    batch: &'b ChangeBatch,
    schema: bool,
    /// The types of the resources, when there are too many changes to look at each.
    types: Option<BTreeSet<&'b str>>,
}

impl<'b> BatchMatcher<'b> {
    pub(super) fn new(batch: &'b ChangeBatch) -> Self {
        let schema = batch.parts.iter().any(|part| part.ends && part.schema_written);
        let many = batch.changes().nth(MATCHED_CHANGES_MAX).is_some();
        let resource_type =
            |change: &'b RelationshipChange| change.update.relationship.resource.object_type();
        let types = many.then(|| batch.changes().map(resource_type).collect());
        Self { batch, schema, types }
    }

    /// Whether a watcher has to look at the batch.
    pub(super) fn concerns(&self, wanted: &WatchFilter) -> bool {
        if wanted.checkpoints || (wanted.schemas && self.schema) {
            return true;
        }
        match &self.types {
            Some(types) => types.iter().any(|name| wanted.may_want_type(name)),
            None => self.batch.changes().any(|change| wanted.wants(&change.update.relationship)),
        }
    }
}

/// About how many bytes of memory a batch takes.
pub(super) fn weight(batch: &ChangeBatch) -> usize {
    const CHANGE: usize = 256;
    let change = |change: &RelationshipChange| {
        let context = change.update.relationship.caveat.as_ref().map(|caveat| &caveat.context);
        let context = context.filter(|context| !context.is_empty());
        CHANGE + context.map_or(0, |context| 2 * context.to_string().len())
    };
    let metadata = |part: &RevisionChanges| {
        part.metadata.as_ref().map_or(0, |metadata| 2 * metadata.to_string().len())
    };
    let parts = batch.parts.iter().map(|part| CHANGE + metadata(part));
    CHANGE + parts.sum::<usize>() + batch.changes().map(change).sum::<usize>()
}

/// The duration from one time to a later one, at most [`SLEEP_MAX`].
fn between(now: Timestamp, at: Timestamp) -> Duration {
    let nanos = |time: Timestamp| {
        i128::from(time.unix_seconds()) * 1_000_000_000 + i128::from(time.subsec_nanos())
    };
    let nanos = u64::try_from((nanos(at) - nanos(now)).max(0)).unwrap_or(u64::MAX);
    Duration::from_nanos(nanos).min(SLEEP_MAX)
}
