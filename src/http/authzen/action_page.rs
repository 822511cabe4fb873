//! Pages of action searches. There is no lookup of permissions that continues, so each page lists all of them at the revision of the
//! first one. A page counts the actions of the pages before, so that the mapping must not change in between.

use super::evaluation::newest;
use super::input::InputMistake;
use super::mapping::AuthzenMapping;
use crate::api::text_hash;
use crate::proto::authzed::api::v1::consistency::Requirement;
use crate::proto::authzed::api::v1::{Consistency, ZedToken};
use crate::proto::kilwa::v1::ListPermissionsRequest;
use prost::Message as _;

/// Where a page starts in the list of actions, the arguments of its search, and the mapping that names the actions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ActionPage {
    /// How many actions are on the pages before.
    pub(super) start: usize,
    arguments: u64,
    mapping: u64,
}

impl ActionPage {
    /// The page of a cursor, and the revision to list at: the first page and the newest revision without one.
    pub(super) fn read(
        request: &ListPermissionsRequest,
        cursor: Option<&str>,
        mapping: &AuthzenMapping,
    ) -> Result<(Self, Consistency), InputMistake> {
        let arguments = text_hash(&request.encode_to_vec());
        let mapping = mapping.actions_hash();
        let Some(cursor) = cursor else {
            return Ok((Self { start: 0, arguments, mapping }, newest()));
        };

        let mut parts = cursor.splitn(4, '.');
        let start = parts.next().and_then(|start| start.parse().ok());
        let mut hash = || parts.next().and_then(|of| u64::from_str_radix(of, 16).ok());
        let (of, by) = (hash(), hash());
        let (Some(start), Some(of), Some(by), Some(token)) = (start, of, by, parts.next()) else {
            return Err(foreign_token());
        };
        if of != arguments {
            return Err(foreign_token());
        }
        if by != mapping {
            return Err("`page.token` is of a search before the AuthZEN mapping file was changed: search again without it".to_owned());
        }
        let requirement = Requirement::AtExactSnapshot(ZedToken { token: token.to_owned() });
        Ok((Self { start, arguments, mapping }, Consistency { requirement: Some(requirement) }))
    }

    /// The cursor of the page after this one, which was listed at the revision of a token.
    pub(super) fn next_cursor(&self, start: usize, revision: &ZedToken) -> String {
        format!("{start}.{:x}.{:x}.{}", self.arguments, self.mapping, revision.token)
    }
}

/// What is wrong with a token of another search, or of another server.
pub(super) fn foreign_token() -> InputMistake {
    "`page.token` is none that this search has given".to_owned()
}
