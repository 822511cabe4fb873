//! Access evaluations, one or many: bulk checks at one revision.

use super::input::{self, AuthzenAction, Entity, InputMistake, Members};
use super::mapping::AuthzenMapping;
use super::reason;
use crate::api::{BulkEnd, LastAnswer};
use crate::http::failure::Failure;
use crate::proto::authzed::api::v1 as wire;
use prost::Message as _;
use serde_json::{Value, json};
use tonic::Code;
use wire::check_bulk_permissions_pair::Response;
use wire::check_permission_response::Permissionship;
use wire::consistency::Requirement;

/// Which items of a batch are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Semantic {
    All,
    UntilDeny,
    UntilPermit,
}

impl Semantic {
    fn from_name(name: &str) -> Result<Self, InputMistake> {
        match name {
            "execute_all" => Ok(Self::All),
            "deny_on_first_deny" => Ok(Self::UntilDeny),
            "permit_on_first_permit" => Ok(Self::UntilPermit),
            _ => Err("`options.evaluations_semantic` must be `execute_all`, `deny_on_first_deny` or `permit_on_first_permit`".to_owned()),
        }
    }
}

/// One item of a request.
#[derive(Debug)]
enum PlannedItem {
    /// It is asked.
    Asked,
    /// No object or permission can have its names, so there is no permission.
    Unknown(&'static str),
    /// It is not a question.
    Wrong(InputMistake),
}

/// How the answers to checks become the response.
#[derive(Debug)]
pub(super) struct EvaluationPlan {
    is_batch: bool,
    semantic: Semantic,
    with_reasons: bool,
    items: Vec<PlannedItem>,
}

impl EvaluationPlan {
    /// The plan of a request and the checks that it asks for, and where these may end. A request without `evaluations` is answered
    /// as a single one.
    pub(super) fn new(
        body: &[u8],
        mapping: &AuthzenMapping,
        takes_batches: bool,
        end: &BulkEnd,
    ) -> Result<(Self, Vec<u8>), InputMistake> {
        let members = input::read_object(body)?;
        let (semantic, with_reasons) = options(&members)?;
        let evaluations = match members.get("evaluations").filter(|_| takes_batches) {
            None | Some(Value::Null) => None,
            Some(Value::Array(items)) => Some(items).filter(|items| !items.is_empty()),
            Some(_) => return Err("`evaluations` must be an array".to_owned()),
        };

        let mut checks = Vec::new();
        let mut items: Vec<_> = match evaluations {
            None => vec![item(&members, mapping, &mut checks)?],
            Some(items) => items
                .iter()
                .map(|one| {
                    let planned = with_defaults(&members, one)
                        .and_then(|members| item(&members, mapping, &mut checks));
                    planned.unwrap_or_else(PlannedItem::Wrong)
                })
                .collect(),
        };
        match semantic {
            Semantic::All => {}
            Semantic::UntilDeny => end.set(LastAnswer::Denial),
            Semantic::UntilPermit => end.set(LastAnswer::Permission),
        }
        if semantic == Semantic::UntilDeny
            && let Some(denied) = items.iter().position(|item| !matches!(item, PlannedItem::Asked))
        {
            // What comes after a denial that is known already is not asked.
            items.truncate(denied + 1);
            checks.truncate(denied);
        }
        let request = wire::CheckBulkPermissionsRequest {
            consistency: Some(newest()),
            items: checks,
            with_tracing: with_reasons,
        };
        let plan = Self { is_batch: evaluations.is_some(), semantic, with_reasons, items };
        Ok((plan, request.encode_to_vec()))
    }

    /// The response, from the messages of the bulk check.
    pub(super) fn answer(&self, answered: Result<Vec<Vec<u8>>, Failure>) -> Result<Value, Failure> {
        let asks = self.items.iter().any(|item| matches!(item, PlannedItem::Asked));
        let pairs = match answered {
            Ok(messages) => {
                let message = messages.first().ok_or_else(Failure::no_answer)?;
                let response = wire::CheckBulkPermissionsResponse::decode(message.as_slice());
                response.map_err(|_| Failure::no_answer())?.pairs
            }
            // Nothing was asked, which the service does not know.
            Err(failure) if !asks && failure.code() == Code::InvalidArgument => Vec::new(),
            // Without a schema there are no permissions.
            Err(failure) if failure.code() == Code::NotFound => Vec::new(),
            Err(failure) => return Err(failure),
        };

        let mut pairs = pairs.into_iter();
        let mut decisions = Vec::new();
        for item in &self.items {
            let decision = match item {
                PlannedItem::Asked => self.decision(pairs.next().and_then(|pair| pair.response))?,
                PlannedItem::Unknown(reason) => unknown(reason),
                PlannedItem::Wrong(mistake) => failed(400, mistake),
            };
            let permits = decision.get("decision") == Some(&Value::Bool(true));
            decisions.push(decision);
            let is_last = match self.semantic {
                Semantic::All => false,
                Semantic::UntilDeny => !permits,
                Semantic::UntilPermit => permits,
            };
            if is_last {
                break;
            }
        }
        if self.is_batch {
            return Ok(json!({"evaluations": decisions}));
        }
        decisions.into_iter().next().ok_or_else(Failure::no_answer)
    }

    fn decision(&self, response: Option<Response>) -> Result<Value, Failure> {
        match response {
            None => Ok(unknown("there is no such definition or permission")),
            Some(Response::Error(error)) => {
                let code = Code::from_i32(error.code);
                if [Code::FailedPrecondition, Code::NotFound].contains(&code) {
                    return Ok(unknown(&error.message));
                }
                let failure = Failure::from_status(tonic::Status::new(code, error.message), None);
                if !self.is_batch {
                    return Err(failure);
                }
                Ok(failed(failure.http_status(), failure.message()))
            }
            Some(Response::Item(item)) => {
                let permits = item.permissionship() == Permissionship::HasPermission;
                let mut context = Members::new();
                if let Some(missing) = item.partial_caveat_info {
                    let names = missing.missing_required_context;
                    context.insert("missing_context".to_owned(), json!(names));
                }
                if self.with_reasons {
                    let reason =
                        reason::of(permits, item.debug_trace.and_then(|trace| trace.check));
                    context.insert("reason_admin".to_owned(), json!({"en": reason}));
                }
                if context.is_empty() {
                    return Ok(json!({"decision": permits}));
                }
                Ok(json!({"decision": permits, "context": context}))
            }
        }
    }
}

/// A denial because of a name that the schema does not have. The reason is given unasked, because it is a mistake most of the time.
fn unknown(reason: &str) -> Value {
    json!({"decision": false, "context": {"reason_admin": {"en": reason}}})
}

/// The newest revision.
pub(super) fn newest() -> wire::Consistency {
    wire::Consistency { requirement: Some(Requirement::FullyConsistent(true)) }
}

fn failed(status: u16, message: &str) -> Value {
    json!({"decision": false, "context": {"error": {"status": status, "message": message}}})
}

/// The options of a request. Those that are not known are ignored.
fn options(members: &Members) -> Result<(Semantic, bool), InputMistake> {
    let Some(options) = input::object(members, "options")? else {
        return Ok((Semantic::All, false));
    };
    let semantic = match options.get("evaluations_semantic") {
        None | Some(Value::Null) => Semantic::All,
        Some(name) => Semantic::from_name(name.as_str().unwrap_or_default())?,
    };
    match options.get("reasons") {
        None | Some(Value::Null) => Ok((semantic, false)),
        Some(Value::Bool(with_reasons)) => Ok((semantic, *with_reasons)),
        Some(_) => Err("`options.reasons` must be true or false".to_owned()),
    }
}

/// An item with the defaults of the members that it does not have itself, or as null. Each replaces the default as a whole.
fn with_defaults(defaults: &Members, item: &Value) -> Result<Members, InputMistake> {
    let Value::Object(item) = item else {
        return Err("an item of `evaluations` must be an object".to_owned());
    };
    let mut members = item.clone();
    for name in ["subject", "action", "resource", "context"] {
        if let (None | Some(Value::Null), Some(default)) = (item.get(name), defaults.get(name)) {
            members.insert(name.to_owned(), default.clone());
        }
    }
    Ok(members)
}

fn item(
    members: &Members,
    mapping: &AuthzenMapping,
    checks: &mut Vec<wire::CheckBulkPermissionsRequestItem>,
) -> Result<PlannedItem, InputMistake> {
    let subject = Entity::read(members, "subject")?;
    let action = AuthzenAction::read(members)?;
    let resource = Entity::read(members, "resource")?;
    let context = input::context(members, mapping, &subject, Some(&action), &resource)?;

    let Some(permission) = mapping.permission(&resource.kind, &action.name) else {
        return Ok(PlannedItem::Unknown("no permission can have the name of the action"));
    };
    let (Some(resource), Some(subject)) = (resource.object(mapping), subject.subject(mapping))
    else {
        return Ok(PlannedItem::Unknown("no object can have the type and id"));
    };
    checks.push(wire::CheckBulkPermissionsRequestItem {
        resource: Some(resource),
        permission,
        subject: Some(subject),
        context,
    });
    Ok(PlannedItem::Asked)
}
