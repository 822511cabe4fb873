//! Where the keys of an identity provider are, as an access file says.

use super::content::IssuerContent;
use crate::access::token::{IssuerKeys, KeySet, KeySetSource, RemoteKeySet};
use crate::settings_file::{MistakeList, PlacedText};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use toml::Spanned;

/// The largest file of keys or authorities that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Bounds of the time after which keys are fetched again, in seconds, and what it is unless the file says otherwise.
const REFRESH_MIN: u64 = 10;
const REFRESH_MAX: u64 = 24 * 3_600;
const REFRESH: u64 = 300;
/// For how many seconds keys are used that cannot be fetched again, at most, and unless the file says otherwise.
const KEEP_MAX: u64 = 30 * 24 * 3_600;
const KEEP: u64 = 24 * 3_600;

/// The keys of an issuer. `None` when they cannot be used, which is a mistake.
pub(super) fn issuer_keys(
    mistakes: &mut MistakeList<'_>,
    content: &IssuerContent,
    folder: &Path,
) -> Option<IssuerKeys> {
    match (&content.jwks_file, &content.jwks_url) {
        (Some(file), None) => {
            let settings = [&content.jwks_refresh_seconds, &content.jwks_keep_seconds];
            for setting in settings.into_iter().flatten() {
                let message = "it is for `jwks_url`: a file is read when it changes";
                mistakes.note(setting.span(), message);
            }

            let path = folder.join(file.get_ref());
            let keys = read(&path).and_then(|text| {
                let keys = KeySet::parse(&text).and_then(KeySet::require_key);
                keys.map_err(|reason| format!("`{}`: {reason}", path.display()))
            });
            let keys = keys.map_err(|reason| mistakes.note(file.span(), reason)).ok()?;
            Some(IssuerKeys::File(path, keys))
        }
        (None, Some(url)) => remote(mistakes, content, url, folder),
        (None, None) | (Some(_), Some(_)) => {
            let message = "name the keys by one of `jwks_file` and `jwks_url`";
            mistakes.note(content.name.span(), message);
            None
        }
    }
}

fn remote(
    mistakes: &mut MistakeList<'_>,
    content: &IssuerContent,
    url: &PlacedText,
    folder: &Path,
) -> Option<IssuerKeys> {
    if !is_acceptable(url.get_ref()) {
        let message = "jwks_url must be an address `https://…`; `http://` is for 127.0.0.1, [::1] and localhost alone";
        mistakes.note(url.span(), message);
    }
    let refresh = content.jwks_refresh_seconds.as_ref();
    let refresh =
        within(mistakes, refresh, (REFRESH_MIN, REFRESH, REFRESH_MAX), "jwks_refresh_seconds");
    let keep = content.jwks_keep_seconds.as_ref();
    let keep = within(mistakes, keep, (refresh, KEEP.max(refresh), KEEP_MAX), "jwks_keep_seconds");

    let path = content.jwks_ca_file.as_ref().map(|file| folder.join(file.get_ref()));
    let authorities = match (&content.jwks_ca_file, &path) {
        (Some(file), Some(path)) => {
            let text = read(path).and_then(|text| {
                let is_pem = text.contains("-----BEGIN CERTIFICATE-----");
                let reason = || format!("`{}`: it has no certificate in PEM form", path.display());
                if is_pem { Ok(text) } else { Err(reason()) }
            });
            Some(text.map_err(|reason| mistakes.note(file.span(), reason)).ok()?.into_bytes())
        }
        _ => None,
    };
    let source = KeySetSource {
        issuer: content.name.get_ref().clone(),
        url: url.get_ref().clone(),
        authorities,
        refresh: Duration::from_secs(refresh),
        keep: Duration::from_secs(keep),
    };
    Some(IssuerKeys::Remote(Arc::new(RemoteKeySet::new(source)), path))
}

/// A number of seconds within bounds.
fn within(
    mistakes: &mut MistakeList<'_>,
    given: Option<&Spanned<u64>>,
    (min, usual, max): (u64, u64, u64),
    name: &str,
) -> u64 {
    let Some(given) = given else { return usual };
    if !(min..=max).contains(given.get_ref()) {
        mistakes.note(given.span(), format!("{name} must be between {min} and {max}"));
    }
    *given.get_ref()
}

/// Whether keys from an address can be trusted: who could change them on their way could make tokens.
fn is_acceptable(url: &str) -> bool {
    let is_clean = url.chars().all(|letter| letter.is_ascii_graphic()) && !url.contains(['@', '#']);
    let host = |rest: &str| {
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let end = if authority.starts_with('[') {
            authority.find(']').map(|at| at + 1)
        } else {
            authority.find(':')
        };
        authority.get(..end.unwrap_or(authority.len())).unwrap_or_default().to_owned()
    };
    let is_allowed = if let Some(rest) = url.strip_prefix("https://") {
        !host(rest).is_empty()
    } else if let Some(rest) = url.strip_prefix("http://") {
        ["127.0.0.1", "[::1]", "localhost"].contains(&host(rest).as_str())
    } else {
        false
    };
    is_clean && is_allowed
}

fn read(path: &Path) -> Result<String, String> {
    let unreadable = |reason: String| format!("`{}`: {reason}", path.display());
    let bytes = fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(unreadable(format!("it has {bytes} bytes, more than {FILE_BYTES_MAX}")));
    }
    fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::is_acceptable;

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for url in [
            "https://idp.example.org/keys",
            "https://idp.example.org:8443/keys?tenant=1",
            "http://127.0.0.1:8080/keys",
            "http://[::1]:8080/keys",
            "http://localhost/keys",
        ] {
            assert!(is_acceptable(url), "{url}");
        }

        for url in [
            "",
            "idp.example.org",
            "https://",
            "https:///keys",
            "http://idp.example.org/keys",
            "http://localhost.example.org/keys",
            "http://127.0.0.1@idp.example.org/keys",
            "http://127.0.0.1.example.org/",
            "ftp://localhost/keys",
            "https://idp.example.org/ke ys",
        ] {
            assert!(!is_acceptable(url), "{url}");
        }
    }
}
