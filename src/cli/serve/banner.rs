//! What a server says when it starts: where it is, where its key is, and a question to try.

use crate::cli::render::{DIM, GOOD, STRONG, styled};
use crate::config::KeySource;
use crate::validation::Example;
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The port that clients look for by themselves.
const USUAL_PORT: u16 = 50051;

pub(super) struct Banner {
    /// How a shell calls this program.
    pub(super) program: String,
    pub(super) address: SocketAddr,
    /// The data folder, when it is not the usual one.
    pub(super) data_dir: Option<PathBuf>,
    /// A question whose answer is yes.
    pub(super) example: Option<Example>,
}

impl Banner {
    pub(super) fn text(&self, data_dir: &Path, keys: &KeySource) -> String {
        let key = match keys {
            KeySource::Given => "given with --grpc-preshared-key".to_owned(),
            KeySource::Kept(file) => format!("in {}", file.display()),
            KeySource::Made(file) => format!("made just now, in {}", file.display()),
        };
        let mut lines = vec![
            format!("{} kilwa serves gRPC at {}", styled(GOOD, "✓"), styled(STRONG, self.address)),
            format!("  data {}", data_dir.display()),
            format!("  key  {key}"),
            String::new(),
        ];
        match &self.example {
            Some(example) => lines.extend([
                styled(DIM, "  # ask it, here:"),
                format!("  {}", self.check(example, keys)),
                styled(DIM, "  # and from an application, here Python with `pip install authzed`:"),
                format!("  {}", self.python(example, keys)),
            ]),
            None => lines.extend([
                styled(DIM, "  # give it a schema (when it has none):"),
                format!("  {} schema write FILE{}", self.program, self.flags(keys)),
            ]),
        }
        lines.join("\n") + "\n"
    }

    /// What a client has to be told beside the question.
    fn flags(&self, keys: &KeySource) -> String {
        let unusual = self.address.port() != USUAL_PORT || !self.address.ip().is_loopback();
        let endpoint =
            if unusual { format!(" --endpoint {}", self.reachable()) } else { String::new() };
        let key = match (keys, &self.data_dir) {
            (KeySource::Given, _) => " --token $KEY".to_owned(),
            (KeySource::Kept(_) | KeySource::Made(_), Some(dir)) => {
                format!(" --data-dir {}", quoted(&dir.display().to_string()))
            }
            (KeySource::Kept(_) | KeySource::Made(_), None) => String::new(),
        };
        endpoint + &key
    }

    /// The address as a client on this machine reaches it.
    fn reachable(&self) -> String {
        match (self.address.ip().is_unspecified(), self.address.is_ipv6()) {
            (true, false) => format!("127.0.0.1:{}", self.address.port()),
            (true, true) => format!("[::1]:{}", self.address.port()),
            (false, _) => self.address.to_string(),
        }
    }

    fn check(&self, example: &Example, keys: &KeySource) -> String {
        let Example { resource, permission, subject } = example;
        let (resource, subject) = (quoted(&resource.to_string()), quoted(&subject.to_string()));
        let program = &self.program;
        format!("{program} permission check {resource} {permission} {subject}{}", self.flags(keys))
    }

    /// The same question through the official client. One statement, so that it may stand indented in a shell.
    fn python(&self, example: &Example, keys: &KeySource) -> String {
        let key = match keys {
            KeySource::Given => "$KEY".to_owned(),
            KeySource::Kept(file) | KeySource::Made(file) => {
                format!("$(cat {})", quoted(&file.display().to_string()))
            }
        };
        let Example { resource, permission, subject } = example;
        let relation = subject.relation().map(|name| format!(", optional_relation={}", json!(name)));
        let code = format!(
            "import os, grpcutil; from authzed.api.v1 import *; print(
    SyncClient({}, grpcutil.insecure_bearer_token_credentials(os.environ[\"KEY\"]))
    .CheckPermission(CheckPermissionRequest(
        resource=ObjectReference(object_type={}, object_id={}), permission={},
        subject=SubjectReference(object=ObjectReference(object_type={}, object_id={}){}))))",
            json!(self.reachable()),
            json!(resource.object_type()),
            json!(resource.object_id()),
            json!(permission),
            json!(subject.object_type()),
            json!(subject.object_id()),
            relation.unwrap_or_default(),
        );
        format!("KEY=\"{key}\" python3 -c {}", quoted(&code))
    }
}

/// A text as a shell reads it back.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_-.:=+@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}
