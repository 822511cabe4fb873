//! Checks without a server: a schema, a set of relationships in memory, and checks over them.

use kilwa::engine::{CheckQuery, Engine};
use kilwa::relationship::{RelationshipSet, Timestamp};
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
    )?;
    let mut relationships = RelationshipSet::default();
    relationships.insert("document:plan#owner@user:ann".parse()?);
    let engine = Engine::new(schema, relationships);

    // The engine has no clock: the caller passes the time that decides which relationships have expired.
    let now = Timestamp::parse("2026-11-28T12:00:00Z")?;
    let plan = "document:plan".parse()?;
    for user in ["user:ann", "user:ben"] {
        let result = engine.check(&CheckQuery::new(&plan, "read", &user.parse()?), now)?;
        writeln!(stdout(), "{user}: {:?}", result.permissionship)?;
    }
    Ok(())
}
