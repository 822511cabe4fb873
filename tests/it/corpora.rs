//! Schemas with relationships and assertions from elsewhere: every assertion holds, and every check about what occurs
//! in a file gets the reference's answer.

use crate::outside::corpus_files;
use crate::reference::Reference;
use crate::reference::case::{Asked, now};
use crate::reference::compare::{Said, ask, ask_each};
use crate::reference::equations::Pair;
use crate::reference::lookups::{Way, by_pages, fault};
use crate::reference::rules::Rules;
use crate::reference::solution::Solution;
use crate::subject_lists::{self, Listing};
use kilwa::engine::{Cache, EvalContext, ResourceFilter, ResourceLookup};
use kilwa::relationship::{
    Context, ObjectRef, ReadPoint, RelationshipSet, Revision, Subject, VisibleSet,
};
use kilwa::schema::{Schema, compile};
use saphyr_parser::{Event, Parser};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

#[test]
fn corpora_agree() {
    let faults: Vec<String> = corpus_files().iter().flat_map(|path| faults_in(path)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The schemas of all files.
pub(crate) fn schemas() -> Vec<String> {
    let read =
        |path| Yaml::read(&fs::read_to_string(path).unwrap()).get("schema").text().to_owned();
    corpus_files().into_iter().map(read).collect()
}

/// The differences in one file, each with its name.
fn faults_in(path: &Path) -> Vec<String> {
    let found = match Corpus::read(path) {
        Ok(corpus) => {
            let faults = corpus.false_assertions().chain(corpus.disagreements());
            faults.chain(corpus.false_lists()).take(5).collect()
        }
        Err(fault) => vec![fault],
    };
    found.into_iter().map(|fault| format!("{}: {fault}", path.display())).collect()
}

/// A validation file.
struct Corpus {
    schema: Schema,
    relationships: RelationshipSet,
    assertions: Vec<(Expected, Asked)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Member,
    Conditional,
    NotMember,
}

impl Corpus {
    fn read(path: &Path) -> Result<Self, String> {
        let file = Yaml::read(&fs::read_to_string(path).unwrap());
        let text = |key: &str| file.get(key).text();
        let schema = compile(text("schema")).map_err(|faults| format!("{faults:?}"))?;
        let relationships = text("relationships")
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with("//"))
            .map(|line| line.parse().map_err(|error| format!("`{line}`: {error}")))
            .collect::<Result<_, String>>()?;
        Ok(Self { assertions: assertions(&file), schema, relationships })
    }

    fn visible(&self) -> VisibleSet<'_> {
        self.relationships.visible_at(now())
    }

    fn false_assertions(&self) -> impl Iterator<Item = String> {
        self.assertions.iter().filter_map(|(expected, requested)| {
            let said = ask(&EvalContext::new(&self.schema, &self.visible()), requested);
            let holds = match expected {
                Expected::Member => said == Said::Member,
                Expected::NotMember => said == Said::NotMember,
                Expected::Conditional => matches!(said, Said::Conditional(_)),
            };
            (!holds).then(|| format!("`{requested}` is {said:?}, not {expected:?}"))
        })
    }

    /// Checks every relation and permission of every object for every subject, with every context that occurs.
    fn disagreements(&self) -> impl Iterator<Item = String> {
        let contexts = self.contexts().into_iter();
        contexts
            .flat_map(|context| {
                self.subjects().into_iter().map(move |subject| (context.clone(), subject))
            })
            .flat_map(|(context, subject)| self.disagreements_about(&subject, &context))
    }

    fn disagreements_about(&self, subject: &Subject, context: &Context) -> Vec<String> {
        let rules = Rules::from_schema(&self.schema);
        let reference = Reference::new(&rules, &self.schema, self.relationships.iter(), now());
        let pairs = self.pairs();
        let solution = reference.solve(pairs.clone(), subject, context);
        let visible = self.visible();
        let cache = Cache::new(64 << 20);
        let plain = EvalContext::new(&self.schema, &visible);
        let cached =
            EvalContext { cache: Some(cache.at(ReadPoint::new(Revision(1), now()))), ..plain };
        let questions: Vec<Asked> =
            pairs.iter().map(|pair| requested(pair, subject, context)).collect();
        let mut faults = Vec::new();
        for ((pair, requested), bulk) in
            pairs.iter().zip(&questions).zip(ask_each(&plain, &questions))
        {
            let answer = solution.answer(pair);
            for said in [bulk, ask(&plain, requested), ask(&cached, requested)] {
                if !answer.allows(&said) {
                    faults.push(format!("`{requested}` is {said:?}, not {answer:?}"));
                }
            }
        }
        faults.extend(self.false_lookups(&questions, &solution));
        faults
    }

    /// Looks up every relation and permission of every type, and compares with what the reference says of each object.
    fn false_lookups(&self, questions: &[Asked], solution: &Solution) -> Vec<String> {
        let mut by_node: BTreeMap<(&str, &str), Vec<&Asked>> = BTreeMap::new();
        for requested in questions {
            let node = (requested.resource.object_type(), requested.permission.as_str());
            by_node.entry(node).or_default().push(requested);
        }
        let visible = self.visible();
        let scope = EvalContext::new(&self.schema, &visible);
        let everything = ResourceFilter::default();
        let mut faults = Vec::new();
        for requested in by_node.values() {
            let answer = |requested: &&Asked| {
                let (object, node) = (requested.resource.clone(), requested.permission.clone());
                (object.object_id().to_owned(), solution.answer(&Pair { object, node }))
            };
            let expected = requested.iter().map(answer).collect();
            for size in [1, 2, 7, usize::MAX] {
                let way: &Way<'_> = &|sought, after, size| {
                    let (mut lookup, _) = ResourceLookup::start(&scope, sought, after)?;
                    lookup.next_page(&scope, sought, size)
                };
                let looked_up = by_pages(way, &requested[0].sought(&everything), size);
                faults.extend(
                    fault(&expected, &looked_up).map(|it| format!("{}: {it}", requested[0])),
                );
            }
        }
        faults
    }

    /// Lists the subjects of every relation and permission of every object, of every kind that occurs.
    fn false_lists(&self) -> impl Iterator<Item = String> {
        let kind = |subject: &Subject| {
            (subject.object_type().to_owned(), subject.relation().map(str::to_owned))
        };
        let kinds: BTreeSet<_> = self.subjects().iter().map(kind).collect();
        let contexts = self.contexts().into_iter();
        contexts
            .flat_map(move |context| kinds.clone().into_iter().map(move |it| (context.clone(), it)))
            .flat_map(|(context, kind)| self.false_lists_of(kind, &context))
    }

    fn false_lists_of(
        &self,
        (subject_type, subject_relation): (String, Option<String>),
        context: &Context,
    ) -> Vec<String> {
        let rules = Rules::from_schema(&self.schema);
        let reference = Reference::new(&rules, &self.schema, self.relationships.iter(), now());
        let (pairs, visible) = (self.pairs(), self.visible());
        let Some(first) = pairs.first() else { return Vec::new() };
        let mut ids = subject_lists::ids(self.relationships.iter(), &first.object);
        ids.extend(pairs.iter().map(|pair| pair.object.object_id().to_owned()));
        let listing = |pair: &Pair| Listing {
            resource: pair.object.clone(),
            permission: pair.node.clone(),
            subject_type: subject_type.clone(),
            subject_relation: subject_relation.clone(),
            context: context.clone(),
            wildcards: true,
        };
        let solutions: BTreeMap<&str, _> = ids
            .iter()
            .map(|id| {
                let subject = listing(first).subject(id);
                (id.as_str(), reference.solve(pairs.clone(), &subject, context))
            })
            .collect();
        let scope = EvalContext::new(&self.schema, &visible);
        pairs
            .iter()
            .filter_map(|pair| {
                let listing = listing(pair);
                let found = subject_lists::listed(&scope, &listing, 7);
                subject_lists::fault(&listing, &ids, |id| solutions[id].answer(pair), found)
            })
            .collect()
    }

    fn objects(&self) -> BTreeSet<ObjectRef> {
        let requested =
            self.assertions.iter().map(|(_, requested)| (&requested.resource, &requested.subject));
        let stored = self.relationships.iter().map(|stored| (&stored.resource, &stored.subject));
        stored
            .chain(requested)
            .flat_map(|(resource, subject)| [Some(resource), object_of(subject)])
            .flatten()
            .cloned()
            .collect()
    }

    fn pairs(&self) -> Vec<Pair> {
        let nodes_of = |object: ObjectRef| {
            let definition = self.schema.find_definition(object.object_type()).unwrap();
            definition.nodes.iter().map(move |id| {
                let node = self.schema.node(*id).name.clone();
                Pair { object: object.clone(), node }
            })
        };
        self.objects().into_iter().flat_map(nodes_of).collect()
    }

    fn subjects(&self) -> BTreeSet<Subject> {
        let usersets = self.relationships.iter().map(|stored| stored.subject.clone());
        let usersets = usersets.filter(|subject| subject.relation().is_some());
        usersets.chain(self.objects().into_iter().map(Subject::Object)).collect()
    }

    fn contexts(&self) -> Vec<Context> {
        let mut contexts = vec![Context::default()];
        for (_, requested) in &self.assertions {
            if !contexts.contains(&requested.context) {
                contexts.push(requested.context.clone());
            }
        }
        contexts
    }
}

fn requested(pair: &Pair, subject: &Subject, context: &Context) -> Asked {
    Asked {
        resource: pair.object.clone(),
        permission: pair.node.clone(),
        subject: subject.clone(),
        context: context.clone(),
    }
}

fn object_of(subject: &Subject) -> Option<&ObjectRef> {
    match subject {
        Subject::Object(object) | Subject::Userset(object, _) => Some(object),
        Subject::Wildcard(_) => None,
    }
}

fn assertions(file: &Yaml) -> Vec<(Expected, Asked)> {
    let kinds = [
        ("assertTrue", Expected::Member),
        ("assertCaveated", Expected::Conditional),
        ("assertFalse", Expected::NotMember),
    ];
    let of_kind = |(key, expected)| {
        let lines = file.get("assertions").get(key).items();
        lines.iter().map(move |line| (expected, Asked::parse(line.text())))
    };
    kinds.into_iter().flat_map(of_kind).collect()
}

/// As much of YAML as the files have.
enum Yaml {
    Nothing,
    Text(String),
    Items(Vec<Yaml>),
    Fields(BTreeMap<String, Yaml>),
}

impl Yaml {
    fn read(text: &str) -> Self {
        let mut events = Parser::new_from_str(text).map(|event| event.unwrap().0);
        Self::next(&mut events).unwrap_or(Self::Nothing)
    }

    /// The next node; none at the end of what holds it.
    fn next<'e>(events: &mut impl Iterator<Item = Event<'e>>) -> Option<Self> {
        loop {
            match events.next()? {
                Event::Scalar(text, ..) => return Some(Self::Text(text.into_owned())),
                Event::SequenceStart(..) => {
                    return Some(Self::Items(
                        std::iter::from_fn(|| Self::next(&mut *events)).collect(),
                    ));
                }
                Event::MappingStart(..) => {
                    let mut fields = BTreeMap::new();
                    while let Some(key) = Self::next(&mut *events) {
                        let value = Self::next(&mut *events).unwrap_or(Self::Nothing);
                        fields.insert(key.text().to_owned(), value);
                    }
                    return Some(Self::Fields(fields));
                }
                Event::SequenceEnd | Event::MappingEnd => return None,
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Alias(_) => {}
            }
        }
    }

    fn get(&self, key: &str) -> &Self {
        match self {
            Self::Fields(fields) => fields.get(key).unwrap_or(&Self::Nothing),
            Self::Nothing | Self::Text(_) | Self::Items(_) => &Self::Nothing,
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Nothing | Self::Items(_) | Self::Fields(_) => "",
        }
    }

    fn items(&self) -> &[Self] {
        match self {
            Self::Items(items) => items,
            Self::Nothing | Self::Text(_) | Self::Fields(_) => &[],
        }
    }
}
