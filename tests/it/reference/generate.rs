//! Random schemas, relationships that fit them, and checks.

use super::case::Asked;
use super::model::{AllowedModel, CaveatModel, DefinitionModel, FormModel, Model, RelationModel};
use super::random::Random;
use super::rules::{Term, Walk};
use super::shrink::Specimen;
use kilwa::relationship::{
    Context, ContextualizedCaveat, ObjectRef, Relationship, Subject, Timestamp,
};
use serde_json::{Map, Value};

/// The caveats that schemas choose from: they share parameters, leave some undecided, and one can fail.
const CAVEATS: [CaveatModel; 5] = [
    CaveatModel { name: "on_flag", parameters: &[("flag", "bool")], body: "flag" },
    CaveatModel { name: "is_high", parameters: &[("level", "int")], body: "level > 2" },
    CaveatModel {
        name: "either",
        parameters: &[("flag", "bool"), ("level", "int")],
        body: "flag || level > 1",
    },
    CaveatModel {
        name: "both",
        parameters: &[("flag", "bool"), ("other", "bool")],
        body: "flag && !other",
    },
    CaveatModel {
        name: "divides",
        parameters: &[("level", "int"), ("step", "int")],
        body: "level / step == 1",
    },
];

const DEFINITIONS: [&str; 4] = ["group", "folder", "document", "org/team"];
const RELATIONS: [&str; 6] = ["member", "owner", "parent", "viewer", "banned", "link"];
const PERMISSIONS: [&str; 5] = ["view", "edit", "admin", "access", "all_members"];
/// The ids of each type; a case uses the first few, so that cycles and lattices are common.
const IDS: [&str; 4] = ["a", "b", "c", "d"];

/// A schema that compiles, relationships that fit it, and so many checks.
pub(crate) fn specimen(random: &mut Random, questions: usize) -> Specimen {
    let model = schema(random);
    let ids = random.between(1, IDS.len());
    let relationships = relationships(random, &model, ids);
    let questions = (0..questions).map(|_| question(random, &model, &relationships, ids)).collect();
    Specimen { model, relationships, questions }
}

/// A schema that compiles.
fn schema(random: &mut Random) -> Model {
    let sketch = Sketch::new(random);
    let caveats: Vec<_> = CAVEATS.iter().filter(|_| sketch.caveats && random.percent(60)).collect();
    let mut definitions = vec![sketch.user(random)];
    for outline in &sketch.outlines {
        definitions.push(DefinitionModel {
            name: outline.name.to_owned(),
            relations: outline
                .relations
                .iter()
                .map(|relation| sketch.relation(random, outline, relation, &caveats))
                .collect(),
            permissions: sketch.permissions(random, outline),
        });
    }
    let caveats = caveats.into_iter().filter(|caveat| is_used(&definitions, caveat.name)).collect();
    Model { caveats, definitions, parentheses: random.percent(30) }
}

fn is_used(definitions: &[DefinitionModel], caveat: &str) -> bool {
    let mut relations = definitions.iter().flat_map(|definition| &definition.relations);
    relations.any(|relation| relation.allowed.iter().any(|allowed| allowed.caveat == Some(caveat)))
}

/// Which names there will be: decided first, so that everything can point to everything.
#[expect(clippy::struct_excessive_bools, reason = "what a schema has or not, each by itself")]
struct Sketch {
    outlines: Vec<Outline>,
    caveats: bool,
    expirations: bool,
    exclusions: bool,
    users_have_managers: bool,
}

struct Outline {
    name: &'static str,
    relations: Vec<RelationOutline>,
    permissions: Vec<&'static str>,
}

struct RelationOutline {
    name: &'static str,
    /// Whether it takes wildcards; then nothing may pass through it but its own usersets.
    open: bool,
}

impl Sketch {
    fn new(random: &mut Random) -> Self {
        let definitions = random.between(1, 3);
        let names = some_of(random, &DEFINITIONS, definitions);
        let wildcards = random.percent(50);
        let outlines = names
            .into_iter()
            .map(|name| {
                let (relations, permissions) = (random.between(1, 5), random.between(0, 5));
                Outline {
                    name,
                    relations: some_of(random, &RELATIONS, relations)
                        .into_iter()
                        .map(|name| RelationOutline { name, open: wildcards && random.percent(30) })
                        .collect(),
                    permissions: some_of(random, &PERMISSIONS, permissions),
                }
            })
            .collect();
        Self {
            outlines,
            caveats: random.percent(70),
            expirations: random.percent(25),
            exclusions: random.percent(60),
            users_have_managers: random.percent(15),
        }
    }

    fn user(&self, random: &mut Random) -> DefinitionModel {
        let plain = |definition: &str, form| AllowedModel {
            definition: definition.to_owned(),
            form,
            caveat: None,
            expires: false,
        };
        let mut allowed = vec![plain("user", FormModel::Object)];
        if random.percent(50) {
            allowed.push(plain("user", FormModel::Userset("manager".to_owned())));
        }
        let manager = RelationModel { name: "manager".to_owned(), allowed };
        let relations = if self.users_have_managers { vec![manager] } else { Vec::new() };
        DefinitionModel { name: "user".to_owned(), relations, permissions: Vec::new() }
    }

    fn relation(
        &self,
        random: &mut Random,
        outline: &Outline,
        relation: &RelationOutline,
        caveats: &[&'static CaveatModel],
    ) -> RelationModel {
        let mut allowed: Vec<AllowedModel> = Vec::new();
        for _ in 0..random.between(1, 4) {
            let (definition, form) = self.form(random, outline, relation);
            let carried = AllowedModel {
                definition,
                form,
                caveat: (!caveats.is_empty() && random.percent(50))
                    .then(|| random.pick(caveats).name),
                expires: self.expirations && random.percent(30),
            };
            if !allowed.contains(&carried) {
                allowed.push(carried);
            }
        }
        RelationModel { name: relation.name.to_owned(), allowed }
    }

    fn form(
        &self,
        random: &mut Random,
        outline: &Outline,
        relation: &RelationOutline,
    ) -> (String, FormModel) {
        if relation.open && random.percent(60) {
            let definition =
                if random.percent(70) { "user" } else { random.pick(&self.outlines).name };
            return (definition.to_owned(), FormModel::Wildcard);
        }
        if random.percent(30) {
            return ("user".to_owned(), FormModel::Object);
        }
        let other = if random.percent(40) { outline } else { random.pick(&self.outlines) };
        if random.percent(35) {
            return (other.name.to_owned(), FormModel::Object);
        }
        let itself = |name: &str| other.name == outline.name && name == relation.name;
        let mut names: Vec<&str> = other.permissions.clone();
        let passable = |node: &&RelationOutline| !node.open || itself(node.name);
        names.extend(other.relations.iter().filter(passable).map(|node| node.name));
        match names.as_slice() {
            [] => ("user".to_owned(), FormModel::Object),
            names => {
                let name = (*random.pick(names)).to_owned();
                (other.name.to_owned(), FormModel::Userset(name))
            }
        }
    }

    fn permissions(&self, random: &mut Random, outline: &Outline) -> Vec<(String, Term)> {
        let mut permissions = Vec::new();
        for (position, name) in outline.permissions.iter().enumerate() {
            let mut term = self.term(random, outline, 3);
            // A permission that is nothing but another name must not lead back to itself.
            if let Term::Name(other) = &term
                && outline.permissions.iter().skip(position).any(|later| later == other)
            {
                term = Term::Union(vec![term, self.leaf(random, outline)]);
            }
            permissions.push(((*name).to_owned(), term));
        }
        permissions
    }

    fn term(&self, random: &mut Random, outline: &Outline, depth: usize) -> Term {
        let chance = random.below(100);
        if depth == 0 || chance < 35 {
            return self.leaf(random, outline);
        }
        let mut operand = |sketch: &Self| sketch.term(random, outline, depth - 1);
        match chance {
            35..65 => Term::Union(vec![operand(self), operand(self)]),
            65..80 => Term::Intersection(vec![operand(self), operand(self)]),
            80..84 => Term::Intersection(vec![operand(self), operand(self), operand(self)]),
            84..88 => Term::Union(vec![operand(self), operand(self), operand(self)]),
            _ if self.exclusions => {
                Term::Exclusion(Box::new(operand(self)), Box::new(operand(self)))
            }
            _ => Term::Union(vec![operand(self), operand(self)]),
        }
    }

    fn leaf(&self, random: &mut Random, outline: &Outline) -> Term {
        let chance = random.below(100);
        let tuplesets: Vec<&RelationOutline> =
            outline.relations.iter().filter(|relation| !relation.open).collect();
        if chance < 4 {
            return Term::Nil;
        }
        if chance < 8 {
            return Term::Itself;
        }
        if chance < 45 && !tuplesets.is_empty() {
            let other = random.pick(&self.outlines);
            let walk = [Walk::Arrow, Walk::Any, Walk::All][random.below(3)];
            let names: Vec<&str> = other.names().collect();
            return Term::Arrow {
                tupleset: random.pick(&tuplesets).name.to_owned(),
                walk,
                target: (*random.pick(&names)).to_owned(),
            };
        }
        let names: Vec<&str> = outline.names().collect();
        Term::Name((*random.pick(&names)).to_owned())
    }
}

impl Outline {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.relations.iter().map(|relation| relation.name).chain(self.permissions.iter().copied())
    }
}

fn some_of(random: &mut Random, items: &[&'static str], count: usize) -> Vec<&'static str> {
    let mut left = items.to_vec();
    (0..count).map(|_| left.swap_remove(random.below(left.len()))).collect()
}

/// Relationships that fit a schema.
fn relationships(random: &mut Random, model: &Model, ids: usize) -> Vec<Relationship> {
    let relations: Vec<(&str, &RelationModel)> = model
        .definitions
        .iter()
        .flat_map(|definition| {
            definition.relations.iter().map(|relation| (definition.name.as_str(), relation))
        })
        .collect();
    let count = if random.percent(20) { random.between(0, 8) } else { random.between(8, 60) };
    (0..count)
        .map(|_| {
            let (definition, relation) = random.pick(&relations);
            relationship(random, model, definition, relation, ids)
        })
        .collect()
}

fn relationship(
    random: &mut Random,
    model: &Model,
    definition: &str,
    relation: &RelationModel,
    ids: usize,
) -> Relationship {
    let allowed = random.pick(&relation.allowed);
    let subject = match &allowed.form {
        FormModel::Object => Subject::Object(object(random, &allowed.definition, ids)),
        FormModel::Userset(node) => {
            Subject::Userset(object(random, &allowed.definition, ids), node.clone())
        }
        FormModel::Wildcard => Subject::Wildcard(allowed.definition.clone()),
    };
    let caveat = allowed.caveat.map(|name| ContextualizedCaveat {
        name: name.to_owned(),
        context: context(random, model.caveat(name).parameters, 25),
    });
    let year = if random.percent(30) { 2020 } else { 2040 };
    let expires_at =
        allowed.expires.then(|| Timestamp::parse(&format!("{year}-01-01T00:00:00Z")).unwrap());
    Relationship {
        resource: object(random, definition, ids),
        relation: relation.name.clone(),
        subject,
        caveat,
        expires_at,
    }
}

fn object(random: &mut Random, definition: &str, ids: usize) -> ObjectRef {
    ObjectRef::new(definition, IDS[random.below(ids)]).unwrap()
}

fn context(random: &mut Random, parameters: &[(&str, &str)], chance: usize) -> Context {
    let mut values = Map::new();
    for (name, kind) in parameters {
        if random.percent(chance) {
            let value = match *kind {
                "bool" => Value::Bool(random.percent(50)),
                _ => Value::from(random.below(5)),
            };
            values.insert((*name).to_owned(), value);
        }
    }
    Context::from_map(values)
}

/// A check about a schema's objects, mostly about those that relationships name.
fn question(
    random: &mut Random,
    model: &Model,
    relationships: &[Relationship],
    ids: usize,
) -> Asked {
    let (resource, subject) = if relationships.is_empty() || random.percent(15) {
        (any_object(random, model, ids), any_subject(random, model, ids))
    } else {
        let stored = random.pick(relationships);
        let subject = if random.percent(60) {
            end_of_a_way(random, relationships, stored)
        } else {
            &random.pick(relationships).subject
        };
        (stored.resource.clone(), named_subject(random, subject, ids))
    };
    Asked {
        permission: any_name(random, model, &resource),
        resource,
        subject,
        context: question_context(random, model),
    }
}

/// The subject of a relationship, or of one about that subject, and so on for some steps.
fn end_of_a_way<'r>(
    random: &mut Random,
    relationships: &'r [Relationship],
    start: &'r Relationship,
) -> &'r Subject {
    let mut subject = &start.subject;
    for _ in 0..random.below(6) {
        let about = |stored: &&Relationship| {
            stored.resource.object_type() == subject.object_type()
                && stored.resource.object_id() == subject.object_id()
        };
        let next: Vec<&Relationship> = relationships.iter().filter(about).collect();
        if next.is_empty() {
            break;
        }
        subject = &random.pick(&next).subject;
    }
    subject
}

fn any_object(random: &mut Random, model: &Model, ids: usize) -> ObjectRef {
    let definitions: Vec<&DefinitionModel> =
        model.definitions.iter().filter(|definition| definition.names().next().is_some()).collect();
    let definition = random.pick(&definitions);
    object(random, &definition.name, ids)
}

fn any_name(random: &mut Random, model: &Model, object: &ObjectRef) -> String {
    let mut definitions = model.definitions.iter();
    let definition = definitions.find(|definition| definition.name == object.object_type());
    let names: Vec<&str> = definition.expect("the model has the definition").names().collect();
    (*random.pick(&names)).to_owned()
}

fn any_subject(random: &mut Random, model: &Model, ids: usize) -> Subject {
    match random.below(100) {
        0..60 => Subject::Object(object(random, "user", ids)),
        60..75 => Subject::Object(any_object(random, model, ids)),
        _ => {
            let object = any_object(random, model, ids);
            let name = any_name(random, model, &object);
            Subject::Userset(object, name)
        }
    }
}

/// A subject that a relationship names, or one that its wildcard covers.
fn named_subject(random: &mut Random, stored: &Subject, ids: usize) -> Subject {
    match stored {
        Subject::Object(_) => stored.clone(),
        Subject::Userset(..) if random.percent(50) => stored.clone(),
        Subject::Userset(..) => Subject::Object(object(random, "user", ids)),
        Subject::Wildcard(definition) => Subject::Object(object(random, definition, ids)),
    }
}

fn question_context(random: &mut Random, model: &Model) -> Context {
    let parameters: Vec<(&str, &str)> =
        model.caveats.iter().flat_map(|caveat| caveat.parameters).copied().collect();
    match random.below(100) {
        0..40 => Context::default(),
        40..65 => context(random, &parameters, 50),
        65..93 => context(random, &parameters, 100),
        _ => context(random, &[("level", "bool"), ("flag", "int")], 70),
    }
}
