//! Schemas of several files, and partials.

use crate::schema_support::{faults, schema, shown};
use kilwa::schema::{Schema, SchemaError, compile_named, format};
use std::cell::RefCell;

type Files<'f> = &'f [(&'f str, &'f str)];

fn compiled(root: &str, files: Files<'_>) -> Result<Schema, SchemaError> {
    let load = |path: &str| {
        let found = files.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| "no such file".to_owned())
    };
    let path = root.rsplit_once('/').map_or(root, |(_, path)| path);
    compile_named(root, &load(path).unwrap(), Some(&load))
}

fn refused(root: &str, files: Files<'_>) -> String {
    let diagnostics = compiled(root, files).unwrap_err();
    let names: Vec<&str> = diagnostics.iter().map(|d| &*d.source_name).collect();
    format!("{}\nin {}", shown(&diagnostics), names.join(", "))
}

#[test]
fn imported_definitions_stand_before_those_of_the_importer() {
    let schema = compiled(
        "schemas/root.zed",
        &[
            ("root.zed", "use import\nuse self\nimport \"parts/team.zed\"\nimport './parts/user.zed'\ndefinition doc { relation owner: team#member; permission own = owner + self }"),
            ("parts/team.zed", "use import\nimport \"user.zed\"\ndefinition team { relation member: user; relation self: user }"),
            ("parts/user.zed", "definition user {}"),
        ],
    )
    .unwrap();
    let names: Vec<&str> = schema.definitions().iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["user", "team", "doc"]);
}

#[test]
fn each_file_is_read_once() {
    let reads = RefCell::new(Vec::new());
    let load = |path: &str| {
        reads.borrow_mut().push(path.to_owned());
        Ok(match path {
            "left.zed" | "right.zed" => "use import\nimport \"base.zed\"".to_owned(),
            _ => "definition user {}".to_owned(),
        })
    };
    let text = "use import\nimport \"left.zed\"\nimport \"right.zed\"\nimport \"left.zed\"";
    assert_eq!(compile_named("inline", text, Some(&load)).unwrap().definitions().len(), 1);
    assert_eq!(reads.into_inner(), ["left.zed", "base.zed", "right.zed"]);
}

#[test]
fn faults_are_reported_in_the_file_where_they_are() {
    let files = [
        ("root.zed", "use import\nimport \"bad.zed\"\ndefinition doc { relation owner: usr }"),
        ("bad.zed", "definition user { relation owner user }"),
    ];
    insta::assert_snapshot!(refused("schemas/root.zed", &files), @"
    1:34-1:38 Parse expected-token: expected `:`, found `user`
    3:34-3:37 Type unknown-definition: could not lookup definition `usr` for relation `owner`: object definition `usr` not found (did you mean `user`?)
    in schemas/bad.zed, schemas/root.zed
    ");
    let files = [
        ("root.zed", "use import\nimport \"bad.zed\"\ndefinition user {}"),
        ("bad.zed", "definition user {}\ndefinition team { relation member: usr }"),
    ];
    insta::assert_snapshot!(refused("root.zed", &files), @"
    3:12-3:16 Parse duplicate-name: found name reused between multiple definitions and/or caveats: user
    2:36-2:39 Type unknown-definition: could not lookup definition `usr` for relation `member`: object definition `usr` not found (did you mean `user`?)
    in root.zed, bad.zed
    ");
}

#[test]
fn imports_stay_in_the_folder_and_go_in_no_circle() {
    let files = [
        (
            "root.zed",
            "use import\nimport \"/etc/passwd\"\nimport \"../up.zed\"\nimport \"a/../../up.zed\"\nimport \"c:\\\\up.zed\"\nimport \"\"\nimport \"missing.zed\"\nimport \"root.zed\"\nimport \"one.zed\"",
        ),
        ("one.zed", "use import\nimport \"two.zed\""),
        ("two.zed", "use import\nimport \"./one.zed\""),
    ];
    insta::assert_snapshot!(refused("root.zed", &files), @"
    2:8-2:21 Parse import: import path `/etc/passwd` leaves the schema's folder (write it relative to the importing file, without `..` and without a leading `/`)
    3:8-3:19 Parse import: import path `../up.zed` leaves the schema's folder (write it relative to the importing file, without `..` and without a leading `/`)
    4:8-4:24 Parse import: import path `a/../../up.zed` leaves the schema's folder (write it relative to the importing file, without `..` and without a leading `/`)
    5:8-5:20 Parse import: import path `c:\\\\up.zed` leaves the schema's folder (write it relative to the importing file, without `..` and without a leading `/`)
    6:8-6:10 Parse import: import path `` leaves the schema's folder (write it relative to the importing file, without `..` and without a leading `/`)
    7:8-7:21 Parse import: could not import `missing.zed`: no such file
    8:8-8:18 Parse import: import of `root.zed` is circular
    2:8-2:19 Parse import: import of `./one.zed` is circular
    in root.zed, root.zed, root.zed, root.zed, root.zed, root.zed, root.zed, two.zed
    ");
}

#[test]
fn a_chain_of_imports_is_refused_before_it_is_too_long() {
    let load = |path: &str| {
        let number: u32 = path.parse().unwrap();
        Ok(format!("use import\nimport \"{}\"", number + 1))
    };
    let diagnostics = compile_named("1", &load("1").unwrap(), Some(&load)).unwrap_err();
    assert_eq!(diagnostics[0].message, "imports nest more than 50 files deep");
}

#[test]
fn partials_are_written_into_the_definitions_that_name_them() {
    let schema = schema(
        "use partial
         definition doc {
             relation first: user
             ...shared
             permission view = viewer + editor
         }
         definition folder { ...shared }
         partial shared { relation viewer: user; ...edit }
         // those who write
         partial edit { relation editor: user }
         definition user {}",
    );
    insta::assert_snapshot!(format::canonical(&schema), @"
    definition doc {
    	relation first: user
    	relation viewer: user
    	relation editor: user
    	permission view = viewer + editor
    }

    definition folder {
    	relation viewer: user
    	relation editor: user
    }

    definition user {}
    ");
}

#[test]
fn a_partial_shares_its_name_with_nothing() {
    let text = "use partial
partial user { relation owner: user }
definition user {
  relation owner: user
  ...user
}
partial other { relation owner: nobody }
definition doc {
  ...other
  permission owner = nil
}";
    insta::assert_snapshot!(faults(text), @"
    3:12-3:16 Parse duplicate-name: found name reused between multiple definitions and/or caveats: user
    7:33-7:39 Type unknown-definition: could not lookup definition `nobody` for relation `owner`: object definition `nobody` not found
    10:14-10:19 Type duplicate-relation: found duplicate relation/permission name `owner` under definition `doc`
    ");
}

#[test]
fn a_partial_that_comes_in_two_ways_brings_its_names_twice() {
    let text = "use partial
definition user {}
partial edit { relation editor: user }
partial shared { ...edit }
definition doc {
  ...edit
  ...shared
}";
    insta::assert_snapshot!(faults(text), @"3:25-3:31 Type duplicate-relation: found duplicate relation/permission name `editor` under definition `doc`");
}

#[test]
fn names_in_partials_are_looked_at_though_nothing_includes_them() {
    let text = "use partial
partial unused {
  relation ab: user#x
  permission view = ab->y
}";
    insta::assert_snapshot!(faults(text), @"
    3:12-3:14 Parse invalid-name: error in relation `ab`: relation name `ab` is not valid: it needs 3 to 64 characters of `a-z`, `0-9` and `_`, must start with a letter and not end in `_`
    3:21-3:22 Parse invalid-name: error in relation `ab`: relation name `x` is not valid: it needs 3 to 64 characters of `a-z`, `0-9` and `_`, must start with a letter and not end in `_`
    4:21-4:23 Parse invalid-name: error in permission `view`: relation name `ab` is not valid: it needs 3 to 64 characters of `a-z`, `0-9` and `_`, must start with a letter and not end in `_`
    4:25-4:26 Parse invalid-name: error in permission `view`: relation name `y` is not valid: it needs 3 to 64 characters of `a-z`, `0-9` and `_`, must start with a letter and not end in `_`
    ");
}

#[test]
fn one_file_that_checks_annotations_does_so_for_all() {
    let files = [
        (
            "root.zed",
            "use import\nimport \"user.zed\"\ndefinition doc {\nrelation owner: user\npermission own: doc = owner\n}",
        ),
        ("user.zed", "use typechecking\ndefinition user {}"),
    ];
    insta::assert_snapshot!(refused("root.zed", &files), @"
    5:17-5:20 Type incomplete-annotation: incomplete type annotation on relation `own` in definition `doc`: `user` found as reachable type, but not contained in provided set [`doc`]
    in root.zed
    ");
}

#[test]
fn partials_cannot_blow_a_schema_up() {
    use std::fmt::Write as _;
    // Each of the thirty names the next twice: two to the power of thirty ways to one relation, or to none.
    for last in ["relation owner: user", ""] {
        let mut text = format!("use partial\ndefinition user {{}}\npartial last {{ {last} }}\n");
        for n in 10..40 {
            let next = if n == 39 { "last".to_owned() } else { format!("part{}", n + 1) };
            writeln!(text, "partial part{n} {{\n...{next}\n...{next}\n}}").unwrap();
        }
        text.push_str("definition doc { ...part10 }\n");
        let faults = faults(&text);
        assert!(faults.contains("partials bring more than 200000 statements"), "{faults}");
    }

    let mut text = "use partial\ndefinition user {}\npartial many {\n".to_owned();
    (0..3_000).for_each(|n| writeln!(text, "relation rel{n}: user").unwrap());
    text.push_str("}\n");
    (0..100).for_each(|n| writeln!(text, "definition def{n} {{ ...many }}").unwrap());
    let faults = faults(&text);
    assert!(faults.contains("partials bring more than 200000 statements"), "{faults}");
}
