//! Spelling suggestions: "did you mean".

use std::cmp::Reverse;

/// Maximum candidates that are compared with one name.
const CANDIDATES_MAX: usize = 2_000;

/// The candidate that was probably meant: the one with the smallest edit distance, of equal ones the longest, since letters
/// are left out more often than added, and then the first in the alphabet. `None` when all differ in more than a third of
/// the name.
pub fn nearest<'n>(wanted: &str, candidates: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let distance_max = wanted.chars().count().div_ceil(3).min(3);
    candidates
        .into_iter()
        .take(CANDIDATES_MAX)
        .filter(|name| *name != wanted && name.len().abs_diff(wanted.len()) <= distance_max)
        .map(|name| (strsim::osa_distance(wanted, name), name))
        .filter(|(distance, _)| *distance <= distance_max)
        .min_by_key(|(distance, name)| (*distance, Reverse(name.len()), *name))
        .map(|(_, name)| name)
}
