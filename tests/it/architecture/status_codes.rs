//! gRPC codes are chosen in `api::status` alone.

use super::{root, rust_files, shown};
use std::fs;

/// Constructors of `tonic::Status` that choose a code.
const CONSTRUCTORS: &[&str] = &[
    "new",
    "ok",
    "cancelled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
];

/// Files that name codes, with the reason.
const NAMING_FILES: &[(&str, &str)] = &[
    (
        "src/api/status/access.rs",
        "chooses the code of refusals by roles, and what errors show by their codes",
    ),
    ("src/api/status/call.rs", "chooses the codes of calls that the server ends"),
    ("src/api/status/database.rs", "chooses the codes of the database's errors"),
    ("src/api/status/details.rs", "has the codes for invalid arguments and failed preconditions"),
    ("src/api/status/engine.rs", "chooses the codes of evaluation errors"),
    ("src/api/status/request.rs", "chooses the codes of requests refused before the database"),
    ("src/api/status/schema.rs", "chooses the codes of schema errors"),
    ("src/api/status/store.rs", "chooses the codes of failed reads and writes"),
    ("src/api/middleware/call_log.rs", "chooses log levels by the codes of finished calls"),
    ("src/client/call_error.rs", "reads the codes that servers return"),
    ("src/client/schema.rs", "reads the code of a server without a schema"),
    ("src/envoy/authorization.rs", "tells checks that failed from those that cannot be made"),
    ("src/envoy/verdict.rs", "the verdict for a proxy has a code in its message"),
    ("src/http/failure.rs", "maps codes to HTTP, and refuses requests that reach no service"),
    (
        "src/http/authzen/evaluation.rs",
        "tells checks that have no answer from those that are denied",
    ),
    ("src/http/authzen/search.rs", "finds nothing where the schema has no such name"),
    ("src/http/grpc_call.rs", "reads whether a call has failed"),
    ("src/proto/codec.rs", "a decoder's error is a status, and `proto` is below `api`"),
    ("src/server/testing.rs", "refuses calls before a service of `api` exists for them"),
];

#[test]
fn codes_are_chosen_in_one_module() {
    let mut faults = Vec::new();
    for file in rust_files(&root().join("src")) {
        let (file, text) = (shown(&file), fs::read_to_string(&file).unwrap());
        let listed = NAMING_FILES.iter().any(|(name, _)| *name == file);
        match named_codes(&text).first() {
            Some(name) if !listed => faults.push(format!("{file}: `{name}`")),
            None if listed => faults.push(format!("{file}: is listed, and names no code")),
            Some(_) | None => {}
        }
    }
    assert!(faults.is_empty(), "gRPC codes outside of `api::status`:\n{}", faults.join("\n"));
}

#[test]
fn named_codes_are_found() {
    assert_eq!(named_codes("f(Code::NotFound)"), ["Code::NotFound"]);
    assert_eq!(named_codes("Err(tonic::Status::aborted(text))"), ["Status::aborted"]);
    assert_eq!(named_codes("map(Status::internal)"), ["Status::internal"]);
    let others = "Code::from(1); ExitCode::SUCCESS; TestStatus::new(); Status::from_header_map(h); // Code::Ok\n\
                  #[cfg(test)]\nmod tests { Code::Ok }";
    assert_eq!(named_codes(others), Vec::<String>::new());
}

/// The codes and constructors that a file names before its unit tests.
fn named_codes(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines
        .flat_map(|line| names_after(line, "Code::").chain(names_after(line, "Status::")))
        .collect()
}

fn names_after<'l>(line: &'l str, path: &'l str) -> impl Iterator<Item = String> + 'l {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    line.match_indices(path).filter_map(move |(at, _)| {
        let (before, after) = line.split_at(at);
        let name: String = after[path.len()..].chars().take_while(|it| is_word(*it)).collect();
        let is_own_path = !before.ends_with(is_word);
        let chooses = match path {
            "Code::" => name.starts_with(char::is_uppercase),
            _ => CONSTRUCTORS.contains(&name.as_str()),
        };
        (is_own_path && chooses).then(|| format!("{path}{name}"))
    })
}
