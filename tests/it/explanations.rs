//! Explanations of deep answers: truncated steps are marked, in every form.

use crate::cli_serve::kilwa;
use crate::reference::case::{Asked, now};
use crate::schema_support::schema;
use crate::server_support::{KEY, fresh, question};
use kilwa::engine::{EvalContext, check};
use kilwa::proto::TRUNCATED_TRACE_SOURCE;
use kilwa::proto::authzed::api::v1::CheckDebugTrace;
use kilwa::proto::authzed::api::v1::check_debug_trace::Resolution;
use kilwa::relationship::RelationshipSet;
use kilwa::validation::Evidence;

const LENGTH: usize = 200;
const LEFT_OUT: &str = "steps below are not shown";

/// A document whose viewer is a group in a group in a group, of which only the last names a user.
fn chain() -> Vec<String> {
    let step = |n: usize| format!("group:g{n}#member@group:g{}#member", n + 1);
    let mut lines: Vec<String> = (0..LENGTH - 1).map(step).collect();
    lines.push(format!("group:g{}#member@user:u", LENGTH - 1));
    lines.push("document:plan#viewer@group:g0#member".to_owned());
    lines
}

fn leaves<'e>(evidence: &'e Evidence, found: &mut Vec<&'e Evidence>) {
    if evidence.children.is_empty() {
        found.push(evidence);
    }
    evidence.children.iter().for_each(|child| leaves(child, found));
}

#[test]
fn the_end_of_a_cut_explanation_claims_nothing() {
    let schema = schema(
        "definition user {}
         definition group { relation member: user | group#member }
         definition document { relation viewer: group#member
           permission view = viewer }",
    );
    let set: RelationshipSet = chain().iter().map(|line| line.parse().unwrap()).collect();
    let visible = set.visible_at(now());
    let scope = EvalContext { tracing: true, ..EvalContext::new(&schema, &visible) };
    for user in ["u", "stranger"] {
        let requested = Asked::parse(&format!("document:plan#view@user:{user}"));
        let trace = check(&scope, &requested.question()).unwrap().trace.unwrap();
        let evidence = Evidence::from_trace(&trace, &schema);
        let mut ends = Vec::new();
        leaves(&evidence, &mut ends);
        assert_eq!(ends.len(), 1);
        assert_eq!(ends[0].note, LEFT_OUT, "{:?}", ends[0]);
    }
}

fn deepest(trace: &CheckDebugTrace) -> &CheckDebugTrace {
    match &trace.resolution {
        Some(Resolution::SubProblems(below)) => deepest(&below.traces[0]),
        Some(Resolution::WasCachedResult(_)) | None => trace,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_trace_is_distinguished_from_a_whole_one_over_the_wire_and_by_the_command() {
    let server = fresh().await;
    let chain = chain();
    server.touch(&chain.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap();
    let mut request = question("document:plan#view@user:u");
    request.with_tracing = true;
    let response = server.permissions().await.check_permission(request).await.unwrap();
    let trace = response.into_inner().debug_trace.unwrap().check.unwrap();
    let end = deepest(&trace);
    assert_eq!(end.resolution, None);
    assert!(end.source.starts_with(TRUNCATED_TRACE_SOURCE), "{}", end.source);
    assert!(!trace.source.starts_with(TRUNCATED_TRACE_SOURCE), "{}", trace.source);

    let folder = tempfile::tempdir().unwrap();
    let explained = |user: &str| {
        let question = format!("document:plan#view@user:{user}");
        let output = kilwa(folder.path())
            .args(["permission", "check", &question, "--explain"])
            .env("KILWA_ENDPOINT", server.address.trim_start_matches("http://"))
            .env("KILWA_TOKEN", KEY)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let yes = explained("u");
    assert!(yes.starts_with("true\n") && yes.trim_end().ends_with(LEFT_OUT), "{yes}");
    assert!(!yes.contains("names user:u"), "{yes}");
    let no = explained("stranger");
    assert!(no.starts_with("false\n") && no.contains(LEFT_OUT), "{no}");
    assert!(!no.contains("group:g37#member does not name"), "{no}");
}
