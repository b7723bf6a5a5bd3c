//! Compares the compiled contract with what it promises to keep.

use std::collections::BTreeSet;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};

use angzarr_proto::FILE_DESCRIPTOR_SET;

/// Fields whose name, number, type and oneof never change: `message number name type`.
const FIXED_FIELDS: &str = "
    UUID 1 value bytes
    Cover 1 root UUID
    Cover 2 domain string
    Cover 3 correlation_id string
    EventPage 1 num uint32 in sequence
    EventPage 2 force bool in sequence
    EventPage 3 created_at google.protobuf.Timestamp
    EventPage 4 event google.protobuf.Any
    Snapshot 2 sequence uint32
    Snapshot 3 state google.protobuf.Any
    EventBook 1 cover Cover
    EventBook 2 snapshot Snapshot
    EventBook 3 pages repeated EventPage
    EventBook 5 snapshot_state google.protobuf.Any
    CommandPage 1 sequence uint32
    CommandPage 3 command google.protobuf.Any
    CommandBook 1 cover Cover
    CommandBook 2 pages repeated CommandPage
    CommandBook 4 saga_origin SagaCommandOrigin
    ContextualCommand 1 events EventBook
    ContextualCommand 2 command CommandBook
    CommandResponse 1 events EventBook
    CommandResponse 2 projections repeated Projection
    Projection 1 cover Cover
    Projection 2 projector string
    Projection 3 sequence uint32
    Projection 4 projection google.protobuf.Any
    SagaResponse 1 commands repeated CommandBook
    SyncCommandBook 1 command CommandBook
    SyncCommandBook 2 sync_mode SyncMode
    Query 1 cover Cover
    Query 3 range SequenceRange in selection
    Query 4 sequences SequenceSet in selection
    Query 5 temporal TemporalQuery in selection
    SequenceRange 1 lower uint32
    SequenceRange 2 upper optional uint32
    SequenceSet 1 values repeated uint32
    TemporalQuery 1 as_of_time google.protobuf.Timestamp in point
    TemporalQuery 2 as_of_sequence uint32 in point
    AggregateRoot 1 domain string
    AggregateRoot 2 root UUID
";

/// Fields added to the messages above, and the messages that clients and stored data depend on.
const ADDED_FIELDS: &str = "
    Cover 4 edition optional string
    EventPage 5 external_id string
    EventPage 6 position uint64
    Snapshot 4 created_at google.protobuf.Timestamp
    Snapshot 5 version uint32
    EventBook 6 next_sequence uint32
    CommandPage 4 merge_strategy MergeStrategy
    CommandBook 6 command_id string
    SagaCommandOrigin 1 saga_name string
    SagaCommandOrigin 2 triggering_aggregate Cover
    SagaCommandOrigin 3 triggering_event_sequence uint32
    SagaCommandOrigin 4 command_index uint32
    CommandResponse 3 reaction_errors repeated ReactionError
    CommandResponse 4 receipt Receipt
    SagaResponse 2 events repeated EventBook
    SyncCommandBook 3 cascade_error_mode CascadeErrorMode
    AggregateRoot 3 next_sequence uint32
    SequenceConflict 1 domain string
    SequenceConflict 2 root UUID
    SequenceConflict 3 expected uint32
    SequenceConflict 4 actual uint32
";

/// Every rpc with its shapes: `service.rpc request > reply`.
const RPCS: &str = "
    BusinessLogic.Handle ContextualCommand > EventBook
    BusinessLogic.HandleStream stream HandleStreamRequest > stream HandleStreamResponse
    BusinessLogic.Replay ReplayRequest > ReplayResponse
    Projector.Handle EventBook > google.protobuf.Empty
    Projector.HandleSync EventBook > Projection
    Saga.Handle EventBook > google.protobuf.Empty
    Saga.HandleSync EventBook > SagaResponse
    ProcessManager.Handle ProcessManagerHandleRequest > ProcessManagerHandleResponse
    Upcaster.Upcast UpcastRequest > UpcastResponse
    BusinessCoordinator.Handle CommandBook > CommandResponse
    BusinessCoordinator.HandleSync SyncCommandBook > CommandResponse
    BusinessCoordinator.Record EventBook > CommandResponse
    BusinessCoordinator.DryRun DryRunRequest > CommandResponse
    ProjectorCoordinator.Handle EventBook > google.protobuf.Empty
    ProjectorCoordinator.HandleSync EventBook > Projection
    SagaCoordinator.Handle EventBook > google.protobuf.Empty
    SagaCoordinator.HandleSync EventBook > SagaResponse
    CommandGateway.Execute CommandBook > CommandResponse
    CommandGateway.ExecuteSync SyncCommandBook > CommandResponse
    CommandGateway.ExecuteStream CommandBook > stream EventBook
    CommandGateway.ExecuteStreamResponseCount ExecuteStreamCountRequest > stream EventBook
    CommandGateway.ExecuteStreamResponseTime ExecuteStreamTimeRequest > stream EventBook
    EventQuery.GetEventBook Query > EventBook
    EventQuery.GetEvents Query > stream EventBook
    EventQuery.Synchronize stream Query > stream EventBook
    EventQuery.GetAggregateRoots google.protobuf.Empty > stream AggregateRoot
    Delivery.Subscribe stream angzarr.internal.v1.SubscribeRequest > stream angzarr.internal.v1.Delivered
    Delivery.FetchAppends angzarr.internal.v1.FetchAppendsRequest > stream angzarr.internal.v1.AppendRecord
    Delivery.Head angzarr.internal.v1.HeadRequest > angzarr.internal.v1.HeadResponse
";

/// Numbers that are never given to a field: `message number`.
const RESERVED: &[(&str, i32)] = &[
    ("EventBook", 4),
    ("CommandBook", 3),
    ("CommandBook", 5),
    ("CommandPage", 2),
    ("Snapshot", 1),
];

/// The numbers of descriptor fields, from which the paths of source locations are made.
mod tag {
    pub(crate) const FILE_MESSAGE: i32 = 4;
    pub(crate) const FILE_ENUM: i32 = 5;
    pub(crate) const FILE_SERVICE: i32 = 6;
    pub(crate) const FILE_SYNTAX: i32 = 12;
    pub(crate) const MESSAGE_FIELD: i32 = 2;
    pub(crate) const MESSAGE_NESTED: i32 = 3;
    pub(crate) const MESSAGE_ENUM: i32 = 4;
    pub(crate) const MESSAGE_ONEOF: i32 = 8;
    pub(crate) const ENUM_VALUE: i32 = 2;
    pub(crate) const SERVICE_METHOD: i32 = 2;
}

fn files() -> Vec<FileDescriptorProto> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("the build wrote it");
    set.file
        .into_iter()
        .filter(|file| !file.package().starts_with("google."))
        .collect()
}

fn lines(table: &str) -> BTreeSet<String> {
    table
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(String::from)
        .collect()
}

/// The name as the tables have it: without the public package.
fn shorten(full_name: &str) -> &str {
    let name = full_name.trim_start_matches('.');
    name.strip_prefix("angzarr.v1.").unwrap_or(name)
}

fn describe_type(field: &FieldDescriptorProto) -> String {
    match field.r#type() {
        Type::Message | Type::Enum => shorten(field.type_name()).to_owned(),
        scalar => scalar
            .as_str_name()
            .trim_start_matches("TYPE_")
            .to_lowercase(),
    }
}

fn describe_field(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    let label = match field.label() {
        Label::Repeated => "repeated ",
        _ if field.proto3_optional() => "optional ",
        _ => "",
    };
    let oneof = match field.oneof_index {
        Some(index) if !field.proto3_optional() => {
            format!(" in {}", message.oneof_decl[index as usize].name())
        }
        _ => String::new(),
    };
    let (name, number) = (field.name(), field.number());
    format!(
        "{} {number} {name} {label}{}{oneof}",
        message.name(),
        describe_type(field)
    )
}

fn described_fields() -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for file in files() {
        for message in &file.message_type {
            fields.extend(
                message
                    .field
                    .iter()
                    .map(|field| describe_field(message, field)),
            );
        }
    }
    fields
}

fn described_rpcs() -> BTreeSet<String> {
    let mut rpcs = BTreeSet::new();
    for file in files() {
        for service in &file.service {
            for rpc in &service.method {
                let request = if rpc.client_streaming() {
                    "stream "
                } else {
                    ""
                };
                let reply = if rpc.server_streaming() {
                    "stream "
                } else {
                    ""
                };
                rpcs.insert(format!(
                    "{}.{} {request}{} > {reply}{}",
                    service.name(),
                    rpc.name(),
                    shorten(rpc.input_type()),
                    shorten(rpc.output_type()),
                ));
            }
        }
    }
    rpcs
}

/// Every place of a file that needs a comment: its name and its path.
fn commented_places(file: &FileDescriptorProto) -> Vec<(String, Vec<i32>)> {
    let mut places = vec![(file.name().to_owned(), vec![tag::FILE_SYNTAX])];
    for (index, message) in file.message_type.iter().enumerate() {
        push_message(message, vec![tag::FILE_MESSAGE, index as i32], &mut places);
    }
    for (index, declared) in file.enum_type.iter().enumerate() {
        push_enum(declared, vec![tag::FILE_ENUM, index as i32], &mut places);
    }
    for (index, service) in file.service.iter().enumerate() {
        let path = vec![tag::FILE_SERVICE, index as i32];
        for (index, rpc) in service.method.iter().enumerate() {
            let name = format!("{}.{}", service.name(), rpc.name());
            places.push((name, extend(&path, tag::SERVICE_METHOD, index)));
        }
        places.push((service.name().to_owned(), path));
    }
    places
}

fn push_message(message: &DescriptorProto, path: Vec<i32>, places: &mut Vec<(String, Vec<i32>)>) {
    for (index, field) in message.field.iter().enumerate() {
        let name = format!("{}.{}", message.name(), field.name());
        places.push((name, extend(&path, tag::MESSAGE_FIELD, index)));
    }
    let synthetic: BTreeSet<_> = message
        .field
        .iter()
        .filter(|field| field.proto3_optional())
        .filter_map(|field| field.oneof_index)
        .collect();
    for (index, oneof) in message.oneof_decl.iter().enumerate() {
        if !synthetic.contains(&(index as i32)) {
            let name = format!("{}.{}", message.name(), oneof.name());
            places.push((name, extend(&path, tag::MESSAGE_ONEOF, index)));
        }
    }
    for (index, nested) in message.nested_type.iter().enumerate() {
        push_message(nested, extend(&path, tag::MESSAGE_NESTED, index), places);
    }
    for (index, nested) in message.enum_type.iter().enumerate() {
        push_enum(nested, extend(&path, tag::MESSAGE_ENUM, index), places);
    }
    places.push((message.name().to_owned(), path));
}

fn push_enum(
    declared: &prost_types::EnumDescriptorProto,
    path: Vec<i32>,
    places: &mut Vec<(String, Vec<i32>)>,
) {
    for (index, value) in declared.value.iter().enumerate() {
        places.push((
            value.name().to_owned(),
            extend(&path, tag::ENUM_VALUE, index),
        ));
    }
    places.push((declared.name().to_owned(), path));
}

fn extend(path: &[i32], tag: i32, index: usize) -> Vec<i32> {
    [path, &[tag, index as i32]].concat()
}

fn has_comment(file: &FileDescriptorProto, path: &[i32]) -> bool {
    let info = file
        .source_code_info
        .as_ref()
        .expect("the descriptor set has source info");
    info.location
        .iter()
        .filter(|location| location.path == path)
        .any(|location| {
            !location.leading_comments().trim().is_empty()
                || !location.trailing_comments().trim().is_empty()
        })
}

fn missing(table: &str, present: &BTreeSet<String>) -> Vec<String> {
    lines(table).difference(present).cloned().collect()
}

#[test]
fn fixed_fields_keep_name_number_and_type() {
    assert_eq!(
        missing(FIXED_FIELDS, &described_fields()),
        Vec::<String>::new()
    );
}

#[test]
fn added_fields_keep_name_number_and_type() {
    assert_eq!(
        missing(ADDED_FIELDS, &described_fields()),
        Vec::<String>::new()
    );
}

#[test]
fn messages_of_the_pitch_have_no_field_beyond_the_tables() {
    let known: BTreeSet<_> = lines(FIXED_FIELDS)
        .union(&lines(ADDED_FIELDS))
        .cloned()
        .collect();
    let messages: BTreeSet<_> = lines(FIXED_FIELDS)
        .iter()
        .map(|line| message_of(line).to_owned())
        .collect();
    let unknown: Vec<_> = described_fields()
        .into_iter()
        .filter(|field| messages.contains(message_of(field)) && !known.contains(field))
        .collect();
    assert_eq!(unknown, Vec::<String>::new());
}

fn message_of(line: &str) -> &str {
    line.split_once(' ').map_or(line, |(message, _)| message)
}

#[test]
fn services_have_exactly_their_rpcs() {
    assert_eq!(described_rpcs(), lines(RPCS));
}

#[test]
fn sync_modes_have_the_numbers_of_the_pitch() {
    let names: Vec<_> = (0..3)
        .map(|number| {
            angzarr_proto::v1::SyncMode::try_from(number)
                .unwrap()
                .as_str_name()
        })
        .collect();
    assert_eq!(
        names,
        ["SYNC_MODE_NONE", "SYNC_MODE_SIMPLE", "SYNC_MODE_CASCADE"]
    );
}

#[test]
fn everything_has_a_comment() {
    let bare: Vec<_> = files()
        .iter()
        .flat_map(|file| {
            commented_places(file)
                .into_iter()
                .filter(|(_, path)| !has_comment(file, path))
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(bare, Vec::<String>::new());
}

#[test]
fn retired_numbers_are_reserved() {
    let messages: Vec<_> = files()
        .into_iter()
        .flat_map(|file| file.message_type)
        .collect();
    for (name, number) in RESERVED {
        let message = messages
            .iter()
            .find(|message| message.name() == *name)
            .unwrap();
        let is_reserved = message
            .reserved_range
            .iter()
            .any(|range| (range.start()..range.end()).contains(number));
        assert!(is_reserved, "{name} {number}");
    }
}

#[test]
fn packages_are_versioned_and_match_their_folder() {
    for file in files() {
        assert!(
            ["angzarr.v1", "angzarr.internal.v1"].contains(&file.package()),
            "{}",
            file.name()
        );
        let folder = file.package().replace('.', "/");
        assert_eq!(file.name().rsplit_once('/').unwrap().0, folder);
    }
}

#[test]
fn enums_begin_with_an_unspecified_value() {
    for declared in files().into_iter().flat_map(|file| file.enum_type) {
        let zero = declared
            .value
            .iter()
            .find(|value| value.number() == 0)
            .unwrap()
            .name();
        let is_unspecified = zero.ends_with("_UNSPECIFIED");
        assert_eq!(
            is_unspecified,
            declared.name() != "SyncMode",
            "{}",
            declared.name()
        );
    }
}
