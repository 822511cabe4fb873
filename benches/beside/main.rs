//! What writes and checks of others wait for beside an import of very many relationships, and beside their deletion.
//!
//! The server is a process of its own, without data. What calls cost by themselves is measured by `kilwa bench`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a program for measuring: it stops at what it did not expect, and reads the clock"
)]

mod calls;

use calls::Connection;
use clap::Parser;
use kilwa::proto::authzed::api::v1 as proto;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const SCHEMA: &str = "
definition user {}
definition note { relation viewer: user }
definition document {
  relation viewer: user
  permission view = viewer
}";
/// Relationships in one message of the import.
const CHUNK: u32 = 1_000;
/// How many callers write, and how many check.
const CALLERS: u32 = 4;
/// How long each of them waits between two calls, so that it is not they who make the machine busy.
const PAUSE: Duration = Duration::from_millis(4);
/// How long they call beside nothing, for comparison.
const QUIET: Duration = Duration::from_secs(5);

/// Measures what calls of others wait for beside an import and a deletion.
#[derive(Debug, Parser)]
struct Arguments {
    /// Host and port of the server's gRPC interface.
    #[arg(long)]
    endpoint: String,
    /// The server's key.
    #[arg(long)]
    token: String,
    /// The server's process, whose memory is read.
    #[arg(long)]
    pid: u32,
    /// How many relationships are imported and deleted.
    #[arg(long)]
    beside: u32,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::parse();
    let connection = Connection::open(&arguments.endpoint, &arguments.token).await;
    measure(&connection, arguments.beside, arguments.pid).await;
}

/// Measures beside nothing, beside an import of so many relationships, and beside their deletion.
async fn measure(connection: &Connection, count: u32, pid: u32) {
    connection.write_schema(SCHEMA).await;
    connection.touch(&[relationship("note", "known", "ann")]).await;
    println!("\n{CALLERS} callers write and {CALLERS} check, each {PAUSE:?} after its last call");
    println!(
        "{:44} {:>8} {:>9} {:>9} {:>9} {:>9}",
        "", "calls", "p50 ms", "p99 ms", "max ms", "seconds"
    );
    beside("nothing", connection, pid, tokio::time::sleep(QUIET)).await;
    let import = connection.import((0..count.div_ceil(CHUNK)).map(move |chunk| {
        let numbers = chunk * CHUNK..count.min((chunk + 1) * CHUNK);
        numbers.map(|n| relationship("document", &format!("d{n}"), "ann")).collect()
    }));
    beside(&format!("an import of {count}"), connection, pid, import).await;
    beside(&format!("a deletion of {count}"), connection, pid, connection.delete("document")).await;
}

fn relationship(object_type: &str, object_id: &str, user: &str) -> proto::Relationship {
    let object = |object_type: &str, object_id: &str| proto::ObjectReference {
        object_type: object_type.to_owned(),
        object_id: object_id.to_owned(),
    };
    proto::Relationship {
        resource: Some(object(object_type, object_id)),
        relation: "viewer".to_owned(),
        subject: Some(proto::SubjectReference {
            object: Some(object("user", user)),
            optional_relation: String::new(),
        }),
        ..Default::default()
    }
}

/// Prints the waiting times of other calls during an import or a deletion.
async fn beside(name: &str, connection: &Connection, pid: u32, work: impl Future<Output = ()>) {
    // The most memory that the process has held begins anew.
    fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
    let done = Arc::new(AtomicBool::default());
    let (mut writers, mut checkers) = (JoinSet::new(), JoinSet::new());
    for caller in 0..CALLERS {
        let (writer, checker) = (connection.clone(), connection.clone());
        let note = move |number| relationship("note", &format!("n{caller}-{number}"), "ann");
        writers.spawn(call(Arc::clone(&done), async move |number| {
            writer.touch(&[note(number)]).await;
        }));
        checkers.spawn(call(Arc::clone(&done), async move |_| checker.check_known().await));
    }

    let start = Instant::now();
    work.await;
    let seconds = start.elapsed().as_secs_f64();
    done.store(true, Ordering::Relaxed);
    for (what, callers) in [("writes", writers), ("checks", checkers)] {
        let mut latencies = callers.join_all().await.concat();
        latencies.sort_unstable();
        let at = |place: usize| latencies[place.min(latencies.len() - 1)].as_secs_f64() * 1e3;
        println!(
            "{:44} {:>8} {:>9.1} {:>9.1} {:>9.1} {seconds:>9.1}",
            format!("{what} beside {name}"),
            latencies.len(),
            at(latencies.len() / 2),
            at(latencies.len() * 99 / 100),
            at(usize::MAX),
        );
    }
    println!("memory of the server meanwhile: at most {} MiB", peak_kib(pid) >> 10);
}

/// Calls until the work is done; gives how long each call took.
async fn call(done: Arc<AtomicBool>, calling: impl AsyncFn(u32)) -> Vec<Duration> {
    let mut latencies = Vec::new();
    for number in 0.. {
        let start = Instant::now();
        calling(number).await;
        latencies.push(start.elapsed());
        if done.load(Ordering::Relaxed) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    latencies
}

fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}
