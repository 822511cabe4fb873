//! Change streams: sessions that read the change log, the shared feed at its head, and the bounded queue to each client.

mod change_batch;
pub(crate) mod feed;
pub(crate) mod send_queue;
pub(crate) mod session;
