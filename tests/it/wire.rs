//! The descriptors of the wire are those of the published protocol.

use crate::outside::published_protocol;
use kilwa::proto::FILE_DESCRIPTOR_SET;
use prost::Message as _;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorSet, MethodDescriptorProto,
    ServiceDescriptorProto,
};
use std::collections::BTreeSet;

/// The file that defines the options of routes over HTTP.
const ROUTE_OPTIONS: &str = "google/api/annotations.proto";

#[test]
fn the_protocol_is_the_published_one() {
    let Some(published) = published_protocol() else { return };
    assert_eq!(facts(FILE_DESCRIPTOR_SET), facts(&published));
}

#[test]
fn every_part_of_the_protocol_has_a_comment() {
    let ours = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    for file in ours.file.iter().filter(|file| is_ours(file.package())) {
        let commented: BTreeSet<_> = file
            .source_code_info
            .iter()
            .flat_map(|info| &info.location)
            .filter(|location| location.leading_comments.is_some())
            .map(|location| location.path.clone())
            .collect();
        for (number, count) in
            [(4, file.message_type.len()), (5, file.enum_type.len()), (6, file.service.len())]
        {
            for index in 0..i32::try_from(count).unwrap() {
                assert!(
                    commented.contains(&vec![number, index]),
                    "{} {number} {index}",
                    file.name()
                );
            }
        }
    }
}

fn is_ours(package: &str) -> bool {
    package.starts_with("authzed.") || package.starts_with("kilwa.")
}

/// One line for each fact about the messages, enums and services of `authzed.api.v1`.
fn facts(descriptors: &[u8]) -> BTreeSet<String> {
    let mut facts = BTreeSet::new();
    for file in FileDescriptorSet::decode(descriptors).unwrap().file {
        if file.package() != "authzed.api.v1" {
            continue;
        }
        let name = file.name().to_owned();
        // The published descriptors come without options, and so without the import of those that name the routes over HTTP.
        let imports: Vec<_> =
            file.dependency.iter().filter(|name| *name != ROUTE_OPTIONS).collect();
        facts.insert(format!("file {name} {} {imports:?}", file.syntax()));
        file.message_type.iter().for_each(|message| add_message(&mut facts, &name, message));
        file.enum_type.iter().for_each(|values| add_enum(&mut facts, &name, values));
        file.service.iter().for_each(|service| add_service(&mut facts, &name, service));
    }
    facts
}

fn add_message(facts: &mut BTreeSet<String>, scope: &str, message: &DescriptorProto) {
    let name = format!("{scope} {}", message.name());
    let oneofs: Vec<_> =
        message.oneof_decl.iter().map(prost_types::OneofDescriptorProto::name).collect();
    facts.insert(format!("message {name} {oneofs:?}"));
    for field in &message.field {
        facts.insert(format!(
            "field {name} {} {} {:?} {:?} {:?} {:?} {}",
            field.name(),
            field.number(),
            field.r#type(),
            field.type_name,
            field.label(),
            field.oneof_index,
            field.proto3_optional(),
        ));
    }
    message.nested_type.iter().for_each(|nested| add_message(facts, &name, nested));
    message.enum_type.iter().for_each(|values| add_enum(facts, &name, values));
}

fn add_enum(facts: &mut BTreeSet<String>, scope: &str, values: &EnumDescriptorProto) {
    for value in &values.value {
        let (name, number) = (value.name(), value.number());
        facts.insert(format!("enum {scope} {} {name} {number}", values.name()));
    }
}

fn add_service(facts: &mut BTreeSet<String>, scope: &str, service: &ServiceDescriptorProto) {
    for method in &service.method {
        let MethodDescriptorProto { input_type, output_type, .. } = method;
        facts.insert(format!(
            "rpc {scope} {} {} {input_type:?} {output_type:?} {} {}",
            service.name(),
            method.name(),
            method.client_streaming(),
            method.server_streaming(),
        ));
    }
}
