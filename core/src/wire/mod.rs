//! What nodes of a cluster say to each other, as bytes. Pure.
//!
//! A message begins with a mark, a version, its kind, and the number of the call that it is about. This head is the same in all
//! versions, so that a node of another version can be told so. What follows is read strictly: what is not wholly understood is
//! damaged.

mod bytes;
mod merge;
#[cfg(test)]
mod tests;

pub use merge::merged;

use bytes::{Reader, Writer};

use crate::{
    error::Error,
    plan::{Gone, GoneSocket, Scope, Signs, Told, ToldOf, ToldSocket},
    reply::Reply,
};

/// The most bytes that a message may have. A larger one would keep the nodes from hearing each other in time.
pub const MOST_BYTES: usize = 16 << 20;

/// What each message begins with. The server delivers messages of other modules too, if they have the same number.
const MARK: &[u8; 4] = b"rses";

/// The version of all that follows.
const VERSION: u8 = 1;

/// How deep replies are nested: an array of maps of arrays of pairs of texts.
const DEPTH: u8 = 5;

/// The names of fields in maps, by their numbers.
const FIELDS: [&str; 8] = ["user", "removed", "keys", "members", "entries", "sockets", "rooms", "live"];

/// What a logout is about, by its number.
const SCOPES: [Scope; 3] = [Scope::User, Scope::Socket, Scope::Part];

/// How far nodes have been asked, by its number.
const KNOWN: [ToldOf; 4] = [ToldOf::Some, ToldOf::All, ToldOf::Less, ToldOf::Nothing];

/// Whether it is worth asking again, by its number.
const REFUSALS: [RefusalKind; 3] = [RefusalKind::Passing, RefusalKind::Lasting, RefusalKind::CameBack];

/// Where a thing stands among all of its kind.
fn number_of<T: PartialEq>(all: &[T], one: &T) -> u8 {
    let number = all.iter().position(|known| known == one).unwrap_or_default();
    u8::try_from(number).unwrap_or_default()
}

/// What was on its way, by its number.
const MOTIONS: [Motion; 3] = [Motion::Still, Motion::Left, Motion::Arriving];

/// A message. `call` is the number that the asking node gave its call: no two calls have the same, of whatever node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Asks for a node's part of a call.
    Request(u64, Request),
    /// A node's part, or in words why there is none.
    Answer(u64, Result<Part, Refusal>),
    /// A node is at work on its part, which takes long.
    Working(u64),
}

/// Why a node has not done its part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// In words.
    pub why: String,
    /// Whether it is worth asking again.
    pub kind: RefusalKind,
}

/// Whether it is worth asking a node again that has not done its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// Nothing but the state of the node stands in the way.
    Passing,
    /// It would say the same again.
    Lasting,
    /// The user may have logged in since, so that nobody is to be asked.
    CameBack,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::CameBack => RefusalKind::CameBack,
            _ if error.may_pass() => RefusalKind::Passing,
            _ => RefusalKind::Lasting,
        };
        Self { why: error.to_string(), kind }
    }
}

impl Refusal {
    /// Nothing came from a node.
    pub fn passing(why: impl Into<String>) -> Self {
        Self { why: why.into(), kind: RefusalKind::Passing }
    }
}

/// Asks for a node's part of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The digest of the layout of the node that asks: see [`digest`].
    pub layout: u64,
    /// The number of the database.
    pub database: u64,
    /// The name of the caller's user; without one, the caller may do anything.
    pub user: Option<Vec<u8>>,
    /// The command as it was called, its name first.
    pub command: Vec<Vec<u8>>,
    /// At most so many users, of a sweep.
    pub limit: u64,
    /// What all parts have in common.
    pub stamp: Stamp,
    /// What of the call is to be done.
    pub errand: Errand,
    /// How many milliseconds ago the call was begun, if it comes late: who may have logged in since is left alone.
    pub age: Option<u64>,
    /// Whether the node that asks has had late answers, so that connections may hold messages back.
    pub is_late: bool,
}

impl Request {
    /// The arguments of the command, behind its name.
    pub fn arguments(&self) -> Vec<&[u8]> {
        self.command.iter().skip(1).map(|argument| &**argument).collect()
    }

    /// Whether the command has this name, in whatever case.
    pub fn is(&self, name: &[u8]) -> bool {
        self.command.first().is_some_and(|known| known.eq_ignore_ascii_case(name))
    }

    /// Whether it is about a logout.
    pub fn is_logout(&self) -> bool {
        self.is(b"session.logout")
    }
}

/// What of a call a node is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// To say what it knows of the user's sockets, given what all know so far.
    Learn(Told),
    /// The command, as with `LOCAL`, given what all know of the user's sockets, if they were asked.
    Do(Option<Told>),
    /// What the layout has written at a logout, as far as the node serves the keys: all others have done their part, and this
    /// is who is gone.
    Write(Gone, Scope),
    /// To say what it knows of users, and of the sockets that others know of them, so that all together judge who is live. The
    /// number is that of the trial.
    Judge(u64, Vec<(Vec<u8>, Told)>),
    /// To remove, or to show, what is here of users who are stale by what all nodes have said in a trial, if nothing was written of
    /// them since.
    Reap(Reap),
}

/// Who is to go whose session is over, by what all nodes know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reap {
    /// The number of the trial.
    pub trial: u64,
    /// The users, and what all know of their sockets.
    pub users: Vec<(Vec<u8>, Told)>,
    /// Whether their sessions ended by themselves, and it is not a sweep that found them.
    pub has_expired: bool,
    /// Whether nothing is to be removed.
    pub is_dry: bool,
    /// Whether the answer is to show what is or would be removed.
    pub shows: bool,
}

/// What all parts of a logout have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// When it takes place, in milliseconds since 1970.
    pub at: u64,
    /// Its new id, if the layout wants one.
    pub id: String,
}

/// One node's part of a call, or the parts of several together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What a caller would get for it.
    pub reply: Reply,
    /// How many traces were removed.
    pub removed: u64,
    /// Whether anything was found, so that the caller may know of it.
    pub is_found: bool,
    /// Why the caller must not know that there is nothing, if so.
    pub hidden: Option<Error>,
    /// Who is gone.
    pub gone: Gone,
    /// What is known of the user's sockets, if that was asked for.
    pub told: Told,
    /// Of several users that were asked for, the part of each, in their order.
    pub each: Vec<Self>,
    /// What of the user may have been on its way meanwhile.
    pub motion: Motion,
}

/// Whether keys were on their way between nodes when one did its part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Motion {
    /// None was.
    #[default]
    Still,
    /// Some have left this node lately. Who did its part before that may not have had them yet.
    Left,
    /// Some of the user's are here, and their slot is not yet, so that nothing can be done about them.
    Arriving,
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// They are none of this module's.
    Foreign,
    /// They are of another version: about which call, and whether it is a request.
    OtherVersion(u64, bool),
    /// They are damaged.
    Damaged,
}

/// A digest of a layout's text. White space counts, so that two nodes with the same digest have the same file.
pub fn digest(text: &str) -> u64 {
    // FNV-1a: the same for every build. Nobody gains by two layouts that have the same.
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Part {
    /// A part that is nothing but a reply.
    pub fn of(reply: Reply) -> Self {
        Self {
            reply,
            removed: 0,
            is_found: true,
            hidden: None,
            gone: Gone::default(),
            told: Told::default(),
            each: Vec::new(),
            motion: Motion::Still,
        }
    }

    /// A part in which nothing was found.
    pub fn nothing() -> Self {
        Self { is_found: false, ..Self::of(Reply::Integer(0)) }
    }

    /// Adds the part of another node.
    pub fn merge(&mut self, other: Self) {
        let before = std::mem::replace(&mut self.reply, Reply::Integer(0));
        self.reply = merged(before, other.reply);
        self.removed = self.removed.saturating_add(other.removed);
        self.is_found |= other.is_found;
        self.hidden = self.hidden.take().or(other.hidden);
        self.gone.merge(other.gone);
        self.told.merge(other.told);
        if self.each.is_empty() {
            self.each = other.each;
        } else {
            self.each.iter_mut().zip(other.each).for_each(|(one, other)| one.merge(other));
        }
        self.motion = self.motion.max(other.motion);
    }

    /// What the caller gets, who must not learn that there is nothing without the permission to know.
    ///
    /// # Errors
    /// [`Error::NoPermission`].
    pub fn into_reply(self) -> Result<Reply, Error> {
        match self.hidden {
            Some(error) if !self.is_found => Err(error),
            _ => Ok(self.reply),
        }
    }
}

impl Message {
    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer(MARK.to_vec());
        to.byte(VERSION);
        match self {
            Self::Request(call, request) => {
                to.byte(0);
                to.number(*call);
                write_request(&mut to, request);
            }
            Self::Answer(call, answer) => {
                to.byte(1);
                to.number(*call);
                to.flag(answer.is_ok());
                match answer {
                    Ok(part) => write_part(&mut to, part),
                    Err(Refusal { why, kind }) => {
                        to.text(why.as_bytes());
                        to.byte(number_of(&REFUSALS, kind));
                    }
                }
            }
            Self::Working(call) => {
                to.byte(2);
                to.number(*call);
            }
        }
        to.0
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let rest = bytes.strip_prefix(MARK).ok_or(Unreadable::Foreign)?;
        let mut from = Reader(rest);
        let head = (from.byte(), from.byte(), from.number());
        let (Some(version), Some(kind), Some(call)) = head else { return Err(Unreadable::Damaged) };
        if version != VERSION {
            return Err(Unreadable::OtherVersion(call, kind == 0));
        }
        let message = match kind {
            0 => read_request(&mut from).map(|request| Self::Request(call, request)),
            1 => read_answer(&mut from).map(|answer| Self::Answer(call, answer)),
            2 => Some(Self::Working(call)),
            _ => None,
        };
        message.filter(|_| from.0.is_empty() && bytes.len() <= MOST_BYTES).ok_or(Unreadable::Damaged)
    }
}

fn write_request(to: &mut Writer, request: &Request) {
    let Request { layout, database, user, command, limit, stamp, errand, age, is_late } = request;
    to.number(*layout);
    to.number(*database);
    to.maybe(user.as_deref(), Writer::text);
    to.list(command, |to, word| to.text(word));
    to.number(*limit);
    to.number(stamp.at);
    to.text(stamp.id.as_bytes());
    to.maybe(age.as_ref(), |to, age| to.number(*age));
    to.flag(*is_late);
    match errand {
        Errand::Do(told) => {
            to.byte(0);
            to.maybe(told.as_ref(), write_told);
        }
        Errand::Learn(told) => {
            to.byte(2);
            write_told(to, told);
        }
        Errand::Write(gone, scope) => {
            to.byte(1);
            write_gone(to, gone);
            to.byte(number_of(&SCOPES, scope));
        }
        Errand::Judge(trial, users) => {
            to.byte(3);
            to.number(*trial);
            write_users(to, users);
        }
        Errand::Reap(Reap { trial, users, has_expired, is_dry, shows }) => {
            to.byte(4);
            to.number(*trial);
            write_users(to, users);
            for flag in [has_expired, is_dry, shows] {
                to.flag(*flag);
            }
        }
    }
}

fn read_request(from: &mut Reader<'_>) -> Option<Request> {
    Some(Request {
        layout: from.number()?,
        database: from.number()?,
        user: from.maybe(Reader::text)?,
        command: from.list(Reader::text)?,
        limit: from.number()?,
        stamp: Stamp { at: from.number()?, id: from.string()? },
        age: from.maybe(Reader::number)?,
        is_late: from.flag()?,
        errand: match from.byte()? {
            0 => Errand::Do(from.maybe(read_told)?),
            2 => Errand::Learn(read_told(from)?),
            1 => Errand::Write(read_gone(from)?, *SCOPES.get(usize::from(from.byte()?))?),
            3 => Errand::Judge(from.number()?, read_users(from)?),
            4 => Errand::Reap(Reap {
                trial: from.number()?,
                users: read_users(from)?,
                has_expired: from.flag()?,
                is_dry: from.flag()?,
                shows: from.flag()?,
            }),
            _ => return None,
        },
    })
}

fn write_users(to: &mut Writer, users: &[(Vec<u8>, Told)]) {
    to.list(users, |to, (user, told)| {
        to.text(user);
        write_told(to, told);
    });
}

fn read_users(from: &mut Reader<'_>) -> Option<Vec<(Vec<u8>, Told)>> {
    from.list(|from| Some((from.text()?, read_told(from)?)))
}

fn read_answer(from: &mut Reader<'_>) -> Option<Result<Part, Refusal>> {
    if from.flag()? {
        return read_part(from, true).map(Ok);
    }
    Some(Err(Refusal { why: from.string()?, kind: *REFUSALS.get(usize::from(from.byte()?))? }))
}

fn write_part(to: &mut Writer, part: &Part) {
    let Part { reply, removed, is_found, hidden, gone, told, each, motion } = part;
    write_reply(to, reply);
    to.number(*removed);
    to.flag(*is_found);
    to.maybe(hidden.as_ref(), |to, error| to.flag(*error == Error::NOT_TO_SHOW));
    write_gone(to, gone);
    write_told(to, told);
    to.list(each, write_part);
    to.byte(number_of(&MOTIONS, motion));
}

fn write_told(to: &mut Writer, told: &Told) {
    to.list(told.sockets(), |to, socket| {
        let (id, rooms) = socket.texts();
        to.text(id);
        to.byte(socket.bits());
        to.list(rooms, |to, room| to.text(room));
    });
    to.flag(told.is_unclear);
    to.byte(number_of(&KNOWN, &told.known));
    let Signs { is_live, has_evidence, removes, holder: _ } = told.signs;
    for flag in [is_live, has_evidence, removes, told.names_sockets] {
        to.flag(flag);
    }
}

fn read_told(from: &mut Reader<'_>) -> Option<Told> {
    let socket = |from: &mut Reader<'_>| {
        let (id, bits) = (from.text()?, from.byte()?);
        ToldSocket::from_parts(id, bits, from.list(Reader::text)?)
    };
    let (sockets, is_unclear, known) = (from.list(socket)?, from.flag()?, *KNOWN.get(usize::from(from.byte()?))?);
    Told::from_parts(sockets, is_unclear, known, [from.flag()?, from.flag()?, from.flag()?, from.flag()?])
}

fn write_gone(to: &mut Writer, gone: &Gone) {
    to.text(&gone.user);
    to.maybe(gone.user_name.as_deref(), |to, name| to.text(name.as_bytes()));
    to.list(&gone.rooms, |to, room| to.text(room));
    to.list(&gone.sockets, |to, socket| {
        to.text(&socket.id);
        to.flag(socket.is_mapped);
        to.flag(socket.closes);
        to.list(&socket.rooms, |to, room| to.text(room));
    });
}

/// Reads a part; `is_whole`: it may have the parts of several users in it.
fn read_part(from: &mut Reader<'_>, is_whole: bool) -> Option<Part> {
    let (reply, removed, is_found) = (read_reply(from, DEPTH)?, from.number()?, from.flag()?);
    let hidden = from.maybe(Reader::flag)?.map(|show| if show { Error::NOT_TO_SHOW } else { Error::NOT_TO_REMOVE });
    let (gone, told) = (read_gone(from)?, read_told(from)?);
    let each = from.list(|from| if is_whole { read_part(from, false) } else { None })?;
    let motion = *MOTIONS.get(usize::from(from.byte()?))?;
    Some(Part { reply, removed, is_found, hidden, gone, told, each, motion })
}

fn read_gone(from: &mut Reader<'_>) -> Option<Gone> {
    let (user, user_name) = (from.text()?, from.maybe(Reader::string)?);
    let rooms = from.list(Reader::text)?;
    let sockets = from.list(|from| {
        let (id, is_mapped, closes) = (from.text()?, from.flag()?, from.flag()?);
        Some(GoneSocket { id, is_mapped, closes, rooms: from.list(Reader::text)? })
    })?;
    Some(Gone { user, user_name, sockets, rooms })
}

fn write_reply(to: &mut Writer, reply: &Reply) {
    match reply {
        Reply::Integer(number) => {
            to.byte(0);
            to.number(number.cast_unsigned());
        }
        Reply::Bytes(text) => {
            to.byte(1);
            to.text(text);
        }
        Reply::Array(items) => {
            to.byte(2);
            to.list(items, write_reply);
        }
        Reply::Map(fields) => {
            to.byte(3);
            to.list(fields, |to, (name, value)| {
                let number = FIELDS.iter().position(|known| known == name);
                to.byte(number.and_then(|number| u8::try_from(number).ok()).unwrap_or(u8::MAX));
                write_reply(to, value);
            });
        }
        // No part is one of these.
        Reply::Line(_) | Reply::Later(_) => to.byte(u8::MAX),
    }
}

fn read_reply(from: &mut Reader<'_>, depth: u8) -> Option<Reply> {
    let depth = depth.checked_sub(1)?;
    match from.byte()? {
        0 => Some(Reply::Integer(from.number()?.cast_signed())),
        1 => from.text().map(Reply::Bytes),
        2 => from.list(|from| read_reply(from, depth)).map(Reply::Array),
        3 => {
            let field = |from: &mut Reader<'_>| {
                let name = FIELDS.get(usize::from(from.byte()?))?;
                Some((*name, read_reply(from, depth)?))
            };
            from.list(field).map(Reply::Map)
        }
        _ => None,
    }
}
