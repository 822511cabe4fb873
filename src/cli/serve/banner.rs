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
                styled(DIM, "  # and from any gRPC client:"),
                format!("  {}", self.grpcurl(example, keys)),
            ]),
            None => lines.extend([
                styled(DIM, "  # give it a schema (when it has none):"),
                format!("  kilwa schema write FILE{}", self.flags(keys)),
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
        format!("kilwa permission check {resource} {permission} {subject}{}", self.flags(keys))
    }

    fn grpcurl(&self, example: &Example, keys: &KeySource) -> String {
        let key = match keys {
            KeySource::Given => "$KEY".to_owned(),
            KeySource::Kept(file) | KeySource::Made(file) => {
                format!("$(cat {})", quoted(&file.display().to_string()))
            }
        };
        let request = json!({
            "consistency": { "fullyConsistent": true },
            "resource": {
                "objectType": example.resource.object_type(),
                "objectId": example.resource.object_id(),
            },
            "permission": example.permission,
            "subject": {
                "object": {
                    "objectType": example.subject.object_type(),
                    "objectId": example.subject.object_id(),
                },
                "optionalRelation": example.subject.relation().unwrap_or_default(),
            },
        });
        format!(
            "grpcurl -plaintext -H \"authorization: Bearer {key}\" -d {} {} authzed.api.v1.PermissionsService/CheckPermission",
            quoted(&request.to_string()),
            self.reachable()
        )
    }
}

/// A text as a shell reads it back.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_-.:=+@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}
