//! Mapping files: their mistakes, the command that checks them, and their reload.

use super::{Asked, MAPPING};
use crate::program;
use crate::served::Served;
use crate::server_support::{Bearer, KEY};
use kilwa::envoy::read_mapping;
use kilwa::proto::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use kilwa::settings_file::SettingsFileError;
use std::fs;
use std::time::Duration;

/// What is changed in a right file, and the line and a part of what is said of it.
const WRONG: &[(&str, &str, usize, &str)] = &[
    ("/a/{b}", "a", 3, "does not start with `/`"),
    ("/a/{b}", "/a/../{b}", 3, "`..`"),
    ("/a/{b}", "/a%20/{b}", 3, "without percent-encoding"),
    ("/a/{b}", "/{b}/{b}", 3, "can occur once"),
    ("/a/{b}", "/x{b}", 3, "a whole segment"),
    ("id = \"{b}\"", "id = \"{c}\"", 4, "no `{c}`"),
    ("id = \"{b}\"", "id = \"a:{b}\"", 4, "an object id has"),
    ("\"document\"", "\"Document\"", 4, "definition name"),
    ("\"view\"", "\"v\"", 5, "relation name"),
    ("id = \"ann\"", "id = \"*\"", 6, "object id"),
    (", id = \"ann\"", "", 6, "a subject needs one of"),
    ("id = \"ann\"", "id = \"ann\", header = \"x\"", 6, "a subject needs one of"),
    ("id = \"ann\"", "header = \"x y\"", 6, "no header"),
    ("id = \"ann\"", "header = \"Host\"", 6, "no header"),
    ("id = \"ann\"", "claim = \"sub\"", 6, "needs `issuer`"),
    ("id = \"ann\"", "claim = \"a..b\", issuer = \"i\"", 6, "dots between"),
    (
        "id = \"ann\"",
        "claim = \"sub\", issuer = \"i\", audience = []",
        6,
        "audience must not be empty",
    ),
    ("id = \"ann\"", "id = \"ann\", issuer = \"i\"", 6, "no effect without `claim`"),
    ("id = \"ann\"", "id = \"ann\", namespace = \"i\"", 6, "no effect without `metadata`"),
    ("id = \"ann\"", "idd = \"ann\"", 6, "unknown field"),
    ("permission = \"view\"\n", "", 2, "needs `resource` and `permission`"),
    ("subject = { type = \"user\", id = \"ann\" }", "", 2, "needs a `subject`"),
    (
        "permission = \"view\"",
        "permission = \"view\"\nverdict = \"allow\"",
        6,
        "either a `verdict` or a check",
    ),
    ("permission = \"view\"", "permission = \"view\"\nmethods = [\"get\"]", 6, "capital letters"),
    ("permission = \"view\"", "permission = \"view\"\nmethods = []", 6, "must not be empty"),
    ("permission = \"view\"", "permission = \"view\"\nhost = \"A.b\"", 6, "a host has labels"),
    (
        "permission = \"view\"",
        "permission = \"view\"\nhost = \"{b}.b\"",
        3,
        "one of the host already",
    ),
    (
        "permission = \"view\"",
        "permission = \"view\"\nconsistency = \"new\"",
        6,
        "`latest` or `minimize_latency`",
    ),
    (
        "permission = \"view\"",
        "permission = \"view\"\nconsistency = \"latest\"\nconsistency_header = \"x\"",
        6,
        "not both",
    ),
    (
        "permission = \"view\"",
        "permission = \"view\"\ncontext = { ip = {} }",
        6,
        "a value of the context needs",
    ),
    (
        "permission = \"view\"",
        "permission = \"view\"\ncontext = { ip = { source_address = false } }",
        6,
        "a value of the context needs",
    ),
    (
        "permission = \"view\"",
        "permission = \"view\"\ncontext = { ip = { segment = \"c\" } }",
        6,
        "no `{c}`",
    ),
    (
        "[[rules]]",
        "[upstream]\nsubject_header = \"x-a\"\nrevision_header = \"X-A\"\n[[rules]]",
        3,
        "headers of their own",
    ),
    (
        "[[rules]]",
        "[upstream]\nsubject_header = \"x-a\"\nremove_headers = [\"x-a\"]\n[[rules]]",
        3,
        "removed anyway",
    ),
    ("[[rules]]", "[forbidden]\nstatus = 200\n[[rules]]", 2, "401, 403, 404 or 503"),
    (
        "[[rules]]",
        "[forbidden]\nheaders = { \"x\" = \"a\\nb\" }\n[[rules]]",
        2,
        "printable characters",
    ),
    ("[[rules]]", "[forbiden]\n[[rules]]", 1, "unknown field"),
    ("name = \"a\"", "name = \"\"", 2, "letters that a log can show"),
    ("name = \"a\"", "name = a", 2, ""),
];

fn mistakes(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("envoy.toml");
    fs::write(&path, text).unwrap();
    match read_mapping(&path) {
        Ok(_) => Vec::new(),
        Err(SettingsFileError::Mistakes { mistakes, .. }) => {
            mistakes.iter().map(ToString::to_string).collect()
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn each_mistake_is_named_with_its_line() {
    assert_eq!(mistakes(MAPPING), Vec::<String>::new());
    let rule = "[[rules]]\nname = \"a\"\npath = \"/a/{b}\"\n";
    let check = "resource = { type = \"document\", id = \"{b}\" }\npermission = \"view\"\nsubject = { type = \"user\", id = \"ann\" }\n";
    let right = format!("{rule}{check}");
    assert_eq!(mistakes(&right), Vec::<String>::new());
    for (old, new, line, part) in WRONG {
        let text = right.replacen(old, new, 1);
        assert_ne!(text, right, "{old}");
        let found = mistakes(&text);
        let expected =
            |found: &&String| found.starts_with(&format!("{line}: ")) && found.contains(part);
        assert!(found.iter().any(|found| expected(&found)), "{new}: {line}: {part}: {found:?}");
    }
    let twice = format!("{right}{right}");
    assert!(mistakes(&twice)[0].starts_with("8: the name `a` is that of line 2"), "{twice}");
    assert!(mistakes("").iter().any(|found| found.contains("every request is denied")));
    let verdict = format!("{rule}verdict = \"maybe\"\n");
    assert_eq!(mistakes(&verdict), ["4: a verdict is `allow` or `deny`"]);
}

#[test]
fn a_file_is_checked_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("envoy.toml");
    let check = |text: &str| {
        fs::write(&path, text).unwrap();
        let output = program::kilwa().args(["ext-authz", "check"]).arg(&path).output().unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.code(), text)
    };
    let (code, [out, err]) = check(MAPPING);
    assert_eq!(code, Some(0), "{err}");
    assert!(
        out.contains(": 6 rules\n  health: allowed without a check\n  internal: denied\n"),
        "{out}"
    );
    assert!(out.contains("  read: `view` of a document for a user\n"), "{out}");
    assert!(err.contains("`x-user`") && err.contains("a client cannot"), "{err}");

    let (code, [out, err]) = check(&MAPPING.replace("\"allow\"", "\"alow\""));
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains(&format!("{}:", path.display())), "{err}");
}

#[test]
fn a_server_does_not_start_with_a_file_that_it_cannot_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("envoy.toml");
    let start = |text: &str| {
        fs::write(&path, text).unwrap();
        let mut command = program::kilwa();
        command.args(["serve", "--grpc-addr", "127.0.0.1:0", "--grpc-preshared-key", KEY]);
        command
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .arg("--ext-authz-file")
            .arg(&path);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, err) = start("[[rules]]\nname = \"a\"\npath = \"a\"\nverdict = \"allow\"\n");
    assert_eq!(code, Some(2));
    assert!(err.contains("envoy.toml:3: "), "{err}");
    let issuer = "[[rules]]\nname = \"a\"\npath = \"/a\"\nresource = { type = \"document\", id = \"a\" }\npermission = \"view\"\n\
                  subject = { type = \"user\", claim = \"sub\", issuer = \"idp\" }\n";
    let (code, err) = start(issuer);
    assert_eq!(code, Some(2));
    assert!(err.contains("`idp`") && err.contains("--access-file"), "{err}");
}

#[tokio::test]
async fn a_changed_file_is_read_and_a_wrong_one_leaves_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("envoy.toml");
    fs::write(&path, MAPPING).unwrap();
    let arguments = ["--ext-authz-file", path.to_str().unwrap()];
    let server = Served::start_with(&folder.path().join("data"), &arguments);
    let passes = async || {
        let bearer = Bearer(KEY.to_owned());
        let mut client = AuthorizationClient::with_interceptor(server.channel().await, bearer);
        let response = client.check(Asked::get("/healthz").message()).await.unwrap();
        response.into_inner().status.unwrap().code == 0
    };
    assert!(passes().await);

    fs::write(&path, MAPPING.replacen("\"allow\"", "\"alow\"", 1)).unwrap();
    server.signal("HUP");
    let line = server.await_line("not reloaded");
    assert!(line.contains("envoy.toml:"), "{line}");
    assert!(passes().await);

    // Without a signal: the file is looked at.
    fs::write(&path, MAPPING.replacen("\"allow\"", "\"deny\"", 1)).unwrap();
    let end = tokio::time::Instant::now() + Duration::from_mins(1);
    while passes().await {
        assert!(tokio::time::Instant::now() < end, "the change is not seen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
