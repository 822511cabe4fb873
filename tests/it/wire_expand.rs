//! Expansions over the wire.

use super::server_support::{Fresh, consistency, fresh, object, require, touch};
use kilwa::proto::authzed::api::v1 as proto;
use proto::algebraic_subject_set::Operation;
use proto::consistency::Requirement;
use proto::permission_relationship_tree::TreeType;
use tonic::{Code, Status};

fn request(of: &str) -> proto::ExpandPermissionTreeRequest {
    let (resource, permission) = of.split_once('#').unwrap();
    let (object_type, object_id) = resource.split_once(':').unwrap();
    proto::ExpandPermissionTreeRequest {
        consistency: None,
        resource: Some(object(object_type, object_id)),
        permission: permission.to_owned(),
    }
}

async fn expand(
    server: &Fresh,
    request: proto::ExpandPermissionTreeRequest,
) -> Result<proto::ExpandPermissionTreeResponse, Status> {
    let response = server.permissions().await.expand_permission_tree(request).await?;
    Ok(response.into_inner())
}

/// The tree in a line.
pub(crate) fn shown(tree: &proto::PermissionRelationshipTree) -> String {
    let object = tree.expanded_object.as_ref().unwrap();
    let owner = format!("{}:{}#{}", object.object_type, object.object_id, tree.expanded_relation);
    match tree.tree_type.as_ref().unwrap() {
        TreeType::Leaf(leaf) => {
            let subjects = leaf.subjects.iter().map(|subject| {
                let object = subject.object.as_ref().unwrap();
                let relation = &subject.optional_relation;
                let relation =
                    if relation.is_empty() { String::new() } else { format!("#{relation}") };
                format!("{}:{}{relation}", object.object_type, object.object_id)
            });
            format!("{owner} = [{}]", subjects.collect::<Vec<_>>().join(" "))
        }
        TreeType::Intermediate(set) => {
            let operation = match set.operation() {
                Operation::Union => "union",
                Operation::Intersection => "intersection",
                Operation::Exclusion => "exclusion",
                Operation::Unspecified => panic!("an operation that there is not"),
            };
            let children: Vec<String> = set.children.iter().map(shown).collect();
            format!("{owner} = {operation}({})", children.join(", "))
        }
    }
}

#[tokio::test]
async fn a_tree_tells_everybody_and_the_moment() {
    let server = fresh().await;
    let before = server
        .touch(&["document:plan#viewer@group:eng#member", "document:plan#viewer@user:*"])
        .await
        .unwrap();
    server.write(vec![touch("document:plan#owner@user:ann")]).await.unwrap();
    let now = expand(&server, request("document:plan#view")).await.unwrap();
    let rest = "document:plan#viewer = [user:* group:eng#member]";
    let owner = |names: &str| {
        format!(
            "document:plan#view = union({rest}, document:plan#edit = union(document:plan#owner = [{names}]))"
        )
    };
    assert_eq!(shown(&now.tree_root.unwrap()), owner("user:ann"));
    assert!(now.expanded_at.is_some_and(|at| at != before));
    let then = proto::ExpandPermissionTreeRequest {
        consistency: Some(consistency(Requirement::AtExactSnapshot(before.clone()))),
        ..request("document:plan#view")
    };
    let then = expand(&server, then).await.unwrap();
    assert_eq!(shown(&then.tree_root.unwrap()), owner(""));
    assert_eq!(then.expanded_at, Some(before));
}

#[tokio::test]
async fn what_it_cost_is_in_the_trailers() {
    let server = fresh().await;
    let response =
        server.permissions().await.expand_permission_tree(request("document:plan#view")).await;
    let response = response.unwrap();
    let trailers = response.metadata();
    let dispatched = trailers.get("io.spicedb.respmeta.dispatchedoperationscount");
    assert_eq!(dispatched.unwrap().to_str().unwrap(), "4");
}

#[tokio::test]
async fn refusals_say_what_is_wrong() {
    let server = fresh().await;
    let refused = async |request| expand(&server, request).await.unwrap_err();
    let unknown = refused(request("paper:plan#view")).await;
    require(&unknown, Code::FailedPrecondition, "UNKNOWN_DEFINITION", &["definition_name"]);
    let names = ["definition_name", "relation_or_permission_name"];
    for permission in ["nothing", ""] {
        let unknown = refused(request(&format!("document:plan#{permission}"))).await;
        require(&unknown, Code::FailedPrecondition, "UNKNOWN_RELATION_OR_PERMISSION", &names);
    }
    let without = proto::ExpandPermissionTreeRequest { resource: None, ..request("a:b#c") };
    for malformed in [without, request("document:*#view"), request("document:plan#No")] {
        require(&refused(malformed).await, Code::InvalidArgument, "", &[]);
    }
    let foreign = proto::ExpandPermissionTreeRequest {
        consistency: Some(proto::Consistency { requirement: None }),
        ..request("document:plan#view")
    };
    assert_eq!(refused(foreign).await.code(), Code::InvalidArgument);
}
