//! The canonical text: the same for all texts that mean the same, and a schema again.

use crate::outside::corpus_files;
use crate::schema_support::{schema, shown};
use kilwa::schema::{Schema, compile, format};

#[test]
fn canonical_text_sorts_and_lays_out() {
    let text = "// licence

        use expiration
        use self

        /* users
           of the shop */
        definition   user{}
        /** A group
          *   of people.
          **/
        definition team { relation member: user | team#member }  // dropped
        //no space
        caveat only_on(day string, allowed list<string>) { day in allowed }
        definition doc{relation parent:doc#...;relation viewer:user|user:*|team#member|user with only_on
          | user with expiration | user with only_on and expiration
          // first
          /* second */
          relation owner: user

          permission edit: user = owner + (viewer)
          permission view=self
        }
        definition box/doc {}";
    insta::assert_snapshot!(format::canonical(&schema(text)), @r"
    use self

    use expiration

    //no space
    caveat only_on(allowed list<string>, day string) {
    	day in allowed
    }

    definition box/doc {}

    definition doc {
    	relation parent: doc
    	relation viewer: user | user:* | team#member | user with only_on | user with expiration | user with only_on and expiration
    	// first
    	/* second */
    	relation owner: user
    	permission edit = owner + viewer
    	permission view = self
    }

    /**
     * A group
     *   of people.
     */
    definition team {
    	relation member: user | team#member
    }

    /*
     * users
     * of the shop
     */
    definition user {}
    ");
}

/// The canonical form of an expression over `aaa` to `ddd`.
fn canonical_expression(expression: &str) -> String {
    let text = format!(
        "definition user {{}}\ndefinition doc {{\nrelation aaa: user\nrelation bbb: user\nrelation ccc: user\nrelation ddd: user\npermission view = {expression}\n}}"
    );
    let canonical = format::canonical(&schema(&text));
    let (_, after) = canonical.split_once("permission view = ").unwrap();
    after.lines().next().unwrap().to_owned()
}

#[test]
fn parentheses_stay_around_what_binds_loosely() {
    for (written, canonical) in [
        ("((aaa))", "aaa"),
        ("aaa+(bbb+ccc)", "aaa + bbb + ccc"),
        ("(aaa + bbb) & ccc", "aaa + bbb & ccc"),
        ("aaa - (bbb + ccc)", "aaa - bbb + ccc"),
        ("aaa + (bbb & ccc)", "aaa + (bbb & ccc)"),
        ("aaa & bbb - ccc", "(aaa & bbb) - ccc"),
        ("aaa - bbb & ccc", "aaa - (bbb & ccc)"),
        ("aaa - bbb - ccc", "(aaa - bbb) - ccc"),
        ("aaa - (bbb - ccc)", "aaa - (bbb - ccc)"),
        ("(aaa - bbb) & ccc + (ddd - aaa)", "(aaa - bbb) & ccc + (ddd - aaa)"),
    ] {
        assert_eq!(canonical_expression(written), canonical, "{written}");
        assert_eq!(canonical_expression(canonical), canonical, "{written}");
    }
}

/// What a schema says, ids and all, apart from how it is written: definitions by name.
fn meaning(schema: &Schema) -> Vec<String> {
    let mut meaning: Vec<String> = schema
        .definitions()
        .iter()
        .map(|definition| {
            let nodes = definition.nodes.iter().map(|id| node_meaning(schema, *id));
            format!("{} {:?} {:?}", definition.name, definition.doc, nodes.collect::<Vec<_>>())
        })
        .chain(schema.caveats().iter().map(|caveat| {
            let mut parameters: Vec<String> = caveat
                .parameters()
                .iter()
                .map(|p| format!("{} {}", p.name, p.parameter_type))
                .collect();
            parameters.sort();
            format!(
                "{} {:?} {parameters:?} {}",
                caveat.name(),
                caveat.doc(),
                caveat.canonical_body()
            )
        }))
        .collect();
    meaning.sort();
    meaning
}

fn node_meaning(schema: &Schema, id: kilwa::schema::NodeId) -> String {
    let node = schema.node(id);
    let rule = match &node.rule {
        kilwa::schema::Rule::Relation(allowed) => {
            allowed.iter().map(|a| schema.allowed_text(a)).collect::<Vec<_>>().join(" | ")
        }
        kilwa::schema::Rule::Permission(_) => crate::schema_support::tree(
            schema,
            &schema.definition(node.definition).name,
            &node.name,
        ),
    };
    format!("{} {:?} {rule}", node.name, node.doc)
}

fn assert_stable(name: &str, text: &str) {
    let first = compile(text).unwrap_or_else(|faults| panic!("{name}: {}", shown(&faults)));
    let canonical = format::canonical(&first);
    let second = compile(&canonical)
        .unwrap_or_else(|faults| panic!("{name}: {}\n{canonical}", shown(&faults)));
    assert_eq!(format::canonical(&second), canonical, "{name}");
    assert_eq!(meaning(&first), meaning(&second), "{name}");
}

#[test]
fn canonical_text_means_the_same_and_is_its_own_canonical_text() {
    let texts = [
        "",
        "definition user {}",
        "/***/ definition user {}",
        "/**/ definition user {}",
        "/** */\n//\n/*\n*/\ndefinition user {}",
        "/* a\n\n\n   * b\n\n */ definition user { /** one */ relation own: user\n/*two\r\n three*/\npermission all = own }",
        "use self\ndefinition user { permission own = self & self - nil }",
        "use partial\npartial some { // doc\n relation own: user }\ndefinition user { ...some }\ndefinition team { ...some\n permission all = own.all(own) + own.any(own) & own->own }",
        "use expiration\ncaveat cav(b int, a map<list<any>>) { b == 1 && 'x' in a }\ndefinition user { relation own: user with cav | user#own with cav and expiration | user:* with expiration }",
        "definition user { relation self: user\nrelation import: user\npermission use = self + import }",
    ];
    for text in texts {
        assert_stable(text, text);
    }
}

/// The block scalar of a top-level key, without its indentation.
fn block(yaml: &str, key: &str) -> Option<String> {
    let mut lines = yaml.lines().skip_while(|line| !line.starts_with(key));
    lines.next().filter(|line| line.contains(['|', '>']))?;
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with(' '));
    Some(lines.map(|line| line.strip_prefix("  ").unwrap_or(line)).collect::<Vec<_>>().join("\n"))
}

#[test]
fn schemas_from_elsewhere_are_stable_too() {
    for path in corpus_files() {
        let text = std::fs::read_to_string(&path).unwrap();
        if let Some(schema) = block(&text, "schema:") {
            assert_stable(&path.display().to_string(), &schema);
        }
    }
}
