//! `LookupResources`, and `LookupResourcesWithin` of Kilwa's own protocol.

use super::server_support::{
    Bearer, Fresh, KEY, Running, config, consistency, delete, fresh, fresh_with, object, require,
    soon, start, structure, touch,
};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::kilwa::v1::LookupResourcesWithinRequest;
use kilwa::proto::kilwa::v1::lookup_service_client::LookupServiceClient;
use kilwa::relationship::Subject;
use proto::LookupPermissionship as Permissionship;
use proto::LookupResourcesRequest as Asked;
use proto::LookupResourcesResponse as Resource;
use proto::consistency::Requirement;
use std::time::Duration;
use tonic::{Code, Status, Streaming};

fn request(subject: &str, limit: u32) -> Asked {
    let subject: Subject = subject.parse().unwrap();
    Asked {
        resource_object_type: "document".to_owned(),
        permission: "view".to_owned(),
        subject: Some(proto::SubjectReference {
            object: Some(object(subject.object_type(), subject.object_id())),
            optional_relation: subject.relation().unwrap_or_default().to_owned(),
        }),
        optional_limit: limit,
        ..Default::default()
    }
}

async fn with_documents(count: usize) -> Fresh {
    let server = fresh().await;
    write_documents(&server, count).await;
    server
}

async fn write_documents(server: &Running, count: usize) {
    for start in (0..count).step_by(1_000) {
        let end = count.min(start + 1_000);
        let many = (start..end).map(|n| touch(&format!("document:d{n:05}#owner@user:ann")));
        server.write(many.collect()).await.unwrap();
    }
}

async fn collect(mut stream: Streaming<Resource>) -> Result<Vec<Resource>, Status> {
    let mut found = Vec::new();
    while let Some(response) = stream.message().await? {
        found.push(response);
    }
    Ok(found)
}

async fn look_up(server: &Running, request: Asked) -> Result<Vec<Resource>, Status> {
    collect(server.permissions().await.lookup_resources(request).await?.into_inner()).await
}

async fn look_within(
    server: &Running,
    request: LookupResourcesWithinRequest,
) -> Result<Vec<Resource>, Status> {
    let bearer = Bearer(KEY.to_owned());
    let mut client = LookupServiceClient::with_interceptor(server.channel().await, bearer);
    collect(client.lookup_resources_within(request).await?.into_inner()).await
}

fn ids(found: &[Resource]) -> Vec<&str> {
    found.iter().map(|found| found.resource_object_id.as_str()).collect()
}

#[tokio::test]
async fn results_come_in_order_of_one_moment_each_with_a_cursor() {
    let server = with_documents(2_345).await;
    let found = look_up(&server, request("user:ann", 0)).await.unwrap();
    let expected: Vec<String> = (0..2_345).map(|n| format!("d{n:05}")).collect();
    assert_eq!(ids(&found), expected);
    for response in &found {
        assert_eq!(response.looked_up_at, found[0].looked_up_at);
        assert_eq!(response.permissionship(), Permissionship::HasPermission);
        assert!(response.after_result_cursor.is_some());
        assert_eq!(response.partial_caveat_info, None);
    }
    assert!(look_up(&server, request("user:ben", 0)).await.unwrap().is_empty());
}

#[tokio::test]
async fn conditional_results_say_what_is_missing() {
    let server = fresh().await;
    server
        .touch(&[
            "document:a#viewer@user:ann[only_on:{\"allowed\":\"monday\"}]",
            "document:b#viewer@user:*",
            "document:c#viewer@user:ann[only_on:{\"allowed\":\"monday\",\"day\":\"sunday\"}]",
            "document:d#viewer@group:eng#member",
            "group:eng#member@user:ann",
        ])
        .await
        .unwrap();
    let found = look_up(&server, request("user:ann", 0)).await.unwrap();
    assert_eq!(ids(&found), ["a", "b", "d"]);
    assert_eq!(found[0].permissionship(), Permissionship::ConditionalPermission);
    let missing = found[0].partial_caveat_info.clone().unwrap().missing_required_context;
    assert_eq!(missing, ["day"]);
    for (day, expected) in [("monday", ["a", "b", "d"].as_slice()), ("friday", &["b", "d"])] {
        let mut request = request("user:ann", 0);
        request.context = Some(structure(&format!("{{\"day\": \"{day}\"}}")));
        let found = look_up(&server, request).await.unwrap();
        assert_eq!(ids(&found), expected);
        assert!(found.iter().all(|it| it.permissionship() == Permissionship::HasPermission));
    }
    let userset = look_up(&server, request("group:eng#member", 0)).await.unwrap();
    assert_eq!(ids(&userset), ["d"]);
    let identity = look_up(&server, request("document:new#view", 0)).await.unwrap();
    assert_eq!(ids(&identity), ["new"]);
    // A large context is no fault here.
    let mut large = request("user:ann", 0);
    let text = format!("{{\"day\": \"{}\"}}", "x".repeat(10_000));
    large.context = Some(structure(&text));
    assert_eq!(ids(&look_up(&server, large).await.unwrap()), ["b", "d"]);
}

#[tokio::test]
async fn pages_join_without_gap_or_repetition_while_others_write() {
    let server = with_documents(1_000).await;
    for size in [1, 7, 300, 1_000] {
        let whole = look_up(&server, request("user:ann", 0)).await.unwrap();
        let mut seen = Vec::new();
        let mut cursor = None;
        while seen.len() < 1_000 && seen.len() < 40 * usize::try_from(size).unwrap() {
            let mut requested = request("user:ann", size);
            requested.optional_cursor = cursor.take();
            let page = look_up(&server, requested).await.unwrap();
            assert!(page.iter().all(|it| it.looked_up_at == whole[0].looked_up_at));
            cursor.clone_from(&page.last().unwrap().after_result_cursor);
            seen.extend(ids(&page).into_iter().map(str::to_owned));
            // Later writes do not show in later pages.
            let updates = vec![
                touch("document:d00500x#owner@user:ann"),
                delete("document:d00501#owner@user:ann"),
            ];
            server.write(updates).await.unwrap();
        }
        assert_eq!(seen, ids(&whole)[..seen.len()]);
        let updates = vec![
            delete("document:d00500x#owner@user:ann"),
            touch("document:d00501#owner@user:ann"),
        ];
        server.write(updates).await.unwrap();
    }
}

#[tokio::test]
async fn a_cursor_outlives_writes_and_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(config(dir.path())).await;
    server.write_schema(super::server_support::SCHEMA).await.unwrap();
    write_documents(&server, 700).await;
    let whole = look_up(&server, request("user:ann", 0)).await.unwrap();
    server.write(vec![delete("document:d00650#owner@user:ann")]).await.unwrap();
    server.stop().await.unwrap();
    let server = start(config(dir.path())).await;
    for at in [0, 100, 649, 698, 699] {
        let mut rest = request("user:ann", 0);
        rest.optional_cursor.clone_from(&whole[at].after_result_cursor);
        assert_eq!(look_up(&server, rest).await.unwrap(), whole[at + 1..], "{at}");
    }
    assert_eq!(look_up(&server, request("user:ann", 0)).await.unwrap().len(), 699);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_cursor_fits_only_the_call_that_returned_it() {
    let server = with_documents(10).await;
    let cursor =
        look_up(&server, request("user:ann", 5)).await.unwrap()[4].after_result_cursor.clone();
    let changes: [&dyn Fn(&mut Asked); 6] = [
        &|request| request.optional_limit = 6,
        &|request| request.consistency = Some(consistency(Requirement::FullyConsistent(true))),
        &|request| request.permission = "edit".to_owned(),
        &|request| request.resource_object_type = "group".to_owned(),
        &|request| request.context = Some(structure("{\"day\": \"monday\"}")),
        &|request| {
            request.subject.as_mut().unwrap().object = Some(object("user", "ben"));
        },
    ];
    for change in changes {
        let mut other = request("user:ann", 5);
        other.optional_cursor.clone_from(&cursor);
        change(&mut other);
        let refused = look_up(&server, other).await.unwrap_err();
        require(&refused, Code::InvalidArgument, "INVALID_CURSOR", &[]);
    }
    let reading = proto::ReadRelationshipsRequest {
        relationship_filter: Some(super::server_support::filter("document")),
        optional_limit: 5,
        ..Default::default()
    };
    let foreign = server.read(reading).await.unwrap()[4].after_result_cursor.clone();
    let other = with_documents(10).await;
    let elsewhere =
        look_up(&other, request("user:ann", 5)).await.unwrap()[4].after_result_cursor.clone();
    let nonsense = |token: &str| Some(proto::Cursor { token: token.to_owned() });
    for wrong in [foreign, elsewhere, nonsense(""), nonsense("x")] {
        let mut requested = request("user:ann", 5);
        requested.optional_cursor = wrong;
        let refused = look_up(&server, requested).await.unwrap_err();
        require(&refused, Code::InvalidArgument, "INVALID_CURSOR", &[]);
    }
    let mut same = request("user:ann", 5);
    same.optional_cursor = cursor;
    assert_eq!(look_up(&server, same).await.unwrap().len(), 5);
}

#[tokio::test]
async fn what_cannot_be_looked_up_is_refused() {
    let server = with_documents(3).await;
    let refused = |change: &dyn Fn(&mut Asked)| {
        let mut request = request("user:ann", 0);
        change(&mut request);
        let server = &server;
        async move { look_up(server, request).await.unwrap_err() }
    };
    let status = refused(&|it| it.subject = request("user:*", 0).subject).await;
    require(&status, Code::InvalidArgument, "WILDCARD_NOT_ALLOWED", &["field"]);
    let status = refused(&|it| it.resource_object_type = "paper".to_owned()).await;
    require(&status, Code::FailedPrecondition, "UNKNOWN_DEFINITION", &["definition_name"]);
    let names = ["definition_name", "relation_or_permission_name"];
    let status = refused(&|it| it.permission = "publish".to_owned()).await;
    require(&status, Code::FailedPrecondition, "UNKNOWN_RELATION_OR_PERMISSION", &names);
    let status = refused(&|it| it.optional_limit = 1_001).await;
    let names = ["limit_provided", "maximum_limit_allowed"];
    require(&status, Code::InvalidArgument, "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT", &names);
    let status = refused(&|it| *it = Asked::default()).await;
    assert_eq!(status.code(), Code::InvalidArgument);
    for field in ["resource_object_type", "permission", "subject"] {
        assert!(status.message().contains(field), "{status:?}");
    }
    let future = proto::ZedToken { token: "nonsense".to_owned() };
    let status = refused(&|it| {
        let requirement = Requirement::AtExactSnapshot(future.clone());
        it.consistency = Some(consistency(requirement));
    });
    assert_eq!(status.await.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_caveat_that_fails_ends_the_stream_behind_what_is_right() {
    let server = fresh().await;
    let caveated = "document:b#viewer@user:ann[only_on]";
    server.touch(&["document:a#owner@user:ann", caveated]).await.unwrap();
    let mut requested = request("user:ann", 0);
    requested.context = Some(structure("{\"day\": 5}"));
    let mut client = server.permissions().await;
    let mut stream = client.lookup_resources(requested).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().resource_object_id, "a");
    let status = stream.message().await.unwrap_err();
    let names = ["caveat_name", "parameter_name"];
    require(&status, Code::InvalidArgument, "CAVEAT_PARAMETER_TYPE_ERROR", &names);
}

#[tokio::test]
async fn bounds_are_reported_as_those_of_a_check() {
    let server = fresh_with(|config| {
        config.database.limits.depth_max = Some(5);
        config.requests.lookup_resources_limit_max = 2;
    })
    .await;
    for n in 0..8 {
        server.touch(&[&format!("group:g{n}#member@group:g{}#member", n + 1)]).await.unwrap();
    }
    server.touch(&["group:g8#member@user:ann", "document:a#viewer@group:g0#member"]).await.unwrap();
    let mut requested = request("user:ann", 0);
    requested.with_debug = true;
    let status = look_up(&server, requested).await.unwrap_err();
    require(&status, Code::FailedPrecondition, "MAXIMUM_DEPTH_EXCEEDED", &["way"]);
    let status = look_up(&server, request("user:ann", 0)).await.unwrap_err();
    require(&status, Code::FailedPrecondition, "MAXIMUM_DEPTH_EXCEEDED", &[]);
    let status = look_up(&server, request("user:ann", 3)).await.unwrap_err();
    let names = ["limit_provided", "maximum_limit_allowed"];
    require(&status, Code::InvalidArgument, "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT", &names);
}

#[tokio::test]
async fn the_trailers_tell_what_it_cost() {
    let server = fresh().await;
    server
        .touch(&["document:a#viewer@group:eng#member", "group:eng#member@user:ann"])
        .await
        .unwrap();
    let mut client = server.permissions().await;
    let mut stream = client.lookup_resources(request("user:ann", 0)).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());
    assert!(stream.message().await.unwrap().is_none());
    let trailers = stream.trailers().await.unwrap().unwrap();
    let dispatched = trailers.get("io.spicedb.respmeta.dispatchedoperationscount").unwrap();
    assert!(dispatched.to_str().unwrap().parse::<u64>().unwrap() > 0);
    assert!(trailers.contains_key("io.spicedb.respmeta.cachedoperationscount"));
}

/// Old revisions go at once, but not the one that a stream reads; and a stream without a reader delays nothing.
#[tokio::test]
async fn garbage_collection_spares_a_stream_and_a_client_may_go_away() {
    let server = fresh_with(|config| {
        config.store.history_window = Duration::ZERO;
        config.garbage_collection_interval = Duration::from_millis(1);
    })
    .await;
    write_documents(&server, 3_000).await;
    let mut client = server.permissions().await;
    let mut stream = client.lookup_resources(request("user:ann", 0)).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    let abandoned = client.lookup_resources(request("user:ann", 0)).await.unwrap();
    // The documents go, and one revision after the other with them.
    for start in (0..3_000).step_by(300) {
        let many =
            (start..start + 300).map(|n| delete(&format!("document:d{n:05}#owner@user:ann")));
        server.write(many.collect()).await.unwrap();
    }
    let mut count = 1;
    while let Some(response) = stream.message().await.unwrap() {
        assert_eq!(response.looked_up_at, first.looked_up_at);
        count += 1;
    }
    assert_eq!(count, 3_000);
    drop(abandoned);
    soon(server.server.stop()).await.unwrap();
}

#[tokio::test]
async fn a_lookup_within_candidates_is_one_of_them() {
    let server = with_documents(100).await;
    server.touch(&["document:other#owner@user:ben"]).await.unwrap();
    let within = |ids: &[&str], prefix: &str, limit: u32| LookupResourcesWithinRequest {
        lookup: Some(request("user:ann", limit)),
        resource_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        resource_id_prefix: prefix.to_owned(),
    };
    let some = within(&["other", "d00050", "nowhere", "d00004", "d00050"], "", 0);
    let found = look_within(&server, some).await.unwrap();
    assert_eq!(ids(&found), ["d00004", "d00050"]);
    let first = look_within(&server, within(&[], "d0001", 4)).await.unwrap();
    assert_eq!(ids(&first), ["d00010", "d00011", "d00012", "d00013"]);
    server.write(vec![delete("document:d00015#owner@user:ann")]).await.unwrap();
    let mut rest = within(&[], "d0001", 4);
    rest.lookup.as_mut().unwrap().optional_cursor.clone_from(&first[3].after_result_cursor);
    let found = look_within(&server, rest.clone()).await.unwrap();
    assert_eq!(ids(&found), ["d00014", "d00015", "d00016", "d00017"]);
    // The cursor is one of this call and its candidates.
    rest.resource_id_prefix = "d000".to_owned();
    let refused = look_within(&server, rest.clone()).await.unwrap_err();
    require(&refused, Code::InvalidArgument, "INVALID_CURSOR", &[]);
    let refused = look_up(&server, rest.lookup.unwrap()).await.unwrap_err();
    require(&refused, Code::InvalidArgument, "INVALID_CURSOR", &[]);
    for (wrong, field) in [
        (within(&[], "", 0), "resource_ids"),
        (within(&["a b"], "", 0), "resource_ids[0]"),
        (within(&[], "a b", 0), "resource_id_prefix"),
        (LookupResourcesWithinRequest { lookup: None, ..within(&["a"], "", 0) }, "lookup"),
    ] {
        let refused = look_within(&server, wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(field), "{field}: {refused:?}");
    }
    let many: Vec<String> = (0..10_001).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let refused = look_within(&server, within(&many, "", 0)).await.unwrap_err();
    let names = ["check_count", "maximum_checks_allowed"];
    require(&refused, Code::InvalidArgument, "", &names);
}
