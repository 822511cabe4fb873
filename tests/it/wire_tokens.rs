//! `ZedToken`s and consistency.

use super::server_support::{
    Fresh, SCHEMA, config, consistency, fresh, fresh_with, question, require, start,
};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::authzed::api::v1::check_permission_response::Permissionship;
use kilwa::proto::authzed::api::v1::consistency::Requirement;
use proto::ZedToken;
use std::time::Duration;
use tonic::{Code, Status};

async fn ask(server: &Fresh, requirement: Option<Requirement>) -> Result<bool, Status> {
    let mut request = question("document:plan#view@user:ann");
    request.consistency = Some(proto::Consistency { requirement });
    let response = server.permissions().await.check_permission(request).await?.into_inner();
    Ok(response.permissionship() == Permissionship::HasPermission)
}

#[tokio::test]
async fn each_mode_reads_its_moment() {
    let server = fresh().await;
    let before = server.touch(&["document:other#owner@user:ann"]).await.unwrap();
    let after = server.touch(&["document:plan#owner@user:ann"]).await.unwrap();
    assert_ne!(before, after);
    for (requirement, expected) in [
        (Requirement::MinimizeLatency(true), true),
        (Requirement::FullyConsistent(true), true),
        (Requirement::AtLeastAsFresh(before.clone()), true),
        (Requirement::AtLeastAsFresh(after.clone()), true),
        (Requirement::AtExactSnapshot(after.clone()), true),
        (Requirement::AtExactSnapshot(before.clone()), false),
    ] {
        assert_eq!(
            ask(&server, Some(requirement.clone())).await.unwrap(),
            expected,
            "{requirement:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_carries_the_token_of_its_moment() {
    let server = fresh().await;
    server.touch(&["document:plan#owner@user:ann"]).await.unwrap();
    let checked = server.check("document:plan#view@user:ann").await.unwrap().checked_at.unwrap();
    server
        .write(vec![super::server_support::delete("document:plan#owner@user:ann")])
        .await
        .unwrap();
    assert!(!ask(&server, Some(Requirement::FullyConsistent(true))).await.unwrap());
    assert!(ask(&server, Some(Requirement::AtExactSnapshot(checked))).await.unwrap());
}

#[tokio::test]
async fn an_empty_or_false_consistency_is_invalid() {
    let server = fresh().await;
    for requirement in
        [None, Some(Requirement::MinimizeLatency(false)), Some(Requirement::FullyConsistent(false))]
    {
        let refused = ask(&server, requirement).await.unwrap_err();
        require(&refused, Code::InvalidArgument, "", &[]);
        assert!(refused.message().contains("consistency"), "{refused}");
    }
}

#[tokio::test]
async fn a_malformed_token_is_invalid() {
    let server = fresh().await;
    let token = server.touch(&["document:plan#owner@user:ann"]).await.unwrap().token;
    let mut damaged = token.clone();
    damaged.truncate(token.len() - 1);
    for token in [
        String::new(),
        "x".to_owned(),
        "GhUKEzE3".to_owned(),
        damaged,
        token.replace('A', "B") + "A",
    ] {
        let token = ZedToken { token };
        for requirement in [
            Requirement::AtLeastAsFresh(token.clone()),
            Requirement::AtExactSnapshot(token.clone()),
        ] {
            let refused = ask(&server, Some(requirement)).await.unwrap_err();
            require(&refused, Code::InvalidArgument, "", &[]);
            assert_eq!(refused.message(), "invalid revision requested");
        }
    }
}

#[tokio::test]
async fn a_token_of_another_store_is_fresh_enough_but_no_snapshot() {
    let server = fresh().await;
    server.touch(&["document:plan#owner@user:ann"]).await.unwrap();
    let other = fresh().await;
    let token = other.touch(&["document:plan#owner@user:bob"]).await.unwrap();
    assert!(ask(&server, Some(Requirement::AtLeastAsFresh(token.clone()))).await.unwrap());
    let refused = ask(&server, Some(Requirement::AtExactSnapshot(token))).await.unwrap_err();
    require(&refused, Code::FailedPrecondition, "", &[]);
}

#[tokio::test]
async fn a_token_of_spicedb_is_one_of_another_store() {
    let server = fresh().await;
    server.touch(&["document:plan#owner@user:ann"]).await.unwrap();
    // In memory, with and without the id of the datastore; then a transaction number of its first versions.
    for token in [
        "Gh8KEzE3OTU4NjQzODA2MTE3Mzg5NTISCGRiNDBkN2Iw",
        "GhUKEzE3OTU4NjQzODA2MTE3Mzg5NTI=",
        "EgIIBw==",
    ] {
        let token = ZedToken { token: token.to_owned() };
        assert!(ask(&server, Some(Requirement::AtLeastAsFresh(token.clone()))).await.unwrap());
        let refused = ask(&server, Some(Requirement::AtExactSnapshot(token))).await.unwrap_err();
        require(&refused, Code::FailedPrecondition, "", &[]);
    }
}

#[tokio::test]
async fn a_revision_that_is_to_come_is_out_of_range() {
    // A store that was put back to an earlier state knows its own tokens of the future.
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = start(config(&data)).await;
    server.write_schema(SCHEMA).await.unwrap();
    server.stop().await.unwrap();
    let backup = dir.path().join("backup");
    copy(&data, &backup);
    let server = start(config(&data)).await;
    let token = server.touch(&["document:plan#owner@user:ann"]).await.unwrap();
    server.stop().await.unwrap();

    let server = start(config(&backup)).await;
    for requirement in
        [Requirement::AtLeastAsFresh(token.clone()), Requirement::AtExactSnapshot(token.clone())]
    {
        let mut request = question("document:plan#view@user:ann");
        request.consistency = Some(consistency(requirement));
        let refused = server.permissions().await.check_permission(request).await.unwrap_err();
        require(&refused, Code::OutOfRange, "", &[]);
    }
    server.stop().await.unwrap();
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_revision_that_is_no_longer_kept_is_out_of_range() {
    let server = fresh_with(|config| {
        config.store.history_window = Duration::ZERO;
        config.garbage_collection_interval = Duration::from_millis(1);
    })
    .await;
    let token = server.touch(&["document:plan#owner@user:ann"]).await.unwrap();
    // Garbage is collected in the background: repeat until the revision is gone.
    let refused = super::server_support::soon(async {
        loop {
            server.touch(&["document:plan#owner@user:bob"]).await.unwrap();
            if let Err(refused) =
                ask(&server, Some(Requirement::AtExactSnapshot(token.clone()))).await
            {
                return refused;
            }
        }
    })
    .await;
    require(&refused, Code::OutOfRange, "", &[]);
    assert!(ask(&server, Some(Requirement::AtLeastAsFresh(token))).await.unwrap());
}

#[tokio::test]
async fn the_token_is_looked_at_before_the_fields() {
    let server = fresh().await;
    let request = proto::CheckPermissionRequest {
        consistency: Some(consistency(Requirement::AtExactSnapshot(ZedToken {
            token: "x".to_owned(),
        }))),
        ..Default::default()
    };
    let refused = server.permissions().await.check_permission(request).await.unwrap_err();
    assert_eq!(refused.message(), "invalid revision requested");
}
