//! Tokens of identity providers.

use super::calls;
use super::methods::write;
use super::{Guarded, SCHEMA};
use crate::program::without_variables;
use crate::served::Served;
use crate::server_support::question;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::get_current_timestamp;
use kilwa::proto::authzed::api::v1 as proto;
use prost::Message as _;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use tonic::Code;

const CHECK: &str = "/authzed.api.v1.PermissionsService/CheckPermission";
const READ: &str = "/authzed.api.v1.PermissionsService/ReadRelationships";
const WRITE: &str = "/authzed.api.v1.PermissionsService/WriteRelationships";
const WATCH: &str = "/authzed.api.v1.WatchService/Watch";
const WRITE_SCHEMA: &str = "/authzed.api.v1.SchemaService/WriteSchema";

/// A key for these tests alone.
const RSA_KEY: &str = "\
    MIIEpQIBAAKCAQEA5apIpmjG27yyIUEXah9XPhLQkqVxZWRgspJDT5nADe7S+51RjZmCmWCF2S3spJWOPc7RjomjXaFzWLk7BlcF \
    OsJ3g8n2rJ5EgCmGFHi/BHZpZYi2NzuDoP/nHphAmrU4lN0xokB5fbhiZk5D4yOLIpZCzktPB+RVp8QTAsfn71iKY1ndf2VXduts \
    sgPU97aYs/BvzNTufc+puItrWP7+P/poHYEstHlXcnT+w4BJVv7yKBHY0N2lAkM3ekq8pxYXGJKC3fgW/6Y6WLIqPkvm2HsDCad2 \
    2hgdI5Bipc/QYhKkl6/najCOX7iRZlpR0IllWTO2f4NfAbCeyvMwaFMLvQIDAQABAoIBAAWON4/AYirLFyECBIu7Bv7FgxlSvv6n \
    7Y51axV8rVCLQLwUEmRsYRsgfe2HT+a+mUKTbIDKXOnFKO52wORfwwOWVC4kn17XPR0tQ/c5mBYrXq+Hr/j/tM1kLZ0shwfUvMRC \
    hs4Ebi41ZfFi0O06xkWp4KMvg/YlTayz2aBOapKOiLFIB5ELrRiqHsGYVP5eJWG1vtt8m7brbxAO6dSQXkZBtJme26F2i/+qfbIx \
    GkgOMO4QB+hBQJ+eZmSd5QLS9imFjnXbHqUCpjQ0tEkwfWdHvw4OrbC6wfccu6YxUF0JSRy20mLXHKlbcYl2bQsKl/hqx+z/DUCY \
    hP7e9/bwEqECgYEA87qZ6XtXxDdDpkNMXqa/EX4WwOekmfCdLhovTEienI+Y4INRJGQVGSxVXoBv2ruqogVcmLrIKuliXLxRiya0 \
    NRm1csa15gB+a5UVQ7/RJXiHj0WsPAcWW4WXTHp7eUGVczYWPGsPzx9Hej9Sw3Ghf15u8nbAgeuSXt/cofHV/iECgYEA8TpqlrI9 \
    o55dJ5ee4qfGdgHK2cKKDXjd8EvFjtGNG/XyuAjSG5URRtyLkGVOxKmRNJdB/3EX4OC7HK51mBxX34enp9/eeIMRNjjeeAvgHEBC \
    VuXZWQ8n0qykPN+VU9uoFSafwly2ZlOZyJbvtrBOFdtpg4SakYYbl/L7wQn5Ah0CgYEAmLUj1hxH41LU+glUgkFrmaQs0XTRtvoB \
    IW+ajus5JdL68ECWyHxEk98pJerHKn9G6/j8CV2OKQTNclkzpkH7ywFupJlIQvGwQ+vGxQocGqQoG2aGAZ5XLcTIBU0Aq/qhjuwm \
    hnh2EUoB2OBwFLDPhSQ/038AIubccMFGVdlWQMECgYEAjJdzT+kKK7Y8rLqdi5QlAtoAk/Hh7AApuccvmRFgoI8zqzbY3eJ/c0FO \
    xhWFVvFNA820VWBgflv8MbcsKj86p7i0ag775ljdSzDR2D1znIOHJoZHqrQ+jXa5MhFNQtaem9Uq/2hxlinbUyFFDMCsgeijElfS \
    jkYPBvxC5jsdubECgYEAmU9DJPIEATgcHAHUhBEanbV7MCUqdej9ny2KW7RHk8AJt+C5dHLUD7//lifuqC+clGxEoJ6xyLEQol2E \
    Gri3E2tm2JUVCu2Ine29BrLC3a0OFz6MxwQQF0g1OLyNaSx16yZOAU60D6vRS++nghlFmoCYaYtm6Y530uN3m9JGrc8= \
";

/// The private keys of an identity provider.
pub(crate) enum Signer {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl Signer {
    fn ec() -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self::Ec(EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap())
    }

    pub(crate) fn ed() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
    }

    fn rsa() -> Self {
        Self::Rsa(
            RsaKeyPair::from_der(&STANDARD.decode(RSA_KEY.replace(' ', "")).unwrap()).unwrap(),
        )
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Ec(_) => "ES256",
            Self::Ed(_) => "EdDSA",
            Self::Rsa(_) => "RS256",
        }
    }

    /// The public key, as a key set has it.
    pub(crate) fn jwk(&self, id: &str) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ec(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "kid": id, "x": encode(x), "y": encode(y) })
            }
            Self::Ed(key) => {
                let x = encode(key.public_key().as_ref());
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "alg": "EdDSA", "x": x })
            }
            Self::Rsa(key) => {
                let parts = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(key.public());
                let (n, e) = (encode(&parts.n), encode(&parts.e));
                json!({ "kty": "RSA", "use": "sig", "kid": id, "n": n, "e": e })
            }
        }
    }

    pub(crate) fn token(&self, id: &str, claims: &Value) -> String {
        self.token_with(&json!({ "alg": self.algorithm(), "typ": "JWT", "kid": id }), claims)
    }

    pub(crate) fn token_with(&self, header: &Value, claims: &Value) -> String {
        self.token_of_text(header, &claims.to_string())
    }

    /// A token whose claims are this text.
    fn token_of_text(&self, header: &Value, claims: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let text = format!("{}.{}", encode(&header.to_string()), encode(claims));
        let signature = match self {
            Self::Ec(key) => {
                key.sign(&SystemRandom::new(), text.as_bytes()).unwrap().as_ref().to_vec()
            }
            Self::Ed(key) => key.sign(text.as_bytes()).as_ref().to_vec(),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                let random = SystemRandom::new();
                key.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).unwrap();
                signature
            }
        };
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The claims of a right token, with some changed. One that is set to null is missing.
pub(crate) fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": "https://idp.example.org/",
        "aud": ["another service", "kilwa"],
        "sub": "ann",
        "exp": get_current_timestamp() + 600,
        "roles": ["checkers"],
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

/// An access file whose issuer has its keys in a file beside it.
pub(crate) fn access(algorithms: &[&str], lines: &str) -> String {
    format!(
        "[roles.checks]\nmethods = [\"check\"]\n\
         [[issuers]]\nname = \"idp\"\nissuer = \"https://idp.example.org/\"\naudience = [\"kilwa\"]\n\
         algorithms = {algorithms:?}\njwks_file = \"jwks.json\"\n{lines}\n\
         roles = {{ checkers = [\"checks\"], admins = [\"full\"] }}\n"
    )
}

pub(crate) fn key_set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// A server that accepts the tokens of an issuer with these keys.
struct Trusting {
    server: Served,
    folder: TempDir,
}

impl Trusting {
    fn start(access: &str, keys: &[Value]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("jwks.json"), key_set(keys)).unwrap();
        fs::write(folder.path().join("access.toml"), access).unwrap();
        let mut program = without_variables(env!("CARGO_BIN_EXE_kilwa"));
        program.args(["serve", "--grpc-addr", "127.0.0.1:0", "--access-file"]);
        program.arg(folder.path().join("access.toml"));
        program.arg("--data-dir").arg(folder.path().join("data"));
        Self { server: Served::run(program), folder }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The code and the text of a refusal by token; `None` where the caller is let in.
    async fn refusal(&self, token: &str, path: &str) -> Option<(Code, String)> {
        let request = if path == CHECK {
            question("document:a#view@user:ann").encode_to_vec()
        } else if path == WRITE_SCHEMA {
            proto::WriteSchemaRequest { schema: SCHEMA.to_owned() }.encode_to_vec()
        } else {
            Vec::new()
        };
        let channel = self.server.channel().await;
        let answer = calls::call(channel, Some(token), path, vec![request]).await;
        let error = answer.error?;
        assert!(!error.message().contains(token), "{error:?}");
        let refuses = [Code::Unauthenticated, Code::PermissionDenied].contains(&error.code());
        refuses.then(|| (error.code(), error.message().to_owned()))
    }

    async fn is_let_in(&self, token: &str) -> bool {
        self.refusal(token, CHECK).await.is_none()
    }
}

#[tokio::test]
async fn a_token_has_the_roles_of_its_claim() {
    let signers = [("ec", Signer::ec()), ("ed", Signer::ed()), ("rsa", Signer::rsa())];
    let keys: Vec<Value> = signers.iter().map(|(id, signer)| signer.jwk(id)).collect();
    let trusting = Trusting::start(&access(&["RS256", "ES256", "EdDSA"], ""), &keys);
    for (id, signer) in &signers {
        let token = signer.token(id, &claims(&json!({})));
        // Twice, because the second time it is remembered.
        for _ in 0..2 {
            assert_eq!(trusting.refusal(&token, CHECK).await, None, "{id}");
            let (code, text) = trusting.refusal(&token, READ).await.unwrap();
            assert_eq!(code, Code::PermissionDenied);
            assert!(text.contains("ReadRelationships"), "{text}");
        }
        let admin = signer.token(id, &claims(&json!({ "roles": "openid admins" })));
        assert_eq!(trusting.refusal(&admin, WRITE_SCHEMA).await, None, "{id}");
        let stranger = signer.token(id, &claims(&json!({ "roles": ["others"] })));
        assert_eq!(trusting.refusal(&stranger, CHECK).await.unwrap().0, Code::PermissionDenied);
    }
}

#[tokio::test]
async fn the_claim_of_the_roles_may_lie_in_another() {
    let signer = Signer::ed();
    let lines = "roles_claim = \"realm_access.roles\"";
    let trusting = Trusting::start(&access(&["EdDSA"], lines), &[signer.jwk("k")]);
    let roles = json!({ "roles": null, "realm_access": { "roles": ["checkers"] } });
    assert!(trusting.is_let_in(&signer.token("k", &claims(&roles))).await);
    assert!(!trusting.is_let_in(&signer.token("k", &claims(&json!({})))).await);
}

#[tokio::test]
async fn a_token_that_is_not_right_is_refused() {
    let (signer, other) = (Signer::ec(), Signer::ec());
    let lines = "clock_skew_seconds = 30";
    let trusting = Trusting::start(&access(&["ES256"], lines), &[signer.jwk("k")]);
    let now = get_current_timestamp();
    let of = |changes: Value| signer.token("k", &claims(&changes));
    let right = of(json!({}));
    // The claims of a right token after one more, of which parsers that go by the last one see nothing.
    let repeated = |first: &str| {
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": "k" });
        let claims = claims(&json!({})).to_string().replacen('{', &format!("{{\"{first}\","), 1);
        signer.token_of_text(&header, &claims)
    };
    assert!(trusting.is_let_in(&repeated("more\":\"")).await);
    let cases = [
        (other.token("k", &claims(&json!({}))), "signature"),
        (right.replace('.', ""), "invalid token"),
        (format!("{right}x"), "signature"),
        (of(json!({ "iss": "https://other.example.org/" })), "issuer"),
        (of(json!({ "iss": null })), "no claim `iss`"),
        (of(json!({ "iss": 7 })), "no claim `iss`"),
        (of(json!({ "aud": "another service" })), "audience"),
        (of(json!({ "aud": null })), "claims"),
        (of(json!({ "exp": now - 3600 })), "expired"),
        (of(json!({ "exp": null })), "claims"),
        (of(json!({ "nbf": now + 3600 })), "not valid yet"),
        (of(json!({ "sub": null })), "claims"),
        (of(json!({ "sub": "" })), "claims"),
        (of(json!({ "sub": "ann\nlog" })), "its claim `sub` names the caller"),
        (of(json!({ "sub": "é".repeat(256) })), "its claim `sub` names the caller"),
        (signer.token("another key", &claims(&json!({}))), "key"),
        (repeated("iss\":\"https://other.example.org/"), "twice"),
        (repeated("roles\":\"nobody"), "twice"),
        (repeated("other\":{\"a\":1,\"a\":2},\"more\":\""), "twice"),
    ];
    for (token, expected) in cases {
        let (code, text) = trusting.refusal(&token, CHECK).await.expect(expected);
        assert!(text.contains(expected), "{expected}: {code:?} {text}");
        // What does not have the form of a token is a wrong key.
        let is_key = text.starts_with("invalid preshared key");
        let wanted = if is_key { Code::PermissionDenied } else { Code::Unauthenticated };
        assert_eq!(code, wanted, "{text}");
        assert_eq!(is_key, token.matches('.').count() != 2, "{text}");
    }
    // Clocks may differ by some seconds, in both directions.
    assert!(trusting.is_let_in(&of(json!({ "exp": now - 5 }))).await);
    assert!(trusting.is_let_in(&of(json!({ "nbf": now + 5 }))).await);
    assert!(trusting.is_let_in(&of(json!({ "sub": "é".repeat(255) }))).await);
    assert!(trusting.is_let_in(&right).await);
}

#[tokio::test]
async fn a_watch_that_its_token_does_not_outlive_says_so() {
    let signer = Signer::ed();
    let text = access(&["EdDSA"], "clock_skew_seconds = 0").replace("[\"check\"]", "[\"watch\"]");
    let trusting = Trusting::start(&text, &[signer.jwk("k")]);
    let admin = signer.token("k", &claims(&json!({ "roles": ["admins"] })));
    assert_eq!(trusting.refusal(&admin, WRITE_SCHEMA).await, None);
    let mut line = 0;
    let mut change = async || {
        line += 1;
        let request = write(&[format!("document:{line}#viewer@user:ann")]).encode_to_vec();
        let channel = trusting.server.channel().await;
        let answer = calls::call(channel, Some(&admin), WRITE, vec![request]).await;
        assert!(answer.error.is_none(), "{answer:?}");
    };

    // As long as it takes this machine to open a watch before the end of its token.
    for seconds in [2, 4, 8, 16, 32, 64] {
        let expires = json!({ "exp": get_current_timestamp() + seconds });
        let token = signer.token("k", &claims(&expires));
        let channel = trusting.server.channel().await;
        let Ok(mut watch) = calls::try_open(channel, &token, WATCH, Vec::new()).await else {
            continue;
        };
        change().await;
        if watch.message().await.is_err() {
            continue;
        }
        let ended = loop {
            change().await;
            if let Err(ended) = watch.message().await {
                break ended;
            }
        };
        assert_eq!(ended.code(), Code::Unauthenticated, "{ended:?}");
        assert!(ended.message().starts_with("the token has expired since"), "{ended:?}");
        return;
    }
    panic!("no watch could be opened");
}

#[tokio::test]
async fn the_algorithm_is_that_of_the_server_and_not_of_the_token() {
    let (ec, rsa) = (Signer::ec(), Signer::rsa());
    let keys = [ec.jwk("ec"), rsa.jwk("rsa")];
    let trusting = Trusting::start(&access(&["ES256"], ""), &keys);
    assert!(trusting.is_let_in(&ec.token("ec", &claims(&json!({})))).await);
    // Right, and of an algorithm that the file does not name.
    let (_, text) = trusting.refusal(&rsa.token("rsa", &claims(&json!({}))), CHECK).await.unwrap();
    assert!(text.contains("algorithm"), "{text}");

    let text = |header: Value| {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", encode(&header), encode(&claims(&json!({}))))
    };
    let none = text(json!({ "alg": "none" }));
    assert!(!trusting.is_let_in(&format!("{none}.")).await);
    // The public key as the secret of a symmetric algorithm.
    let symmetric = text(json!({ "alg": "HS256", "kid": "ec" }));
    let jwk = ec.jwk("ec");
    let part = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let public = [vec![4], part("x"), part("y")].concat();
    let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &public);
    let signature = ring::hmac::sign(&secret, symmetric.as_bytes());
    let token = format!("{symmetric}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert!(!trusting.is_let_in(&token).await);
    // An extension that the reader would have to understand.
    let critical = ec.token_with(
        &json!({ "alg": "ES256", "kid": "ec", "crit": ["exp"], "exp": 1 }),
        &claims(&json!({})),
    );
    assert!(!trusting.is_let_in(&critical).await);
}

#[tokio::test]
async fn the_keys_of_an_issuer_are_rotated_while_the_server_runs() {
    let (old, new) = (Signer::ed(), Signer::ed());
    let trusting = Trusting::start(&access(&["EdDSA"], ""), &[old.jwk("old")]);
    let [of_old, of_new] =
        [old.token("old", &claims(&json!({}))), new.token("new", &claims(&json!({})))];
    assert!(trusting.is_let_in(&of_old).await && !trusting.is_let_in(&of_new).await);
    fs::write(trusting.folder().join("jwks.json"), key_set(&[new.jwk("new")])).unwrap();
    trusting.server.signal("HUP");
    trusting.server.await_line("reloaded");
    assert!(!trusting.is_let_in(&of_old).await && trusting.is_let_in(&of_new).await);
}

#[tokio::test]
async fn the_key_set_of_an_issuer_that_was_added_later_is_watched_too() {
    let (old, new) = (Signer::ed(), Signer::ed());
    let roles = "[roles.some]\nmethods = [\"check\"]\n";
    let trusting = Trusting::start(roles, &[old.jwk("old")]);
    fs::write(trusting.folder().join("access.toml"), access(&["EdDSA"], "")).unwrap();
    trusting.server.signal("HUP");
    trusting.server.await_line("reloaded");
    let [of_old, of_new] =
        [old.token("old", &claims(&json!({}))), new.token("new", &claims(&json!({})))];
    assert!(trusting.is_let_in(&of_old).await && !trusting.is_let_in(&of_new).await);

    // Without a signal: the server looks at the file by itself.
    fs::write(trusting.folder().join("jwks.json"), key_set(&[new.jwk("new")])).unwrap();
    trusting.server.await_line("reloaded");
    assert!(!trusting.is_let_in(&of_old).await && trusting.is_let_in(&of_new).await);
}

#[tokio::test]
async fn what_looks_like_a_token_is_a_wrong_key_where_no_issuer_is_known() {
    let guarded = Guarded::with_role("methods = [\"check\"]").await;
    let token = Signer::ed().token("k", &claims(&json!({})));
    let answer = guarded.call(&token, CHECK, &question("document:a#view@user:ann")).await;
    assert_eq!(answer.refusal().code(), Code::PermissionDenied);
    assert!(answer.refusal().message().contains("invalid preshared key"));
}

#[test]
fn mistakes_about_issuers_have_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("jwks.json"), key_set(&[Signer::ed().jwk("k")])).unwrap();
    fs::write(folder.path().join("empty.json"), "{\"keys\": []}").unwrap();
    fs::write(folder.path().join("secret.json"), r#"{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}"#)
        .unwrap();
    let mistakes = |text: &str| {
        let path = folder.path().join("access.toml");
        fs::write(&path, text).unwrap();
        kilwa::access::read_access_file(&path, &[]).err().map(|error| error.to_string())
    };
    let right = access(&["EdDSA"], "");
    assert_eq!(mistakes(&right), None);
    let cases = [
        ("[\"EdDSA\"]", "[\"HS256\"]", ":7: `HS256` is not accepted"),
        ("[\"EdDSA\"]", "[\"none\"]", ":7: `none` is not accepted"),
        ("[\"EdDSA\"]", "[]", ":7: algorithms must not be empty"),
        ("[\"kilwa\"]", "[]", ":6: audience must not be empty"),
        ("\"full\"", "\"ful\"", ":10: there is no role `ful`"),
        ("jwks.json", "none.json", ":8: `"),
        ("jwks.json", "empty.json", "no public key for signatures"),
        ("jwks.json", "secret.json", "no public key for signatures"),
        ("jwks.json", "access.toml", "no JSON Web Key Set"),
        ("name = \"idp\"", "name = \"\"", ":4: a name needs letters"),
    ];
    for (from, to, expected) in cases {
        let found = mistakes(&right.replace(from, to)).expect(expected);
        assert!(found.contains(expected), "{expected}: {found}");
    }
    let skewed = mistakes(&access(&["EdDSA"], "clock_skew_seconds = 3600")).unwrap();
    assert!(skewed.contains(":9: clock_skew_seconds must be at most 600"), "{skewed}");
}
