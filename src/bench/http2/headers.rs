//! Encodes the header blocks of requests: each header as a literal in the first call that has it, then as one byte from the table.

use std::time::Duration;

/// What an entry of the table counts beyond its name and value.
const ENTRY_BYTES: usize = 32;
/// Index of the newest entry of the dynamic table.
const DYNAMIC_START: usize = 62;
/// The longest table of ours, the usual one.
const TABLE_BYTES_MAX: usize = 4096;
/// `:method: POST` and `:scheme: http` in the static table.
const POST_OVER_HTTP: [u8; 2] = [0x83, 0x86];
/// Deadlines differ by so many microseconds, as they do when a client states what is left of its time.
const DEADLINE_STEPS: u64 = 9973;

/// What all calls of a connection have in common.
#[derive(Clone, Debug, Default)]
pub(in crate::bench) struct CallOptions {
    pub(in crate::bench) authority: String,
    pub(in crate::bench) key: Option<String>,
    /// Whether the client says that it can read gzip, as most official ones do.
    pub(in crate::bench) reads_gzip: bool,
    pub(in crate::bench) deadline: Option<Duration>,
}

/// Writes the header blocks of one connection.
pub(super) struct HeaderEncoder {
    /// Headers that every call has.
    common: Vec<(String, String)>,
    /// The headers in the table, in the order in which they came in.
    table: Vec<(String, String)>,
    table_bytes: usize,
    table_bytes_max: usize,
    /// Whether the server has been informed of a table that is smaller than usual.
    size_is_announced: bool,
    blocks: Vec<KnownBlock>,
    deadline: Option<Duration>,
    calls: u64,
}

/// The block of a path, as it is as long as nothing is added to the table.
struct KnownBlock {
    path: &'static str,
    table_entries: usize,
    bytes: Vec<u8>,
}

impl HeaderEncoder {
    pub(super) fn new(options: &CallOptions) -> Self {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut common = vec![
            header(":authority", &options.authority),
            header("te", "trailers"),
            header("content-type", "application/grpc"),
            header("user-agent", concat!("kilwa-bench/", env!("CARGO_PKG_VERSION"))),
        ];
        let key = options.key.as_ref();
        common.extend(key.map(|key| header("authorization", &format!("Bearer {key}"))));
        if options.reads_gzip {
            common.push(header("grpc-accept-encoding", "identity, deflate, gzip"));
        }

        Self {
            common,
            table: Vec::new(),
            table_bytes: 0,
            table_bytes_max: TABLE_BYTES_MAX,
            size_is_announced: true,
            blocks: Vec::new(),
            deadline: options.deadline,
            calls: 0,
        }
    }

    /// The server's table is this large. To be called before the first block.
    pub(super) fn limit_table(&mut self, bytes: usize) {
        if bytes < self.table_bytes_max {
            self.table_bytes_max = bytes;
            self.size_is_announced = false;
        }
    }

    /// Appends the header block of a call.
    pub(super) fn encode(&mut self, path: &'static str, out: &mut Vec<u8>) {
        if !self.size_is_announced {
            self.size_is_announced = true;
            write_integer(out, 0x20, 5, self.table_bytes_max);
        }

        let entries = self.table.len();
        let mut blocks = self.blocks.iter();
        match blocks.find(|block| block.path == path && block.table_entries == entries) {
            Some(block) => out.extend_from_slice(&block.bytes),
            None => self.encode_anew(path, out),
        }

        self.calls += 1;
        if let Some(deadline) = self.deadline {
            let micros = u64::try_from(deadline.as_micros()).unwrap_or(u64::MAX);
            let left = micros.saturating_sub(self.calls % DEADLINE_STEPS).clamp(1, 99_999_999);
            write_literal(out, 0x00, "grpc-timeout", &format!("{left}u"));
        }
    }

    fn encode_anew(&mut self, path: &'static str, out: &mut Vec<u8>) {
        let entries = self.table.len();
        let start = out.len();
        out.extend_from_slice(&POST_OVER_HTTP);
        self.write(":path", path, out);
        for (name, value) in self.common.clone() {
            self.write(&name, &value, out);
        }

        // A block that adds nothing is right until another one does.
        if self.table.len() == entries {
            let bytes = out.get(start..).unwrap_or_default().to_vec();
            self.blocks.retain(|block| block.path != path);
            self.blocks.push(KnownBlock { path, table_entries: entries, bytes });
        }
    }

    /// A header as one byte if the table has it; otherwise it is added, unless that would evict another.
    fn write(&mut self, name: &str, value: &str, out: &mut Vec<u8>) {
        let known = self.table.iter().position(|(known, held)| known == name && held == value);
        if let Some(position) = known {
            return write_integer(out, 0x80, 7, DYNAMIC_START + self.table.len() - 1 - position);
        }

        let bytes = name.len() + value.len() + ENTRY_BYTES;
        if self.table_bytes + bytes > self.table_bytes_max {
            return write_literal(out, 0x00, name, value);
        }
        write_literal(out, 0x40, name, value);
        self.table_bytes += bytes;
        self.table.push((name.to_owned(), value.to_owned()));
    }
}

/// A header with a literal name and value.
fn write_literal(out: &mut Vec<u8>, kind: u8, name: &str, value: &str) {
    out.push(kind);
    for text in [name, value] {
        write_integer(out, 0, 7, text.len());
        out.extend_from_slice(text.as_bytes());
    }
}

/// An integer whose first bits are the low ones of a byte.
fn write_integer(out: &mut Vec<u8>, high: u8, prefix: u32, value: usize) {
    let mask = (1_usize << prefix) - 1;
    if value < mask {
        return out.extend(u8::try_from(value).map(|low| high | low));
    }
    out.extend(u8::try_from(mask).map(|low| high | low));
    let mut rest = value - mask;
    while rest > 0x7f {
        out.extend(u8::try_from(rest & 0x7f).map(|low| low | 0x80));
        rest >>= 7;
    }
    out.extend(u8::try_from(rest));
}
