//! Final answers of sub-questions, shared between questions.

use crate::relationship::{ReadPoint, Timestamp, Validity};
use dashmap::DashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// What an entry costs beside the bytes of its key, roughly.
const ENTRY_OVERHEAD_BYTES: usize = 96;

/// A bounded cache of answers, each tied to the [`ReadPoint`]s at which it holds.
///
/// An answer at a revision never changes but by expiry, so an entry is never stale: it is asked for with its read point,
/// and not given from the first expiry of a relationship that it rests on. Only answers that no caveat had a part in
/// are kept, for they are the same in every context.
///
/// Entries live in two generations. New ones go into the young one; when that has half of the bytes allowed, it
/// becomes the old one, and what was old is dropped. What is asked for in the old one moves to the young one.
#[derive(Debug)]
pub struct Cache {
    bytes_max: usize,
    generations: RwLock<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: Generation,
    old: Generation,
}

#[derive(Debug, Default)]
struct Generation {
    entries: DashMap<Box<[u8]>, CachedAnswer>,
    bytes: AtomicUsize,
}

#[derive(Clone, Copy, Debug)]
struct CachedAnswer {
    member: bool,
    validity: Validity,
}

/// A [`Cache`] as the queries of one read point use it.
#[derive(Clone, Copy, Debug)]
pub struct CacheAt<'c> {
    cache: &'c Cache,
    point: ReadPoint,
}

impl Cache {
    /// An empty cache that holds about `bytes_max` bytes at the most; with 0 it keeps nothing.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, generations: RwLock::default() }
    }

    /// The cache for the queries of a read point.
    pub fn at(&self, point: ReadPoint) -> CacheAt<'_> {
        CacheAt { cache: self, point }
    }

    /// How many answers it holds.
    pub fn len(&self) -> usize {
        let generations = self.generations();
        generations.young.entries.len() + generations.old.entries.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn find(&self, key: &[u8]) -> Option<CachedAnswer> {
        let generations = self.generations();
        if let Some(entry) = generations.young.entries.get(key) {
            return Some(*entry);
        }
        let (key, entry) = generations.old.entries.remove(key)?;
        drop(generations);
        self.insert(key, entry);
        Some(entry)
    }

    fn insert(&self, key: Box<[u8]>, entry: CachedAnswer) {
        let cost = key.len() + ENTRY_OVERHEAD_BYTES;
        if cost > self.half() {
            return;
        }
        let generations = self.generations();
        let Generation { entries, bytes } = &generations.young;
        let added = entries.insert(key, entry).is_none();
        let full = added && bytes.fetch_add(cost, Ordering::Relaxed) + cost > self.half();
        drop(generations);
        if full {
            self.age();
        }
    }

    /// Makes the young generation the old one, unless another thread already has.
    fn age(&self) {
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        if generations.young.bytes.load(Ordering::Relaxed) <= self.half() {
            return;
        }
        let young = std::mem::take(&mut generations.young);
        let dropped = std::mem::replace(&mut generations.old, young);
        drop(generations);
        // Many entries take their time to go, for which nobody has to wait.
        drop(dropped);
    }

    /// What one generation may hold.
    fn half(&self) -> usize {
        self.bytes_max / 2
    }

    fn generations(&self) -> RwLockReadGuard<'_, Generations> {
        self.generations.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CacheAt<'_> {
    /// The bytes that every key at this revision starts with.
    pub(super) fn key_prefix(&self) -> [u8; 8] {
        self.point.revision.0.to_be_bytes()
    }

    pub(super) fn find(&self, key: &[u8]) -> Option<(bool, Option<Timestamp>)> {
        let entry = self.cache.find(key)?;
        entry.validity.covers(self.point).then_some((entry.member, entry.validity.until()))
    }

    pub(super) fn insert(&self, key: &[u8], member: bool, until: Option<Timestamp>) {
        if self.cache.bytes_max > 0 {
            let validity = self.point.valid_until(until);
            self.cache.insert(key.into(), CachedAnswer { member, validity });
        }
    }
}
