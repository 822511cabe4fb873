//! Histograms whose buckets are powers of two.

use prometheus_client::encoding::{MetricEncoder, NoLabelSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Nanoseconds in a second.
const NANOSECONDS: f64 = 1e9;

/// Upper bounds of the buckets of durations, in seconds: powers of two, from about 31 µs to 32 s. Native histograms have the
/// same bounds, so that both kinds can be compared and added up.
const SECONDS: [f64; 21] = [
    0.000_030_517_578_125,
    0.000_061_035_156_25,
    0.000_122_070_312_5,
    0.000_244_140_625,
    0.000_488_281_25,
    0.000_976_562_5,
    0.001_953_125,
    0.003_906_25,
    0.007_812_5,
    0.015_625,
    0.031_25,
    0.062_5,
    0.125,
    0.25,
    0.5,
    1.0,
    2.0,
    4.0,
    8.0,
    16.0,
    32.0,
];
/// Upper bounds of the buckets of numbers: powers of two from 1 to about a million.
const NUMBERS: [f64; 21] = [
    1.0,
    2.0,
    4.0,
    8.0,
    16.0,
    32.0,
    64.0,
    128.0,
    256.0,
    512.0,
    1_024.0,
    2_048.0,
    4_096.0,
    8_192.0,
    16_384.0,
    32_768.0,
    65_536.0,
    131_072.0,
    262_144.0,
    524_288.0,
    1_048_576.0,
];

/// A histogram of durations. Recording takes two atomic additions and no lock.
#[derive(Debug, Default)]
pub(super) struct DurationHistogram(Buckets);

/// A histogram of numbers.
#[derive(Debug, Default)]
pub(super) struct NumberHistogram(Buckets);

/// Counts by bucket, the last one for what is above all bounds.
#[derive(Debug, Default)]
struct Buckets {
    counts: [AtomicU64; SECONDS.len() + 1],
    /// Of nanoseconds, or of numbers.
    sum: AtomicU64,
}

impl DurationHistogram {
    /// Counts a duration.
    pub(super) fn record(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let seconds = duration.as_secs_f64();
        self.0.record(SECONDS.partition_point(|bound| *bound < seconds), nanoseconds);
    }

    /// Whether nothing was recorded.
    pub(super) fn is_empty(&self) -> bool {
        self.0.counts.iter().all(|count| count.load(Ordering::Relaxed) == 0)
    }

    /// Writes the sum of some as one series.
    pub(super) fn encode<'h>(
        all: impl Iterator<Item = &'h Self>,
        encoder: MetricEncoder<'_>,
    ) -> fmt::Result {
        let (counts, sum) = Buckets::total(all.map(|histogram| &histogram.0));
        encode(encoder, &SECONDS, counts, Duration::from_nanos(sum).as_secs_f64())
    }
}

impl NumberHistogram {
    /// Counts a number.
    pub(super) fn record(&self, number: u64) {
        // The exponent of the smallest power of two that is not below the number.
        let exponent = u64::BITS - number.saturating_sub(1).leading_zeros();
        let bucket = usize::try_from(exponent).unwrap_or(usize::MAX).min(NUMBERS.len());
        self.0.record(bucket, number);
    }

    /// Writes the sum of some as one series.
    pub(super) fn encode<'h>(
        all: impl Iterator<Item = &'h Self>,
        encoder: MetricEncoder<'_>,
    ) -> fmt::Result {
        let (counts, sum) = Buckets::total(all.map(|histogram| &histogram.0));
        // Exact up to 2^53, and far above every bound there.
        let sum = (Duration::from_nanos(sum).as_secs_f64() * NANOSECONDS).round();
        encode(encoder, &NUMBERS, counts, sum)
    }
}

impl Buckets {
    fn record(&self, bucket: usize, amount: u64) {
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(amount, Ordering::Relaxed);
    }

    /// The counts and the sum of some together.
    fn total<'b>(all: impl Iterator<Item = &'b Self>) -> ([u64; SECONDS.len() + 1], u64) {
        let (mut counts, mut sum) = ([0; SECONDS.len() + 1], 0_u64);
        for buckets in all {
            for (total, count) in counts.iter_mut().zip(&buckets.counts) {
                *total += count.load(Ordering::Relaxed);
            }
            sum = sum.wrapping_add(buckets.sum.load(Ordering::Relaxed));
        }
        (counts, sum)
    }
}

fn encode(
    mut encoder: MetricEncoder<'_>,
    bounds: &[f64],
    counts: [u64; SECONDS.len() + 1],
    sum: f64,
) -> fmt::Result {
    let bounds = bounds.iter().copied().chain([f64::INFINITY]);
    let buckets: Vec<_> = bounds.zip(counts).collect();
    encoder.encode_histogram::<NoLabelSet>(sum, counts.iter().sum(), &buckets, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_in_the_bucket_whose_bound_it_does_not_pass() {
        for number in (0..=70).chain([1 << 19, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, u64::MAX]) {
            let histogram = NumberHistogram::default();
            histogram.record(number);
            let counts = histogram.0.counts.iter().map(|count| count.load(Ordering::Relaxed));
            let bound = (0..20).find(|exponent| number <= 1 << exponent).unwrap_or(20);
            let bucket = if number > 1 << 20 { NUMBERS.len() } else { bound };
            assert_eq!(
                counts.collect::<Vec<_>>().iter().position(|count| *count == 1),
                Some(bucket),
                "{number}"
            );
        }
    }
}
