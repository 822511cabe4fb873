//! Schemas with relationships and assertions from elsewhere, when they lie beside the crate (`../shared/corpus`) or
//! where `KILWA_TEST_CORPUS` says: every assertion holds, and every question about what occurs in a file gets the
//! reference's answer.

use crate::reference::Reference;
use crate::reference::case::{Asked, now};
use crate::reference::compare::{Said, ask, ask_each};
use crate::reference::equations::Pair;
use crate::reference::rules::Rules;
use kilwa::engine::{Cache, Scope};
use kilwa::relationship::{Context, ObjectRef, RelationshipSet, Revision, Subject, VisibleSet};
use kilwa::schema::{Schema, compile};
use saphyr::{LoadableYamlNode, Yaml};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn corpora_agree() {
    let files = files();
    for path in &files {
        let corpus = Corpus::read(path);
        corpus.assertions_hold();
        corpus.everything_agrees();
    }
}

#[expect(clippy::disallowed_methods, reason = "the corpora can lie elsewhere")]
fn folder() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    std::env::var("KILWA_TEST_CORPUS").map_or_else(|_| beside(), PathBuf::from)
}

#[expect(clippy::print_stderr, reason = "a test that was not run must say so")]
fn files() -> Vec<PathBuf> {
    let folder = folder();
    let pattern = folder.join("**/*.yaml");
    let files: Vec<PathBuf> =
        glob::glob(&pattern.to_string_lossy()).unwrap().map(Result::unwrap).collect();
    if files.is_empty() {
        eprintln!("skipped: there are no corpora in `{}`", folder.display());
    }
    files
}

/// A validation file.
struct Corpus {
    name: String,
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
    fn read(path: &Path) -> Self {
        let name = path.display().to_string();
        let documents = Yaml::load_from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let file = &documents[0];
        let text = |key: &str| file.as_mapping_get(key).and_then(Yaml::as_str).unwrap_or_default();
        let schema = compile(text("schema")).unwrap_or_else(|faults| panic!("{name}: {faults:?}"));
        let relationships = text("relationships")
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with("//"))
            .map(|line| line.parse().unwrap_or_else(|error| panic!("{name}: `{line}`: {error}")))
            .collect();
        let corpus = Self { assertions: assertions(file), name, schema, relationships };
        corpus
    }

    fn visible(&self) -> VisibleSet<'_> {
        self.relationships.visible_at(now())
    }

    fn assertions_hold(&self) {
        let visible = self.visible();
        let scope = Scope::new(&self.schema, &visible);
        for (expected, asked) in &self.assertions {
            let found = match ask(&scope, asked) {
                Said::Member => Expected::Member,
                Said::NotMember => Expected::NotMember,
                Said::Conditional(_) => Expected::Conditional,
                said => panic!("{}: `{asked}`: {said:?}", self.name),
            };
            assert_eq!(found, *expected, "{}: `{asked}`", self.name);
        }
    }

    /// Asks for every relation and permission of every object by every subject, with every context that occurs.
    fn everything_agrees(&self) {
        let rules = Rules::of(&self.schema);
        let reference = Reference::new(&rules, &self.schema, self.relationships.iter(), now());
        let pairs = self.pairs();
        let visible = self.visible();
        let cache = Cache::new(64 << 20);
        let plain = Scope::new(&self.schema, &visible);
        let cached = Scope { cache: Some(cache.at(Revision(1), now())), ..plain };
        for context in self.contexts() {
            for subject in self.subjects() {
                let solution = reference.solve(pairs.clone(), &subject, &context);
                let questions: Vec<Asked> =
                    pairs.iter().map(|pair| asked(pair, &subject, &context)).collect();
                let bulk = ask_each(&plain, &questions);
                for ((pair, asked), bulk) in pairs.iter().zip(&questions).zip(bulk) {
                    let answer = solution.answer(pair);
                    for said in [bulk, ask(&plain, asked), ask(&cached, asked)] {
                        let name = &self.name;
                        assert!(
                            answer.allows(&said),
                            "{name}: `{asked}`: {said:?}, not {answer:?}"
                        );
                    }
                }
            }
        }
    }

    fn objects(&self) -> BTreeSet<ObjectRef> {
        let asked = self.assertions.iter().map(|(_, asked)| (&asked.resource, &asked.subject));
        let stored = self.relationships.iter().map(|stored| (&stored.resource, &stored.subject));
        stored
            .chain(asked)
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
        for (_, asked) in &self.assertions {
            if !contexts.contains(&asked.context) {
                contexts.push(asked.context.clone());
            }
        }
        contexts
    }
}

fn asked(pair: &Pair, subject: &Subject, context: &Context) -> Asked {
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

fn assertions(file: &Yaml<'_>) -> Vec<(Expected, Asked)> {
    let kinds = [
        ("assertTrue", Expected::Member),
        ("assertCaveated", Expected::Conditional),
        ("assertFalse", Expected::NotMember),
    ];
    let blocks = file.as_mapping_get("assertions");
    let mut found = Vec::new();
    for (key, expected) in kinds {
        let lines = blocks.and_then(|blocks| blocks.as_mapping_get(key)).and_then(Yaml::as_vec);
        for line in lines.into_iter().flatten() {
            found.push((expected, Asked::parse(line.as_str().unwrap())));
        }
    }
    found
}
