//! What a server says at a scrape of what it depends on: certificates, the clock, and the keys of identity providers.

use super::clock::GuardedClock;
use super::tls::TlsIdentity;
use crate::access::Callers;
use crate::metrics::{Reading, ReadingSource};
use std::sync::Arc;

/// What the readings are of.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// The identities of the listeners that speak TLS.
    pub(super) identities: Vec<Arc<TlsIdentity>>,
    pub(super) clock: Arc<GuardedClock>,
    pub(super) callers: Option<Arc<Callers>>,
}

impl Surroundings {
    /// Readings of them.
    pub(super) fn readings(self) -> ReadingSource {
        Box::new(move || {
            let certificates = (!self.identities.is_empty()).then(|| self.certificates());
            [self.clock(), self.key_sets()].into_iter().chain(certificates).collect()
        })
    }

    fn certificates(&self) -> Reading {
        let help = "When the certificate that a listener shows ends, in seconds since 1970";
        let name = "kilwa_certificate_expiry_timestamp_seconds";
        let none = Reading { samples: Vec::new(), ..Reading::gauge(name, help, 0) };
        self.identities.iter().fold(none, |readings, identity| match identity.expires() {
            Some(end) => readings.with(&[("listener", identity.listener())], end),
            None => readings,
        })
    }

    fn clock(&self) -> Reading {
        let help = "1 while the system's clock is not believed, so that nothing old is dropped, otherwise 0";
        Reading::gauge("kilwa_clock_in_doubt", help, u64::from(self.clock.doubt().is_some()))
    }

    fn key_sets(&self) -> Reading {
        let sets = self.callers.iter().flat_map(|callers| callers.remote_key_sets());
        let failing = sets.map(|set| u64::from(set.is_failing())).sum();
        let help = "Identity providers whose keys could not be fetched at the last try; those that are known stay in use";
        Reading::gauge("kilwa_key_sets_not_fetched", help, failing)
    }
}
