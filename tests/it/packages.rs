//! What users install: the packages are built around this build's program, installed into clean roots, and the first
//! example is run from there.

use crate::outside::{has_interpreter, is_quick, skipped};
use crate::program::without_variables;
use crate::served::Served;
use crate::server_support::KEY;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, Weak};
use tempfile::TempDir;

/// How a script of this module ends where the machine does not allow what it needs.
const LACKING: i32 = 77;

/// The packages, built once for the tests that run at the same time.
struct Packages {
    folder: TempDir,
}

impl Packages {
    fn build() -> Arc<Self> {
        static BUILT: Mutex<Weak<Packages>> = Mutex::new(Weak::new());
        // A build that failed fails again for the next test.
        let mut built = BUILT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(packages) = built.upgrade() {
            return packages;
        }

        let folder = tempfile::tempdir().unwrap();
        let mut script = Command::new(root().join("scripts/dist"));
        script.env("KILWA_BINARY", env!("CARGO_BIN_EXE_kilwa")).env("KILWA_DIST", folder.path());
        succeeds(&mut script);

        let packages = Arc::new(Self { folder });
        *built = Arc::downgrade(&packages);
        packages
    }

    /// The package whose name ends with something, if the machine can build it.
    fn find(&self, ending: &str) -> Option<PathBuf> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).find(|path| name(path).ends_with(ending))
    }

    /// The tarball, unpacked; the folder in it.
    fn unpack(&self, into: &Path) -> PathBuf {
        let tarball = self.find(".tar.gz").unwrap();
        succeeds(Command::new("tar").arg("-xzf").arg(&tarball).arg("-C").arg(into));
        into.join(concat!("kilwa-", env!("CARGO_PKG_VERSION")))
    }
}

#[test]
fn the_tarball_has_the_program_with_its_pages_completions_and_licences() {
    if is_quick("tarball") || !has_interpreter("python3") {
        return;
    }
    let packages = Packages::build();
    let folder = tempfile::tempdir().unwrap();
    let unpacked = packages.unpack(folder.path());

    for file in [
        "share/man/man1/kilwa.1.gz",
        "share/man/man1/kilwa-serve.1.gz",
        "share/bash-completion/completions/kilwa",
        "share/zsh/site-functions/_kilwa",
        "share/fish/vendor_completions.d/kilwa.fish",
        "share/doc/kilwa/LICENSE",
        "share/doc/kilwa/NOTICE",
    ] {
        assert!(fs::metadata(unpacked.join(file)).unwrap().len() > 100, "{file}");
    }
    let licences =
        fs::read_to_string(unpacked.join("share/doc/kilwa/THIRD-PARTY-LICENSES.txt")).unwrap();
    for holder in ["\ntonic 0.", "librocksdb-sys, LICENSE.Apache", "Yann Collet", "Jason Evans"] {
        assert!(licences.contains(holder), "{holder}");
    }

    let program = unpacked.join("bin/kilwa");
    let (stripped, built) =
        (fs::metadata(&program).unwrap(), fs::metadata(built_program()).unwrap());
    assert!(stripped.len() < built.len());
    let version = succeeds(without_variables(&program).arg("version"));
    assert_eq!(version, concat!("kilwa ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn the_packages_have_checksums() {
    if is_quick("checksums") || !has_interpreter("python3") {
        return;
    }
    let packages = Packages::build();
    let listed = fs::read_to_string(packages.folder.path().join("SHA256SUMS")).unwrap();
    for ending in [".tar.gz", ".whl", "Dockerfile", ".deb"] {
        let is_made = packages.find(ending).is_some();
        assert_eq!(
            listed.lines().any(|line| line.ends_with(ending)),
            is_made,
            "{ending}: {listed}"
        );
    }
    let mut check = Command::new("sha256sum");
    succeeds(check.args(["--check", "--strict", "SHA256SUMS"]).current_dir(packages.folder.path()));
}

#[test]
fn the_wheel_installs_offline_and_the_first_example_runs() {
    if is_quick("wheel") || !has_interpreter("python3") {
        return;
    }
    let packages = Packages::build();
    let wheel = packages.find(".whl").unwrap();
    let environment = tempfile::tempdir().unwrap();

    succeeds(Command::new("python3").args(["-m", "venv"]).arg(environment.path()));
    let python = environment.path().join("bin/python");
    succeeds(
        Command::new(python)
            .args(["-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check"])
            .arg(&wheel),
    );

    assert!(environment.path().join("share/man/man1/kilwa.1.gz").exists());
    let program = environment.path().join("bin/kilwa");
    let data = tempfile::tempdir().unwrap();
    let example = root().join("schema-examples/gitpod/validation.yaml");
    let validated = succeeds(without_variables(&program).arg("validate").arg(&example));
    assert!(validated.starts_with('✓'), "{validated}");
    let server = Served::installed(&program, data.path(), &example);
    let answer = succeeds(
        without_variables(&program)
            .args(["permission", "check", "workspace:wes-1", "access", "user:wes"])
            .args(["--endpoint", server.endpoint(), "--token", KEY]),
    );
    assert_eq!(answer, "true\n");
}

#[test]
fn the_debian_package_installs_runs_as_its_user_and_is_removed() {
    if is_quick("Debian package") || !has_interpreter("python3") {
        return;
    }
    let packages = Packages::build();
    let Some(package) = packages.find(".deb") else {
        skipped("there is no dpkg-deb or no dpkg-shlibdeps, so no Debian package is built");
        return;
    };

    let script = root().join("tests/packages/install_deb");
    let example = root().join("schema-examples/gitpod/validation.yaml");
    let installed = Command::new(script).arg(&package).arg(&example).output().unwrap();
    if installed.status.code() == Some(LACKING) {
        skipped(String::from_utf8_lossy(&installed.stderr).trim());
        return;
    }
    require_success(&installed);
}

#[test]
fn the_dockerfile_uses_what_the_tarball_has() {
    if is_quick("Dockerfile") || !has_interpreter("python3") {
        return;
    }
    let packages = Packages::build();
    let text = fs::read_to_string(packages.find("Dockerfile").unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let unpacked = packages.unpack(folder.path());
    let instructions = instructions(&text);
    let of = |name: &str| -> Vec<&str> {
        let matching = instructions.iter().filter(|(found, _)| found == name);
        matching.map(|(_, arguments)| arguments.as_str()).collect()
    };

    // The one file of the context, and the folder that it is unpacked into.
    let [pattern] =
        of("COPY").into_iter().filter(|copy| !copy.starts_with("--")).collect::<Vec<_>>()[..]
    else {
        panic!("more than one COPY from the context");
    };
    let pattern = glob::Pattern::new(pattern.split(' ').next().unwrap()).unwrap();
    assert!(pattern.matches(name(&packages.find(".tar.gz").unwrap())), "{pattern}");
    assert!(text.contains("-C /out/usr --strip-components=1"));
    let mut copied = 0;
    for copy in of("COPY").into_iter().filter(|copy| copy.starts_with("--from=unpack /out/usr/")) {
        let source = copy.split(' ').nth(1).unwrap().strip_prefix("/out/usr/").unwrap();
        assert!(unpacked.join(source).exists(), "{source}");
        copied += 1;
    }
    assert!(copied > 0);

    // Not root, and by number, so that it can be verified before the start.
    let [user] = of("USER")[..] else { panic!("one USER") };
    assert!(
        user.chars().all(|c| c.is_ascii_digit() || c == ':') && !user.starts_with('0'),
        "{user}"
    );
    assert_eq!(of("FROM").len(), 2);

    // Variables that the program reads, and a probe that it knows.
    let program = unpacked.join("bin/kilwa");
    let help = succeeds(without_variables(&program).args(["serve", "--help"]));
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for variable in of("ENV") {
        let (variable, _) = variable.split_once('=').unwrap();
        assert!(help.contains(&format!("[env: {variable}=")), "{variable}");
    }
    let [probe] = of("HEALTHCHECK")[..] else { panic!("one HEALTHCHECK") };
    let (_, command) = probe.split_once("CMD ").unwrap();
    let command: Vec<String> = serde_json::from_str(command).unwrap();
    assert_eq!(command[0], "/usr/bin/kilwa");
    let data = tempfile::tempdir().unwrap();
    let server = Served::start(data.path());
    let answer = succeeds(
        without_variables(&program).args(&command[1..]).env("KILWA_ENDPOINT", server.endpoint()),
    );
    assert_eq!(answer, "SERVING\n");
}

/// The instructions of a Dockerfile with their arguments; lines that continue are joined.
fn instructions(text: &str) -> Vec<(String, String)> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, arguments) = line.split_once(' ').unwrap();
            (name.to_owned(), arguments.to_owned())
        })
        .collect()
}

#[test]
fn scripts_that_the_packages_run_are_executable() {
    for file in [
        "scripts/dist",
        "packaging/debian/postinst",
        "packaging/debian/prerm",
        "packaging/debian/postrm",
    ] {
        let mode = fs::metadata(root().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{file}");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn built_program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_kilwa"))
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap()
}

/// Runs a command that must succeed, and returns what it prints.
#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    require_success(&output);
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn require_success(output: &Output) {
    let (printed, error) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{printed}{error}");
}
