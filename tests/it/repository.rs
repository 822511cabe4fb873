//! The files around the code: workflows, templates and the commands that documents name.

use saphyr::{LoadableYamlNode as _, Yaml};
use std::fs;
use std::path::Path;

#[test]
fn workflows_and_templates_parse_and_call_the_commands_of_the_project() {
    for (file, command) in [
        (".github/workflows/ci.yml", Some("make test")),
        (".github/workflows/release.yml", Some("make dist")),
        (".github/ISSUE_TEMPLATE/bug.yml", None),
        (".github/ISSUE_TEMPLATE/feature.yml", None),
        (".github/ISSUE_TEMPLATE/config.yml", None),
    ] {
        let text = read(file);
        let documents =
            Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(documents.len(), 1, "{file}");
        if let Some(command) = command {
            assert!(text.contains(&format!("- run: {command}\n")), "{file} does not run {command}");
        }
    }
}

#[test]
fn documents_name_commands_of_the_makefile() {
    let makefile = read("Makefile");
    let mut named = 0;
    for document in
        ["README.md", "CONTRIBUTING.md", "SECURITY.md", ".github/pull_request_template.md"]
    {
        for (start, _) in read(document).match_indices("`make ") {
            let text = read(document);
            let rest = &text[start + "`make ".len()..];
            let target: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
            assert!(makefile.contains(&format!("\n{target}: ##")), "{document}: make {target}");
            named += 1;
        }
    }
    assert!(named > 5, "{named} commands");
}

#[test]
fn the_toolchain_file_never_makes_rustup_replace_a_toolchain() {
    let settings = read("rust-toolchain.toml");
    let settings: Vec<&str> =
        settings.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    // A list of components makes rustup update all of the channel when one of them is missing.
    assert_eq!(settings, ["[toolchain]", "channel = \"stable\""]);
}

#[test]
fn links_of_the_front_pages_lead_somewhere() {
    for page in ["README.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md"] {
        let folder = root().join(page).parent().unwrap().to_owned();
        let text = read(page);
        for (_, rest) in text.match_indices("](").map(|(start, _)| text.split_at(start + 2)) {
            let link = rest.split([')', '#']).next().unwrap();
            if !link.is_empty() && !link.contains("://") {
                assert!(folder.join(link).exists(), "{page} links to `{link}`");
            }
        }
    }
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
