//! Accepted syntax: line breaks, names, comments, forms.

use crate::schema_support::{faults, schema, tree};
use kilwa::schema::{AllowedForm, Rule, Schema, format};

/// The relations and permissions of the definition `doc`, as the canonical text writes them.
fn doc(text: &str) -> String {
    let canonical = format::canonical(&schema(text));
    let (_, doc) = canonical.split_once("definition doc {\n").unwrap();
    let (doc, _) = doc.split_once("\n}").unwrap();
    doc.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

#[test]
fn statements_end_at_semicolons_line_breaks_and_closing_braces() {
    let canonical = "definition doc {\n\trelation viewer: user\n\tpermission view = viewer\n}\n\ndefinition user {}";
    let texts = [
        "definition user{};definition doc{relation viewer:user;permission view=viewer;}",
        "definition user {}\ndefinition doc { relation viewer: user; permission view = viewer }",
        "definition user {} definition doc { relation viewer: user; permission view = viewer }",
        "definition user {}\r\ndefinition doc {\r\n\trelation viewer: user\r\n\r\n\tpermission view = viewer }\r\n",
        "definition user\n{\n}\n;;\ndefinition doc {;\nrelation viewer: user;\n;permission view = viewer\n}",
        "\u{feff}definition user {} // end\ndefinition /* b */ doc /* c\n */ { relation viewer: user // end\npermission view = viewer }",
    ];
    for text in texts {
        assert_eq!(format::canonical(&schema(text)), canonical, "{text}");
    }
}

#[test]
fn items_need_nothing_between_them() {
    let text = "use self use partial partial more { relation viewer: user } use typechecking
        definition user {} definition doc { ...more } caveat cav(day int) { day == 1 }";
    assert_eq!(doc(text), "relation viewer: user");
}

#[test]
fn a_line_may_break_behind_a_mark() {
    let text = "use partial
        partial more { relation viewer: user }
        definition user {}
        definition doc {
            ...
            more
            relation owner: user | doc#
                viewer
            permission view = owner.
                any(
                    viewer
                )
        }";
    assert_eq!(
        doc(text),
        "relation viewer: user\nrelation owner: user | doc#viewer\npermission view = owner.any(viewer)"
    );
    let text = "definition user {}\ndefinition doc { relation all: user:\n* }";
    assert_eq!(doc(text), "relation all: user:*");
}

#[test]
fn spaces_and_comments_may_stand_around_the_slashes_of_a_path() {
    let text = "definition shop / user {}
        definition doc { relation viewer: shop /* which */ /
            user | shop/user:* }";
    assert_eq!(doc(text), "relation viewer: shop/user | shop/user:*");
}

#[test]
fn comments_at_the_ends_of_a_body_are_not_part_of_it() {
    for body in
        ["/* a */ day > 5 /* b */", "// a\n day > 5 /* b */ // c\n", "/* a *//* b */day > 5"]
    {
        let schema = schema(&format!("caveat weekend(day int) {{ {body} }}"));
        let wanted = "caveat weekend(day int) {\n\tday > 5\n}";
        assert_eq!(format::canonical(&schema), wanted, "{body}");
    }
    let refused = faults("caveat weekend(day int) { day /* a */ > 5 }");
    assert!(refused.starts_with("1:32-"), "{refused}");
}

#[test]
fn a_line_may_end_or_start_with_an_operator() {
    let text = "definition user {}
        definition doc {
            relation viewer: user |
                user:*
                | doc#viewer
            relation owner:
                user
            permission view = viewer +
                // who owns may see
                owner
                + doc_self & (
                    viewer
                    - owner
                )
            permission doc_self =
                nil
        }";
    assert_eq!(
        doc(text),
        "relation viewer: user | user:* | doc#viewer
relation owner: user
permission view = viewer + owner + doc_self & (viewer - owner)
permission doc_self = nil"
    );
}

#[test]
fn an_arrow_may_stand_on_the_next_line() {
    let text = "definition doc {
            relation parent: doc
            permission view = parent
                ->view + parent
                .all(view)
        }";
    assert_eq!(tree(&schema(text), "doc", "view"), "(+ parent->view parent.all(view))");
}

#[test]
fn the_object_itself_may_be_written_with_dots() {
    let text = "definition user {}
        definition doc {
            relation viewer: user#...
            relation owner: user#... | user:*
        }";
    assert_eq!(doc(text), "relation viewer: user\nrelation owner: user | user:*");
}

#[test]
fn words_of_flags_are_names_without_the_flag() {
    let text = "caveat expiration(day int) { day == 1 }
        definition user {}
        definition doc {
            relation self: user
            relation expiration: user with expiration
            relation import: user
            relation partial: doc
            relation and: user
            relation use: user
            relation any: doc
            relation all: user
            relation typechecking: user
            relation definitions: user
            permission relations = self + any.any(all) + any.all(any) + import->use
        }";
    // `import` is a relation to users, who have no `use`; that is for the lint, not an error.
    assert_eq!(
        tree(&schema(text), "doc", "relations"),
        "(+ self any.any(all) any.all(any) import->use)"
    );
}

#[test]
fn flags_may_be_repeated_and_change_what_words_mean() {
    let text = "use expiration
        use self; use expiration
        caveat cav(day int) { day == 1 }
        definition doc {
            relation viewer: doc with expiration | doc with cav and expiration | doc with cav | doc
            permission view = self
        }";
    let schema = schema(text);
    assert_eq!(tree(&schema, "doc", "view"), "self");
    let id = schema.find_definition("doc").unwrap().id;
    let Rule::Relation(allowed) = &schema.find_node(id, "viewer").unwrap().rule else { panic!() };
    let terms: Vec<_> = allowed.iter().map(|a| (a.caveat.is_some(), a.expires)).collect();
    assert_eq!(terms, [(false, true), (true, true), (true, false), (false, false)]);
    assert!(allowed.iter().all(|allowed| allowed.form == AllowedForm::Object));
}

#[test]
fn names_may_have_prefixes() {
    let schema = schema(
        "caveat shop/open(day int) { day == 1 }
         definition shop/staff/user {}
         definition shop/doc { relation viewer: shop/staff/user with shop/open }",
    );
    assert_eq!(schema.definitions()[0].name, "shop/staff/user");
    assert!(schema.find_caveat("shop/open").is_some());
}

#[test]
fn schemas_without_definitions_are_schemas() {
    for text in [
        "",
        "\n\n",
        "// only a comment",
        "/* one */ // two\n",
        "use self\n",
        "caveat cav(day int) { day == 1 }",
    ] {
        assert!(schema(text).definitions().is_empty(), "{text}");
    }
}

#[test]
fn what_may_look_wrong_but_is_right() {
    let texts = [
        // The right side of an arrow exists nowhere.
        "definition doc { relation parent: doc; permission view = parent->nothing }",
        // Recursion that is not only an alias.
        "definition doc { relation viewer: doc; permission view = view + viewer }",
        // A permission that includes a wildcard.
        "definition user {}\ndefinition team { relation member: user:*; permission all = member }
         definition doc { relation viewer: team#all }",
        // A relation that includes its own wildcard.
        "definition user {}\ndefinition team { relation member: user:* | team#member }",
        // A relation to a permission that contains it.
        "definition doc { relation viewer: doc#view; permission view = viewer }",
        // An annotation is not looked at without its flag.
        "definition user {}\ndefinition doc { relation viewer: user; permission view: nobody = viewer }",
    ];
    for text in texts {
        schema(text);
    }
}

#[test]
fn wildcards_of_relations_with_the_same_name_are_kept_apart() {
    schema(
        "definition user {}
         definition open { relation member: user:* }
         definition shut { relation member: user }
         definition doc { relation viewer: shut#member; permission view = parent->view; relation parent: shut }",
    );
    let text = "definition user {}
definition shut { relation member: user }
definition open { relation member: user:* }
definition doc {
  relation viewer: shut#member | open#member
}";
    insta::assert_snapshot!(faults(text), @"5:34-5:45 Type transitive-wildcard: for relation `viewer`: relation/permission `open#member` includes wildcard type `user` via relation `open#member`: wildcard relations cannot be transitively included");
}

#[test]
fn a_caveat_reaches_to_the_brace_that_matches() {
    let body = |text: &str| schema(text).caveats()[0].body().to_owned();
    assert_eq!(
        body("caveat cav(m map<int>) { m == {'a': {'b': 1}}['a'] }"),
        "m == {'a': {'b': 1}}['a']"
    );
    assert_eq!(body("caveat cav(s string) { s == '}' }"), "s == '}'");
    assert_eq!(body(r#"caveat cav(s string) { s == "\"}" }"#), r#"s == "\"}""#);
    assert_eq!(body(r"caveat cav(s string) { s == r'\' || s == '}' }"), r"s == r'\' || s == '}'");
    assert_eq!(body("caveat cav(s string) { s == '''}\n'}''' }"), "s == '''}\n'}'''");
    assert!(body("caveat cav(s string) { // don't stop here }\n s == 'a' }").ends_with("s == 'a'"));
}

fn docs(schema: &Schema) -> Vec<(&str, &str, &str)> {
    let definitions = schema.definitions().iter().map(|d| (&*d.name, &*d.doc, &*d.comment));
    let nodes = schema.nodes().iter().map(|n| (&*n.name, &*n.doc, &*n.comment));
    definitions.chain(nodes).collect()
}

#[test]
fn comments_belong_to_what_stands_below_them() {
    let schema = schema(
        "// users
         //  of the shop

         /* really */
         definition user {} // trailing

         /**
          * A document.
          *
          * With a second paragraph.
          */
         definition doc { // also trailing
             relation viewer: user // trailing, too
             /* owns it */ relation owner: user
             relation plain: user
             // before the brace
         }
         // the end",
    );
    assert_eq!(
        docs(&schema),
        [
            ("user", "users\n of the shop\nreally", "// users\n//  of the shop\n/* really */"),
            (
                "doc",
                "A document.\n\nWith a second paragraph.",
                "/**\n          * A document.\n          *\n          * With a second paragraph.\n          */"
            ),
            ("viewer", "", ""),
            ("owner", "owns it", "/* owns it */"),
            ("plain", "", ""),
        ]
    );
}

#[test]
fn positions_count_characters_and_any_kind_of_line_break() {
    let text =
        "definition user {} // ä€😀\r\ndefinition doc {\r\n /* ä€😀 */ relation viewer: usr\r}";
    insta::assert_snapshot!(faults(text), @"3:29-3:32 Type unknown-definition: could not lookup definition `usr` for relation `viewer`: object definition `usr` not found (did you mean `user`?)");
}
