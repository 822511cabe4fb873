//! A watch session: it reads the existing changes, then receives new ones from the feed.
//!
//! A watch reads the change log at the pace of its client, batch by batch, until it has reached the head. From there on it
//! receives the batches that the [`Feed`] reads once for all watchers; if it falls out of its window, it reads for itself again. Each batch
//! continues exactly where the one before ended, so there is no gap: a client that is too slow, or whose position is before the
//! history window, gets an error instead.
//!
//! The events of a revision are its relationships, then a schema update, both with its metadata, then a checkpoint. A revision with many updates
//! comes in parts. The token of each part is the position after it, and a client that resumes there receives the next part.

use crate::api::context::ServiceContext;
use crate::api::convert::WatchFilter;
use crate::api::status;
use crate::api::token::{WatchStart, ZedTokens};
use crate::api::watch::change_batch::{ChangeBatch, PinnedPosition};
use crate::api::watch::feed::{Feed, FeedEvent, FeedSubscription};
use crate::api::watch::send_queue::{WatchOptions, WatchQueue};
use crate::api::workers::{Purpose, WorkerJob};
use crate::database::{Consistency, RelationshipChange, RevisionChanges, WatchPosition};
use crate::proto::authzed::api::v1::ZedToken;
use crate::proto::encode;
use crate::proto::kilwa::v1::WatchUpdate;
use crate::relationship::Revision;
use prost_types::Struct;
use std::sync::Arc;
use std::time::Duration;
use tonic::Status;

/// Batches of up to so many changes are filtered and translated on the thread that sends them.
const INLINE_CHANGES_MAX: usize = 64;
/// After so many tries to join a feed, each further one waits for a while: a clock that was set back can keep a feed
/// from a position for long.
const JOIN_TRIES: u32 = 3;
const JOIN_PAUSE: Duration = Duration::from_millis(200);

/// A message to a watcher.
#[derive(Debug)]
pub(crate) struct WatchEvent {
    /// Its revision.
    pub(crate) revision: Revision,
    pub(crate) updates: Vec<WatchUpdate>,
    pub(crate) through: ZedToken,
    pub(crate) metadata: Option<Struct>,
    /// The name of who made the changes, if it is known and the watcher may see it.
    pub(crate) writer: Option<Arc<str>>,
    pub(crate) schema_updated: bool,
    pub(crate) is_checkpoint: bool,
}

/// A watch, and how far it has come.
pub(crate) struct WatchSession {
    context: ServiceContext,
    options: WatchOptions,
    wanted: Arc<WatchFilter>,
    feed: Arc<Feed>,
    reached: Arc<PinnedPosition>,
}

/// The session left the window of the feed at this position.
struct FellBehind(Arc<PinnedPosition>);

impl WatchSession {
    /// A session from a position, or from the latest revision.
    pub(crate) async fn start(
        context: ServiceContext,
        options: WatchOptions,
        feed: Arc<Feed>,
        (wanted, expirations): (WatchFilter, bool),
        start: Option<WatchStart>,
    ) -> Result<Self, Status> {
        let wanted = Arc::new(wanted);
        let wants = Arc::clone(&wanted);
        let starting = context.workers.run_for(Purpose::Watch, move |job| {
            let view = job.view(Consistency::FullyConsistent)?;
            view.require_filters(&wants.filters).map_err(status::from_database)?;
            let start = start.map(|start| start.position(view.revision()));
            let position = match start {
                Some(position) if expirations => position.with_expirations(job.now),
                Some(position) => position.without_expirations(),
                None if expirations => WatchPosition::at(view.revision(), job.now),
                None => WatchPosition::after(view.revision()),
            };
            // Refused now rather than with the first response.
            view.require_changes(&position).map_err(status::from_database)?;
            Ok(PinnedPosition::new(&view, position))
        });
        let reached = starting.await?;

        Ok(Self { context, options, wanted, feed, reached })
    }

    /// Sends existing and new changes until the client goes away or an error occurs.
    pub(crate) async fn send<T: From<WatchEvent>>(
        self,
        queue: WatchQueue<T>,
    ) -> Result<(), Status> {
        let mut ending = self.context.workers.ending();
        let metrics = Arc::clone(&self.context.metrics);
        let _open = metrics.watches().open();
        tokio::select! {
            // First, so that a watch ends on shutdown even while changes never cease.
            biased;
            _ = ending.wait_for(|ending| *ending) => Err(status::shutting_down()),
            sent = self.send_all(queue) => sent,
        }
    }

    async fn send_all<T: From<WatchEvent>>(self, queue: WatchQueue<T>) -> Result<(), Status> {
        let Self { context, options, wanted, feed, mut reached } = self;
        let assured = reached.position.revision();
        let mut client = WatchClient { tokens: context.tokens, wanted, queue, assured };

        let mut progress = feed.progress();
        let mut tries = 0_u32;

        loop {
            // Before the reads: a read of the feed meanwhile must end the wait below.
            progress.mark_unchanged();
            reached = client.read_to_head(&context, &feed, reached).await?;
            let Some((seat, start)) = feed.join(&context, &reached, &client.wanted) else {
                // The feed has been woken, and it reads with every commit too.
                tries = tries.saturating_add(1);
                if tries > JOIN_TRIES {
                    tokio::time::sleep(JOIN_PAUSE).await;
                }
                // Whether the feed has read or the time is up, the log is read again, so the result is ignored.
                let _ = tokio::time::timeout(options.heartbeat, progress.changed()).await;
                continue;
            };
            tries = 0;
            client.read_up_to(&context, &feed, reached, &start).await?;
            let FellBehind(position) = client.stay(&context, &seat, options).await?;
            reached = position;
            context.metrics.watches().record_fallen_behind();
        }
    }
}

/// The client of a session, and its position.
struct WatchClient<T> {
    tokens: ZedTokens,
    wanted: Arc<WatchFilter>,
    queue: WatchQueue<T>,
    /// The revision of the last checkpoint.
    assured: Revision,
}

impl<T: From<WatchEvent>> WatchClient<T> {
    /// Reads and sends everything after a position. Returns the position at the end.
    async fn read_to_head(
        &mut self,
        context: &ServiceContext,
        feed: &Feed,
        mut reached: Arc<PinnedPosition>,
    ) -> Result<Arc<PinnedPosition>, Status> {
        loop {
            let (from, count_max) = (Arc::clone(&reached), feed.count_max());
            let read = move |job: &WorkerJob<'_>| ChangeBatch::read(job, from, count_max);
            let batch = context.workers.run_for(Purpose::Watch, read).await?;
            reached = Arc::clone(&batch.through);
            let complete = batch.complete;
            self.send(context, Arc::new(batch)).await?;
            if complete {
                return Ok(reached);
            }
        }
    }

    /// Reads and sends everything between two positions.
    async fn read_up_to(
        &mut self,
        context: &ServiceContext,
        feed: &Feed,
        mut reached: Arc<PinnedPosition>,
        end: &Arc<PinnedPosition>,
    ) -> Result<(), Status> {
        while reached.position != end.position {
            let (from, count_max) = (Arc::clone(&reached), feed.count_max());
            let end = Arc::clone(end);
            let read = move |job: &WorkerJob<'_>| {
                ChangeBatch::read_up_to(job, from, &end.position, count_max)
            };
            let batch = context.workers.run_for(Purpose::Watch, read).await?;
            reached = Arc::clone(&batch.through);
            let complete = batch.complete;
            self.send(context, Arc::new(batch)).await?;
            if complete {
                break;
            }
        }
        Ok(())
    }

    /// Sends the batches of the feed, until the session has fallen out of its window.
    async fn stay(
        &mut self,
        context: &ServiceContext,
        seat: &FeedSubscription,
        options: WatchOptions,
    ) -> Result<FellBehind, Status> {
        loop {
            tokio::select! {
                next = seat.next() => match next {
                    FeedEvent::ChangeBatch(batch) => self.send(context, batch).await?,
                    FeedEvent::FellBehind(position) => return Ok(FellBehind(position)),
                },
                () = tokio::time::sleep(options.heartbeat), if self.wanted.checkpoints => {
                    if let Some(head) = seat.head() {
                        self.assure(&head.position).await?;
                    }
                }
            }
        }
    }

    /// Sends the changes of a batch that match the filter.
    async fn send(
        &mut self,
        context: &ServiceContext,
        batch: Arc<ChangeBatch>,
    ) -> Result<(), Status> {
        let mut changed_at = None;
        for event in self.events(context, &batch).await? {
            if event.is_checkpoint {
                self.assured = event.revision;
            } else {
                changed_at = Some(event.revision.time());
            }
            self.queue.send(event.updates.len(), event.into()).await?;
        }
        if let Some(changed_at) = changed_at {
            context.metrics.watches().record_delay(context.workers.now().since(changed_at));
        }
        let through = &batch.through.position;
        if batch.complete && self.wanted.checkpoints && self.assured < through.revision() {
            self.assure(through).await?;
        }
        Ok(())
    }

    async fn events(
        &self,
        context: &ServiceContext,
        batch: &Arc<ChangeBatch>,
    ) -> Result<Vec<WatchEvent>, Status> {
        let (tokens, wanted) = (self.tokens, Arc::clone(&self.wanted));
        if batch.changes().nth(INLINE_CHANGES_MAX).is_none() {
            return Ok(batch
                .parts
                .iter()
                .flat_map(|part| watch_events(tokens, &wanted, part))
                .collect());
        }
        // Much to filter and to translate would hold up what else the thread serves.
        let batch = Arc::clone(batch);
        let encode_all = move |_: &WorkerJob<'_>| {
            Ok(batch.parts.iter().flat_map(|part| watch_events(tokens, &wanted, part)).collect())
        };
        context.workers.run_for(Purpose::Watch, encode_all).await
    }

    /// Sends a checkpoint.
    async fn assure(&mut self, position: &WatchPosition) -> Result<(), Status> {
        self.assured = position.revision();
        self.queue.send(0, checkpoint(self.tokens, position).into()).await
    }
}

/// The messages about a revision, or a part of it.
fn watch_events(
    tokens: ZedTokens,
    wanted: &WatchFilter,
    part: &RevisionChanges,
) -> Vec<WatchEvent> {
    let RevisionChanges { updates, metadata, writer, within, through, .. } = part;
    let (revision, schema_written, ends) = (part.revision, part.schema_written, part.ends);
    let shows_all = wanted.within.is_none();
    let metadata = || metadata.as_ref().filter(|_| shows_all).map(encode::structure);
    let schema_follows = ends && schema_written && wanted.schemas;
    let token = |position| tokens.position_token(position);
    let empty = |through| WatchEvent {
        revision,
        updates: Vec::new(),
        through,
        metadata: metadata(),
        writer: writer.clone().filter(|_| shows_all),
        schema_updated: false,
        is_checkpoint: false,
    };

    let updates: Vec<_> = updates
        .iter()
        .filter(|change| wanted.wants(&change.update.relationship))
        .map(update)
        .collect();
    let mut events = Vec::new();
    if !updates.is_empty() {
        // A client that resumes from here must not miss the schema.
        let through = if schema_follows { within } else { through };
        events.push(WatchEvent { updates, ..empty(token(through)) });
    }
    if schema_follows {
        events.push(WatchEvent { schema_updated: true, ..empty(token(through)) });
    }
    if ends && wanted.checkpoints {
        events.push(checkpoint(tokens, through));
    }

    events
}

fn update(change: &RelationshipChange) -> WatchUpdate {
    let RelationshipChange { update, expired } = change;
    let at = update.relationship.expires_at.filter(|_| *expired);
    WatchUpdate {
        update: Some(encode::update(update)),
        optional_expired_at: at.map(encode::timestamp),
    }
}

fn checkpoint(tokens: ZedTokens, position: &WatchPosition) -> WatchEvent {
    WatchEvent {
        revision: position.revision(),
        updates: Vec::new(),
        through: tokens.position_token(position),
        metadata: None,
        writer: None,
        schema_updated: false,
        is_checkpoint: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relationship::{Context, RelationshipUpdate, UpdateOperation};

    fn part(relationships: &[&str]) -> RevisionChanges {
        let update = |text: &&str| RelationshipChange {
            update: RelationshipUpdate {
                operation: UpdateOperation::Touch,
                relationship: text.parse().unwrap(),
            },
            expired: false,
        };
        let mut within = 7_u64.to_be_bytes().to_vec();
        within.extend(9_u32.to_be_bytes());

        RevisionChanges {
            revision: Revision(7),
            updates: relationships.iter().map(update).collect(),
            schema_written: true,
            metadata: Some(Context::parse(r#"{"why": "import"}"#).unwrap()),
            writer: None,
            ends: true,
            within: WatchPosition::from_bytes(&within).unwrap(),
            through: WatchPosition::after(Revision(7)),
        }
    }

    #[test]
    fn of_one_revision_come_relationships_then_the_schema_then_a_checkpoint() {
        let tokens = ZedTokens::new([1; 16]);
        let part = part(&["document:a#viewer@user:ann"]);
        let (within, through) =
            (tokens.position_token(&part.within), tokens.position_token(&part.through));
        let wanted = WatchFilter { schemas: true, checkpoints: true, ..WatchFilter::default() };
        let events = watch_events(tokens, &wanted, &part);
        let shapes: Vec<_> = events
            .iter()
            .map(|event| {
                (event.updates.len(), event.schema_updated, event.is_checkpoint, &event.through)
            })
            .collect();
        // A client that resumes from the first of them still receives the schema.
        let expected =
            [(1, false, false, &within), (0, true, false, &through), (0, false, true, &through)];
        assert_eq!(shapes, expected);

        assert_eq!([0, 1, 2].map(|n: usize| events[n].metadata.is_some()), [true, true, false]);
        let updates_only = watch_events(tokens, &WatchFilter::default(), &part);
        assert_eq!(updates_only.len(), 1);
        assert_eq!(updates_only[0].through, through);
        // A part that is not the last one says nothing of the rest.
        let first = RevisionChanges { ends: false, through: part.within.clone(), ..part };
        let events = watch_events(tokens, &wanted, &first);
        assert_eq!(events.len(), 1);

        assert_eq!(events[0].through, within);
    }
}
