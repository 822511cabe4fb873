//! Checks without a server: a schema, a set of relationships in memory, and a question about them.

use kilwa::engine::{CheckQuery, EvalContext, check};
use kilwa::relationship::{Context, RelationshipSet, Timestamp};
use kilwa::schema;
use std::error::Error;
use std::io::{Write as _, stdout};

fn main() -> Result<(), Box<dyn Error>> {
    let schema = schema::compile(
        "definition user {}
         definition document {
           relation owner: user
           relation reader: user
           permission read = reader + owner
         }",
    )
    .map_err(|diagnostics| format!("{diagnostics:?}"))?;
    let mut relationships = RelationshipSet::default();
    relationships.insert("document:plan#owner@user:ann".parse()?);
    // The engine has no clock: the caller says at which time relationships with an expiration are read.
    let now = Timestamp::parse("2026-11-28T12:00:00Z")?;

    for user in ["user:ann", "user:ben"] {
        let query = CheckQuery {
            resource: &"document:plan".parse()?,
            permission: "read",
            subject: &user.parse()?,
            context: &Context::default(),
        };
        let result = check(&EvalContext::new(&schema, &relationships.visible_at(now)), &query)?;
        writeln!(stdout(), "{user}: {:?}", result.permissionship)?;
    }
    Ok(())
}
