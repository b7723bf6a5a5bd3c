//! Converts tables to messages and compares them, with the descriptors of the shop.
//!
//! A table has two columns, the field and its value. A repeated field has one row for each of its elements; an element
//! that is a message (or an entry of a map) is written as `field: value, field: value`. Bytes are written as a UUID, enum
//! values by name, and a time as `now`.

use std::{
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail, ensure};
use cucumber::gherkin::Step;
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    ReflectMessage, Value,
};
use prost_types::Any;
use uuid::Uuid;

const TIMESTAMP: &str = "google.protobuf.Timestamp";
const NOW: &str = "now";
/// The accepted difference of clocks.
const NOW_SECONDS: i64 = 60;

/// Builds the message that a step describes.
///
/// # Errors
/// The table does not describe such a message.
pub fn build(name: &str, step: &Step) -> anyhow::Result<Any> {
    let message = parse(&find(name)?, step)?;
    Ok(Any {
        type_url: format!("type.googleapis.com/{}", message.descriptor().full_name()),
        value: message.encode_to_vec(),
    })
}

/// Fails if a message is not the one that a step describes; fields without a row have to be unset.
///
/// # Errors
/// The differences.
pub fn check(any: &Any, name: &str, step: &Step) -> anyhow::Result<()> {
    let descriptor = find(name)?;
    let actual = shop_contract::type_name(any);
    ensure!(
        actual == descriptor.full_name(),
        "it is {actual}, not {name}"
    );
    let mut actual = DynamicMessage::decode(descriptor.clone(), any.value.as_slice())?;
    let expected = parse(&descriptor, step)?.encode_to_vec();
    // A written zero equals an unset one only after encoding.
    let mut expected = DynamicMessage::decode(descriptor.clone(), expected.as_slice())?;
    for field in descriptor.fields().filter(is_time) {
        if expected.has_field(&field) && is_now(&actual, &field) {
            expected.clear_field(&field);
            actual.clear_field(&field);
        }
    }
    ensure!(actual == expected, "it is\n  {actual}\nnot\n  {expected}");
    Ok(())
}

/// The one message of the shop with this name, whatever its package.
fn find(name: &str) -> anyhow::Result<MessageDescriptor> {
    let mut found = pool()?
        .all_messages()
        .filter(|message| message.package_name().starts_with("shop.") && message.name() == name);
    let first = found
        .next()
        .with_context(|| format!("there is no message {name}"))?;
    ensure!(found.next().is_none(), "there are several messages {name}");
    Ok(first)
}

fn pool() -> anyhow::Result<&'static DescriptorPool> {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    if let Some(pool) = POOL.get() {
        return Ok(pool);
    }
    let pool = DescriptorPool::decode(shop_contract::FILE_DESCRIPTOR_SET)?;
    Ok(POOL.get_or_init(|| pool))
}

fn parse(descriptor: &MessageDescriptor, step: &Step) -> anyhow::Result<DynamicMessage> {
    let mut message = DynamicMessage::new(descriptor.clone());
    for row in step.table.iter().flat_map(|table| &table.rows) {
        let [field, value] = row.as_slice() else {
            bail!("a row has a field and a value, not {row:?}");
        };
        set(&mut message, field, value)?;
    }
    Ok(message)
}

fn set(message: &mut DynamicMessage, name: &str, text: &str) -> anyhow::Result<()> {
    let field = message
        .descriptor()
        .get_field_by_name(name)
        .with_context(|| format!("{} has no field {name}", message.descriptor().name()))?;
    let value = parse_value(&field, text).with_context(|| format!("{name} = {text:?}"))?;
    if field.is_map() {
        insert(message.get_field_mut(&field), &value)?;
    } else if let Value::List(list) = message.get_field_mut(&field) {
        list.push(value);
    } else {
        message.set_field(&field, value);
    }
    Ok(())
}

fn insert(map: &mut Value, entry: &Value) -> anyhow::Result<()> {
    let entry = entry
        .as_message()
        .context("an entry has a key and a value")?;
    let field = |name| entry.get_field_by_name(name).context("it is not an entry");
    let key = field("key")?.as_str().map(str::to_owned);
    let value = field("value")?.into_owned();
    let map = map.as_map_mut().context("it is not a map")?;
    map.insert(MapKey::String(key.context("a key is text")?), value);
    Ok(())
}

fn parse_value(field: &FieldDescriptor, text: &str) -> anyhow::Result<Value> {
    Ok(match field.kind() {
        Kind::String => Value::String(text.to_owned()),
        Kind::Int32 => Value::I32(text.parse()?),
        Kind::Bool => Value::Bool(text.parse()?),
        Kind::Bytes => Value::Bytes(parse_bytes(text)?.into()),
        Kind::Enum(words) => Value::EnumNumber(
            words
                .get_value_by_name(text)
                .context("unknown enum value")?
                .number(),
        ),
        Kind::Message(time) if time.full_name() == TIMESTAMP => Value::Message(now(time, text)?),
        Kind::Message(inner) => Value::Message(parse_inner(inner, text)?),
        other => bail!("values of {other:?} cannot be written"),
    })
}

/// A UUID, or any bytes in hexadecimal digits, to write an invalid one.
fn parse_bytes(text: &str) -> anyhow::Result<Vec<u8>> {
    if let Ok(id) = Uuid::parse_str(text) {
        return Ok(id.into_bytes().to_vec());
    }
    (0..text.len())
        .step_by(2)
        .map(|at| {
            let digits = text.get(at..at + 2).context("digits come in pairs")?;
            Ok(u8::from_str_radix(digits, 16)?)
        })
        .collect()
}

fn parse_inner(descriptor: MessageDescriptor, text: &str) -> anyhow::Result<DynamicMessage> {
    let mut message = DynamicMessage::new(descriptor);
    for part in text.split(", ") {
        let (field, value) = part.split_once(": ").context("write `field: value`")?;
        set(&mut message, field, value)?;
    }
    Ok(message)
}

fn now(descriptor: MessageDescriptor, text: &str) -> anyhow::Result<DynamicMessage> {
    ensure!(text == NOW, "a time is written as {NOW}");
    let mut message = DynamicMessage::new(descriptor);
    message.try_set_field_by_name("seconds", Value::I64(seconds()))?;
    Ok(message)
}

fn is_time(field: &FieldDescriptor) -> bool {
    matches!(field.kind(), Kind::Message(message) if message.full_name() == TIMESTAMP)
}

fn is_now(message: &DynamicMessage, field: &FieldDescriptor) -> bool {
    let value = message.get_field(field);
    let seconds_field = value
        .as_message()
        .and_then(|time| time.get_field_by_name("seconds"));
    let found = seconds_field.and_then(|value| value.as_i64());
    found.is_some_and(|found| (found - seconds()).abs() <= NOW_SECONDS)
}

fn seconds() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
