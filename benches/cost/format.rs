//! A socket's data in the formats in which applications keep sessions.

/// How a value is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Json,
    MessagePack,
    Pickle,
}

/// A value in a map. Texts need no escapes in JSON and are shorter than 256 bytes.
#[derive(Clone, Copy, Debug)]
pub enum Field<'a> {
    Text(&'a str),
    /// At most 48 bits.
    Number(u64),
    Flag(bool),
}

impl Format {
    /// What a layout's `encoding` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MessagePack => "msgpack",
            Self::Pickle => "pickle",
        }
    }

    /// What the table calls it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::MessagePack => "MessagePack",
            Self::Pickle => "pickle",
        }
    }

    /// A map of fewer than 16 fields, byte for byte as the usual libraries write it.
    pub fn write(self, fields: &[(&str, Field<'_>)]) -> Vec<u8> {
        match self {
            Self::Json => json(fields).into_bytes(),
            Self::MessagePack => message_pack(fields),
            Self::Pickle => pickle(fields),
        }
    }
}

fn json(fields: &[(&str, Field<'_>)]) -> String {
    let fields = fields.iter().map(|(name, field)| match field {
        Field::Text(text) => format!(r#""{name}":"{text}""#),
        Field::Number(number) => format!(r#""{name}":{number}"#),
        Field::Flag(flag) => format!(r#""{name}":{flag}"#),
    });
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

fn message_pack(fields: &[(&str, Field<'_>)]) -> Vec<u8> {
    fn text(out: &mut Vec<u8>, text: &str) {
        let length = length(text);
        if length < 32 {
            out.push(0xa0 | length);
        } else {
            out.extend([0xd9, length]);
        }
        out.extend(text.as_bytes());
    }
    let mut out = vec![0x80 | fields.len() as u8];
    for (name, field) in fields {
        text(&mut out, name);
        match *field {
            Field::Text(value) => text(&mut out, value),
            Field::Number(number) => {
                out.push(0xcf);
                out.extend(number.to_be_bytes());
            }
            Field::Flag(flag) => out.push(0xc2 | u8::from(flag)),
        }
    }
    out
}

/// Protocol 4, in one frame. Python notes the map and each text for later use, though nothing uses them here.
fn pickle(fields: &[(&str, Field<'_>)]) -> Vec<u8> {
    const NOTE: u8 = 0x94;
    fn text(out: &mut Vec<u8>, text: &str) {
        out.extend([0x8c, length(text)]);
        out.extend(text.as_bytes());
        out.push(NOTE);
    }
    let mut frame = vec![b'}', NOTE, b'('];
    for (name, field) in fields {
        text(&mut frame, name);
        match *field {
            Field::Text(value) => text(&mut frame, value),
            Field::Number(number) => {
                frame.extend([0x8a, 6]);
                frame.extend(&number.to_le_bytes()[..6]);
            }
            Field::Flag(flag) => frame.push(if flag { 0x88 } else { 0x89 }),
        }
    }
    frame.extend(b"u.");
    let mut out = vec![0x80, 4, 0x95];
    out.extend((frame.len() as u64).to_le_bytes());
    out.extend(frame);
    out
}

fn length(text: &str) -> u8 {
    u8::try_from(text.len()).expect("texts here are short")
}
