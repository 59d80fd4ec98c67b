//! Options: module arguments as name and value, most of them settable at run time by `CONFIG SET session.<name>`. Pure.

use std::{fmt, ops::RangeInclusive, time::Duration};

use crate::{
    journal::Level,
    layout::{Layout, Unsaid},
};

/// An option, as the table in `docs/operations.md` shows it.
#[derive(Debug)]
pub struct Opt {
    /// Its name as a module argument; `CONFIG` knows it as `session.<name>`.
    pub name: &'static str,
    /// What it is when nothing is said.
    pub default: &'static str,
    /// Whether `CONFIG SET` changes it.
    pub at_run_time: bool,
    /// What it does.
    pub meaning: &'static str,
    /// What values it takes, and where its value is kept.
    pub kind: OptionKind,
}

/// What values an option takes, and where its value is kept.
#[derive(Debug)]
pub enum OptionKind {
    /// A text that obeys a rule.
    Text(Rule, fn(&mut Options) -> &mut String),
    /// A whole number within bounds.
    Number(RangeInclusive<i64>, fn(&mut Options) -> &mut i64),
    /// `yes` or `no`.
    Switch(fn(&mut Options) -> &mut bool),
    /// One of these names; its number in the list is kept.
    Choice(&'static [&'static std::ffi::CStr], fn(&mut Options) -> &mut usize),
}

/// What a text has to be.
#[derive(Debug)]
pub struct Rule {
    /// Whether a text is so.
    is_met: fn(&str) -> bool,
    /// The rule in words.
    expects: &'static str,
}

/// Any text, which is valid or not once it is used.
const ANY_TEXT: Rule = Rule { is_met: |_| true, expects: "text" };

/// A text that begins the names of others.
const SOME_TEXT: Rule = Rule { is_met: |text| !text.is_empty(), expects: "a text that is not empty" };

/// In a channel's name `#` stands behind the namespace, so one within it would make it another namespace's channel.
const NAMESPACE: Rule = Rule {
    is_met: |text| text.starts_with('/') && !text.contains('#'),
    expects: "a namespace, which begins with '/' and holds no '#'",
};

/// A way of Socket.IO's servers to hear from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adapter {
    /// By PUBLISH; the adapter that most use.
    Classic,
    /// By SPUBLISH, which a cluster sends to one shard alone.
    Sharded,
    /// By a stream.
    Streams,
}

impl Adapter {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Classic, Self::Sharded, Self::Streams];
}

/// How to reach Socket.IO's servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketIo<'a> {
    /// How they hear from each other.
    pub adapter: Adapter,
    /// What their channels begin with; the name of their stream.
    pub prefix: &'a str,
    /// The namespace that rooms and sockets are in.
    pub namespace: &'a str,
}

/// The names for [`Adapter`]s, in the order of [`Adapter::ALL`], behind that for none.
const ADAPTERS: [&std::ffi::CStr; 4] = [c"off", c"classic", c"sharded", c"streams"];

/// All options.
pub const OPTIONS: [Opt; 15] = [
    Opt {
        name: "layout",
        default: "easyshare",
        at_run_time: false,
        meaning: "path of a JSON file that says where the application leaves traces, or easyshare",
        kind: OptionKind::Text(ANY_TEXT, |options| &mut options.layout),
    },
    Opt {
        name: "log-level",
        default: "notice",
        at_run_time: true,
        meaning: "level of the lines about logouts: debug, verbose, notice or warning",
        kind: OptionKind::Choice(&Level::NAMES, |options| &mut options.log_level),
    },
    Opt {
        name: "sweep-interval",
        default: "0",
        at_run_time: true,
        meaning: "seconds between sweeps by the server itself, in all databases; 0 is off",
        kind: OptionKind::Number(0..=LONGEST, |options| &mut options.sweep_interval),
    },
    Opt {
        name: "grace",
        default: "30",
        at_run_time: true,
        meaning: "seconds for which a user must have been stale before the server itself cleans up",
        kind: OptionKind::Number(0..=LONGEST, |options| &mut options.grace),
    },
    Opt {
        name: "expire-cascade",
        default: "no",
        at_run_time: true,
        meaning: "whether a user is cleaned up when the mapping or a socket's data expires or is evicted",
        kind: OptionKind::Switch(|options| &mut options.expire_cascade),
    },
    Opt {
        name: "fence",
        default: "60",
        at_run_time: true,
        meaning: "seconds for which the data of a logged-out socket is removed again when it is written; 0 is off",
        kind: OptionKind::Number(0..=LONGEST, |options| &mut options.fence),
    },
    Opt {
        name: "slice-us",
        default: "500",
        at_run_time: true,
        meaning: "microseconds for which work between commands may hold the server",
        kind: OptionKind::Number(50..=100_000, |options| &mut options.slice_us),
    },
    Opt {
        name: "cluster-timeout",
        default: "1000",
        at_run_time: true,
        meaning: "milliseconds within which the other masters of a cluster have to answer",
        kind: OptionKind::Number(1..=3_600_000, |options| &mut options.cluster_timeout),
    },
    Opt {
        name: "cluster-retry",
        default: "60",
        at_run_time: true,
        meaning: "seconds for which a logout goes on asking nodes whose part is missing; 0 is off",
        kind: OptionKind::Number(0..=LONGEST, |options| &mut options.cluster_retry),
    },
    Opt {
        name: "channel",
        default: "session:events",
        at_run_time: true,
        meaning: "channel on which a JSON message tells of each logout; empty is off",
        kind: OptionKind::Text(ANY_TEXT, |options| &mut options.channel),
    },
    Opt {
        name: "stream",
        default: "",
        at_run_time: true,
        meaning: "key of a stream to which the same message is added; empty is off",
        kind: OptionKind::Text(ANY_TEXT, |options| &mut options.stream),
    },
    Opt {
        name: "stream-maxlen",
        default: "10000",
        at_run_time: true,
        meaning: "about how many of its newest entries that stream keeps",
        kind: OptionKind::Number(1..=i64::MAX, |options| &mut options.stream_maxlen),
    },
    Opt {
        name: "socketio",
        default: "off",
        at_run_time: true,
        meaning: "adapter of the Socket.IO servers to tell: off, classic, sharded or streams",
        kind: OptionKind::Choice(&ADAPTERS, |options| &mut options.socketio),
    },
    Opt {
        name: "socketio-prefix",
        default: "socket.io",
        at_run_time: true,
        meaning: "what the adapter's channels begin with, or the name of its stream",
        kind: OptionKind::Text(SOME_TEXT, |options| &mut options.socketio_prefix),
    },
    Opt {
        name: "socketio-namespace",
        default: "/",
        at_run_time: true,
        meaning: "the Socket.IO namespace that rooms and sockets are in",
        kind: OptionKind::Text(NAMESPACE, |options| &mut options.socketio_namespace),
    },
];

/// The longest time that makes sense, in seconds: a year.
const LONGEST: i64 = 31_536_000;

/// The options' values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Path of the layout, or the name of the built-in one.
    pub layout: String,
    /// Level of the lines about logouts: its number in [`Level::NAMES`].
    log_level: usize,
    /// Seconds; 0 is off.
    sweep_interval: i64,
    /// Seconds.
    grace: i64,
    /// Whether users are cleaned up when a key by which they are live ends by itself.
    pub expire_cascade: bool,
    /// Seconds; 0 is off.
    fence: i64,
    /// Microseconds.
    slice_us: i64,
    /// Milliseconds.
    cluster_timeout: i64,
    /// Seconds; 0 is off.
    cluster_retry: i64,
    /// Channel for messages about logouts, if not empty.
    channel: String,
    /// Stream for the same, if not empty.
    stream: String,
    /// How long that is.
    stream_maxlen: i64,
    /// Number of a Socket.IO adapter in [`ADAPTERS`].
    socketio: usize,
    /// What its channels begin with, or its stream's name.
    socketio_prefix: String,
    /// The namespace there.
    socketio_namespace: String,
}

/// Why the arguments are not options. The text is one sentence that says what to fix.
#[derive(Debug, PartialEq, Eq)]
pub enum OptionError {
    /// No option has this name.
    Unknown(String),
    /// The option stands twice.
    Repeated(String),
    /// The option's value is missing.
    NoValue(String),
    /// The option cannot have this value.
    BadValue(&'static str, String, String),
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                let known: Vec<&str> = OPTIONS.iter().map(|option| option.name).collect();
                write!(f, "unknown module argument '{name}'; known are {}", known.join(", "))
            }
            Self::Repeated(name) => write!(f, "module argument '{name}' stands twice"),
            Self::NoValue(name) => write!(f, "module argument '{name}' needs a value behind it"),
            Self::BadValue(name, value, expected) => {
                write!(f, "option '{name}' is '{value}'; it must be {expected}")
            }
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        let mut options = Self {
            layout: String::new(),
            log_level: 0,
            sweep_interval: 0,
            grace: 0,
            expire_cascade: false,
            fence: 0,
            slice_us: 0,
            cluster_timeout: 0,
            cluster_retry: 0,
            channel: String::new(),
            stream: String::new(),
            stream_maxlen: 0,
            socketio: 0,
            socketio_prefix: String::new(),
            socketio_namespace: String::new(),
        };
        for option in &OPTIONS {
            option.set(&mut options, option.default).unwrap_or_else(|error| panic!("a default is wrong: {error}"));
        }
        options
    }
}

impl Opt {
    /// Sets the option to a value given as text.
    ///
    /// # Errors
    /// [`OptionError::BadValue`].
    pub fn set(&self, options: &mut Options, value: &str) -> Result<(), OptionError> {
        let is_set = match &self.kind {
            OptionKind::Text(rule, place) => {
                let is_met = (rule.is_met)(value);
                if is_met {
                    value.clone_into(place(options));
                }
                is_met
            }
            OptionKind::Number(bounds, place) => {
                let number = value.parse().ok().filter(|number| bounds.contains(number));
                number.inspect(|number| *place(options) = *number).is_some()
            }
            OptionKind::Switch(place) => {
                let is = |name: &str| value.eq_ignore_ascii_case(name);
                *place(options) = is("yes");
                is("yes") || is("no")
            }
            OptionKind::Choice(names, place) => {
                let number = names.iter().position(|name| name.to_bytes().eq_ignore_ascii_case(value.as_bytes()));
                number.inspect(|number| *place(options) = *number).is_some()
            }
        };
        if is_set { Ok(()) } else { Err(OptionError::BadValue(self.name, value.to_owned(), self.kind.expects())) }
    }
}

impl OptionKind {
    /// The values that it takes, in words.
    fn expects(&self) -> String {
        match self {
            Self::Text(rule, _) => rule.expects.to_owned(),
            Self::Number(bounds, _) => format!("a number from {} to {}", bounds.start(), bounds.end()),
            Self::Switch(_) => "yes or no".to_owned(),
            Self::Choice(names, _) => {
                let names: Vec<_> = names.iter().map(|name| name.to_string_lossy()).collect();
                let (last, others) = names.split_last().expect("there is something to choose from");
                format!("{} or {last}", others.join(", "))
            }
        }
    }
}

impl Options {
    /// Reads module arguments.
    ///
    /// # Errors
    /// [`OptionError`].
    pub fn parse<'a>(arguments: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, OptionError> {
        let mut arguments = arguments.into_iter().map(|argument| String::from_utf8_lossy(argument).into_owned());
        let mut options = Self::default();
        let mut seen = Vec::new();
        while let Some(name) = arguments.next() {
            let known = OPTIONS.iter().find(|option| option.name.eq_ignore_ascii_case(&name));
            let Some(known) = known else { return Err(OptionError::Unknown(name)) };
            if seen.contains(&known.name) {
                return Err(OptionError::Repeated(name));
            }
            seen.push(known.name);
            let value = arguments.next().ok_or(OptionError::NoValue(name))?;
            known.set(&mut options, &value)?;
        }
        Ok(options)
    }

    /// Level of the lines about logouts.
    pub fn log_level(&self) -> Level {
        Level::ALL[self.log_level]
    }

    /// The channel for messages about logouts.
    pub fn channel(&self) -> Option<&str> {
        Some(&*self.channel).filter(|channel| !channel.is_empty())
    }

    /// The stream for the same, and about how long it may grow.
    pub fn stream(&self) -> Option<(&str, i64)> {
        Some((&*self.stream, self.stream_maxlen)).filter(|(stream, _)| !stream.is_empty())
    }

    /// How to reach the Socket.IO servers.
    pub fn socketio(&self) -> Option<SocketIo<'_>> {
        let adapter = *Adapter::ALL.get(self.socketio.checked_sub(1)?)?;
        Some(SocketIo { adapter, prefix: &self.socketio_prefix, namespace: &self.socketio_namespace })
    }

    /// Whether a layout says enough for what is to be done by itself.
    ///
    /// # Errors
    /// What it does not say.
    pub fn allowed_by(&self, layout: &Layout) -> Result<(), Unsaid> {
        let sweeps = self.sweep_interval().is_some() || self.expire_cascade;
        layout.unsaid.clone().filter(|_| sweeps).map_or(Ok(()), Err)
    }

    /// The time between sweeps by the server itself, if there are any.
    pub fn sweep_interval(&self) -> Option<Duration> {
        Some(seconds(self.sweep_interval)).filter(|interval| !interval.is_zero())
    }

    /// For how long a user must have been stale before the server itself cleans up.
    pub fn grace(&self) -> Duration {
        seconds(self.grace)
    }

    /// For how long a socket that was logged out is fenced off, if at all.
    pub fn fence(&self) -> Option<Duration> {
        Some(seconds(self.fence)).filter(|fence| !fence.is_zero())
    }

    /// Within which time the other masters of a cluster have to answer.
    pub fn cluster_timeout(&self) -> Duration {
        Duration::from_millis(self.cluster_timeout.unsigned_abs())
    }

    /// For how long a logout goes on asking nodes whose part is missing, if at all.
    pub fn cluster_retry(&self) -> Option<Duration> {
        Some(seconds(self.cluster_retry)).filter(|retry| !retry.is_zero())
    }

    /// For how long work between commands may hold the server.
    pub fn slice(&self) -> Duration {
        Duration::from_micros(self.slice_us.unsigned_abs())
    }
}

fn seconds(number: i64) -> Duration {
    Duration::from_secs(number.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        Options::parse(arguments.iter().map(|a| a.as_bytes())).map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_are_names_and_values() {
        let options = parse(&["layout", "/x.json", "LOG-LEVEL", "Debug"]).unwrap();
        assert_eq!((options.layout.as_str(), options.log_level()), ("/x.json", Level::Debug));
        let options = parse(&[]).unwrap();
        assert_eq!((options.layout.as_str(), options.log_level()), ("easyshare", Level::Notice));
        assert_eq!((options.channel(), options.stream(), options.socketio()), (Some("session:events"), None, None));
        for (name, adapter) in ADAPTERS[1..].iter().zip(Adapter::ALL) {
            let options = parse(&["socketio", name.to_str().unwrap()]).unwrap();
            assert_eq!(options.socketio(), Some(SocketIo { adapter, prefix: "socket.io", namespace: "/" }));
        }
        let refused = [
            (vec!["layuot", "x"], "unknown module argument 'layuot'; known are layout, log-level"),
            (vec!["layout"], "module argument 'layout' needs a value behind it"),
            (vec!["layout", "a", "layout", "b"], "module argument 'layout' stands twice"),
            (vec!["log-level", "loud"], "option 'log-level' is 'loud'; it must be debug, verbose, notice or warning"),
            (vec!["socketio-prefix", ""], "option 'socketio-prefix' is ''; it must be a text that is not empty"),
            (
                vec!["socketio-namespace", "chat"],
                "option 'socketio-namespace' is 'chat'; it must be a namespace, which begins with '/'",
            ),
            (vec!["socketio-namespace", "/a#b"], "option 'socketio-namespace' is '/a#b'; it must be"),
            (vec!["stream-maxlen", "0"], "option 'stream-maxlen' is '0'; it must be a number from 1"),
        ];
        for (arguments, expected) in refused {
            let error = parse(&arguments).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
