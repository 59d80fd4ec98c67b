//! Announcements: what the layout tells the rooms that a user leaves. Checked once, when the layout loads.

mod text;

use std::fmt;

use serde::{
    Deserialize, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::value::RawValue;

pub(crate) use text::{Hole, Text, TextError, Values};

/// A message to the rooms that a user left.
#[derive(Debug, PartialEq)]
pub struct Announcement {
    /// The event's name.
    pub(crate) event: String,
    /// Its arguments.
    args: Vec<Node>,
    /// Where the message is kept.
    pub(crate) append: Option<Append>,
}

/// Where a message is kept: with the history of each room.
#[derive(Debug, PartialEq)]
pub(crate) struct Append {
    /// The key's name.
    pub(crate) key: Text,
    /// What is at the key.
    pub(crate) form: Form,
}

/// What a message is appended to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) enum Form {
    /// A list, by RPUSH.
    #[default]
    List,
    /// A stream, by XADD with the field `message`.
    Stream,
}

/// A JSON value with placeholders in its strings.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    /// Null, a boolean or a number.
    Plain(serde_json::Value),
    Text(Text),
    /// The moment, as a number of milliseconds.
    Now,
    Array(Vec<Node>),
    /// Names and values, in the order of the layout.
    Object(Vec<(String, Node)>),
}

/// A value that a part of a document gets.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting(Node);

impl Setting {
    /// Reads any JSON value, whose strings may hold {now} and {userId}.
    ///
    /// # Errors
    /// [`AnnouncementError`].
    pub fn parse(value: &serde_json::Value) -> Result<Self, AnnouncementError> {
        let text = serde_json::value::to_raw_value(value).map_err(AnnouncementProblem::Json)?;
        let setting = Self::parse_any(&text)?;
        if setting.holds(&|hole| ![Hole::Now, Hole::User].contains(&hole)) {
            return Err(AnnouncementProblem::Other("it may hold {now} and {userId}, and no other placeholder").into());
        }
        Ok(setting)
    }

    /// Reads any JSON value, whose strings may hold any placeholder of announcements.
    ///
    /// # Errors
    /// [`AnnouncementError`].
    pub(crate) fn parse_any(value: &RawValue) -> Result<Self, AnnouncementError> {
        Ok(Self(Node::parse(value, DEEPEST)?))
    }

    /// Whether there is such a placeholder in it.
    pub(crate) fn holds(&self, wanted: &dyn Fn(Hole) -> bool) -> bool {
        self.0.holds(wanted)
    }

    /// Its JSON text.
    pub(crate) fn json(&self, values: &Values<'_>) -> Vec<u8> {
        json(&Filled { node: &self.0, values })
    }

    /// Whether it is another one at each moment.
    pub fn is_time(&self) -> bool {
        self.0.holds(&|hole| hole == Hole::Now)
    }

    /// Its JSON text for a user, at a moment in milliseconds since 1970.
    pub fn text(&self, user: &[u8], at: u64) -> Vec<u8> {
        let now = at.to_string();
        let (now, none) = (now.as_bytes(), &b""[..]);
        self.json(&Values { user, user_name: user, room: none, socket: none, reason: none, at, now, id: none })
    }
}

/// Why an announcement is refused. The text says what to fix.
#[derive(Debug)]
pub struct AnnouncementError(Box<AnnouncementProblem>);

#[derive(Debug)]
enum AnnouncementProblem {
    Json(serde_json::Error),
    Text(&'static str, TextError),
    Other(&'static str),
}

impl fmt::Display for AnnouncementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            AnnouncementProblem::Json(error) => write!(f, "{error}"),
            AnnouncementProblem::Text(field, TextError::Braces(error)) => write!(f, "`{field}`: {error}"),
            AnnouncementProblem::Text(field, TextError::Unknown(name)) => {
                let known: Vec<String> = Hole::NAMES.iter().map(|(name, _)| format!("{{{name}}}")).collect();
                let known = known.join(", ");
                write!(f, "`{field}` holds {{{name}}}, which nothing is known of; an announcement may hold {known}")
            }
            AnnouncementProblem::Other(sentence) => f.write_str(sentence),
        }
    }
}

impl From<AnnouncementProblem> for AnnouncementError {
    fn from(cause: AnnouncementProblem) -> Self {
        Self(Box::new(cause))
    }
}

/// A message to each room that a user leaves, and where it is kept.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Announcement"))]
pub(crate) struct Document<'a> {
    /// The event's name.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    event: String,
    /// The event's arguments: any JSON, whose strings may hold placeholders.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<serde_json::Value>"))]
    args: Vec<&'a RawValue>,
    /// The key of the room's history, to which the message is appended; it begins with a literal.
    append: Option<String>,
    /// The type of that key; a list if left out.
    #[serde(rename = "as")]
    form: Option<Form>,
}

/// Events that Socket.IO's client raises by itself: a message of such a name would be taken for something that happened.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// How deep arrays and objects may be nested.
const DEEPEST: usize = 32;

impl Announcement {
    /// Reads and checks an item of `announce`. `goes` says of a key's name whether a logout may delete it as a trace.
    ///
    /// # Errors
    /// [`AnnouncementError`].
    pub fn parse(text: &str, goes: impl Fn(&[u8]) -> bool) -> Result<Self, AnnouncementError> {
        // serde would take the values of the fields too.
        if text.starts_with('[') {
            Err(AnnouncementProblem::Other("an item of `announce` must be an object"))?;
        }
        let document: Document = serde_json::from_str(text).map_err(AnnouncementProblem::Json)?;
        if document.event.is_empty() || RESERVED.contains(&&*document.event) {
            Err(AnnouncementProblem::Other(
                "`event` must not be empty, nor the name of an event that Socket.IO raises by itself",
            ))?;
        }
        let args = document.args.iter().map(|raw| Node::parse(raw, DEEPEST)).collect::<Result<_, _>>()?;
        let append = match (document.append, document.form) {
            (Some(key), form) => Some(Append::parse(&key, form.unwrap_or_default(), goes)?),
            (None, None) => None,
            (None, Some(_)) => {
                Err(AnnouncementProblem::Other("`as` says what `append` appends to, and there is no `append`"))?
            }
        };
        Ok(Self { event: document.event, args, append })
    }

    /// Whether such a placeholder stands in it.
    pub(crate) fn holds(&self, hole: Hole) -> bool {
        let is_it = |held| held == hole;
        self.args.iter().any(|node| node.holds(&is_it))
            || self.append.as_ref().is_some_and(|append| append.key.holds(&is_it))
    }

    /// The arguments of one message.
    pub(crate) fn args<'a>(&'a self, values: Values<'a>) -> Args<'a> {
        Args { nodes: &self.args, values }
    }

    /// What is kept of a message: its argument if it has just one, else all of them as an array.
    pub(crate) fn kept(&self, values: Values<'_>) -> Vec<u8> {
        match &*self.args {
            [node] => json(&Filled { node, values: &values }),
            nodes => json(&Args { nodes, values }),
        }
    }
}

impl Append {
    fn parse(key: &str, form: Form, goes: impl Fn(&[u8]) -> bool) -> Result<Self, AnnouncementProblem> {
        let key = Text::parse(key).map_err(|error| AnnouncementProblem::Text("append", error))?;
        if !key.begins_with_a_literal() {
            return Err(AnnouncementProblem::Other(
                "`append` must begin with a literal, so that no id can name a key at will",
            ));
        }
        let sample = Values::sample();
        if goes(&key.bytes(&sample)) {
            return Err(AnnouncementProblem::Other(
                "`append` names a key that is a trace, which the next logout would delete",
            ));
        }
        Ok(Self { key, form })
    }
}

impl Node {
    /// Whether there is such a placeholder in it.
    fn holds(&self, wanted: &dyn Fn(Hole) -> bool) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Text(text) => text.holds(wanted),
            Self::Now => wanted(Hole::Now),
            Self::Array(nodes) => nodes.iter().any(|node| node.holds(wanted)),
            Self::Object(fields) => fields.iter().any(|(_, node)| node.holds(wanted)),
        }
    }

    fn parse(raw: &RawValue, levels: usize) -> Result<Self, AnnouncementProblem> {
        if levels == 0 {
            return Err(AnnouncementProblem::Other("`args` are nested too deep"));
        }
        let deeper = |raw: &RawValue| Self::parse(raw, levels - 1);
        match raw.get().as_bytes().first() {
            Some(b'"') => {
                let text: String = serde_json::from_str(raw.get()).map_err(AnnouncementProblem::Json)?;
                let text = Text::parse(&text).map_err(|error| AnnouncementProblem::Text("args", error))?;
                Ok(if text.is(Hole::Now) { Self::Now } else { Self::Text(text) })
            }
            Some(b'[') => {
                let elements: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(AnnouncementProblem::Json)?;
                elements.into_iter().map(deeper).collect::<Result<_, _>>().map(Self::Array)
            }
            Some(b'{') => {
                let Fields(fields) = serde_json::from_str(raw.get()).map_err(AnnouncementProblem::Json)?;
                let fields = fields.into_iter().map(|(name, raw)| Ok((name, deeper(raw)?)));
                fields.collect::<Result<_, _>>().map(Self::Object)
            }
            _ => serde_json::from_str(raw.get()).map(Self::Plain).map_err(AnnouncementProblem::Json),
        }
    }
}

/// An object's members in their order, which a map would not keep.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// The arguments of a message, with their placeholders filled.
#[derive(Clone, Copy)]
pub(crate) struct Args<'a> {
    nodes: &'a [Node],
    values: Values<'a>,
}

impl<'a> Args<'a> {
    /// Each of them.
    pub(crate) fn iter(&'a self) -> impl ExactSizeIterator<Item = impl Serialize + 'a> {
        self.nodes.iter().map(|node| Filled { node, values: &self.values })
    }
}

impl Serialize for Args<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// A value with its placeholders filled.
struct Filled<'a> {
    node: &'a Node,
    values: &'a Values<'a>,
}

impl Serialize for Filled<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let filled = |node| Filled { node, values: self.values };
        match self.node {
            Node::Plain(value) => value.serialize(serializer),
            Node::Text(text) => serializer.serialize_str(&text.show(self.values)),
            Node::Now => serializer.serialize_u64(self.values.at),
            Node::Array(nodes) => {
                let mut array = serializer.serialize_seq(Some(nodes.len()))?;
                nodes.iter().try_for_each(|node| array.serialize_element(&filled(node)))?;
                array.end()
            }
            Node::Object(fields) => {
                let mut object = serializer.serialize_map(Some(fields.len()))?;
                fields.iter().try_for_each(|(name, node)| object.serialize_entry(name, &filled(node)))?;
                object.end()
            }
        }
    }
}

pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    // Most of them without growing.
    let mut text = Vec::with_capacity(512);
    serde_json::to_writer(&mut text, value).expect("memory takes all of JSON, and every name is a string");
    text
}
