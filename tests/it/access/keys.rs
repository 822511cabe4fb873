//! Keys: wrong ones, none, two, and keys that are rotated while the server runs.

use super::calls::{self, Answer};
use super::methods::write;
use super::{ADMIN, Guarded, LIMITED, SCHEMA, access_with_role};
use crate::metrics::ask;
use crate::program::without_variables;
use crate::served::Served;
use crate::server_support::{config, question, start_with};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::server::Server;
use prost::Message as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tonic::{Code, Request};

/// How long a changed file may take to be noticed.
const PATIENCE: Duration = Duration::from_mins(1);
const CHECK: &str = "/authzed.api.v1.PermissionsService/CheckPermission";

/// The hash of a key, as `kilwa auth hash` prints it.
fn hash(key: &str) -> String {
    kilwa::access::KeyHash::from_key(key).to_hex()
}

#[tokio::test]
async fn a_call_needs_one_of_the_keys() {
    let hashed = format!(
        "[[keys]]\nname = \"a\"\nsha256 = \"{}\"\nroles = [\"full\"]\n\
         [[keys]]\nname = \"b\"\nkey = \"the key of b, in plain text\"\nroles = [\"full\"]\n",
        hash("the key of a, which is hashed")
    );
    let guarded = Guarded::start(&hashed).await;
    let request = question("document:alpha/1#view@user:alpha/ann");
    for key in ["the key of a, which is hashed", "the key of b, in plain text", ADMIN] {
        assert!(guarded.call(key, CHECK, &request).await.error.is_none(), "{key}");
    }
    let channel = || guarded.server.channel();
    let wrong = [&hash("the key of a, which is hashed"), "the key of a", "quite another key"];
    for key in wrong {
        let answer = guarded.call(key, CHECK, &request).await;
        assert_eq!(answer.refusal().code(), Code::PermissionDenied);
        assert!(!answer.shows(key), "{answer:?}");
    }
    let answer = calls::call(channel().await, None, CHECK, vec![request.encode_to_vec()]).await;
    assert_eq!(answer.refusal().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn two_different_keys_in_one_call_are_refused() {
    use kilwa::proto::authzed::api::v1::permissions_service_client::PermissionsServiceClient;
    let guarded = Guarded::with_role("methods = [\"check\"]").await;
    let mut client = PermissionsServiceClient::new(guarded.server.channel().await);
    for (second, expected) in [(ADMIN, None), (LIMITED, Some(Code::Unauthenticated))] {
        let mut request = Request::new(question("document:alpha/1#view@user:alpha/ann"));
        for key in [ADMIN, second] {
            request
                .metadata_mut()
                .append("authorization", format!("Bearer {key}").parse().unwrap());
        }
        let code = client.check_permission(request).await.err().map(|status| status.code());
        assert_eq!(code, expected);
    }
}

/// A server in a process of its own, with an access file alone.
struct Rotating {
    server: Served,
    folder: TempDir,
}

impl Rotating {
    fn start(access: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("access.toml"), access).unwrap();
        let mut program = without_variables(env!("CARGO_BIN_EXE_kilwa"));
        program.args(["serve", "--grpc-addr", "127.0.0.1:0", "--access-file"]);
        program.arg(folder.path().join("access.toml"));
        program.arg("--data-dir").arg(folder.path().join("data"));
        Self { server: Served::run(program), folder }
    }

    fn reload(&self, access: &str, line: &str) -> String {
        fs::write(self.file(), access).unwrap();
        self.server.signal("HUP");
        self.server.await_line(line)
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("access.toml")
    }

    async fn code(&self, key: &str) -> Option<Code> {
        let request = question("document:alpha/1#view@user:alpha/ann");
        let channel = self.server.channel().await;
        let answer: Answer =
            calls::call(channel, Some(key), CHECK, vec![request.encode_to_vec()]).await;
        answer.error.map(|error| error.code())
    }
}

fn access(keys: &[&str]) -> String {
    let key = |(index, key): (usize, &&str)| {
        format!(
            "[[keys]]\nname = \"key {index}\"\nsha256 = \"{}\"\nroles = [\"full\"]\n",
            hash(key)
        )
    };
    keys.iter().enumerate().map(key).collect()
}

#[tokio::test]
async fn keys_are_rotated_while_the_server_runs() {
    let (old, new) = ("the old key of a service", "the new key of a service");
    // There is no schema, so a caller that is let in is answered with this.
    let (open, closed) = (Some(Code::FailedPrecondition), Some(Code::PermissionDenied));
    let rotating = Rotating::start(&access(&[old]));
    assert_eq!((rotating.code(old).await, rotating.code(new).await), (open, closed));
    rotating.reload(&access(&[old, new]), "reloaded");
    assert_eq!((rotating.code(old).await, rotating.code(new).await), (open, open));
    rotating.reload(&access(&[new]), "reloaded");
    assert_eq!((rotating.code(old).await, rotating.code(new).await), (closed, open));

    // A file with a mistake leaves everything as it was, and the log says where the mistake is.
    let line = rotating.reload(&(access(&[old]) + "name = 1\n"), "not reloaded");
    let place = format!("{}:5: ", rotating.file().display());
    assert!(line.contains(&place), "{line}");
    assert!(!line.contains(old), "{line}");
    assert_eq!((rotating.code(old).await, rotating.code(new).await), (closed, open));
    // No key was made in the data folder: there are keys.
    assert!(!rotating.folder.path().join("data/preshared.key").exists());
}

#[tokio::test]
async fn a_role_is_changed_while_the_server_runs() {
    let rotating = Rotating::start(&access_with_role("methods = [\"read\"]"));
    assert_eq!(rotating.code(LIMITED).await, Some(Code::PermissionDenied));
    rotating.reload(&access_with_role("methods = [\"read\", \"check\"]"), "reloaded");
    assert_eq!(rotating.code(LIMITED).await, Some(Code::FailedPrecondition));
}

#[tokio::test]
async fn a_watch_ends_when_its_key_is_taken_away() {
    let role = |name: &str, key: &str, role: &str| {
        format!("[[keys]]\nname = \"{name}\"\nkey = \"{key}\"\nroles = [\"{role}\"]\n")
    };
    let admin = role("admin", ADMIN, "full");
    let (kept, taken) = ("a key that is kept", "a key that is taken away");
    let watches = "[roles.watches]\nmethods = [\"watch\"]\n";
    let both = [role("kept", kept, "watches"), role("taken", taken, "watches")].concat();
    let rotating = Rotating::start(&format!("{watches}{admin}{both}"));
    let call = async |path: &str, request: Vec<u8>| {
        let channel = rotating.server.channel().await;
        let answer = calls::call(channel, Some(ADMIN), path, vec![request]).await;
        assert!(answer.error.is_none(), "{answer:?}");
    };
    let schema = proto::WriteSchemaRequest { schema: SCHEMA.to_owned() };
    call("/authzed.api.v1.SchemaService/WriteSchema", schema.encode_to_vec()).await;

    let watch = async |key: &str| {
        let channel = rotating.server.channel().await;
        calls::open(channel, key, "/authzed.api.v1.WatchService/Watch", Vec::new()).await
    };
    let (mut kept_watch, mut taken_watch) = (watch(kept).await, watch(taken).await);
    let path = "/authzed.api.v1.PermissionsService/WriteRelationships";
    call(path, write(&["document:a#viewer@user:ann".to_owned()]).encode_to_vec()).await;
    assert!(kept_watch.message().await.unwrap().is_some());
    assert!(taken_watch.message().await.unwrap().is_some());

    rotating.reload(&format!("{watches}{admin}{}", role("kept", kept, "watches")), "reloaded");
    call(path, write(&["document:b#viewer@user:ann".to_owned()]).encode_to_vec()).await;
    assert!(kept_watch.message().await.unwrap().is_some());
    assert_eq!(taken_watch.message().await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn no_key_is_in_what_a_server_writes() {
    let folder = tempfile::tempdir().unwrap();
    let [access, audit, data] =
        ["access.toml", "audit.log", "data"].map(|name| folder.path().join(name));
    let wrong = "a key that no file has";
    fs::write(&access, access_with_role("methods = [\"read\"]")).unwrap();
    let options = [
        ["--log-level", "trace"],
        ["--slow-call-threshold", "1us"],
        ["--http-addr", "127.0.0.1:0"],
        ["--audit-log", audit.to_str().unwrap()],
        ["--access-file", access.to_str().unwrap()],
    ];
    let server = Served::start_with(
        &data,
        &[["--http-enabled"].as_slice(), options.as_flattened()].concat(),
    );
    let mut lines = server.lines_through("serving HTTP");
    let http = lines.iter().find(|line| line.contains("serving HTTP")).unwrap();
    let http = http.split_once("address=").unwrap().1;
    let http = http.split(' ').next().unwrap();

    // Calls that are answered, that a role refuses, and of a stranger; and keys in headers of other forms.
    for key in [ADMIN, LIMITED, wrong] {
        for path in [CHECK, "/authzed.api.v1.SchemaService/ReadSchema"] {
            let request = question("document:alpha/1#view@user:alpha/ann").encode_to_vec();
            calls::call(server.channel().await, Some(key), path, vec![request]).await;
        }
        let shown = [format!("Bearer {key}"), key.to_owned(), format!("Basic {key}")];
        for shown in &shown {
            for name in ["Authorization", "Grpc-Metadata-Authorization"] {
                for path in ["/v1/permissions/check", "/v1/schema/read", "/access/v1/evaluation"] {
                    let headers = [(name, shown.as_str()), ("Content-Type", "application/json")];
                    let answer =
                        crate::http_support::send(http, ["POST", path], &headers, "{}", |_| false)
                            .await;
                    let answer = String::from_utf8(answer).unwrap();
                    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
                    assert!(!answer.contains(key) && !answer.contains(&hash(key)), "{answer}");
                }
            }
        }
    }
    server.signal("HUP");
    lines.extend(server.lines_through("reloaded"));
    lines.extend(server.last_lines());

    let log = lines.join("\n");
    let audit = fs::read_to_string(audit).unwrap();
    for text in ["a key on the command line can be read", "slow call", "refused call"] {
        assert!(log.contains(text), "{text} is not in {log}");
    }
    for text in [CHECK, "PERMISSION_DENIED"] {
        assert!(audit.contains(text), "{text} is not in {audit}");
    }
    for secret in [ADMIN, LIMITED, wrong].into_iter().flat_map(|key| [key.to_owned(), hash(key)]) {
        for written in [&log, &audit] {
            let place = written.find(&secret).map(|at| &written[at.saturating_sub(500)..]);
            assert_eq!(place, None, "{secret}");
        }
    }
    let shown = format!("{:?}", kilwa::access::Callers::new(&[ADMIN.to_owned()], None).unwrap());
    assert!(!shown.contains(ADMIN) && !shown.contains(&hash(ADMIN)), "{shown}");
}

#[tokio::test]
async fn a_file_that_is_not_read_again_is_in_the_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.toml");
    let right = access(&["the key of a service"]);
    fs::write(&file, &right).unwrap();
    let mut config = config(&folder.path().join("data"));
    config.access_file = Some(file.clone());
    config.metrics.address = Some("127.0.0.1:0".to_owned());
    let server = Server::open(&config).unwrap();
    let address = server.metrics_address().unwrap();
    let running = start_with(server).await;

    for (text, count) in [(&right, 0), (&"keys = 5\n".to_owned(), 1), (&right, 0)] {
        fs::write(&file, text).unwrap();
        let reading = format!("kilwa_files_not_reloaded {count}\n");
        let reaches = async {
            while !ask(address, &["GET /metrics HTTP/1.1"]).await.contains(&reading) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, reaches).await.unwrap();
    }
    running.stop().await.unwrap();
}

#[test]
fn an_access_file_that_every_user_can_change_is_warned_about() {
    let rotating = Rotating::start(&access(&["the key of a service"]));
    for (mode, is_open) in [(0o646, true), (0o664, false), (0o600, false)] {
        fs::set_permissions(rotating.file(), fs::Permissions::from_mode(mode)).unwrap();
        rotating.server.signal("HUP");
        let lines = rotating.server.lines_through("reloaded");
        let warning = "every user of this machine can change this file";
        assert_eq!(lines.iter().any(|line| line.contains(warning)), is_open, "{mode:o}");
    }
}

#[test]
fn a_server_with_mistakes_in_its_access_file_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.toml");
    fs::write(&file, "[[keys]]\nname = \"x\"\nkey = \"y\"\nroles = [\"none\"]\n").unwrap();
    let (code, text) = serve(folder.path(), &file);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains(&format!("{}:4: there is no role `none`", file.display())), "{text}");
}

fn serve(folder: &Path, file: &Path) -> (Option<i32>, String) {
    let mut program = without_variables(env!("CARGO_BIN_EXE_kilwa"));
    program.args(["serve", "--grpc-addr", "127.0.0.1:0", "--access-file"]).arg(file);
    let output = program.arg("--data-dir").arg(folder.join("data")).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}
