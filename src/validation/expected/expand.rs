//! Expands a relation or permission to all its subjects. Caveats are recorded, not evaluated.
//!
//! Each relation or permission of an object is a node. The expansion first finds every reachable node, then evaluates
//! their sets from the leaves up. The nodes of a cycle are evaluated together until nothing changes: the least fixpoint.

use super::set::{Provenance, SubjectSet};
use crate::engine::{EngineError, GraphEdge, components};
use crate::relationship::{
    IdPage, ObjectRef, ReadError, RelationshipReader, ResourceKey, Subject, SubjectForm,
};
use crate::schema::{AllowedForm, Arrow, DefinitionId, Expr, NodeId, Quantifier, Rule, Schema};
use crate::validation::run_options::RunOptions;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// How many subjects one expansion may read and combine.
const SUBJECTS_MAX: usize = 2_000_000;

/// Why there is no expansion.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExpandError {
    #[error("there is no definition `{0}` in the schema")]
    UnknownDefinition(String),
    #[error("`{definition}` has no relation or permission `{name}`")]
    UnknownRelation { definition: String, name: String },
    #[error(
        "`{0}` depends on itself through the right side of an exclusion, so that its subjects are not defined"
    )]
    CyclicExclusion(String),
    #[error("more than {SUBJECTS_MAX} subjects would have to be combined")]
    TooLarge,
    /// The whole validation has come to its end.
    #[error(transparent)]
    Ended(EngineError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Everyone in `relation` of `object`.
pub(super) fn expand<R: RelationshipReader>(
    schema: &Schema,
    reader: &R,
    options: &RunOptions<'_>,
    (object, relation): (&ObjectRef, &str),
) -> Result<SubjectSet, ExpandError> {
    let definition = schema
        .find_definition(object.object_type())
        .ok_or_else(|| ExpandError::UnknownDefinition(object.object_type().to_owned()))?;
    let node =
        schema.find_node(definition.id, relation).ok_or_else(|| ExpandError::UnknownRelation {
            definition: definition.name.clone(),
            name: relation.to_owned(),
        })?;

    let mut walk = SubjectExpansion {
        schema,
        reader,
        options,
        keys: vec![],
        indices: HashMap::new(),
        work: 0,
    };
    walk.index((definition.id, object.object_id().to_owned(), node.id));
    let terms = walk.terms()?;
    debug_assert_eq!(walk.keys.len(), terms.len(), "one term for each node");
    walk.solve(&terms)
}

/// A relation or permission of an object: the object's type and id, and the node.
type Key = (DefinitionId, String, NodeId);

/// A node's rule for one object, with every relationship read.
enum Term {
    Set(SubjectSet),
    Node { index: usize, conditional: bool },
    Union(Vec<Term>),
    Intersection(Vec<Term>),
    Exclusion(Box<Term>, Box<Term>),
}

struct SubjectExpansion<'w, R> {
    schema: &'w Schema,
    reader: &'w R,
    options: &'w RunOptions<'w>,
    keys: Vec<Key>,
    indices: HashMap<Key, usize>,
    work: usize,
}

impl<R: RelationshipReader> SubjectExpansion<'_, R> {
    fn index(&mut self, key: Key) -> usize {
        let next = self.keys.len();
        *self.indices.entry(key).or_insert_with_key(|key| {
            self.keys.push(key.clone());
            next
        })
    }

    fn name(&self, key: &Key) -> String {
        let (definition, id, node) = key;
        format!(
            "{}:{id}#{}",
            self.schema.definition(*definition).name,
            self.schema.node(*node).name
        )
    }

    fn spend(&mut self, subjects: usize) -> Result<(), ExpandError> {
        self.options.check_interruption().map_err(ExpandError::Ended)?;
        self.work += subjects;
        if self.work > SUBJECTS_MAX { Err(ExpandError::TooLarge) } else { Ok(()) }
    }

    /// The term of every node that can be reached, in order of index.
    fn terms(&mut self) -> Result<Vec<Term>, ExpandError> {
        let mut terms = Vec::new();
        while let Some(key) = self.keys.get(terms.len()).cloned() {
            let schema = self.schema;
            terms.push(match &schema.node(key.2).rule {
                Rule::Relation(_) => self.relation(&key)?,
                Rule::Permission(expr) => self.expr(&key, expr)?,
            });
        }
        Ok(terms)
    }

    /// Reads the subjects of a relation: each is there itself, and a userset with all who are in it.
    fn relation(&mut self, key: &Key) -> Result<Term, ExpandError> {
        let schema = self.schema;
        let Rule::Relation(allowed) = &schema.node(key.2).rule else {
            return Ok(Term::Set(SubjectSet::default()));
        };
        let through: BTreeSet<Arc<str>> = BTreeSet::from([self.name(key).into()]);
        let forms: BTreeSet<(DefinitionId, Option<NodeId>)> = allowed
            .iter()
            .map(|subject| (subject.definition, userset_relation(subject.form)))
            .collect();
        let mut direct = SubjectSet::default();
        let mut operands = Vec::new();

        for (definition, relation) in forms {
            for (id, conditional) in self.subjects(key, definition, relation)? {
                let found = Provenance { conditional, through: through.clone() };
                if let Some(subject) = self.subject(definition, &id, relation) {
                    direct.add(&subject, found);
                }
                if let Some(relation) = relation {
                    let index = self.index((definition, id, relation));
                    operands.push(Term::Node { index, conditional });
                }
            }
        }

        operands.push(Term::Set(direct));
        Ok(Term::Union(operands))
    }

    fn subject(
        &self,
        definition: DefinitionId,
        id: &str,
        relation: Option<NodeId>,
    ) -> Option<Subject> {
        let relation = relation.map(|node| self.schema.node(node).name.as_str());
        Subject::new(&self.schema.definition(definition).name, id, relation.unwrap_or_default())
            .ok()
    }

    /// The subjects of one form in a relation, and whether each is there only under a caveat.
    fn subjects(
        &mut self,
        key: &Key,
        definition: DefinitionId,
        relation: Option<NodeId>,
    ) -> Result<Vec<(String, bool)>, ExpandError> {
        let resource = ResourceKey {
            object_type: &self.schema.definition(key.0).name,
            object_id: &key.1,
            relation: &self.schema.node(key.2).name,
        };
        let form = SubjectForm {
            object_type: &self.schema.definition(definition).name,
            relation: relation.map(|node| self.schema.node(node).name.as_str()),
        };
        let page = IdPage { after: None, count_max: SUBJECTS_MAX };
        let subjects = self.reader.subjects(resource, form, page)?;
        self.spend(subjects.len())?;
        Ok(subjects.into_iter().map(|(id, terms)| (id, terms.caveat.is_some())).collect())
    }

    fn expr(&mut self, key: &Key, expr: &Expr) -> Result<Term, ExpandError> {
        Ok(match expr {
            Expr::Nil => Term::Set(SubjectSet::default()),
            Expr::Itself => {
                let through = BTreeSet::from([self.name(key).into()]);
                let mut itself = SubjectSet::default();
                if let Some(subject) = self.subject(key.0, &key.1, None) {
                    itself.add(&subject, Provenance { conditional: false, through });
                }

                Term::Set(itself)
            }
            Expr::Node(node) => {
                let index = self.index((key.0, key.1.clone(), *node));
                Term::Node { index, conditional: false }
            }
            Expr::Arrow(arrow) => self.arrow(key, arrow)?,
            Expr::Union(operands) => Term::Union(self.exprs(key, operands)?),
            Expr::Intersection(operands) => Term::Intersection(self.exprs(key, operands)?),
            Expr::Exclusion(base, subtracted) => Term::Exclusion(
                Box::new(self.expr(key, base)?),
                Box::new(self.expr(key, subtracted)?),
            ),
        })
    }

    fn exprs(&mut self, key: &Key, exprs: &[Expr]) -> Result<Vec<Term>, ExpandError> {
        exprs.iter().map(|expr| self.expr(key, expr)).collect()
    }

    fn arrow(&mut self, key: &Key, arrow: &Arrow) -> Result<Term, ExpandError> {
        let tupleset = (key.0, key.1.clone(), arrow.tupleset);
        let mut operands = Vec::new();
        for branch in &arrow.branches {
            let subjects = self.subjects(&tupleset, branch.definition, branch.subject_relation)?;
            for (id, conditional) in subjects {
                operands.push(match branch.target {
                    Some(target) => {
                        let index = self.index((branch.definition, id, target));
                        Term::Node { index, conditional }
                    }
                    None => Term::Set(SubjectSet::default()),
                });
            }
        }

        Ok(match arrow.quantifier {
            Quantifier::Any => Term::Union(operands),
            Quantifier::All => Term::Intersection(operands),
        })
    }

    /// Works out the set of node 0.
    fn solve(mut self, terms: &[Term]) -> Result<SubjectSet, ExpandError> {
        let edges: Vec<Vec<GraphEdge>> = terms.iter().map(edges).collect();
        let mut sets = vec![SubjectSet::default(); terms.len()];
        for component in components(&edges) {
            if component.subtracts_itself {
                let key = component.nodes.first().and_then(|node| self.keys.get(*node));
                let name = key.map(|key| self.name(key)).unwrap_or_default();
                return Err(ExpandError::CyclicExclusion(name));
            }
            while self.improve(&component.nodes, terms, &mut sets)? && component.is_cycle {}
        }
        Ok(sets.into_iter().next().unwrap_or_default())
    }

    /// Evaluates the sets of these nodes from the current ones; returns whether any changed.
    fn improve(
        &mut self,
        nodes: &[usize],
        terms: &[Term],
        sets: &mut [SubjectSet],
    ) -> Result<bool, ExpandError> {
        let mut changed = false;
        // Nodes that were found last are operands of earlier ones: evaluating them first saves rounds.
        for node in nodes.iter().rev() {
            let Some(term) = terms.get(*node) else { continue };
            let set = self.evaluate(term, sets)?;
            if let Some(known) = sets.get_mut(*node)
                && *known != set
            {
                *known = set;
                changed = true;
            }
        }
        Ok(changed)
    }

    fn evaluate(&mut self, term: &Term, sets: &[SubjectSet]) -> Result<SubjectSet, ExpandError> {
        Ok(match term {
            Term::Set(set) => set.clone(),
            Term::Node { index, conditional } => {
                let mut set = sets.get(*index).cloned().unwrap_or_default();
                self.spend(set.len())?;
                if *conditional {
                    set.make_conditional();
                }

                set
            }
            Term::Union(operands) => {
                let mut all = SubjectSet::default();
                for operand in operands {
                    all.unite(&self.evaluate(operand, sets)?);
                }

                all
            }
            Term::Intersection(operands) => {
                let mut operands = operands.iter();
                let Some(first) = operands.next() else { return Ok(SubjectSet::default()) };
                let mut both = self.evaluate(first, sets)?;
                for operand in operands {
                    both = both.intersect(&self.evaluate(operand, sets)?);
                }

                both
            }
            Term::Exclusion(base, subtracted) => {
                let subtracted = self.evaluate(subtracted, sets)?;
                self.evaluate(base, sets)?.subtract(&subtracted)
            }
        })
    }
}

fn userset_relation(form: AllowedForm) -> Option<NodeId> {
    match form {
        AllowedForm::Userset(node) => Some(node),
        AllowedForm::Object | AllowedForm::Wildcard => None,
    }
}

/// The nodes that a term needs, and whether on the subtracted side of an exclusion.
fn edges(term: &Term) -> Vec<GraphEdge> {
    let mut edges = Vec::new();
    let mut open = vec![(term, false)];
    while let Some((term, subtracted)) = open.pop() {
        match term {
            Term::Set(_) => {}
            Term::Node { index, .. } => edges.push(GraphEdge { to: *index, subtracted }),
            Term::Union(operands) | Term::Intersection(operands) => {
                open.extend(operands.iter().map(|operand| (operand, subtracted)));
            }
            Term::Exclusion(base, right) => open.extend([(&**base, subtracted), (&**right, true)]),
        }
    }
    edges
}
