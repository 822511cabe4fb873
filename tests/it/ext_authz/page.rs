//! The example in docs/envoy.md.

use super::{Asked, EnvoyAnswer};
use crate::program;
use crate::readme::blocks;
use crate::served::Served;
use crate::server_support::{Bearer, KEY};
use kilwa::proto::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use saphyr::{LoadableYamlNode as _, Yaml};
use std::fs;
use std::path::Path;

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/envoy.md")).unwrap()
}

/// The block of the page with a file of this name.
fn block(page: &str, info: &str) -> String {
    let (_, lines) = blocks(page).into_iter().find(|(found, _)| *found == info).unwrap();
    lines.join("\n") + "\n"
}

#[tokio::test]
async fn requests_are_answered_as_the_page_says() {
    let (page, folder) = (page(), tempfile::tempdir().unwrap());
    let [mapping, data] = [("toml envoy.toml"), ("yaml data.yaml")].map(|info| {
        let path = folder.path().join(info.split_once(' ').unwrap().1);
        fs::write(&path, block(&page, info)).unwrap();
        path.to_str().unwrap().to_owned()
    });
    let checked = program::kilwa().args(["ext-authz", "check", &mapping]).output().unwrap();
    assert!(checked.status.success());
    let arguments = ["--ext-authz-file", &mapping, "--bootstrap", &data];
    let server = Served::start_with(&folder.path().join("data"), &arguments);
    let bearer = Bearer(KEY.to_owned());
    let mut client = AuthorizationClient::with_interceptor(server.channel().await, bearer);

    let mut rows = 0;
    let table = page.lines().skip_while(|line| !line.starts_with("| method |")).skip(2);
    for row in table.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let &[_, method, path, user, status, _] = cells.as_slice() else { panic!("{row}") };
        let asked = Asked::new(method, path);
        let asked = if user.is_empty() { asked } else { asked.header("x-user", user) };
        let response = client.check(asked.message()).await.unwrap();
        let told = EnvoyAnswer::new(response.into_inner());
        assert_eq!(told.status.to_string(), status, "{row}: {told:?}");
        rows += 1;
    }
    assert!(rows >= 9);
}

#[test]
fn the_configuration_of_envoy_denies_what_is_not_decided() {
    let page = page();
    let filters = block(&page, "yaml http_filters.yaml");
    let filters = &Yaml::load_from_str(&filters).unwrap()[0];
    let filter = &filters[0]["typed_config"];
    assert_eq!(filter["failure_mode_allow"].as_bool(), Some(false));
    assert_eq!(filter["transport_api_version"].as_str(), Some("V3"));
    let cluster = filter["grpc_service"]["envoy_grpc"]["cluster_name"].as_str();
    let clusters = block(&page, "yaml clusters.yaml");
    let clusters = &Yaml::load_from_str(&clusters).unwrap()[0];
    assert_eq!(clusters[0]["name"].as_str(), cluster);
}
