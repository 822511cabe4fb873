//! Many relationships out of one server and into another, through the real programs. Takes minutes, and is run by name:
//!
//! `cargo test --release --test it -- --ignored --nocapture bulk_at_scale`
//!
//! `KILWA_SCALE_STORED` sets another number of relationships.

#![expect(
    clippy::disallowed_methods,
    reason = "tells how long things take, and decides nothing by it"
)]

use crate::outside::{setting, tell};
use crate::program;
use crate::served::Served;
use crate::server_support::KEY;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use tempfile::TempDir;

const SCHEMA: &str = "
caveat on_day(day string) { day == \"monday\" }
definition user {}
definition team { relation member: user }
definition document {
  relation viewer: user | team#member | user with on_day
}
";
/// How much memory a server may need, however many relationships there are.
const PEAK_KIB_MAX: u64 = 600 << 10;

/// Writes relationships to a file, one a line, each another one.
fn write_relationships(path: &Path, count: u64) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    for n in 0..count {
        let (document, user) = (n / 10, n.wrapping_mul(2_654_435_761) % 1_000_000);
        match n % 10 {
            0 => writeln!(file, "document:d{document}#viewer@team:t{user}#member"),
            1 => writeln!(file, "document:d{document}#viewer@user:c{user}[on_day]"),
            place => writeln!(file, "document:d{document}#viewer@user:u{place}{user:07}"),
        }
        .unwrap();
    }
    file.into_inner().unwrap();
}

/// Runs a command against a server, with what it prints in the file `printed`, and returns how long it took and how much
/// memory the server has needed so far.
fn run(server: &Served, folder: &Path, arguments: &[&str]) {
    let started = Instant::now();
    let output = program::kilwa()
        .current_dir(folder)
        .args(arguments)
        .env("KILWA_ENDPOINT", server.endpoint())
        .env("KILWA_TOKEN", KEY)
        .stdout(File::create(folder.join("printed")).unwrap())
        .output()
        .unwrap();
    let what = arguments.join(" ");
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    let (took, peak) = (started.elapsed(), server.peak_resident_kib());
    tell(&format!("{what}: {took:?}; memory of the server at most {} MiB", peak >> 10));
    assert!(peak < PEAK_KIB_MAX, "the server needed {peak} KiB");
}

fn same_files(left: &Path, right: &Path) -> bool {
    Command::new("cmp").args([left, right]).status().unwrap().success()
}

#[test]
#[ignore = "takes minutes: moves ten million relationships"]
fn many_relationships_come_out_as_they_went_in() {
    let count = setting("KILWA_SCALE_STORED").unwrap_or(10_000_000);
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("schema.zed"), SCHEMA).unwrap();
    write_relationships(&path("given"), count);
    let copy = |from: &str, to: &str, backup: &str| {
        let data = TempDir::new().unwrap();
        let server = Served::start(data.path());
        run(&server, folder.path(), &["schema", "write", "schema.zed"]);
        run(&server, folder.path(), &["relationship", "bulk-import", from]);
        run(&server, folder.path(), &["relationship", "bulk-export"]);
        fs::rename(path("printed"), path(to)).unwrap();
        run(&server, folder.path(), &["backup", "create", backup]);
    };
    tell(&format!("{count} relationships"));
    copy("given", "first", "first.backup");
    copy("first", "second", "second.backup");
    assert!(same_files(&path("first"), &path("second")));
    fs::remove_file(path("second")).unwrap();
    let data = TempDir::new().unwrap();
    let server = Served::start(data.path());
    run(&server, folder.path(), &["backup", "restore", "first.backup"]);
    run(&server, folder.path(), &["relationship", "bulk-export"]);
    assert!(same_files(&path("first"), &path("printed")));
}
