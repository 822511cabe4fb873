//! The explicit evaluation stack of a check: frames that wait for the result of a child.

use crate::engine::check::branches::{Branch, Branches};
use crate::engine::check::memo::Opening;
use crate::engine::check::node_result::NodeResult;
use crate::engine::check::reader::CountedReader;
use crate::engine::error::EngineError;
use crate::engine::object_and_relation::ObjectAndRelation;
use crate::relationship::{Qualifiers, RelationshipReader};
use crate::schema::{AllowedForm, Expr, NodeId, Quantifier, Rule, Schema};
use std::rc::Rc;

/// A pending evaluation that waits for the result of a child.
pub(super) enum Frame<'s> {
    /// A node waits for the result of its rule.
    Node { onr: ObjectAndRelation, opening: Opening },
    /// A union, an intersection or a walk over subjects waits for its next child.
    Join(JoinFrame<'s>),
    /// An exclusion waits for its base (while `base` is `None`), then for the subtracted side.
    Exclusion { subtracted: &'s Expr, node: NodeId, object_id: Rc<str>, base: Option<NodeResult> },
}

/// A union or intersection of children that are evaluated one after the other.
pub(super) struct JoinFrame<'s> {
    quantifier: Quantifier,
    pub(super) found: NodeResult,
    /// The value of the relationship that leads to the pending child.
    pub(super) gate: NodeResult,
    pub(super) children: JoinChildren<'s>,
}

impl<'s> JoinFrame<'s> {
    /// A union of operands on one object.
    pub(super) fn any_operand(operands: &'s [Expr], node: NodeId, object_id: Rc<str>) -> Self {
        Self::new(Quantifier::Any, JoinChildren::operands(operands, node, object_id))
    }

    /// An intersection of operands on one object.
    pub(super) fn all_operands(operands: &'s [Expr], node: NodeId, object_id: Rc<str>) -> Self {
        Self::new(Quantifier::All, JoinChildren::operands(operands, node, object_id))
    }

    /// The subjects of a relation: any of them, or all.
    pub(super) fn over_subjects(quantifier: Quantifier, subjects: SubjectPages) -> Self {
        Self::new(quantifier, JoinChildren::Subjects(subjects))
    }

    fn new(quantifier: Quantifier, children: JoinChildren<'s>) -> Self {
        let found = match quantifier {
            Quantifier::Any => NodeResult::no(),
            Quantifier::All => NodeResult::yes(),
        };
        Self { quantifier, found, gate: NodeResult::yes(), children }
    }

    /// Adds the result of a child.
    pub(super) fn add(&mut self, node_result: NodeResult) {
        let gated = std::mem::replace(&mut self.gate, NodeResult::yes()).and(node_result);
        let found = std::mem::replace(&mut self.found, NodeResult::no());
        self.found = match self.quantifier {
            Quantifier::Any => found.or(gated),
            Quantifier::All => found.and(gated),
        };
    }

    /// Whether no further child can change the result.
    pub(super) fn is_decided(&self) -> bool {
        match self.quantifier {
            Quantifier::Any => self.found.truth.is_yes(),
            Quantifier::All => self.found.truth.is_no(),
        }
    }

    /// The result after the last child. `.all` over no subjects grants nothing.
    pub(super) fn found_at_end(self) -> NodeResult {
        match (self.quantifier, &self.children) {
            (Quantifier::All, JoinChildren::Subjects(subjects)) if subjects.was_empty() => {
                NodeResult::no()
            }
            _ => self.found,
        }
    }
}

/// The source of a [`JoinFrame`]'s children.
pub(super) enum JoinChildren<'s> {
    /// Operands of an expression on one object; those that cost at most two point reads come first.
    Operands { operands: &'s [Expr], next: usize, cheap: bool, node: NodeId, object_id: Rc<str> },
    /// The subjects of a relation.
    Subjects(SubjectPages),
}

/// A child of a [`JoinFrame`].
pub(super) enum JoinChild<'s> {
    Operand {
        node: NodeId,
        expr: &'s Expr,
        object_id: Rc<str>,
    },
    /// A subject of a relation, through a relationship with these terms. Without a target it grants nothing.
    Subject {
        target: Option<NodeId>,
        object_id: Rc<str>,
        terms: Qualifiers,
    },
}

impl<'s> JoinChildren<'s> {
    pub(super) fn operands(operands: &'s [Expr], node: NodeId, object_id: Rc<str>) -> Self {
        Self::Operands { operands, next: 0, cheap: true, node, object_id }
    }

    pub(super) fn next<R: RelationshipReader>(
        &mut self,
        reads: &mut CountedReader<'_, R>,
        schema: &Schema,
    ) -> Result<Option<JoinChild<'s>>, EngineError> {
        match self {
            Self::Subjects(subjects) => subjects.next(reads, schema),
            Self::Operands { operands, next, cheap, node, object_id } => {
                let expr = next_operand(operands, next, cheap, schema);
                let (node, object_id) = (*node, &*object_id);
                Ok(expr.map(|expr| JoinChild::Operand {
                    node,
                    expr,
                    object_id: Rc::clone(object_id),
                }))
            }
        }
    }
}

/// Iterates over the operands twice: first the cheap ones, then the others.
fn next_operand<'s>(
    operands: &'s [Expr],
    next: &mut usize,
    cheap: &mut bool,
    schema: &Schema,
) -> Option<&'s Expr> {
    loop {
        while let Some(operand) = operands.get(*next) {
            *next += 1;
            if is_cheap(operand, schema) == *cheap {
                return Some(operand);
            }
        }
        if !std::mem::replace(cheap, false) {
            return None;
        }
        *next = 0;
    }
}

/// Whether the operand is evaluated from the direct subjects of a relation alone.
fn is_cheap(operand: &Expr, schema: &Schema) -> bool {
    match operand {
        Expr::Nil | Expr::Itself => true,
        Expr::Node(node) => match &schema.node(*node).rule {
            Rule::Relation(subjects) => {
                !subjects.iter().any(|subject| matches!(subject.form, AllowedForm::Userset(_)))
            }
            Rule::Permission(_) => false,
        },
        Expr::Arrow(_) | Expr::Union(_) | Expr::Intersection(_) | Expr::Exclusion(..) => false,
    }
}

/// The subjects of a relation of one object, read page by page.
pub(super) struct SubjectPages {
    relation: NodeId,
    object_id: Rc<str>,
    branches: std::vec::IntoIter<Branch>,
    current: Option<Branch>,
    page: std::vec::IntoIter<(String, Qualifiers)>,
    /// The last id of the page, when more may follow it.
    after: Option<String>,
    any: bool,
}

impl SubjectPages {
    pub(super) fn new(relation: NodeId, object_id: Rc<str>, branches: Branches) -> Self {
        let mut branches = branches.0.into_iter();
        let current = branches.next();
        Self {
            relation,
            object_id,
            branches,
            current,
            page: Vec::new().into_iter(),
            after: Some(String::new()),
            any: false,
        }
    }

    fn was_empty(&self) -> bool {
        !self.any
    }

    fn next<'s, R: RelationshipReader>(
        &mut self,
        reads: &mut CountedReader<'_, R>,
        schema: &Schema,
    ) -> Result<Option<JoinChild<'s>>, EngineError> {
        loop {
            let Some(branch) = self.current else { return Ok(None) };
            if let Some((id, terms)) = self.page.next() {
                self.any = true;
                let object_id = id.into();
                return Ok(Some(JoinChild::Subject { target: branch.target, object_id, terms }));
            }
            if let Some(after) = self.after.take() {
                let relation = (self.relation, &*self.object_id);
                let read = reads.subjects(schema, relation, branch, &after)?;
                self.after = read.more_after;
                self.page = read.subjects.into_iter();
            } else {
                self.current = self.branches.next();
                self.after = Some(String::new());
            }
        }
    }
}
