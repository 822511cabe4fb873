//! Remarks about schemas that are right but look wrong.

use crate::schema_support::{schema, shown};
use kilwa::schema::{Severity, lint};

fn remarks(text: &str) -> String {
    let remarks = lint::lint(&schema(text));
    assert!(remarks.iter().all(|remark| remark.severity == Severity::Warning));
    shown(&remarks)
}

#[test]
fn a_schema_without_doubts_has_no_remarks() {
    let text = "use self
caveat on_day(day int) { day == 1 }
definition user {}
definition organization {
    relation admin: user
    permission administrate = admin
}
definition folder {
    relation organization: organization
    relation parent: folder
    relation owner: user | organization
    relation place: organization | folder
    permission own = owner + owner->administrate
    permission reach = place->administrate + place->view
    relation viewer: user | user:* with on_day
    permission view = viewer + parent->view + organization->administrate
    permission later = nil
    permission much_later = later & view
    permission me = (self & view) - later
}
definition tag { relation owner: user }";
    assert_eq!(remarks(text.replace("permission me", "permission mine").as_str()), "");
}

#[test]
fn names_that_repeat_their_type_or_words_of_flags() {
    let text = "definition user {}
definition doc {
  relation view_doc: user
  relation self: user
  permission edit_doc = view_doc + self
}";
    insta::assert_snapshot!(remarks(text), @"
    3:12-3:20 Lint relation-name-references-parent: relation `view_doc` references parent type `doc` in its name (drop the suffix: the name is only used together with the type)
    4:12-4:16 Lint name-shadows-keyword: `self` is a word of the language after a `use` line (choose another name, so that the schema may use that feature one day)
    5:14-5:22 Lint relation-name-references-parent: permission `edit_doc` references parent type `doc` in its name (drop the suffix: the name is only used together with the type)
    ");
}

#[test]
fn arrows_that_lead_nowhere_or_past_something() {
    let text = "definition user {}
definition team { relation member: user; permission all = member }
definition doc {
  relation owner: user | team
  relation through: team#member
  permission one = owner->nothing + owner->all
  permission two = through->all + owner.all(all)
  permission three = through->member
}";
    insta::assert_snapshot!(remarks(text), @"
    6:20-6:34 Lint arrow-references-unreachable-relation: arrow `owner->nothing` under permission `one` references relation/permission `nothing` that does not exist on any subject types of relation `owner` (the arrow never finds a subject: check the name)
    6:37-6:47 Lint arrow-skips-type: arrow `owner->all` under permission `one` meets objects of type `user`, which has no `all`: no subject is found through such objects (add the name to that type, or silence this warning if that is intended)
    7:20-7:32 Lint arrow-walks-subject-relation: arrow `through->all` under permission `two` walks relation `through` that has subject type `team#member`: the subject's relation is ignored (let the relation take the objects themselves, without `#…`)
    7:35-7:49 Lint arrow-skips-type: arrow `owner.all(all)` under permission `two` meets objects of type `user`, which has no `all`: one such object denies the permission to every subject (give every type of the relation that name)
    8:22-8:37 Lint arrow-walks-subject-relation: arrow `through->member` under permission `three` walks relation `through` that has subject type `team#member`: the subject's relation is ignored (let the relation take the objects themselves, without `#…`)
    8:22-8:37 Lint arrow-references-relation: arrow `through->member` under permission `three` references relation `member` on definition `team` (point it to a permission, so that it need not change when that definition does)
    ");
}

#[test]
fn permissions_that_name_themselves_or_never_hold() {
    let text = "definition user {}
definition doc {
  relation viewer: user
  relation parent: doc
  permission view = viewer + (view)
  permission never = viewer & nil
  permission nor_this = never & viewer
  permission minus = viewer - viewer
  permission round = parent->round
  permission may = parent->may + viewer
}";
    insta::assert_snapshot!(remarks(text), @"
    5:31-5:35 Lint permission-references-itself: permission `view` references itself (remove it: a permission adds no subjects to itself)
    6:22-6:34 Lint permission-never-true: permission `never` can never be true (if that is meant, write `nil`)
    7:25-7:39 Lint permission-never-true: permission `nor_this` can never be true (if that is meant, write `nil`)
    8:22-8:37 Lint permission-never-true: permission `minus` can never be true (if that is meant, write `nil`)
    9:22-9:35 Lint permission-never-true: permission `round` can never be true (if that is meant, write `nil`)
    ");
}

#[test]
fn operators_that_meet_without_parentheses() {
    let text = "definition user {}
definition doc {
  relation aaa: user
  relation bbb: user
  permission one = aaa + bbb & aaa
  permission two = (aaa + bbb) & aaa
  permission three = aaa - bbb - (aaa & bbb - aaa)
  permission four = aaa & bbb & aaa
}";
    insta::assert_snapshot!(remarks(text), @"
    5:20-5:35 Lint mixed-operators-without-parentheses: permission `one` mixes operators without parentheses; it is read as `(aaa + bbb) & aaa` (write the parentheses: `+` binds tighter than `&`, and `&` tighter than `-`)
    7:35-7:50 Lint mixed-operators-without-parentheses: permission `three` mixes operators without parentheses; it is read as `(aaa & bbb) - aaa` (write the parentheses: `+` binds tighter than `&`, and `&` tighter than `-`)
    ");
}

#[test]
fn what_nothing_uses() {
    let text = "caveat on_day(day int) { day == 1 }
definition user {}
definition team { relation member: user; relation lead: user; permission all = lead }
definition doc {
  relation viewer: team#member
  relation forgotten: user
  permission view = viewer
}";
    insta::assert_snapshot!(remarks(text), @"
    1:8-1:14 Lint unused-caveat: caveat `on_day` is used by no relation (let a relation take it with `with`, or take it out)
    6:12-6:21 Lint unused-relation: relation `forgotten` is used by no permission and by no other relation of the schema (add it to a permission, or take it out)
    ");
}

#[test]
fn comments_silence_remarks_by_name() {
    let text = "// kilwa-ignore-warning: unused-caveat
caveat on_day(day int) { day == 1 }
definition user {}
definition doc {
  // Kept for later.
  // spicedb-ignore-warning: unused-relation
  relation forgotten: user
  /* kilwa-ignore-warning: relation-name-references-parent, unused-relation */
  relation other_doc: user
  // kilwa-ignore-warning: unused
  relation still_told: user
  permission view = nil
}
// kilwa-ignore-warning: unused-relation
definition team {
  relation member: user
  permission view = nil
}";
    insta::assert_snapshot!(remarks(text), @"
    11:12-11:22 Lint unused-relation: relation `still_told` is used by no permission and by no other relation of the schema (add it to a permission, or take it out)
    ");
}
