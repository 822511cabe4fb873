//! The files in `deploy`: a server starts with the settings that they give it, and their probes find it.

use crate::certificates::Authority;
use crate::program::{kilwa, without_variables};
use crate::served::Served;
use saphyr::{LoadableYamlNode as _, MappingOwned, YamlOwned};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folders of the pod in which its files lie.
const POD_MOUNTS: [&str; 3] = ["/etc/kilwa/tls/", "/etc/kilwa/access/", "/var/lib/kilwa/"];

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
    for client_ca in [None, Some("/etc/kilwa/access/clients.pem")] {
        let running = Deployed::start(variables(container), &POD_MOUNTS, client_ca);
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            running.require_health(&words(at(container, &[probe, "exec", "command"])));
        }
    }
}

#[test]
fn a_server_starts_as_the_service_of_the_compose_file_and_its_health_check_finds_it() {
    let compose = documents("compose.yaml").remove(0);
    let service = at(&compose, &["services", "kilwa"]);
    let environment = mapping(at(service, &["environment"])).iter();
    let environment: Vec<(String, String)> =
        environment.map(|(name, value)| (text(name), text(value))).collect();
    let check = words(at(service, &["healthcheck", "test"]));
    assert_eq!(check[0], "CMD");
    for client_ca in [None, Some("/run/kilwa/clients.pem")] {
        let mounts = ["/run/kilwa/", "/var/lib/"];
        let running = Deployed::start(environment.clone(), &mounts, client_ca);
        running.require_health(&check[1..]);
    }
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
    let Some(built) = kustomized(&folder("kubernetes")) else {
        eprintln!("left out: there is no kubectl on this machine");
        return;
    };
    for kind in ["ServiceAccount", "Service", "StatefulSet", "NetworkPolicy"] {
        assert!(built.contains(&format!("kind: {kind}\n")), "{kind} is missing:\n{built}");
    }
    assert!(built.contains("image: kilwa:0.1.0"), "{built}");
    assert_eq!(env!("CARGO_PKG_VERSION"), "0.1.0", "the tag in `deploy` is that of this version");
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn the_overlay_of_the_page_opens_what_it_says() {
    let overlay = tempfile::tempdir().unwrap();
    let page = fs::read_to_string(folder("README.md")).unwrap();
    let (_, block) = page.split_once("```yaml\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let link = overlay.path().join("kilwa");
    std::os::unix::fs::symlink(env!("CARGO_MANIFEST_DIR"), &link).unwrap();
    let here = overlay.path().join("overlay");
    fs::create_dir(&here).unwrap();
    fs::write(here.join("kustomization.yaml"), block).unwrap();
    let Some(built) = kustomized(&here) else {
        eprintln!("left out: there is no kubectl on this machine");
        return;
    };
    let built = YamlOwned::load_from_str(&built).unwrap();
    let of =
        |kind: &str| built.iter().find(|document| text(at(document, &["kind"])) == kind).unwrap();

    let container = &list(at(of("StatefulSet"), &["spec", "template", "spec"]), "containers")[0];
    assert_eq!(text(at(container, &["image"])), "registry.example.com/kilwa:0.1.0");
    let running = Deployed::start(variables(container), &POD_MOUNTS, None);
    for line in ["serving metrics and probes", "serving HTTP"] {
        running.server.await_line(line);
    }
    running.require_health(&words(at(container, &["readinessProbe", "exec", "command"])));

    // Each port that the policy and the service name is one of the container.
    let name_of = |port: &YamlOwned| text(at(port, &["name"]));
    let names: Vec<String> = list(container, "ports").iter().map(name_of).collect();
    let policy = at(of("NetworkPolicy"), &["spec"]);
    let port_of = |rule: &YamlOwned| text(at(&list(rule, "ports")[0], &["port"]));
    let admitted: Vec<String> = list(policy, "ingress").iter().map(port_of).collect();
    let service = list(at(of("Service"), &["spec"]), "ports").iter();
    let served: Vec<String> = service.map(|port| text(at(port, &["targetPort"]))).collect();
    assert_eq!([&admitted, &served], [&names, &names]);
    let numbers = list(policy, "egress").iter().flat_map(|rule| list(rule, "ports"));
    let numbers: Vec<i64> = numbers.map(|port| at(port, &["port"]).as_integer().unwrap()).collect();
    assert_eq!(numbers, [53, 53, 443, 4317, 4318]);
}

/// What kustomize makes of a folder; `None` where there is no kustomize.
pub(crate) fn kustomized(folder: &Path) -> Option<String> {
    let output = Command::new("kubectl").arg("kustomize").arg(folder).output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// The variables of a container of a pod.
fn variables(container: &YamlOwned) -> Vec<(String, String)> {
    let entries = list(container, "env").iter();
    entries.map(|entry| (text(at(entry, &["name"])), text(at(entry, &["value"])))).collect()
}

/// A server with the settings of a file in `deploy`, with a folder of the test in place of the mounts.
struct Deployed {
    server: Served,
    /// The variables of the container.
    environment: Vec<(String, PathBuf)>,
    _folder: tempfile::TempDir,
}

impl Deployed {
    /// Starts it, with a file of authorities of clients or without.
    fn start(
        mut environment: Vec<(String, String)>,
        mounts: &[&str],
        client_ca: Option<&str>,
    ) -> Self {
        let client_ca = client_ca.map(|path| ("KILWA_GRPC_TLS_CLIENT_CA_PATH", path));
        environment.extend(client_ca.map(|(name, path)| (name.to_owned(), path.to_owned())));

        let folder = tempfile::tempdir().unwrap();
        let issued = Authority::new("deploy").server();
        let local = |path: &str| -> PathBuf {
            let name = Path::new(path).file_name().unwrap();
            folder.path().join(name)
        };
        fs::write(local("tls.crt"), issued.certificate).unwrap();
        fs::write(local("tls.key"), issued.key).unwrap();
        fs::write(local("access.toml"), ACCESS).unwrap();
        fs::write(local("clients.pem"), Authority::new("clients").pem()).unwrap();

        let here = |(name, value): (String, String)| {
            let is_path = mounts.iter().any(|mount| value.starts_with(mount));
            let value = match (name.as_str(), value.as_str()) {
                ("KILWA_GRPC_ADDR", "0.0.0.0:50051")
                | ("KILWA_HTTP_ADDR", "0.0.0.0:8443")
                | ("KILWA_METRICS_ADDR", "0.0.0.0:9090") => PathBuf::from("127.0.0.1:0"),
                (_, path) if is_path => local(path),
                (_, value) => {
                    assert!(!value.starts_with('/'), "{name} is in no mount: {value}");
                    PathBuf::from(value)
                }
            };
            (name, value)
        };
        let environment: Vec<(String, PathBuf)> = environment.into_iter().map(here).collect();
        let mut program = without_variables(env!("CARGO_BIN_EXE_kilwa"));
        program.arg("serve").envs(environment.iter().map(|(name, value)| (name, value)));
        Self { server: Served::run(program), environment, _folder: folder }
    }

    /// Runs the command of a probe inside of the container.
    fn require_health(&self, command: &[String]) {
        let (program, arguments) = command.split_first().unwrap();
        assert_eq!(program, "/usr/bin/kilwa");
        let mut probe = kilwa();
        probe.args(arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        probe.env("KILWA_GRPC_ADDR", self.server.endpoint().replace("127.0.0.1", "0.0.0.0"));
        let output = probe.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

pub(crate) fn folder(name: &str) -> PathBuf {
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
