//! `kilwa backup redact`.

use super::format::{BackupBlock, BackupWriter};
use super::inspect;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::relationship::{Context, InvalidName, ObjectRef, Relationship, Subject};
use clap::Args;
use sha2::{Digest as _, Sha256};
use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions};
use std::hash::BuildHasher as _;
use std::io::{self, BufWriter, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Bytes of a digest that replace an id: enough to avoid collisions among billions of ids.
const DIGEST_BYTES: usize = 16;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Backup file; - for standard input.
    file: PathBuf,
    /// File to write.
    output: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let path = &arguments.output;
    let mut options = OpenOptions::new();
    let output = options.write(true).create_new(true).mode(0o600).open(path);
    let output = output.map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists {
            return CliError::new(format!(
                "`{}` already exists: remove it, or choose another file",
                path.display()
            ));
        }
        unwritable(path, &error)
    })?;

    match redact(arguments, BufWriter::new(output)) {
        Ok(count) => {
            render::out(&format!("{count} relationships in {}\n", path.display()))?;
            Ok(Exit::Success)
        }
        Err(failure) => {
            // An incomplete file would look like a damaged backup.
            drop(fs::remove_file(path));
            Err(failure)
        }
    }
}

/// Copies the file with other ids; returns the number of relationships.
fn redact(arguments: &Arguments, output: BufWriter<File>) -> Result<u64, CliError> {
    let failed = |error: io::Error| unwritable(&arguments.output, &error);
    let mut output = Some(output);
    let mut writer = None;
    let secret = Redactor::new();

    let summary = inspect::for_each_block(&arguments.file, |reach, block| {
        match (block, &mut writer) {
            (BackupBlock::Schema(schema), None) => {
                let begun = output.take().map(|output| BackupWriter::begin(output, reach, &schema));
                writer = begun.transpose().map_err(failed)?;
            }
            (BackupBlock::Relationships(rows), Some(writer)) => {
                let rows = rows.into_iter().map(|row| secret.redacted(row));
                let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
                writer.relationships(&rows).map_err(failed)?;
            }
            (BackupBlock::Schema(_), Some(_)) | (BackupBlock::Relationships(_), None) => {}
        }
        Ok(())
    })?;

    if let Some(writer) = writer {
        writer.end().map_err(failed)?;
    }
    Ok(summary.count)
}

fn unwritable(path: &Path, error: &io::Error) -> CliError {
    CliError::new(format!("`{}` cannot be written: {error}", path.display()))
}

/// The secret of this run, so that no one can find an id by guessing it and comparing digests.
struct Redactor([u8; 32]);

impl Redactor {
    /// The standard library seeds each `RandomState` from the random bytes of the system.
    fn new() -> Self {
        let mut digest = Sha256::new();
        for number in 0..8_u8 {
            digest.update(RandomState::new().hash_one(number).to_be_bytes());
        }
        Self(digest.finalize().into())
    }

    /// The same relationship with other object ids. Equal ids stay equal.
    fn redacted(&self, row: Relationship) -> Result<Relationship, InvalidName> {
        let subject = match row.subject {
            Subject::Object(object) => Subject::Object(self.object(&object)?),
            Subject::Userset(object, relation) => Subject::Userset(self.object(&object)?, relation),
            Subject::Wildcard(object_type) => Subject::Wildcard(object_type),
        };
        let caveat = row.caveat.map(|mut caveat| {
            caveat.context = Context::default();
            caveat
        });
        Ok(Relationship { resource: self.object(&row.resource)?, subject, caveat, ..row })
    }

    fn object(&self, object: &ObjectRef) -> Result<ObjectRef, InvalidName> {
        let digest = Sha256::new()
            .chain_update(self.0)
            .chain_update(object.object_type())
            .chain_update([0])
            .chain_update(object.object_id())
            .finalize();
        let id = digest.iter().take(DIGEST_BYTES);
        let id = id.fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        ObjectRef::new(object.object_type(), id)
    }
}
