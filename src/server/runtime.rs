//! The threads that receive calls.

use std::io;
use tokio::runtime::{Builder, Runtime};

/// Every how many polls a thread takes a task from the queue that all threads share, before those of its own queue.
///
/// Tasks that wait for a worker thread come back through the shared queue, while the tasks of calls that just arrived are in
/// the queues of the threads. With tokio's own interval, which follows the mean time of a poll, the calls of a server with
/// more calls than it can answer would hardly ever end: each thread would take one of them for every twenty new ones.
const SHARED_QUEUE_INTERVAL: u32 = 2;

/// A runtime for a server, with one thread for each processor.
pub(super) fn start() -> io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().global_queue_interval(SHARED_QUEUE_INTERVAL).build()
}
