//! The keys that an identity provider publishes at an address, and when they are to be fetched.
//!
//! This module opens no connection and reads no clock: the server looks at each set several times a second, and fetches those
//! that are due. A call never waits for a fetch.

use super::key_set::KeySet;
use super::refusal::TokenRefusal;
use arc_swap::ArcSwapOption;
use jsonwebtoken::{Algorithm, DecodingKey};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many fetches unknown key ids can cause at once, so that invented ones do not flood the provider.
const EARLY_MAX: u32 = 3;
/// After this time they can cause one more.
const EARLY_INTERVAL: Duration = Duration::from_mins(1);
/// The pauses after failed fetches double from here to there.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_mins(1);

/// Where keys are published.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySetSource {
    /// The name of the issuer, for the log.
    pub issuer: String,
    /// The address: https, or http on this machine.
    pub url: String,
    /// The authorities that are trusted instead of the system's, in PEM form.
    pub authorities: Option<Vec<u8>>,
    /// After this time the keys are fetched again.
    pub refresh: Duration,
    /// Keys that are older are no longer used.
    pub keep: Duration,
}

/// Keys that are fetched from an address.
pub struct RemoteKeySet {
    source: KeySetSource,
    keys: ArcSwapOption<FetchedKeys>,
    schedule: Mutex<FetchSchedule>,
}

/// Keys as they came.
struct FetchedKeys {
    text: String,
    keys: KeySet,
    at: Duration,
}

/// When to fetch. Times are those of a clock that only rises.
#[derive(Clone, Debug, Default)]
struct FetchSchedule {
    next: Duration,
    is_fetching: bool,
    failures: u32,
    /// How many fetches before their time are left.
    early: u32,
    early_at: Duration,
    /// A token had a key that is not there.
    is_asked: bool,
}

/// What a look at a set finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySetLook {
    /// The keys are to be fetched now; [`RemoteKeySet::fetched`] has to be told what came of it.
    pub is_due: bool,
    /// The keys have become too old, and were dropped.
    pub is_outdated: bool,
}

/// What a fetch changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchOutcome {
    /// The keys are those that were known.
    Same,
    /// There are other keys.
    Changed,
    /// The provider has withdrawn all keys, so that no token is accepted.
    Withdrawn,
    /// Those that were known stay in use, and the next try is after this time.
    Failed {
        /// Why.
        reason: String,
        /// When the next try is.
        retry: Duration,
    },
}

impl RemoteKeySet {
    /// A set that was not fetched yet. What another set of the same address has is taken over.
    pub(in crate::access) fn new(source: KeySetSource) -> Self {
        let schedule = FetchSchedule { early: EARLY_MAX, ..FetchSchedule::default() };
        Self { source, keys: ArcSwapOption::empty(), schedule: Mutex::new(schedule) }
    }

    /// The set that continues an earlier one of the same address: itself if nothing differs.
    pub(in crate::access) fn continuing(self: Arc<Self>, earlier: &Arc<Self>) -> Arc<Self> {
        if self.source == earlier.source {
            return Arc::clone(earlier);
        }
        if self.source.authorities == earlier.source.authorities {
            self.keys.store(earlier.keys.load_full());
        }
        let schedule = earlier.schedule().clone();
        // The budget stays as it is; the new settings are tried at once.
        *self.schedule() =
            FetchSchedule { next: Duration::ZERO, is_fetching: false, failures: 0, ..schedule };
        self
    }

    /// Where the keys are.
    pub fn source(&self) -> &KeySetSource {
        &self.source
    }

    /// The key of a token. An unknown one makes the server fetch the keys again, unless that happened too often of late.
    pub(super) fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<DecodingKey, TokenRefusal> {
        let Some(fetched) = &*self.keys.load() else { return Err(TokenRefusal::NotFetched) };
        if let Some(key) = fetched.keys.find(id, algorithm) {
            return Ok(key.clone());
        }
        let mut schedule = self.schedule();
        if id.is_none() || (schedule.early == 0 && !schedule.is_fetching) {
            return Err(TokenRefusal::Key);
        }
        schedule.is_asked = true;
        Err(TokenRefusal::Fetching)
    }

    /// Looks at the set. A set that is due is being fetched from then on.
    pub fn look(&self, now: Duration) -> KeySetLook {
        let is_old = |fetched: &Arc<FetchedKeys>| now.saturating_sub(fetched.at) > self.source.keep;
        let is_outdated = self.keys.load().as_ref().is_some_and(is_old);
        if is_outdated {
            self.keys.store(None);
        }

        let mut schedule = self.schedule();
        if schedule.early < EARLY_MAX && now.saturating_sub(schedule.early_at) >= EARLY_INTERVAL {
            schedule.early += 1;
            schedule.early_at = now;
        }
        if schedule.is_fetching {
            return KeySetLook { is_due: false, is_outdated };
        }
        let is_early = schedule.is_asked && schedule.early > 0;
        let is_due = is_early || now >= schedule.next;
        if is_early && now < schedule.next {
            if schedule.early == EARLY_MAX {
                schedule.early_at = now;
            }
            schedule.early -= 1;
        }
        schedule.is_fetching = is_due;
        KeySetLook { is_due, is_outdated }
    }

    /// Takes what a fetch has brought.
    pub fn fetched(&self, now: Duration, brought: Result<String, String>) -> FetchOutcome {
        let parsed = brought.and_then(|text| KeySet::parse(&text).map(|keys| (text, keys)));
        let mut schedule = self.schedule();
        (schedule.is_fetching, schedule.is_asked) = (false, false);

        match parsed {
            Ok((text, keys)) => {
                (schedule.next, schedule.failures) = (now + self.source.refresh, 0);
                let known = self.keys.load();
                let is_same = known.as_ref().is_some_and(|known| known.text == text);
                let has_keys = !keys.is_empty();
                self.keys.store(Some(Arc::new(FetchedKeys { text, keys, at: now })));
                match (is_same, has_keys) {
                    (true, _) => FetchOutcome::Same,
                    (false, true) => FetchOutcome::Changed,
                    // Not a failure, which would leave withdrawn keys in use.
                    (false, false) => FetchOutcome::Withdrawn,
                }
            }
            Err(reason) => {
                let pause = RETRY_MIN.saturating_mul(1 << schedule.failures.min(6));
                let retry = pause.min(RETRY_MAX).min(self.source.refresh);
                schedule.failures = schedule.failures.saturating_add(1);
                schedule.next = now + retry;
                FetchOutcome::Failed { reason, retry }
            }
        }
    }

    /// Whether the last fetch has failed.
    pub fn is_failing(&self) -> bool {
        self.schedule().failures > 0
    }

    fn schedule(&self) -> MutexGuard<'_, FetchSchedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RemoteKeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemoteKeySet").field(&self.source.url).finish()
    }
}

impl fmt::Debug for KeySetSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySetSource").field("url", &self.url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    fn set() -> RemoteKeySet {
        RemoteKeySet::new(KeySetSource {
            issuer: "idp".to_owned(),
            url: "https://idp.example.org/keys".to_owned(),
            authorities: None,
            refresh: Duration::from_mins(5),
            keep: Duration::from_hours(1),
        })
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn find(set: &RemoteKeySet, id: &str) -> Option<TokenRefusal> {
        set.find(Some(id), Algorithm::EdDSA).err()
    }

    #[test]
    fn keys_are_fetched_in_time_and_one_fetch_runs_at_a_time() {
        let set = set();
        assert_eq!(find(&set, "a"), Some(TokenRefusal::NotFetched));
        assert!(set.look(at(1)).is_due);
        assert!(!set.look(at(2)).is_due, "it is being fetched");
        assert_eq!(set.fetched(at(3), Ok(KEYS.to_owned())), FetchOutcome::Changed);
        assert_eq!(find(&set, "a"), None);
        assert!(!set.look(at(302)).is_due);
        assert!(set.look(at(303)).is_due);
        assert_eq!(set.fetched(at(303), Ok(KEYS.to_owned())), FetchOutcome::Same);
    }

    #[test]
    fn failures_keep_the_keys_for_a_time_and_are_repeated_with_growing_pauses() {
        let set = set();
        assert!(set.look(at(0)).is_due);
        set.fetched(at(0), Ok(KEYS.to_owned()));
        let mut now = 300;
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(set.look(at(now)).is_due);
            let failed = set.fetched(at(now), Ok("garbage".to_owned()));
            assert!(
                matches!(&failed, FetchOutcome::Failed { retry, .. } if *retry == at(pause)),
                "{failed:?}"
            );
            assert!(!set.look(at(now + pause - 1)).is_due);
            now += pause;
        }
        assert_eq!(find(&set, "a"), None);
        assert!(!set.look(at(3_600)).is_outdated);
        assert!(set.look(at(3_601)).is_outdated);
        assert_eq!(find(&set, "a"), Some(TokenRefusal::NotFetched));
    }

    #[test]
    fn a_set_without_keys_withdraws_those_that_were_known() {
        let set = set();
        assert!(set.look(at(0)).is_due);
        set.fetched(at(0), Ok(KEYS.to_owned()));
        assert!(set.look(at(300)).is_due);
        let empty = || Ok(r#"{"keys": []}"#.to_owned());
        assert_eq!(set.fetched(at(300), empty()), FetchOutcome::Withdrawn);
        assert!(find(&set, "a").is_some());
        assert_eq!(set.find(None, Algorithm::EdDSA).err(), Some(TokenRefusal::Key));
        assert!(set.look(at(600)).is_due);
        assert_eq!(set.fetched(at(600), empty()), FetchOutcome::Same);
        set.look(at(900));
        assert_eq!(set.fetched(at(900), Ok(KEYS.to_owned())), FetchOutcome::Changed);
        assert_eq!(find(&set, "a"), None);
    }

    #[test]
    fn unknown_ids_cause_a_bounded_number_of_fetches() {
        let set = set();
        assert!(set.look(at(0)).is_due);
        set.fetched(at(0), Ok(KEYS.to_owned()));
        let mut fetches = 0;
        for second in 1..299 {
            find(&set, "invented");
            if set.look(at(second)).is_due {
                fetches += 1;
                set.fetched(at(second), Ok(KEYS.to_owned()));
            }
        }
        assert_eq!(fetches, 3 + 4, "three at once, and one more each minute");
        assert_eq!(find(&set, "invented"), Some(TokenRefusal::Key));
        assert_eq!(set.find(None, Algorithm::RS256).err(), Some(TokenRefusal::Key));
        assert_eq!(find(&set, "a"), None);
    }

    #[test]
    fn a_set_with_other_settings_takes_over_what_is_known() {
        let earlier = Arc::new(set());
        assert!(earlier.look(at(0)).is_due);
        earlier.fetched(at(0), Ok(KEYS.to_owned()));
        assert!(Arc::ptr_eq(&Arc::new(set()).continuing(&earlier), &earlier));
        let source = KeySetSource { refresh: Duration::from_mins(9), ..earlier.source().clone() };
        let later = Arc::new(RemoteKeySet::new(source)).continuing(&earlier);
        assert_eq!(find(&later, "a"), None);
        assert!(later.look(at(1)).is_due);
        let source = KeySetSource { authorities: Some(Vec::new()), ..earlier.source().clone() };
        let other = Arc::new(RemoteKeySet::new(source)).continuing(&earlier);
        assert_eq!(find(&other, "a"), Some(TokenRefusal::NotFetched));
    }
}
