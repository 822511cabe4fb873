//! Spelling suggestions: "did you mean".

/// How many names are compared when a near one is looked for.
const CANDIDATES_MAX: usize = 2_000;

/// The name that was probably meant: the nearest of the candidates, unless all are far off.
pub fn nearest<'n>(wanted: &str, candidates: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let distance_max = wanted.chars().count().div_ceil(3).min(3);
    candidates
        .into_iter()
        .take(CANDIDATES_MAX)
        .filter(|name| *name != wanted && name.len().abs_diff(wanted.len()) <= distance_max)
        .map(|name| (strsim::osa_distance(wanted, name), name))
        .filter(|(distance, _)| *distance <= distance_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
