//! Keys in files, so that they are in no list of processes.

use crate::client::CallError;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// The longest content of a file with a key, in bytes.
const FILE_BYTES_MAX: u64 = 8 << 10;

/// The key in a file, without the blanks and line breaks around it.
pub(super) fn read(path: &Path) -> Result<String, CallError> {
    let unusable =
        |reason: String| CallError::TokenFile { path: path.display().to_string(), reason };
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|error| unusable(error.to_string()))?;
    if u64::try_from(text.len()).is_ok_and(|bytes| bytes > FILE_BYTES_MAX) {
        let reason =
            format!("it is longer than {FILE_BYTES_MAX} bytes, and should hold a key alone");
        return Err(unusable(reason));
    }
    let key = text.trim();
    if key.is_empty() {
        return Err(unusable("it is empty, and should hold a key".to_owned()));
    }
    Ok(key.to_owned())
}
