//! The frames of HTTP/2: their headers, and what stands around their content.

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;

pub(super) const END_STREAM: u8 = 0x1;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
/// Bytes of a priority at the beginning of a frame of headers.
const PRIORITY_BYTES: usize = 5;

/// What a frame says of itself, but for its length.
#[derive(Clone, Copy)]
pub(super) struct FrameHead {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl FrameHead {
    pub(super) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// A payload without padding and priority; `None` if it is shorter than they are.
    pub(super) fn content(self, payload: &[u8]) -> Option<&[u8]> {
        let mut content = payload;
        if self.has(PADDED) {
            let (padding, rest) = content.split_first()?;
            let length = rest.len().checked_sub(usize::from(*padding))?;
            content = rest.get(..length).unwrap_or_default();
        }
        if self.kind == HEADERS && self.has(PRIORITY) {
            content = content.get(PRIORITY_BYTES..)?;
        }
        Some(content)
    }
}

/// Appends the header of a frame.
pub(super) fn write_frame_header(out: &mut Vec<u8>, length: usize, frame: FrameHead) {
    let [_, high, middle, low] = u32::try_from(length).unwrap_or_default().to_be_bytes();
    let [a, b, c, d] = frame.stream.to_be_bytes();
    out.extend_from_slice(&[high, middle, low, frame.kind, frame.flags, a, b, c, d]);
}
