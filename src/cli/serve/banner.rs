//! The banner of a started server: its address, the location of its key, and a check to try.

use crate::cli::data_dir::default_data_dir;
use crate::cli::render::{DIM, GOOD, STRONG, styled};
use crate::cli::server_args::{DEFAULT_ENDPOINT, is_loopback};
use crate::config::KeySource;
use crate::server::{Contents, TlsAccess};
use crate::validation::Example;
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;

pub(super) struct Banner<'s> {
    /// The name by which a shell calls this program.
    pub(super) program: String,
    pub(super) address: SocketAddr,
    pub(super) data_dir: &'s Path,
    pub(super) keys: &'s KeySource,
    /// What clients need for TLS, if it speaks that.
    pub(super) tls: Option<TlsAccess>,
    /// The address of HTTP, if it is served.
    pub(super) http: Option<String>,
}

impl Banner<'_> {
    /// The text of the banner. `example` is a check with a result in the bootstrap data.
    pub(super) fn text(&self, contents: Contents, example: Option<&Example>) -> String {
        let key = match self.keys {
            KeySource::Given => {
                "given with --grpc-preshared-key or KILWA_GRPC_PRESHARED_KEY".to_owned()
            }
            KeySource::AccessFile(file) => format!("those of {}", file.display()),
            KeySource::Kept(file) => format!("in {}", file.display()),
            KeySource::Made(file) => format!("generated, in {}", file.display()),
        };
        let mut lines = vec![
            format!("{} kilwa serves gRPC at {}", styled(GOOD, "✓"), styled(STRONG, self.address)),
            format!("  data {}", self.data_dir.display()),
            format!("  key  {key}"),
        ];
        lines.extend(self.http.as_ref().map(|http| format!("  http {http}")));
        lines.push(String::new());

        match (contents, example) {
            (Contents::Bootstrap, Some(example)) if self.tls.is_some() => lines
                .extend([styled(DIM, "  # run a check:"), format!("  {}", self.check(example))]),
            (Contents::Bootstrap, Some(example)) => lines.extend([
                styled(DIM, "  # run a check, from any terminal of this machine:"),
                format!("  {}", self.check(example)),
                styled(
                    DIM,
                    "  # and from an application, here in Python with `pip install authzed`:",
                ),
                format!("  {}", self.python(example)),
            ]),
            (Contents::Bootstrap | Contents::Other, _) => lines.extend([
                styled(DIM, "  # print its schema:"),
                format!("  {} schema read{}", self.program, self.flags()),
            ]),
            (Contents::Nothing, _) => lines.extend([
                styled(DIM, "  # write a schema:"),
                format!("  {} schema write FILE{}", self.program, self.flags()),
            ]),
        }

        lines.extend(self.variables().map(|variables| styled(DIM, variables)));
        lines.join("\n") + "\n"
    }

    /// What the variables in the commands stand for, where the server cannot know it.
    fn variables(&self) -> Option<String> {
        let tls = self.tls.as_ref()?;
        let mut known = vec![
            "$CA is the file of the authority that issued the certificate (not needed for one that the system trusts)",
        ];
        if tls.requires_certificate {
            known
                .push("$CERT and $CERT_KEY are the files of a client's certificate and of its key");
        }
        if matches!(self.keys, KeySource::Given | KeySource::AccessFile(_)) {
            known.push("$KEY is a key");
        }
        Some(format!("  # where {}", known.join(", ")))
    }

    /// The flags that a client needs in addition to the check.
    fn flags(&self) -> String {
        let is_default = DEFAULT_ENDPOINT.parse() == Ok(self.address);
        let endpoint = match &self.tls {
            Some(TlsAccess { endpoint, requires_certificate }) => {
                let own = " --client-certificate-path \"$CERT\" --client-key-path \"$CERT_KEY\"";
                let own = if *requires_certificate { own } else { "" };
                format!(" --endpoint {} --certificate-path \"$CA\"{own}", quoted(endpoint))
            }
            None if is_default => String::new(),
            None => format!(" --endpoint {}", self.reachable()),
        };

        // A key in a data folder is sent by itself only to an address of this machine.
        let is_elsewhere = self.tls.as_ref().is_some_and(|tls| !is_loopback(&tls.endpoint));
        let key = match self.keys {
            KeySource::Given | KeySource::AccessFile(_) => " --token \"$KEY\"".to_owned(),
            KeySource::Kept(file) | KeySource::Made(file) if is_elsewhere => {
                format!(" --token-file {}", quoted(&file.display().to_string()))
            }
            KeySource::Kept(_) | KeySource::Made(_) if self.data_dir == default_data_dir() => {
                String::new()
            }
            KeySource::Kept(_) | KeySource::Made(_) => {
                format!(" --data-dir {}", quoted(&self.data_dir.display().to_string()))
            }
        };
        endpoint + &key
    }

    /// The address at which a client on this machine reaches the server.
    fn reachable(&self) -> String {
        match (self.address.ip().is_unspecified(), self.address.is_ipv6()) {
            (true, false) => format!("127.0.0.1:{}", self.address.port()),
            (true, true) => format!("[::1]:{}", self.address.port()),
            (false, _) => self.address.to_string(),
        }
    }

    fn check(&self, Example { resource, permission, subject }: &Example) -> String {
        let (resource, subject) = (quoted(&resource.to_string()), quoted(&subject.to_string()));
        let (program, flags) = (&self.program, self.flags());
        format!("{program} permission check {resource} {permission} {subject}{flags}")
    }

    /// The same check through the official Python client. One statement, so that it may be indented in a shell.
    fn python(&self, Example { resource, permission, subject }: &Example) -> String {
        let key = match self.keys {
            KeySource::Given | KeySource::AccessFile(_) => String::new(),
            KeySource::Kept(file) | KeySource::Made(file) => {
                format!("KEY=\"$(cat {})\" ", quoted(&file.display().to_string()))
            }
        };
        let relation =
            subject.relation().map(|name| format!(", optional_relation={}", json!(name)));

        let code = format!(
            "import os, grpcutil, authzed.api.v1 as v1; print(
    v1.SyncClient({}, grpcutil.insecure_bearer_token_credentials(os.environ[\"KEY\"]))
    .CheckPermission(v1.CheckPermissionRequest(
        resource=v1.ObjectReference(object_type={}, object_id={}), permission={},
        subject=v1.SubjectReference(object=v1.ObjectReference(object_type={}, object_id={}){}))))",
            json!(self.reachable()),
            json!(resource.object_type()),
            json!(resource.object_id()),
            json!(permission),
            json!(subject.object_type()),
            json!(subject.object_id()),
            relation.unwrap_or_default(),
        );

        format!("{key}python3 -c {}", quoted(&code))
    }
}

/// A text quoted for a shell.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_-.:=+@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}
