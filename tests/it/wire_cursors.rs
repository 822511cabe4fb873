//! Streams, limits and cursors.

use super::server_support::{Fresh, consistency, delete, filter, fresh, require, text, touch};
use kilwa::proto::authzed::api::v1 as proto;
use proto::consistency::Requirement;
use tonic::Code;

fn request(limit: u32) -> proto::ReadRelationshipsRequest {
    proto::ReadRelationshipsRequest {
        relationship_filter: Some(filter("document")),
        optional_limit: limit,
        ..Default::default()
    }
}

async fn with_documents(count: usize) -> Fresh {
    let server = fresh().await;
    for start in (0..count).step_by(1_000) {
        let end = count.min(start + 1_000);
        let many = (start..end).map(|n| touch(&format!("document:d{n:05}#owner@user:ann")));
        server.write(many.collect()).await.unwrap();
    }
    server
}

#[tokio::test]
async fn a_stream_without_a_limit_gives_everything_in_order() {
    let server = with_documents(2_345).await;
    let found = server.read(request(0)).await.unwrap();
    let texts: Vec<_> = found.iter().map(|r| text(r.relationship.as_ref().unwrap())).collect();
    assert_eq!(texts.len(), 2_345);
    assert!(texts.is_sorted());
    assert!(found.iter().all(|response| response.after_result_cursor.is_some()));
}

#[tokio::test]
async fn pages_join_without_gap_or_repetition_at_one_moment() {
    let server = with_documents(1_000).await;
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let mut request = request(300);
        request.optional_cursor = cursor.take();
        let page = server.read(request).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 300);
        cursor.clone_from(&last.after_result_cursor);
        seen.extend(page.iter().map(|r| text(r.relationship.as_ref().unwrap())));
        // Later writes do not show in later pages.
        server.touch(&["document:d00999x#owner@user:ann"]).await.unwrap();
        server.write(vec![delete("document:d00998#owner@user:ann")]).await.unwrap();
    }
    let expected: Vec<_> = (0..1_000).map(|n| format!("document:d{n:05}#owner@user:ann")).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn any_result_can_be_gone_on_from() {
    let server = with_documents(500).await;
    let all = server.read(request(0)).await.unwrap();
    for at in [0, 100, 250, 498, 499] {
        let mut rest = request(0);
        rest.optional_cursor.clone_from(&all[at].after_result_cursor);
        let rest = server.read(rest).await.unwrap();
        assert_eq!(rest, all[at + 1..], "{at}");
    }
}

#[tokio::test]
async fn a_cursor_fits_only_the_call_that_returned_it() {
    let server = with_documents(10).await;
    let cursor = server.read(request(5)).await.unwrap()[4].after_result_cursor.clone();
    let changes: [&dyn Fn(&mut proto::ReadRelationshipsRequest); 4] = [
        &|request| request.optional_limit = 6,
        &|request| request.consistency = Some(consistency(Requirement::FullyConsistent(true))),
        &|request| request.relationship_filter = Some(filter("group")),
        &|request| {
            let filter = request.relationship_filter.as_mut().unwrap();
            filter.optional_relation = "owner".to_owned();
        },
    ];
    for change in changes {
        let mut other = request(5);
        other.optional_cursor.clone_from(&cursor);
        change(&mut other);
        let refused = server.read(other).await.unwrap_err();
        require(&refused, Code::InvalidArgument, "INVALID_CURSOR", &[]);
    }
    let mut same = request(5);
    same.optional_cursor = cursor;
    assert_eq!(server.read(same).await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_damaged_or_foreign_cursor_is_invalid() {
    let server = with_documents(10).await;
    let cursor = server.read(request(5)).await.unwrap()[4].after_result_cursor.clone().unwrap();
    let other = with_documents(10).await;
    let foreign = other.read(request(5)).await.unwrap()[4].after_result_cursor.clone().unwrap();
    let zedtoken = server.touch(&["document:x#owner@user:ann"]).await.unwrap().token;
    for token in [
        String::new(),
        "x".to_owned(),
        cursor.token.replace(|c: char| c.is_ascii_digit(), "z"),
        cursor.token[1..].to_owned(),
        zedtoken,
        foreign.token,
    ] {
        let mut broken = request(5);
        broken.optional_cursor = Some(proto::Cursor { token: token.clone() });
        let refused = server.read(broken).await.unwrap_err();
        require(&refused, Code::InvalidArgument, "INVALID_CURSOR", &[]);
    }
}

#[tokio::test]
async fn a_limit_may_be_so_large() {
    let server = with_documents(1_500).await;
    assert_eq!(server.read(request(1_000)).await.unwrap().len(), 1_000);
    let refused = server.read(request(1_001)).await.unwrap_err();
    let names = ["limit_provided", "maximum_limit_allowed"];
    require(&refused, Code::InvalidArgument, "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT", &names);
}
