//! The messages, servers and clients of the wire, generated from the files in `proto/`.

use prost_reflect::{DescriptorError, DescriptorPool};

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

/// Errors of fields, in the form of protovalidate.
pub mod buf {
    /// Its messages.
    #[expect(missing_docs, reason = "generated")]
    pub mod validate {
        tonic::include_proto!("buf.validate");
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

/// What Envoy asks an authorization service.
#[expect(
    clippy::pedantic,
    clippy::as_conversions,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
pub mod envoy {
    /// Configuration.
    pub mod config {
        /// Common messages.
        pub mod core {
            /// Version 3.
            pub mod v3 {
                tonic::include_proto!("envoy.config.core.v3");
            }
        }
    }

    /// Services.
    pub mod service {
        /// Authorization.
        pub mod auth {
            /// Version 3.
            pub mod v3 {
                tonic::include_proto!("envoy.service.auth.v3");
            }
        }
    }

    /// Types.
    pub mod r#type {
        /// Version 3.
        pub mod v3 {
            tonic::include_proto!("envoy.r#type.v3");
        }
    }
}

/// Every file in `proto/`, but for those of Envoy, and what they import, as an encoded `google.protobuf.FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb"));

/// The files in `proto/envoy` and what they import, in the same form.
pub const ENVOY_FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/envoy.binpb"));

/// The descriptors of all that is served, those of Envoy too.
pub(crate) fn served_descriptors() -> Result<DescriptorPool, DescriptorError> {
    let mut pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET)?;
    pool.decode_file_descriptor_set(ENVOY_FILE_DESCRIPTOR_SET)?;
    Ok(pool)
}
