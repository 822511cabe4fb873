//! The messages, servers and clients of the wire, generated from the files in `proto/`.

/// The protocol that clients of `SpiceDB` speak.
pub mod authzed {
    /// The API's packages.
    pub mod api {
        /// Version 1.
        #[expect(
            missing_docs,
            clippy::pedantic,
            clippy::as_conversions,
            clippy::large_enum_variant,
            clippy::allow_attributes,
            clippy::allow_attributes_without_reason,
            reason = "generated"
        )]
        pub mod v1 {
            tonic::include_proto!("authzed.api.v1");
        }
    }
}

/// Kilwa's own protocol.
pub mod kilwa {
    /// Version 1.
    #[expect(
        clippy::pedantic,
        clippy::as_conversions,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        reason = "generated"
    )]
    pub mod v1 {
        tonic::include_proto!("kilwa.v1");
    }
}

/// Every file in `proto/` and what they import, as an encoded `google.protobuf.FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb"));
