//! Connections that the server has closed of itself, by the reason.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why the server closes a connection that its client keeps open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosingReason {
    /// The client did not complete the TLS handshake, or did not begin to speak HTTP, in time.
    HandshakeTimeout,
    /// The client did not complete the headers of a request in HTTP/1.1 in time.
    HeaderTimeout,
    /// The connection had no call for too long.
    IdleTimeout,
    /// The client did not answer a ping of HTTP/2 in time: it has gone without a word, or the network between has.
    KeepaliveTimeout,
    /// The client cancelled more calls, made more mistakes or sent more pieces of headers than one connection may.
    Flood,
}

impl ClosingReason {
    const ALL: [Self; 5] = [
        Self::HandshakeTimeout,
        Self::HeaderTimeout,
        Self::IdleTimeout,
        Self::KeepaliveTimeout,
        Self::Flood,
    ];

    /// The value of its label.
    fn label(self) -> &'static str {
        match self {
            Self::HandshakeTimeout => "handshake_timeout",
            Self::HeaderTimeout => "header_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::KeepaliveTimeout => "keepalive_timeout",
            Self::Flood => "flood",
        }
    }
}

/// How many connections were closed for each reason.
#[derive(Debug, Default)]
pub struct ClosingMetrics([AtomicU64; ClosingReason::ALL.len()]);

impl ClosingMetrics {
    /// Counts a connection.
    pub fn record(&self, reason: ClosingReason) {
        let counts = ClosingReason::ALL.iter().zip(&self.0);
        for (_, count) in counts.filter(|(counted, _)| **counted == reason) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many were closed for each reason, by the value of its label.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = ClosingReason::ALL.iter().zip(&self.0);
        counts.map(|(reason, count)| (reason.label(), count.load(Ordering::Relaxed)))
    }
}
