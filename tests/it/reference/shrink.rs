//! Making a failing case small: whatever can be left out, is.

use super::case::{Asked, Case};
use super::model::Model;
use super::rules::Term;
use kilwa::relationship::{Relationship, RelationshipSet};
use kilwa::schema::Schema;

/// A case whose schema is still a model.
#[derive(Clone, Debug)]
pub(crate) struct Specimen {
    pub(crate) model: Model,
    pub(crate) relationships: Vec<Relationship>,
    pub(crate) questions: Vec<Asked>,
}

impl Specimen {
    /// The case as text. Of relationships with the same key the last one counts.
    pub(crate) fn case(&self) -> Case {
        Case {
            schema: self.model.to_string(),
            relationships: self.relationships.iter().cloned().collect::<RelationshipSet>(),
            questions: self.questions.clone(),
        }
    }

    fn compiles(&self) -> Option<Schema> {
        kilwa::schema::compile(&self.model.to_string()).ok()
    }

    /// Leaves out the relationships that the schema does not take, and is nothing when a check no longer fits.
    fn fitted(mut self) -> Option<Self> {
        let schema = self.compiles()?;
        self.relationships.retain(|stored| schema.check_relationship(stored).is_ok());
        let known = |definition: &str, name: &str| {
            schema
                .find_definition(definition)
                .is_some_and(|definition| schema.find_node(definition.id, name).is_some())
        };
        let fits = |requested: &Asked| {
            known(requested.resource.object_type(), &requested.permission)
                && schema.find_definition(requested.subject.object_type()).is_some()
                && requested
                    .subject
                    .relation()
                    .is_none_or(|name| known(requested.subject.object_type(), name))
        };
        self.questions.iter().all(fits).then_some(self)
    }
}

/// The smallest specimen that is found on which `fails` still holds.
pub(crate) fn shrink(start: Specimen, fails: impl Fn(&Specimen) -> bool) -> Specimen {
    let mut best = start;
    loop {
        let smaller = candidates(&best).filter_map(Specimen::fitted).find(&fails);
        match smaller {
            Some(smaller) => best = smaller,
            None => return best,
        }
    }
}

fn candidates(specimen: &Specimen) -> impl Iterator<Item = Specimen> {
    fewer_questions(specimen)
        .chain(fewer_relationships(specimen))
        .chain(fewer_names(specimen))
        .chain(smaller_terms(specimen))
        .chain(fewer_forms(specimen))
        .chain(less_carried(specimen))
}

fn fewer_questions(specimen: &Specimen) -> impl Iterator<Item = Specimen> {
    let count = if specimen.questions.len() > 1 { specimen.questions.len() } else { 0 };
    let single = (0..count).map(|kept| {
        let mut smaller = specimen.clone();
        smaller.questions = vec![specimen.questions[kept].clone()];
        smaller
    });
    let without = (0..count).map(|dropped| {
        let mut smaller = specimen.clone();
        smaller.questions.remove(dropped);
        smaller
    });
    single.chain(without)
}

fn fewer_relationships(specimen: &Specimen) -> impl Iterator<Item = Specimen> {
    let count = specimen.relationships.len();
    let halves = [(0, count / 2), (count / 2, count)].into_iter().filter(move |_| count > 3);
    halves.chain((0..count).map(|dropped| (dropped, dropped + 1))).map(|(from, to)| {
        let mut smaller = specimen.clone();
        smaller.relationships.drain(from..to);
        smaller
    })
}

fn fewer_names(specimen: &Specimen) -> impl Iterator<Item = Specimen> {
    let definitions = specimen.model.definitions.iter().map(|definition| {
        let mut smaller = specimen.clone();
        smaller.model.definitions.retain(|other| other.name != definition.name);
        for other in &mut smaller.model.definitions {
            for relation in &mut other.relations {
                relation.allowed.retain(|allowed| allowed.definition != definition.name);
            }
        }
        smaller
    });
    let nodes = specimen.model.definitions.iter().flat_map(move |definition| {
        definition.names().map(move |name| {
            let mut smaller = specimen.clone();
            smaller.model =
                specimen.model.without(|gone, node| gone == definition.name && node == name);
            smaller
        })
    });
    definitions.chain(nodes)
}

fn smaller_terms(specimen: &Specimen) -> impl Iterator<Item = Specimen> {
    let definitions = specimen.model.definitions.iter().enumerate();
    definitions.flat_map(move |(definition, model)| {
        model.permissions.iter().enumerate().flat_map(move |(permission, (_, term))| {
            simpler(term).into_iter().map(move |term| {
                let mut smaller = specimen.clone();
                smaller.model.definitions[definition].permissions[permission].1 = term;
                smaller
            })
        })
    })
}

/// The terms that are one step simpler.
fn simpler(term: &Term) -> Vec<Term> {
    match term {
        Term::Nil => Vec::new(),
        Term::Itself | Term::Name(_) | Term::Arrow { .. } => vec![Term::Nil],
        Term::Union(terms) => simpler_operands(terms, Term::Union),
        Term::Intersection(terms) => simpler_operands(terms, Term::Intersection),
        Term::Exclusion(base, subtracted) => {
            let mut found = vec![(**base).clone(), (**subtracted).clone()];
            found.extend(
                simpler(base)
                    .into_iter()
                    .map(|base| Term::Exclusion(base.into(), subtracted.clone())),
            );
            found.extend(
                simpler(subtracted)
                    .into_iter()
                    .map(|simple| Term::Exclusion(base.clone(), simple.into())),
            );
            found
        }
    }
}

fn simpler_operands(terms: &[Term], wrap: impl Fn(Vec<Term>) -> Term) -> Vec<Term> {
    let mut found = terms.to_vec();
    for (position, term) in terms.iter().enumerate() {
        if terms.len() > 2 {
            let mut fewer = terms.to_vec();
            fewer.remove(position);
            found.push(wrap(fewer));
        }
        for simple in simpler(term) {
            let mut changed = terms.to_vec();
            changed[position] = simple;
            found.push(wrap(changed));
        }
    }
    found
}

fn fewer_forms(specimen: &Specimen) -> impl Iterator<Item = Specimen> {
    let definitions = specimen.model.definitions.iter().enumerate();
    definitions.flat_map(move |(definition, model)| {
        model.relations.iter().enumerate().flat_map(move |(relation, forms)| {
            (0..forms.allowed.len()).map(move |form| {
                let mut smaller = specimen.clone();
                smaller.model.definitions[definition].relations[relation].allowed.remove(form);
                smaller
            })
        })
    })
}

/// Without a caveat or expirations at all, or with less context.
fn less_carried(specimen: &Specimen) -> impl Iterator<Item = Specimen> {
    let caveats = specimen.model.caveats.iter().map(|caveat| {
        let mut smaller = specimen.clone();
        smaller.model.caveats.retain(|other| other.name != caveat.name);
        for allowed in forms(&mut smaller.model) {
            allowed.caveat = allowed.caveat.filter(|name| *name != caveat.name);
        }
        for stored in &mut smaller.relationships {
            stored.caveat = stored.caveat.take().filter(|carried| carried.name != caveat.name);
        }
        smaller
    });
    let expirations = std::iter::once_with(|| {
        let mut smaller = specimen.clone();
        forms(&mut smaller.model).for_each(|allowed| allowed.expires = false);
        smaller.relationships.iter_mut().for_each(|stored| stored.expires_at = None);
        smaller
    });
    let carries = specimen.relationships.iter().any(|stored| stored.expires_at.is_some());
    caveats.chain(expirations.filter(move |_| carries))
}

fn forms(model: &mut Model) -> impl Iterator<Item = &mut super::model::AllowedModel> {
    let definitions = model.definitions.iter_mut();
    definitions
        .flat_map(|definition| &mut definition.relations)
        .flat_map(|relation| &mut relation.allowed)
}
