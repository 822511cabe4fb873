//! Partials: members written once, for several definitions.

use crate::relationship::nearest;
use crate::schema::diagnostics::fault::{Faults, SchemaFault, listed};
use crate::schema::parse::ast::{DefinitionSyntax, MemberSyntax, Name};
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};

/// How many statements all definitions may take from partials together. Partials are the one way by which a small text
/// could make a huge schema.
const STATEMENTS_MAX: usize = 200_000;

/// The partials of a schema, by name.
pub(super) struct Partials<'p> {
    by_name: &'p BTreeMap<String, DefinitionSyntax>,
    /// Those that are in a cycle or lead into one.
    circular: HashSet<&'p str>,
    /// How many statements definitions took so far.
    taken: Cell<usize>,
}

impl<'p> Partials<'p> {
    /// Checks that partials do not include one another in a cycle.
    pub(super) fn new(
        partials: &'p BTreeMap<String, DefinitionSyntax>,
        faults: &mut Faults,
    ) -> Self {
        let circular = circular(partials);
        let mut names: Vec<&Name> =
            circular.iter().filter_map(|name| partials.get(*name)).map(|p| &p.name).collect();
        names.sort_by_key(|name| name.span);
        if let Some(first) = names.first() {
            let list: Vec<&str> = names.iter().map(|name| name.text.as_str()).collect();
            let message = format!(
                "could not resolve partials: [{}]. this may indicate a circular reference",
                listed(&list)
            );
            faults.push(SchemaFault::parse("circular-partials", first.span, message));
        }
        let circular = circular.into_iter().collect();
        let this = Self { by_name: partials, circular, taken: Cell::new(0) };
        this.check_references(faults);
        this
    }

    /// The references inside of partials; those of definitions are checked when they are expanded.
    fn check_references(&self, faults: &mut Faults) {
        let mut partials: Vec<&DefinitionSyntax> = self.by_name.values().collect();
        partials.sort_by_key(|partial| partial.name.span);
        for name in partials.into_iter().flat_map(references) {
            if !self.by_name.contains_key(&name.text) {
                faults.push(self.unknown(name));
            }
        }
    }

    fn unknown(&self, name: &Name) -> SchemaFault {
        let message = format!("could not find partial reference with name {}", name.text);
        let mut candidates: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
        candidates.sort_unstable();
        let fault = SchemaFault::parse("unknown-partial", name.span, message).missing(&name.text);
        match nearest(&name.text, candidates) {
            Some(near) => fault.help(format!("did you mean `...{near}`?")),
            None => fault,
        }
    }

    /// The relations and permissions of a definition, with references replaced by the members of the partial.
    pub(super) fn expand(
        &self,
        definition: &DefinitionSyntax,
        faults: &mut Faults,
    ) -> Vec<MemberSyntax> {
        let mut members = Vec::new();
        let mut open = vec![definition.members.iter()];

        while let Some(level) = open.last_mut() {
            let Some(member) = level.next() else {
                open.pop();
                continue;
            };
            if open.len() > 1 && !self.count_statement(&definition.name, faults) {
                break;
            }
            let MemberSyntax::PartialReference(name) = member else {
                members.push(member.clone());
                continue;
            };
            match self.by_name.get(&name.text) {
                Some(_) if self.circular.contains(name.text.as_str()) => {}
                Some(partial) => open.push(partial.members.iter()),
                None if open.len() == 1 => faults.push(self.unknown(name)),
                // Reported where the partial itself is looked at.
                None => {}
            }
        }

        members
    }

    /// Counts one more statement from a partial; `false` when there are too many.
    fn count_statement(&self, definition: &Name, faults: &mut Faults) -> bool {
        let taken = self.taken.get() + 1;
        self.taken.set(taken);
        if taken == STATEMENTS_MAX + 1 {
            let message =
                format!("partials bring more than {STATEMENTS_MAX} statements into the schema");
            faults.push(SchemaFault::parse("partials-too-large", definition.span, message));
        }
        taken <= STATEMENTS_MAX
    }
}

fn references(partial: &DefinitionSyntax) -> impl Iterator<Item = &Name> {
    partial.members.iter().filter_map(|member| match member {
        MemberSyntax::PartialReference(name) => Some(name),
        MemberSyntax::Relation(_) | MemberSyntax::Permission(_) => None,
    })
}

/// The partials that cannot be resolved because they lead into a cycle: the rest, after those without unresolved
/// references were removed repeatedly (Kahn's algorithm).
fn circular(partials: &BTreeMap<String, DefinitionSyntax>) -> Vec<&str> {
    let mut waiting: BTreeMap<&str, usize> = BTreeMap::new();
    let mut users: HashMap<&str, Vec<&str>> = HashMap::new();
    for (name, partial) in partials {
        waiting.insert(name, 0);
        for used in references(partial).filter(|used| partials.contains_key(&used.text)) {
            *waiting.entry(name).or_default() += 1;
            users.entry(&used.text).or_default().push(name);
        }
    }

    let mut ready: Vec<&str> =
        waiting.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    while let Some(name) = ready.pop() {
        waiting.remove(name);
        for user in users.get(name).into_iter().flatten() {
            let Some(count) = waiting.get_mut(user) else { continue };
            *count -= 1;
            if *count == 0 {
                ready.push(user);
            }
        }
    }
    waiting.into_keys().collect()
}
