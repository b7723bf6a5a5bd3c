//! Compares the compiled contract with the one that is committed in `contract.txt`.
//!
//! `make golden` writes the file again. In its difference a removed or changed line is a break for clients and stored data: only added lines are
//! safe, and the number of a removed field must be reserved.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    FileDescriptorSet, ServiceDescriptorProto,
};

use angzarr_proto::FILE_DESCRIPTOR_SET;

/// Set to write the committed contract again instead of comparing with it.
const REWRITE: &str = "ANGZARR_GOLDEN";

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

/// The contract without comments: a line for each field, value and rpc, below the message, enum or service that has it.
fn render() -> String {
    let mut text = String::new();
    for file in files() {
        text.push_str(&format!("file {}\n", file.name()));
        let names = names_in_languages(&file);
        for (option, value) in names {
            text.push_str(&format!("  {option} {value}\n"));
        }
        let scope = file.package();
        for message in &file.message_type {
            render_message(message, scope, &mut text);
        }
        for declared in &file.enum_type {
            render_enum(declared, scope, &mut text);
        }
        for service in &file.service {
            render_service(service, scope, &mut text);
        }
    }
    text
}

/// What a file is called in the languages whose generators ask for it.
fn names_in_languages(file: &FileDescriptorProto) -> [(&'static str, String); 8] {
    let options = file.options.clone().unwrap_or_default();
    [
        ("csharp_namespace", options.csharp_namespace().to_owned()),
        ("go_package", options.go_package().to_owned()),
        (
            "java_multiple_files",
            options.java_multiple_files().to_string(),
        ),
        (
            "java_outer_classname",
            options.java_outer_classname().to_owned(),
        ),
        ("java_package", options.java_package().to_owned()),
        ("objc_class_prefix", options.objc_class_prefix().to_owned()),
        ("php_namespace", options.php_namespace().to_owned()),
        ("ruby_package", options.ruby_package().to_owned()),
    ]
}

fn render_message(message: &DescriptorProto, scope: &str, text: &mut String) {
    let name = format!("{scope}.{}", message.name());
    text.push_str(&format!("\nmessage {name}{}\n", options(&message.options)));
    for field in &message.field {
        text.push_str(&format!("  {}\n", describe_field(message, field)));
    }
    // The end of a reserved range is exclusive in a message and inclusive in an enum.
    for range in &message.reserved_range {
        text.push_str(&describe_reserved(range.start()..=range.end() - 1));
    }
    for retired in &message.reserved_name {
        text.push_str(&format!("  reserved {retired}\n"));
    }
    for nested in &message.nested_type {
        render_message(nested, &name, text);
    }
    for nested in &message.enum_type {
        render_enum(nested, &name, text);
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
    let type_name = match field.r#type() {
        Type::Message | Type::Enum | Type::Group => field.type_name().trim_start_matches('.'),
        scalar => &scalar.as_str_name()["TYPE_".len()..].to_lowercase(),
    };
    let (number, name) = (field.number(), field.name());
    let options = options(&field.options);
    format!("{number} {name} {label}{type_name}{oneof}{options}")
}

fn describe_reserved(numbers: RangeInclusive<i32>) -> String {
    numbers
        .map(|number| format!("  reserved {number}\n"))
        .collect()
}

fn render_enum(declared: &EnumDescriptorProto, scope: &str, text: &mut String) {
    let options_of_enum = options(&declared.options);
    text.push_str(&format!(
        "\nenum {scope}.{}{options_of_enum}\n",
        declared.name()
    ));
    for value in &declared.value {
        let options = options(&value.options);
        text.push_str(&format!("  {} {}{options}\n", value.number(), value.name()));
    }
    for range in &declared.reserved_range {
        text.push_str(&describe_reserved(range.start()..=range.end()));
    }
    for retired in &declared.reserved_name {
        text.push_str(&format!("  reserved {retired}\n"));
    }
}

fn render_service(service: &ServiceDescriptorProto, scope: &str, text: &mut String) {
    text.push_str(&format!(
        "\nservice {scope}.{}{}\n",
        service.name(),
        options(&service.options)
    ));
    for rpc in &service.method {
        let stream = |is_stream: bool| if is_stream { "stream " } else { "" };
        text.push_str(&format!(
            "  {} {}{} > {}{}{}\n",
            rpc.name(),
            stream(rpc.client_streaming()),
            rpc.input_type().trim_start_matches('.'),
            stream(rpc.server_streaming()),
            rpc.output_type().trim_start_matches('.'),
            options(&rpc.options),
        ));
    }
}

/// The options of an element as they are, since none is expected.
fn options<T: std::fmt::Debug>(options: &Option<T>) -> String {
    options
        .as_ref()
        .map_or_else(String::new, |options| format!(" {options:?}"))
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

fn push_enum(declared: &EnumDescriptorProto, path: Vec<i32>, places: &mut Vec<(String, Vec<i32>)>) {
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

#[test]
fn contract_is_as_committed() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract.txt");
    let contract = render();
    if std::env::var_os(REWRITE).is_some() {
        fs::write(&file, &contract).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    let different: Vec<_> = changes(&committed, &contract).collect();
    assert!(
        committed == contract,
        "the contract is not tests/contract.txt; a number or name that was used must stay or be reserved; \
         if the change is meant, run `make golden` and review the difference: {different:#?}"
    );
}

/// The lines that only one of two texts has, with `-` if it is the first.
fn changes<'a>(before: &'a str, after: &'a str) -> impl Iterator<Item = String> + 'a {
    let only = |these: &'a str, those: &'a str, sign: char| {
        let known: BTreeSet<_> = those.lines().collect();
        let lines = these.lines().filter(move |line| !known.contains(line));
        lines.map(move |line| format!("{sign}{line}"))
    };
    only(before, after, '-').chain(only(after, before, '+'))
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

/// A word as types are written.
fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_uppercase() + rest
}

/// Checks that a file says what it is called in each language; Go and Java packages are below a domain.
#[track_caller]
fn names_follow_the_package(file: &FileDescriptorProto, go: &str, java: &str) {
    let (path, package) = (file.name(), file.package());
    let stem = path.rsplit('/').next().unwrap_or(path);
    let stem = stem.trim_end_matches(".proto");
    let parts: Vec<_> = package.split('.').map(capitalized).collect();
    let found = names_in_languages(file);
    let found: BTreeMap<_, _> = found.into_iter().collect();
    let value = |name: &str| &found[name];
    let expected = [
        ("csharp_namespace", parts.join(".")),
        ("java_multiple_files", "true".to_owned()),
        ("java_outer_classname", capitalized(stem) + "Proto"),
        ("java_package", format!("{java}.{package}")),
        ("php_namespace", parts.join("\\")),
        ("ruby_package", parts.join("::")),
    ];
    for (name, expected) in expected {
        assert_eq!(value(name), &expected, "{name} of {path}");
    }
    let start = format!("{go}/{};", package.replace('.', "/"));
    assert!(value("go_package").starts_with(&start), "{path}");
    assert_eq!(value("objc_class_prefix").len(), 3, "{path}");
}

#[test]
fn stubs_of_the_contract_need_no_options() {
    for file in files() {
        names_follow_the_package(&file, "angzarr.io", "io");
    }
}

#[test]
fn stubs_of_the_example_need_no_options() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/proto");
    let domains = fs::read_dir(folder.join("shop")).unwrap();
    let mut compiler = protox::Compiler::new([&folder]).unwrap();
    for domain in domains {
        let name = domain.unwrap().file_name().into_string().unwrap();
        let file = format!("shop/{name}/v1/{name}.proto");
        compiler.open_file(file).unwrap();
    }
    let set = compiler.file_descriptor_set();
    assert!(!set.file.is_empty());
    for file in set.file {
        names_follow_the_package(&file, "example.com", "com.example");
    }
}
