//! The Huffman code of HPACK (RFC 7541, appendix B). It is canonical: codes of one length follow each other in the order of their bytes, so the
//! lengths say all.

use std::sync::LazyLock;

/// The length in bits of the code of each byte. The code of the end, 30 ones, is never sent.
const CODE_LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

const LENGTH_MAX: usize = 30;

/// What decodes the codes of one length.
#[derive(Clone, Copy, Default)]
struct LengthCodes {
    first_code: u32,
    count: u32,
    /// Where the bytes of these codes begin among all bytes in the order of their codes.
    start: usize,
}

struct DecodeTable {
    lengths: [LengthCodes; LENGTH_MAX + 1],
    bytes: Vec<u8>,
}

static TABLE: LazyLock<DecodeTable> = LazyLock::new(|| {
    let mut table =
        DecodeTable { lengths: [LengthCodes::default(); LENGTH_MAX + 1], bytes: Vec::new() };
    let mut code = 0;
    for (length, codes) in table.lengths.iter_mut().enumerate().skip(1) {
        let start = table.bytes.len();
        let of_length =
            (0..=u8::MAX).zip(CODE_LENGTHS).filter(|(_, bits)| usize::from(*bits) == length);
        table.bytes.extend(of_length.map(|(byte, _)| byte));
        let count = u32::try_from(table.bytes.len() - start).unwrap_or_default();
        *codes = LengthCodes { first_code: code, count, start };
        code = (code + count) << 1;
    }
    table
});

/// Decodes a string; `None` if it is no Huffman code.
pub(super) fn decode(encoded: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(encoded.len() * 2);
    let (mut code, mut length) = (0_u32, 0);
    for byte in encoded {
        for bit in (0..8).rev() {
            code = code << 1 | u32::from(byte >> bit & 1);
            length += 1;
            let codes = TABLE.lengths.get(length)?;
            if let Some(position) =
                code.checked_sub(codes.first_code).filter(|at| *at < codes.count)
            {
                let position = codes.start + usize::try_from(position).ok()?;
                decoded.push(*TABLE.bytes.get(position)?);
                (code, length) = (0, 0);
            }
        }
    }

    // What is left is padding: at most seven ones.
    (length < 8 && code == (1 << length) - 1).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::decode;

    /// The examples of RFC 7541, appendix C.
    #[test]
    fn the_examples_of_the_standard_are_decoded() {
        let cases: [(&[u8], &str); 4] = [
            (&[0x64, 0x02], "302"),
            (&[0x64, 0x0e, 0xff], "307"),
            (&[0xae, 0xc3, 0x77, 0x1a, 0x4b], "private"),
            (
                &[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff],
                "www.example.com",
            ),
        ];
        for (encoded, text) in cases {
            assert_eq!(decode(encoded).as_deref(), Some(text.as_bytes()), "{text}");
        }
        assert_eq!(decode(&[0xff, 0xff]), None, "padding of more than seven bits");
    }
}
