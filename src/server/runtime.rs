//! The threads that receive calls.

use std::io;
use tokio::runtime::{Builder, Runtime};

/// Every how many polls a thread takes a task from the queue that all threads share, before those of its own queue: each time.
///
/// Tasks that wait for a worker thread come back through the shared queue, while the connections, which begin new calls, are in
/// the queues of the threads. What has begun ends first. Otherwise the calls of a server with more calls than it can answer would
/// wait for one turn of a connection after the other. New calls are not shut out by it: without them, the shared queue runs empty.
const SHARED_QUEUE_INTERVAL: u32 = 1;

/// A runtime for a server, with one thread for each processor.
pub(super) fn start() -> io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().global_queue_interval(SHARED_QUEUE_INTERVAL).build()
}
