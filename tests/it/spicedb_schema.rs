//! Comparison with a real `SpiceDB` on schemas, when `KILWA_TEST_SPICEDB` names its program: structure, dependencies and
//! differences of random schemas and of those of the corpora.

use crate::corpora;
use crate::outside::{program, tell};
use crate::peer::{Peer, keyed};
use crate::reference::generate;
use crate::reference::random::Random;
use crate::server_support::{KEY, config, consistency, start};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::schema::{AllowedForm, Rule, Schema, compile};
use proto::reflection_schema_diff::Diff;
use proto::schema_service_client::SchemaServiceClient;
use std::collections::BTreeSet;
use std::fmt::Debug;
use tokio::runtime::Runtime;
use tonic::Code;
use tonic::transport::Channel;

/// How many random schemas are compared, in addition to those of the corpora.
const RANDOM: usize = 150;

/// Comments, prefixes, every form of subject, every operator, types that change.
const OWN: [&str; 2] = [
    "use expiration

// Who may be somebody.
// In two lines.
definition user {}

/** A caveat. */
caveat team/only_on(day string, allowed list<string>, hours map<any>) {
  day in allowed && hours.size() > 1
}

/* A folder
 * of folders. */
definition team/folder {
  relation parent: team/folder
  // Readers.
  relation viewer: user | user:* | team/group#all | user with team/only_on | user with expiration
  relation banned: user
  permission view = (viewer + parent->view) - banned // here
  permission other = parent.all(view) & parent.any(view)
}

definition team/group {
  relation member: user | team/group#member
  relation link: team/folder:*
  /// All of them.
  permission all = member
  permission none = nil
  relation above: team/folder
  permission away = above->missing
}
",
    "use self

// Who may be somebody.
definition user {
  permission mine = self
}

caveat team/only_on(day string, allowed list<int>, more int) {
  day == \"x\" && size(allowed) > more
}

definition team/folder {
  relation parent: team/folder | user
  relation viewer: user | user:* | team/group#all
  relation banned: user with team/only_on
  permission view = viewer + (parent->view - banned)
  permission mine = parent->mine + parent.any(mine)
  relation other: user
}

definition team/group {
  relation member: team/group#member | user
  permission all = ((member))
}
",
];

#[test]
fn spicedb_says_the_same_about_schemas() {
    let Some(program) = program("KILWA_TEST_SPICEDB") else { return };
    let runtime = Runtime::new().unwrap();
    let peer = Peer::spicedb(&program, &runtime);
    let mut random = Random::new(23);
    let mut schemas: Vec<String> = OWN.iter().map(|text| (*text).to_owned()).collect();
    schemas.extend(corpora::schemas());
    for _ in 0..RANDOM {
        schemas.push(generate::specimen(&mut random, 0).case().schema);
    }
    let Told { questions, faults } = runtime.block_on(compare(&peer, &schemas));
    assert!(faults.is_empty(), "{} of {questions}:\n{}", faults.len(), faults[..1].join("\n"));
    assert!(questions > 10 * RANDOM, "{questions} questions");
    tell(&format!("{questions} questions"));
}

/// What came of the comparison.
#[derive(Default)]
struct Told {
    questions: usize,
    faults: Vec<String>,
}

impl Told {
    /// Notes what both say to a check, and whether that is the same.
    fn note<T: Debug>(&mut self, agree: bool, said: &(T, T), about: &str) {
        self.questions += 1;
        if !agree {
            self.faults.push(format!("{about}\nKilwa: {:#?}\nSpiceDB: {:#?}", said.0, said.1));
        }
    }
}

/// Compares both on every schema, and on its differences from the one before.
async fn compare(peer: &Peer, schemas: &[String]) -> Told {
    let dir = tempfile::tempdir().unwrap();
    let server = start(config(dir.path())).await;
    let ours = Side { channel: server.channel().await, key: KEY.to_owned() };
    let mut reported = Told::default();
    for (before, text) in schemas.iter().zip(schemas.iter().skip(1).chain(&schemas[..1])) {
        let theirs = Side { channel: peer.channel(), key: peer.next_key() };
        for side in [&ours, &theirs] {
            side.write("").await;
            side.write(text).await;
        }
        let schema = compile(text).unwrap();
        compare_structure(&ours, &theirs, &schema, &mut reported).await;
        compare_dependencies(&ours, &theirs, &schema, &mut reported).await;
        for other in [before, text, ""] {
            let (mut ours, mut theirs) = (ours.diff(other).await, theirs.diff(other).await);
            // SpiceDB keeps no order, and takes another spelling of a caveat for another caveat.
            ours.sort_by_key(|diff| format!("{diff:?}"));
            theirs.sort_by_key(|diff| format!("{diff:?}"));
            theirs.retain(|diff| !is_respelled(diff) || ours.contains(diff));
            let agree = ours == theirs;
            reported.note(agree, &(ours, theirs), &format!("from\n{text}\nto\n{other}"));
        }
    }
    server.stop().await.unwrap();
    reported
}

fn is_respelled(diff: &proto::ReflectionSchemaDiff) -> bool {
    matches!(diff.diff, Some(Diff::CaveatExprChanged(_)))
}

async fn compare_structure(ours: &Side, theirs: &Side, schema: &Schema, reported: &mut Told) {
    let mut filters = vec![Vec::new(), vec![proto::ReflectionSchemaFilter::default()]];
    let filter = |definition: &str, caveat: &str, relation: &str, permission: &str| {
        proto::ReflectionSchemaFilter {
            optional_definition_name_filter: definition.to_owned(),
            optional_caveat_name_filter: caveat.to_owned(),
            optional_relation_name_filter: relation.to_owned(),
            optional_permission_name_filter: permission.to_owned(),
        }
    };
    for definition in schema.definitions() {
        let start = definition.name.get(..2).unwrap();
        filters.push(vec![filter(start, "", "", "")]);
        filters.push(vec![filter("", start, "", "")]);
        filters.push(vec![filter(start, "", "v", ""), filter("d", "", "p", "")]);
        filters.push(vec![filter(start, "", "", "v"), filter("", "o", "", "")]);
        filters.push(vec![filter(&definition.name, "", "", "a"), filter("t", "", "m", "")]);
    }
    filters.extend([
        vec![filter("d", "c", "", "")],
        vec![filter("", "", "r", "")],
        vec![filter("", "", "", "p")],
        vec![filter("", "c", "", "p")],
        vec![filter("d", "", "r", "p")],
        vec![filter("d", "c", "r", "p")],
    ]);
    for filters in filters {
        let said = (ours.reflect(&filters).await, theirs.reflect(&filters).await);
        reported.note(said.0 == said.1, &said, &format!("{filters:?} of\n{}", schema.source()));
    }
}

async fn compare_dependencies(ours: &Side, theirs: &Side, schema: &Schema, reported: &mut Told) {
    let mut requested = vec![("missing".to_owned(), String::new())];
    for definition in schema.definitions() {
        let names = definition.nodes.iter().map(|id| schema.node(*id).name.clone());
        let names = names.chain([String::new(), "missing".to_owned()]);
        requested.extend(names.map(|name| (definition.name.clone(), name)));
    }
    let wildcards = has_wildcards_of_resources(schema);
    for (definition, name) in requested {
        let said = (ours.needs(&definition, &name).await, theirs.needs(&definition, &name).await);
        let about = format!("what {definition}#{name} needs in\n{}", schema.source());
        reported.note(said.0 == said.1, &said, &about);
        for start in ["", "t"] {
            let said = (
                ours.feeds(&definition, &name, start).await,
                theirs.feeds(&definition, &name, start).await,
            );
            let agree = match &said {
                // To SpiceDB, a wildcard takes usersets of its type too.
                (Ok(ours), Ok(theirs)) if wildcards => ours.is_subset(theirs),
                (ours, theirs) => ours == theirs,
            };
            let about = format!("what {definition}#{name} feeds in\n{}", schema.source());
            reported.note(agree, &said, &about);
        }
    }
}

/// Whether some relation takes the wildcard of a type that has relations itself.
fn has_wildcards_of_resources(schema: &Schema) -> bool {
    schema.nodes().iter().any(|node| match &node.rule {
        Rule::Permission(_) => false,
        Rule::Relation(allowed) => allowed.iter().any(|allowed| {
            allowed.form == AllowedForm::Wildcard
                && !schema.definition(allowed.definition).nodes.is_empty()
        }),
    })
}

/// One of the two servers, and the key for it.
struct Side {
    channel: Channel,
    key: String,
}

/// An answer, or the code and the message of a refusal.
type Said<T> = Result<T, (Code, String)>;

impl Side {
    fn client(&self) -> SchemaServiceClient<Channel> {
        SchemaServiceClient::new(self.channel.clone())
    }

    async fn write(&self, schema: &str) {
        let request = proto::WriteSchemaRequest { schema: schema.to_owned() };
        self.client().write_schema(keyed(&self.key, request)).await.unwrap();
    }

    async fn diff(&self, other: &str) -> Vec<proto::ReflectionSchemaDiff> {
        let request = proto::DiffSchemaRequest {
            consistency: Some(newest()),
            comparison_schema: other.to_owned(),
        };
        let response = self.client().diff_schema(keyed(&self.key, request)).await.unwrap();
        response.into_inner().diffs
    }

    async fn reflect(
        &self,
        filters: &[proto::ReflectionSchemaFilter],
    ) -> Said<(Vec<proto::ReflectionDefinition>, Vec<proto::ReflectionCaveat>)> {
        let request = proto::ReflectSchemaRequest {
            consistency: Some(newest()),
            optional_filters: filters.to_vec(),
        };
        let response = self.client().reflect_schema(keyed(&self.key, request)).await;
        let found = response.map_err(refusal)?.into_inner();
        Ok((found.definitions, found.caveats))
    }

    async fn needs(
        &self,
        definition: &str,
        name: &str,
    ) -> Said<Vec<proto::ReflectionRelationReference>> {
        let request = proto::DependentRelationsRequest {
            consistency: Some(newest()),
            definition_name: definition.to_owned(),
            permission_name: name.to_owned(),
        };
        let response = self.client().dependent_relations(keyed(&self.key, request)).await;
        Ok(response.map_err(refusal)?.into_inner().relations)
    }

    async fn feeds(
        &self,
        definition: &str,
        name: &str,
        start: &str,
    ) -> Said<BTreeSet<(String, String, bool)>> {
        let request = proto::ComputablePermissionsRequest {
            consistency: Some(newest()),
            definition_name: definition.to_owned(),
            relation_name: name.to_owned(),
            optional_definition_name_filter: start.to_owned(),
        };
        let response = self.client().computable_permissions(keyed(&self.key, request)).await;
        let found = response.map_err(refusal)?.into_inner().permissions;
        let key = |found: &proto::ReflectionRelationReference| {
            (found.definition_name.clone(), found.relation_name.clone(), found.is_permission)
        };
        assert!(found.iter().map(key).is_sorted());
        Ok(found.iter().map(key).collect())
    }
}

fn newest() -> proto::Consistency {
    consistency(proto::consistency::Requirement::FullyConsistent(true))
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn refusal(status: tonic::Status) -> (Code, String) {
    (status.code(), status.message().to_owned())
}
