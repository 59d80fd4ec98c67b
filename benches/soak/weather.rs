//! What a server goes through while it is written to.

use crate::support::Client;
use fastrand::Rng;

/// What happens in the middle of one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    Calm,
    /// Writers are held up, and stay so while somebody is inspected.
    Pause,
    /// There is less memory than is used.
    Eviction,
    /// The data is saved and loaded.
    Reload,
    /// A connection is ended by the server.
    Kill,
    /// A connection is ended by its client, with commands on the way.
    HangUp,
    /// Keys that have expired stay in memory.
    LazyExpiry,
    /// Somebody changes what the module tells others.
    Telling,
}

impl Weather {
    pub fn draw(rng: &mut Rng) -> Self {
        match rng.u32(0..400) {
            0..20 => Self::Pause,
            20..28 => Self::Eviction,
            28 => Self::Reload,
            29..41 => Self::Kill,
            41..51 => Self::HangUp,
            51..91 => Self::LazyExpiry,
            91..100 => Self::Telling,
            _ => Self::Calm,
        }
    }
}

/// What the module does by itself for some rounds. Nothing is quiet then, so only transactions and scripts are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spell {
    None,
    /// Stale users are cleaned up whenever a vital key ends, and every second.
    Cleaning,
    /// Data of logged-out sockets is removed again. The model does not know of that, so nothing is judged.
    Fence,
}

/// How many rounds a spell lasts.
pub const SPELL: u32 = 12;

impl Spell {
    pub fn draw(rng: &mut Rng) -> Self {
        match rng.u32(0..120) {
            0 | 1 => Self::Cleaning,
            2 => Self::Fence,
            _ => Self::None,
        }
    }

    /// Says to the server that it begins.
    pub fn begin(self, control: &mut Client) {
        let options = match self {
            Self::None => return,
            Self::Cleaning => "session.expire-cascade yes session.grace 0 session.sweep-interval 1",
            Self::Fence => "session.fence 60",
        };
        control.must(&format!("CONFIG SET {options}"));
    }

    /// Says to the server that it is over.
    pub fn end(control: &mut Client) {
        control.must("CONFIG SET session.expire-cascade no session.grace 30 session.sweep-interval 0 session.fence 0");
    }
}

/// Draws how the module tells others.
pub fn telling(rng: &mut Rng) -> String {
    let mut one = |of: &[&'static str]| rng.choice(of).copied().expect("some");
    let adapter = one(&["off", "classic", "sharded", "streams"]);
    let (channel, stream) = (one(&["session:events", "\"\""]), one(&["\"\"", "soak:events"]));
    let (slice, level) = (one(&["50", "500", "5000"]), one(&["debug", "verbose", "notice"]));
    format!(
        "CONFIG SET session.socketio {adapter} session.socketio-prefix soak:io session.channel {channel} \
         session.stream {stream} session.stream-maxlen 10 session.slice-us {slice} session.log-level {level}"
    )
}
