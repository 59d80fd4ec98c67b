//! What Socket.IO's servers hear from each other through Redis, said by somebody who is none of them.
//!
//! Formats are those of `@socket.io/redis-adapter` 8 (classic and sharded) and `@socket.io/redis-streams-adapter` 0.3,
//! for servers of Socket.IO 4. All of them call a sender that is no server `emitter`.

use std::{ffi::CStr, slice};

use serde::{Serialize, Serializer, ser::SerializeSeq};

use super::{ServerCommand, add};
use crate::{
    announcement::{Args, json},
    config::{Adapter, SocketIo},
};

/// Rooms that a message is for. A message for no room is one for everybody, and would disconnect all sockets there are;
/// so there is no way to make one.
#[derive(Clone, Copy)]
pub(super) struct Rooms<'a>(&'a [&'a str]);

impl<'a> Rooms<'a> {
    pub(super) fn one(room: &'a &'a str) -> Self {
        Self(slice::from_ref(room))
    }

    pub(super) fn new(rooms: &'a [&'a str]) -> Option<Self> {
        if rooms.is_empty() { None } else { Some(Self(rooms)) }
    }
}

impl Serialize for Rooms<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// How long the servers let their stream grow, unless they are told otherwise.
const STREAM_LENGTH: &[u8] = b"10000";

/// Who sends.
const UID: &str = "emitter";

/// The adapters' numbers for what a message is about.
const CLASSIC_DISCONNECT: u8 = 4;
const BROADCAST: u8 = 3;
const DISCONNECT: u8 = 6;
/// The protocol's number for an event.
const EVENT: u8 = 2;

#[derive(Serialize)]
struct Packet<'a> {
    r#type: u8,
    data: Data<'a>,
    nsp: &'a str,
}

/// An event's name, then its arguments.
struct Data<'a>(&'a str, Args<'a>);

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let args = self.1.iter();
        let mut data = serializer.serialize_seq(Some(1 + args.len()))?;
        data.serialize_element(self.0)?;
        for argument in args {
            data.serialize_element(&argument)?;
        }
        data.end()
    }
}

#[derive(Serialize)]
struct Flags {}

#[derive(Serialize)]
struct ClassicOpts<'a> {
    rooms: Rooms<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<Flags>,
    except: &'a [&'a str],
}

#[derive(Serialize)]
struct ClassicRequest<'a> {
    r#type: u8,
    opts: ClassicOpts<'a>,
    close: bool,
}

#[derive(Serialize)]
struct Opts<'a> {
    rooms: Rooms<'a>,
    except: &'a [&'a str],
    flags: Flags,
}

#[derive(Serialize)]
struct Message<'a, D> {
    uid: &'static str,
    nsp: &'a str,
    r#type: u8,
    data: D,
}

#[derive(Serialize)]
struct Broadcast<'a> {
    opts: Opts<'a>,
    packet: Packet<'a>,
}

#[derive(Serialize)]
struct Disconnect<'a> {
    opts: Opts<'a>,
    close: bool,
}

impl SocketIo<'_> {
    /// The stream that messages are added to, if they are.
    pub(super) fn stream(&self) -> Option<&[u8]> {
        (self.adapter == Adapter::Streams).then_some(self.prefix.as_bytes())
    }

    /// Sends an event to those in a room, all but those in the rooms `except`.
    pub(super) fn emit(
        &self,
        room: &str,
        except: &[&str],
        event: &str,
        args: Args<'_>,
        send: &mut dyn FnMut(ServerCommand<'_>),
    ) {
        let packet = Packet { r#type: EVENT, data: Data(event, args), nsp: self.namespace };
        let rooms = Rooms::one(&room);
        if self.adapter == Adapter::Classic {
            // A server without the room sees from the channel that the message is not for it.
            let channel = format!("{}#{}#{room}#", self.prefix, self.namespace);
            let opts = ClassicOpts { rooms, flags: Some(Flags {}), except };
            return publish(c"PUBLISH", &channel, &message_pack(&(UID, packet, opts)), send);
        }
        self.tell(BROADCAST, Broadcast { opts: Opts { rooms, except, flags: Flags {} }, packet }, send);
    }

    /// Closes the connections of those in these rooms. A socket is in a room of its own, which has its id.
    pub(super) fn disconnect(&self, rooms: Rooms<'_>, send: &mut dyn FnMut(ServerCommand<'_>)) {
        if self.adapter == Adapter::Classic {
            let channel = format!("{}-request#{}#", self.prefix, self.namespace);
            let opts = ClassicOpts { rooms, flags: None, except: &[] };
            let request = ClassicRequest { r#type: CLASSIC_DISCONNECT, opts, close: true };
            return publish(c"PUBLISH", &channel, &json(&request), send);
        }
        let opts = Opts { rooms, except: &[], flags: Flags {} };
        self.tell(DISCONNECT, Disconnect { opts, close: true }, send);
    }

    /// A message of the newer adapters.
    fn tell<D: Serialize>(&self, kind: u8, data: D, send: &mut dyn FnMut(ServerCommand<'_>)) {
        let nsp = self.namespace;
        if let Some(stream) = self.stream() {
            let (kind, data) = (kind.to_string(), json(&data));
            let fields = [(&b"uid"[..], UID.as_bytes()), (b"nsp", nsp.as_bytes()), (b"type", kind.as_bytes())];
            let fields: Vec<_> = fields.into_iter().chain([(&b"data"[..], &*data)]).collect();
            return add(stream, Some(STREAM_LENGTH), &fields, send);
        }
        // Every server hears this channel, whatever its `subscriptionMode`, and goes by the rooms in the message. A room's
        // own channel is heard in dynamic mode alone, and there not for rooms as long as a socket's id; a room could also be
        // called as the channel on which a server hears answers.
        let channel = format!("{}#{nsp}#", self.prefix);
        publish(c"SPUBLISH", &channel, &json(&Message { uid: UID, nsp, r#type: kind, data }), send);
    }
}

fn publish(name: &'static CStr, channel: &str, message: &[u8], send: &mut dyn FnMut(ServerCommand<'_>)) {
    send(ServerCommand { name, arguments: &[channel.as_bytes(), message] });
}

fn message_pack(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    let mut serializer = rmp_serde::Serializer::new(&mut bytes).with_struct_map();
    value.serialize(&mut serializer).expect("memory takes all of MessagePack, and every length is known");
    bytes
}
