//! The model and the core read the same in a value, in every format, whole or damaged.

use super::documents;
use super::pool::Pool;
use super::values::{self, Document};
use super::{CASES_IN_MEMORY, number_from_env};
use crate::support::model::layout::Place;
use crate::support::snapshot::Content;
use fastrand::Rng;
use redis_session_core::encoding::Encoding;
use redis_session_core::json::Pointer;

/// Values for each case of the other tests: one takes a few microseconds.
const VALUES: u64 = 100;

const POINTERS: [&str; 9] = ["", "/*", "/user", "/user/id", "/user/@id", "/*/1/*", "/0/1", "/a~1b/*/x~0y", "/*/*"];

const ENCODINGS: [&[&str]; 12] = [
    &["json"],
    &["msgpack"],
    &["php"],
    &["php-session"],
    &["pickle"],
    &["marshal"],
    &["base64", "json"],
    &["zlib", "pickle"],
    &["gzip", "marshal"],
    &["marshal", "php"],
    &["pickle", "json"],
    &["base64", "gzip", "msgpack"],
];

#[test]
fn the_model_and_the_core_read_the_same_in_every_value() {
    let cases = number_from_env("REDIS_SESSION_CASES_IN_MEMORY").unwrap_or(CASES_IN_MEMORY);
    match number_from_env("REDIS_SESSION_SEED") {
        Some(seed) => check(seed),
        None => (0..cases * VALUES).for_each(|_| check(fastrand::u64(..))),
    }
}

fn check(seed: u64) {
    let rng = &mut Rng::with_seed(seed);
    let pool = Pool::draw(rng);
    let encoding = rng.choice(ENCODINGS).expect("some");
    let written = *rng.choice(POINTERS.iter()).expect("some");
    let user = pool.user(rng);
    let value = value(rng, encoding, written, user);
    // As a rule something is there.
    let read = if rng.u8(0..4) == 0 { *rng.choice(POINTERS.iter()).expect("some") } else { written };
    let (model, core) = (by_model(encoding, read, &value), by_core(encoding, read, &value));
    let shown = |texts: &[Vec<u8>]| texts.iter().map(|text| text.escape_ascii().to_string()).collect::<Vec<_>>();
    assert_eq!(
        shown(&core),
        shown(&model),
        "REDIS_SESSION_SEED={seed}: {encoding:?} at {read:?} of {}",
        value.escape_ascii()
    );
}

fn value(rng: &mut Rng, encoding: &[&str], pointer: &str, id: Vec<u8>) -> Vec<u8> {
    let (format, wrappings) = encoding.split_last().expect("some");
    let document = if *format == "json" {
        let id = documents::id(rng, &id);
        documents::around(rng, pointer, &[id])
    } else {
        let document = Document::around(rng, pointer, &[Document::Id(id)]);
        values::written(rng, format, &document)
    };
    let wrappings: Vec<_> = wrappings.iter().map(|name| (*name).to_owned()).collect();
    values::wrapped(rng, &wrappings, document)
}

fn by_model(encoding: &[&str], pointer: &str, value: &[u8]) -> Vec<Vec<u8>> {
    let encoding = encoding.iter().map(|name| (*name).to_owned()).collect();
    let place = Place { field: None, pointer: Some(pointer.to_owned()), encoding };
    place.texts(&Content::String(value.to_vec()))
}

/// What the core reads: nothing if it refuses the value.
fn by_core(encoding: &[&str], pointer: &str, value: &[u8]) -> Vec<Vec<u8>> {
    let encoding = Encoding::parse(encoding.iter().copied()).expect("it is one");
    let pointer = Pointer::parse(pointer).expect("it is one");
    let mut texts = Vec::new();
    let read = encoding.texts(value, &[Some(&pointer)], &mut |_, text| texts.push(text.to_vec()));
    read.map_or_else(|_| Vec::new(), |()| texts)
}
