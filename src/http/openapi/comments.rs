//! The comments in the files of the protocol.

use prost_reflect::{
    DescriptorPool, EnumDescriptor, EnumValueDescriptor, FieldDescriptor, MessageDescriptor,
    MethodDescriptor, ServiceDescriptor,
};
use std::collections::HashMap;

/// The comments of all files, by file and place.
#[derive(Debug)]
pub(super) struct Comments(HashMap<(String, Vec<i32>), String>);

impl Comments {
    /// The comments in the files of a pool.
    pub(super) fn of(pool: &DescriptorPool) -> Self {
        let mut comments = HashMap::new();
        for file in pool.files() {
            let source = file.file_descriptor_proto().source_code_info.as_ref();
            for place in source.into_iter().flat_map(|source| &source.location) {
                let text = paragraphs(place.leading_comments());
                if !text.is_empty() {
                    comments.insert((file.name().to_owned(), place.path.clone()), text);
                }
            }
        }
        Self(comments)
    }

    fn at(&self, file: &str, path: &[i32]) -> Option<&str> {
        self.0.get(&(file.to_owned(), path.to_vec())).map(String::as_str)
    }

    /// The comment of a service.
    pub(super) fn of_service(&self, of: &ServiceDescriptor) -> Option<&str> {
        self.at(of.parent_file().name(), of.path())
    }

    /// The comment of a method.
    pub(super) fn of_method(&self, of: &MethodDescriptor) -> Option<&str> {
        self.at(of.parent_service().parent_file().name(), of.path())
    }

    /// The comment of a message.
    pub(super) fn of_message(&self, of: &MessageDescriptor) -> Option<&str> {
        self.at(of.parent_file().name(), of.path())
    }

    /// The comment of a field.
    pub(super) fn of_field(&self, of: &FieldDescriptor) -> Option<&str> {
        self.at(of.parent_message().parent_file().name(), of.path())
    }

    /// The comment of an enum.
    pub(super) fn of_enum(&self, of: &EnumDescriptor) -> Option<&str> {
        self.at(of.parent_file().name(), of.path())
    }

    /// The comment of a value of an enum.
    pub(super) fn of_value(&self, of: &EnumValueDescriptor) -> Option<&str> {
        self.at(of.parent_enum().parent_file().name(), of.path())
    }
}

/// A comment without the breaks within its paragraphs.
fn paragraphs(comment: &str) -> String {
    let lines: Vec<&str> = comment.lines().map(str::trim).collect();
    let paragraphs = lines.split(|line| line.is_empty()).filter(|lines| !lines.is_empty());
    paragraphs.map(|lines| lines.join(" ")).collect::<Vec<_>>().join("\n\n")
}
