//! The order in which the sources of a merge come: a heap of their next ids.

use std::cmp::Ordering;

/// Where the next ids of the sources are. `None` for a source at its end.
pub(super) trait HeadIds {
    fn head(&self, source: usize) -> Option<&str>;
}

/// The sources that are not at their end, the one with the smallest next id first.
///
/// Most comparisons are those of two numbers: the eight bytes that follow what the ids have in common.
#[derive(Debug, Default)]
pub(super) struct SourceHeads {
    /// A binary heap.
    heads: Vec<SourceHead>,
    /// What most ids begin with.
    common: String,
}

#[derive(Clone, Copy, Debug)]
struct SourceHead {
    /// In the order of the ids, as far as it goes.
    key: u64,
    source: usize,
}

impl SourceHeads {
    /// The heads of so many sources.
    pub(super) fn new(ids: &impl HeadIds, count: usize) -> Self {
        let mut common: Option<&str> = None;
        for id in (0..count).filter_map(|source| ids.head(source)) {
            common = Some(common.map_or(id, |common| common_start(common, id)));
        }
        let mut heads = Self { heads: Vec::new(), common: common.unwrap_or_default().to_owned() };
        for source in 0..count {
            if let Some(id) = ids.head(source) {
                let key = heads.key(id);
                heads.heads.push(SourceHead { key, source });
            }
        }
        for place in (0..heads.heads.len() / 2).rev() {
            heads.sift_down(place, ids);
        }
        heads
    }

    /// The source with the smallest next id.
    pub(super) fn first(&self) -> Option<usize> {
        self.heads.first().map(|head| head.source)
    }

    /// Puts the first source where its next id belongs, after that has changed.
    pub(super) fn first_changed(&mut self, ids: &impl HeadIds) {
        let Some(source) = self.first() else { return };
        match ids.head(source).map(|id| self.key(id)) {
            Some(key) => {
                if let Some(first) = self.heads.first_mut() {
                    first.key = key;
                }
            }
            None => {
                self.heads.swap_remove(0);
            }
        }
        self.sift_down(0, ids);
    }

    /// Memory of a head, in bytes.
    pub(super) const fn bytes_each() -> usize {
        size_of::<SourceHead>()
    }

    fn sift_down(&mut self, mut place: usize, ids: &impl HeadIds) {
        while let Some(head) = self.heads.get(place) {
            let mut least = (place, head);
            for child in [2 * place + 1, 2 * place + 2] {
                if let Some(other) = self.heads.get(child)
                    && order(other, least.1, ids) == Ordering::Less
                {
                    least = (child, other);
                }
            }
            let (child, _) = least;
            if child == place {
                return;
            }
            self.heads.swap(place, child);
            place = child;
        }
    }

    /// A number that orders an id, except among ids with the same number.
    fn key(&self, id: &str) -> u64 {
        let Some(rest) = id.strip_prefix(&self.common) else {
            return if *id < *self.common { 0 } else { u64::MAX };
        };
        let mut key = [0; 8];
        for (byte, next) in key.iter_mut().zip(rest.bytes()) {
            *byte = next;
        }
        u64::from_be_bytes(key)
    }
}

fn order(left: &SourceHead, right: &SourceHead, ids: &impl HeadIds) -> Ordering {
    let by_id = || ids.head(left.source).cmp(&ids.head(right.source));
    let by_source = || left.source.cmp(&right.source);
    left.key.cmp(&right.key).then_with(by_id).then_with(by_source)
}

/// What two ids begin with.
fn common_start<'i>(left: &'i str, right: &str) -> &'i str {
    let same = left.bytes().zip(right.bytes()).take_while(|(left, right)| left == right);
    left.get(..same.count()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The ids of each source that are left, in descending order.
    struct Sources(Vec<Vec<String>>);

    impl HeadIds for Sources {
        fn head(&self, source: usize) -> Option<&str> {
            self.0[source].last().map(String::as_str)
        }
    }

    proptest! {
        #[test]
        fn sources_are_merged_in_byte_order(
            sources in prop::collection::vec(prop::collection::vec("(same/)?[ab\u{7f}]{0,10}", 0..8), 0..12),
        ) {
            let mut expected: Vec<String> = sources.concat();
            expected.sort();
            let mut sources = Sources(sources);
            for ids in &mut sources.0 {
                ids.sort_by(|left, right| right.cmp(left));
            }

            let mut heads = SourceHeads::new(&sources, sources.0.len());
            let mut merged = Vec::new();
            while let Some(first) = heads.first() {
                merged.extend(sources.0[first].pop());
                heads.first_changed(&sources);
            }
            prop_assert_eq!(merged, expected);
        }
    }
}
