//! What a list of subjects is made of: the relations to read, and how their subjects combine.
//!
//! Usersets and arrows are followed once, from the resource on, by which a schema and its relationships become a
//! [`SubjectPlan`]. What is only united is flat in it, each relation once, whatever the number of ways to it; a [`Combination`] stands
//! where values have to be combined. The single subjects that relations name are not read yet: they may be many.

use crate::engine::check::branches::{Branch, Branches};
use crate::engine::check::reader::CountedReader;
use crate::engine::error::EngineError;
use crate::engine::eval_context::EvalContext;
use crate::engine::lookup_subjects::components::{Component, GraphEdge, components};
use crate::engine::lookup_subjects::graph::{
    Combination, Combinator, FlatGraph, FlatUnion, GraphItem, SubjectGraph, SubjectLeaf,
};
use crate::engine::object_and_relation::{CYCLE_NAMES_MAX, ObjectAndRelation, place_name};
use crate::engine::truth::{EvalFault, Truth};
use crate::relationship::{RelationshipReader, SubjectKey};
use crate::schema::{
    AllowedForm, AllowedSubject, Arrow, DefinitionId, Expr, NodeId, Quantifier, Rule,
};
use std::rc::Rc;
use std::sync::Arc;

/// The kind of subjects that is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct SubjectKind {
    pub(super) definition: DefinitionId,
    /// The relation of usersets.
    pub(super) relation: Option<NodeId>,
}

/// What a list is made of.
#[derive(Debug)]
pub(super) struct SubjectPlan {
    pub(super) leaves: Vec<SubjectLeaf>,
    pub(super) parts: Vec<Combination>,
    /// The parts that matter, each after those that it needs.
    pub(super) order: Vec<PlanStage>,
    /// The list itself.
    pub(super) root: FlatUnion,
    /// In how many sets a subject is that every leaf names, at the most.
    pub(super) spread: usize,
    /// How many relations and permissions were looked into, and how long the way to the furthest of them is.
    pub(super) visits: u64,
    pub(super) depth: u64,
}

/// Parts that are worked out together, since they need each other, or one by itself.
#[derive(Debug)]
pub(super) struct PlanStage {
    pub(super) component: Component,
    /// The cycle, when one of them subtracts what depends on it.
    pub(super) cycle: Option<Arc<EvalFault>>,
}

impl SubjectPlan {
    pub(super) fn new<R: RelationshipReader>(
        scope: &EvalContext<'_, R>,
        reads: &mut CountedReader<'_, R>,
        kind: SubjectKind,
        start: ObjectAndRelation,
    ) -> Result<Self, EngineError> {
        let mut explorer = PlanBuilder {
            scope: *scope,
            kind,
            reads,
            graph: SubjectGraph::default(),
            visits: 0,
            depth: 0,
        };
        explorer.graph.place(start, 1);
        explorer.explore()?;
        Ok(explorer.plan())
    }
}

struct PlanBuilder<'e, 's, 'r, R> {
    scope: EvalContext<'s, R>,
    kind: SubjectKind,
    reads: &'e mut CountedReader<'r, R>,
    graph: SubjectGraph,
    visits: u64,
    depth: u64,
}

impl<R: RelationshipReader> PlanBuilder<'_, '_, '_, R> {
    fn explore(&mut self) -> Result<(), EngineError> {
        while let Some((place, depth)) = self.graph.places.get(self.graph.items.len()).cloned() {
            self.scope.count_visit(&mut self.visits)?;
            self.depth = self.depth.max(depth);
            if let Some(depth_max) = self.scope.limits.depth_max
                && depth > u64::from(depth_max)
            {
                return Err(EngineError::DepthExceeded { depth_max });
            }
            let items = self.items(&place, depth)?;
            self.graph.items.push(items);
        }
        Ok(())
    }

    fn items(
        &mut self,
        place: &ObjectAndRelation,
        depth: u64,
    ) -> Result<Vec<GraphItem>, EngineError> {
        let mut items = Vec::new();
        // A userset is in itself.
        if self.kind.relation == Some(place.0) {
            items.push(self.graph.leaf(SubjectLeaf::One(place.1.to_string())));
        }
        if self.can_reach(place.0) {
            items.extend(match &self.scope.schema.node(place.0).rule {
                Rule::Relation(subjects) => self.relation(place, subjects, depth)?,
                Rule::Permission(expr) => self.expr(place, expr, depth)?,
            });
        }
        Ok(items)
    }

    fn can_reach(&self, node: NodeId) -> bool {
        self.scope.schema.can_reach(node, self.kind.definition, self.kind.relation)
    }

    fn relation(
        &mut self,
        place: &ObjectAndRelation,
        subjects: &[AllowedSubject],
        depth: u64,
    ) -> Result<Vec<GraphItem>, EngineError> {
        let mut items = Vec::from_iter(self.rows(place, subjects)?);
        let Branches(branches) =
            Branches::of_usersets(subjects, |relation| self.can_reach(relation));
        for branch in branches {
            items.extend(self.followed((place.0, &*place.1), branch, depth)?.into_iter().flatten());
        }
        Ok(items)
    }

    /// The single subjects of a relation. Usersets are found where they are followed.
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
            let object_type = &self.scope.schema.definition(definition).name;
            let wildcard = SubjectKey { object_type, object_id: "*", relation: None };
            if let Some(terms) = self.reads.find(*node, object_id, wildcard)? {
                rest = self.reads.condition(&terms, None)?.truth;
            }
        }
        let matters = any || !rest.is_no();
        let leaf = SubjectLeaf::Rows { node: *node, object_id: object_id.to_string(), any, rest };
        Ok(matters.then(|| self.graph.leaf(leaf)))
    }

    /// What is found behind each subject of one form in a relation; `None` where a caveat or the schema shuts it off.
    fn followed(
        &mut self,
        place: (NodeId, &str),
        branch: Branch,
        depth: u64,
    ) -> Result<Vec<Option<GraphItem>>, EngineError> {
        let mut found = Vec::new();
        let graph = &mut self.graph;
        self.reads.all_subjects(place, branch, |reads, id, terms| {
            let gate = reads.condition(&terms, None)?.truth;
            let target = branch.target.map(|target| (target, Rc::from(id)));
            found.push(target.and_then(|target| graph.gated(gate, target, depth + 1)));
            Ok(())
        })?;
        Ok(found)
    }

    /// Calls itself only as deep as the expression nests, which the schema bounds.
    fn expr(
        &mut self,
        place: &ObjectAndRelation,
        expr: &Expr,
        depth: u64,
    ) -> Result<Vec<GraphItem>, EngineError> {
        Ok(match expr {
            Expr::Nil => Vec::new(),
            Expr::Itself => {
                let own = self.scope.schema.node(place.0).definition;
                let is_kind = self.kind.relation.is_none() && self.kind.definition == own;
                let itself =
                    is_kind.then(|| self.graph.leaf(SubjectLeaf::One(place.1.to_string())));
                itself.into_iter().collect()
            }
            Expr::Node(node) => vec![self.graph.place((*node, Rc::clone(&place.1)), depth + 1)],
            Expr::Arrow(arrow) => self.arrow(place, arrow, depth)?,
            Expr::Union(operands) => {
                let mut items = Vec::new();
                for operand in operands {
                    items.extend(self.expr(place, operand, depth)?);
                }
                items
            }
            Expr::Intersection(operands) => {
                let operands = operands.iter().map(|operand| self.expr(place, operand, depth));
                let operands = operands.collect::<Result<Vec<_>, _>>()?;
                self.all(operands)
            }
            Expr::Exclusion(base, subtracted) => {
                let base = self.expr(place, base, depth)?;
                let subtracted = self.expr(place, subtracted, depth)?;
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
        place: &ObjectAndRelation,
        arrow: &Arrow,
        depth: u64,
    ) -> Result<Vec<GraphItem>, EngineError> {
        let Branches(branches) = Branches::of_arrow(arrow, |target| self.can_reach(target));
        let mut found = Vec::new();
        for branch in branches {
            found.extend(self.followed((arrow.tupleset, &*place.1), branch, depth)?);
        }
        Ok(match arrow.quantifier {
            Quantifier::Any => found.into_iter().flatten().collect(),
            Quantifier::All => self.all(found.into_iter().map(Vec::from_iter).collect()),
        })
    }

    /// What is in all of these; nobody when there are none.
    fn all(&mut self, mut operands: Vec<Vec<GraphItem>>) -> Vec<GraphItem> {
        if operands.iter().any(Vec::is_empty) {
            return Vec::new();
        }
        if operands.len() < 2 {
            return operands.pop().unwrap_or_default();
        }
        vec![self.graph.part(Combinator::All, operands)]
    }

    /// Makes everything flat and puts it into order.
    fn plan(mut self) -> SubjectPlan {
        let FlatGraph { root, parts } = self.graph.flat();
        let order = self.order(&root, &parts);
        let leaves = std::mem::take(&mut self.graph.leaves);
        let spread = spread(leaves.len(), &parts, &order);
        SubjectPlan { leaves, parts, order, root, spread, visits: self.visits, depth: self.depth }
    }

    /// The parts that the root needs, each after those that it needs itself.
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

    fn names(&self, circle: &Component) -> Vec<String> {
        let homes = circle.nodes.iter().filter_map(|part| self.graph.homes.get(*part));
        let places = homes.filter_map(|home| self.graph.places.get(*home));
        let mut names: Vec<String> = Vec::new();
        for (place, _) in places.take(CYCLE_NAMES_MAX) {
            let name = place_name(self.scope.schema, place);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// The parts that a part needs.
fn edges(part: &Combination) -> Vec<GraphEdge> {
    let subtracts = matches!(part.join, Combinator::Without);
    let operands = part.operands.iter().enumerate();
    let needed = |(at, operand): (usize, &FlatUnion)| {
        let subtracted = subtracts && at > 0;
        operand.parts.iter().map(|to| GraphEdge { to: *to, subtracted }).collect::<Vec<_>>()
    };
    operands.flat_map(needed).collect()
}

/// In how many sets a subject is that every leaf names, at the most: in the leaves, and in the parts above them.
fn spread(leaves: usize, parts: &[Combination], order: &[PlanStage]) -> usize {
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
