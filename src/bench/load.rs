//! Brings the data of a workload into a server, once: a relationship says that they are there.

use super::caller::{BlockingCaller, CallFault};
use super::dataset::Dataset;
use super::messages::{
    AskedRevision, BenchConsistency, CHECK_PATH, IMPORT_PATH, OLDER_IMPORT_PATH, READ_SCHEMA_PATH,
    UpdateKind, WRITE_PATH, WRITE_SCHEMA_PATH, read_check, write_check, write_tuple, write_update,
};
use super::model::{BenchTuple, RightAnswer};
use super::protobuf::{bytes_in, write_text};
use thiserror::Error;

/// Relationships in a message of an import, or in a write.
const CHUNK: usize = 1_000;
/// Relationships in an import: servers bound what one may hold.
const IMPORT_MAX: usize = 500_000;

const NOT_FOUND: u32 = 5;
const ALREADY_EXISTS: u32 = 6;
const UNIMPLEMENTED: u32 = 12;

/// Why the data are not in the server.
#[derive(Debug, Error)]
pub(super) enum LoadFault {
    #[error(
        "the server has a schema that is not of a benchmark, and measuring would replace it: use a server without data"
    )]
    ForeignSchema,
    #[error(
        "the server has the data of another benchmark, or only a part of these, and a measurement needs a server without others: \
         start one with an empty data folder"
    )]
    OtherData,
    #[error("the server does not have these data: leave out `--no-load`")]
    NotLoaded,
    #[error("the {what} failed: {fault}")]
    Call { what: &'static str, fault: CallFault },
}

/// Whether a server has the data.
pub(super) fn has_data(caller: &mut BlockingCaller, dataset: &Dataset) -> bool {
    let (_, item) = dataset.marker();
    let revision = AskedRevision::Policy(BenchConsistency::Full);
    let answer = caller.call(CHECK_PATH, |out| write_check(out, revision, &item));
    // A server without the schema answers with an error.
    answer.is_ok_and(|message| read_check(&message) == RightAnswer::Yes.number())
}

/// Writes schema and relationships; `progress` hears how many were written.
pub(super) fn load(
    caller: &mut BlockingCaller,
    dataset: &Dataset,
    progress: &mut dyn FnMut(u64),
) -> Result<(), LoadFault> {
    let present = match caller.call(READ_SCHEMA_PATH, |_| {}) {
        Ok(message) => String::from_utf8_lossy(bytes_in(&message, 1)).into_owned(),
        Err(fault) if fault.is_status(NOT_FOUND) => String::new(),
        Err(fault) => return Err(LoadFault::Call { what: "reading of the schema", fault }),
    };
    let is_empty = present.trim().is_empty();
    if !is_empty && !Dataset::is_own_schema(&present) {
        return Err(LoadFault::ForeignSchema);
    }

    let schema = dataset.schema();
    match caller.call(WRITE_SCHEMA_PATH, |out| write_text(out, 1, &schema)) {
        Ok(_) => {}
        // The definitions of another workload have relationships.
        Err(CallFault::Status { .. }) if !is_empty => return Err(LoadFault::OtherData),
        Err(fault) => return Err(LoadFault::Call { what: "writing of the schema", fault }),
    }

    write_all(caller, dataset, progress)?;
    let (marker, _) = dataset.marker();
    let write_marker = |out: &mut Vec<u8>| write_update(out, UpdateKind::Touch, &marker);
    let written = caller.call(WRITE_PATH, write_marker);
    written.map_err(|fault| LoadFault::Call { what: "writing of relationships", fault })?;
    Ok(())
}

/// How relationships are written, the fastest first.
#[derive(Clone, Copy)]
enum WriteWay {
    Import,
    OlderImport,
    Touches,
}

/// Writes all relationships, as fast as the server can.
fn write_all(
    caller: &mut BlockingCaller,
    dataset: &Dataset,
    progress: &mut dyn FnMut(u64),
) -> Result<(), LoadFault> {
    let mut way = WriteWay::Import;
    let mut batch = Vec::new();
    let mut written = 0;
    for unit in 0..dataset.units() {
        dataset.write_unit(unit, &mut |tuple| batch.push(tuple));
        while batch.len() >= IMPORT_MAX || unit + 1 == dataset.units() && !batch.is_empty() {
            let rest = batch.split_off(batch.len().min(IMPORT_MAX));
            let mut of_batch = |count| progress(written + count);
            write_batch(caller, &batch, &mut way, &mut of_batch)?;
            written += u64::try_from(batch.len()).unwrap_or_default();
            batch = rest;
        }
    }
    Ok(())
}

/// Writes some relationships, and finds out which ways the server knows.
fn write_batch(
    caller: &mut BlockingCaller,
    batch: &[BenchTuple],
    way: &mut WriteWay,
    progress: &mut dyn FnMut(u64),
) -> Result<(), LoadFault> {
    loop {
        let result = match way {
            WriteWay::Import => import(caller, IMPORT_PATH, batch, progress),
            WriteWay::OlderImport => import(caller, OLDER_IMPORT_PATH, batch, progress),
            WriteWay::Touches => touch(caller, batch, progress),
        };
        *way = match (result, *way) {
            (Ok(()), _) => return Ok(()),
            (Err(fault), WriteWay::Import) if fault.is_status(UNIMPLEMENTED) => {
                WriteWay::OlderImport
            }
            (Err(fault), WriteWay::OlderImport) if fault.is_status(UNIMPLEMENTED) => {
                WriteWay::Touches
            }
            (Err(fault), _) if fault.is_status(ALREADY_EXISTS) => return Err(LoadFault::OtherData),
            (Err(fault), _) => return Err(LoadFault::Call { what: "import", fault }),
        };
    }
}

fn import(
    caller: &mut BlockingCaller,
    path: &'static str,
    batch: &[BenchTuple],
    progress: &mut dyn FnMut(u64),
) -> Result<(), CallFault> {
    let mut chunks = batch.chunks(CHUNK);
    let mut sent = 0;
    caller.call_streaming(path, |out| {
        let Some(chunk) = chunks.next() else { return false };
        for tuple in chunk {
            write_tuple(out, 1, tuple);
        }
        sent += u64::try_from(chunk.len()).unwrap_or_default();
        progress(sent);
        true
    })?;
    Ok(())
}

fn touch(
    caller: &mut BlockingCaller,
    batch: &[BenchTuple],
    progress: &mut dyn FnMut(u64),
) -> Result<(), CallFault> {
    let mut sent = 0;
    for chunk in batch.chunks(CHUNK) {
        caller.call(WRITE_PATH, |out| {
            for tuple in chunk {
                write_update(out, UpdateKind::Touch, tuple);
            }
        })?;
        sent += u64::try_from(chunk.len()).unwrap_or_default();
        progress(sent);
    }
    Ok(())
}
