//! `kilwa auth hash`.

use crate::access::KeyHash;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::render;
use clap::Args;
use std::io::{self, Read as _};

/// The longest key that is read, in bytes.
const KEY_BYTES_MAX: u64 = 8 << 10;
/// From this length on, in bytes, a random key cannot be guessed from its hash.
const STRONG_KEY_BYTES: usize = 16;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {}

pub(super) fn run(_: &Arguments) -> Result<Exit, CliError> {
    let mut text = String::new();
    let read = io::stdin().take(KEY_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|_| CliError::new("standard input holds no key: it is not text"))?;

    // The line break of `echo` or of an editor is no part of the key.
    let key = text.trim_end_matches(['\n', '\r']);
    if key.is_empty() || text.len() > usize::try_from(KEY_BYTES_MAX).unwrap_or(usize::MAX) {
        return Err(CliError::new(
            "give one key at standard input, for example: openssl rand -base64 32 | tee key | kilwa auth hash",
        ));
    }
    if key.trim() != key || !key.bytes().all(|byte| (32..127).contains(&byte)) {
        return Err(CliError::new(
            "a key must be one line of printable ASCII characters, without blanks around it",
        ));
    }
    if key.len() < STRONG_KEY_BYTES {
        render::note(
            "a key of fewer than 16 bytes can be guessed from its hash: use a longer random one\n",
        );
    }
    render::out(&format!("{}\n", KeyHash::from_key(key).to_hex()))?;
    Ok(Exit::Success)
}
