//! Conversions between kinds of numbers that the standard library leaves to casts.

/// A length or count of a message; one that does not fit is longer than anything.
pub(super) fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A count of items in memory.
pub(super) fn to_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// A count as a figure; above 2^53 it is rounded.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "figures are printed with a few digits"
)]
pub(super) fn to_f64(number: u64) -> f64 {
    number as f64
}

/// The whole part of a figure from 0 on.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is too small or too large becomes the nearest number"
)]
pub(super) fn whole(figure: f64) -> u64 {
    figure as u64
}
