//! The JSON Schema of layouts, for editors: `docs/layout.schema.json`, made from the types that serde reads a layout into.
//!
//! It knows fields and their types. What else may be wrong with a layout, [`super::Layout::parse`] knows.

use schemars::{
    Schema,
    generate::SchemaSettings,
    transform::{RecursiveTransform, Transform},
};

use super::document::Document;

/// The schema as JSON text that ends with a newline. It is of draft 7, which every editor knows.
///
/// # Panics
/// Never: a schema is JSON.
pub fn text() -> String {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Document>();
    // Numbers of Rust are no format that JSON Schema knows, and some validators refuse what they do not know.
    RecursiveTransform(|schema: &mut Schema| drop(schema.remove("format"))).transform(&mut schema);
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    text.push('\n');
    text
}

#[cfg(test)]
pub(super) mod tests;
