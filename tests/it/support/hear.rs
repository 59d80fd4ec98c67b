//! Somebody who listens to channels, and what was heard.

use super::{Client, Reply, Server};

/// A client that listens to all channels.
pub struct Listener(Client);

/// A channel on which tests say that there is no more to hear.
const THE_END: &str = "the-end";

impl Listener {
    /// Begins to listen to every channel.
    pub fn to_all(server: &Server) -> Self {
        let mut client = server.client();
        client.must("PSUBSCRIBE *");
        Self(client)
    }

    /// Everything that was said until now, as channel and message. `server` is where the end is said: the one that is
    /// listened to, or its master.
    pub fn heard(&mut self, server: &Server) -> Vec<(String, Vec<u8>)> {
        server.must(&format!("PUBLISH {THE_END} {THE_END}"));
        let message = || {
            let reply = self.0.read();
            let [_, _, channel, message] = reply.items() else { panic!("not a message: {reply:?}") };
            (channel.as_text().to_owned(), message.as_bytes().to_vec())
        };
        std::iter::repeat_with(message).take_while(|(channel, _)| channel != THE_END).collect()
    }

    /// The same as lines, with the moment of each event, which must lie in the last minute, as `AT`.
    pub fn heard_lines(&mut self, server: &Server) -> Vec<String> {
        let (heard, now) = (self.heard(server), server.now());
        let line = |(channel, message): (String, Vec<u8>)| format!("{channel} {}", without_moments(&message, now));
        heard.into_iter().map(line).collect()
    }
}

/// `message` as text, in which each time between `now` and a minute before, in milliseconds since 1970, is `AT`.
pub fn without_moments(message: &[u8], now: i64) -> String {
    let text = message.escape_ascii().to_string().replace("\\\"", "\"");
    let mut shown = String::new();
    for run in text.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
        let run = str::from_utf8(run).expect("it is escaped");
        let is_moment = run.parse().is_ok_and(|at: i64| now - 60_000 <= at && at <= now);
        shown.push_str(if is_moment { "AT" } else { run });
    }
    shown
}

/// The fields of the newest entry of a stream, with moments as `AT`.
pub fn newest_entry(server: &Server, key: &str) -> Vec<String> {
    let (entries, now) = (server.must(&format!("XREVRANGE {key} + - COUNT 1")), server.now());
    let Some(entry) = entries.items().first() else { panic!("{key} has no entry") };
    let fields = |reply: &Reply| reply.byte_items().iter().map(|field| without_moments(field, now)).collect();
    fields(&entry.items()[1])
}
