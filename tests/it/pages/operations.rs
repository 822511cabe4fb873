//! `docs/operations.md`: its commands print what the page shows, on a server that runs and on the folder of one that is stopped.

use super::{page, plans};
use crate::clients::client_folder;
use crate::outside::has_interpreter;
use crate::readme::{Shown, are_alike, blocks, run_as_reader, run_python, shown};
use crate::served::Served;
use std::fs;
use std::path::Path;

#[test]
fn the_commands_print_what_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("plans.yaml"), plans()).unwrap();
    let mut server = Some(start(folder.path()));
    let mut printed = String::new();
    let mut commands = 0;
    for (info, lines) in blocks(&page("operations.md")) {
        match info {
            "console" | "console stopped" => {
                set_running(&mut server, folder.path(), info == "console");
                let endpoint = server.as_ref().map_or("127.0.0.1:0", Served::endpoint);
                for Shown { command, output } in shown(&lines) {
                    let home = folder.path().join("home");
                    let printed = run_as_reader(&command, folder.path(), &home, endpoint);
                    let printed = printed.replace(folder.path().to_str().unwrap(), "…");
                    let printed: Vec<&str> = printed.lines().collect();
                    assert!(are_alike(&output, &printed), "$ {command}\n{}", printed.join("\n"));
                    commands += 1;
                }
            }
            "python" if has_interpreter("python3") => {
                set_running(&mut server, folder.path(), true);
                let home = folder.path().join("home");
                let endpoint = server.as_ref().unwrap().endpoint();
                assert!(client_folder().exists());
                printed = run_python(&lines.join("\n"), &home, endpoint);
            }
            "text" if has_interpreter("python3") => {
                assert_eq!(printed.lines().collect::<Vec<_>>(), lines);
            }
            "toml" => {
                fs::write(folder.path().join("part.toml"), lines.join("\n")).unwrap();
                let home = folder.path().join("home");
                let checked = run_as_reader("kilwa auth check part.toml", folder.path(), &home, "");
                assert!(checked.contains("1 role"), "{checked}");
            }
            _ => {}
        }
    }
    assert!(commands > 12, "{commands} commands");
    // It opens what the commands left.
    set_running(&mut server, folder.path(), true);
}

/// Starts the server, or stops it as the page says that it stops.
fn set_running(server: &mut Option<Served>, folder: &Path, is_running: bool) {
    match server {
        Some(running) if !is_running => {
            running.signal("TERM");
            assert_eq!(running.exit_code(), 0);
            *server = None;
        }
        None if is_running => *server = Some(start(folder)),
        _ => {}
    }
}

fn start(folder: &Path) -> Served {
    Served::as_shown(&folder.join("home"), &folder.join("data"), &folder.join("plans.yaml"))
}
