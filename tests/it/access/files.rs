//! Access files: what is right in them, and each mistake with its line.

use kilwa::access::{CertificateNameKind, KeyHash, read_access_file};
use kilwa::settings_file::SettingsFileError;
use std::fs;

const RIGHT: &str = r#"
# Everything that a file can have.
[roles.shop]
methods = ["check", "lookup", "WriteRelationships"]
definitions = ["document", "user", "org/team"]
relations = ["viewer", "document#view"]
id_prefixes = ["shop/", "shop2/"]
shared = ["user"]

[roles.reader]
methods = ["read"]

[[keys]]
name = "shop"
sha256 = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"
roles = ["shop", "reader"]

[[keys]]
name = "root"
key = "a long key in plain text"
roles = ["full"]

[[certificates]]
name = "shop's front end"
uri = "spiffe://example.org/shop"
roles = ["shop"]

[[certificates]]
name = "a database"
dns_name = "db.example.org"
roles = ["reader"]
"#;

fn mistakes(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.toml");
    fs::write(&path, text).unwrap();
    match read_access_file(&path, &[KeyHash::from_key("a key that was given")]) {
        Ok(_) => Vec::new(),
        Err(SettingsFileError::Mistakes { mistakes, .. }) => {
            mistakes.iter().map(ToString::to_string).collect()
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_right_file_says_who_may_do_what() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.toml");
    fs::write(&path, RIGHT).unwrap();
    let file = read_access_file(&path, &[]).unwrap();
    let names: Vec<&str> = file.keys.iter().map(|(_, caller)| &**caller.name()).collect();
    assert_eq!(names, ["shop", "root"]);
    assert!(file.has_plain_keys);
    let abilities = file.keys[0].1.abilities().unwrap();
    let part_of = |method: &str| {
        let ability = abilities.iter().find(|ability| ability.methods.contains(method));
        ability.map(|ability| ability.part.to_string())
    };
    let names = "definitions document, org/team, user; relations viewer, document#view; object ids shop/…, shop2/…";
    assert_eq!(
        part_of("WriteRelationships"),
        Some(format!("{names}, and every id of subjects user"))
    );
    assert_eq!(part_of("CheckPermission"), Some(format!("{names}, and every id of user")));
    assert_eq!(part_of("ReadRelationships").as_deref(), Some("all data"));
    assert_eq!(part_of("ReadRevisionAt").as_deref(), Some("no data"));
    assert_eq!(part_of("DeleteRelationships"), None);
    assert_eq!(file.keys[1].1.abilities(), None);
    let database = (CertificateNameKind::DnsName, "db.example.org".to_owned());
    assert_eq!(&**file.certificates[&database].name(), "a database");
    assert_eq!(file.roles.into_iter().collect::<Vec<_>>(), ["reader", "shop"]);
}

#[test]
fn each_mistake_has_its_line_and_says_how_to_mend_it() {
    let key = "key = \"a long key in plain text\"\nroles = [\"full\"]\n";
    let cases: &[(String, &[&str])] = &[
        ("[roles.full]\nmethods = [\"read\"]\n".to_owned(), &["1: the role `full` has no limits"]),
        ("[roles.a]\nmethods = [\"raed\",\n \"CheckPermision\"]\n".to_owned(), &[
            "2: there is no method and no group of methods `raed`: did you mean `read`?",
            "3: there is no method and no group of methods `CheckPermision`: did you mean `CheckPermission`?",
        ]),
        ("[roles.a]\nmethods = []\n".to_owned(), &["2: methods must not be empty"]),
        ("[roles.a]\ndefinitions = [\"user\"]\n".to_owned(), &["1: missing field `methods`"]),
        ("[roles.a]\nmethods = [\"read\"]\nid_prefix = [\"a/\"]\n".to_owned(), &["3: unknown field `id_prefix`"]),
        ("[roles.a]\nmethods = [\"read\"]\nid_prefixes = []\n".to_owned(), &["3: the list must not be empty"]),
        ("[roles.a]\nmethods = [\"read\"]\nid_prefixes = [\"a*\"]\n".to_owned(), &["3: object id `a*` is not valid"]),
        ("[roles.a]\nmethods = [\"read\"]\ndefinitions = [\"User\"]\n".to_owned(), &["3: definition name `User` is not valid"]),
        ("[roles.a]\nmethods = [\"read\"]\nrelations = [\"viewer\", \"document#\"]\n".to_owned(), &["3: relation name `` is not valid"]),
        ("[roles.a]\nmethods = [\"read\"]\nshared = [\"user\"]\n".to_owned(), &["3: `shared` has no effect without `id_prefixes`"]),
        ("[roles.a]\nmethods = [\"read\"]\ndefinitions = [\"document\"]\nid_prefixes = [\"a/\"]\nshared = [\"user\"]\n".to_owned(), &["5: `user` is not among the role's `definitions`"]),
        (format!("[[keys]]\nname = \"a\"\n{key}[[keys]]\nname = \"a\"\nkey = \"another key\"\nroles = [\"ful\"]\n"), &[
            "6: the name `a` is that of line 2 already",
            "8: there is no role `ful`: did you mean `full`?",
        ]),
        (format!("[[keys]]\nname = \"a\"\n{key}[[keys]]\nname = \"b\"\n{key}"), &["6: this is the key of `a`"]),
        ("[[keys]]\nname = \"a\"\nkey = \"a key that was given\"\nroles = [\"full\"]\n".to_owned(), &["2: this key is given with --grpc-preshared-key too"]),
        ("[[keys]]\nname = \"a\"\nroles = [\"full\"]\n".to_owned(), &["2: a key needs either `sha256` or `key`"]),
        ("[[keys]]\nname = \"a\"\nsha256 = \"abc\"\nroles = [\"full\"]\n".to_owned(), &["3: `sha256` needs the 64 hexadecimal digits"]),
        ("[[keys]]\nname = \"a\"\nkey = \" \"\nroles = []\n".to_owned(), &["3: a key must not be empty", "4: roles must not be empty"]),
        ("[[keys]]\nname = \"\"\nkey = \"k\"\nroles = [\"full\"]\n".to_owned(), &["2: a name needs letters"]),
        ("[[certificates]]\nname = \"a\"\nroles = [\"full\"]\n".to_owned(), &["2: a certificate needs one of"]),
        ("[[certificates]]\nname = \"a\"\nuri = \"x\"\nemail = \"y\"\nroles = [\"full\"]\n".to_owned(), &["2: a certificate needs one of"]),
        ("[[certificates]]\nname = \"a\"\nuri = \"x\"\nroles = [\"full\"]\n[[certificates]]\nname = \"b\"\nuri = \"x\"\nroles = [\"full\"]\n".to_owned(), &["7: another certificate has this name already"]),
        (format!("[[keys]]\nname = \"a\"\n{key}[roles.late]\nmethods = [\"read\"]\n"), &["5: roles stand before keys"]),
        ("[[keys]\n".to_owned(), &["1: "]),
        ("keys = 5\n".to_owned(), &["1: invalid type: integer `5`"]),
    ];
    for (text, expected) in cases {
        let found = mistakes(text);
        assert_eq!(found.len(), expected.len(), "{text}\n{found:?}");
        for (mistake, start) in found.iter().zip(*expected) {
            assert!(mistake.starts_with(start), "{text}\n{mistake}");
        }
    }
    assert_eq!(mistakes(RIGHT), Vec::<String>::new());
}

#[test]
fn a_mistake_shows_no_key() {
    let secret = "a secret that a mistake must not repeat";
    for line in [
        format!("key = \"{secret}"),
        format!("key = \"{secret}\" x"),
        format!("sha256 = \"{secret}\""),
        format!("key = \"{secret}\"\nkey = \"{secret}\""),
    ] {
        let found = mistakes(&format!("[[keys]]\nname = \"a\"\nroles = [\"full\"]\n{line}\n"));
        assert!(!found.is_empty(), "{line}");
        assert!(!found.concat().contains("secret"), "{found:?}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = read_access_file("/nowhere/access.toml".as_ref(), &[]).unwrap_err().to_string();
    assert!(
        error.starts_with("the access file `/nowhere/access.toml` cannot be read: "),
        "{error}"
    );
}
