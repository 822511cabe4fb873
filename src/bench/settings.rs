//! What is measured, and how.

use super::draw::Distribution;
use super::messages::BenchConsistency;
use super::workload::Workload;
use std::net::SocketAddr;
use std::time::Duration;

/// A server to measure.
#[derive(Clone, Debug)]
pub struct BenchTarget {
    /// Host and port, as they were given.
    pub endpoint: String,
    /// Where that is.
    pub address: SocketAddr,
    /// The key that is sent with each call.
    pub key: Option<String>,
    /// The server's process on this machine, whose CPU time and memory are read.
    pub process: Option<u32>,
}

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BenchCall {
    /// `CheckPermission`.
    Check,
    /// `CheckBulkPermissions`.
    Bulk,
    /// `LookupResources`.
    LookupResources,
    /// `LookupSubjects`.
    LookupSubjects,
    /// `WriteRelationships` of one relationship.
    Write,
    /// A check with the token of a write just before it.
    ReadBack,
    /// The health check of gRPC: the cheapest call that a server answers.
    Health,
}

/// Which calls are made, by chance in these proportions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallMix {
    /// How it was given.
    pub name: String,
    /// Kinds of calls and how often they are made. A write with a check after it begins as [`BenchCall::ReadBack`].
    pub parts: Vec<(BenchCall, u32)>,
}

/// The data and the questions.
#[derive(Clone, Debug)]
pub struct DataSettings {
    /// Which data.
    pub workload: Workload,
    /// About how many relationships.
    pub relationships: u64,
    /// Another seed makes other data and other questions.
    pub seed: u64,
    /// Which objects are asked for.
    pub distribution: Distribution,
}

/// How calls are made.
#[derive(Clone, Debug)]
pub struct CallSettings {
    /// What is called.
    pub mix: CallMix,
    /// Checks in a bulk check.
    pub bulk_items: u32,
    /// At which revision.
    pub consistency: BenchConsistency,
    /// Connections to the server.
    pub connections: u32,
    /// Calls at the same time on each of them, at most.
    pub in_flight: u32,
    /// Calls a second that are intended, whatever the server does (open loop); otherwise each call follows on an answer (closed loop).
    pub rate: Option<f64>,
    /// Whether the client says that it can read gzip, as most official clients do.
    pub reads_gzip: bool,
    /// The deadline of each call.
    pub deadline: Option<Duration>,
}

/// How long is measured.
#[derive(Clone, Copy, Debug)]
pub struct RoundSettings {
    /// Before each round, so that caches are filled.
    pub warm_up: Duration,
    /// Of a round.
    pub duration: Duration,
    /// How many.
    pub rounds: u32,
}

/// Everything about a measurement but the servers.
#[derive(Clone, Debug)]
pub struct BenchSettings {
    /// The data and the questions.
    pub data: DataSettings,
    /// How calls are made.
    pub calls: CallSettings,
    /// How long is measured.
    pub rounds: RoundSettings,
    /// Whether the data are written if the server does not have them.
    pub loads: bool,
}

impl BenchCall {
    /// All of them with their names.
    pub const NAMES: [(&'static str, Self); 7] = [
        ("check", Self::Check),
        ("bulk", Self::Bulk),
        ("lookup-resources", Self::LookupResources),
        ("lookup-subjects", Self::LookupSubjects),
        ("write", Self::Write),
        ("write-then-read", Self::ReadBack),
        ("health", Self::Health),
    ];

    /// What is measured of it.
    pub fn name(self) -> &'static str {
        if self == Self::ReadBack {
            return "read after write";
        }
        Self::NAMES.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}

impl CallMix {
    /// Reads the name of a call, or a mix of checks and writes such as `99:1`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let known = BenchCall::NAMES.iter().find(|(name, _)| *name == text);
        let parts = match (known, text.split_once(':')) {
            (Some((_, call)), _) => Some(vec![(*call, 1)]),
            (None, Some((checks, writes))) => {
                checks.parse().ok().zip(writes.parse().ok()).map(|(checks, writes)| {
                    vec![(BenchCall::Check, checks), (BenchCall::Write, writes)]
                })
            }
            (None, None) => None,
        };
        let total = |parts: &[(BenchCall, u32)]| {
            parts.iter().try_fold(0_u32, |sum, (_, share)| sum.checked_add(*share))
        };
        let is_possible = |parts: &Vec<_>| total(parts).is_some_and(|total| total > 0);
        let parts = parts.filter(is_possible).ok_or_else(|| {
            let names = BenchCall::NAMES.map(|(name, _)| format!("`{name}`")).join(", ");
            format!("use {names}, or checks and writes in a proportion such as `99:1`")
        })?;
        Ok(Self { name: text.to_owned(), parts })
    }

    /// Whether a kind of call is among them.
    pub(super) fn has(&self, call: BenchCall) -> bool {
        self.parts.iter().any(|(part, share)| *part == call && *share > 0)
    }

    /// The sum of all shares.
    pub(super) fn total(&self) -> u32 {
        self.parts.iter().map(|(_, share)| share).sum()
    }
}
