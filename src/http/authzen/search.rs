//! Searches: lookups at one revision, whose pages continue where the last one ended.

use super::action_page::{ActionPage, foreign_token};
use super::evaluation::newest;
use super::input::{self, AuthzenAction, Entity, InputMistake, Members};
use super::mapping::AuthzenMapping;
use crate::http::failure::Failure;
use crate::proto::authzed::api::v1 as wire;
use crate::proto::kilwa::v1 as own_wire;
use crate::relationship::from_object_id;
use prost::Message as _;
use serde_json::{Value, json};
use std::sync::Arc;
use tonic::Code;
use wire::LookupPermissionship;
use wire::check_permission_response::Permissionship;
use wire::lookup_subjects_request::WildcardOption;

/// Results of a page without a limit of its own, and the most of one with.
const PAGE_RESULTS_MAX: u32 = 1_000;

/// What is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SearchKind {
    Subject,
    Resource,
    Action,
}

/// How the results of a lookup become the response.
#[derive(Debug)]
pub(super) struct SearchPlan {
    kind: SearchKind,
    mapping: Arc<AuthzenMapping>,
    /// The type of the results, or of the resource whose actions are searched.
    entity_type: String,
    is_unknown: bool,
    page: Page,
    actions: ActionPage,
}

/// A page of results.
#[derive(Clone, Debug)]
struct Page {
    limit: u32,
    cursor: Option<wire::Cursor>,
}

impl Page {
    /// A token holds the limit, which a request for the next page need not repeat, and the cursor of the lookup, which is sealed with
    /// the revision and the other arguments.
    fn read(members: &Members) -> Result<Self, InputMistake> {
        let Some(page) = input::object(members, "page")? else {
            return Ok(Self { limit: PAGE_RESULTS_MAX, cursor: None });
        };
        let limit = match page.get("limit") {
            None | Some(Value::Null) => None,
            Some(limit) => Some(
                limit.as_u64().ok_or("`page.limit` must be a whole number that is not negative")?,
            ),
        };
        let limit = limit.filter(|limit| *limit > 0);
        let limit =
            limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX).min(PAGE_RESULTS_MAX));
        let token = match page.get("token") {
            None | Some(Value::Null) => "",
            Some(Value::String(token)) => token.as_str(),
            Some(_) => return Err("`page.token` must be a string".to_owned()),
        };
        if token.is_empty() {
            return Ok(Self { limit: limit.unwrap_or(PAGE_RESULTS_MAX), cursor: None });
        }

        let (first_limit, cursor) = token.split_once('.').ok_or_else(foreign_token)?;
        let first_limit: u32 = first_limit.parse().map_err(|_| foreign_token())?;
        if !(1..=PAGE_RESULTS_MAX).contains(&first_limit) {
            return Err(foreign_token());
        }
        if limit.is_some_and(|limit| limit != first_limit) {
            return Err(format!("`page.limit` must be {first_limit}, as for the first page"));
        }
        Ok(Self { limit: first_limit, cursor: Some(wire::Cursor { token: cursor.to_owned() }) })
    }

    fn next_token(&self, count: usize, cursor: Option<wire::Cursor>) -> String {
        let is_full = u32::try_from(count).is_ok_and(|count| count >= self.limit);
        match cursor.filter(|_| is_full) {
            Some(cursor) => format!("{}.{}", self.limit, cursor.token),
            None => String::new(),
        }
    }
}

impl SearchPlan {
    /// The plan of a request, and the request of the lookup.
    pub(super) fn new(
        kind: SearchKind,
        body: &[u8],
        mapping: Arc<AuthzenMapping>,
    ) -> Result<(Self, Vec<u8>), InputMistake> {
        let members = input::read_object(body)?;
        let page = Page::read(&members)?;
        let mut actions = ActionPage::default();
        let (entity_type, request) = match kind {
            SearchKind::Subject => subject_lookup(&members, &mapping, &page)?,
            SearchKind::Resource => resource_lookup(&members, &mapping, &page)?,
            SearchKind::Action => permission_list(&members, &mapping, &page, &mut actions)?,
        };
        let is_unknown = request.is_none();
        // A caller without a key is refused even if there is nothing to find.
        let plan = Self { kind, mapping, entity_type, is_unknown, page, actions };
        Ok((plan, request.unwrap_or_default()))
    }

    /// The response, from the messages of the lookup.
    pub(super) fn answer(&self, answered: Result<Vec<Vec<u8>>, Failure>) -> Result<Value, Failure> {
        let messages = match answered {
            Ok(messages) => messages,
            Err(failure) => {
                let is_unknown = [Code::FailedPrecondition, Code::NotFound]
                    .contains(&failure.code())
                    || (self.is_unknown && failure.code() == Code::InvalidArgument);
                return if is_unknown { Ok(results("", &[])) } else { Err(failure) };
            }
        };
        if self.kind == SearchKind::Action {
            return self.actions(&messages);
        }

        let mut found = Vec::new();
        let mut last = None;
        for message in &messages {
            let (id, cursor) = self.result(message)?;
            last = cursor;
            found.extend(id.map(|id| json!({"type": self.entity_type, "id": from_object_id(&id)})));
        }
        Ok(results(&self.page.next_token(messages.len(), last), &found))
    }

    /// The id of a result that has the permission in every context, and the cursor after it.
    fn result(&self, message: &[u8]) -> Result<(Option<String>, Option<wire::Cursor>), Failure> {
        let no_answer = |_| Failure::no_answer();
        if self.kind == SearchKind::Subject {
            let result = wire::LookupSubjectsResponse::decode(message).map_err(no_answer)?;
            let subject = result.subject.unwrap_or_default();
            let has = subject.permissionship() == LookupPermissionship::HasPermission;
            return Ok((has.then_some(subject.subject_object_id), result.after_result_cursor));
        }
        let result = wire::LookupResourcesResponse::decode(message).map_err(no_answer)?;
        let has = result.permissionship() == LookupPermissionship::HasPermission;
        Ok((has.then_some(result.resource_object_id), result.after_result_cursor))
    }

    /// The actions whose permissions a subject has. Each page lists all of them at its revision, and leaves out those before it.
    fn actions(&self, messages: &[Vec<u8>]) -> Result<Value, Failure> {
        let message = messages.first().ok_or_else(Failure::no_answer)?;
        let listed = own_wire::ListPermissionsResponse::decode(message.as_slice());
        let listed = listed.map_err(|_| Failure::no_answer())?;
        let mut found = Vec::new();
        for result in listed.permissions {
            let Some(own_wire::permission_result::Response::Item(item)) = result.response else {
                continue;
            };
            if item.permissionship() == Permissionship::HasPermission {
                let actions = self.mapping.actions(&self.entity_type, &result.permission);
                found.extend(actions.into_iter().map(|name| json!({"name": name})));
            }
        }

        let limit = usize::try_from(self.page.limit).unwrap_or(usize::MAX);
        let end = self.actions.start.saturating_add(limit);
        let next_token = match listed.checked_at.filter(|_| found.len() > end) {
            Some(token) => format!("{}.{}", self.page.limit, self.actions.next_cursor(end, &token)),
            None => String::new(),
        };
        let page: Vec<Value> = found.into_iter().take(end).skip(self.actions.start).collect();
        Ok(results(&next_token, &page))
    }
}

fn results(next_token: &str, found: &[Value]) -> Value {
    json!({"page": {"next_token": next_token, "count": found.len()}, "results": found})
}

/// The type of the results and the request that finds them, unless no object or permission can have the names.
type Lookup = (String, Option<Vec<u8>>);

fn subject_lookup(
    members: &Members,
    mapping: &AuthzenMapping,
    page: &Page,
) -> Result<Lookup, InputMistake> {
    let subject = Entity::read_type(members, "subject")?;
    let action = AuthzenAction::read(members)?;
    let resource = Entity::read(members, "resource")?;
    let context = input::context(members, mapping, &subject, Some(&action), &resource)?;
    let permission = mapping.permission(&resource.kind, &action.name);

    let request = || {
        let request = wire::LookupSubjectsRequest {
            consistency: Some(newest()),
            resource: Some(resource.object(mapping)?),
            permission: permission?,
            subject_object_type: mapping.definition(&subject.kind)?,
            context,
            optional_concrete_limit: page.limit,
            optional_cursor: page.cursor.clone(),
            // A wildcard is no subject that could be asked about.
            wildcard_option: WildcardOption::ExcludeWildcards.into(),
            ..Default::default()
        };
        Some(request.encode_to_vec())
    };
    let request = request();
    Ok((subject.kind, request))
}

fn resource_lookup(
    members: &Members,
    mapping: &AuthzenMapping,
    page: &Page,
) -> Result<Lookup, InputMistake> {
    let subject = Entity::read(members, "subject")?;
    let action = AuthzenAction::read(members)?;
    let resource = Entity::read_type(members, "resource")?;
    let context = input::context(members, mapping, &subject, Some(&action), &resource)?;
    let permission = mapping.permission(&resource.kind, &action.name);

    let request = || {
        let request = wire::LookupResourcesRequest {
            consistency: Some(newest()),
            resource_object_type: mapping.definition(&resource.kind)?,
            permission: permission?,
            subject: Some(subject.subject(mapping)?),
            context,
            optional_limit: page.limit,
            optional_cursor: page.cursor.clone(),
            ..Default::default()
        };
        Some(request.encode_to_vec())
    };
    let request = request();
    Ok((resource.kind, request))
}

fn permission_list(
    members: &Members,
    mapping: &AuthzenMapping,
    page: &Page,
    actions: &mut ActionPage,
) -> Result<Lookup, InputMistake> {
    let subject = Entity::read(members, "subject")?;
    let resource = Entity::read(members, "resource")?;
    let context = input::context(members, mapping, &subject, None, &resource)?;

    let request = || {
        Some(own_wire::ListPermissionsRequest {
            consistency: None,
            resource: Some(resource.object(mapping)?),
            subject: Some(subject.subject(mapping)?),
            permissions: Vec::new(),
            context,
        })
    };
    let request = match request() {
        None => None,
        Some(request) => {
            let cursor = page.cursor.as_ref().map(|cursor| cursor.token.as_str());
            let (read, consistency) = ActionPage::read(&request, cursor, mapping)?;
            *actions = read;
            let consistency = Some(consistency);
            Some(own_wire::ListPermissionsRequest { consistency, ..request }.encode_to_vec())
        }
    };
    Ok((resource.kind, request))
}
