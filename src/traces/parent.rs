//! The parent of a span, as the header `traceparent` of the W3C gives it.

/// The length of the fields of version 00, with their dashes.
const LENGTH: usize = 55;
/// The bit of the flags that says that the parent was sampled.
const SAMPLED: u8 = 1;

/// The parent of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ParentSpan {
    pub(super) trace_id: u128,
    pub(super) span_id: u64,
    pub(super) is_sampled: bool,
}

impl ParentSpan {
    /// Reads a header. Nothing for one that the standard says to ignore.
    pub(super) fn read(header: &str) -> Option<Self> {
        let (fields, rest) = header.split_at_checked(LENGTH)?;
        let mut fields = fields.split('-');
        let (version, trace, span, flags) =
            (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        // Later versions may add fields; ff is none.
        let has_rest = !rest.is_empty() && (version == "00" || !rest.starts_with('-'));
        if fields.next().is_some() || version == "ff" || has_rest {
            return None;
        }

        digits(version, 2)?;
        let parent = Self {
            trace_id: digits(trace, 32)?,
            span_id: u64::try_from(digits(span, 16)?).ok()?,
            is_sampled: u8::try_from(digits(flags, 2)?).ok()? & SAMPLED != 0,
        };
        (parent.trace_id != 0 && parent.span_id != 0).then_some(parent)
    }
}

/// The value of so many hexadecimal digits in lower case.
fn digits(text: &str, length: usize) -> Option<u128> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == length && text.bytes().all(is_digit)).then_some(())?;
    u128::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_the_standard_says() {
        let parent = ParentSpan {
            trace_id: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c,
            span_id: 0xb7ad_6b71_6920_3331,
            is_sampled: true,
        };
        let ids = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
        for text in [format!("00-{ids}-01"), format!("00-{ids}-ff"), format!("cc-{ids}-01-what")] {
            assert_eq!(ParentSpan::read(&text), Some(parent), "{text}");
        }
        let unsampled = ParentSpan { is_sampled: false, ..parent };
        assert_eq!(ParentSpan::read(&format!("00-{ids}-02")), Some(unsampled));
    }

    #[test]
    fn other_headers_are_ignored() {
        let ids = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
        for text in [
            String::new(),
            "00".to_owned(),
            format!("00-{ids}-1"),
            format!("00-{ids}-01-more"),
            format!("cc-{ids}-01.more"),
            format!("ff-{ids}-01"),
            format!("0x-{ids}-01"),
            format!("00-{}-01", ids.to_uppercase()),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", "0".repeat(16)),
            "é".repeat(40),
        ] {
            assert_eq!(ParentSpan::read(&text), None, "{text}");
        }
    }
}
