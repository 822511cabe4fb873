//! `ReflectSchema`, `ComputablePermissions`, `DependentRelations`, `DiffSchema` and their older names.

use super::server_support::{Bearer, KEY, Keyed, Running, SCHEMA, consistency, fresh, require};
use kilwa::proto::authzed::api::v1 as proto;
use proto::consistency::Requirement;
use proto::experimental_service_client::ExperimentalServiceClient;
use proto::reflection_schema_diff::Diff;
use proto::reflection_type_reference::Typeref;
use tonic::Code;

async fn experimental(server: &Running) -> ExperimentalServiceClient<Keyed> {
    ExperimentalServiceClient::with_interceptor(server.channel().await, Bearer(KEY.to_owned()))
}

fn reflect(filters: &[proto::ReflectionSchemaFilter]) -> proto::ReflectSchemaRequest {
    proto::ReflectSchemaRequest { consistency: None, optional_filters: filters.to_vec() }
}

fn definition_filter(start: &str) -> proto::ReflectionSchemaFilter {
    proto::ReflectionSchemaFilter {
        optional_definition_name_filter: start.to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_schema_is_reported_in_structure() {
    let server = fresh().await;
    let found = server.schema().await.reflect_schema(reflect(&[])).await.unwrap().into_inner();
    assert!(found.read_at.is_some());
    let names: Vec<&str> = found.definitions.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["document", "group", "user"]);
    let [caveat] = found.caveats.as_slice() else { panic!("{:?}", found.caveats) };
    assert_eq!((caveat.name.as_str(), caveat.expression.as_str()), ("only_on", "day == allowed"));
    let parameters: Vec<_> = caveat
        .parameters
        .iter()
        .map(|of| (of.name.as_str(), of.r#type.as_str(), of.parent_caveat_name.as_str()))
        .collect();
    assert_eq!(parameters, [("allowed", "string", "only_on"), ("day", "string", "only_on")]);
    let document = &found.definitions[0];
    let permissions: Vec<&str> = document.permissions.iter().map(|of| of.name.as_str()).collect();
    assert_eq!(permissions, ["edit", "view"]);
    let viewer = &document.relations[1];
    assert_eq!(viewer.parent_definition_name, "document");
    let forms: Vec<_> = viewer
        .subject_types
        .iter()
        .map(|of| {
            let caveat = of.optional_caveat_name.as_str();
            (of.subject_definition_name.as_str(), caveat, of.typeref.clone().unwrap())
        })
        .collect();
    // As SpiceDB answers: the field is chosen, and false.
    let single = Typeref::IsTerminalSubject(false);
    assert_eq!(
        forms,
        [
            ("user", "", single.clone()),
            ("user", "", Typeref::IsPublicWildcard(true)),
            ("group", "", Typeref::OptionalRelationName("member".to_owned())),
            ("user", "only_on", single.clone()),
            ("user", "", single),
        ]
    );
}

#[tokio::test]
async fn filters_that_do_not_go_together_are_refused() {
    let server = fresh().await;
    let named = |caveat: &str, relation: &str, permission: &str| proto::ReflectionSchemaFilter {
        optional_caveat_name_filter: caveat.to_owned(),
        optional_relation_name_filter: relation.to_owned(),
        optional_permission_name_filter: permission.to_owned(),
        ..definition_filter("")
    };
    let mut both = definition_filter("d");
    both.optional_caveat_name_filter = "o".to_owned();
    let mut members = definition_filter("d");
    members.optional_relation_name_filter = "o".to_owned();
    members.optional_permission_name_filter = "e".to_owned();
    for (filter, rule) in [
        (both, "cannot filter by both definition and caveat name"),
        (named("o", "r", ""), "relation name match requires definition name match"),
        (named("", "", "p"), "permission name match requires definition name match"),
        (members, "cannot filter by both relation and permission name"),
    ] {
        let request = reflect(&[definition_filter("d"), filter]);
        let refused = server.schema().await.reflect_schema(request).await.unwrap_err();
        require(&refused, Code::InvalidArgument, "INVALID_FILTER", &["filter"]);
        let message = format!("the relationship filter provided is not valid: {rule}");
        assert_eq!(refused.message(), message);
    }
}

#[tokio::test]
async fn questions_about_a_schema_are_answered_at_a_moment() {
    let server = fresh().await;
    let before = server.touch(&["group:a#member@user:b"]).await.unwrap();
    server.write_schema(&format!("{SCHEMA}definition zebra {{}}")).await.unwrap();
    let at = |requirement| Some(consistency(requirement));
    for (requirement, count) in [
        (Requirement::AtExactSnapshot(before.clone()), 3),
        (Requirement::AtLeastAsFresh(before.clone()), 4),
        (Requirement::FullyConsistent(true), 4),
    ] {
        let request = proto::ReflectSchemaRequest { consistency: at(requirement), ..reflect(&[]) };
        let found = server.schema().await.reflect_schema(request).await.unwrap().into_inner();
        assert_eq!(found.definitions.len(), count);
    }
    let request = proto::DiffSchemaRequest {
        consistency: at(Requirement::AtExactSnapshot(before.clone())),
        comparison_schema: SCHEMA.to_owned(),
    };
    let response = server.schema().await.diff_schema(request).await.unwrap().into_inner();
    assert_eq!((response.diffs, response.read_at), (Vec::new(), Some(before)));
    let nonsense = proto::ZedToken { token: "nonsense".to_owned() };
    let request = proto::ReflectSchemaRequest {
        consistency: at(Requirement::AtExactSnapshot(nonsense)),
        ..reflect(&[proto::ReflectionSchemaFilter {
            optional_relation_name_filter: "r".to_owned(),
            ..Default::default()
        }])
    };
    let refused = server.schema().await.reflect_schema(request).await.unwrap_err();
    assert_eq!(refused.message(), "invalid revision requested");
}

#[tokio::test]
async fn dependencies_in_both_directions_are_reported() {
    let server = fresh().await;
    let request = proto::DependentRelationsRequest {
        definition_name: "document".to_owned(),
        permission_name: "view".to_owned(),
        ..Default::default()
    };
    let found = server.schema().await.dependent_relations(request.clone()).await.unwrap();
    let shown = |found: &[proto::ReflectionRelationReference]| {
        let show = |of: &proto::ReflectionRelationReference| {
            let kind = if of.is_permission { "permission" } else { "relation" };
            format!("{kind} {}#{}", of.definition_name, of.relation_name)
        };
        found.iter().map(show).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(
        shown(&found.get_ref().relations),
        "permission document#edit, relation document#owner, relation document#viewer, relation group#member"
    );
    let refused = |name: &str| proto::DependentRelationsRequest {
        permission_name: name.to_owned(),
        ..request.clone()
    };
    let refused = server.schema().await.dependent_relations(refused("owner")).await.unwrap_err();
    let (code, reason) = (Code::InvalidArgument, "UNKNOWN_RELATION_OR_PERMISSION");
    require(&refused, code, reason, &["relationName"]);
    assert_eq!(refused.message(), "the relation `owner` is not a permission");

    let request = proto::ComputablePermissionsRequest {
        definition_name: "user".to_owned(),
        optional_definition_name_filter: "doc".to_owned(),
        ..Default::default()
    };
    let found = server.schema().await.computable_permissions(request.clone()).await.unwrap();
    assert_eq!(
        shown(&found.get_ref().permissions),
        "permission document#edit, relation document#owner, permission document#view, relation document#viewer"
    );
    for (definition, relation, reason, names) in [
        ("nobody", "", "UNKNOWN_DEFINITION", &["definition_name"][..]),
        (
            "document",
            "nothing",
            "UNKNOWN_RELATION_OR_PERMISSION",
            &["definition_name", "relation_or_permission_name"],
        ),
    ] {
        let request = proto::ComputablePermissionsRequest {
            definition_name: definition.to_owned(),
            relation_name: relation.to_owned(),
            ..request.clone()
        };
        let refused = server.schema().await.computable_permissions(request).await.unwrap_err();
        require(&refused, Code::FailedPrecondition, reason, names);
    }
}

fn diff(schema: &str) -> proto::DiffSchemaRequest {
    proto::DiffSchemaRequest { consistency: None, comparison_schema: schema.to_owned() }
}

#[tokio::test]
async fn a_schema_is_compared_and_nothing_is_written() {
    let server = fresh().await;
    let other = SCHEMA.replace("permission edit = owner", "permission edit = owner & viewer");
    let found = server.schema().await.diff_schema(diff(&other)).await.unwrap().into_inner();
    let [proto::ReflectionSchemaDiff { diff: Some(Diff::PermissionExprChanged(changed)) }] =
        found.diffs.as_slice()
    else {
        panic!("{:?}", found.diffs)
    };
    assert_eq!(changed.name, "edit");
    let read = server.schema().await.read_schema(proto::ReadSchemaRequest {}).await.unwrap();
    assert_eq!(read.into_inner().schema_text, SCHEMA);
}

#[tokio::test]
async fn a_schema_with_faults_is_not_compared() {
    let server = fresh().await;
    let refused = server.schema().await.diff_schema(diff("definition {")).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().starts_with("parse error in `schema`, line 1, "), "{refused}");
    let long = format!("{SCHEMA}// {}\n", "x".repeat(4 << 20));
    let refused = server.schema().await.diff_schema(diff(&long)).await.unwrap_err();
    require(&refused, Code::InvalidArgument, "", &[]);
    assert!(refused.message().starts_with("validation error: comparison_schema: "), "{refused}");
}

#[tokio::test]
#[expect(deprecated, reason = "they are what is tested")]
async fn the_older_names_answer_the_same() {
    let server = fresh().await;
    let mut stable = server.schema().await;
    let mut older = experimental(&server).await;
    let stable_answer = stable.reflect_schema(reflect(&[])).await.unwrap().into_inner();
    let older_answer = older.experimental_reflect_schema(reflect(&[])).await.unwrap();
    assert_eq!(older_answer.into_inner(), stable_answer);
    let request = proto::ComputablePermissionsRequest {
        definition_name: "group".to_owned(),
        relation_name: "member".to_owned(),
        ..Default::default()
    };
    let stable_answer = stable.computable_permissions(request.clone()).await.unwrap().into_inner();
    assert_eq!(stable_answer.permissions.len(), 2);
    let older_answer = older.experimental_computable_permissions(request).await.unwrap();
    assert_eq!(older_answer.into_inner(), stable_answer);
    let request = proto::DependentRelationsRequest {
        definition_name: "document".to_owned(),
        permission_name: "edit".to_owned(),
        ..Default::default()
    };
    let stable_answer = stable.dependent_relations(request.clone()).await.unwrap().into_inner();
    let older_answer = older.experimental_dependent_relations(request).await.unwrap();
    assert_eq!(older_answer.into_inner(), stable_answer);
    let stable_answer = stable.diff_schema(diff("definition user {}")).await.unwrap().into_inner();
    assert_eq!(stable_answer.diffs.len(), 3);
    let older_answer = older.experimental_diff_schema(diff("definition user {}")).await.unwrap();
    assert_eq!(older_answer.into_inner(), stable_answer);
    let question = super::server_support::question("document:plan#view@user:ann");
    let item = proto::CheckBulkPermissionsRequestItem {
        resource: question.resource,
        permission: question.permission,
        subject: question.subject,
        context: None,
    };
    let request = proto::CheckBulkPermissionsRequest { items: vec![item], ..Default::default() };
    let mut permissions = server.permissions().await;
    let stable_answer = permissions.check_bulk_permissions(request.clone()).await.unwrap();
    let older_answer = older.bulk_check_permission(request).await.unwrap();
    assert_eq!(older_answer.into_inner(), stable_answer.into_inner());
}
