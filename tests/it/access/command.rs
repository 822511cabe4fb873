//! `kilwa auth`.

use super::tokens::{self, Signer};
use crate::program;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

#[test]
fn a_file_is_checked_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.toml");
    let check = |text: &str| {
        fs::write(&path, text).unwrap();
        let output = program::kilwa().args(["auth", "check"]).arg(&path).output().unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.code(), text)
    };
    let hash = "0".repeat(64);
    let right = format!(
        "[roles.some]\nmethods = [\"check\"]\nid_prefixes = [\"a/\"]\n\
         [[keys]]\nname = \"a\"\nsha256 = \"{hash}\"\nroles = [\"some\"]\n\
         [[certificates]]\nname = \"b\"\nuri = \"u\"\nroles = [\"full\"]\n"
    );
    let (code, [out, err]) = check(&right);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("1 key, 1 certificate, 1 role"), "{out}");
    let part = "key a:\n    on every definition; every relation; object id a/…: BulkCheckPermission, CheckBulkPermissions, CheckPermission";
    assert!(out.contains(part), "{out}");
    assert!(out.contains("certificate b: every method, on all data"), "{out}");
    assert_eq!(err, "");

    // A caller with two roles has both parts, each with its methods.
    let two = right
        .replace("[[keys]]", "[roles.schema]\nmethods = [\"ReadSchema\"]\n[roles.b]\nmethods = [\"CheckPermission\"]\nid_prefixes = [\"b/\"]\n[[keys]]")
        .replace("roles = [\"some\"]", "roles = [\"some\", \"schema\", \"b\"]");
    let (_, [out, _]) = check(&two);
    for line in [
        "    on every definition; every relation; object id a/… | every definition; every relation; object id b/…: CheckPermission\n",
        "    on every definition; every relation; object id a/…: BulkCheckPermission, CheckBulkPermissions, ListPermissions\n",
        "    on the whole schema: ReadSchema\n",
    ] {
        assert!(out.contains(line), "{line}{out}");
    }

    // Keys in plain text are a secret of the file.
    let plain =
        right.replace(&format!("sha256 = \"{hash}\""), "key = \"a long key in plain text\"");
    for (mode, is_open) in [(0o644, true), (0o640, false)] {
        fs::write(&path, &plain).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let (code, [_, err]) = check(&plain);
        assert!(code == Some(0) && err.contains("`kilwa auth hash`"), "{err}");
        assert_eq!(err.contains("every user of this machine can read them"), is_open, "{err}");
    }

    let (code, [out, err]) = check(&right.replace("[\"check\"]", "[\"chekc\"]"));
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains(&format!("{}:2: ", path.display())), "{err}");
}

#[test]
fn a_prefix_without_a_separator_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.toml");
    let check = |prefixes: &str| {
        let roles = "[roles.other]\nmethods = [\"check\"]\nid_prefixes = [\"other/\"]\n";
        let text = format!("{roles}[roles.a]\nmethods = [\"check\"]\nid_prefixes = [{prefixes}]\n");
        fs::write(&path, text).unwrap();
        let output = program::kilwa().args(["auth", "check"]).arg(&path).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let err = check("\"acme\",\n\"shop/\",\n\"team1\"");
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(lines.len(), 2, "{err}");
    for (line, number, prefix) in [(lines[0], 6, "acme"), (lines[1], 8, "team1")] {
        let start = format!("warning: {}:{number}: the prefix `{prefix}` ", path.display());
        assert!(line.starts_with(&start), "{line}");
        assert!(line.contains(&format!("`{prefix}corp/plan`")), "{line}");
        assert!(line.ends_with(&format!("as in `{prefix}/`")), "{line}");
    }
    // Every character of ids that is no letter and no digit separates, and what AuthZEN writes for others, such as a colon.
    assert_eq!(check("\"a/\", \"a_\", \"a|\", \"a-\", \"a=\", \"a+\", \"a=3A\", \"a=2E\""), "");
    // `=41` would be a letter, `=C3` a part of one.
    assert_eq!(check("\"a=41\", \"a=C3\", \"a=3\", \"3A\"").lines().count(), 4);
}

#[test]
fn a_file_that_every_user_can_change_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.toml");
    fs::write(&path, "[roles.a]\nmethods = [\"check\"]\n").unwrap();
    for (mode, is_open) in [(0o646, true), (0o664, false)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let output = program::kilwa().args(["auth", "check"]).arg(&path).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{err}");
        let warning = "every user of this machine can change `";
        assert_eq!(err.contains(warning), is_open, "{mode:o}: {err}");
    }

    // So is a file with keys of tokens.
    let keys = folder.path().join("jwks.json");
    fs::write(&keys, tokens::key_set(&[Signer::ed().jwk("a")])).unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o606)).unwrap();
    fs::write(&path, tokens::access(&["EdDSA"], "")).unwrap();
    let output = program::kilwa().args(["auth", "check"]).arg(&path).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    let warning = format!("every user of this machine can change `{}`", keys.display());
    assert!(err.contains(&warning), "{err}");
}

#[test]
fn a_key_is_hashed_from_standard_input() {
    let hash = |key: &str| {
        let mut command = program::kilwa();
        command
            .args(["auth", "hash"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        process.stdin.take().unwrap().write_all(key.as_bytes()).unwrap();
        let output = process.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n".to_owned();
    assert_eq!(hash("abc\n"), (Some(0), expected.clone()));
    assert_eq!(hash("abc"), (Some(0), expected));
    for wrong in ["", "\n", " abc", "two\nlines", "ü"] {
        assert_eq!(hash(wrong), (Some(2), String::new()), "{wrong:?}");
    }
}
