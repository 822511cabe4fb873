//! `docs/operations.md`: its commands print what the page shows, on a server that runs and on the folder of one that is stopped.

use super::{page, plans};
use crate::clients::client_folder;
use crate::outside::has_interpreter;
use crate::readme::{Shown, are_alike, blocks, run_as_reader, run_python, shown};
use crate::served::Served;
use saphyr::{LoadableYamlNode as _, YamlOwned};
use std::collections::BTreeSet;
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

#[test]
fn the_table_of_alarms_has_every_rule() {
    let page = page("operations.md");
    let (_, section) = page.split_once("\n### Alarms\n").unwrap();
    let (section, _) = section.split_once("\n**Logs**").unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `Kilwa"));
    let described: BTreeSet<&str> = rows.map(|row| row.split_once('`').unwrap().0).collect();

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus");
    let rules = fs::read_to_string(folder.join("kilwa.rules.yml")).unwrap();
    let lines = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: Kilwa"));
    let rules: BTreeSet<&str> = lines.collect();
    assert!(rules.len() >= 10, "{rules:?}");
    assert_eq!(described, rules);
}

#[test]
fn the_sample_for_prometheus_names_the_job_of_the_rules() {
    let page = page("operations.md");
    let (_, sample) = blocks(&page).into_iter().find(|(info, _)| *info == "yaml").unwrap();
    let sample = YamlOwned::load_from_str(&sample.join("\n")).unwrap().remove(0);
    let jobs = sample.as_mapping_get("scrape_configs").unwrap().as_vec().unwrap();
    let name = jobs[0].as_mapping_get("job_name").unwrap().as_str().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus");
    let rules = fs::read_to_string(folder.join("kilwa.rules.yml")).unwrap();
    assert!(rules.contains(&format!("up{{job=\"{name}\"}}")));
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
