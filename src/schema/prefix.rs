//! Schemas under a prefix, so that several can live in one store.

use crate::schema::compile::compile;
use crate::schema::join::without_imports;
use crate::schema::parse::ast::{MemberSyntax, Name};
use crate::schema::schema::Schema;
use std::collections::BTreeSet;

/// The text of a schema whose definitions and caveats stand under a prefix: `user` becomes `shop/user`. Names that have a
/// prefix keep it. The text is not changed otherwise; what it imports is written into it.
pub fn prefixed(schema: &Schema, prefix: &str) -> String {
    if schema.syntax.files.len() > 1
        && let Ok(whole) = compile(&without_imports(schema))
    {
        return prefixed(&whole, prefix);
    }
    let mut text = schema.source().to_owned();
    let offsets: BTreeSet<usize> =
        names(schema).filter(|name| !name.text.contains('/')).map(|name| name.span.start).collect();
    for offset in offsets.into_iter().rev() {
        text.insert_str(offset, &format!("{prefix}/"));
    }
    text
}

/// Wherever a definition or a caveat is named.
fn names(schema: &Schema) -> impl Iterator<Item = &Name> {
    let syntax = &schema.syntax;
    let relations = syntax.members.iter().filter_map(|member| match member {
        MemberSyntax::Relation(relation) => Some(relation),
        MemberSyntax::Permission(_) | MemberSyntax::PartialReference(_) => None,
    });
    let allowed = relations
        .flat_map(|relation| &relation.allowed)
        .flat_map(|allowed| std::iter::once(&allowed.definition).chain(&allowed.caveat));
    let caveats = syntax.caveats.iter().map(|caveat| &caveat.name);
    syntax.definitions.iter().chain(caveats).chain(allowed)
}
