//! Whether the roles of the key limit it to a part of the data.

use super::call_error::{CallError, concerns_roles};
use super::connection::Connection;
use crate::proto::authzed::api::v1 as wire;
use crate::proto::encode;
use crate::relationship::RelationshipFilter;
use tonic::Status;
use tonic::metadata::MetadataMap;

/// Metadata of a response that the caller's roles limit to a part of the data.
const PART_OF_DATA: &str = "kilwa-part-of-data";

impl Connection {
    /// Whether an export has all relationships, and not only those that the roles of the caller include.
    pub fn exports_everything(&self) -> Result<bool, CallError> {
        self.begun_export().map_err(|status| self.error(&status))
    }

    /// Whether a read with a filter has all relationships, and not only those that the roles of the caller include.
    pub fn reads_everything(&self, filter: &RelationshipFilter) -> Result<bool, CallError> {
        let request = wire::ReadRelationshipsRequest {
            relationship_filter: Some(encode::filter(filter)),
            optional_limit: 1,
            ..Default::default()
        };
        let response = self.block_on(self.permissions().read_relationships(request));
        let response = response.map_err(|status| self.error(&status))?;
        Ok(is_whole(response.metadata()))
    }

    /// Whether roles keep the key from exporting some relationships, or all of them.
    pub fn has_limited_exports(&self) -> Result<bool, CallError> {
        match self.begun_export() {
            Ok(is_whole) => Ok(!is_whole),
            Err(status) if concerns_roles(&status) => Ok(true),
            Err(status) => Err(self.error(&status)),
        }
    }

    /// Begins an export, and says whether it would have all relationships.
    fn begun_export(&self) -> Result<bool, Status> {
        let request =
            wire::ExportBulkRelationshipsRequest { optional_limit: 1, ..Default::default() };
        let response = self.block_on(self.permissions().export_bulk_relationships(request))?;
        Ok(is_whole(response.metadata()))
    }
}

fn is_whole(metadata: &MetadataMap) -> bool {
    !metadata.contains_key(PART_OF_DATA)
}
