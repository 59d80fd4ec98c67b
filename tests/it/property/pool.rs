//! The ids of one case, drawn from names that have broken other software before.

use crate::support::model::template::{Bindings, Template};
use fastrand::Rng;

type Bytes = Vec<u8>;

const IDS: &[&[u8]] = &[
    b"u1",
    b"u10",
    b"u",
    b"a",
    b"a:b",
    b"a:b:c",
    b":",
    b"::a",
    b"*",
    b"?",
    b"[a-z]",
    b"u*",
    b"\\*",
    b"{x}",
    b"{",
    b"}",
    b"}}",
    b"{userId}",
    b"{}",
    b"1",
    b"1.5",
    b"1.50",
    b"-0",
    b"1e3",
    b"42",
    b"12345678901234567890",
    b"0",
    b"null",
    b"true",
    b"\"",
    b"\"q\"",
    b"back\\slash",
    b"it's",
    b"two words",
    b" ",
    b"line\r\nbreak",
    b"\0",
    b"nul\0nul",
    b"\xff",
    b"\xff\xfe\x00\x80",
    b"\xc3\xa9",
    b"\xe6\x97\xa5\xe6\x9c\xac",
    b"\xf0\x9f\x98\x80",
    b"a|b",
    b"a/b",
    b"a@b",
    b"a~b",
    b"typing",
    b"members",
    b"user",
    b"presence",
    b"list",
    b"x:presence",
    b"0123456789012345678901234567890123456789012345678901234567890123456789",
];

/// The users, sockets and rooms of one case: few, so that they meet often.
pub struct Pool {
    pub users: Vec<Bytes>,
    pub sockets: Vec<Bytes>,
    pub rooms: Vec<Bytes>,
}

impl Pool {
    /// Draws some ids, among them prefixes of each other.
    pub fn draw(rng: &mut Rng) -> Self {
        let mut users = draw(rng, 3, "u");
        let mut longer = users[0].clone();
        longer.extend(rng.choice([&b":b"[..], b"0", b"\0", b"}", b"*"]).expect("some"));
        users.push(longer);
        Self { users, sockets: draw(rng, 5, "s"), rooms: draw(rng, 3, "r") }
    }

    pub fn user(&self, rng: &mut Rng) -> Bytes {
        rng.choice(&self.users).expect("some").clone()
    }

    pub fn socket(&self, rng: &mut Rng) -> Bytes {
        rng.choice(&self.sockets).expect("some").clone()
    }

    pub fn room(&self, rng: &mut Rng) -> Bytes {
        rng.choice(&self.rooms).expect("some").clone()
    }

    /// Values for all placeholders of `template`.
    pub fn bindings(&self, rng: &mut Rng, template: &Template) -> Bindings {
        template.names().map(|name| (name.to_owned(), self.value(rng, name))).collect()
    }

    /// A value for a placeholder.
    pub fn value(&self, rng: &mut Rng, name: &str) -> Bytes {
        match name {
            "userId" => self.user(rng),
            "socketId" => self.socket(rng),
            "roomId" => self.room(rng),
            _ => rng.choice([&b"d1"[..], b"x", b"a:b", b"*"]).expect("some").to_vec(),
        }
    }
}

/// `count` ids: plain ones as applications have them, and strange ones.
fn draw(rng: &mut Rng, count: usize, prefix: &str) -> Vec<Bytes> {
    let mut id = |n: usize| match rng.u8(0..10) {
        0..4 => format!("{prefix}{n}").into_bytes(),
        4 => (0..rng.usize(1..6)).map(|_| rng.u8(..)).collect(),
        _ => rng.choice(IDS).expect("some").to_vec(),
    };
    (0..count).map(&mut id).collect()
}
