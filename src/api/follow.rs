//! A watcher's way through the history: what is there, then what comes.
//!
//! A watch pulls the change log from the disk at the pace of its client, page by page, each with its place in the
//! history; a commit only rings a bell. So nothing is between the log and the client that could leave a gap: one that is
//! too slow, or asks for what is forgotten, gets an error instead.
//!
//! Of one revision come its relationships, then that it wrote a schema, both with its metadata, then a checkpoint. A revision with many updates
//! comes in parts. The token of each part tells the place behind it, and the next one follows whoever goes on from there.

use super::core::Core;
use super::from_proto::Watching;
use super::outbox::{Outbox, WatchOptions};
use super::proto::authzed::api::v1::ZedToken;
use super::proto::kilwa::v1::WatchUpdate;
use super::token::{Tokens, WatchStart};
use super::workers::{Job, Purpose, shutting_down};
use super::{status, to_proto};
use crate::database::{
    Changes, Consistency, HeldChanges, RelationshipChange, RevisionChanges, WatchPosition,
};
use crate::relationship::{Revision, Timestamp};
use prost_types::Struct;
use std::sync::Arc;
use std::time::Duration;
use tonic::Status;

/// How many changes are read at once, and so come at most in one response.
const PAGE_COUNT_MAX: u32 = 1000;
/// How long to sleep at most before the next expiration: the clock that counts may be set while the sleep goes on.
const SLEEP_MAX: Duration = Duration::from_secs(10);

/// Something that a watcher is told.
#[derive(Debug)]
pub(super) struct Told {
    /// What it is about.
    pub(super) revision: Revision,
    pub(super) updates: Vec<WatchUpdate>,
    pub(super) through: ZedToken,
    pub(super) metadata: Option<Struct>,
    pub(super) schema_updated: bool,
    pub(super) is_checkpoint: bool,
}

/// A watch, and how far it has come.
pub(super) struct Watch {
    core: Core,
    options: WatchOptions,
    wanted: Arc<Watching>,
    place: Place,
}

/// How far a watch has come.
struct Place {
    position: WatchPosition,
    /// So that what comes next is still there when its turn comes.
    held: HeldChanges,
}

/// What comes next.
struct Page {
    told: Vec<Told>,
    place: Place,
    /// Whether nothing more is there yet.
    complete: bool,
    /// How long until something may expire.
    sleep: Option<Duration>,
}

impl Watch {
    /// A watch from a position on, or from the newest moment.
    pub(super) async fn start(
        core: Core,
        options: WatchOptions,
        wanted: Watching,
        start: Option<WatchStart>,
        expirations: bool,
    ) -> Result<Self, Status> {
        let wanted = Arc::new(wanted);
        let wants = Arc::clone(&wanted);
        let starting = core.workers.run_for(Purpose::Watch, move |job| {
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
            Ok(Place { held: view.hold_changes(&position), position })
        });
        let place = starting.await?;
        Ok(Self { core, options, wanted, place })
    }

    /// Sends what is there and what comes, until the client goes away or something goes wrong.
    pub(super) async fn send<T: From<Told>>(self, outbox: Outbox<T>) -> Result<(), Status> {
        let Self { core, options, wanted, mut place } = self;
        let mut pulse = core.workers.pulse();
        let (mut assured, mut beat) = (place.position.revision(), false);
        loop {
            if pulse.borrow_and_update().ending {
                return Err(shutting_down());
            }
            let page = next(&core, options, &wanted, place).await?;
            place = page.place;
            for told in page.told {
                if told.is_checkpoint {
                    assured = told.revision;
                }
                outbox.send(told.updates.len(), told.into()).await?;
            }
            if !page.complete {
                continue;
            }
            if wanted.checkpoints && (beat || assured < place.position.revision()) {
                assured = place.position.revision();
                outbox.send(0, checkpoint(core.tokens, &place.position).into()).await?;
            }
            beat = false;
            tokio::select! {
                rung = pulse.changed() => rung.map_err(|_| shutting_down())?,
                () = tokio::time::sleep(options.heartbeat), if wanted.checkpoints => beat = true,
                () = sleep(page.sleep), if page.sleep.is_some() => {}
            }
        }
    }
}

async fn sleep(time: Option<Duration>) {
    tokio::time::sleep(time.unwrap_or_default()).await;
}

/// The page behind a place.
async fn next(
    core: &Core,
    options: WatchOptions,
    wanted: &Arc<Watching>,
    place: Place,
) -> Result<Page, Status> {
    let (tokens, wanted) = (core.tokens, Arc::clone(wanted));
    let count_max = options.buffer_length.clamp(1, PAGE_COUNT_MAX);
    let count_max = usize::try_from(count_max).unwrap_or(1);
    let paging = move |job: &Job<'_>| page(job, tokens, &wanted, place, count_max);
    core.workers.run_for(Purpose::Watch, paging).await
}

fn page(
    job: &Job<'_>,
    tokens: Tokens,
    wanted: &Watching,
    place: Place,
    count_max: usize,
) -> Result<Page, Status> {
    let Place { position, held } = place;
    let view = job.view(Consistency::FullyConsistent)?;
    let changes = view.changes(&position, count_max).map_err(status::of_database)?;
    let Changes { parts, through, complete, next_expiration } = changes;
    let place = Place { held: view.hold_changes(&through), position: through };
    drop(held);
    let told = parts.into_iter().flat_map(|part| tell(tokens, wanted, part)).collect();
    let sleep = next_expiration.map(|at| between(job.now, at));
    Ok(Page { told, place, complete, sleep })
}

/// What is to be told of a revision, or a part of it.
fn tell(tokens: Tokens, wanted: &Watching, part: RevisionChanges) -> Vec<Told> {
    let RevisionChanges { revision, updates, schema_written, metadata, ends, within, through } =
        part;
    let metadata = metadata.as_ref().map(to_proto::structure);
    let schema_follows = ends && schema_written && wanted.schemas;
    let token = |position| tokens.place(position);
    let empty = |through| Told {
        revision,
        updates: Vec::new(),
        through,
        metadata: metadata.clone(),
        schema_updated: false,
        is_checkpoint: false,
    };
    let updates = updates.into_iter();
    let updates: Vec<_> = updates
        .filter(|change| wanted.wants(&change.update.relationship))
        .map(|change| update(&change))
        .collect();
    let mut told = Vec::new();
    if !updates.is_empty() {
        // Whoever goes on from here must not miss the schema.
        let through = if schema_follows { &within } else { &through };
        told.push(Told { updates, ..empty(token(through)) });
    }
    if schema_follows {
        told.push(Told { schema_updated: true, ..empty(token(&through)) });
    }
    if ends && wanted.checkpoints {
        told.push(checkpoint(tokens, &through));
    }
    told
}

fn update(change: &RelationshipChange) -> WatchUpdate {
    let RelationshipChange { update, expired } = change;
    let at = update.relationship.expires_at.filter(|_| *expired);
    WatchUpdate {
        update: Some(to_proto::update(update)),
        optional_expired_at: at.map(to_proto::timestamp),
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

/// The time from one moment to a later one, as far as it matters.
fn between(now: Timestamp, at: Timestamp) -> Duration {
    let nanos = |time: Timestamp| {
        i128::from(time.unix_seconds()) * 1_000_000_000 + i128::from(time.subsec_nanos())
    };
    let nanos = u64::try_from((nanos(at) - nanos(now)).max(0)).unwrap_or(u64::MAX);
    Duration::from_nanos(nanos).min(SLEEP_MAX)
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
        let told = tell(tokens, &wanted, part.clone());
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
        let updates_only = tell(tokens, &Watching::default(), part.clone());
        assert_eq!(updates_only.len(), 1);
        assert_eq!(updates_only[0].through, through);
        // A part that is not the last one says nothing of the rest.
        let first = RevisionChanges { ends: false, through: part.within.clone(), ..part };
        let told = tell(tokens, &wanted, first);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].through, within);
    }
}
