//! A compact set of object ids: each id costs its bytes and about twelve more.

use hashbrown::HashTable;
use std::hash::{BuildHasher, RandomState};

/// A set of ids, numbered in insertion order. Numbers are below 2^32.
#[derive(Debug, Default)]
pub(super) struct IdSet {
    /// All ids, concatenated.
    text: String,
    /// The end of each id in `text`, by number.
    ends: Vec<u32>,
    /// The numbers, by the hash of their ids.
    numbers: HashTable<u32>,
    hasher: RandomState,
}

impl IdSet {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The id with a number; empty for an unused number.
    pub(super) fn get(&self, number: u32) -> &str {
        id(&self.text, &self.ends, number)
    }

    pub(super) fn contains(&self, wanted: &str) -> bool {
        let hash = self.hasher.hash_one(wanted);
        self.numbers.find(hash, |number| self.get(*number) == wanted).is_some()
    }

    /// Adds an id; returns whether it is new. An id that does not fit into the numbers is not added: callers keep the set's
    /// bytes below 2^32.
    pub(super) fn insert(&mut self, new: &str) -> bool {
        let (Ok(number), Ok(end)) =
            (u32::try_from(self.ends.len()), u32::try_from(self.text.len() + new.len()))
        else {
            return false;
        };
        let Self { text, ends, numbers, hasher } = self;
        let hash = hasher.hash_one(new);
        if numbers.find(hash, |number| id(text, ends, *number) == new).is_some() {
            return false;
        }
        text.push_str(new);
        ends.push(end);
        numbers.insert_unique(hash, number, |number| hasher.hash_one(id(text, ends, *number)));
        true
    }

    /// The numbers in byte order of their ids.
    pub(super) fn sorted(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = self.numbers.iter().copied().collect();
        numbers.sort_unstable_by(|left, right| self.get(*left).cmp(self.get(*right)));
        numbers
    }

    /// The memory in use, in bytes.
    pub(super) fn bytes(&self) -> usize {
        // The hash table has a control byte for each number.
        self.text.capacity()
            + size_of::<u32>() * self.ends.capacity()
            + (size_of::<u32>() + 1) * self.numbers.capacity()
    }
}

fn id<'t>(text: &'t str, ends: &[u32], number: u32) -> &'t str {
    let index = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let end_of = |number: u32| ends.get(index(number)).copied().map(index);
    let start = number.checked_sub(1).map_or(Some(0), end_of);
    let range = start.zip(end_of(number));
    range.and_then(|(start, end)| text.get(start..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_set_is_a_set(ids in prop::collection::vec("[ab]{0,6}", 0..200)) {
            let mut set = IdSet::default();
            let mut expected = BTreeSet::new();
            for id in &ids {
                prop_assert_eq!(set.contains(id), expected.contains(id));
                prop_assert_eq!(set.insert(id), expected.insert(id.clone()));
                prop_assert!(set.contains(id));
            }
            prop_assert_eq!(set.len(), expected.len());
            let sorted: Vec<&str> = set.sorted().into_iter().map(|number| set.get(number)).collect();
            prop_assert_eq!(sorted, expected.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}
