//! File descriptors: the process may open as many as the system allows, and each part of it has a share of them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// File descriptors other than those of connections and table files: standard streams, the runtime, the listeners, RocksDB's logs
/// and locks, the files of imports, and connections that are being closed.
const OWN_MAX: u64 = 64;
/// The most files that the store keeps open.
const STORE_MAX: u64 = 512;
/// The most connections unless more are asked for. An idle one takes about 20 KiB.
const CONNECTIONS_MAX: u64 = 10_000;
/// What systems that name no limit, or one that they do not keep, grant to every process.
const LIMIT_FALLBACK: u64 = 10_240;

/// How the descriptors of the process are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shares {
    /// How many descriptors there are.
    pub(super) limit: u64,
    /// For files of the store.
    pub(super) store: u32,
    /// For connections, if as many as possible are wanted.
    pub(super) connections: u32,
    /// For connections by default.
    pub(super) connections_default: u32,
}

/// Raises the limit of this process to the highest one that it may set itself. Without effect where the system refuses.
pub(super) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = |to| setrlimit(Resource::Nofile, Rlimit { current: to, ..limit }).is_ok();
    if limit.current == limit.maximum || raised(limit.maximum) {
        return;
    }
    // macOS shows a hard limit that is higher than what it grants.
    if limit.current.is_some_and(|current| current < LIMIT_FALLBACK)
        && !raised(Some(LIMIT_FALLBACK))
    {
        tracing::warn!(?limit, "the limit of open files cannot be raised");
    }
}

/// The shares under the limit that the process has now.
pub(super) fn shares() -> Shares {
    divide(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

fn divide(limit: u64) -> Shares {
    let rest = limit - OWN_MAX.min(limit / 4);
    let store = STORE_MAX.min(rest / 2);
    let connections = rest - store;
    let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    Shares {
        limit,
        store: count(store),
        connections: count(connections),
        connections_default: count(connections.min(CONNECTIONS_MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_a_share_and_no_descriptor_is_given_twice() {
        for limit in [16, 64, 256, 1_024, 4_096, 1 << 20] {
            let shares = divide(limit);
            let own = u64::from(OWN_MAX.min(limit / 4) > 0) * OWN_MAX.min(limit / 4);
            assert_eq!(own + u64::from(shares.store) + u64::from(shares.connections), limit);
            assert!(shares.store >= 6 && shares.connections >= 6, "{shares:?}");
        }
        assert_eq!(divide(1_024).store, 480);
        assert_eq!(divide(1 << 20).store, 512);
        assert_eq!(divide(u64::MAX).connections_default, 10_000);
    }
}
