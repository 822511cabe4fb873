//! A watcher's way through the history: what is there, then what comes.
//!
//! A watch reads the change log at the pace of its client, batch by batch, until it has reached the head. From there on it
//! takes what the [`Feed`] reads once for all watchers; when it falls behind that, it reads for itself again. Each batch
//! continues exactly where the one before ended, so there is no gap: a client that is too slow, or asks for what is
//! no longer kept, gets an error instead.
//!
//! Of one revision come its relationships, then that it wrote a schema, both with its metadata, then a checkpoint. A revision with many updates
//! comes in parts. The token of each part tells the place behind it, and the next one follows whoever goes on from there.

use crate::api::context::ServiceContext;
use crate::api::convert::Watching;
use crate::api::status;
use crate::api::token::{Tokens, WatchStart};
use crate::api::watch::feed::{Batch, Feed, Next, PinnedPosition, Seat};
use crate::api::watch::send_queue::{Outbox, WatchOptions};
use crate::api::workers::{Job, Purpose, shutting_down};
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

/// Something that a watcher is told.
#[derive(Debug)]
pub(crate) struct Told {
    /// What it is about.
    pub(crate) revision: Revision,
    pub(crate) updates: Vec<WatchUpdate>,
    pub(crate) through: ZedToken,
    pub(crate) metadata: Option<Struct>,
    pub(crate) schema_updated: bool,
    pub(crate) is_checkpoint: bool,
}

/// A watch, and how far it has come.
pub(crate) struct Watch {
    context: ServiceContext,
    options: WatchOptions,
    wanted: Arc<Watching>,
    feed: Arc<Feed>,
    place: Arc<PinnedPosition>,
}

/// How a watch's time at the head of the feed ended.
struct FellBehind(Arc<PinnedPosition>);

impl Watch {
    /// A watch from a position on, or from the newest moment.
    pub(crate) async fn start(
        context: ServiceContext,
        options: WatchOptions,
        feed: Arc<Feed>,
        (wanted, expirations): (Watching, bool),
        start: Option<WatchStart>,
    ) -> Result<Self, Status> {
        let wanted = Arc::new(wanted);
        let wants = Arc::clone(&wanted);
        let starting = context.workers.run_for(Purpose::Watch, move |job| {
            let view = job.view(Consistency::FullyConsistent)?;
            view.require_filters(&wants.filters).map_err(status::of_database)?;
            let start = start.map(|start| start.position(view.revision()));
            let position = match start {
                Some(position) if expirations => position.with_expirations(job.now),
                Some(position) => position.without_expirations(),
                None if expirations => WatchPosition::at(view.revision(), job.now),
                None => WatchPosition::after(view.revision()),
            };
            // Refused now rather than with the first response.
            view.require_changes(&position).map_err(status::of_database)?;
            Ok(PinnedPosition::new(&view, position))
        });
        let place = starting.await?;
        Ok(Self { context, options, wanted, feed, place })
    }

    /// Sends what is there and what comes, until the client goes away or something goes wrong.
    pub(crate) async fn send<T: From<Told>>(self, outbox: Outbox<T>) -> Result<(), Status> {
        let mut ending = self.context.workers.ending();
        tokio::select! {
            biased;
            _ = ending.wait_for(|ending| *ending) => Err(shutting_down()),
            sent = self.send_all(outbox) => sent,
        }
    }

    async fn send_all<T: From<Told>>(self, outbox: Outbox<T>) -> Result<(), Status> {
        let Self { context, options, wanted, feed, mut place } = self;
        let assured = place.position.revision();
        let mut client = Client { tokens: context.tokens, wanted, outbox, assured };
        let mut progress = feed.progress();
        let mut tries = 0_u32;
        loop {
            progress.mark_unchanged();
            place = client.read_to_head(&context, &feed, place).await?;
            let Some((seat, start)) = feed.join(&context, &place, &client.wanted) else {
                // The feed has been asked to read, and does so with every commit too.
                tries = tries.saturating_add(1);
                if tries > JOIN_TRIES {
                    tokio::time::sleep(JOIN_PAUSE).await;
                }
                let _ = tokio::time::timeout(options.heartbeat, progress.changed()).await;
                continue;
            };
            tries = 0;
            client.read_up_to(&context, &feed, place, &start).await?;
            let FellBehind(position) = client.stay(&context, &seat, options).await?;
            place = position;
        }
    }
}

/// Whom a watch tells, and how far it has been told.
struct Client<T> {
    tokens: Tokens,
    wanted: Arc<Watching>,
    outbox: Outbox<T>,
    /// Up to which revision it knows that it has everything.
    assured: Revision,
}

impl<T: From<Told>> Client<T> {
    /// Reads and sends everything behind a position. Gives the position of the end.
    async fn read_to_head(
        &mut self,
        context: &ServiceContext,
        feed: &Feed,
        mut place: Arc<PinnedPosition>,
    ) -> Result<Arc<PinnedPosition>, Status> {
        loop {
            let (from, count_max) = (Arc::clone(&place), feed.count_max());
            let read = move |job: &Job<'_>| Batch::read(job, from, count_max);
            let batch = context.workers.run_for(Purpose::Watch, read).await?;
            place = Arc::clone(&batch.through);
            let complete = batch.complete;
            self.send(context, Arc::new(batch)).await?;
            if complete {
                return Ok(place);
            }
        }
    }

    /// Reads and sends everything between two positions.
    async fn read_up_to(
        &mut self,
        context: &ServiceContext,
        feed: &Feed,
        mut place: Arc<PinnedPosition>,
        end: &Arc<PinnedPosition>,
    ) -> Result<(), Status> {
        while place.position != end.position {
            let (from, count_max) = (Arc::clone(&place), feed.count_max());
            let end = Arc::clone(end);
            let read = move |job: &Job<'_>| Batch::read_up_to(job, from, &end.position, count_max);
            let batch = context.workers.run_for(Purpose::Watch, read).await?;
            place = Arc::clone(&batch.through);
            let complete = batch.complete;
            self.send(context, Arc::new(batch)).await?;
            if complete {
                break;
            }
        }
        Ok(())
    }

    /// Sends what the feed reads, until it has gone on without this watch.
    async fn stay(
        &mut self,
        context: &ServiceContext,
        seat: &Seat,
        options: WatchOptions,
    ) -> Result<FellBehind, Status> {
        loop {
            tokio::select! {
                next = seat.next() => match next {
                    Next::Batch(batch) => self.send(context, batch).await?,
                    Next::Behind(position) => return Ok(FellBehind(position)),
                },
                () = tokio::time::sleep(options.heartbeat), if self.wanted.checkpoints => {
                    if let Some(head) = seat.head() {
                        self.assure(&head.position).await?;
                    }
                }
            }
        }
    }

    /// Sends what the client wants of a batch.
    async fn send(&mut self, context: &ServiceContext, batch: Arc<Batch>) -> Result<(), Status> {
        for told in self.told(context, &batch).await? {
            if told.is_checkpoint {
                self.assured = told.revision;
            }
            self.outbox.send(told.updates.len(), told.into()).await?;
        }
        let through = &batch.through.position;
        if batch.complete && self.wanted.checkpoints && self.assured < through.revision() {
            self.assure(through).await?;
        }
        Ok(())
    }

    async fn told(
        &self,
        context: &ServiceContext,
        batch: &Arc<Batch>,
    ) -> Result<Vec<Told>, Status> {
        let (tokens, wanted) = (self.tokens, Arc::clone(&self.wanted));
        if batch.changes().nth(INLINE_CHANGES_MAX).is_none() {
            return Ok(batch.parts.iter().flat_map(|part| tell(tokens, &wanted, part)).collect());
        }
        // Much to filter and to translate would hold up what else the thread serves.
        let batch = Arc::clone(batch);
        let tell_all = move |_: &Job<'_>| {
            Ok(batch.parts.iter().flat_map(|part| tell(tokens, &wanted, part)).collect())
        };
        context.workers.run_for(Purpose::Watch, tell_all).await
    }

    /// Sends a checkpoint.
    async fn assure(&mut self, position: &WatchPosition) -> Result<(), Status> {
        self.assured = position.revision();
        self.outbox.send(0, checkpoint(self.tokens, position).into()).await
    }
}

/// What is to be told of a revision, or a part of it.
fn tell(tokens: Tokens, wanted: &Watching, part: &RevisionChanges) -> Vec<Told> {
    let RevisionChanges { revision, updates, schema_written, metadata, ends, within, through } =
        part;
    let (revision, schema_written, ends) = (*revision, *schema_written, *ends);
    let metadata = || metadata.as_ref().map(encode::structure);
    let schema_follows = ends && schema_written && wanted.schemas;
    let token = |position| tokens.place(position);
    let empty = |through| Told {
        revision,
        updates: Vec::new(),
        through,
        metadata: metadata(),
        schema_updated: false,
        is_checkpoint: false,
    };
    let updates: Vec<_> = updates
        .iter()
        .filter(|change| wanted.wants(&change.update.relationship))
        .map(update)
        .collect();
    let mut told = Vec::new();
    if !updates.is_empty() {
        // Whoever goes on from here must not miss the schema.
        let through = if schema_follows { within } else { through };
        told.push(Told { updates, ..empty(token(through)) });
    }
    if schema_follows {
        told.push(Told { schema_updated: true, ..empty(token(through)) });
    }
    if ends && wanted.checkpoints {
        told.push(checkpoint(tokens, through));
    }
    told
}

fn update(change: &RelationshipChange) -> WatchUpdate {
    let RelationshipChange { update, expired } = change;
    let at = update.relationship.expires_at.filter(|_| *expired);
    WatchUpdate {
        update: Some(encode::update(update)),
        optional_expired_at: at.map(encode::timestamp),
    }
}

fn checkpoint(tokens: Tokens, position: &WatchPosition) -> Told {
    Told {
        revision: position.revision(),
        updates: Vec::new(),
        through: tokens.place(position),
        metadata: None,
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
            ends: true,
            within: WatchPosition::from_bytes(&within).unwrap(),
            through: WatchPosition::after(Revision(7)),
        }
    }

    #[test]
    fn of_one_revision_come_relationships_then_the_schema_then_a_checkpoint() {
        let tokens = Tokens::new([1; 16]);
        let part = part(&["document:a#viewer@user:ann"]);
        let (within, through) = (tokens.place(&part.within), tokens.place(&part.through));
        let wanted = Watching { schemas: true, checkpoints: true, ..Watching::default() };
        let told = tell(tokens, &wanted, &part);
        let shapes: Vec<_> = told
            .iter()
            .map(|told| {
                (told.updates.len(), told.schema_updated, told.is_checkpoint, &told.through)
            })
            .collect();
        // Whoever goes on from the first of them still hears of the schema.
        let expected =
            [(1, false, false, &within), (0, true, false, &through), (0, false, true, &through)];
        assert_eq!(shapes, expected);
        assert_eq!([0, 1, 2].map(|n: usize| told[n].metadata.is_some()), [true, true, false]);
        let updates_only = tell(tokens, &Watching::default(), &part);
        assert_eq!(updates_only.len(), 1);
        assert_eq!(updates_only[0].through, through);
        // A part that is not the last one says nothing of the rest.
        let first = RevisionChanges { ends: false, through: part.within.clone(), ..part };
        let told = tell(tokens, &wanted, &first);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].through, within);
    }
}
