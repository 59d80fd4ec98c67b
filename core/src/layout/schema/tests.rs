use std::{fs, path::PathBuf};

use serde_json::{Map, Value};

use super::*;
use crate::layout::EASYSHARE;

/// Where a file of the repository is.
fn path(of: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(of)
}

/// Whether a document is as the schema says; else where it is not.
pub(in crate::layout) fn satisfies(text: &str) -> Result<(), String> {
    let root = serde_json::from_str(&super::text()).expect("the schema is JSON");
    check(&root, &root, &serde_json::from_str(text).map_err(|error| error.to_string())?)
}

/// What JSON Schema says of a value, as far as the schema uses it; nothing in that is passed over.
fn check(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let Value::Object(words) = schema else {
        return if *schema == Value::Bool(true) { Ok(()) } else { Err(format!("{value} must not be there")) };
    };
    words.iter().try_for_each(|(word, demand)| {
        let meets = |schema: &Value| check(root, schema, value);
        let schemas = || demand.as_array().expect("an array of schemas").iter();
        let is_met = match &**word {
            "$schema" | "title" | "description" | "default" | "definitions" => true,
            "$ref" => meets(root.pointer(&demand.as_str().expect("a text")[1..]).expect("it leads somewhere")).is_ok(),
            "allOf" => schemas().all(|schema| meets(schema).is_ok()),
            "anyOf" => schemas().any(|schema| meets(schema).is_ok()),
            "oneOf" => schemas().filter(|schema| meets(schema).is_ok()).count() == 1,
            "const" => demand == value,
            "type" => types(demand).any(|name| is_of_type(value, name)),
            "minimum" => value.as_u64() >= demand.as_u64() || !value.is_number(),
            "maximum" => value.as_u64() <= demand.as_u64() || !value.is_number(),
            "minLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 >= demand.as_u64().unwrap()),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= demand.as_u64().unwrap()),
            "items" => value.as_array().into_iter().flatten().all(|item| check(root, demand, item).is_ok()),
            "required" => has_all(value, demand),
            "properties" => return check_fields(root, demand.as_object().expect("schemas"), value),
            "additionalProperties" => others(words, value).all(|(_, other)| check(root, demand, other).is_ok()),
            unknown => panic!("the test does not know what '{unknown}' means"),
        };
        if is_met { Ok(()) } else { Err(format!("{value} does not meet {word} {demand}")) }
    })
}

fn types(demand: &Value) -> impl Iterator<Item = &str> {
    let one = demand.as_str();
    one.into_iter().chain(demand.as_array().into_iter().flatten().filter_map(Value::as_str))
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        unknown => panic!("the test does not know the type '{unknown}'"),
    }
}

fn has_all(value: &Value, names: &Value) -> bool {
    let names = names.as_array().expect("an array of names").iter().filter_map(Value::as_str);
    value.as_object().is_none_or(|fields| names.into_iter().all(|name| fields.contains_key(name)))
}

fn check_fields(root: &Value, properties: &Map<String, Value>, value: &Value) -> Result<(), String> {
    let field = |name| value.as_object().and_then(|fields: &Map<String, Value>| fields.get(name));
    properties
        .iter()
        .filter_map(|(name, schema)| Some((name, schema, field(name)?)))
        .try_for_each(|(name, schema, value)| check(root, schema, value).map_err(|error| format!("{name}: {error}")))
}

/// The fields that the schema does not name.
fn others<'v>(words: &'v Map<String, Value>, value: &'v Value) -> impl Iterator<Item = (&'v String, &'v Value)> {
    let is_named = |name: &str| words.get("properties").is_some_and(|properties| properties.get(name).is_some());
    value.as_object().into_iter().flatten().filter(move |(name, _)| !is_named(name))
}

/// The layouts that a page shows.
fn layouts_on(page: &str) -> Vec<String> {
    let blocks = page.split("\n```json\n").skip(1).map(|rest| rest.split("\n```").next().expect("a block").to_owned());
    blocks.filter(|text| serde_json::from_str::<Value>(text).is_ok_and(|value| value.get("traces").is_some())).collect()
}

fn read(path: &PathBuf) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files of a folder whose names end so.
fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(path(folder)).expect("a folder").map(|entry| entry.expect("a file").path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == end)).collect()
}

#[test]
fn the_schema_in_docs_is_that_of_the_code() {
    assert!(
        read(&path("docs/layout.schema.json")) == text(),
        "docs/layout.schema.json is not what the code says; write it anew: \
         ./scripts/check-layout --schema >docs/layout.schema.json"
    );
}

#[test]
fn layouts_that_are_shown_and_tested_satisfy_it() {
    let of_tests: Vec<String> = files("tests/layouts", "json").iter().map(read).collect();
    let pages: Vec<PathBuf> = files("docs", "md").into_iter().chain([path("README.md")]).collect();
    let of_pages: Vec<String> = pages.iter().flat_map(|page| layouts_on(&read(page))).collect();
    assert!(of_tests.len() >= 7 && of_pages.len() >= 4, "{} and {}", of_tests.len(), of_pages.len());
    for layout in of_tests.iter().chain(&of_pages).map(String::as_str).chain([EASYSHARE]) {
        satisfies(layout).unwrap_or_else(|error| panic!("{layout}: {error}"));
    }
}

#[test]
fn a_layout_may_name_its_schema() {
    for schema in [r#""https://example.org/layout.schema.json""#, "null"] {
        let text = format!(r#"{{"$schema":{schema},"name":"x","traces":[{{"key":"a:{{userId}}"}}]}}"#);
        assert_eq!(satisfies(&text), Ok(()));
        crate::layout::Layout::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

#[test]
fn what_no_reader_would_take_does_not_satisfy_it() {
    let with = |more: &str| format!(r#"{{"name":"x","traces":[{{"key":"a:{{userId}}"}}]{more}}}"#);
    let documents = [
        "[]".to_owned(),
        r#"{"name":"x"}"#.to_owned(),
        r#"{"name":"x","traces":[]}"#.to_owned(),
        r#"{"name":"","traces":[{"key":"a:{userId}"}]}"#.to_owned(),
        r#"{"name":"x","traces":[{"key":1}]}"#.to_owned(),
        r#"{"name":"x","traces":[{"key":"a:{socketId}","owner":{"field":"a","and":"b"}}]}"#.to_owned(),
        with(r#","$schema":1"#),
        with(r#","ids":{"userId":{"length":0}}"#),
        with(r#","ids":{"userId":{"without":"a","length":1}}"#),
        with(r#","live":[{"key":"a:{userId}","unit":"m"}]"#),
        with(r#","live":[{"scores":"a","member":"{userId}","within":0}]"#),
        with(r#","sockets":{"of":"a:{userId}"}"#),
        with(r#","sockets":{"of":{"array":""},"data":"b:{socketId}"}"#),
        with(r#","sockets":{"of":7,"data":"b:{socketId}"}"#),
        with(r#","announce":[{"event":"e"}]"#),
        with(r#","announce":[{"event":"e","args":[],"to":1}]"#),
        with(r#","live":[{"key":"a:{userId}","for":1}]"#),
        with(r#","announce":[{"event":"e","args":[],"as":"set"}]"#),
    ];
    assert_eq!(satisfies(&with("")), Ok(()));
    for document in documents {
        assert!(satisfies(&document).is_err(), "{document}");
        assert!(crate::layout::Layout::parse(&document).is_err(), "{document}");
    }
}
