//! Which cases contain cycles.

use crate::reference::Reference;
use crate::reference::case::{Asked, Case, now};
use crate::reference::equations::Pair;
use crate::reference::rules::Rules;
use kilwa::relationship::{Context, ObjectRef, Relationship, Subject};
use kilwa::schema::Schema;
use std::collections::HashMap;

/// The ids that a case may name.
pub(super) const IDS: [&str; 4] = ["a", "b", "c", "d"];

/// Which pairs of an object and a relation or permission lead into a cycle. `SpiceDB` walks past caveats that do not
/// hold, so they count as if they held.
pub(super) struct Circles {
    cyclic: HashMap<(ObjectRef, String), bool>,
}

impl Circles {
    pub(super) fn of(case: &Case, schema: &Schema) -> Self {
        let bare = |stored: &Relationship| Relationship { caveat: None, ..stored.clone() };
        let bare: Vec<Relationship> = case.relationships.iter().map(bare).collect();
        let rules = Rules::from_schema(schema);
        let reference = Reference::new(&rules, schema, bare.iter(), now());
        let mut pairs = Vec::new();
        for node in schema.nodes() {
            let object_type = &schema.definition(node.definition).name;
            for id in IDS {
                let object = ObjectRef::new(object_type.clone(), id).unwrap();
                pairs.push(Pair { object, node: node.name.clone() });
            }
        }
        let nobody = Subject::Object(ObjectRef::new("user", "nobody").unwrap());
        let solution = reference.solve(pairs.clone(), &nobody, &Context::default());
        let cyclic = pairs.into_iter().map(|pair| {
            let cyclic = solution.answer(&pair).cyclic;
            ((pair.object, pair.node), cyclic)
        });
        Self { cyclic: cyclic.collect() }
    }

    /// Whether a check depends on one. Names that the case does not know might.
    pub(super) fn below(&self, requested: &Asked) -> bool {
        let pair = (requested.resource.clone(), requested.permission.clone());
        self.cyclic.get(&pair).copied().unwrap_or(true)
    }

    /// Whether there is any, which a walk from a subject up may meet.
    pub(super) fn are_anywhere(&self) -> bool {
        self.cyclic.values().any(|cyclic| *cyclic)
    }
}
