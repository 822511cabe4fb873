//! Reads an access file, and finds all of its mistakes.

use super::content::{AccessContent, CertificateContent, IssuerContent, KeyContent, RoleContent};
use super::issuers::issuer;
use super::prefix_advice;
use crate::access::issuer_table::IssuerTable;
use crate::access::key::{KeyHash, is_sendable_key};
use crate::access::method::{METHODS, Method};
use crate::access::principal::{CertificateNameKind, Principal};
use crate::access::role::{FULL_ROLE, Role};
use crate::access::token::Issuer;
use crate::relationship::{NameKind, RelationPattern, ScopeArea, nearest, require_name};
use crate::settings_file::{
    MistakeList, PlacedText, SettingsFileError, SettingsMistake, read_settings,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml::Spanned;

/// What an access file says.
#[derive(Debug)]
pub struct AccessFile {
    /// The callers by their keys.
    pub keys: Vec<(KeyHash, Principal)>,
    /// The callers by a name in their certificate.
    pub certificates: BTreeMap<(CertificateNameKind, String), Principal>,
    /// The identity providers whose tokens are accepted.
    pub issuers: IssuerTable,
    /// The names of the roles, without the one that every file has.
    pub roles: BTreeSet<String>,
    /// Whether it has a key in plain text.
    pub has_plain_keys: bool,
    /// What is right and probably not meant so, in order of lines.
    pub warnings: Vec<SettingsMistake>,
}

/// Reads an access file. `given` are the keys that callers without limits have already.
pub fn read_access_file(path: &Path, given: &[KeyHash]) -> Result<AccessFile, SettingsFileError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    read_settings("access file", path, |content, mistakes| {
        AccessReader::new(mistakes).read(content, given, folder)
    })
}

struct AccessReader<'m, 't> {
    mistakes: &'m mut MistakeList<'t>,
    roles: BTreeMap<String, Role>,
    /// The lines of the callers' names.
    names: BTreeMap<String, usize>,
    warnings: Vec<SettingsMistake>,
}

impl<'m, 't> AccessReader<'m, 't> {
    fn new(mistakes: &'m mut MistakeList<'t>) -> Self {
        Self { mistakes, roles: BTreeMap::new(), names: BTreeMap::new(), warnings: Vec::new() }
    }

    fn read(mut self, content: AccessContent, given: &[KeyHash], folder: &Path) -> AccessFile {
        self.require_roles_first(&content);
        for (name, role) in content.roles {
            if name.get_ref() == FULL_ROLE {
                let message = "the role `full` has no limits and cannot be defined: give this one another name";
                self.mistakes.note(name.span(), message);
                continue;
            }
            let role = self.role(&role);
            self.roles.insert(name.into_inner(), role);
        }

        let has_plain_keys = content.keys.iter().any(|key| key.key.is_some());
        let mut keys: Vec<(KeyHash, Principal)> = Vec::with_capacity(content.keys.len());
        for key in &content.keys {
            let caller = self.caller(&key.name, &key.roles);
            let Some(hash) = self.key_hash(key) else { continue };
            let is_known = |known: &KeyHash| bool::from(known.equals(&hash));
            if given.iter().any(is_known) {
                let message = "this key is given with --grpc-preshared-key too, where it has no limits: give it once";
                self.mistakes.note(key.name.span(), message);
            } else if let Some((_, other)) = keys.iter().find(|(known, _)| is_known(known)) {
                let message = format!("this is the key of `{}`: each needs its own", other.name());
                self.mistakes.note(key.name.span(), message);
            }
            keys.extend(caller.map(|caller| (hash, caller)));
        }

        let mut certificates = BTreeMap::new();
        for certificate in &content.certificates {
            let caller = self.caller(&certificate.name, &certificate.roles);
            let Some((kind, name)) = self.certificate_name(certificate) else { continue };
            let Some(caller) = caller else { continue };
            if certificates.insert((kind, name.get_ref().clone()), caller).is_some() {
                self.mistakes.note(name.span(), "another certificate has this name already");
            }
        }
        let issuers = self.issuers(&content.issuers, folder);
        let roles = self.roles.keys().cloned().collect();
        let issuers = IssuerTable { issuers, roles: self.roles };
        let mut warnings = self.warnings;
        warnings.sort_by_key(|warning| warning.line);
        AccessFile { keys, certificates, issuers, roles, has_plain_keys, warnings }
    }

    /// Requires that no role follows a caller: of a file that was cut short, the callers are missing then, and not the limits
    /// of their roles.
    fn require_roles_first(&mut self, content: &AccessContent) {
        let keys = content.keys.iter().map(|key| key.name.span().start);
        let certificates = content.certificates.iter().map(|entry| entry.name.span().start);
        let issuers = content.issuers.iter().map(|entry| entry.issuer.span().start);
        let Some(first) = keys.chain(certificates).chain(issuers).min() else { return };
        for name in content.roles.keys().filter(|name| name.span().start > first) {
            let message = "roles stand before keys, certificates and issuers, so that a file that was cut short gives no caller \
                           more than the whole one: move this role up";
            self.mistakes.note(name.span(), message);
        }
    }

    fn issuers(&mut self, contents: &[IssuerContent], folder: &Path) -> Vec<Issuer> {
        let mut found: Vec<Issuer> = Vec::with_capacity(contents.len());
        for content in contents {
            self.require_free_name(&content.name);
            if found.iter().any(|known| known.id == *content.issuer.get_ref()) {
                self.mistakes.note(content.issuer.span(), "another entry has this issuer already");
            }
            found.extend(issuer(self.mistakes, content, &self.roles, folder));
        }
        found
    }

    fn role(&mut self, content: &RoleContent) -> Role {
        let mut methods = BTreeSet::new();
        self.require_some(&content.methods, "methods", "name some, such as \"check\"");
        for name in content.methods.get_ref() {
            let before = methods.len();
            methods.extend(Method::named(name.get_ref()).map(|method| method.path));
            if methods.len() == before && Method::named(name.get_ref()).next().is_none() {
                self.mistakes.note(name.span(), unknown_method(name.get_ref()));
            }
        }
        let area = ScopeArea {
            definitions: self.names(content.definitions.as_ref(), NameKind::Definition),
            relations: self.relations(content.relations.as_ref()),
            id_prefixes: self.names(content.id_prefixes.as_ref(), NameKind::ObjectId),
            shared: self.names(content.shared.as_ref(), NameKind::Definition),
            shares_subjects_only: false,
        };
        self.require_useful_shares(content, &area);
        self.warn_of_open_prefixes(content);
        Role { methods, area }
    }

    fn warn_of_open_prefixes(&mut self, content: &RoleContent) {
        for prefix in content.id_prefixes.iter().flat_map(Spanned::get_ref) {
            let line = self.mistakes.line(prefix.span().start);
            let message = prefix_advice::advice(prefix.get_ref());
            self.warnings.extend(message.map(|message| SettingsMistake { line, message }));
        }
    }

    fn require_useful_shares(&mut self, content: &RoleContent, area: &ScopeArea) {
        let Some(shared) = &content.shared else { return };
        if content.id_prefixes.is_none() {
            let message = "`shared` has no effect without `id_prefixes`: leave it out";
            self.mistakes.note(shared.span(), message);
        }
        for name in shared.get_ref() {
            if !area.definitions.is_empty() && !area.definitions.contains(name.get_ref()) {
                let message = format!("`{}` is not among the role's `definitions`", name.get_ref());
                self.mistakes.note(name.span(), message);
            }
        }
    }

    /// Texts of a kind; none for a list that is not there.
    fn names(
        &mut self,
        list: Option<&Spanned<Vec<PlacedText>>>,
        kind: NameKind,
    ) -> BTreeSet<String> {
        let Some(list) = list else { return BTreeSet::new() };
        self.require_some(list, "the list", "leave it out to restrict nothing");
        for name in list.get_ref() {
            if let Err(error) = require_name(kind, name.get_ref()) {
                self.mistakes.note(name.span(), error.to_string());
            }
        }
        list.get_ref().iter().map(|name| name.get_ref().clone()).collect()
    }

    fn relations(&mut self, list: Option<&Spanned<Vec<PlacedText>>>) -> Vec<RelationPattern> {
        let Some(list) = list else { return Vec::new() };
        self.require_some(list, "the list", "leave it out to restrict nothing");
        let mut patterns = Vec::new();
        for text in list.get_ref() {
            let (definition, name) = match text.get_ref().split_once('#') {
                Some((definition, name)) => (Some(definition.to_owned()), name.to_owned()),
                None => (None, text.get_ref().clone()),
            };
            let named = definition.as_deref().map(|name| require_name(NameKind::Definition, name));
            let valid = named.unwrap_or(Ok(())).and(require_name(NameKind::Relation, &name));
            match valid {
                Ok(()) => patterns.push(RelationPattern { definition, name }),
                Err(error) => self.mistakes.note(text.span(), error.to_string()),
            }
        }
        patterns
    }

    fn require_some(&mut self, list: &Spanned<Vec<PlacedText>>, what: &str, advice: &str) {
        if list.get_ref().is_empty() {
            self.mistakes.note(list.span(), format!("{what} must not be empty: {advice}"));
        }
    }

    fn require_free_name(&mut self, name: &PlacedText) {
        let text = name.get_ref();
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            self.mistakes.note(name.span(), "a name needs letters that a log can show");
        }
        let line = self.mistakes.line(name.span().start);
        if let Some(first) = self.names.insert(text.clone(), line) {
            let message = format!("the name `{text}` is that of line {first} already");
            self.mistakes.note(name.span(), message);
        }
    }

    fn caller(&mut self, name: &PlacedText, roles: &Spanned<Vec<PlacedText>>) -> Option<Principal> {
        let text = name.get_ref();
        self.require_free_name(name);
        self.require_some(roles, "roles", "name some, or \"full\"");
        let mut found = Vec::new();
        for role in roles.get_ref() {
            match self.roles.get(role.get_ref()) {
                Some(known) => found.push(known),
                None if role.get_ref() == FULL_ROLE => {}
                None => self.mistakes.note(role.span(), unknown_role(role.get_ref(), &self.roles)),
            }
        }
        if roles.get_ref().iter().any(|role| role.get_ref() == FULL_ROLE) {
            return Some(Principal::unlimited(text.as_str()));
        }
        (found.len() == roles.get_ref().len()).then(|| Principal::limited(text.as_str(), &found))
    }

    fn key_hash(&mut self, content: &KeyContent) -> Option<KeyHash> {
        match (&content.sha256, &content.key) {
            (Some(hash), None) => {
                let parsed = KeyHash::parse(hash.get_ref());
                if parsed.is_none() {
                    let message =
                        "`sha256` needs the 64 hexadecimal digits that `kilwa auth hash` prints";
                    self.mistakes.note(hash.span(), message);
                }
                parsed
            }
            (None, Some(key)) if is_sendable_key(key.get_ref()) => {
                Some(KeyHash::from_key(key.get_ref()))
            }
            (None, Some(key)) => {
                let message = "a key must not be empty, not start or end with a blank, and have printable ASCII characters only";
                self.mistakes.note(key.span(), message);
                None
            }
            (Some(_), Some(_)) | (None, None) => {
                let message = "a key needs either `sha256` or `key`";
                self.mistakes.note(content.name.span(), message);
                None
            }
        }
    }

    fn certificate_name<'c>(
        &mut self,
        content: &'c CertificateContent,
    ) -> Option<(CertificateNameKind, &'c PlacedText)> {
        let names = [
            (CertificateNameKind::CommonName, &content.common_name),
            (CertificateNameKind::DnsName, &content.dns_name),
            (CertificateNameKind::Uri, &content.uri),
            (CertificateNameKind::Email, &content.email),
        ];
        let mut given = names.into_iter().filter_map(|(kind, name)| Some((kind, name.as_ref()?)));
        let found = given.next().filter(|_| given.next().is_none());
        if found.is_none() {
            let message = "a certificate needs one of `common_name`, `dns_name`, `uri` and `email`";
            self.mistakes.note(content.name.span(), message);
        }
        found
    }
}

fn unknown_method(name: &str) -> String {
    let groups = METHODS.iter().map(|method| method.group.name());
    let near = nearest(name, METHODS.iter().map(Method::name).chain(groups));
    let hint = near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
    format!("there is no method and no group of methods `{name}`{hint}")
}

fn unknown_role(name: &str, roles: &BTreeMap<String, Role>) -> String {
    let near = nearest(name, roles.keys().map(String::as_str).chain([FULL_ROLE]));
    let hint = near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
    format!("there is no role `{name}`{hint}")
}
