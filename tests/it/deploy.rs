//! The files in `deploy`: a server starts with the settings that they give it, and their probes find it.

use crate::certificates::Authority;
use crate::program::{kilwa, without_variables};
use crate::served::Served;
use saphyr::{LoadableYamlNode as _, MappingOwned, YamlOwned};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An access file with one key.
const ACCESS: &str = "[[keys]]
name = \"test\"
key = \"a key of this test alone\"
roles = [\"full\"]
";

#[test]
fn a_server_starts_as_the_container_of_the_stateful_set_and_its_probes_find_it() {
    let set = documents("kubernetes/statefulset.yaml").remove(0);
    let pod = at(&set, &["spec", "template", "spec"]);
    let container = &list(pod, "containers")[0];
    let environment = list(container, "env")
        .iter()
        .map(|entry| (text(at(entry, &["name"])), text(at(entry, &["value"]))));
    let mounts = ["/etc/kilwa/tls/", "/etc/kilwa/access/", "/var/lib/kilwa/"];
    let running = Deployed::start(environment.collect(), &mounts);
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        running.require_health(&words(at(container, &[probe, "exec", "command"])));
    }
}

#[test]
fn a_server_starts_as_the_service_of_the_compose_file_and_its_health_check_finds_it() {
    let compose = documents("compose.yaml").remove(0);
    let service = at(&compose, &["services", "kilwa"]);
    let environment = mapping(at(service, &["environment"])).iter();
    let environment = environment.map(|(name, value)| (text(name), text(value)));
    let running = Deployed::start(environment.collect(), &["/run/kilwa/", "/var/lib/"]);
    let check = words(at(service, &["healthcheck", "test"]));
    assert_eq!(check[0], "CMD");
    running.require_health(&check[1..]);
    // As a folder, so that files which are renamed over the old ones are seen.
    assert!(words(at(service, &["volumes"])).contains(&"./secrets:/run/kilwa:ro".to_owned()));
}

#[test]
fn containers_run_without_privileges_on_a_file_system_that_they_cannot_write() {
    let set = documents("kubernetes/statefulset.yaml").remove(0);
    let pod = at(&set, &["spec", "template", "spec"]);
    let container = &list(pod, "containers")[0];
    assert_eq!(flag(at(pod, &["securityContext", "runAsNonRoot"])), Some(true));
    assert_eq!(flag(at(pod, &["automountServiceAccountToken"])), Some(false));
    let security = at(container, &["securityContext"]);
    assert_eq!(flag(at(security, &["readOnlyRootFilesystem"])), Some(true));
    assert_eq!(flag(at(security, &["allowPrivilegeEscalation"])), Some(false));
    assert_eq!(words(at(security, &["capabilities", "drop"])), ["ALL"]);
    assert!(!at(container, &["resources", "limits", "memory"]).is_badvalue());

    let compose = documents("compose.yaml").remove(0);
    let service = at(&compose, &["services", "kilwa"]);
    assert_eq!(flag(at(service, &["read_only"])), Some(true));
    assert_eq!(words(at(service, &["cap_drop"])), ["ALL"]);
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn the_kustomize_base_can_be_built() {
    let Ok(output) = Command::new("kubectl").arg("kustomize").arg(folder("kubernetes")).output()
    else {
        eprintln!("left out: there is no kubectl on this machine");
        return;
    };
    let built = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for kind in ["ServiceAccount", "Service", "StatefulSet", "NetworkPolicy"] {
        assert!(built.contains(&format!("kind: {kind}\n")), "{kind} is missing:\n{built}");
    }
    assert!(built.contains("image: kilwa:0.1.0"), "{built}");
    assert_eq!(env!("CARGO_PKG_VERSION"), "0.1.0", "the tag in `deploy` is that of this version");
}

/// A server with the settings of a file in `deploy`, with a folder of the test in place of the mounts.
struct Deployed {
    server: Served,
    _folder: tempfile::TempDir,
}

impl Deployed {
    fn start(environment: Vec<(String, String)>, mounts: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let issued = Authority::new("deploy").server();
        let local = |path: &str| -> PathBuf {
            let name = Path::new(path).file_name().unwrap();
            folder.path().join(name)
        };
        fs::write(local("tls.crt"), issued.certificate).unwrap();
        fs::write(local("tls.key"), issued.key).unwrap();
        fs::write(local("access.toml"), ACCESS).unwrap();

        let mut program = without_variables(env!("CARGO_BIN_EXE_kilwa"));
        program.arg("serve");
        for (name, value) in environment {
            let is_path = mounts.iter().any(|mount| value.starts_with(mount));
            match name.as_str() {
                "KILWA_GRPC_ADDR" => {
                    assert_eq!(value, "0.0.0.0:50051");
                    program.env(name, "127.0.0.1:0")
                }
                _ if is_path => program.env(name, local(&value)),
                _ => {
                    assert!(!value.starts_with('/'), "{name} is in no mount: {value}");
                    program.env(name, value)
                }
            };
        }
        Self { server: Served::run(program), _folder: folder }
    }

    /// Runs the command of a probe inside of the container.
    fn require_health(&self, command: &[String]) {
        let (program, arguments) = command.split_first().unwrap();
        assert_eq!(program, "/usr/bin/kilwa");
        let own = "https://127.0.0.1:50051";
        assert!(arguments.iter().any(|argument| argument == own), "{arguments:?}");
        let here = format!("https://{}", self.server.endpoint());
        let arguments = arguments.iter().map(|argument| argument.replace(own, &here));
        let output = kilwa().args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

fn documents(name: &str) -> Vec<YamlOwned> {
    YamlOwned::load_from_str(&fs::read_to_string(folder(name)).unwrap()).unwrap()
}

/// The value at a path of keys; a bad value where there is none.
fn at<'y>(mut node: &'y YamlOwned, path: &[&str]) -> &'y YamlOwned {
    for key in path {
        node = node.as_mapping_get(key).unwrap_or(&YamlOwned::BadValue);
    }
    node
}

fn mapping(node: &YamlOwned) -> &MappingOwned {
    node.as_mapping().unwrap()
}

fn list<'y>(node: &'y YamlOwned, key: &str) -> &'y Vec<YamlOwned> {
    at(node, &[key]).as_vec().unwrap()
}

fn words(node: &YamlOwned) -> Vec<String> {
    node.as_vec().unwrap().iter().map(text).collect()
}

fn text(node: &YamlOwned) -> String {
    node.as_str().unwrap_or_else(|| panic!("no text: {node:?}")).to_owned()
}

fn flag(node: &YamlOwned) -> Option<bool> {
    node.as_bool()
}
