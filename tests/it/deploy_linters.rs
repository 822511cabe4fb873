//! The files in `deploy` and the Dockerfile, as the validators of their formats judge them.
//!
//! The validators come from `PyPI`, in a virtual environment as the official Python client has one, and need no network once they
//! are there. Left out is `checkov`, which brings a hundred packages and takes half a gigabyte: what it would ask of containers
//! (no privileges, a file system that cannot be written, probes, limits) is asserted in `deploy.rs` and `packages.rs`.

use crate::clients::installed;
use crate::deploy::{folder, kustomized};
use crate::outside::{has_interpreter, skipped};
use crate::program::kilwa;
use regex::Regex;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The exposure that `systemd-analyze` may find: 2.0 of 10.
const EXPOSURE_MAX: &str = "--threshold=20";

/// What every component adds, in an overlay that lies beside the base.
const OVERLAY: &str = "resources: [../base]
components:
  - ../base/components/http
  - ../base/components/metrics
  - ../base/components/outgoing
";

#[test]
fn systemd_accepts_the_unit_and_finds_it_confined() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return skipped("there is no systemd-analyze");
    }
    let unit = fs::read_to_string(folder("systemd/kilwa.service")).unwrap();
    // The program of the package is not installed here.
    let unit = unit.replace("/usr/bin/kilwa", env!("CARGO_BIN_EXE_kilwa"));
    let broken = unit.replace("Restart=on-failure", "Restart=on-Fridays");
    let open = unit.replace("CapabilityBoundingSet=\n", "").replace("ProtectSystem=strict\n", "");
    let open = open.replace("SystemCallFilter=@system-service\n", "");
    assert!(broken != unit && open != unit);

    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("kilwa.service");
    let analyze = |text: &str, arguments: &[&str]| -> Output {
        fs::write(&file, text).unwrap();
        Command::new("systemd-analyze").args(arguments).arg(&file).output().unwrap()
    };
    let verify = ["verify", "--man=no"];
    let verified = analyze(&unit, &verify);
    let said = String::from_utf8_lossy(&verified.stderr);
    // A remark ends with 0.
    assert!(verified.status.success() && !said.contains("kilwa.service"), "{said}");
    let said = analyze(&broken, &verify).stderr;
    assert!(String::from_utf8_lossy(&said).contains("kilwa.service"), "a mistake is not noticed");

    let security = ["security", "--offline=yes", "--no-pager", EXPOSURE_MAX];
    require_success(&analyze(&unit, &security));
    assert!(!analyze(&open, &security).status.success(), "an open unit is not noticed");
}

#[test]
fn the_settings_file_of_the_service_names_variables_of_the_server() {
    let help = kilwa().args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let settings = fs::read_to_string(folder("systemd/kilwa.env")).unwrap();
    let entries = settings.lines().filter_map(|line| line.strip_prefix("#KILWA_"));
    let entries: Vec<(&str, &str)> = entries.map(|line| line.split_once('=').unwrap()).collect();
    assert!(entries.len() > 12, "{entries:?}");
    for (name, _) in &entries {
        // The value of a variable with a secret is not shown.
        let is_known = ['=', ']'].map(|end| help.contains(&format!("[env: KILWA_{name}{end}")));
        assert!(is_known.contains(&true), "KILWA_{name} is no variable");
    }

    // The unit can write nowhere else.
    let audit = entries.iter().find(|(name, _)| *name == "AUDIT_LOG").unwrap();
    assert!(audit.1.starts_with("/var/lib/kilwa/"), "{}", audit.1);
}

#[test]
fn deployment_files_name_variables_of_the_server_alone() {
    let help = kilwa().args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let name = Regex::new("KILWA_[A-Z_]+").unwrap();
    let known: BTreeSet<&str> = name.find_iter(&help).map(|found| found.as_str()).collect();
    let mut named = 0;
    for path in glob::glob(folder("**/*.*").to_str().unwrap()).unwrap().map(Result::unwrap) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for found in name.find_iter(&text) {
            assert!(known.contains(found.as_str()), "{}: {}", path.display(), found.as_str());
            named += 1;
        }
    }
    assert!(named > 30, "{named} variables");
}

#[test]
fn the_manifests_have_the_schemas_of_kubernetes() {
    let Some(validator) = validator("kubernetes-validate") else { return };
    let validate = |file: &Path| -> Output {
        Command::new(&validator).args(["--strict", "--quiet"]).arg(file).output().unwrap()
    };
    for name in ["networkpolicy", "service", "serviceaccount", "statefulset"] {
        require_success(&validate(&folder("kubernetes").join(name).with_extension("yaml")));
    }

    let here = tempfile::tempdir().unwrap();
    let base = here.path().join("base");
    std::os::unix::fs::symlink(folder("kubernetes"), &base).unwrap();
    let overlay = here.path().join("overlay");
    fs::create_dir(&overlay).unwrap();
    fs::write(overlay.join("kustomization.yaml"), OVERLAY).unwrap();
    let built = [folder("kubernetes"), overlay].map(|folder| kustomized(&folder));
    let [Some(base), Some(overlay)] = built else {
        return skipped("the manifests with their components: there is no kubectl");
    };

    assert!(overlay.contains("name: metrics") && overlay.contains("name: http"), "{overlay}");
    let file = here.path().join("built.yaml");
    for text in [&base, &overlay] {
        fs::write(&file, text).unwrap();
        require_success(&validate(&file));
    }
    for (right, wrong) in [("replicas: 1", "replicas: one"), ("readOnly: true", "readonly: true")] {
        assert!(overlay.contains(right));
        fs::write(&file, overlay.replace(right, wrong)).unwrap();
        assert!(!validate(&file).status.success(), "`{wrong}` is not noticed");
    }
}

#[test]
fn docker_compose_accepts_the_compose_file() {
    let Some(compose) = validator("docker-compose") else { return };
    // Its exit code says nothing of a mistake.
    let mistakes = |file: &Path| -> String {
        let mut command = Command::new(&compose);
        let read = command.arg("--file").arg(file).args(["config", "--quiet"]).output().unwrap();
        String::from_utf8(read.stderr).unwrap()
    };
    let file = folder("compose.yaml");
    assert_eq!(mistakes(&file), "");

    let text = fs::read_to_string(&file).unwrap();
    let here = tempfile::tempdir().unwrap();
    let broken = here.path().join("compose.yaml");
    fs::write(&broken, text.replace("read_only: true", "readonly: true")).unwrap();
    assert!(mistakes(&broken).contains("readonly"), "an unknown key is not noticed");
}

#[test]
fn hadolint_accepts_the_dockerfile() {
    let Some(hadolint) = validator("hadolint") else { return };
    let lint = |file: &Path| -> Output { Command::new(&hadolint).arg(file).output().unwrap() };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/Dockerfile");
    require_success(&lint(&file));

    let text = fs::read_to_string(&file).unwrap();
    let here = tempfile::tempdir().unwrap();
    let broken = here.path().join("Dockerfile");
    fs::write(&broken, format!("{text}USER root\n")).unwrap();
    assert!(!lint(&broken).status.success(), "a container of root is not noticed");
}

/// A validator, if there is a Python to install it.
fn validator(name: &str) -> Option<PathBuf> {
    has_interpreter("python3").then(|| installed("deploy").join("bin").join(name))
}

fn require_success(output: &Output) {
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}{errors}");
}
