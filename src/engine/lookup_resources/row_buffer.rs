//! Rows that a source has read ahead: each costs the bytes of its id and eight more.

/// Ids in byte order, each with whether it is certain.
#[derive(Debug, Default)]
pub(super) struct RowBuffer {
    /// All ids, concatenated.
    text: String,
    rows: Vec<BufferedRow>,
    /// The number of the first row that is left.
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct BufferedRow {
    /// The end of its id in `text`.
    end: u32,
    certain: bool,
}

/// The bytes of a row besides its id.
pub(super) const BUFFERED_ROW_BYTES: usize = size_of::<BufferedRow>();

impl RowBuffer {
    /// Without a row, for so many.
    pub(super) fn with_capacity(count: usize) -> Self {
        Self { text: String::new(), rows: Vec::with_capacity(count), next: 0 }
    }

    /// Appends a row. Ids are at most 1,024 bytes long and a page has some hundred rows, so that their ends fit.
    pub(super) fn push(&mut self, id: &str, certain: bool) {
        self.text.push_str(id);
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.rows.push(BufferedRow { end, certain });
    }

    /// The id of the first row that is left.
    pub(super) fn first(&self) -> Option<&str> {
        let end = self.rows.get(self.next)?.end;
        let start = self.next.checked_sub(1).and_then(|before| self.rows.get(before));
        self.text.get(index(start.map_or(0, |row| row.end))..index(end))
    }

    /// Removes the first row, and says whether it is certain.
    pub(super) fn pop(&mut self) -> Option<bool> {
        let certain = self.rows.get(self.next)?.certain;
        self.next += 1;
        Some(certain)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next >= self.rows.len()
    }

    /// The memory in use, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.text.capacity() + BUFFERED_ROW_BYTES * self.rows.capacity()
    }
}

fn index(end: u32) -> usize {
    usize::try_from(end).unwrap_or(usize::MAX)
}
