//! Texts in HTML.

use std::fmt::Display;

/// A text without characters that have a meaning in HTML.
pub(super) fn escaped(text: impl Display) -> String {
    let text = text.to_string();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
