//! What is under way in a walk.

use super::error::EngineError;
use super::finding::Finding;
use super::memo::{Opening, Place};
use super::reads::Reads;
use crate::relationship::{RelationshipReader, Terms};
use crate::schema::{
    AllowedForm, AllowedSubject, Arrow, DefinitionId, Expr, NodeId, Quantifier, Rule, Schema,
};
use std::rc::Rc;

/// Something that waits for a finding.
pub(super) enum Frame<'s> {
    /// A relation or permission of an object waits for its own finding.
    Door { place: Place, opening: Opening },
    /// A union, an intersection or a walk over subjects waits for its next child.
    Join(Join<'s>),
    /// An exclusion waits for its base (`None`) or for what is subtracted from it.
    Exclusion { subtracted: &'s Expr, node: NodeId, object_id: Rc<str>, base: Option<Finding> },
}

/// Findings that are joined, one child after the other.
pub(super) struct Join<'s> {
    quantifier: Quantifier,
    pub(super) found: Finding,
    /// The condition under which the child that is waited for counts.
    pub(super) gate: Finding,
    pub(super) children: Children<'s>,
}

impl<'s> Join<'s> {
    /// A union of operands on one object.
    pub(super) fn any_operand(operands: &'s [Expr], node: NodeId, object_id: Rc<str>) -> Self {
        Self::new(Quantifier::Any, Children::operands(operands, node, object_id))
    }

    /// An intersection of operands on one object.
    pub(super) fn all_operands(operands: &'s [Expr], node: NodeId, object_id: Rc<str>) -> Self {
        Self::new(Quantifier::All, Children::operands(operands, node, object_id))
    }

    /// Whatever the quantifier wants of a relation's subjects.
    pub(super) fn over_subjects(quantifier: Quantifier, subjects: Subjects) -> Self {
        Self::new(quantifier, Children::Subjects(subjects))
    }

    fn new(quantifier: Quantifier, children: Children<'s>) -> Self {
        let found = match quantifier {
            Quantifier::Any => Finding::no(),
            Quantifier::All => Finding::yes(),
        };
        Self { quantifier, found, gate: Finding::yes(), children }
    }

    /// Joins the finding of a child.
    pub(super) fn add(&mut self, finding: Finding) {
        let gated = std::mem::replace(&mut self.gate, Finding::yes()).and(finding);
        let found = std::mem::replace(&mut self.found, Finding::no());
        self.found = match self.quantifier {
            Quantifier::Any => found.or(gated),
            Quantifier::All => found.and(gated),
        };
    }

    /// Whether no further child can change the finding.
    pub(super) fn is_decided(&self) -> bool {
        match self.quantifier {
            Quantifier::Any => self.found.truth.is_yes(),
            Quantifier::All => self.found.truth.is_no(),
        }
    }

    /// The finding after the last child. *All* of no subjects is nobody.
    pub(super) fn found_at_end(self) -> Finding {
        match (self.quantifier, &self.children) {
            (Quantifier::All, Children::Subjects(subjects)) if subjects.was_empty() => {
                Finding::no()
            }
            _ => self.found,
        }
    }
}

/// Where the children of a [`Join`] come from.
pub(super) enum Children<'s> {
    /// Operands of an expression on one object: those that cost at most a read or two first.
    Operands { operands: &'s [Expr], next: usize, cheap: bool, node: NodeId, object_id: Rc<str> },
    /// The subjects of a relation.
    Subjects(Subjects),
}

/// A child of a [`Join`].
pub(super) enum Child<'s> {
    Operand {
        node: NodeId,
        expr: &'s Expr,
        object_id: Rc<str>,
    },
    /// A subject of a relation, by a relationship with these terms. Without a target nobody is found there.
    Subject {
        target: Option<NodeId>,
        object_id: Rc<str>,
        terms: Terms,
    },
}

impl<'s> Children<'s> {
    pub(super) fn operands(operands: &'s [Expr], node: NodeId, object_id: Rc<str>) -> Self {
        Self::Operands { operands, next: 0, cheap: true, node, object_id }
    }

    pub(super) fn next<R: RelationshipReader>(
        &mut self,
        reads: &mut Reads<'_, R>,
        schema: &Schema,
    ) -> Result<Option<Child<'s>>, EngineError> {
        match self {
            Self::Subjects(subjects) => subjects.next(reads, schema),
            Self::Operands { operands, next, cheap, node, object_id } => {
                let expr = next_operand(operands, next, cheap, schema);
                let (node, object_id) = (*node, &*object_id);
                Ok(expr.map(|expr| Child::Operand { node, expr, object_id: Rc::clone(object_id) }))
            }
        }
    }
}

/// Goes over the operands twice: for the cheap ones, then for the others.
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

/// Whether the operand is answered by the direct members of a relation, without going on.
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

/// One form of subject to follow, and where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Branch {
    pub(super) definition: DefinitionId,
    pub(super) subject_relation: Option<NodeId>,
    pub(super) target: Option<NodeId>,
}

/// The forms of subject that a walk over a relation follows.
#[derive(Debug)]
pub(super) struct Branches(pub(super) Vec<Branch>);

impl Branches {
    /// The usersets among a relation's subjects, each form once; those that cannot lead to who is looked for left out.
    pub(super) fn of_usersets(
        subjects: &[AllowedSubject],
        can_reach: impl Fn(NodeId) -> bool,
    ) -> Self {
        let mut branches: Vec<Branch> = subjects
            .iter()
            .filter_map(|subject| match subject.form {
                AllowedForm::Userset(relation) if can_reach(relation) => Some(Branch {
                    definition: subject.definition,
                    subject_relation: Some(relation),
                    target: Some(relation),
                }),
                AllowedForm::Userset(_) | AllowedForm::Object | AllowedForm::Wildcard => None,
            })
            .collect();
        branches.sort_unstable_by_key(|branch| branch.target);
        branches.dedup_by_key(|branch| branch.target);
        Self(branches)
    }

    /// Every form of subject that a relation takes, each once, single objects before usersets.
    pub(super) fn of_relation(subjects: &[AllowedSubject]) -> Vec<Branch> {
        let mut branches: Vec<Branch> = Vec::new();
        for usersets in [false, true] {
            for subject in subjects {
                let target = match subject.form {
                    AllowedForm::Userset(relation) => Some(relation),
                    AllowedForm::Object | AllowedForm::Wildcard => None,
                };
                let definition = subject.definition;
                let branch = Branch { definition, subject_relation: target, target };
                if target.is_some() == usersets && !branches.contains(&branch) {
                    branches.push(branch);
                }
            }
        }
        branches
    }

    /// An arrow's branches. Where one object is enough, those that lead nowhere are left out; where all are needed, one
    /// object there is an answer.
    pub(super) fn of_arrow(arrow: &Arrow, can_reach: impl Fn(NodeId) -> bool) -> Self {
        let branches = arrow.branches.iter().map(|branch| Branch {
            definition: branch.definition,
            subject_relation: branch.subject_relation,
            target: branch.target.filter(|target| can_reach(*target)),
        });
        let followed =
            |branch: &Branch| arrow.quantifier == Quantifier::All || branch.target.is_some();
        Self(branches.filter(followed).collect())
    }
}

/// The subjects of a relation of one object, read page by page.
pub(super) struct Subjects {
    relation: NodeId,
    object_id: Rc<str>,
    branches: std::vec::IntoIter<Branch>,
    current: Option<Branch>,
    page: std::vec::IntoIter<(String, Terms)>,
    /// The last id of the page, when more may follow it.
    after: Option<String>,
    any: bool,
}

impl Subjects {
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
        reads: &mut Reads<'_, R>,
        schema: &Schema,
    ) -> Result<Option<Child<'s>>, EngineError> {
        loop {
            let Some(branch) = self.current else { return Ok(None) };
            if let Some((id, terms)) = self.page.next() {
                self.any = true;
                let object_id = id.into();
                return Ok(Some(Child::Subject { target: branch.target, object_id, terms }));
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
