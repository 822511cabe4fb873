//! Schemas that are refused: each error with its position, its stage and its message.

use crate::schema_support::faults;

#[test]
fn a_name_is_defined_once() {
    let text = "definition user {}
caveat user(day int) { day == 1 }
definition user {}
";
    insta::assert_snapshot!(faults(text), @r#"
    2:8-2:12 Parse duplicate-name: found name reused between multiple definitions and/or caveats: user
    3:12-3:16 Parse duplicate-name: found name reused between multiple definitions and/or caveats: user
    "#);
}

#[test]
fn names_follow_their_pattern() {
    let text = "definition us {}
definition user {
  relation ab: user
  permission _view = nil
  relation ok_: user
}
definition aa/user {}";
    insta::assert_snapshot!(faults(text), @r#"
    1:12-1:14 Parse invalid-name: error in object definition `us`: definition name `us` is not valid: each segment needs 3 to 64 characters of `a-z`, `0-9` and `_`, must start with a letter and not end in `_`
    3:12-3:14 Parse invalid-name: error in relation `ab`: relation name `ab` is not valid: it needs 3 to 64 characters of `a-z`, `0-9` and `_`, must start with a letter and not end in `_`
    4:14-4:19 Parse invalid-name: error in permission `_view`: relation name `_view` is not valid: it needs 3 to 64 characters of `a-z`, `0-9` and `_`, must start with a letter and not end in `_`
    5:12-5:15 Parse invalid-name: error in relation `ok_`: relation name `ok_` is not valid: it needs 3 to 64 characters of `a-z`, `0-9` and `_`, must start with a letter and not end in `_`
    7:12-7:19 Parse invalid-name: error in object definition `aa/user`: definition name `aa/user` is not valid: each segment needs 3 to 64 characters of `a-z`, `0-9` and `_`, must start with a letter and not end in `_`
    "#);
}

#[test]
fn a_statement_ends_before_the_next_begins() {
    let text = "definition user {}
definition doc {
  relation viewer: user other
  permission view = viewer viewer
}";
    insta::assert_snapshot!(faults(text), @r#"
    3:25-3:30 Parse expected-end: expected end of statement or definition, found: `other`
    4:28-4:34 Parse expected-end: expected end of statement or definition, found: `viewer`
    "#);
}

#[test]
fn the_root_takes_items_only() {
    let text = "$
relation viewer: user
definition user {}
defnition doc {}";
    insta::assert_snapshot!(faults(text), @r#"
    1:1-1:2 Parse unexpected-token: unexpected token at root level: `$`
    4:1-4:10 Parse unexpected-token: unexpected token at root level: `defnition` (did you mean `definition`?)
    "#);
}

#[test]
fn where_a_name_belongs_there_must_be_one() {
    let text = r#"definition user {}
definition doc {
  relation with: user
  relation viewer:
  permission view = parent->(viewer)
}
definition "team" {}"#;
    insta::assert_snapshot!(faults(text), @r#"
    3:12-3:16 Parse expected-identifier: expected identifier, found token `with` (`with` is a reserved word; choose another name)
    4:19-4:19 Parse expected-identifier: expected identifier, found token end of line
    5:29-5:30 Parse expected-identifier: expected identifier, found token `(`
    7:12-7:13 Parse expected-identifier: expected identifier, found token `"` (names stand without quotes)
    "#);
}

#[test]
fn a_caveat_needs_a_parameter() {
    let text = "caveat none() { true }";
    insta::assert_snapshot!(faults(text), @r#"
    1:13-1:14 Parse expected-identifier: expected identifier, found token `)`
    "#);
}

#[test]
fn a_permission_needs_an_expression() {
    let text = "definition user {}
definition doc {
  relation viewer: user
  permission view =
  permission edit = viewer +
  permission both = viewer &
    & viewer
}";
    insta::assert_snapshot!(faults(text), @r#"
    4:20-4:20 Parse expected-expression: expected compute expression for permission, found end of line
    5:29-5:29 Parse expected-expression: expected compute expression for permission, found end of line
    7:5-7:6 Parse expected-expression: expected compute expression for permission, found `&`
    "#);
}

#[test]
fn only_names_have_arrows_and_only_one() {
    let text = "definition user {}
definition doc {
  relation parent: doc
  permission one = parent->one->one
  permission two = nil->one
  permission three = (parent)->one
  permission four = parent.any(one).all(one)
}";
    insta::assert_snapshot!(faults(text), @r#"
    4:31-4:36 Parse nested-arrow: nested arrows not yet supported (give the second arrow a permission of its own, on the definition where it starts)
    5:23-5:25 Parse expected-end: expected end of statement or definition, found: `->`
    6:30-6:32 Parse expected-end: expected end of statement or definition, found: `->`
    7:36-7:45 Parse nested-arrow: nested arrows not yet supported (give the second arrow a permission of its own, on the definition where it starts)
    "#);
}

#[test]
fn arrow_functions_are_any_and_all() {
    let text = "definition user {}
definition doc {
  relation parent: doc
  permission view = parent.some(view)
}";
    insta::assert_snapshot!(faults(text), @r#"
    4:28-4:32 Parse unknown-function: expected 'any' or 'all' for arrow function, found: some
    "#);
}

#[test]
fn flags_are_known_and_stand_first() {
    let text = "use expirations
use foo
definition user {}
use self";
    insta::assert_snapshot!(faults(text), @r#"
    1:5-1:16 Parse unknown-flag: unknown use flag: `expirations`. Options are: expiration, import, partial, self, typechecking (did you mean `expiration`?)
    2:5-2:8 Parse unknown-flag: unknown use flag: `foo`. Options are: expiration, import, partial, self, typechecking
    4:1-4:9 Parse late-use: `use` expressions must be declared before any definition
    "#);
}

#[test]
fn imports_are_refused_where_there_are_no_files() {
    let text = r#"use import
import "other.zed"
definition user {}
"#;
    insta::assert_snapshot!(faults(text), @r#"
    2:8-2:19 Parse import: import statements are not allowed in this context (write the imported definitions into the schema itself)
    "#);
}

#[test]
fn import_and_partial_mean_nothing_without_their_flag() {
    let text = r#"import "other.zed"
definition user {}
partial shared {
}"#;
    insta::assert_snapshot!(faults(text), @r#"
    1:1-1:7 Parse unexpected-token: unexpected token at root level: `import` (write `use import` at the top to use this statement)
    3:1-3:8 Parse unexpected-token: unexpected token at root level: `partial` (write `use partial` at the top to use this statement)
    "#);
}

#[test]
fn partials_exist_and_lead_somewhere() {
    let text = "use partial
partial one {
  ...two
}
partial two {
  ...one
}
definition user {
  ...tow
  ...thing
}";
    insta::assert_snapshot!(faults(text), @r#"
    2:9-2:12 Parse circular-partials: could not resolve partials: [one, two]. this may indicate a circular reference
    9:6-9:9 Parse unknown-partial: could not find partial reference with name tow (did you mean `...two`?)
    10:6-10:11 Parse unknown-partial: could not find partial reference with name thing
    "#);
}

#[test]
fn a_parameter_is_declared_once() {
    let text = "caveat cav(day int, day string) { day == 1 }";
    insta::assert_snapshot!(faults(text), @r#"
    1:21-1:24 Parse duplicate-parameter: duplicate parameter `day` defined on caveat `cav`
    "#);
}

#[test]
fn parameters_have_known_types() {
    let text = "caveat cav(one foo, two list, three int<string>, four map<boool>) { true }";
    insta::assert_snapshot!(faults(text), @r#"
    1:16-1:19 Parse invalid-parameter-type: invalid type for caveat parameter `one` on caveat `cav`: unknown type `foo`
    1:25-1:29 Parse invalid-parameter-type: invalid type for caveat parameter `two` on caveat `cav`: type `list` requires 1 generic types; found 0
    1:37-1:48 Parse invalid-parameter-type: invalid type for caveat parameter `three` on caveat `cav`: type `int` requires 0 generic types; found 1
    1:59-1:64 Parse invalid-parameter-type: invalid type for caveat parameter `four` on caveat `cav`: unknown type `boool` (did you mean `bool`?)
    "#);
}

#[test]
fn a_parameter_is_used() {
    let text = "caveat cav(day int, hour int) { day == 1 }";
    insta::assert_snapshot!(faults(text), @r#"
    1:21-1:25 Type unused-parameter: parameter `hour` for caveat `cav` is unused
    "#);
}

#[test]
fn a_relation_is_declared_once() {
    let text = "definition user {}
definition doc {
  relation viewer: user
  permission viewer = nil
}";
    insta::assert_snapshot!(faults(text), @r#"
    4:14-4:20 Type duplicate-relation: found duplicate relation/permission name `viewer` under definition `doc`
    "#);
}

#[test]
fn a_subject_type_exists() {
    let text = "definition user {}
definition doc {
  relation viewer: usr
  relation owner: thing
}";
    insta::assert_snapshot!(faults(text), @r#"
    3:20-3:23 Type unknown-definition: could not lookup definition `usr` for relation `viewer`: object definition `usr` not found (did you mean `user`?)
    4:19-4:24 Type unknown-definition: could not lookup definition `thing` for relation `owner`: object definition `thing` not found
    "#);
}

#[test]
fn a_relation_that_is_named_exists() {
    let text = "definition user {}
definition doc {
  relation viewer: user#foo | doc#vewer
  permission view = viewr + nope->view
}";
    insta::assert_snapshot!(faults(text), @r#"
    3:25-3:28 Type unknown-relation: relation/permission `foo` not found under definition `user`
    3:35-3:40 Type unknown-relation: relation/permission `vewer` not found under definition `doc` (did you mean `viewer`?)
    4:21-4:26 Type unknown-relation: relation/permission `viewr` not found under definition `doc` (did you mean `viewer`?)
    4:29-4:33 Type unknown-relation: relation/permission `nope` not found under definition `doc`
    "#);
}

#[test]
fn permissions_are_not_walked() {
    let text = "definition user {}
definition doc {
  permission base = nil
  permission view = base->view
}";
    insta::assert_snapshot!(faults(text), @r#"
    4:21-4:25 Type arrow-over-permission: under permission `view` under definition `doc`: permissions cannot be used on the left hand side of an arrow (found `base`)
    "#);
}

#[test]
fn wildcards_are_not_walked() {
    let text = "definition user {}
definition team { relation member: user:* }
definition doc {
  relation direct: doc | user:*
  relation through: team#member
  permission one = direct->one
  permission two = through.all(two)
}";
    insta::assert_snapshot!(faults(text), @r#"
    5:21-5:32 Type transitive-wildcard: for relation `through`: relation/permission `team#member` includes wildcard type `user` via relation `team#member`: wildcard relations cannot be transitively included
    6:20-6:26 Type arrow-over-wildcard: for arrow under permission `one`: relation `doc#direct` includes wildcard type `user` via relation `doc#direct`: wildcard relations cannot be used on the left side of arrows
    7:20-7:27 Type arrow-over-wildcard: for arrow under permission `two`: relation `doc#through` includes wildcard type `user` via relation `team#member`: wildcard relations cannot be used on the left side of arrows
    "#);
}

#[test]
fn wildcards_are_not_included_through_other_relations() {
    let text = "definition user {}
definition team {
  relation member: user:*
  relation lead: team#member
}
definition doc {
  relation member: user
  relation viewer: doc#member | team#lead
}";
    insta::assert_snapshot!(faults(text), @r#"
    4:18-4:29 Type transitive-wildcard: for relation `lead`: relation/permission `team#member` includes wildcard type `user` via relation `team#member`: wildcard relations cannot be transitively included
    8:33-8:42 Type transitive-wildcard: for relation `viewer`: relation/permission `team#lead` includes wildcard type `user` via relation `team#member`: wildcard relations cannot be transitively included
    "#);
}

#[test]
fn a_subject_form_is_allowed_once() {
    let text = "definition user {}
definition doc {
  relation viewer: user | doc | user#...
  relation owner: user:* | user:*
}";
    insta::assert_snapshot!(faults(text), @r#"
    3:33-3:41 Type duplicate-subject: found duplicate allowed subject type `user` on relation `viewer` under definition `doc`
    4:28-4:34 Type duplicate-subject: found duplicate allowed subject type `user:*` on relation `owner` under definition `doc`
    "#);
}

#[test]
fn a_caveat_that_is_named_exists() {
    let text = "caveat day_of(day int) { day == 1 }
definition user {}
definition doc {
  relation viewer: user with day_off | user with expiration
}";
    insta::assert_snapshot!(faults(text), @r#"
    4:30-4:37 Type unknown-caveat: could not lookup caveat `day_off` for relation `viewer`: caveat with name `day_off` not found (did you mean `day_of`?)
    4:50-4:60 Type unknown-caveat: could not lookup caveat `expiration` for relation `viewer`: caveat with name `expiration` not found (write `use expiration` at the top for relationships that expire)
    "#);
}

#[test]
fn annotations_are_complete() {
    let text = "use typechecking
definition user {}
definition team { relation member: user }
definition doc {
  relation viewer: user | team#member | team
  permission view: user = viewer
  permission see: team | user = viewer
}";
    insta::assert_snapshot!(faults(text), @r#"
    6:20-6:24 Type incomplete-annotation: incomplete type annotation on relation `view` in definition `doc`: `team` found as reachable type, but not contained in provided set [`user`]
    "#);
}

#[test]
fn permissions_are_not_each_other_in_a_circle() {
    let text = "definition user {}
definition doc {
  permission aaa = bbb
  permission bbb = (ccc)
  permission ccc = aaa
  permission view = view
  permission other = aaa
}";
    insta::assert_snapshot!(faults(text), @r#"
    3:14-3:17 Type permission-cycle: under definition `doc`, there exists a cycle in permissions: aaa, bbb, ccc
    6:14-6:18 Type permission-cycle: under definition `doc`, there exists a cycle in permissions: view
    "#);
}

#[test]
fn words_of_a_flag_are_no_names() {
    let text = "use self
use expiration
definition user {}
definition doc {
  relation self: user
  relation expiration: user
  relation and: user
  permission view = self->view
}";
    insta::assert_snapshot!(faults(text), @r#"
    5:12-5:16 Parse expected-identifier: expected identifier, found token `self` (`use self` makes `self` a reserved word)
    6:12-6:22 Parse expected-identifier: expected identifier, found token `expiration` (`use expiration` makes `expiration` a reserved word)
    7:12-7:15 Parse expected-identifier: expected identifier, found token `and` (`use expiration` makes `and` a reserved word)
    8:21-8:25 Parse expected-identifier: expected identifier, found token `self` (`use self` makes `self` a reserved word)
    "#);
}

#[test]
fn the_caveat_stands_before_the_expiration() {
    let text = "use expiration
caveat cav(day int) { day == 1 }
definition user {}
definition doc {
  relation viewer: user with expiration and cav
}";
    insta::assert_snapshot!(faults(text), @r#"
    5:30-5:48 Parse caveat-after-expiration: unexpected keyword after expiration: the caveat must come before expiration, e.g. `with <caveat_name> and expiration`
    "#);
}

#[test]
fn and_needs_the_expiration_flag() {
    let text = "caveat cav(day int) { day == 1 }
definition user {}
definition doc {
  relation viewer: user with cav and expiration
}";
    insta::assert_snapshot!(faults(text), @r#"
    4:34-4:37 Parse expected-end: expected end of statement or definition, found: `and` (write `use expiration` at the top to combine a caveat with an expiration)
    "#);
}

#[test]
fn braces_comments_and_strings_are_closed() {
    let text = "definition user {
  relation viewer: user

definition doc {}";
    insta::assert_snapshot!(faults(text), @r#"
    2:24-2:24 Parse expected-end: expected end of statement or definition, found: end of line (close what `{` opened with `}`)
    "#);
}

#[test]
fn an_unclosed_comment_is_reported_where_it_opens() {
    let text = "definition user {} /* open";
    insta::assert_snapshot!(faults(text), @r#"
    1:20-1:22 Parse unclosed-comment: this comment is not closed (close it with `*/`)
    "#);
}

#[test]
fn an_unclosed_string_is_reported_where_it_opens() {
    let text = r#"caveat cav(day string) { day == "mon }"#;
    insta::assert_snapshot!(faults(text), @r#"
    1:33-1:34 Parse unclosed-string: this quote opens a string that is not closed
    "#);
}

#[test]
fn one_mistake_does_not_hide_the_next() {
    let text = "definition user {
  relation one user
  permission two = (one
  relation good: user
}
caveat cav(day int { day == 1 }
definition doc {
  relation viewer: user |
    | team
  nonsense
}
}";
    insta::assert_snapshot!(faults(text), @r#"
    2:16-2:20 Parse expected-token: expected `:`, found `user`
    3:24-3:24 Parse expected-token: expected `)`, found end of line
    6:20-6:21 Parse expected-token: expected `)`, found `{`
    9:5-9:6 Parse expected-identifier: expected identifier, found token `|`
    10:3-10:11 Parse expected-end: expected end of statement or definition, found: `nonsense`
    12:1-12:2 Parse unexpected-token: unexpected token at root level: `}`
    "#);
}

#[test]
fn a_broken_statement_does_not_hide_what_else_is_wrong() {
    let text = "definition user {}
definition doc {
  relation viewer user
  relation owner: usr
  permission view = viewer + ownr
  permission ab = nil
}
definition team {
  relation member: doc#viewer | doc#veiwer
  permission lead = (member";
    insta::assert_snapshot!(faults(text), @"
    3:19-3:23 Parse expected-token: expected `:`, found `user`
    6:14-6:16 Parse invalid-name: error in permission `ab`: relation name `ab` is not valid: it needs 3 to 64 characters of `a-z`, `0-9` and `_`, must start with a letter and not end in `_`
    10:28-10:28 Parse expected-end: expected end of statement or definition, found: end of file (close what `{` opened with `}`)
    4:19-4:22 Type unknown-definition: could not lookup definition `usr` for relation `owner`: object definition `usr` not found (did you mean `user`?)
    5:30-5:34 Type unknown-relation: relation/permission `ownr` not found under definition `doc` (did you mean `owner`?)
    ");
}

#[test]
fn what_a_broken_statement_may_have_defined_is_not_missed() {
    let text = "use expirations
caveat weekend(day int { day > 5 }
definition user {}
definition shop/doc {
  relation viewer: user with expiration | user with weekend
  relation owner: shop/doc#viewer with weekday
}";
    insta::assert_snapshot!(faults(text), @"
    1:5-1:16 Parse unknown-flag: unknown use flag: `expirations`. Options are: expiration, import, partial, self, typechecking (did you mean `expiration`?)
    2:24-2:25 Parse expected-token: expected `)`, found `{`
    6:40-6:47 Type unknown-caveat: could not lookup caveat `weekday` for relation `owner`: caveat with name `weekday` not found
    ");
}

#[test]
fn types_are_checked_all_at_once_after_names() {
    let text = "definition ab {}
caveat cav(day foo) { day == 1 }
definition user {}
definition doc {
  relation viewer: usr
  permission view = viewer + editor
}";
    insta::assert_snapshot!(faults(text), @r#"
    1:12-1:14 Parse invalid-name: error in object definition `ab`: definition name `ab` is not valid: each segment needs 3 to 64 characters of `a-z`, `0-9` and `_`, must start with a letter and not end in `_`
    2:16-2:19 Parse invalid-parameter-type: invalid type for caveat parameter `day` on caveat `cav`: unknown type `foo`
    5:20-5:23 Type unknown-definition: could not lookup definition `usr` for relation `viewer`: object definition `usr` not found (did you mean `user`?)
    6:30-6:36 Type unknown-relation: relation/permission `editor` not found under definition `doc`
    "#);
}

/// The advice of the first fault of a text.
fn advice(text: &str) -> String {
    let diagnostics = kilwa::schema::compile(text).unwrap_err();
    let first = diagnostics.first().unwrap();
    first.help.clone().unwrap_or_else(|| format!("none: {first}"))
}

#[test]
fn texts_of_other_languages_get_advice() {
    for (member, hint) in [
        ("# who reads\n relation viewer: user", "comments start with `//`"),
        ("relation viewer: user # those who read", "comments start with `//`"),
        ("relation viewer: user # readers", "comments start with `//`"),
        ("relation viewer: user #readers", "comments start with `//`"),
        ("permission view = viewer # by those", "comments start with `//`"),
        ("permission manage = parent.manage", "an arrow is written `parent->manage`"),
        ("permission manage = viewer + parent.manage + owner", "`parent->manage`"),
        ("permission manage = parent.any", "`parent.any(view)`"),
        ("permission view: viewer", "write `permission view = viewer`"),
        ("permission view: viewer + editor // both", "write `permission view = viewer + editor`"),
        ("permission view: parent->view", "write `permission view = parent->view`"),
        ("permission view = viewer or editor", "`a + b`"),
        ("permission view = viewer || editor", "`a + b`"),
        ("permission view = viewer | editor", "`a + b`"),
        ("permission view = viewer, editor", "`a + b`"),
        ("permission view = viewer and editor", "`a & b`"),
        ("permission view = viewer && editor", "`a & b`"),
        ("permission view = viewer but not banned", "`a - b`"),
        ("permission view = viewer not banned", "`a - b`"),
        ("permission view = viewer & not banned", "`a - b`"),
        ("permission view = viewer & !banned", "`a - b`"),
        ("permission view = viewer from parent", "`parent->viewer`"),
        ("permission view = viewer,", "take the `,` out"),
        ("permission can-view = viewer", "write `can_view`"),
        ("relation can-view: user", "write `can_view`"),
        ("relation viewer = user", "write `relation viewer: user`"),
        ("relation viewer @user", "write `relation viewer: user`"),
        ("relation viewer: [user, team#member]", "without brackets"),
        ("relation viewer: user, team", "`user | team#member`"),
        ("relation viewer: user + team", "`user | team#member`"),
        ("relation viewer: user or team", "`user | team#member`"),
        ("relation viewer: user & team", "combined in a `permission`"),
        ("define viewer: [user, team#member]", "write `relation viewer: user | team#member`"),
        ("define view: viewer or editor", "write `permission view = viewer + editor`"),
        ("define view: viewer but not banned", "write `permission view = viewer - banned`"),
        ("define view: view from parent", "write `permission view = parent->view`"),
        ("define view: [user] or editor", "write `relation view: …`"),
        ("Relation viewer: user", "write `relation`"),
        ("action view = viewer", "write `permission view = …`"),
    ] {
        let text = format!("definition user {{}}\ndefinition doc {{\n{member}\n}}");
        assert!(advice(&text).contains(hint), "{member}: {}", advice(&text));
    }
    for (text, hint) in [
        ("# licence\ndefinition user {}", "comments start with `//`"),
        ("type user", "write `definition user { … }`"),
        ("entity user {}", "write `definition user { … }`"),
        ("model\n  schema 1.1", "a schema starts with its definitions"),
        ("schema: |-\n  definition user {}", "this is a validation file, not a schema"),
        ("Definition user {}", "write `definition`"),
        ("definition user", "`definition user { … }`"),
        ("definition user:\n  relation own: user", "`definition user { … }`"),
        ("definition blog-post {}", "write `blog_post`"),
        ("definition \"user\" {}", "names stand without quotes"),
        ("condition night(hour int) {}", "write `caveat night(…) { … }`"),
        ("definition usér {}", "`é` is the character U+00E9"),
    ] {
        assert!(advice(text).contains(hint), "{text}: {}", advice(text));
    }
}

#[test]
fn characters_that_nobody_sees_are_named() {
    for (text, place, name, hint) in [
        ("definition\u{A0}user {}", "1:11", "U+00A0 (no-break space)", "an ordinary space"),
        ("definition user {\u{200B}}", "1:18", "U+200B (zero width space)", "take it out"),
        ("defi\u{200B}nition user {}", "1:5", "U+200B (zero width space)", "take it out"),
        ("definition us\u{AD}er {}", "1:14", "U+00AD (soft hyphen)", "take it out"),
        ("\n\u{3000}definition user {}", "2:1", "U+3000 (ideographic space)", "ordinary space"),
        ("definition user {} \u{FEFF}", "1:20", "U+FEFF (byte order mark)", "take it out"),
        ("definition user { relation own： user }", "1:31", "U+FF1A", "write `:`"),
        ("definition user { relation own: user｜user }", "1:37", "U+FF5C", "write `|`"),
        (
            "definition user { relation own: user; permission x1x = own – own }",
            "1:60",
            "U+2013 (dash)",
            "write `-`",
        ),
        (
            "definition user { relation own: user; permission x1x = own→own }",
            "1:59",
            "U+2192 (arrow)",
            "write `->`",
        ),
        ("use import\nimport “a.zed”", "2:8", "U+201C (typographic quote)", "write `\"`"),
        ("caveat c1c(day string) { day == “monday” }", "1:33", "U+201C", "write `\"`"),
        ("caveat c1c(day int) { day ==\u{A0}1 }", "1:29", "U+00A0", "an ordinary space"),
    ] {
        let diagnostics = kilwa::schema::compile(text).unwrap_err();
        let first = diagnostics.first().unwrap();
        let said = format!("{first} {}", first.help.clone().unwrap_or_default());
        assert_eq!(first.start().to_string(), place, "{text}: {said}");
        assert!(said.contains(name) && said.contains(hint), "{text}: {said}");
    }
}
