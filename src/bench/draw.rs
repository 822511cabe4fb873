//! Numbers that look drawn by lot and are the same for the same seed.

use super::numbers::{to_f64, whole};

/// The exponent of the power law, that of the usual benchmarks of databases.
const ZIPF_EXPONENT: f64 = 0.99;

/// Which objects are asked for more often than others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// All alike.
    Uniform,
    /// Few of them most of the time: Zipf's law with the exponent 0.99.
    Zipf,
}

impl Distribution {
    /// All of them with their names.
    pub const NAMES: [(&'static str, Self); 2] = [("uniform", Self::Uniform), ("zipf", Self::Zipf)];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}

/// A sequence of numbers (splitmix64).
#[derive(Clone, Copy, Debug)]
pub(super) struct Draw {
    state: u64,
    distribution: Distribution,
}

impl Draw {
    pub(super) fn new(seed: u64, distribution: Distribution) -> Self {
        Self { state: seed, distribution }
    }

    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed(self.state)
    }

    /// A number below a bound, all alike.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        let scaled = ((self.next() >> 32) * u64::from(bound)) >> 32;
        u32::try_from(scaled).unwrap_or_default()
    }

    /// A position in a list of this length.
    pub(super) fn index(&mut self, length: u32) -> usize {
        usize::try_from(self.below(length)).unwrap_or_default()
    }

    /// Whether something happens that has this chance.
    pub(super) fn happens(&mut self, in_hundred: u32) -> bool {
        self.below(100) < in_hundred
    }

    /// A number below a bound, by the distribution: under Zipf's law, small ones most often.
    pub(super) fn pick(&mut self, bound: u32) -> u32 {
        match self.distribution {
            Distribution::Uniform => self.below(bound),
            Distribution::Zipf => {
                let share = to_f64(self.next() >> 11) / to_f64(1 << 53);
                let flat = 1.0 - ZIPF_EXPONENT;
                // The inverse of the sum of the law, as if it were continuous.
                let sum = f64::from(bound).powf(flat) - 1.0;
                let rank = whole((sum * share + 1.0).powf(1.0 / flat)) - 1;
                u32::try_from(rank).unwrap_or(u32::MAX).min(bound.saturating_sub(1))
            }
        }
    }
}

/// A number that looks drawn by lot, the same for the same arguments.
pub(super) fn hash(seed: u64, number: u64) -> u64 {
    mixed(mixed(seed.wrapping_add(0x9E37_79B9_7F4A_7C15)).wrapping_add(number))
}

fn mixed(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_zipfs_law_few_numbers_come_most_of_the_time() {
        let share_of_first_tenth = |distribution| {
            let mut draw = Draw::new(1, distribution);
            let picked: Vec<u32> = (0..10_000).map(|_| draw.pick(1000)).collect();
            assert!(picked.iter().all(|number| *number < 1000));
            assert!(picked.iter().any(|number| *number > 900));
            picked.iter().filter(|number| **number < 100).count()
        };
        assert!((900..1100).contains(&share_of_first_tenth(Distribution::Uniform)));
        assert!((6000..7500).contains(&share_of_first_tenth(Distribution::Zipf)));
    }

    #[test]
    fn the_only_number_below_one_is_zero() {
        for distribution in [Distribution::Uniform, Distribution::Zipf] {
            assert_eq!(Draw::new(7, distribution).pick(1), 0);
        }
    }
}
