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
    relation parent_folder: folder
    relation viewer: user | user:* with on_day
    permission view = viewer + parent_folder->view + organization->administrate
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
definition shop/doc {
  relation view_doc: user
  relation self: user
  permission edit_doc = view_doc + self
}";
    insta::assert_snapshot!(remarks(text), @r"
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
    insta::assert_snapshot!(remarks(text), @r"
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
    insta::assert_snapshot!(remarks(text), @r"
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
    insta::assert_snapshot!(remarks(text), @r"
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
    insta::assert_snapshot!(remarks(text), @r"
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
    insta::assert_snapshot!(remarks(text), @r"
    ");
}
