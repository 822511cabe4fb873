//! The real binary, free of what the developer's shell sets.

use std::ffi::OsStr;
use std::process::Command;

/// A run of `kilwa`.
pub(crate) fn kilwa() -> Command {
    without_variables(env!("CARGO_BIN_EXE_kilwa"))
}

/// A run of a program without the variables that Kilwa reads: its own and those of `spicedb` and `zed`.
pub(crate) fn without_variables(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    // Servers note where they run; not in the folder of whoever runs the tests.
    command.env("XDG_STATE_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/state"));
    for (name, _) in std::env::vars_os() {
        let shown = name.to_string_lossy();
        if ["KILWA_", "SPICEDB_", "ZED_"].iter().any(|prefix| shown.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
}
