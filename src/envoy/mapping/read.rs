//! Reads a mapping file, and finds all of its mistakes.

use super::answers::answer_form;
use super::content::MappingContent;
use super::rules::rule;
use super::subjects::subject;
use crate::envoy::rule::{MappedRule, RuleAction};
use crate::envoy::subject_source::SubjectIdSource;
use crate::envoy::verdict::AnswerForm;
use crate::settings_file::{MistakeList, SettingsFileError, read_settings};
use std::collections::BTreeMap;
use std::path::Path;

/// What a mapping file says.
#[derive(Clone, Debug)]
pub struct ExtAuthzMapping {
    pub(in crate::envoy) rules: Vec<MappedRule>,
    pub(in crate::envoy) form: AnswerForm,
}

impl ExtAuthzMapping {
    /// Each rule: its name, and what it does in a few words.
    pub fn rules(&self) -> impl Iterator<Item = (&str, String)> {
        self.rules.iter().map(|rule| {
            let does = match &rule.action {
                RuleAction::Allow => "allowed without a check".to_owned(),
                RuleAction::Deny => "denied".to_owned(),
                RuleAction::Check(check) => {
                    let (kind, permission) = (&check.resource_type, &check.permission);
                    format!("`{permission}` of a {kind} for a {}", check.subject.object_type)
                }
            };
            (rule.name.as_str(), does)
        })
    }

    /// The issuers of the access file whose tokens name subjects.
    pub fn issuers(&self) -> Vec<&str> {
        let mut issuers: Vec<&str> = self.subjects().filter_map(SubjectIdSource::issuer).collect();
        issuers.sort_unstable();
        issuers.dedup();
        issuers
    }

    /// The headers that name subjects, and that a client could send.
    pub fn subject_headers(&self) -> Vec<&str> {
        let mut headers: Vec<&str> = self.subjects().filter_map(SubjectIdSource::header).collect();
        headers.sort_unstable();
        headers.dedup();
        headers
    }

    fn subjects(&self) -> impl Iterator<Item = &SubjectIdSource> {
        self.rules.iter().filter_map(|rule| match &rule.action {
            RuleAction::Check(check) => Some(&check.subject.id),
            RuleAction::Allow | RuleAction::Deny => None,
        })
    }
}

/// Reads a mapping file.
pub fn read_mapping(path: &Path) -> Result<ExtAuthzMapping, SettingsFileError> {
    read_settings("mapping file", path, |content, mistakes| mapping(mistakes, &content))
}

fn mapping(mistakes: &mut MistakeList<'_>, content: &MappingContent) -> ExtAuthzMapping {
    let form = answer_form(mistakes, content);
    let usual = content.subject.as_ref().map(|content| subject(mistakes, content));

    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rules = Vec::with_capacity(content.rules.len());
    for content in &content.rules {
        let name = content.name.get_ref();
        if name.is_empty() || name.chars().any(char::is_control) {
            mistakes.note(content.name.span(), "a name needs letters that a log can show");
        }
        let line = mistakes.line(content.name.span().start);
        if let Some(first) = names.insert(name, line) {
            let message = format!("the name `{name}` is that of line {first} already");
            mistakes.note(content.name.span(), message);
        }
        rules.extend(rule(mistakes, content, usual.as_ref()));
    }
    if content.rules.is_empty() {
        mistakes.note(0..0, "there is no rule, so that every request is denied: add `[[rules]]`");
    }
    ExtAuthzMapping { rules, form }
}
