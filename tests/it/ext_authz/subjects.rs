//! Where subjects come from.

use super::{Asked, EnvoyAnswer, Guarded};
use crate::access::tokens::{Signer, claims, key_set};
use crate::server_support::structure;
use kilwa::config::Config;
use kilwa::proto::envoy::config::core::v3::address::Address as AddressKind;
use kilwa::proto::envoy::config::core::v3::{Address, SocketAddress};
use serde_json::json;
use std::fs;
use tempfile::TempDir;

/// A file with one rule, whose subject is this.
fn mapping(subject: &str) -> String {
    format!(
        "[upstream]\nsubject_header = \"x-subject\"\n[[rules]]\nname = \"read\"\npath = \"/{{document}}\"\n\
         resource = {{ type = \"document\", id = \"{{document}}\" }}\npermission = \"view\"\nsubject = {subject}\n"
    )
}

fn subject(told: &EnvoyAnswer) -> Option<&str> {
    told.headers.get("x-subject").map(String::as_str)
}

/// Adds an access file whose issuer signs with these keys. Its tokens give no role.
fn add_issuer(config: &mut Config, dir: &TempDir, signer: &Signer) {
    fs::write(dir.path().join("jwks.json"), key_set(&[signer.jwk("1")])).unwrap();
    let access = "[[issuers]]\nname = \"idp\"\nissuer = \"https://idp.example.org/\"\naudience = [\"kilwa\"]\n\
                  algorithms = [\"EdDSA\"]\njwks_file = \"jwks.json\"\n";
    fs::write(dir.path().join("access.toml"), access).unwrap();
    config.access_file = Some(dir.path().join("access.toml"));
}

#[tokio::test]
async fn a_claim_counts_in_a_valid_token_alone() {
    let signer = Signer::ed();
    let text = r#"{ type = "user", claim = "user.name", issuer = "idp", audience = ["shop"] }"#;
    let guarded =
        Guarded::start_with(&mapping(text), |config, dir| add_issuer(config, dir, &signer)).await;
    let right = json!({"aud": "shop", "user": {"name": "ann"}, "roles": null});
    let bearer =
        |token: &str| Asked::get("/plan").header("authorization", &format!("Bearer {token}"));

    let token = signer.token("1", &claims(&right));
    assert_eq!(subject(&guarded.ask(bearer(&token)).await), Some("user:ann"));
    // It names a user, and is no way to call the server.
    guarded
        .server
        .permissions_as(&token)
        .await
        .check_permission(crate::server_support::question("document:plan#view@user:ann"))
        .await
        .unwrap_err();

    let changed = |name: &str, value: serde_json::Value| {
        let mut changed = right.clone();
        changed[name] = value;
        signer.token("1", &claims(&changed))
    };
    let stranger = Signer::ed();
    let wrong = [
        stranger.token("1", &claims(&right)),
        signer.token_with(&json!({"alg": "none"}), &claims(&right)),
        format!("{token}x"),
        changed("aud", json!("kilwa")),
        changed("iss", json!("https://other.example.org/")),
        changed("exp", json!(1_000_000)),
        changed("user", json!({"name": 7})),
        changed("user", json!("ann")),
        changed("user", json!(null)),
        String::new(),
        "a.b.c".to_owned(),
        "x".repeat(20_000),
    ];
    for token in wrong {
        let told = guarded.ask(bearer(&token)).await;
        assert_eq!(told.status, 401, "{token}: {told:?}");
        assert!(token.is_empty() || !told.fact("reason").contains(&token), "{told:?}");
    }
    let basic = Asked::get("/plan").header("authorization", &format!("Basic {token}"));
    assert_eq!(guarded.ask(basic).await.status, 401);
    let twice =
        Asked::get("/plan").header("authorization", &format!("Bearer {token},Bearer {token}"));
    assert_eq!(guarded.ask(twice).await.status, 401);
}

#[tokio::test]
async fn a_token_may_lie_in_another_header() {
    let signer = Signer::ed();
    let text = r#"{ type = "user", claim = "sub", issuer = "idp", token_header = "X-Token" }"#;
    let guarded =
        Guarded::start_with(&mapping(text), |config, dir| add_issuer(config, dir, &signer)).await;
    let token = signer.token("1", &claims(&json!({"roles": null})));
    for value in [token.clone(), format!("bearer {token}")] {
        let asked = Asked::get("/plan").header("x-token", &value);
        assert_eq!(subject(&guarded.ask(asked).await), Some("user:ann"));
    }
}

#[tokio::test]
async fn metadata_of_an_earlier_filter_names_a_subject() {
    let guarded =
        Guarded::start(&mapping(r#"{ type = "user", metadata = "jwt_payload.sub" }"#)).await;
    let asked = |namespace: &str, json: &str| {
        let mut asked = Asked::get("/plan");
        asked.metadata.filter_metadata.insert(namespace.to_owned(), structure(json));
        asked
    };
    let filter = "envoy.filters.http.jwt_authn";
    let right = asked(filter, r#"{"jwt_payload": {"sub": "ann"}}"#);
    assert_eq!(subject(&guarded.ask(right).await), Some("user:ann"));
    for json in
        [r#"{"jwt_payload": {"sub": 7}}"#, r#"{"jwt_payload": "ann"}"#, r#"{"sub": "ann"}"#, "{}"]
    {
        assert_eq!(guarded.ask(asked(filter, json)).await.status, 401, "{json}");
    }
    let other = asked("envoy.filters.http.lua", r#"{"jwt_payload": {"sub": "ann"}}"#);
    assert_eq!(guarded.ask(other).await.status, 401);
    // A token that is only sent proves nothing.
    let sent = Asked::get("/plan")
        .header("authorization", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.");
    assert_eq!(guarded.ask(sent).await.status, 401);
}

#[tokio::test]
async fn the_name_in_a_certificate_names_a_subject() {
    let text = r#"{ type = "user", principal_prefix = "spiffe://example.org/" }"#;
    let guarded = Guarded::start(&mapping(text)).await;
    let asked = |principal: &str| {
        let mut asked = Asked::get("/plan");
        asked.source.principal = principal.to_owned();
        asked
    };
    assert_eq!(subject(&guarded.ask(asked("spiffe://example.org/ann")).await), Some("user:ann"));
    for principal in ["", "ann", "spiffe://evil.org/ann", "spiffe://example.organn"] {
        assert_eq!(guarded.ask(asked(principal)).await.status, 401, "{principal}");
    }
    assert_eq!(guarded.ask(asked("spiffe://example.org/")).await.status, 403, "an empty id");
}

#[tokio::test]
async fn a_subject_may_be_fixed_and_no_request_is_a_wildcard() {
    let guarded = Guarded::start(&mapping(r#"{ type = "user", id = "ann" }"#)).await;
    assert_eq!(subject(&guarded.ask(Asked::get("/plan")).await), Some("user:ann"));
    let guarded = Guarded::start(&mapping(r#"{ type = "user", header = "x-user" }"#)).await;
    guarded.server.touch(&["document:open#viewer@user:*"]).await.unwrap();
    assert!(guarded.ask(Asked::get("/open").header("x-user", "zoe")).await.passes());
    let told = guarded.ask(Asked::get("/plan").header("x-user", "*")).await;
    assert_eq!((told.status, told.fact("verdict")), (403, "deny"));
    let list = guarded.ask(Asked::get("/plan").header("x-user", "ann,bob")).await;
    assert_eq!(list.status, 403, "two values are no subject");
}

#[tokio::test]
async fn context_comes_from_the_address_the_path_and_the_file() {
    let mapping = mapping(r#"{ type = "user", id = "ann" }"#)
        + "[rules.context]\nday = { segment = \"document\" }\nip = { source_address = true }\nlist = { value = [1, \"a\"] }\n";
    let guarded = Guarded::start(&mapping).await;
    let schema = "caveat here(ip ipaddress, day string, list list<any>) { ip.in_cidr('10.0.0.0/8') && day == 'plan' && list.size() == 2 }\n\
                  definition user {}\n\
                  definition document {\n relation owner: user\n relation viewer: user with here | user | user:* | user with only_on\n\
                  permission edit = owner\n permission view = viewer + edit\n}\n\
                  caveat only_on(day string, allowed string) { day == allowed }\n definition group { relation member: user | group#member }";
    guarded.server.write_schema(schema).await.unwrap();
    guarded.server.touch(&["document:plan#viewer@user:ann[here]"]).await.unwrap();
    let asked = |address: Option<&str>| {
        let mut asked = Asked::get("/plan");
        asked.source.address = address.map(|address| Address {
            address: Some(AddressKind::SocketAddress(SocketAddress {
                address: address.to_owned(),
            })),
        });
        asked
    };
    assert!(guarded.ask(asked(Some("10.1.2.3"))).await.passes());
    assert!(!guarded.ask(asked(Some("11.1.2.3"))).await.passes());
    assert!(!guarded.ask(asked(None)).await.passes());
    assert!(!guarded.ask(asked(Some("/var/run/socket"))).await.passes());
}
