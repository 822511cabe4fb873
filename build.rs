//! Compiles the messages and services in `proto/`, without protoc.

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

const FILES: &[&str] = &[
    "authzed/api/v1/error_reason.proto",
    "authzed/api/v1/experimental_service.proto",
    "authzed/api/v1/permission_service.proto",
    "authzed/api/v1/schema_service.proto",
    "authzed/api/v1/watch_service.proto",
    "buf/validate/validate.proto",
    "google/rpc/error_details.proto",
    "kilwa/v1/lookup_service.proto",
    "kilwa/v1/permissions_service.proto",
    "kilwa/v1/relationships_service.proto",
    "kilwa/v1/validation.proto",
    "kilwa/v1/watch_service.proto",
];

/// What Envoy asks. Apart, because reflection shows it only where it is served.
const ENVOY_FILES: &[&str] = &["envoy/service/auth/v3/external_auth.proto"];

/// Messages of deprecated calls, and the stable ones that are the same on the wire: one type serves both.
const TWINS: [(&str, &str); 24] = [
    ("BulkCheckPermissionPair", "CheckBulkPermissionsPair"),
    ("BulkCheckPermissionRequest", "CheckBulkPermissionsRequest"),
    ("BulkCheckPermissionRequestItem", "CheckBulkPermissionsRequestItem"),
    ("BulkCheckPermissionResponse", "CheckBulkPermissionsResponse"),
    ("BulkCheckPermissionResponseItem", "CheckBulkPermissionsResponseItem"),
    ("ExpCaveat", "ReflectionCaveat"),
    ("ExpCaveatParameter", "ReflectionCaveatParameter"),
    ("ExpCaveatParameterTypeChange", "ReflectionCaveatParameterTypeChange"),
    ("ExpDefinition", "ReflectionDefinition"),
    ("ExpPermission", "ReflectionPermission"),
    ("ExpRelation", "ReflectionRelation"),
    ("ExpRelationReference", "ReflectionRelationReference"),
    ("ExpRelationSubjectTypeChange", "ReflectionRelationSubjectTypeChange"),
    ("ExpSchemaDiff", "ReflectionSchemaDiff"),
    ("ExpSchemaFilter", "ReflectionSchemaFilter"),
    ("ExpTypeReference", "ReflectionTypeReference"),
    ("ExperimentalComputablePermissionsRequest", "ComputablePermissionsRequest"),
    ("ExperimentalComputablePermissionsResponse", "ComputablePermissionsResponse"),
    ("ExperimentalDependentRelationsRequest", "DependentRelationsRequest"),
    ("ExperimentalDependentRelationsResponse", "DependentRelationsResponse"),
    ("ExperimentalDiffSchemaRequest", "DiffSchemaRequest"),
    ("ExperimentalDiffSchemaResponse", "DiffSchemaResponse"),
    ("ExperimentalReflectSchemaRequest", "ReflectSchemaRequest"),
    ("ExperimentalReflectSchemaResponse", "ReflectSchemaResponse"),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    for (name, files) in [("descriptors.binpb", FILES), ("envoy.binpb", ENVOY_FILES)] {
        // Encoded by the compiler, because the structs of prost drop the options that give methods their routes.
        fs::write(out_dir.join(name), compiled(files)?.encode_file_descriptor_set())?;
    }
    let files = compiled(&[FILES, ENVOY_FILES].concat())?.file_descriptor_set();
    let mut configuration = tonic_prost_build::configure();
    for (deprecated, stable) in TWINS {
        let message = format!(".authzed.api.v1.{deprecated}");
        let rust_type = format!("crate::proto::authzed::api::v1::{stable}");
        configuration = configuration.extern_path(message, rust_type);
    }
    let mut messages = tonic_prost_build::Config::new();
    // The codec asks a message for its name.
    messages.enable_type_names();
    configuration
        .codec_path("crate::proto::codec::Codec")
        .extern_path(".google.rpc.Status", "::tonic_types::Status")
        .compile_fds_with_config(files, messages)?;
    Ok(())
}

fn compiled(files: &[&str]) -> Result<protox::Compiler, protox::Error> {
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(files)?;
    Ok(compiler)
}
