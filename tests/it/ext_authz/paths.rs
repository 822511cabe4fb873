//! Paths that a proxy, Kilwa and an upstream service could read in different ways.

use super::{Asked, Guarded};

/// Everything is open but one thing, so that each detour around it shows.
const OPEN: &str = r#"
[[rules]]
name = "admin"
path = "/admin/{rest...}"
verdict = "deny"

[[rules]]
name = "others"
path = "/{rest...}"
verdict = "allow"
"#;

#[tokio::test]
async fn no_detour_leads_around_a_rule() {
    let guarded = Guarded::start(OPEN).await;
    for path in ["/", "/a", "/a/b?x=/../admin", "/a?//;%2f", "/%61"] {
        assert!(guarded.ask(Asked::get(path)).await.passes(), "{path}");
    }
    let detours = [
        "/admin",
        "/admin/",
        "/admin/users",
        "/admin?x",
        "/%61dmin",
        "/%61%64%6d%69%6e/users",
        "/ADMIN",
        "/Admin/users",
        "//admin",
        "/a//admin",
        "/./admin",
        "/a/../admin",
        "/a/..",
        "/a/%2e%2e/admin",
        "/a/%2E./admin",
        "/a%2f..%2fadmin",
        "/a/..;/admin",
        "/admin;x=1",
        "/;/admin",
        "/a\\..\\admin",
        "/a%5c..%5cadmin",
        "/%252e%252e/admin",
        "/admin%00",
        "/admin%20",
        "/admin%0a",
        "/admin%",
        "/admin#x",
        "/admin%23",
        "/admin%3fx",
        "admin",
        "*",
        "",
        "http://api.example.org/admin",
        "/%c0%ae%c0%ae/admin",
        "/%ff",
    ];
    for path in detours {
        assert!(!guarded.ask(Asked::get(path)).await.passes(), "{path}");
    }
}

#[tokio::test]
async fn methods_are_those_of_the_request_line() {
    let mapping = OPEN.replace("path = \"/admin", "methods = [\"DELETE\"]\npath = \"/admin");
    let guarded = Guarded::start(&mapping).await;
    assert!(!guarded.ask(Asked::new("DELETE", "/admin/1")).await.passes());
    let told = guarded
        .ask(Asked::new("POST", "/admin/1").header("x-http-method-override", "DELETE"))
        .await;
    assert!(told.passes());
    assert!(told.removed.contains(&"x-http-method-override".to_owned()), "{told:?}");
    let told = guarded.ask(Asked::new("POST", "/a").header("x_original_url", "/admin")).await;
    assert!(told.removed.contains(&"x_original_url".to_owned()), "{told:?}");
}

#[tokio::test]
async fn no_form_of_a_host_leads_around_its_rule() {
    let rule = "[[rules]]\nname = \"a host\"\nhost = \"admin.example.org\"\npath = \"/{rest...}\"\nverdict = \"deny\"\n";
    let guarded = Guarded::start(&format!("{rule}{OPEN}")).await;
    assert!(guarded.ask(Asked::get("/a").host("api.example.org:8080")).await.passes());
    let hosts = [
        "admin.example.org",
        "ADMIN.example.org:80",
        "admin.example.org.",
        "admin.example.org.:80",
        "admin.example.org:x",
        "user@admin.example.org",
        "admin.example.org/",
        "admin.example.org,api.example.org",
        " admin.example.org",
        "",
    ];
    for host in hosts {
        assert!(!guarded.ask(Asked::get("/a").host(host)).await.passes(), "{host}");
    }
}
