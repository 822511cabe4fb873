//! The plan of a subject lookup: the relations to read, and how their subjects are combined.
//!
//! Usersets and arrows are followed once, starting at the resource, which turns a schema and its relationships into a
//! [`SubjectPlan`]. Unions are flat in it: each relation occurs once, regardless of the number of paths to it. A
//! [`Combination`] is a node at which values have to be combined. The direct subjects of relations are not read yet,
//! because they may be many.

use crate::engine::check::branches::{Branch, Branches};
use crate::engine::check::reader::CountedReader;
use crate::engine::error::EngineError;
use crate::engine::eval_context::EvalContext;
use crate::engine::lookup_subjects::components::{Component, GraphEdge, components};
use crate::engine::lookup_subjects::graph::{
    Combination, Combinator, FlatGraph, FlatUnion, GraphItem, SubjectGraph, SubjectLeaf,
};
use crate::engine::object_and_relation::{CYCLE_NAMES_MAX, ObjectAndRelation, onr_name};
use crate::engine::truth::{EvalFault, Truth};
use crate::relationship::{RelationshipReader, SubjectKey};
use crate::schema::{
    AllowedForm, AllowedSubject, Arrow, DefinitionId, Expr, NodeId, Quantifier, Rule,
};
use std::rc::Rc;
use std::sync::Arc;

/// The kind of subjects that is requested.
#[derive(Clone, Copy, Debug)]
pub(super) struct SubjectKind {
    pub(super) definition: DefinitionId,
    /// The relation of usersets; `None` for objects.
    pub(super) relation: Option<NodeId>,
}

/// The plan of a subject lookup.
#[derive(Debug)]
pub(super) struct SubjectPlan {
    pub(super) leaves: Vec<SubjectLeaf>,
    pub(super) parts: Vec<Combination>,
    /// The parts that the root needs, each after those that it depends on.
    pub(super) order: Vec<PlanStage>,
    /// The result of the lookup.
    pub(super) root: FlatUnion,
    /// Maximum number of sets that hold one subject at the same time.
    pub(super) sets_per_subject_max: usize,
    /// The number of visited nodes, and the longest path to one of them.
    pub(super) visits: u64,
    pub(super) depth: u64,
}

/// Parts that are evaluated together because they depend on each other, or a single part.
#[derive(Debug)]
pub(super) struct PlanStage {
    pub(super) component: Component,
    /// The cycle, when a part subtracts something that depends on it.
    pub(super) cycle: Option<Arc<EvalFault>>,
}

impl SubjectPlan {
    pub(super) fn new<R: RelationshipReader>(
        eval: &EvalContext<'_, R>,
        reads: &mut CountedReader<'_, R>,
        kind: SubjectKind,
        start: ObjectAndRelation,
    ) -> Result<Self, EngineError> {
        let mut builder = PlanBuilder {
            eval: *eval,
            kind,
            reads,
            graph: SubjectGraph::default(),
            visits: 0,
            depth: 0,
        };
        builder.graph.node(start, 1);
        builder.explore()?;
        Ok(builder.plan())
    }
}

struct PlanBuilder<'e, 's, 'r, R> {
    eval: EvalContext<'s, R>,
    kind: SubjectKind,
    reads: &'e mut CountedReader<'r, R>,
    graph: SubjectGraph,
    visits: u64,
    depth: u64,
}

impl<R: RelationshipReader> PlanBuilder<'_, '_, '_, R> {
    fn explore(&mut self) -> Result<(), EngineError> {
        while let Some((onr, depth)) = self.graph.nodes.get(self.graph.items.len()).cloned() {
            self.eval.count_visit(&mut self.visits)?;
            self.depth = self.depth.max(depth);
            if let Some(depth_max) = self.eval.limits.depth_max
                && depth > u64::from(depth_max)
            {
                return Err(EngineError::DepthExceeded { depth_max });
            }
            let items = self.items(&onr, depth)?;
            self.graph.items.push(items);
        }
        Ok(())
    }

    fn items(
        &mut self,
        onr: &ObjectAndRelation,
        depth: u64,
    ) -> Result<Vec<GraphItem>, EngineError> {
        let mut items = Vec::new();
        // A userset is a member of itself.
        if self.kind.relation == Some(onr.0) {
            items.push(self.graph.leaf(SubjectLeaf::One(onr.1.to_string())));
        }
        if self.can_reach(onr.0) {
            items.extend(match &self.eval.schema.node(onr.0).rule {
                Rule::Relation(subjects) => self.relation(onr, subjects, depth)?,
                Rule::Permission(expr) => self.expr(onr, expr, depth)?,
            });
        }
        Ok(items)
    }

    fn can_reach(&self, node: NodeId) -> bool {
        self.eval.schema.can_reach(node, self.kind.definition, self.kind.relation)
    }

    fn relation(
        &mut self,
        onr: &ObjectAndRelation,
        subjects: &[AllowedSubject],
        depth: u64,
    ) -> Result<Vec<GraphItem>, EngineError> {
        let mut items = Vec::from_iter(self.rows(onr, subjects)?);
        let Branches(branches) =
            Branches::from_usersets(subjects, |relation| self.can_reach(relation));
        for branch in branches {
            items.extend(self.followed((onr.0, &*onr.1), branch, depth)?.into_iter().flatten());
        }
        Ok(items)
    }

    /// The direct subjects of a relation. Usersets are added where they are followed.
    fn rows(
        &mut self,
        (node, object_id): &ObjectAndRelation,
        subjects: &[AllowedSubject],
    ) -> Result<Option<GraphItem>, EngineError> {
        let SubjectKind { definition, relation: None } = self.kind else { return Ok(None) };
        let allows =
            |form| subjects.iter().any(|it| it.definition == definition && it.form == form);
        let any = allows(AllowedForm::Object);
        let mut rest = Truth::No;
        if allows(AllowedForm::Wildcard) {
            let object_type = &self.eval.schema.definition(definition).name;
            let wildcard = SubjectKey { object_type, object_id: "*", relation: None };
            if let Some(terms) = self.reads.find(*node, object_id, wildcard)? {
                rest = self.reads.condition(&terms, None)?.truth;
            }
        }
        let matters = any || !rest.is_no();
        let leaf = SubjectLeaf::Rows { node: *node, object_id: object_id.to_string(), any, rest };
        Ok(matters.then(|| self.graph.leaf(leaf)))
    }

    /// The node behind each subject of one form in a relation; `None` where a caveat or the schema excludes it.
    fn followed(
        &mut self,
        onr: (NodeId, &str),
        branch: Branch,
        depth: u64,
    ) -> Result<Vec<Option<GraphItem>>, EngineError> {
        let mut found = Vec::new();
        let graph = &mut self.graph;
        self.reads.all_subjects(onr, branch, |reads, id, terms| {
            let gate = reads.condition(&terms, None)?.truth;
            let target = branch.target.map(|target| (target, Rc::from(id)));
            found.push(target.and_then(|target| graph.gated(gate, target, depth + 1)));
            Ok(())
        })?;
        Ok(found)
    }

    /// Recurses only as deep as the expression nests, which the schema limits.
    fn expr(
        &mut self,
        onr: &ObjectAndRelation,
        expr: &Expr,
        depth: u64,
    ) -> Result<Vec<GraphItem>, EngineError> {
        Ok(match expr {
            Expr::Nil => Vec::new(),
            Expr::Itself => {
                let own = self.eval.schema.node(onr.0).definition;
                let is_kind = self.kind.relation.is_none() && self.kind.definition == own;
                let itself = is_kind.then(|| self.graph.leaf(SubjectLeaf::One(onr.1.to_string())));
                itself.into_iter().collect()
            }
            Expr::Node(node) => vec![self.graph.node((*node, Rc::clone(&onr.1)), depth + 1)],
            Expr::Arrow(arrow) => self.arrow(onr, arrow, depth)?,

            Expr::Union(operands) => {
                let mut items = Vec::new();
                for operand in operands {
                    items.extend(self.expr(onr, operand, depth)?);
                }
                items
            }

            Expr::Intersection(operands) => {
                let operands = operands.iter().map(|operand| self.expr(onr, operand, depth));
                let operands = operands.collect::<Result<Vec<_>, _>>()?;
                self.all(operands)
            }
            Expr::Exclusion(base, subtracted) => {
                let base = self.expr(onr, base, depth)?;
                let subtracted = self.expr(onr, subtracted, depth)?;
                if base.is_empty() || subtracted.is_empty() {
                    base
                } else {
                    vec![self.graph.part(Combinator::Without, vec![base, subtracted])]
                }
            }
        })
    }

    fn arrow(
        &mut self,
        onr: &ObjectAndRelation,
        arrow: &Arrow,
        depth: u64,
    ) -> Result<Vec<GraphItem>, EngineError> {
        let Branches(branches) = Branches::from_arrow(arrow, |target| self.can_reach(target));
        let mut found = Vec::new();
        for branch in branches {
            found.extend(self.followed((arrow.tupleset, &*onr.1), branch, depth)?);
        }
        Ok(match arrow.quantifier {
            Quantifier::Any => found.into_iter().flatten().collect(),
            Quantifier::All => self.all(found.into_iter().map(Vec::from_iter).collect()),
        })
    }

    /// The intersection of the operands; empty without operands.
    fn all(&mut self, mut operands: Vec<Vec<GraphItem>>) -> Vec<GraphItem> {
        if operands.iter().any(Vec::is_empty) {
            return Vec::new();
        }
        if operands.len() < 2 {
            return operands.pop().unwrap_or_default();
        }
        vec![self.graph.part(Combinator::All, operands)]
    }

    /// Flattens the graph and orders its parts.
    fn plan(mut self) -> SubjectPlan {
        let FlatGraph { root, parts } = self.graph.flat();
        let order = self.order(&root, &parts);
        let leaves = std::mem::take(&mut self.graph.leaves);
        let sets_per_subject_max = sets_per_subject_max(leaves.len(), &parts, &order);
        SubjectPlan {
            leaves,
            parts,
            order,
            root,
            sets_per_subject_max,
            visits: self.visits,
            depth: self.depth,
        }
    }

    /// The parts that the root needs, each after those that it depends on.
    fn order(&self, root: &FlatUnion, parts: &[Combination]) -> Vec<PlanStage> {
        let edges: Vec<Vec<GraphEdge>> = parts.iter().map(edges).collect();
        let mut needed = vec![false; parts.len()];
        let mut open = root.parts.clone();
        while let Some(part) = open.pop() {
            if let Some(is_needed) = needed.get_mut(part)
                && !std::mem::replace(is_needed, true)
            {
                open.extend(edges.get(part).into_iter().flatten().map(|edge| edge.to));
            }
        }

        let mut order = components(&edges);
        order.retain(|component| {
            component.nodes.iter().any(|part| needed.get(*part).copied().unwrap_or_default())
        });
        let stage = |component: Component| {
            let cycle = component.subtracts_itself.then(|| self.names(&component));
            PlanStage { component, cycle: cycle.map(|names| Arc::new(EvalFault::Cycle(names))) }
        };
        order.into_iter().map(stage).collect()
    }

    fn names(&self, cycle: &Component) -> Vec<String> {
        let owners = cycle.nodes.iter().filter_map(|part| self.graph.owners.get(*part));
        let onrs = owners.filter_map(|owner| self.graph.nodes.get(*owner));
        let mut names: Vec<String> = Vec::new();
        for (onr, _) in onrs.take(CYCLE_NAMES_MAX) {
            let name = onr_name(self.eval.schema, onr);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// The parts that a part depends on.
fn edges(part: &Combination) -> Vec<GraphEdge> {
    let subtracts = matches!(part.join, Combinator::Without);
    let operands = part.operands.iter().enumerate();
    let needed = |(at, operand): (usize, &FlatUnion)| {
        let subtracted = subtracts && at > 0;
        operand.parts.iter().map(|to| GraphEdge { to: *to, subtracted }).collect::<Vec<_>>()
    };
    operands.flat_map(needed).collect()
}

/// Maximum number of sets that hold one subject at the same time: the leaves, and the parts above them.
fn sets_per_subject_max(leaves: usize, parts: &[Combination], order: &[PlanStage]) -> usize {
    let mut reached = vec![0_usize; parts.len()];
    let mut total = leaves;
    for PlanStage { component, .. } in order {
        let operands = component.nodes.iter().filter_map(|part| parts.get(*part));
        let below = operands.flat_map(|part| &part.operands).fold(0_usize, |sum, operand| {
            let parts = operand.parts.iter().filter_map(|part| reached.get(*part));
            parts.fold(sum.saturating_add(operand.leaves.len()), |sum, of| sum.saturating_add(*of))
        });
        for part in &component.nodes {
            if let Some(reached) = reached.get_mut(*part) {
                *reached = below.min(leaves);
                total = total.saturating_add(*reached);
            }
        }
    }
    total
}
