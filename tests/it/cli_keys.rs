//! Keys at the command line: where commands find them, what an error says of the key that was sent, and what a server warns of.

use crate::certificates::Authority;
use crate::pages::plans;
use crate::program::without_variables;
use crate::served::Served;
use crate::server_support::KEY;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A user whose server has its data in a folder of its own.
struct User {
    folder: TempDir,
    server: Served,
}

impl User {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("plans.yaml");
        fs::write(&file, plans()).unwrap();
        let (home, data) = (folder.path().join("home"), folder.path().join("data"));
        let server = Served::as_shown(&home, &data, &file);
        Self { folder, server }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = kilwa_of(&self.folder.path().join("home"));
        command.args(arguments).env("KILWA_ENDPOINT", self.server.endpoint());
        command
    }

    fn key_file(&self) -> PathBuf {
        self.folder.path().join("data/preshared.key")
    }
}

fn kilwa_of(home: &Path) -> Command {
    let mut command = without_variables(env!("CARGO_BIN_EXE_kilwa"));
    command.env("HOME", home).env_remove("XDG_STATE_HOME").env_remove("XDG_DATA_HOME");
    command
}

/// Exit code, standard output and standard error.
fn ended(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

const QUESTION: [&str; 5] = ["permission", "check", "document:plan", "edit", "user:ann"];

#[test]
fn commands_find_the_key_of_the_server_at_their_endpoint_while_it_runs() {
    let mut user = User::new();
    let (code, answer, error) = ended(&mut user.command(&QUESTION));
    assert_eq!((code, answer.as_str()), (Some(0), "true\n"), "{error}");
    let port = user.server.endpoint().rsplit_once(':').unwrap().1.to_owned();
    let named = user.command(&QUESTION).env("KILWA_ENDPOINT", format!("localhost:{port}")).output();
    assert_eq!(named.unwrap().stdout, b"true\n");

    // Another user does not.
    let mut stranger = kilwa_of(&user.folder.path().join("elsewhere"));
    stranger.args(QUESTION).env("KILWA_ENDPOINT", user.server.endpoint());
    let (code, _, error) = ended(&mut stranger);
    assert_eq!(code, Some(2));
    assert!(error.contains("no key was sent: there is no readable key in `"), "{error}");
    assert!(error.contains("KILWA_DATA_DIR or `--data-dir`"), "{error}");
    let data = user.folder.path().join("data");
    let (code, answer, _) = ended(stranger.env("KILWA_DATA_DIR", &data));
    assert_eq!((code, answer.as_str()), (Some(0), "true\n"));

    // What is noted has no key, and only its owner can read it.
    let servers = user.folder.path().join("home/.local/state/kilwa/servers");
    let note = fs::read_dir(&servers).unwrap().next().unwrap().unwrap().path();
    assert_eq!(fs::read_to_string(&note).unwrap(), data.to_str().unwrap());
    assert_eq!(fs::metadata(&note).unwrap().permissions().mode() & 0o777, 0o600);

    user.server.signal("TERM");
    assert_eq!(user.server.exit_code(), 0);
    assert_eq!(fs::read_dir(&servers).unwrap().count(), 0);
}

#[test]
fn the_key_of_a_server_that_was_killed_is_sent_to_nobody() {
    let mut user = User::new();
    let note = user.folder.path().join("home/.local/state/kilwa/servers");
    user.server.signal("KILL");
    user.server.await_end();
    assert_eq!(fs::read_dir(&note).unwrap().count(), 1);

    let other = TempDir::new().unwrap();
    let port = user.server.endpoint().rsplit_once(':').unwrap().1.to_owned();
    let mut program = without_variables(env!("CARGO_BIN_EXE_kilwa"));
    program.args(["serve", "--grpc-addr", &format!("127.0.0.1:{port}")]);
    program.args(["--grpc-preshared-key", KEY, "--data-dir"]).arg(other.path());
    let _server = Served::run(program);
    let (code, _, error) = ended(&mut user.command(&QUESTION));
    assert_eq!(code, Some(2));
    assert!(error.contains("no key was sent"), "{error}");
}

#[test]
fn an_error_names_the_source_of_a_wrong_key() {
    let user = User::new();
    let refused = |command: &mut Command| {
        let (code, _, error) = ended(command);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains("PERMISSION_DENIED: invalid preshared key"), "{error}");
        error
    };
    let error = refused(user.command(&QUESTION).args(["--token", "wrong"]));
    assert!(error.contains("the key that was sent is from `--token`"), "{error}");
    for variable in ["KILWA_TOKEN", "ZED_TOKEN"] {
        let error = refused(user.command(&QUESTION).env(variable, "wrong"));
        assert!(error.contains(&format!("is from the variable {variable}:")), "{error}");
    }
    let old = user.folder.path().join("old");
    fs::create_dir(&old).unwrap();
    fs::write(old.join("preshared.key"), "stale").unwrap();
    let error = refused(user.command(&QUESTION).arg("--data-dir").arg(&old));
    let file = old.join("preshared.key");
    assert!(error.contains(&format!("is from `{}`", file.display())), "{error}");

    let log = user.server.await_line("a call without a valid key was refused");
    assert!(log.contains("invalid token") && log.contains("127.0.0.1:"), "{log}");
    assert!(!log.contains("wrong") && !log.contains("stale"), "{log}");
}

#[test]
fn an_error_advises_no_folder_where_none_is_looked_at() {
    let user = User::new();
    let port = user.server.endpoint().rsplit_once(':').unwrap().1.to_owned();
    // An address that no loopback address is, and that leads to this machine all the same.
    let elsewhere = format!("0.0.0.0:{port}");
    let data = user.folder.path().join("data").display().to_string();
    let empty = user.folder.path().join("empty").display().to_string();
    for (arguments, source) in [
        (&["--endpoint", elsewhere.as_str()][..], "none is sent to another machine by itself"),
        (
            &["--endpoint", &elsewhere, "--data-dir", &data],
            "none is sent to another machine by itself",
        ),
        (&["--data-dir", &empty], "there is no readable key in `"),
        (&["--token", "wrong"], "the key that was sent is from `--token`"),
    ] {
        let (code, _, error) = ended(user.command(&QUESTION).args(arguments));
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains(source), "{error}");
        assert!(
            error.trim_end().ends_with("key of the server, or `--token-file` to a file with it"),
            "{error}"
        );
    }
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let user = User::new();
    let empty = ["KILWA_TOKEN", "KILWA_DATA_DIR", "ZED_TOKEN"];
    let (code, answer, error) = ended(user.command(&QUESTION).envs(empty.map(|name| (name, ""))));
    assert_eq!((code, answer.as_str()), (Some(0), "true\n"), "{error}");

    let data = user.folder.path().join("other");
    let mut program = kilwa_of(user.folder.path());
    let empty = ["KILWA_GRPC_PRESHARED_KEY", "KILWA_BOOTSTRAP", "KILWA_LOG_LEVEL"];
    program.envs(empty.map(|name| (name, "")));
    program.env("KILWA_DATASTORE_READONLY", "").env("KILWA_GRPC_ADDR", "");
    program.args(["serve", "--grpc-addr", "127.0.0.1:0", "--data-dir"]).arg(&data);
    let server = Served::run(program);
    server.await_line("preshared.key");
}

#[test]
fn a_second_server_says_that_the_data_folder_is_in_use() {
    let user = User::new();
    let mut second = kilwa_of(user.folder.path());
    second.args(["serve", "--grpc-addr", user.server.endpoint(), "--data-dir"]);
    let (code, _, error) = ended(second.arg(user.folder.path().join("data")));
    assert_eq!(code, Some(2));
    assert!(error.contains("is in use: stop the other server"), "{error}");

    let mut other = kilwa_of(user.folder.path());
    other.args(["serve", "--grpc-addr", user.server.endpoint(), "--data-dir"]);
    let (_, _, error) = ended(other.arg(user.folder.path().join("other")));
    assert!(error.contains("cannot listen at"), "{error}");
}

#[test]
fn files_are_private_and_a_folder_that_is_not_is_warned_of() {
    let user = User::new();
    let marker = user.folder.path().join("data/KILWA");
    for file in [marker, user.key_file()] {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    let folder = TempDir::new().unwrap();
    for (mode, others) in [(0o777, "change"), (0o755, "read")] {
        let data = folder.path().join(format!("{mode:o}"));
        DirBuilder::new().mode(0o700).create(&data).unwrap();
        fs::set_permissions(&data, Permissions::from_mode(mode)).unwrap();
        let server = Served::start(&data);
        let line = server.await_line("chmod 700");
        assert!(line.contains(&format!("others can {others} the data folder")), "{line}");
        assert!(line.contains(&format!("{mode:04o}")), "{line}");
    }
}

#[test]
fn a_short_key_on_an_address_of_other_machines_is_warned_of() {
    let folder = TempDir::new().unwrap();
    for (key, is_warned) in [("short", true), ("long-enough-to-be-safe-0123456789", false)] {
        let mut program = without_variables(env!("CARGO_BIN_EXE_kilwa"));
        program.args(["serve", "--grpc-addr", "0.0.0.0:0", "--grpc-preshared-key", key]);
        program.arg("--grpc-allow-plaintext");
        program.arg("--data-dir").arg(folder.path().join(key));
        let server = Served::run(program);
        if is_warned {
            server.await_line("fewer than 16 bytes");
        }
    }
}

#[test]
fn a_key_is_read_from_a_file() {
    let user = User::new();
    let kept = fs::read_to_string(user.key_file()).unwrap();
    // So that no command finds the key by itself.
    let home = user.folder.path().join("another home");
    let file = |name: &str, text: &str| {
        let path = user.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let right = file("right", &format!("\n  {} \r\n\n", kept.trim()));
    let wrong = file("wrong", "another key");
    let check = |flags: &[&str], variables: &[(&str, &str)]| {
        let mut command = kilwa_of(&home);
        command.args(QUESTION).args(flags).env("KILWA_ENDPOINT", user.server.endpoint());
        ended(command.envs(variables.iter().copied()))
    };

    let (in_flag, in_variable) = ("--token-file", "KILWA_TOKEN_FILE");
    for (flags, variables, is_right) in [
        (&[in_flag, &right][..], &[][..], true),
        (&[in_flag, &wrong], &[], false),
        (&[], &[(in_variable, right.as_str())], true),
        // What is on the command line counts before variables, and a key before a file.
        (&[in_flag, &right], &[("KILWA_TOKEN", "a wrong key")], true),
        (&[in_flag, &right], &[(in_variable, &wrong)], true),
        (&["--token", "a wrong key", in_flag, &right], &[], false),
        (&["--token", kept.trim()], &[(in_variable, &wrong)], true),
        (&[], &[("KILWA_TOKEN", kept.trim()), (in_variable, &wrong)], true),
        // The variable of zed counts last.
        (&[], &[("ZED_TOKEN", "a wrong key"), (in_variable, &right)], true),
        (&[in_flag, &right], &[("ZED_TOKEN", "a wrong key")], true),
        (&[], &[("ZED_TOKEN", "a wrong key"), ("KILWA_TOKEN", kept.trim())], true),
        (&[], &[("ZED_TOKEN", kept.trim())], true),
    ] {
        let (code, answer, error) = check(flags, variables);
        let expected = if is_right { (Some(0), "true\n") } else { (Some(2), "") };
        assert_eq!((code, answer.as_str()), expected, "{flags:?} {variables:?}: {error}");
        assert!(!error.contains(kept.trim()) && !error.contains("another key"), "{error}");
    }

    let (_, _, error) = check(&[in_flag, &wrong], &[]);
    assert!(error.contains(&format!("the key that was sent is from `{wrong}`")), "{error}");
    let (empty, long) = (file("empty", " \n"), file("long", &"x".repeat(9_000)));
    let none = user.folder.path().join("none");
    for (path, reason) in [
        (empty.as_str(), "it is empty"),
        (&long, "it is longer than 8192 bytes"),
        (none.to_str().unwrap(), "No such file"),
    ] {
        let (code, _, error) = check(&[in_flag, path], &[]);
        assert_eq!(code, Some(2), "{error}");
        assert!(
            error.contains(&format!("the token file `{path}` cannot be used: {reason}")),
            "{error}"
        );
    }
}

#[test]
fn a_second_server_that_cannot_be_written_to_is_reported_before_the_first_change() {
    let source = User::new();
    let target = User::new();
    let file = source.folder.path().join("revision");
    let (_, token, _) = ended(&mut source.command(&["schema", "read", "--json"]));
    let token: serde_json::Value = serde_json::from_str(&token).unwrap();
    fs::write(&file, token["readAt"]["token"].as_str().unwrap()).unwrap();
    let follow = |flags: &[&str]| {
        let mut command = source.command(&["relationship", "follow", "--revision-file"]);
        command.arg(&file).args(flags);
        command
    };

    // A wrong key ends the command.
    let to = ["--to-endpoint", target.server.endpoint()];
    let (code, _, error) = ended(follow(&to).args(["--to-token", "a wrong key"]));
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("`--to-token`") && error.contains("KILWA_TO_TOKEN"), "{error}");
    assert!(!error.contains("`--token`"), "{error}");

    // Who listens at an address may change, so the command tries again.
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let authority = Authority::new("an authority");
    let pair = authority.server().write(source.folder.path(), "server");
    let secured = Served::start_with(&source.folder.path().join("secured"), &pair.flags());
    let https = format!("https://{}", secured.endpoint());
    let other = source.folder.path().join("other.pem");
    fs::write(&other, Authority::new("another").pem()).unwrap();
    for (to, trusted, reported) in [
        (nowhere.to_string(), None, "say with `--to-endpoint` where it is; trying again"),
        (https, Some(&other), "name its file with `--to-certificate-path`; trying again"),
    ] {
        let mut command = follow(&["--to-endpoint", &to, "--to-token", KEY]);
        command.args(
            trusted.iter().flat_map(|path| ["--to-certificate-path", path.to_str().unwrap()]),
        );
        let mut process = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stderr.take().unwrap()).read_line(&mut line).unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(line.contains(reported), "{line}");
    }
}
