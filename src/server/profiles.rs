//! Profiles of the running process in the form of pprof: where it spends its time, and what holds its memory.

use super::http_answer::{plain, response};
use jemalloc_pprof::PROF_CTL;
use pprof::ProfilerGuardBuilder;
use pprof::protos::Message as _;
use std::time::Duration;
use tonic::body::Body;
use tonic::codegen::http::{Response, StatusCode};

/// Samples a second; a prime, so that they do not fall in step with what happens every so many milliseconds.
const FREQUENCY: i32 = 97;
/// For how long samples are taken without other words, and at most.
const SECONDS: u64 = 10;
const SECONDS_MAX: u64 = 60;
/// Libraries whose stacks cannot be walked safely from a signal.
const BLOCKED: [&str; 4] = ["libc", "libgcc", "pthread", "vdso"];
const MEDIA_TYPE: &str = "application/octet-stream";

/// Where the process spends the time of the processor, for as long as `seconds=` in the query says.
pub(super) async fn processor(query: Option<&str>) -> Response<Body> {
    let Some(seconds) = seconds(query) else {
        let text = format!("seconds must be a number from 1 to {SECONDS_MAX}\n");
        return plain(StatusCode::BAD_REQUEST, &text);
    };
    let builder = ProfilerGuardBuilder::default().frequency(FREQUENCY).blocklist(&BLOCKED);
    let Ok(guard) = builder.build() else {
        let text = "a profile is being taken: try again when it is done\n";
        return plain(StatusCode::CONFLICT, text);
    };
    // Dropped with the connection, and the profiler with it.
    tokio::time::sleep(Duration::from_secs(seconds)).await;

    let report = tokio::task::spawn_blocking(move || {
        let profile = guard.report().build()?.pprof()?;
        Ok::<_, pprof::Error>(profile.encode_to_vec())
    });
    match report.await {
        Ok(Ok(profile)) => response(StatusCode::OK, MEDIA_TYPE, profile),
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

/// What holds the memory of the process.
pub(super) async fn heap() -> Response<Body> {
    let Some(control) = PROF_CTL.as_ref() else {
        let text = "the allocator takes no samples: start the server with the environment variable \
                    MALLOC_CONF=prof:true,lg_prof_sample:19\n";
        return plain(StatusCode::NOT_IMPLEMENTED, text);
    };
    let mut control = std::sync::Arc::clone(control).lock_owned().await;
    let dumped = tokio::task::spawn_blocking(move || control.dump_pprof());
    match dumped.await {
        Ok(Ok(profile)) => response(StatusCode::OK, MEDIA_TYPE, profile),
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::fmt::Display) -> Response<Body> {
    tracing::warn!(%error, "a profile cannot be taken");
    plain(StatusCode::INTERNAL_SERVER_ERROR, "the profile cannot be taken\n")
}

/// The duration that a query asks for; `None` when it is none.
fn seconds(query: Option<&str>) -> Option<u64> {
    let parts = query.unwrap_or_default().split('&');
    let mut given = parts.filter_map(|part| part.strip_prefix("seconds="));
    let Some(seconds) = given.next() else { return Some(SECONDS) };
    seconds.parse().ok().filter(|seconds| (1..=SECONDS_MAX).contains(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_bounded() {
        assert_eq!(seconds(None), Some(SECONDS));
        assert_eq!(seconds(Some("debug=1&seconds=3")), Some(3));
        for query in ["seconds=0", "seconds=61", "seconds=", "seconds=-1", "seconds=1e3"] {
            assert_eq!(seconds(Some(query)), None, "{query}");
        }
    }
}
