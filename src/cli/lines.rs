//! Lines from standard input.

use super::failure::Failure;

/// Every line of standard input but the blank ones and `//` comments.
pub(super) fn read_stdin() -> Result<Vec<String>, Failure> {
    let text = read_all()?;
    let lines = text.lines().map(str::trim);
    Ok(lines
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .map(str::to_owned)
        .collect())
}

/// All of standard input.
pub(super) fn read_all() -> Result<String, Failure> {
    std::io::read_to_string(std::io::stdin())
        .map_err(|error| Failure::new(format!("standard input cannot be read: {error}")))
}
