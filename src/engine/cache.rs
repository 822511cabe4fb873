//! A bounded cache of final results, shared between queries.

use crate::relationship::{ReadPoint, Timestamp, Validity};
use dashmap::DashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// Approximate memory of an entry in addition to the bytes of its key.
const ENTRY_OVERHEAD_BYTES: usize = 96;

/// A bounded cache of results, each valid for a range of [`ReadPoint`]s.
///
/// A result at a revision changes only through expiration, so an entry is never stale: it is looked up with a read point
/// and not returned after the first expiration of a relationship that it depends on. Only results without caveats are
/// stored, because they are the same in every context.
///
/// Entries live in two generations. New entries are inserted into the young generation. When it holds half of the
/// allowed bytes, it becomes the old generation and the previous old one is dropped. An entry that is found in the old
/// generation moves to the young one.
#[derive(Debug)]
pub struct Cache {
    bytes_max: usize,
    generations: RwLock<Generations>,
    evictions: AtomicU64,
}

/// What a cache holds, and what it has dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatistics {
    /// Entries that it holds.
    pub entries: u64,
    /// The bytes of these entries, about.
    pub bytes: u64,
    /// The most bytes that it holds.
    pub bytes_max: u64,
    /// Entries that were dropped to make room.
    pub evictions: u64,
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

/// A [`Cache`] for the queries of one read point.
#[derive(Clone, Copy, Debug)]
pub struct CacheAt<'c> {
    cache: &'c Cache,
    point: ReadPoint,
}

impl Cache {
    /// An empty cache of at most about `bytes_max` bytes; with 0 it stores nothing.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, generations: RwLock::default(), evictions: AtomicU64::new(0) }
    }

    /// The cache for the queries of a read point.
    pub fn at(&self, point: ReadPoint) -> CacheAt<'_> {
        CacheAt { cache: self, point }
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        let generations = self.generations();
        generations.young.entries.len() + generations.old.entries.len()
    }

    /// What it holds, and what it has dropped.
    pub fn statistics(&self) -> CacheStatistics {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let generations = self.generations();
        let Generations { young, old } = &*generations;
        let bytes = [young, old].map(|generation| generation.bytes.load(Ordering::Relaxed));
        CacheStatistics {
            entries: number(young.entries.len() + old.entries.len()),
            bytes: number(bytes.iter().sum()),
            bytes_max: number(self.bytes_max),
            evictions: self.evictions.load(Ordering::Relaxed),
        }
    }

    /// Whether it has no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn find(&self, key: &[u8]) -> Option<CachedAnswer> {
        let generations = self.generations();
        if let Some(entry) = generations.young.entries.get(key) {
            return Some(*entry);
        }
        let (key, entry) = generations.old.entries.remove(key)?;
        // Released first: `insert` locks again, and a thread that waits to write between two reads of this one would never get
        // its turn. An entry that is missed meanwhile is evaluated once more.
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
        // `age` takes the same lock for writing.
        drop(generations);
        if full {
            self.age();
        }
    }

    /// Makes the young generation the old one, unless another thread has already done so.
    fn age(&self) {
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        if generations.young.bytes.load(Ordering::Relaxed) <= self.half() {
            return;
        }
        let young = std::mem::take(&mut generations.young);
        let dropped = std::mem::replace(&mut generations.old, young);
        drop(generations);
        let evicted = u64::try_from(dropped.entries.len()).unwrap_or(u64::MAX);
        self.evictions.fetch_add(evicted, Ordering::Relaxed);
        // Dropping many entries takes time, so it happens after the lock is released.
        drop(dropped);
    }

    /// The maximum size of one generation, in bytes.
    fn half(&self) -> usize {
        self.bytes_max / 2
    }

    fn generations(&self) -> RwLockReadGuard<'_, Generations> {
        self.generations.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CacheAt<'_> {
    /// The prefix of every key at this revision.
    pub(super) fn key_prefix(&self) -> [u8; 8] {
        self.point.revision.0.to_be_bytes()
    }

    pub(super) fn find(&self, key: &[u8]) -> Option<(bool, Option<Timestamp>)> {
        debug_assert!(key.starts_with(&self.key_prefix()), "a key belongs to one revision");
        let entry = self.cache.find(key)?;
        entry.validity.covers(self.point).then_some((entry.member, entry.validity.until()))
    }

    pub(super) fn insert(&self, key: &[u8], member: bool, until: Option<Timestamp>) {
        debug_assert!(key.starts_with(&self.key_prefix()), "a key belongs to one revision");
        if self.cache.bytes_max > 0 {
            let validity = self.point.valid_until(until);
            self.cache.insert(key.into(), CachedAnswer { member, validity });
        }
    }
}
