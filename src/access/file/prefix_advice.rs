//! Advice on prefixes of object ids that cover more than they look like.

/// What else a prefix of object ids covers, if it does not end in a separator, and how to mend it.
pub(super) fn advice(prefix: &str) -> Option<String> {
    (!ends_in_separator(prefix)).then(|| {
        format!(
            "the prefix `{prefix}` does not end in a separator, so it covers ids such as `{prefix}2` and `{prefix}corp/plan` as well \
             as `{prefix}/plan`: end it with the character that follows it in your ids, one of `/_|-=+`, as in `{prefix}/`"
        )
    })
}

fn ends_in_separator(prefix: &str) -> bool {
    let is_separator = |last: char| !last.is_ascii_alphanumeric();
    prefix.ends_with(is_separator)
        || escaped_byte(prefix).is_some_and(|byte| byte.is_ascii_punctuation())
}

/// The byte that the end of a prefix stands for in ids from `AuthZEN`, such as `=3A` for a colon.
fn escaped_byte(prefix: &str) -> Option<u8> {
    let (_, digits) = prefix.rsplit_once('=')?;
    if digits.len() == 2 { u8::from_str_radix(digits, 16).ok() } else { None }
}
