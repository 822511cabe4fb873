//! The open connections: how many there may be, and which one is closed for a new one when all slots are taken.
//!
//! A connection is *proven* once a call on it has presented a valid key. Unproven connections have a limited share of the slots: beyond it
//! the oldest of them is closed for a new one, so that any number of idle connections without a key cannot keep out callers
//! that have one, and proven connections never notice.

use super::descriptors;
use crate::config::ConnectionOptions;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Unproven connections may take one n-th of the slots.
const UNPROVEN_PART: usize = 2;
/// The most unproven connections.
const UNPROVEN_MAX: usize = 1_024;
/// How many connections may be closing, but still open. Each still has its file descriptor.
const CLOSING_MAX: usize = 16;
/// How long a new connection waits for one of these to close. That takes milliseconds, because nothing is sent.
const CLOSING_WAIT_MAX: Duration = Duration::from_secs(1);

/// A command for a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ConnectionCommand {
    /// Take calls.
    #[default]
    Serve,
    /// Take no more calls, and close after those in progress.
    Drain,
    /// Close now.
    Close,
}

/// The open connections of a server, over all of its listeners.
#[derive(Debug)]
pub(super) struct Registry {
    max: usize,
    unproven_max: usize,
    state: Mutex<RegistryState>,
    /// Rings when a connection has closed.
    closed: Notify,
    /// Connections that were refused, or closed for another one, because of the limit.
    limited: AtomicU64,
}

#[derive(Debug, Default)]
struct RegistryState {
    next_id: u64,
    /// By id, and so by age.
    peers: BTreeMap<u64, watch::Sender<ConnectionCommand>>,
    /// Connections on which no call has presented a valid key yet, without those that are closing.
    unproven: BTreeSet<u64>,
    /// How many are closing to free a slot, and are still open.
    closing: usize,
}

/// Why a new connection gets no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// All slots are taken by proven connections.
    Full,
    /// Too many closing connections are still open.
    Closing,
}

/// A connection's slot in the registry; freed when it is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    proof: Arc<Proof>,
    commands: watch::Receiver<ConnectionCommand>,
}

/// Whether a connection is proven.
#[derive(Debug)]
pub(super) struct Proof {
    id: u64,
    registry: Arc<Registry>,
    is_given: AtomicBool,
}

impl Registry {
    /// A registry of as many connections as the options and the limit on open files allow.
    pub(super) fn of(options: ConnectionOptions) -> Arc<Self> {
        let shares = descriptors::shares();
        let max = match options.max {
            None => shares.connections_default,
            Some(max) if max <= shares.connections => max,
            Some(wanted) => {
                tracing::warn!(
                    wanted,
                    max = shares.connections,
                    open_files = shares.limit,
                    "fewer connections than --grpc-max-connections says: raise the limit of open files (ulimit -n)"
                );
                shares.connections
            }
        };
        Self::new(max)
    }

    /// An empty registry with this many slots.
    pub(super) fn new(max: u32) -> Arc<Self> {
        let max = usize::try_from(max).unwrap_or(usize::MAX).max(1);
        let unproven_max = (max / UNPROVEN_PART).clamp(1, UNPROVEN_MAX);
        Arc::new(Self {
            max,
            unproven_max,
            state: Mutex::default(),
            closed: Notify::new(),
            limited: AtomicU64::new(0),
        })
    }

    /// How many connections are open.
    pub(super) fn open(&self) -> usize {
        self.lock().peers.len()
    }

    /// How many connections were refused, or closed for another one, because too many were open.
    pub(super) fn limited(&self) -> u64 {
        self.limited.load(Ordering::Relaxed)
    }

    /// The number of slots.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// Gives a new connection a slot. When all slots are taken, the oldest unproven connection is closed; this waits for it
    /// while too many others are closing.
    pub(super) async fn admit(self: &Arc<Self>) -> Result<Ticket, Refusal> {
        let admit = async {
            loop {
                // Registered before the state is read: a connection that closes right after the read still wakes this task.
                let mut closed = pin!(self.closed.notified());
                closed.as_mut().enable();
                match self.admit_now() {
                    Err(Refusal::Closing) => closed.await,
                    admitted => return admitted,
                }
            }
        };
        let admitted = tokio::time::timeout(CLOSING_WAIT_MAX, admit).await;
        let admitted = admitted.unwrap_or(Err(Refusal::Closing));
        if admitted.is_err() {
            self.limited.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    fn admit_now(self: &Arc<Self>) -> Result<Ticket, Refusal> {
        let mut state = self.lock();
        let is_full = state.unproven.len() >= self.unproven_max || state.serving() >= self.max;
        if is_full && state.close_oldest_unproven() {
            self.limited.fetch_add(1, Ordering::Relaxed);
        }
        if state.serving() >= self.max {
            return Err(Refusal::Full);
        }
        if state.closing > CLOSING_MAX {
            return Err(Refusal::Closing);
        }

        let id = state.next_id;
        state.next_id += 1;
        let (sender, commands) = watch::channel(ConnectionCommand::Serve);
        state.peers.insert(id, sender);
        state.unproven.insert(id);
        drop(state);

        let proof = Proof { id, registry: Arc::clone(self), is_given: AtomicBool::new(false) };
        Ok(Ticket { proof: Arc::new(proof), commands })
    }

    /// Closes the oldest unproven connection, if there is one, to free its file descriptor.
    pub(super) fn make_room(&self) {
        self.lock().close_oldest_unproven();
    }

    /// Makes every connection refuse new calls and close after its last one.
    pub(super) fn drain(&self) {
        for peer in self.lock().peers.values() {
            peer.send_if_modified(|command| {
                let serves = *command == ConnectionCommand::Serve;
                if serves {
                    *command = ConnectionCommand::Drain;
                }
                serves
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, RegistryState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RegistryState {
    /// The number of connections that are not closing.
    fn serving(&self) -> usize {
        self.peers.len() - self.closing
    }

    /// Whether there is one to close.
    fn close_oldest_unproven(&mut self) -> bool {
        let oldest = self.unproven.pop_first();
        let peer = oldest.and_then(|oldest| self.peers.get(&oldest));
        if let Some(peer) = peer {
            peer.send_replace(ConnectionCommand::Close);
            self.closing += 1;
        }
        peer.is_some()
    }
}

impl Ticket {
    /// The commands for the connection.
    pub(super) fn commands(&mut self) -> &mut watch::Receiver<ConnectionCommand> {
        &mut self.commands
    }

    /// Where the connection becomes proven.
    pub(super) fn proof(&self) -> Arc<Proof> {
        Arc::clone(&self.proof)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let id = self.proof.id;
        let mut state = self.proof.registry.lock();
        state.unproven.remove(&id);
        let peer = state.peers.remove(&id);
        if peer.is_some_and(|peer| *peer.borrow() == ConnectionCommand::Close) {
            state.closing -= 1;
        }
        drop(state);
        self.proof.registry.closed.notify_waiters();
    }
}

impl Proof {
    /// Whether a call on the connection has shown a key.
    pub(super) fn is_given(&self) -> bool {
        self.is_given.load(Ordering::Relaxed)
    }

    /// Makes the connection a proven one.
    pub(super) fn give(&self) {
        if !self.is_given.swap(true, Ordering::Relaxed) {
            self.registry.lock().unproven.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(ticket: &mut Ticket) -> ConnectionCommand {
        *ticket.commands().borrow()
    }

    #[test]
    fn beyond_their_share_the_oldest_unproven_connection_makes_room() {
        let registry = Registry::new(4);
        let mut first = registry.admit_now().unwrap();
        let mut second = registry.admit_now().unwrap();
        let mut third = registry.admit_now().unwrap();
        assert_eq!(command(&mut first), ConnectionCommand::Close);
        assert_eq!(command(&mut second), ConnectionCommand::Serve);
        second.proof().give();
        let _fourth = registry.admit_now().unwrap();
        assert_eq!(command(&mut third), ConnectionCommand::Serve);
        assert_eq!(command(&mut second), ConnectionCommand::Serve);
    }

    #[test]
    fn proven_connections_fill_the_room_and_keep_it() {
        let registry = Registry::new(4);
        let mut proven: Vec<Ticket> = (0..4)
            .map(|_| {
                let ticket = registry.admit_now().unwrap();
                ticket.proof().give();
                ticket
            })
            .collect();
        assert_eq!(registry.admit_now().err(), Some(Refusal::Full));
        assert!(proven.iter_mut().all(|ticket| command(ticket) == ConnectionCommand::Serve));
        proven.pop();
        let mut last = registry.admit_now().unwrap();
        // As long as one connection is unproven, one more always gets a slot.
        let _next = registry.admit_now().unwrap();
        assert_eq!(command(&mut last), ConnectionCommand::Close);
    }

    #[test]
    fn connections_that_are_slow_to_close_are_bounded_too() {
        let registry = Registry::new(4);
        let tickets: Vec<_> = (0..100).map_while(|_| registry.admit_now().ok()).collect();
        assert!(tickets.len() <= 4 + CLOSING_MAX + 1, "{}", tickets.len());
        drop(tickets);
        assert_eq!(registry.lock().closing, 0);
        assert!(registry.lock().peers.is_empty());
    }

    #[test]
    fn draining_leaves_those_alone_that_close() {
        let registry = Registry::new(2);
        let mut first = registry.admit_now().unwrap();
        let mut second = registry.admit_now().unwrap();
        registry.drain();
        assert_eq!(command(&mut first), ConnectionCommand::Close);
        assert_eq!(command(&mut second), ConnectionCommand::Drain);
    }
}
