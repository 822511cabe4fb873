//! Expansions: their shapes, and that reading one gives the reference's answer.

use crate::reference::Reference;
use crate::reference::case::now;
use crate::reference::generate;
use crate::reference::random::Random;
use crate::reference::rules::Rules;
use crate::reference::solution::Verdict;
use crate::schema_support::schema;
use kilwa::engine::{
    EngineError, EvalContext, ExpandTree, ExpandTreeKind, Limits, SetOperation, WorkKind,
    expand as expand_tree,
};
use kilwa::relationship::{Context, ObjectRef, Relationship, RelationshipSet, Subject};
use kilwa::schema::{Schema, compile};
use std::collections::BTreeSet;

const SCHEMA: &str = "
use expiration
use self
caveat weekend(day int) { day > 5 }
definition user {}
definition team { relation member: user | team#member }
definition folder {
    relation owner: user
    relation parent: folder
    relation reader: user
    permission view = owner + parent->view
    permission read = reader
}
definition document {
    relation viewer: user | user:* | team#member | user with weekend | user with expiration
    relation editor: user
    relation banned: user
    relation parent: folder | folder#owner | team
    permission alias = viewer
    permission either = viewer + (editor + banned)
    permission both = viewer & editor
    permission except = viewer - editor - banned
    permission grouped = viewer & (editor + banned)
    permission deeper = alias + editor
    permission inherited = parent->read
    permission any = parent.any(read)
    permission every = parent.all(read)
    permission itself = self + editor
    permission nobody = nil
}";

fn set(relationships: &str) -> RelationshipSet {
    let lines = relationships.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| line.parse().unwrap()).collect()
}

fn expanded(
    schema: &Schema,
    relationships: &RelationshipSet,
    of: &str,
    limits: Limits,
) -> Result<ExpandTree, EngineError> {
    let (object, permission) = of.split_once('#').unwrap();
    let visible = relationships.visible_at(now());
    let scope = EvalContext { limits, ..EvalContext::new(schema, &visible) };
    Ok(expand_tree(&scope, &object.parse().unwrap(), permission)?.tree)
}

/// The tree in a line: `document:plan#view = union(document:plan#viewer = [user:ann])`.
pub(crate) fn shown(tree: &ExpandTree) -> String {
    let owner = format!("{}#{}", tree.object, tree.relation);
    match &tree.kind {
        ExpandTreeKind::Subjects(subjects) => {
            let subjects: Vec<String> = subjects.iter().map(Subject::to_string).collect();
            format!("{owner} = [{}]", subjects.join(" "))
        }
        ExpandTreeKind::Operation(operation, children) => {
            let operation = format!("{operation:?}").to_lowercase();
            let children: Vec<String> = children.iter().map(shown).collect();
            format!("{owner} = {operation}({})", children.join(", "))
        }
    }
}

#[track_caller]
fn assert_shape(relationships: &str, of: &str, shape: &str) {
    let tree = expanded(&schema(SCHEMA), &set(relationships), of, Limits::default()).unwrap();
    let shape = shape.split_whitespace().collect::<Vec<_>>().join(" ");
    let shape = shape.replace("( ", "(").replace(" )", ")");
    assert_eq!(shown(&tree), shape, "{of}");
}

#[test]
fn a_relation_is_a_leaf_with_everybody_that_it_names() {
    assert_shape("", "document:1#viewer", "document:1#viewer = []");
    let relationships = r#"
        document:1#viewer@team:eng#member
        document:1#viewer@user:zoe
        document:1#viewer@user:*
        document:1#viewer@user:bob[weekend:{"day":1}]
        document:1#viewer@user:gone[expiration:2020-01-01T00:00:00Z]
        document:1#viewer@user:here[expiration:2090-01-01T00:00:00Z]
        document:2#viewer@user:ann"#;
    assert_shape(
        relationships,
        "document:1#viewer",
        "document:1#viewer = [user:* user:bob user:here user:zoe team:eng#member]",
    );
}

#[test]
fn a_permission_is_the_tree_of_its_expression() {
    let relationships = "document:1#viewer@user:ann
        document:1#editor@user:eve";
    let (viewer, editor, banned) = (
        "document:1#viewer = [user:ann]",
        "document:1#editor = [user:eve]",
        "document:1#banned = []",
    );
    let shapes = [
        ("alias", format!("document:1#alias = union({viewer})")),
        ("either", format!("document:1#either = union({viewer}, {editor}, {banned})")),
        ("both", format!("document:1#both = intersection({viewer}, {editor})")),
        (
            "except",
            format!(
                "document:1#except = exclusion(document:1#except = exclusion({viewer}, {editor}), {banned})"
            ),
        ),
        (
            "grouped",
            format!(
                "document:1#grouped = intersection({viewer}, document:1#grouped = union({editor}, {banned}))"
            ),
        ),
        (
            "deeper",
            format!("document:1#deeper = union(document:1#alias = union({viewer}), {editor})"),
        ),
        ("nobody", "document:1#nobody = union(document:1#nobody = [])".to_owned()),
        (
            "itself",
            format!("document:1#itself = union(document:1#itself = [document:1], {editor})"),
        ),
    ];
    for (permission, shape) in shapes {
        assert_shape(relationships, &format!("document:1#{permission}"), &shape);
    }
}

#[test]
fn an_arrow_has_a_child_for_each_object() {
    let relationships = "
        document:1#parent@folder:a
        document:1#parent@folder:b#owner
        document:1#parent@team:eng
        folder:a#reader@user:ann";
    for (permission, operation) in
        [("inherited", "union"), ("any", "union"), ("every", "intersection")]
    {
        let of = format!("document:1#{permission}");
        let shape = format!(
            "{of} = union({of} = {operation}(
                folder:a#read = union(folder:a#reader = [user:ann]),
                folder:b#read = union(folder:b#reader = []),
                {of} = []
            ))"
        );
        assert_shape(relationships, &of, &shape);
        assert_shape("", &of, &format!("{of} = union({of} = {operation}())"));
    }
}

#[test]
fn what_cannot_be_reported_is_refused() {
    let schema = schema(SCHEMA);
    let none = RelationshipSet::default();
    let refused =
        |set, of, limits| expanded(&schema, set, of, limits).expect_err("it cannot be expanded");
    let defaults = Limits::default();
    assert!(matches!(
        refused(&none, "paper:1#viewer", defaults),
        EngineError::UnknownDefinition { name } if name == "paper"
    ));
    assert!(matches!(
        refused(&none, "document:1#nothing", defaults),
        EngineError::UnknownRelation { name, .. } if name == "nothing"
    ));
    let circle = set("folder:a#parent@folder:b
        folder:b#parent@folder:c
        folder:c#parent@folder:b");
    let EngineError::EndlessTree { cycle } = refused(&circle, "folder:a#view", defaults) else {
        panic!("a tree that contains itself has no end");
    };
    assert_eq!(cycle, ["folder:b#view", "folder:c#view", "folder:b#view"]);
    let chain: RelationshipSet = (0..200_000)
        .map(|n| format!("folder:{n}#parent@folder:{}", n + 1).parse().unwrap())
        .collect();
    let deep = refused(&chain, "folder:0#view", defaults);
    assert!(matches!(deep, EngineError::DepthExceeded { depth_max: 200 }), "{deep}");
    let depth_max = Some(10);
    let shallow = refused(&chain, "folder:0#view", Limits { depth_max, ..defaults });
    assert!(matches!(shallow, EngineError::DepthExceeded { depth_max: 10 }), "{shallow}");
    // With a lower limit it is an error.
    expanded(&schema, &chain, "folder:199950#view", defaults).unwrap();
}

#[test]
fn a_tree_stays_small() {
    let schema = schema(SCHEMA);
    let many: RelationshipSet = (0..100_000)
        .map(|n| format!("document:1#editor@user:{n}").parse().unwrap())
        .chain((0..400).map(|n| format!("folder:a#parent@folder:b{n}").parse().unwrap()))
        .collect();
    let refused = |of: &str, limits| match expanded(&schema, &many, of, limits) {
        Err(EngineError::WorkExceeded { work, limit }) => (work, limit),
        other => panic!("{other:?}"),
    };
    let defaults = Limits::default();
    assert_eq!(refused("document:1#editor", defaults), (WorkKind::Subjects, 100_000));
    let few = Limits { subjects_max: 300, ..defaults };
    assert_eq!(refused("document:1#editor", few), (WorkKind::Subjects, 300));
    assert_eq!(refused("folder:a#view", few), (WorkKind::Subjects, 300));
    let reads = Limits { reads_max: 50, ..defaults };
    assert_eq!(refused("document:1#editor", reads), (WorkKind::Reads, 50));
    let visits = Limits { visits_max: 50, ..defaults };
    assert_eq!(refused("folder:a#view", visits), (WorkKind::Visits, 50));
}

#[test]
fn leaves_agree_with_the_reference() {
    let mut random = Random::new(19);
    let mut compared = 0;
    for _ in 0..400 {
        let specimen = generate::specimen(&mut random, 12);
        let case = specimen.case();
        let schema = compile(&case.schema).unwrap();
        let rules = Rules::from_schema(&schema);
        // Trees have no caveats.
        let plain: RelationshipSet = case
            .relationships
            .iter()
            .map(|stored| Relationship { caveat: None, ..stored.clone() })
            .collect();
        let reference = Reference::new(&rules, &schema, plain.iter(), now());
        let reading = Reading { schema: &schema, relationships: &case.relationships };
        for requested in &case.questions {
            let answer = reference.answer(
                &requested.resource,
                &requested.permission,
                &requested.subject,
                &Context::default(),
            );
            let place = (requested.resource.clone(), requested.permission.clone());
            match reading.is_in(&place, &requested.subject, &mut Vec::new()) {
                Err(error) => {
                    assert!(matches!(error, EngineError::EndlessTree { .. }), "{error}\n\n{case}");
                    // A userset is a member of itself, whatever it contains.
                    let stranger = Subject::new("user", "nobody-names-me", "").unwrap();
                    let (resource, permission) = (&requested.resource, &requested.permission);
                    let answer =
                        reference.answer(resource, permission, &stranger, &Context::default());
                    assert!(answer.cyclic, "`{requested}`: {error}\n\n{case}");
                }
                Ok(_) if answer.cyclic_exclusion => {}
                Ok(is_in) => {
                    assert_eq!(is_in, answer.verdict == Verdict::Member, "`{requested}`\n\n{case}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 2_000, "{compared}");
}

type Place = (ObjectRef, String);

/// A check on the basis of expansions alone.
struct Reading<'a> {
    schema: &'a Schema,
    relationships: &'a RelationshipSet,
}

impl Reading<'_> {
    fn is_in(
        &self,
        place: &Place,
        subject: &Subject,
        path: &mut Vec<Place>,
    ) -> Result<bool, EngineError> {
        if path.contains(place) {
            return Ok(false);
        }
        path.push(place.clone());
        let visible = self.relationships.visible_at(now());
        let expanded = expand_tree(&EvalContext::new(self.schema, &visible), &place.0, &place.1);
        let found = expanded.and_then(|expanded| self.is_in_tree(&expanded.tree, subject, path));
        path.pop();
        found
    }

    fn is_in_tree(
        &self,
        tree: &ExpandTree,
        subject: &Subject,
        path: &mut Vec<Place>,
    ) -> Result<bool, EngineError> {
        if *subject == Subject::Userset(tree.object.clone(), tree.relation.clone()) {
            return Ok(true);
        }
        let mut is_in = |tree: &ExpandTree| self.is_in_tree(tree, subject, path);
        match &tree.kind {
            ExpandTreeKind::Operation(SetOperation::Exclusion, children) => {
                assert_eq!(children.len(), 2);
                Ok(is_in(&children[0])? && !is_in(&children[1])?)
            }
            ExpandTreeKind::Operation(operation, children) => {
                let found: BTreeSet<bool> = children.iter().map(is_in).collect::<Result<_, _>>()?;
                Ok(match operation {
                    SetOperation::Union => found.contains(&true),
                    SetOperation::Intersection | SetOperation::Exclusion => {
                        found.contains(&true) && !found.contains(&false)
                    }
                })
            }
            ExpandTreeKind::Subjects(named) => {
                for named in named {
                    let found = match (named, subject) {
                        (named, subject) if named == subject => true,
                        (Subject::Wildcard(kind), Subject::Object(object)) => {
                            kind == object.object_type()
                        }
                        (Subject::Userset(object, relation), _) => {
                            self.is_in(&(object.clone(), relation.clone()), subject, path)?
                        }
                        _ => false,
                    };
                    if found {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}
