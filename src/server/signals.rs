//! SIGTERM and SIGINT: the first one ends the server in order, the second one at once. SIGHUP never ends it: it asks to
//! reload.
//!
//! A thread of its own waits for them, so that they are heard while the data folder is opened and while the runtime is busy.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;
use std::ffi::c_int;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tokio::sync::{Notify, oneshot};

/// What shells add to a signal's number when a signal ended a program.
const EXIT_CODE_BASE: c_int = 128;

/// The signals that end this process, and the one that asks it to reload.
#[derive(Debug)]
pub(super) struct StopSignals {
    is_serving: Arc<AtomicBool>,
    reloads: Arc<Notify>,
    stop: oneshot::Receiver<()>,
}

impl StopSignals {
    /// Takes the signals over. Until [`serving`](Self::serving) is called, the first one ends the process at once.
    pub(super) fn listen() -> io::Result<Self> {
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
        let is_serving = Arc::new(AtomicBool::new(false));
        let (sender, stop) = oneshot::channel();

        let serves = Arc::clone(&is_serving);
        let reloads = Arc::new(Notify::new());
        let requested = Arc::clone(&reloads);
        let mut graceful = Some(sender);
        let wait = move || {
            for signal in signals.forever() {
                if signal == SIGHUP {
                    // Kept until someone waits for it.
                    requested.notify_one();
                    continue;
                }
                let name = low_level::signal_name(signal).unwrap_or("a signal");
                if !serves.load(Ordering::Acquire) {
                    tracing::info!("{name}: stopped before the server was ready");
                    end(signal);
                }
                let Some(stop) = graceful.take() else {
                    tracing::warn!("{name} again: stopped at once, calls in progress are cut off");
                    end(signal);
                };
                tracing::info!("{name}: stopping; a second signal stops at once");
                // The receiver is gone when the server stops for another reason.
                let _ = stop.send(());
            }
        };
        thread::Builder::new().name("signals".to_owned()).spawn(wait)?;
        Ok(Self { is_serving, reloads, stop })
    }

    /// Notified at each SIGHUP.
    pub(super) fn reloads(&self) -> Arc<Notify> {
        Arc::clone(&self.reloads)
    }

    /// From now on the first signal lets calls in progress end. Done when it has come.
    pub(super) fn serving(self) -> impl Future<Output = ()> + Send {
        self.is_serving.store(true, Ordering::Release);
        async move {
            // The sender lives as long as the process, unless it was used.
            let _ = self.stop.await;
        }
    }
}

/// Ends the process without the destructors of the C library: those of RocksDB wait for its threads, which may take long. A
/// store survives this as it survives a crash.
fn end(signal: c_int) -> ! {
    low_level::exit(EXIT_CODE_BASE.saturating_add(signal))
}
