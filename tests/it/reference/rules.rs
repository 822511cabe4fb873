//! What a schema says about membership, by name: the oracle's own reading of it.

use kilwa::schema::{ArrowNotation, Expr, Quantifier, Rule, Schema};
use std::collections::BTreeMap;

/// For each definition, its relations and permissions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules(pub(crate) BTreeMap<String, BTreeMap<String, Body>>);

/// Who is in a relation or permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Relation,
    Permission(Term),
}

/// An expression. Nested as written, except that unions and intersections hold no direct child of their own kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Term {
    Nil,
    Itself,
    Name(String),
    Arrow { tupleset: String, walk: Walk, target: String },
    Union(Vec<Term>),
    Intersection(Vec<Term>),
    Exclusion(Box<Term>, Box<Term>),
}

/// How an arrow walks: `->`, `.any`, `.all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    Arrow,
    Any,
    All,
}

impl Rules {
    /// The rules of a compiled schema.
    pub(crate) fn from_schema(schema: &Schema) -> Self {
        let mut rules = BTreeMap::new();
        for definition in schema.definitions() {
            let nodes = definition.nodes.iter().map(|id| {
                let node = schema.node(*id);
                let body = match &node.rule {
                    Rule::Relation(_) => Body::Relation,
                    Rule::Permission(expr) => Body::Permission(term(schema, expr)),
                };
                (node.name.clone(), body)
            });
            rules.insert(definition.name.clone(), nodes.collect());
        }
        Self(rules)
    }

    /// Who is in a name of a definition; `None` when the definition has no such name.
    pub(crate) fn body(&self, definition: &str, name: &str) -> Option<&Body> {
        self.0.get(definition)?.get(name)
    }
}

fn term(schema: &Schema, expr: &Expr) -> Term {
    let name = |id| schema.node(id).name.clone();
    let terms = |operands: &[Expr]| operands.iter().map(|operand| term(schema, operand)).collect();
    match expr {
        Expr::Nil => Term::Nil,
        Expr::Itself => Term::Itself,
        Expr::Node(id) => Term::Name(name(*id)),
        Expr::Arrow(arrow) => Term::Arrow {
            tupleset: name(arrow.tupleset),
            walk: match (arrow.quantifier, arrow.notation) {
                (Quantifier::All, _) => Walk::All,
                (Quantifier::Any, ArrowNotation::Function) => Walk::Any,
                (Quantifier::Any, ArrowNotation::Arrow) => Walk::Arrow,
            },
            target: arrow.target.clone(),
        },
        Expr::Union(operands) => Term::Union(terms(operands)),
        Expr::Intersection(operands) => Term::Intersection(terms(operands)),
        Expr::Exclusion(base, subtracted) => {
            Term::Exclusion(Box::new(term(schema, base)), Box::new(term(schema, subtracted)))
        }
    }
}
