//! Lists of subjects over the wire.

use super::server_support::{Fresh, consistency, delete, fresh, object, require, structure, touch};
use kilwa::proto::authzed::api::v1 as proto;
use proto::LookupPermissionship as Permissionship;
use proto::consistency::Requirement;
use proto::lookup_subjects_request::WildcardOption;
use tonic::{Code, Status};

/// `document:plan#view@user`, or `…@group#member`.
fn request(text: &str) -> proto::LookupSubjectsRequest {
    let (place, subjects) = text.split_once('@').unwrap();
    let (resource, permission) = place.split_once('#').unwrap();
    let (object_type, object_id) = resource.split_once(':').unwrap();
    let (subject_type, relation) = subjects.split_once('#').unwrap_or((subjects, ""));
    proto::LookupSubjectsRequest {
        resource: Some(object(object_type, object_id)),
        permission: permission.to_owned(),
        subject_object_type: subject_type.to_owned(),
        optional_subject_relation: relation.to_owned(),
        ..Default::default()
    }
}

async fn list(
    server: &Fresh,
    request: proto::LookupSubjectsRequest,
) -> Result<Vec<proto::LookupSubjectsResponse>, Status> {
    let mut stream = server.permissions().await.lookup_subjects(request).await?.into_inner();
    let mut found = Vec::new();
    while let Some(response) = stream.message().await? {
        found.push(response);
    }
    Ok(found)
}

fn ids(found: &[proto::LookupSubjectsResponse]) -> Vec<&str> {
    found.iter().map(|found| found.subject.as_ref().unwrap().subject_object_id.as_str()).collect()
}

async fn with_owners(count: usize) -> Fresh {
    let server = fresh().await;
    for start in (0..count).step_by(1_000) {
        let end = count.min(start + 1_000);
        let many = (start..end).map(|n| touch(&format!("document:plan#owner@user:u{n:05}")));
        server.write(many.collect()).await.unwrap();
    }
    server
}

#[tokio::test]
async fn subjects_come_with_their_certainty_in_old_fields_and_new_ones() {
    let server = fresh().await;
    let written = server
        .touch(&[
            "document:plan#viewer@user:*",
            "document:plan#viewer@user:bob[only_on:{\"allowed\":\"monday\"}]",
            "document:plan#viewer@group:eng#member",
            "document:plan#owner@user:ann",
            "group:eng#member@user:zoe",
        ])
        .await
        .unwrap();
    let found = list(&server, request("document:plan#view@user")).await.unwrap();
    assert_eq!(ids(&found), ["*", "ann", "bob", "zoe"]);
    assert!(found.iter().all(|found| found.looked_up_at.as_ref() == Some(&written)));
    let found = list(&server, request("document:plan#view@group#member")).await.unwrap();
    assert_eq!(ids(&found), ["eng"]);
    server.write(vec![delete("document:plan#viewer@user:*")]).await.unwrap();
    let found = list(&server, request("document:plan#view@user")).await.unwrap();
    assert_eq!(ids(&found), ["ann", "bob", "zoe"]);
    let bob = &found[1];
    let resolved = bob.subject.as_ref().unwrap();
    assert_eq!(resolved.permissionship(), Permissionship::ConditionalPermission);
    let missing = resolved.partial_caveat_info.as_ref().unwrap();
    assert_eq!(missing.missing_required_context, ["day"]);
    #[expect(deprecated, reason = "older clients read these")]
    let old = (&bob.subject_object_id, bob.permissionship(), &bob.partial_caveat_info);
    assert_eq!(
        old,
        (&resolved.subject_object_id, resolved.permissionship(), &resolved.partial_caveat_info)
    );
    for (day, expected) in [("monday", vec!["ann", "bob", "zoe"]), ("sunday", vec!["ann", "zoe"])] {
        let context = Some(structure(&format!("{{\"day\":\"{day}\"}}")));
        let with_day =
            proto::LookupSubjectsRequest { context, ..request("document:plan#view@user") };
        let found = list(&server, with_day).await.unwrap();
        assert_eq!(ids(&found), expected);
        let certain = |found: &proto::LookupSubjectsResponse| {
            found.subject.as_ref().unwrap().permissionship() == Permissionship::HasPermission
        };
        assert!(found.iter().all(certain));
    }
    let then = proto::LookupSubjectsRequest {
        consistency: Some(consistency(Requirement::AtExactSnapshot(written))),
        ..request("document:plan#view@user")
    };
    assert_eq!(ids(&list(&server, then).await.unwrap()), ["*", "ann", "bob", "zoe"]);
}

#[tokio::test]
async fn a_wildcard_tells_whom_it_excepts() {
    let server = fresh().await;
    let schema = "caveat dry(b int) { b == 1 }
        definition user {}
        definition document {
            relation viewer: user | user:*
            relation banned: user | user with dry
            permission view = viewer - banned
        }";
    server.write_schema(schema).await.unwrap();
    server
        .touch(&[
            "document:1#viewer@user:*",
            "document:1#viewer@user:z",
            "document:1#banned@user:x",
            "document:1#banned@user:y[dry]",
        ])
        .await
        .unwrap();
    let found = list(&server, request("document:1#view@user")).await.unwrap();
    assert_eq!(ids(&found), ["*", "z"]);
    let excluded: Vec<_> = found[0]
        .excluded_subjects
        .iter()
        .map(|it| (it.subject_object_id.as_str(), it.permissionship()))
        .collect();
    let expected =
        [("x", Permissionship::HasPermission), ("y", Permissionship::ConditionalPermission)];
    assert_eq!(excluded, expected);
    #[expect(deprecated, reason = "older clients read these")]
    let old = &found[0].excluded_subject_ids;
    assert_eq!(old, &["x", "y"]);
    let without = proto::LookupSubjectsRequest {
        wildcard_option: WildcardOption::ExcludeWildcards.into(),
        ..request("document:1#view@user")
    };
    assert_eq!(ids(&list(&server, without).await.unwrap()), ["z"]);
    // The wildcard is no concrete subject.
    let one = proto::LookupSubjectsRequest {
        optional_concrete_limit: 1,
        ..request("document:1#view@user")
    };
    let page = list(&server, one.clone()).await.unwrap();
    assert_eq!(ids(&page), ["*", "z"]);
    for (at, rest) in [(0, vec!["z"]), (1, vec![])] {
        let mut next = one.clone();
        next.optional_cursor.clone_from(&page[at].after_result_cursor);
        assert_eq!(ids(&list(&server, next).await.unwrap()), rest);
    }
}

#[tokio::test]
async fn a_long_list_comes_whole_and_in_order() {
    let server = with_owners(2_345).await;
    let found = list(&server, request("document:plan#view@user")).await.unwrap();
    let expected: Vec<String> = (0..2_345).map(|n| format!("u{n:05}")).collect();
    assert_eq!(ids(&found), expected);
    for at in [0, 499, 500, 1_999, 2_343, 2_344] {
        let mut rest = request("document:plan#view@user");
        rest.optional_cursor.clone_from(&found[at].after_result_cursor);
        assert_eq!(list(&server, rest).await.unwrap(), found[at + 1..], "{at}");
    }
}

#[tokio::test]
async fn pages_join_without_gap_or_repetition_at_one_moment() {
    let server = with_owners(100).await;
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let mut page = request("document:plan#edit@user");
        page.optional_concrete_limit = 30;
        page.optional_cursor = cursor.take();
        let page = list(&server, page).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 30);
        cursor.clone_from(&last.after_result_cursor);
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        // Later writes do not show in later pages.
        server.touch(&["document:plan#owner@user:u00099x"]).await.unwrap();
        server.write(vec![delete("document:plan#owner@user:u00098")]).await.unwrap();
    }
    let expected: Vec<String> = (0..100).map(|n| format!("u{n:05}")).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_cursor_fits_only_the_call_that_returned_it() {
    let server = with_owners(10).await;
    let call = || proto::LookupSubjectsRequest {
        optional_concrete_limit: 5,
        ..request("document:plan#view@user")
    };
    let cursor = list(&server, call()).await.unwrap()[4].after_result_cursor.clone();
    let changes: [&dyn Fn(&mut proto::LookupSubjectsRequest); 6] = [
        &|request| request.optional_concrete_limit = 6,
        &|request| request.permission = "edit".to_owned(),
        &|request| request.resource = Some(object("document", "other")),
        &|request| request.consistency = Some(consistency(Requirement::FullyConsistent(true))),
        &|request| request.context = Some(structure("{\"day\":\"monday\"}")),
        &|request| request.wildcard_option = WildcardOption::ExcludeWildcards.into(),
    ];
    for change in changes {
        let mut other = call();
        other.optional_cursor.clone_from(&cursor);
        change(&mut other);
        let refused = list(&server, other).await.unwrap_err();
        require(&refused, Code::InvalidArgument, "INVALID_CURSOR", &[]);
    }
    for token in ["", "nonsense"] {
        let cursor = Some(proto::Cursor { token: token.to_owned() });
        let broken = proto::LookupSubjectsRequest { optional_cursor: cursor, ..call() };
        let refused = list(&server, broken).await.unwrap_err();
        require(&refused, Code::InvalidArgument, "INVALID_CURSOR", &[]);
    }
}

#[tokio::test]
async fn refusals_say_what_is_wrong() {
    let server = fresh().await;
    let refused = async |request| list(&server, request).await.unwrap_err();
    for unknown in ["paper:plan#view@user", "document:plan#view@alien"] {
        let unknown = refused(request(unknown)).await;
        require(&unknown, Code::FailedPrecondition, "UNKNOWN_DEFINITION", &["definition_name"]);
    }
    let names = ["definition_name", "relation_or_permission_name"];
    for unknown in ["document:plan#nothing@user", "document:plan#view@group#nothing"] {
        let unknown = refused(request(unknown)).await;
        require(&unknown, Code::FailedPrecondition, "UNKNOWN_RELATION_OR_PERMISSION", &names);
    }
    let sound = || request("document:plan#view@user");
    for malformed in [
        proto::LookupSubjectsRequest { resource: None, ..sound() },
        request("document:*#view@user"),
        request("document:plan#No@user"),
        request("document:plan#view@No"),
        request("document:plan#view@group#No"),
        proto::LookupSubjectsRequest { wildcard_option: 3, ..sound() },
    ] {
        require(&refused(malformed).await, Code::InvalidArgument, "", &[]);
    }
    let large = proto::LookupSubjectsRequest { optional_concrete_limit: 1_001, ..sound() };
    let names = ["limit_provided", "maximum_limit_allowed"];
    let refused = refused(large).await;
    require(&refused, Code::InvalidArgument, "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT", &names);
}

#[tokio::test]
async fn what_it_cost_is_in_the_trailers() {
    let server = with_owners(1).await;
    let requested = request("document:plan#view@user");
    let mut stream =
        server.permissions().await.lookup_subjects(requested).await.unwrap().into_inner();
    while stream.message().await.unwrap().is_some() {}
    let trailers = stream.trailers().await.unwrap().unwrap();
    let dispatched = trailers.get("io.spicedb.respmeta.dispatchedoperationscount");
    assert_eq!(dispatched.unwrap().to_str().unwrap(), "4");
}
