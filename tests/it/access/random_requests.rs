//! Random requests of any method, made from the descriptors of their messages.

use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

/// Random numbers that a seed determines.
#[derive(Clone, Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// What the texts of requests are taken from.
#[derive(Clone, Debug)]
pub(super) struct Words {
    pub(super) ids: Vec<String>,
    pub(super) prefixes: Vec<String>,
    /// Tokens and cursors that answers had.
    pub(super) tokens: Vec<String>,
    pub(super) schema: String,
}

/// A random message, encoded.
pub(super) fn message(dice: &mut Dice, words: &Words, descriptor: &MessageDescriptor) -> Vec<u8> {
    fill(dice, words, descriptor, 0).encode_to_vec()
}

fn fill(
    dice: &mut Dice,
    words: &Words,
    descriptor: &MessageDescriptor,
    depth: usize,
) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        if !is_filled(dice, &field) {
            continue;
        }
        if field.is_list() {
            let count = 1 + dice.below(3);
            let list = (0..count).filter_map(|_| value(dice, words, &field, depth)).collect();
            message.set_field(&field, Value::List(list));
        } else if !field.is_map()
            && let Some(value) = value(dice, words, &field, depth)
        {
            message.set_field(&field, value);
        }
    }
    message
}

/// Most of what a request needs is there most of the time.
fn is_filled(dice: &mut Dice, field: &FieldDescriptor) -> bool {
    if field.containing_oneof().is_some() {
        return dice.below(3) == 0;
    }
    if field.name().starts_with("optional_") || field.name() == "consistency" {
        return dice.below(4) == 0;
    }
    dice.below(20) != 0
}

fn value(dice: &mut Dice, words: &Words, field: &FieldDescriptor, depth: usize) -> Option<Value> {
    let text = |text: &str| Value::String(text.to_owned());
    Some(match field.kind() {
        Kind::String => Value::String(string(dice, words, field)),
        Kind::Bool => Value::Bool(dice.below(3) == 0),
        Kind::Uint32 => Value::U32(u32::try_from(dice.below(4)).unwrap()),
        Kind::Enum(kind) => {
            let values: Vec<i32> = kind.values().map(|value| value.number()).collect();
            Value::EnumNumber(dice.pick(&values))
        }
        Kind::Message(kind) => match kind.full_name() {
            "google.protobuf.Struct" | "google.protobuf.Timestamp" => return None,
            _ if depth > 5 => return None,
            "authzed.api.v1.ObjectReference" => {
                let mut object = DynamicMessage::new(kind.clone());
                let types = ["document", "document", "group", "user"];
                object.set_field_by_name("object_type", text(dice.pick(&types)));
                object.set_field_by_name("object_id", Value::String(dice.pick(&words.ids)));
                Value::Message(object)
            }
            "authzed.api.v1.SubjectReference" => {
                let mut subject = DynamicMessage::new(kind.clone());
                let object = kind.get_field_by_name("object").unwrap();
                let Kind::Message(object) = object.kind() else { panic!("{kind:?}") };
                let mut user = DynamicMessage::new(object);
                let (name, relation) =
                    dice.pick(&[("user", ""), ("user", ""), ("group", "member")]);
                user.set_field_by_name("object_type", text(name));
                user.set_field_by_name("object_id", Value::String(dice.pick(&words.ids)));
                subject.set_field_by_name("object", Value::Message(user));
                subject.set_field_by_name("optional_relation", text(relation));
                Value::Message(subject)
            }
            _ => Value::Message(fill(dice, words, &kind, depth + 1)),
        },
        Kind::Bytes => Value::Bytes(dice.pick(&words.ids).into_bytes().into()),
        Kind::Double
        | Kind::Float
        | Kind::Int32
        | Kind::Int64
        | Kind::Uint64
        | Kind::Sint32
        | Kind::Sint64
        | Kind::Fixed32
        | Kind::Fixed64
        | Kind::Sfixed32
        | Kind::Sfixed64 => panic!("no request has had such a field: {field:?}"),
    })
}

fn string(dice: &mut Dice, words: &Words, field: &FieldDescriptor) -> String {
    let name = field.name();
    let of = |dice: &mut Dice, words: &[&str]| dice.pick(words).to_owned();
    if name.contains("prefix") {
        dice.pick(&words.prefixes)
    } else if name == "token" {
        dice.pick(&words.tokens)
    } else if name.contains("_id") {
        dice.pick(&words.ids)
    } else if name.contains("subject_type") || name.contains("subject_object_type") {
        of(dice, &["user", "user", "group"])
    } else if name.contains("type") || name.contains("definition") {
        of(dice, &["document", "document", "group", "user"])
    } else if name.contains("relation") || name.contains("permission") {
        of(dice, &["viewer", "view", "read", "odd", "member", "parent", "banned"])
    } else if name.contains("schema") {
        words.schema.clone()
    } else if name == "assertions_yaml" {
        let document = dice.pick(&words.ids);
        format!("assertions:\n  assertTrue:\n    - document:{document}#view@user:{document}\n")
    } else if name == "name" {
        "secrets".to_owned()
    } else {
        String::new()
    }
}
