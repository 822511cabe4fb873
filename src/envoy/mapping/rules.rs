//! Rules of a mapping file.

use super::answers::header_name;
use super::content::{ContextContent, ResourceContent, RuleContent};
use super::subjects::{name, subject};
use crate::envoy::id_template::IdTemplate;
use crate::envoy::path_pattern::{HostPattern, PathPattern};
use crate::envoy::rule::{CheckTemplate, ConsistencySource, ContextSource, MappedRule, RuleAction};
use crate::envoy::subject_source::SubjectRule;
use crate::relationship::NameKind;
use crate::settings_file::{MistakeList, PlacedText};
use prost_types::value::Kind;
use std::collections::BTreeMap;

/// Reads a rule. `usual` is the subject of the file, which is `None` inside when it has a mistake. `None` when the rule has one,
/// which is noted.
pub(super) fn rule(
    mistakes: &mut MistakeList<'_>,
    content: &RuleContent,
    usual: Option<&Option<SubjectRule>>,
) -> Option<MappedRule> {
    let methods = methods(mistakes, content);
    let host = match &content.host {
        Some(host) => mistakes.noted(host.span(), HostPattern::parse(host.get_ref())).map(Some),
        None => Some(None),
    };
    let path = mistakes.noted(content.path.span(), PathPattern::parse(content.path.get_ref()));
    let (host, path) = (host?, path?);

    let mut names: Vec<&str> = host.iter().flat_map(HostPattern::names).collect();
    if let Some(name) = path.names().into_iter().find(|name| names.contains(name)) {
        let message = format!("the name `{name}` is one of the host already");
        mistakes.note(content.path.span(), message);
    }
    names.extend(path.names());
    let action = action(mistakes, content, &names, usual)?;
    Some(MappedRule { name: content.name.get_ref().clone(), methods, host, path, action })
}

fn methods(mistakes: &mut MistakeList<'_>, content: &RuleContent) -> Vec<String> {
    let Some(list) = &content.methods else { return Vec::new() };
    if list.get_ref().is_empty() {
        let message = "methods must not be empty: leave it out for every method";
        mistakes.note(list.span(), message);
    }
    for method in list.get_ref() {
        let is_method = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
        if method.get_ref().is_empty() || !method.get_ref().bytes().all(is_method) {
            mistakes.note(method.span(), "a method is written in capital letters, such as `GET`");
        }
    }
    list.get_ref().iter().map(|method| method.get_ref().clone()).collect()
}

fn action(
    mistakes: &mut MistakeList<'_>,
    content: &RuleContent,
    names: &[&str],
    usual: Option<&Option<SubjectRule>>,
) -> Option<RuleAction> {
    let Some(verdict) = &content.verdict else {
        let check = check(mistakes, content, names, usual)?;
        return Some(RuleAction::Check(Box::new(check)));
    };

    let parts = [
        content.resource.is_some(),
        content.permission.is_some(),
        content.subject.is_some(),
        content.context.is_some(),
        content.consistency.is_some(),
        content.consistency_header.is_some(),
    ];
    if parts.contains(&true) {
        let message = "a rule has either a `verdict` or a check: `resource`, `permission` and what belongs to them";
        mistakes.note(verdict.span(), message);
        return None;
    }

    match verdict.get_ref().as_str() {
        "allow" => Some(RuleAction::Allow),
        "deny" => Some(RuleAction::Deny),
        _ => {
            mistakes.note(verdict.span(), "a verdict is `allow` or `deny`");
            None
        }
    }
}

fn check(
    mistakes: &mut MistakeList<'_>,
    content: &RuleContent,
    names: &[&str],
    usual: Option<&Option<SubjectRule>>,
) -> Option<CheckTemplate> {
    let place = content.name.span();
    let subject = match (&content.subject, usual) {
        (Some(content), _) => subject(mistakes, content),
        (None, Some(usual)) => usual.clone(),
        (None, None) => {
            let message = "a check needs a `subject`, here or for the whole file in `[subject]`";
            mistakes.note(place.clone(), message);
            None
        }
    };
    let (Some(resource), Some(permission)) = (&content.resource, &content.permission) else {
        let message =
            "a rule needs `resource` and `permission`, or a `verdict` that is `allow` or `deny`";
        mistakes.note(place, message);
        return None;
    };
    let ResourceContent { object_type, id } = resource;
    let resource_type = name(mistakes, NameKind::Definition, object_type);
    let resource_id = mistakes.noted(id.span(), IdTemplate::parse(id.get_ref(), names));
    let permission = name(mistakes, NameKind::Relation, permission);

    let mut values = BTreeMap::new();
    for (name, value) in content.context.iter().flatten() {
        let source = context_source(mistakes, name, value, names);
        values.extend(source.map(|source| (name.get_ref().clone(), source)));
    }
    let consistency = consistency(mistakes, content);
    Some(CheckTemplate {
        resource_type: resource_type?,
        resource_id: resource_id?,
        permission: permission?,
        subject: subject?,
        context: values,
        consistency,
    })
}

fn context_source(
    mistakes: &mut MistakeList<'_>,
    name: &PlacedText,
    content: &ContextContent,
    names: &[&str],
) -> Option<ContextSource> {
    let ContextContent { header, segment, source_address, value } = content;

    match (header, segment, source_address, value) {
        (Some(header), None, None, None) => {
            header_name(mistakes, header).map(ContextSource::Header)
        }
        (None, Some(segment), None, None) if names.contains(&segment.get_ref().as_str()) => {
            Some(ContextSource::Segment(segment.get_ref().clone()))
        }
        (None, Some(segment), None, None) => {
            let message =
                format!("there is no `{{{}}}` in the path or the host", segment.get_ref());
            mistakes.note(segment.span(), message);
            None
        }
        (None, None, Some(is_it), None) if *is_it.get_ref() => Some(ContextSource::SourceAddress),
        (None, None, None, Some(value)) => {
            Some(ContextSource::Fixed(prost_types::Value { kind: Some(fixed(value)) }))
        }
        _ => {
            let message = "a value of the context needs one of `value`, `header`, `segment` and `source_address = true`";
            mistakes.note(name.span(), message);
            None
        }
    }
}

/// A fixed value. Times are texts, as a caveat takes them.
fn fixed(value: &toml::Value) -> Kind {
    let inner = |value: &toml::Value| prost_types::Value { kind: Some(fixed(value)) };
    match value {
        toml::Value::String(value) => Kind::StringValue(value.clone()),
        toml::Value::Boolean(value) => Kind::BoolValue(*value),
        toml::Value::Float(value) => Kind::NumberValue(*value),
        // A text has every digit; caveats take numbers in this form too.
        toml::Value::Integer(value) => match i32::try_from(*value) {
            Ok(value) => Kind::NumberValue(f64::from(value)),
            Err(_) => Kind::StringValue(value.to_string()),
        },
        toml::Value::Datetime(value) => Kind::StringValue(value.to_string()),
        toml::Value::Array(values) => {
            Kind::ListValue(prost_types::ListValue { values: values.iter().map(inner).collect() })
        }
        toml::Value::Table(table) => {
            let fields = table.iter().map(|(name, value)| (name.clone(), inner(value))).collect();
            Kind::StructValue(prost_types::Struct { fields })
        }
    }
}

fn consistency(mistakes: &mut MistakeList<'_>, content: &RuleContent) -> ConsistencySource {
    match (&content.consistency, &content.consistency_header) {
        (None, None) => ConsistencySource::Latest,
        (None, Some(header)) => header_name(mistakes, header)
            .map_or(ConsistencySource::Latest, ConsistencySource::Header),
        (Some(word), None) if word.get_ref() == "latest" => ConsistencySource::Latest,
        (Some(word), None) if word.get_ref() == "minimize_latency" => {
            ConsistencySource::MinimizeLatency
        }
        (Some(word), None) => {
            mistakes.note(word.span(), "consistency is `latest` or `minimize_latency`");
            ConsistencySource::Latest
        }
        (Some(word), Some(_)) => {
            let message = "give `consistency` or `consistency_header`, not both";
            mistakes.note(word.span(), message);
            ConsistencySource::Latest
        }
    }
}
