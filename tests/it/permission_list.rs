//! Every permission of one subject on one resource, in one call.

use crate::reference::case::{Asked, now};
use crate::reference::generate;
use crate::reference::random::Random;
use crate::server_support::{
    Bearer, Fresh, KEY, Keyed, fresh, object, question, require, structure,
};
use kilwa::database::{Consistency, Database, DatabaseOptions, ListPermissionsQuery, WriteRequest};
use kilwa::engine::{CheckQuery, CheckResult};
use kilwa::proto::kilwa::v1 as own;
use kilwa::relationship::{Context, RelationshipUpdate, UpdateOperation};
use kilwa::schema::compile;
use kilwa::store::StoreOptions;
use own::permissions_service_client::PermissionsServiceClient;
use std::fmt::Write as _;
use tonic::Code;

async fn client(server: &Fresh) -> PermissionsServiceClient<Keyed> {
    PermissionsServiceClient::with_interceptor(server.channel().await, Bearer(KEY.to_owned()))
}

fn list(resource: &str, subject: &str, permissions: &[&str]) -> own::ListPermissionsRequest {
    let requested = question(&format!("{resource}#view@{subject}"));
    own::ListPermissionsRequest {
        resource: requested.resource,
        subject: requested.subject,
        permissions: permissions.iter().map(|name| (*name).to_owned()).collect(),
        ..Default::default()
    }
}

/// The answers, one in a line.
fn shown(response: &own::ListPermissionsResponse) -> String {
    use own::permission_result::Response;
    let lines = response.permissions.iter().map(|answer| match answer.response.as_ref().unwrap() {
        Response::Item(item) => {
            let missing = item.partial_caveat_info.clone().unwrap_or_default();
            let missing = missing.missing_required_context.join(",");
            format!("{} {} {missing}", answer.permission, item.permissionship)
        }
        Response::Error(status) => format!("{} error {}", answer.permission, status.code),
    });
    lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn all_permissions_come_as_written() {
    let server = fresh().await;
    server.touch(&["document:plan#viewer@user:ann[only_on]"]).await.unwrap();
    server.touch(&["document:plan#owner@user:bob"]).await.unwrap();
    let mut client = client(&server).await;
    let response = client.list_permissions(list("document:plan", "user:ann", &[])).await.unwrap();
    assert_eq!(shown(response.get_ref()), "edit 1\nview 3 allowed,day");
    assert!(response.get_ref().checked_at.is_some());
    let response = client.list_permissions(list("document:plan", "user:bob", &[])).await.unwrap();
    assert_eq!(shown(response.get_ref()), "edit 2\nview 2");
    let mut request = list("document:plan", "user:ann", &[]);
    request.context = Some(structure(r#"{"day": "monday", "allowed": "monday"}"#));
    let response = client.list_permissions(request).await.unwrap();
    assert_eq!(shown(response.get_ref()), "edit 1\nview 2");
    let response = client.list_permissions(list("user:ann", "user:ann", &[])).await.unwrap();
    assert_eq!(shown(response.get_ref()), "");
}

#[tokio::test]
async fn a_list_is_answered_in_its_order() {
    let server = fresh().await;
    server.touch(&["document:plan#owner@user:bob"]).await.unwrap();
    let request = list("document:plan", "user:bob", &["view", "owner", "viewer", "view"]);
    let response = client(&server).await.list_permissions(request).await.unwrap();
    assert_eq!(shown(response.get_ref()), "view 2\nowner 2\nviewer 1\nview 2");
}

#[tokio::test]
async fn what_is_wrong_with_the_call_fails_it() {
    let server = fresh().await;
    let mut client = client(&server).await;
    let failed = Code::FailedPrecondition;
    let unknown = list("document:plan", "user:bob", &["view", "nothing"]);
    let refused = client.list_permissions(unknown).await.unwrap_err();
    let names = ["definition_name", "relation_or_permission_name"];
    require(&refused, failed, "UNKNOWN_RELATION_OR_PERMISSION", &names);
    for request in [list("paper:plan", "user:bob", &[]), list("document:plan", "robot:bob", &[])] {
        let refused = client.list_permissions(request).await.unwrap_err();
        require(&refused, failed, "UNKNOWN_DEFINITION", &["definition_name"]);
    }
    let everybody = list("document:plan", "user:*", &[]);
    let refused = client.list_permissions(everybody).await.unwrap_err();
    require(&refused, Code::InvalidArgument, "WILDCARD_NOT_ALLOWED", &["field"]);
    let request = own::ListPermissionsRequest {
        resource: Some(object("document", "*")),
        subject: None,
        permissions: vec!["No".to_owned()],
        ..Default::default()
    };
    let refused = client.list_permissions(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    for place in ["resource.object_id: ", "subject: ", "permissions[0]: "] {
        assert!(refused.message().contains(place), "{refused}");
    }
    let mut many = list("document:plan", "user:bob", &[]);
    many.permissions = vec!["view".to_owned(); 10_001];
    let refused = client.list_permissions(many).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn what_is_wrong_with_one_answer_is_that_answer() {
    let server = fresh().await;
    let schema = "
caveat divides(n int) { 1 / n == 1 }
definition user {}
definition document {
  relation owner: user
  relation viewer: user with divides
  permission edit = owner
  permission view = viewer
}
";
    server.write_schema(schema).await.unwrap();
    server
        .touch(&[
            "document:plan#owner@user:ann",
            "document:plan#viewer@user:ann[divides:{\"n\":0}]",
        ])
        .await
        .unwrap();
    let request = list("document:plan", "user:ann", &[]);
    let response = client(&server).await.list_permissions(request).await.unwrap();
    assert_eq!(shown(response.get_ref()), "edit 2\nview error 3");
    let check = server.check("document:plan#view@user:ann").await.unwrap_err();
    assert_eq!(check.code(), Code::InvalidArgument);
}

/// A database of these relationships, some of which may have expired.
fn database<'r>(
    schema: &str,
    relationships: impl Iterator<Item = &'r kilwa::relationship::Relationship>,
) -> Database {
    let database =
        Database::in_memory(&StoreOptions::default(), DatabaseOptions::default()).unwrap();
    database.write_schema(now(), schema).unwrap();
    let updates: Vec<_> = relationships
        .map(|relationship| RelationshipUpdate {
            operation: UpdateOperation::Touch,
            relationship: relationship.clone(),
        })
        .collect();
    for updates in updates.chunks(1000) {
        let updates = updates.to_vec();
        database.write(now(), WriteRequest { updates, ..WriteRequest::default() }).unwrap();
    }
    database
}

#[test]
fn it_says_what_single_checks_say() {
    const CASES: usize = 150;
    let mut random = Random::new(31);
    let mut compared = 0;
    for _ in 0..CASES {
        let case = generate::specimen(&mut random, 6).case();
        let schema = compile(&case.schema).unwrap();
        let database = database(&case.schema, case.relationships.iter());
        let view = database.view(Consistency::FullyConsistent, now()).unwrap();
        for Asked { resource, subject, context, .. } in &case.questions {
            let definition = schema.find_definition(resource.object_type()).unwrap();
            let names: Vec<String> =
                definition.nodes.iter().map(|id| schema.node(*id).name.clone()).collect();
            let listing = ListPermissionsQuery {
                resource: resource.clone(),
                subject: subject.clone(),
                context: context.clone(),
                permissions: names.clone(),
            };
            let listed = view.permissions(&listing).unwrap();
            assert_eq!(listed.len(), names.len());
            for (permission, answer) in &listed {
                let question = CheckQuery { resource, permission, subject, context };
                let alone = view.check(&question, false);
                let said = |answer: &Result<CheckResult, _>| match answer {
                    Ok(checked) => Ok(checked.permissionship.clone()),
                    Err(error) => Err(format!("{error}")),
                };
                assert_eq!(said(answer), said(&alone), "{resource}#{permission}@{subject}\n{case}");
                compared += 1;
            }
        }
    }
    assert!(compared > 10 * CASES, "{compared}");
}

#[test]
fn twenty_permissions_cost_little_more_than_one() {
    const PERMISSIONS: usize = 20;
    const CHAIN: usize = 200;
    let mut schema = "definition user {}
definition group { relation member: user | group#member }
definition document {
  relation group: group
  relation owner: user
  permission base = group->member + owner
"
    .to_owned();
    for number in 0..PERMISSIONS {
        writeln!(schema, "  permission p_{number:02} = base + owner").unwrap();
    }
    schema.push('}');
    let mut lines = vec!["document:plan#group@group:g0".to_owned()];
    lines.extend((0..CHAIN).map(|at| format!("group:g{at}#member@group:g{}#member", at + 1)));
    let relationships: Vec<_> = lines.iter().map(|line| line.parse().unwrap()).collect();
    let database = database(&schema, relationships.iter());
    let view = database.view(Consistency::FullyConsistent, now()).unwrap();
    let listing = ListPermissionsQuery {
        resource: "document:plan".parse().unwrap(),
        subject: "user:ann".parse().unwrap(),
        context: Context::default(),
        permissions: Vec::new(),
    };
    let listed = view.permissions(&listing).unwrap();
    assert_eq!(listed.len(), PERMISSIONS + 1);
    let reads = |checked: &CheckResult| checked.statistics.reads;
    let all: u64 = listed.iter().map(|(_, answer)| reads(answer.as_ref().unwrap())).sum();
    let one = reads(listed[0].1.as_ref().unwrap());
    assert!(one > 2 * u64::try_from(CHAIN).unwrap() / 2, "{one}");
    let more = u64::try_from(PERMISSIONS).unwrap();
    assert!(all <= one + 3 * more, "{one} reads for one, {all} for all");
}
