//! `CheckPermission` and `CheckBulkPermissions`.

use super::server_support::{Fresh, fresh, fresh_with, object, question, require, structure};
use kilwa::proto::authzed::api::v1 as proto;
use proto::check_bulk_permissions_pair::Response as Answer;
use proto::check_permission_response::Permissionship;
use std::time::Duration;
use tonic::{Code, Request, Status};

async fn requested(
    server: &Fresh,
    change: impl FnOnce(&mut proto::CheckPermissionRequest),
) -> Result<proto::CheckPermissionResponse, Status> {
    let mut request = question("document:plan#view@user:ann");
    change(&mut request);
    Ok(server.permissions().await.check_permission(request).await?.into_inner())
}

#[tokio::test]
async fn an_answer_is_yes_no_or_conditional() {
    let server = fresh().await;
    server
        .touch(&[
            "document:plan#viewer@user:ann",
            "document:plan#viewer@group:eng#member",
            "group:eng#member@user:bob",
            "document:plan#viewer@user:cid[only_on:{\"allowed\":\"monday\"}]",
        ])
        .await
        .unwrap();
    assert!(server.has("document:plan#view@user:ann").await);
    assert!(server.has("document:plan#view@user:bob").await);
    assert!(server.has("document:plan#viewer@group:eng#member").await);
    let no = server.check("document:plan#view@user:dan").await.unwrap();
    assert_eq!(no.permissionship(), Permissionship::NoPermission);
    let conditional = server.check("document:plan#view@user:cid").await.unwrap();
    assert_eq!(conditional.permissionship(), Permissionship::ConditionalPermission);
    assert_eq!(conditional.partial_caveat_info.unwrap().missing_required_context, ["day"]);
    for (day, expected) in
        [("monday", Permissionship::HasPermission), ("sunday", Permissionship::NoPermission)]
    {
        let answer = requested(&server, |request| {
            *request = question("document:plan#view@user:cid");
            request.context = Some(structure(&format!("{{\"day\": \"{day}\"}}")));
        });
        let answer = answer.await.unwrap();
        assert_eq!(answer.permissionship(), expected);
        assert_eq!(answer.partial_caveat_info, None);
    }
}

#[tokio::test]
async fn unknown_names_are_named() {
    let server = fresh().await;
    let refused = server.check("nothing:plan#view@user:ann").await.unwrap_err();
    require(&refused, Code::FailedPrecondition, "UNKNOWN_DEFINITION", &["definition_name"]);
    let refused = server.check("document:plan#view@nobody:ann").await.unwrap_err();
    require(&refused, Code::FailedPrecondition, "UNKNOWN_DEFINITION", &["definition_name"]);
    let names = ["definition_name", "relation_or_permission_name"];
    for text in ["document:plan#nothing@user:ann", "document:plan#view@group:eng#nothing"] {
        let refused = server.check(text).await.unwrap_err();
        require(&refused, Code::FailedPrecondition, "UNKNOWN_RELATION_OR_PERMISSION", &names);
    }
    let refused = requested(&server, |request| request.permission.clear()).await.unwrap_err();
    require(&refused, Code::FailedPrecondition, "UNKNOWN_RELATION_OR_PERMISSION", &names);
}

#[tokio::test]
async fn a_wildcard_is_refused_as_the_subject_of_a_check() {
    let server = fresh().await;
    let refused = server.check("document:plan#view@user:*").await.unwrap_err();
    require(&refused, Code::InvalidArgument, "WILDCARD_NOT_ALLOWED", &["field"]);
}

#[tokio::test]
async fn malformed_fields_are_named_all_at_once() {
    let server = fresh().await;
    let refused = requested(&server, |request| {
        request.resource = Some(object("Document", "a b"));
        request.permission = "ab".to_owned();
        request.subject = None;
    });
    let refused = refused.await.unwrap_err();
    require(&refused, Code::InvalidArgument, "", &[]);
    for part in [
        "validation errors:",
        "resource.object_type",
        "`Document`",
        "resource.object_id",
        "`a b`",
        "permission",
        "`ab`",
        "subject: a value is required",
    ] {
        assert!(refused.message().contains(part), "{part} in {refused}");
    }
}

#[tokio::test]
async fn malformed_values_are_refused_with_their_place() {
    let server = fresh().await;
    let reference = |relation: &str| proto::SubjectReference {
        object: Some(object("user", "*")),
        optional_relation: relation.to_owned(),
    };
    let userset = |relation: &str| proto::SubjectReference {
        object: Some(object("user", "ann")),
        optional_relation: relation.to_owned(),
    };
    let place = async |change: &dyn Fn(&mut proto::CheckPermissionRequest)| {
        let refused = requested(&server, change).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        let message = refused.message().strip_prefix("validation error: ").unwrap();
        message.split_once(": ").unwrap().0.to_owned()
    };
    assert_eq!(place(&|r| r.resource = Some(object("document", "*"))).await, "resource.object_id");
    assert_eq!(place(&|r| r.resource = Some(object("document", ""))).await, "resource.object_id");
    let long = "x".repeat(1025);
    assert_eq!(
        place(&|r| r.resource = Some(object("document", &long))).await,
        "resource.object_id"
    );
    assert_eq!(
        place(&|r| r.subject = Some(reference("member"))).await,
        "subject.optional_relation"
    );
    assert_eq!(place(&|r| r.subject = Some(userset("..."))).await, "subject.optional_relation");
    assert_eq!(
        place(&|r| r.subject = Some(proto::SubjectReference::default())).await,
        "subject.object"
    );
    let infinite = || {
        let kind = Some(prost_types::value::Kind::NumberValue(f64::INFINITY));
        let fields = [("day".to_owned(), prost_types::Value { kind })];
        prost_types::Struct { fields: fields.into() }
    };
    assert_eq!(place(&|r| r.context = Some(infinite())).await, "context");
}

#[tokio::test]
async fn a_context_may_hold_so_many_bytes() {
    let server = fresh().await;
    let large = |bytes: usize| Some(structure(&format!("{{\"x\": \"{}\"}}", "y".repeat(bytes))));
    requested(&server, |request| request.context = large(4_000)).await.unwrap();
    let refused = requested(&server, |request| request.context = large(5_000)).await.unwrap_err();
    require(&refused, Code::InvalidArgument, "", &[]);
    assert!(refused.message().contains("less than 4096 bytes"), "{refused}");
}

#[tokio::test]
async fn a_deep_context_is_refused_and_nothing_worse() {
    let server = fresh().await;
    let mut value = prost_types::Value { kind: Some(prost_types::value::Kind::BoolValue(true)) };
    for depth in 0..200 {
        let list = prost_types::ListValue { values: vec![value] };
        value = prost_types::Value { kind: Some(prost_types::value::Kind::ListValue(list)) };
        if depth == 20 || depth == 40 || depth == 199 {
            let fields = [("day".to_owned(), value.clone())].into();
            let answer = requested(&server, |request| {
                request.context = Some(prost_types::Struct { fields });
            });
            assert_eq!(answer.await.is_ok(), depth == 20, "{depth}");
        }
    }
}

#[tokio::test]
async fn caveats_that_fail_say_which() {
    let server = fresh().await;
    server.touch(&["document:plan#viewer@user:ann[only_on]"]).await.unwrap();
    let refused = requested(&server, |request| request.context = Some(structure("{\"day\": 5}")));
    let names = ["caveat_name", "parameter_name"];
    let refused = refused.await.unwrap_err();
    require(&refused, Code::InvalidArgument, "CAVEAT_PARAMETER_TYPE_ERROR", &names);
}

#[tokio::test]
async fn a_depth_limit_is_kept_when_it_is_set() {
    let server = fresh_with(|config| config.database.limits.depth_max = Some(10)).await;
    let chain: Vec<String> =
        (0..30).map(|n| format!("group:g{n}#member@group:g{}#member", n + 1)).collect();
    server.touch(&chain.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap();
    server.touch(&["group:g30#member@user:ann"]).await.unwrap();
    let refused = server.check("group:g0#member@user:ann").await.unwrap_err();
    require(&refused, Code::FailedPrecondition, "MAXIMUM_DEPTH_EXCEEDED", &[]);
    assert!(server.has("group:g25#member@user:ann").await);
}

#[tokio::test]
async fn a_trace_tells_the_way_on_request() {
    let server = fresh().await;
    server.touch(&["document:plan#viewer@user:ann"]).await.unwrap();
    let plain = server.check("document:plan#view@user:ann").await.unwrap();
    assert_eq!(plain.debug_trace, None);
    let traced = requested(&server, |request| request.with_tracing = true).await.unwrap();
    let trace = traced.debug_trace.unwrap();
    assert!(trace.schema_used.contains("definition document"), "{}", trace.schema_used);
    let root = trace.check.unwrap();
    assert_eq!(root.resource, Some(object("document", "plan")));
    assert_eq!(root.permission, "view");
    assert_eq!(root.permission_type(), proto::check_debug_trace::PermissionType::Permission);
    assert_eq!(root.result(), proto::check_debug_trace::Permissionship::HasPermission);
    assert!(matches!(root.resolution, Some(proto::check_debug_trace::Resolution::SubProblems(_))));
    let mut request = Request::new(question("document:plan#view@user:ann"));
    request.metadata_mut().insert("io.spicedb.requestdebuginfo", "1".parse().unwrap());
    let response = server.permissions().await.check_permission(request).await.unwrap();
    assert!(response.into_inner().debug_trace.is_some());
}

/// Every step of a trace, from the first one down.
fn steps(trace: &proto::CheckDebugTrace) -> Vec<&proto::CheckDebugTrace> {
    let below = match &trace.resolution {
        Some(proto::check_debug_trace::Resolution::SubProblems(below)) => below.traces.as_slice(),
        Some(proto::check_debug_trace::Resolution::WasCachedResult(_)) => &[],
        None => panic!("a step without a resolution"),
    };
    [trace].into_iter().chain(below.iter().flat_map(steps)).collect()
}

#[tokio::test]
async fn every_step_of_a_trace_is_complete() {
    let server = fresh().await;
    server
        .touch(&[
            "document:plan#viewer@group:eng#member",
            "group:eng#member@group:core#member",
            "group:core#member@user:ann",
        ])
        .await
        .unwrap();
    let mut reported = Vec::new();
    for _ in 0..2 {
        let traced = requested(&server, |request| request.with_tracing = true).await.unwrap();
        reported.push(traced.debug_trace.unwrap().check.unwrap());
    }
    let steps: Vec<_> = reported.iter().flat_map(steps).collect();
    assert!(steps.len() >= 8, "{steps:?}");
    for step in &steps {
        assert!(step.duration.is_some(), "{step:?}");
        assert!(step.source.starts_with("kilwa:"), "{step:?}");
        assert_eq!(step.subject, question("document:plan#view@user:ann").subject);
    }
    let ids: std::collections::BTreeSet<_> =
        steps.iter().map(|step| &step.trace_operation_id).collect();
    assert_eq!(ids.len(), steps.len());
}

#[tokio::test]
async fn a_trace_tells_what_caveats_made_of_each_step() {
    use proto::caveat_eval_info::Result as Caveat;
    use proto::check_debug_trace::Permissionship as Told;
    let server = fresh().await;
    server
        .touch(&["document:plan#viewer@user:ann[only_on:{\"allowed\":\"monday\"}]"])
        .await
        .unwrap();
    for (context, expected, missing) in [
        ("{}", Caveat::MissingSomeContext, &["day"][..]),
        ("{\"day\":\"monday\"}", Caveat::True, &[]),
        ("{\"day\":\"sunday\"}", Caveat::False, &[]),
    ] {
        let traced = requested(&server, |request| {
            request.with_tracing = true;
            request.context = Some(structure(context));
        });
        let root = traced.await.unwrap().debug_trace.unwrap().check.unwrap();
        // The permission rests on the relation's caveat and on nothing else.
        for step in steps(&root).into_iter().filter(|step| step.permission != "owner") {
            let Some(info) = &step.caveat_evaluation_info else { continue };
            assert_eq!(step.result(), Told::ConditionalPermission, "{step:?}");
            assert_eq!((info.result(), info.caveat_name.as_str()), (expected, "only_on"));
            assert_eq!(info.expression, "day == allowed");
            let names = info.partial_caveat_info.clone().unwrap_or_default();
            assert_eq!(names.missing_required_context, missing);
            assert!(info.context.as_ref().unwrap().fields.contains_key("allowed"));
        }
        let informed = steps(&root).into_iter().filter(|it| it.caveat_evaluation_info.is_some());
        let informed: Vec<&str> = informed.map(|step| step.permission.as_str()).collect();
        assert_eq!(informed, ["view", "viewer"], "{context}");
    }
}

#[tokio::test]
async fn the_caveats_of_several_ways_are_reported_as_one_expression() {
    let server = fresh().await;
    server
        .write_schema(
            "caveat is_open(open bool) { open }
             caveat is_staff(staff bool) { staff }
             definition user {}
             definition door {
               relation guest: user with is_open
               relation banned: user with is_staff
               permission enter = guest - banned
             }",
        )
        .await
        .unwrap();
    server
        .touch(&["door:main#guest@user:ann[is_open]", "door:main#banned@user:ann[is_staff]"])
        .await
        .unwrap();
    let traced = requested(&server, |request| {
        *request = question("door:main#enter@user:ann");
        request.with_tracing = true;
        request.context = Some(structure("{\"open\": true}"));
    });
    let root = traced.await.unwrap().debug_trace.unwrap().check.unwrap();
    let info = root.caveat_evaluation_info.unwrap();
    assert_eq!(info.expression, "(open) && (!(staff))");
    assert_eq!(info.caveat_name, "");
    assert_eq!(info.partial_caveat_info.unwrap().missing_required_context, ["staff"]);
}

#[tokio::test]
async fn a_bulk_check_traces_each_item() {
    let server = fresh().await;
    server.touch(&["document:plan#viewer@user:ann"]).await.unwrap();
    let texts = ["document:plan#view@user:ann", "document:plan#nothing@user:ann"];
    let request = proto::CheckBulkPermissionsRequest {
        items: texts.map(item).into(),
        with_tracing: true,
        ..Default::default()
    };
    let mut client = server.permissions().await;
    let pairs = client.check_bulk_permissions(request).await.unwrap().into_inner().pairs;
    let Some(Answer::Item(answered)) = &pairs[0].response else { panic!("{pairs:?}") };
    assert!(answered.debug_trace.as_ref().unwrap().check.is_some());
    assert!(matches!(pairs[1].response, Some(Answer::Error(_))));
}

#[tokio::test]
async fn a_check_may_take_so_long() {
    let server = fresh_with(|config| config.database.limits.time_max = Some(Duration::ZERO)).await;
    // A check with a trace does not use the fast path.
    let refused = requested(&server, |request| request.with_tracing = true).await.unwrap_err();
    require(&refused, Code::DeadlineExceeded, "", &[]);
    assert!(refused.message().contains("longer than allowed"), "{refused}");
}

fn item(text: &str) -> proto::CheckBulkPermissionsRequestItem {
    let proto::CheckPermissionRequest { resource, permission, subject, context, .. } =
        question(text);
    proto::CheckBulkPermissionsRequestItem { resource, permission, subject, context }
}

async fn bulk(
    server: &Fresh,
    items: Vec<proto::CheckBulkPermissionsRequestItem>,
) -> Result<Vec<proto::CheckBulkPermissionsPair>, Status> {
    let request = proto::CheckBulkPermissionsRequest { items, ..Default::default() };
    let response = server.permissions().await.check_bulk_permissions(request).await?;
    Ok(response.into_inner().pairs)
}

#[tokio::test]
async fn a_bulk_check_answers_in_order_and_each_for_itself() {
    let server = fresh().await;
    server.touch(&["document:plan#viewer@user:ann"]).await.unwrap();
    let items: Vec<_> = [
        "document:plan#view@user:ann",
        "document:plan#view@user:bob",
        "document:plan#nothing@user:ann",
        "document:plan#view@user:*",
        "document:plan#view@user:ann",
    ]
    .map(item)
    .into();
    let pairs = bulk(&server, items.clone()).await.unwrap();
    let requested: Vec<_> = pairs.iter().map(|pair| pair.request.clone().unwrap()).collect();
    assert_eq!(requested, items);
    let reported: Vec<_> = pairs
        .iter()
        .map(|pair| match pair.response.as_ref().unwrap() {
            Answer::Item(item) => format!("{:?}", item.permissionship()),
            Answer::Error(status) => format!("{} {}", status.code, status.details.len()),
        })
        .collect();
    assert_eq!(reported, ["HasPermission", "NoPermission", "9 1", "3 1", "HasPermission"]);
}

#[tokio::test]
async fn a_bulk_check_takes_none_to_ten_thousand_items() {
    let server = fresh().await;
    assert_eq!(bulk(&server, Vec::new()).await.unwrap(), []);
    let items = vec![item("document:plan#view@user:ann"); 10_001];
    let refused = bulk(&server, items).await.unwrap_err();
    let names = ["check_count", "maximum_checks_allowed"];
    require(&refused, Code::InvalidArgument, "", &names);
}

#[tokio::test]
async fn a_malformed_item_fails_the_bulk_check_with_its_place() {
    let server = fresh().await;
    let mut malformed = item("document:plan#view@user:ann");
    malformed.resource = Some(object("document", "*"));
    let items = vec![item("document:plan#view@user:ann"), malformed];
    let refused = bulk(&server, items).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("items[1].resource.object_id"), "{refused}");
}
