//! Scans RocksDB log files (`*.log` and `MANIFEST-*`) before RocksDB opens them, and classifies how each one ends.
//!
//! RocksDB itself cannot distinguish a torn tail from a damaged record: its tolerant mode silently drops a damaged last record,
//! and its strict mode refuses a tail that was never acknowledged. This scan knows both, so the database can be opened
//! in strict mode after a torn tail has been cut off.
//!
//! Facts about the format: a file is a sequence of blocks of 32 KiB. A block holds fragments; when fewer than 7 bytes are
//! left in it, they are padding. A fragment is a masked CRC-32C of type and payload (4 bytes, little endian), the length
//! of the payload (2 bytes, little endian), a type (1 byte) and the payload. A record is one *full* fragment, or a *first*
//! one, any number of *middle* ones and a *last* one. Types from 9 on are settings of the file and no records. Recycled
//! log files use other types, with a longer header; they are switched off here.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::Path;

const BLOCK: usize = 32 << 10;
const HEADER: usize = 7;
const FULL: u8 = 1;
const FIRST: u8 = 2;
const MIDDLE: u8 = 3;
const LAST: u8 = 4;
/// The types that describe the file: compression, sizes of user-defined timestamps, the predecessor of a log.
const SETTINGS: [u8; 3] = [9, 10, 130];
/// The unit in which a disk writes: after a power loss a sector has its old or its new content.
const SECTOR: usize = 512;
/// What RocksDB adds to a rotated checksum before it stores it.
const MASK_DELTA: u32 = 0xa282_ead8;

/// How a log file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum LogEnding {
    /// With a whole record, or without any.
    Clean,
    /// With a record that was not written completely, as a crash during an append leaves it. No append that is cut short
    /// was acknowledged.
    Torn {
        /// Where that record starts.
        at: u64,
    },
    /// With something that no crash leaves.
    Damaged {
        /// Where the damaged record starts.
        at: u64,
        /// What was found.
        reason: &'static str,
    },
}

/// A fault of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FragmentFault {
    /// Its header is all zeros.
    Zeros,
    /// The file ends before it does.
    Short,
    /// Its length reaches over the end of its block, which no writer does.
    Length,
    /// Its checksum does not match.
    Checksum,
    /// Its type is unknown.
    Type,
}

impl FragmentFault {
    fn reason(self) -> &'static str {
        match self {
            Self::Zeros => "zeros where a record should start, and whole records after them",
            Self::Short => "a record with a wrong length",
            Self::Length => "a record that is longer than its block",
            Self::Checksum => "a record with a wrong checksum",
            Self::Type => "a record of an unknown type",
        }
    }
}

struct Fragment<'b> {
    kind: u8,
    payload: &'b [u8],
}

/// Reads a log file and hands over the payload of each whole record before its end or its first fault.
pub(in crate::store) fn scan(path: &Path, mut take: impl FnMut(&[u8])) -> io::Result<LogEnding> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut block = vec![0; BLOCK];
    let mut record = Assembly::default();
    let mut start = 0;

    loop {
        let filled = fill(&mut file, &mut block)?;
        let mut rest = block.get(..filled).unwrap_or_default();
        while rest.len() >= HEADER {
            let at = start + offset(filled - rest.len());
            let space = BLOCK - (filled - rest.len());
            let fragment = match fragment(rest, space) {
                Ok(fragment) => fragment,
                Err(fault) => return judge(&mut file, record.start.unwrap_or(at), at, fault),
            };
            rest = rest.get(HEADER + fragment.payload.len()..).unwrap_or_default();
            if let Err(reason) = record.add(at, &fragment, &mut take) {
                return Ok(LogEnding::Damaged { at, reason });
            }
        }
        if filled < BLOCK {
            // Less than a header at the end of the file: padding only ever stands at the end of a block.
            let cut = (!rest.is_empty()).then(|| length - offset(rest.len()));
            let at = record.start.or(cut);
            return Ok(at.map_or(LogEnding::Clean, |at| LogEnding::Torn { at }));
        }
        start += offset(BLOCK);
    }
}

/// A record that is put together from its fragments.
#[derive(Default)]
struct Assembly {
    /// Where the record starts whose first fragment has been read and whose last has not.
    start: Option<u64>,
    bytes: Vec<u8>,
}

impl Assembly {
    fn add(
        &mut self,
        at: u64,
        fragment: &Fragment<'_>,
        take: &mut impl FnMut(&[u8]),
    ) -> Result<(), &'static str> {
        match (fragment.kind, self.start) {
            (FULL, None) => take(fragment.payload),
            (FIRST, None) => {
                self.start = Some(at);
                self.bytes.clear();
                self.bytes.extend_from_slice(fragment.payload);
            }
            (MIDDLE, Some(_)) => self.bytes.extend_from_slice(fragment.payload),
            (LAST, Some(_)) => {
                self.bytes.extend_from_slice(fragment.payload);
                self.start = None;
                take(&self.bytes);
            }
            (FULL | FIRST, Some(_)) => return Err("a record without its end"),
            (MIDDLE | LAST, None) => return Err("a record without its start"),
            _ => {}
        }

        Ok(())
    }
}

/// The fragment at the start of `rest`, in a block that has `space` bytes from there on.
fn fragment(rest: &[u8], space: usize) -> Result<Fragment<'_>, FragmentFault> {
    let &[a, b, c, d, low, high, kind, ref payload @ ..] = rest else {
        return Err(FragmentFault::Short);
    };
    let length = usize::from(u16::from_le_bytes([low, high]));
    if kind == 0 && length == 0 {
        return Err(FragmentFault::Zeros);
    }

    if HEADER + length > space {
        return Err(FragmentFault::Length);
    }
    let payload = payload.get(..length).ok_or(FragmentFault::Short)?;
    if checksum(kind, payload) != u32::from_le_bytes([a, b, c, d]) {
        return Err(FragmentFault::Checksum);
    }

    if !(FULL..=LAST).contains(&kind) && !SETTINGS.contains(&kind) {
        return Err(FragmentFault::Type);
    }
    Ok(Fragment { kind, payload })
}

/// The checksum of a fragment as it is stored.
fn checksum(kind: u8, payload: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&[kind]), payload);
    crc.rotate_right(15).wrapping_add(MASK_DELTA)
}

/// Whether a fault at `at`, in the record that starts at `record`, is a torn tail or damage.
///
/// An append that was cut short has nothing whole after it, and lacks bytes: the file ends too early, or sectors of it are
/// zeros because the length of the file reached the disk before its content did. A record whose bytes are all there and
/// do not fit its checksum was written completely, so it may have been acknowledged.
fn judge(file: &mut File, record: u64, at: u64, fault: FragmentFault) -> io::Result<LogEnding> {
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(at))?;
    file.read_to_end(&mut tail)?;

    let damaged = Ok(LogEnding::Damaged { at: record, reason: fault.reason() });
    let torn = Ok(LogEnding::Torn { at: record });
    if tail.iter().all(|byte| *byte == 0) {
        return torn;
    }
    if has_whole_record(&tail, at) {
        return damaged;
    }
    match fault {
        // The checksum does not cover the length: if all that is left fits the checksum, only the length is wrong.
        FragmentFault::Short if is_whole_but_for_length(&tail) => damaged,
        FragmentFault::Zeros | FragmentFault::Short => torn,
        FragmentFault::Length | FragmentFault::Checksum | FragmentFault::Type => {
            if has_missing_sector(&tail, at) {
                torn
            } else {
                damaged
            }
        }
    }
}

/// Whether a whole record starts anywhere after the first byte of `tail`, which stands at `at` in its file.
fn has_whole_record(tail: &[u8], at: u64) -> bool {
    (1..tail.len()).any(|start| is_whole_record(tail, start, at))
}

fn is_whole_record(tail: &[u8], mut start: usize, at: u64) -> bool {
    let mut is_first = true;
    loop {
        let in_block = usize::try_from(at % offset(BLOCK)).unwrap_or(0) + start;
        let space = BLOCK - in_block % BLOCK;
        if space < HEADER && !is_first {
            start += space;
            continue;
        }

        let rest = tail.get(start..tail.len().min(start + space)).unwrap_or_default();
        // Cheap tests first: this runs for every byte.
        let kind = rest.get(6).copied().unwrap_or_default();
        if is_first && kind != FULL && kind != FIRST || !is_first && kind != MIDDLE && kind != LAST
        {
            return false;
        }
        let Ok(fragment) = fragment(rest, space) else { return false };
        if kind == FULL || kind == LAST {
            return true;
        }
        start += HEADER + fragment.payload.len();
        is_first = false;
    }
}

fn is_whole_but_for_length(tail: &[u8]) -> bool {
    match tail {
        &[a, b, c, d, _, _, kind, ref payload @ ..] => {
            checksum(kind, payload) == u32::from_le_bytes([a, b, c, d])
        }
        _ => false,
    }
}

/// Whether a sector of the file, the last one perhaps cut short, is all zeros.
fn has_missing_sector(tail: &[u8], at: u64) -> bool {
    let into_sector = usize::try_from(at % offset(SECTOR)).unwrap_or(0);
    let aligned = tail.get((SECTOR - into_sector) % SECTOR..).unwrap_or_default();
    aligned.chunks(SECTOR).any(|sector| sector.iter().all(|byte| *byte == 0))
}

/// Reads until the block is full or the file ends.
fn fill(file: &mut File, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(space) = block.get_mut(filled..).filter(|space| !space.is_empty()) {
        match file.read(space) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn offset(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
