//! Options of a write.

use super::clock::WriteClock;
use super::resources::Reserve;
use std::fmt;
use std::sync::Arc;

/// Says whether the caller of a write has stopped waiting for it.
pub type IsInterrupted = Arc<dyn Fn() -> bool + Send + Sync>;

/// The most bytes of a writer's name that are kept.
const WRITER_BYTES_MAX: usize = 1_024;

/// How a write is made.
pub struct WriteOptions {
    pub(in crate::store) clock: WriteClock,
    pub(in crate::store) interrupted: IsInterrupted,
    pub(in crate::store) is_large: bool,
    pub(in crate::store) reserve: Reserve,
    pub(in crate::store) writer: Option<Arc<str>>,
}

impl WriteOptions {
    /// A write of moderate size whose caller waits for as long as it takes.
    pub fn new(clock: impl Into<WriteClock>) -> Self {
        Self {
            clock: clock.into(),
            interrupted: Arc::new(|| false),
            is_large: false,
            reserve: Reserve::Full,
            writer: None,
        }
    }

    /// The same for a caller that may stop waiting. A write that has not begun by then is dropped; a large write that has
    /// begun is rolled back.
    #[must_use]
    pub fn interrupted_by(self, interrupted: IsInterrupted) -> Self {
        Self { interrupted, ..self }
    }

    /// The same for a writer of this name, which is kept with the changes. A longer name than can be kept is cut.
    #[must_use]
    pub fn by(self, writer: Option<Arc<str>>) -> Self {
        let writer =
            writer.map(|name| match name.get(..name.floor_char_boundary(WRITER_BYTES_MAX)) {
                Some(start) if start.len() < name.len() => start.into(),
                Some(_) | None => name,
            });
        Self { writer: writer.filter(|name| !name.is_empty()), ..self }
    }

    /// The same for a write that frees space in the end. It may use half of the space that is reserved for RocksDB.
    #[must_use]
    pub fn deletion(self) -> Self {
        Self { reserve: Reserve::Half, ..self }
    }

    /// The same for a write that may be larger than memory: it is committed chunk by chunk. No other write is made
    /// meanwhile; reads continue and see nothing of the write before it is complete. If it fails or a crash ends it, its
    /// chunks are rolled back.
    #[must_use]
    pub fn large(self) -> Self {
        Self { is_large: true, ..self }
    }
}

impl fmt::Debug for WriteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteOptions").field("is_large", &self.is_large).finish_non_exhaustive()
    }
}
