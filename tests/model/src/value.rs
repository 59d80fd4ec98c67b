//! Values as applications write them: whom they name, read in each encoding whole and plainly.

use super::json;
use super::layout::{By, Form, Owner, Place};
use super::mapping::members;
use super::snapshot::Content;
use super::template::Bindings;
use super::unpacked;

type Bytes = Vec<u8>;

impl Form {
    /// What the placeholders stand for where the text is of this form, those given included.
    pub fn read(&self, text: &[u8], given: &Bindings) -> Option<Bindings> {
        self.template.matches_where(text, given)
    }
}

impl Place {
    /// The texts that stand there; none in a value that can't be read.
    pub fn texts(&self, content: &Content) -> Vec<Bytes> {
        match (content, &self.field) {
            (Content::String(text), None) => self.texts_in(text),
            (Content::Hash(fields), Some(field)) => {
                fields.get(field).map(|text| self.texts_in(text)).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    fn texts_in(&self, text: &[u8]) -> Vec<Bytes> {
        let Some(pointer) = &self.pointer else { return vec![text.to_vec()] };
        let (document, wrappings) = self.encoding.split_last().expect("an encoding names a format");
        let inside = wrappings.iter().try_fold(text.to_vec(), |text, format| unwrapped(format, &text));
        inside.and_then(|text| texts(document, &text, pointer)).unwrap_or_default()
    }
}

impl Owner {
    /// How the value names somebody, where some placeholders are known.
    pub fn read(&self, content: &Content, given: &Bindings) -> Vec<Bindings> {
        let texts = self.place.texts(content);
        texts.iter().filter_map(|text| self.is.read(text, given)).collect()
    }
}

impl By {
    /// The members of a collection that name somebody, and how.
    pub fn read(&self, content: &Content, given: &Bindings) -> Vec<(Bytes, Bindings)> {
        let mut found = Vec::new();
        for member in members(content) {
            let texts = match (self, content) {
                (Self::Name(_), _) => vec![member.clone()],
                (Self::Value(owner), Content::Hash(fields)) => owner.place.texts_in(&fields[&member]),
                (Self::Value(owner), _) => owner.place.texts_in(&member),
            };
            let read = texts.iter().filter_map(|text| self.form().read(text, given));
            found.extend(read.map(|bindings| (member.clone(), bindings)));
        }
        found
    }
}

/// What is inside a wrapper, or in the text that a whole document is.
fn unwrapped(format: &str, bytes: &[u8]) -> Option<Bytes> {
    match format {
        "base64" => unpacked::base64(bytes),
        "zlib" => unpacked::zlib(bytes),
        "gzip" => unpacked::gzip(bytes),
        document => texts(document, bytes, "")?.pop(),
    }
}

/// The texts that the pointer leads to. None if the bytes are nothing of that format.
fn texts(format: &str, bytes: &[u8], pointer: &str) -> Option<Vec<Bytes>> {
    let tree = match format {
        "json" => return Some(json::parse(bytes)?.texts(pointer, bytes)),
        "msgpack" => unpacked::msgpack(bytes)?,
        "php" => unpacked::php(bytes)?,
        "php-session" => unpacked::php_session(bytes)?,
        "pickle" => unpacked::pickle(bytes)?,
        "marshal" => unpacked::marshal(bytes)?,
        other => panic!("the model does not know {other}"),
    };
    let mut parts = vec![tree];
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        parts = parts.iter().flat_map(|part| part.step(&step)).collect();
    }
    Some(parts.iter().filter_map(|part| part.text()).collect())
}
