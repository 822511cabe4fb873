//! Schemas as the generators make them, before they are text.

use super::rules::{Body, Rules, Term, Walk};
use std::fmt;

/// A schema.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) caveats: Vec<&'static CaveatModel>,
    pub(crate) definitions: Vec<DefinitionModel>,
    /// Whether the text has parentheses where precedence would do.
    pub(crate) parentheses: bool,
}

/// A caveat, one of a fixed choice.
#[derive(Debug)]
pub(crate) struct CaveatModel {
    pub(crate) name: &'static str,
    pub(crate) parameters: &'static [(&'static str, &'static str)],
    pub(crate) body: &'static str,
}

/// A definition.
#[derive(Clone, Debug)]
pub(crate) struct DefinitionModel {
    pub(crate) name: String,
    pub(crate) relations: Vec<RelationModel>,
    pub(crate) permissions: Vec<(String, Term)>,
}

/// A relation with the subjects that it takes.
#[derive(Clone, Debug)]
pub(crate) struct RelationModel {
    pub(crate) name: String,
    pub(crate) allowed: Vec<AllowedModel>,
}

/// One form of subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AllowedModel {
    pub(crate) definition: String,
    pub(crate) form: FormModel,
    pub(crate) caveat: Option<&'static str>,
    pub(crate) expires: bool,
}

/// Which subjects of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FormModel {
    Object,
    Userset(String),
    Wildcard,
}

impl DefinitionModel {
    /// Every relation and permission.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let relations = self.relations.iter().map(|relation| relation.name.as_str());
        relations.chain(self.permissions.iter().map(|(name, _)| name.as_str()))
    }
}

impl Model {
    pub(crate) fn caveat(&self, name: &str) -> &'static CaveatModel {
        self.caveats.iter().find(|caveat| caveat.name == name).expect("the model has the caveat")
    }

    /// What the schema says, without its text having been read.
    pub(crate) fn rules(&self) -> Rules {
        let rules = self.definitions.iter().map(|definition| {
            let relations =
                definition.relations.iter().map(|relation| (relation.name.clone(), Body::Relation));
            let permissions = definition
                .permissions
                .iter()
                .map(|(name, term)| (name.clone(), Body::Permission(flat(term))));
            (definition.name.clone(), relations.chain(permissions).collect())
        });
        Rules(rules.collect())
    }

    fn uses_expiration(&self) -> bool {
        let mut relations = self.definitions.iter().flat_map(|definition| &definition.relations);
        relations.any(|relation| relation.allowed.iter().any(|allowed| allowed.expires))
    }

    fn uses_self(&self) -> bool {
        let mut permissions =
            self.definitions.iter().flat_map(|definition| &definition.permissions);
        permissions.any(|(_, term)| mentions_self(term))
    }

    fn write_term(&self, out: &mut String, term: &Term, level: u8) {
        let own = level_of(term);
        let grouped = own < level || (self.parentheses && own < ATOM);
        if grouped {
            out.push('(');
        }
        match term {
            Term::Nil => out.push_str("nil"),
            Term::Itself => out.push_str("self"),
            Term::Name(name) => out.push_str(name),
            Term::Arrow { tupleset, walk, target } => {
                let (before, after) = match walk {
                    Walk::Arrow => ("->", ""),
                    Walk::Any => (".any(", ")"),
                    Walk::All => (".all(", ")"),
                };
                out.extend([tupleset, before, target, after]);
            }
            Term::Union(terms) => self.write_operands(out, " + ", terms.iter().map(|t| (t, ATOM))),
            Term::Intersection(terms) => {
                self.write_operands(out, " & ", terms.iter().map(|t| (t, UNION)));
            }
            Term::Exclusion(base, subtracted) => {
                let operands = [(&**base, EXCLUSION), (&**subtracted, INTERSECTION)];
                self.write_operands(out, " - ", operands.into_iter());
            }
        }
        if grouped {
            out.push(')');
        }
    }

    fn write_operands<'t>(
        &self,
        out: &mut String,
        operator: &str,
        operands: impl Iterator<Item = (&'t Term, u8)>,
    ) {
        for (position, (term, level)) in operands.enumerate() {
            if position > 0 {
                out.push_str(operator);
            }
            self.write_term(out, term, level);
        }
    }
}

/// How tightly the operators bind, the loosest first.
const EXCLUSION: u8 = 0;
const INTERSECTION: u8 = 1;
const UNION: u8 = 2;
const ATOM: u8 = 3;

fn level_of(term: &Term) -> u8 {
    match term {
        Term::Exclusion(..) => EXCLUSION,
        Term::Intersection(_) => INTERSECTION,
        Term::Union(_) => UNION,
        Term::Nil | Term::Itself | Term::Name(_) | Term::Arrow { .. } => ATOM,
    }
}

fn mentions_self(term: &Term) -> bool {
    match term {
        Term::Itself => true,
        Term::Nil | Term::Name(_) | Term::Arrow { .. } => false,
        Term::Union(terms) | Term::Intersection(terms) => terms.iter().any(mentions_self),
        Term::Exclusion(base, subtracted) => mentions_self(base) || mentions_self(subtracted),
    }
}

/// The term with no union directly in a union and no intersection directly in an intersection.
fn flat(term: &Term) -> Term {
    match term {
        Term::Nil | Term::Itself | Term::Name(_) | Term::Arrow { .. } => term.clone(),
        Term::Union(terms) => Term::Union(
            terms
                .iter()
                .map(flat)
                .flat_map(|term| if let Term::Union(inner) = term { inner } else { vec![term] })
                .collect(),
        ),
        Term::Intersection(terms) => Term::Intersection(
            terms
                .iter()
                .map(flat)
                .flat_map(
                    |term| if let Term::Intersection(inner) = term { inner } else { vec![term] },
                )
                .collect(),
        ),
        Term::Exclusion(base, subtracted) => {
            Term::Exclusion(Box::new(flat(base)), Box::new(flat(subtracted)))
        }
    }
}

/// The schema's text.
impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.uses_expiration() {
            writeln!(f, "use expiration")?;
        }
        if self.uses_self() {
            writeln!(f, "use self")?;
        }
        for CaveatModel { name, parameters, body } in &self.caveats {
            let parameters: Vec<String> =
                parameters.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
            writeln!(f, "caveat {name}({}) {{ {body} }}", parameters.join(", "))?;
        }
        for definition in &self.definitions {
            if definition.names().next().is_none() {
                writeln!(f, "definition {} {{}}", definition.name)?;
                continue;
            }
            writeln!(f, "definition {} {{", definition.name)?;
            for relation in &definition.relations {
                let allowed: Vec<String> =
                    relation.allowed.iter().map(ToString::to_string).collect();
                writeln!(f, "  relation {}: {}", relation.name, allowed.join(" | "))?;
            }
            for (name, term) in &definition.permissions {
                let mut text = String::new();
                self.write_term(&mut text, term, EXCLUSION);
                writeln!(f, "  permission {name} = {text}")?;
            }
            writeln!(f, "}}")?;
        }
        Ok(())
    }
}

impl fmt::Display for AllowedModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.definition)?;
        match &self.form {
            FormModel::Object => {}
            FormModel::Userset(name) => write!(f, "#{name}")?,
            FormModel::Wildcard => f.write_str(":*")?,
        }
        match (self.caveat, self.expires) {
            (None, false) => Ok(()),
            (None, true) => f.write_str(" with expiration"),
            (Some(caveat), false) => write!(f, " with {caveat}"),
            (Some(caveat), true) => write!(f, " with {caveat} and expiration"),
        }
    }
}

/// Replaces whatever in the schema names what `gone` says is no longer there.
impl Model {
    pub(crate) fn without(&self, gone: impl Fn(&str, &str) -> bool) -> Self {
        let mut model = self.clone();
        for definition in &mut model.definitions {
            let name = definition.name.clone();
            definition.relations.retain(|relation| !gone(&name, &relation.name));
            definition.permissions.retain(|(permission, _)| !gone(&name, permission));
            for relation in &mut definition.relations {
                relation.allowed.retain(|allowed| match &allowed.form {
                    FormModel::Userset(node) => !gone(&allowed.definition, node),
                    FormModel::Object | FormModel::Wildcard => true,
                });
            }
            for (_, term) in &mut definition.permissions {
                *term = mended(term, &|node| gone(&name, node));
            }
        }
        model
    }
}

fn mended(term: &Term, gone: &impl Fn(&str) -> bool) -> Term {
    match term {
        Term::Name(name) | Term::Arrow { tupleset: name, .. } if gone(name) => Term::Nil,
        Term::Nil | Term::Itself | Term::Name(_) | Term::Arrow { .. } => term.clone(),
        Term::Union(terms) => Term::Union(terms.iter().map(|term| mended(term, gone)).collect()),
        Term::Intersection(terms) => {
            Term::Intersection(terms.iter().map(|term| mended(term, gone)).collect())
        }
        Term::Exclusion(base, subtracted) => {
            Term::Exclusion(Box::new(mended(base, gone)), Box::new(mended(subtracted, gone)))
        }
    }
}
