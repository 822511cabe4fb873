//! How operators bind: trees, not only acceptance.

use crate::schema_support::{schema, tree};

/// The tree of an expression over the relations `aaa` to `eee`.
fn parsed(expression: &str) -> String {
    let text = format!(
        "use self
         definition user {{}}
         definition doc {{
             relation aaa: user
             relation bbb: user
             relation ccc: user
             relation ddd: user
             relation parent: doc
             permission view = {expression}
         }}"
    );
    tree(&schema(&text), "doc", "view")
}

#[test]
fn plus_binds_tighter_than_and_which_binds_tighter_than_minus() {
    assert_eq!(parsed("aaa + bbb & ccc"), "(& (+ aaa bbb) ccc)");
    assert_eq!(parsed("aaa & bbb + ccc"), "(& aaa (+ bbb ccc))");
    assert_eq!(parsed("aaa - bbb + ccc"), "(- aaa (+ bbb ccc))");
    assert_eq!(parsed("aaa + bbb - ccc"), "(- (+ aaa bbb) ccc)");
    assert_eq!(parsed("aaa & bbb - ccc"), "(- (& aaa bbb) ccc)");
    assert_eq!(parsed("aaa - bbb & ccc"), "(- aaa (& bbb ccc))");
    assert_eq!(parsed("aaa - bbb + ccc & ddd"), "(- aaa (& (+ bbb ccc) ddd))");
}

#[test]
fn each_operator_is_left_associative_and_chains_of_plus_and_of_and_are_flat() {
    assert_eq!(parsed("aaa - bbb - ccc"), "(- (- aaa bbb) ccc)");
    assert_eq!(parsed("aaa + bbb + ccc"), "(+ aaa bbb ccc)");
    assert_eq!(parsed("aaa & bbb & ccc"), "(& aaa bbb ccc)");
}

#[test]
fn parentheses_group_and_leave_nothing_else_behind() {
    assert_eq!(parsed("(aaa)"), "aaa");
    assert_eq!(parsed("((aaa + bbb))"), "(+ aaa bbb)");
    assert_eq!(parsed("aaa + (bbb + ccc)"), "(+ aaa bbb ccc)");
    assert_eq!(parsed("(aaa & bbb) & (ccc & ddd)"), "(& aaa bbb ccc ddd)");
    assert_eq!(parsed("aaa + (bbb & ccc)"), "(+ aaa (& bbb ccc))");
    assert_eq!(parsed("aaa - (bbb - ccc)"), "(- aaa (- bbb ccc))");
    assert_eq!(parsed("(aaa - bbb) + ccc"), "(+ (- aaa bbb) ccc)");
}

#[test]
fn arrows_bind_tightest() {
    assert_eq!(parsed("aaa + parent->view"), "(+ aaa parent->view)");
    assert_eq!(parsed("aaa & parent.any(view) - bbb"), "(- (& aaa parent.any(view)) bbb)");
    assert_eq!(parsed("parent.all(view) & aaa"), "(& parent.all(view) aaa)");
}

#[test]
fn nil_and_self_are_operands() {
    assert_eq!(parsed("nil"), "nil");
    assert_eq!(parsed("self"), "self");
    assert_eq!(parsed("nil + self - aaa"), "(- (+ nil self) aaa)");
}
