//! The ways to log a user out that are compared: the module and its rivals, each as somebody would really write it.
//! Improve a rival where you can; the comparison is worth what its rivals are.

use std::path::Path;

use crate::{
    Outcome,
    client::{Client, Pipeline, Reply},
    format::Format,
    layouts,
    server::Server,
    world::User,
};

/// A way to log users out.
pub trait Rival {
    /// What the table calls it.
    fn name(&self) -> &'static str;

    /// Whether its server needs the module.
    fn needs_module(&self) -> bool {
        false
    }

    /// The layout of its server, if it is not the built-in one.
    fn layout(&self) -> Option<String> {
        None
    }

    /// How the data of sockets is written on its server.
    fn format(&self) -> Format {
        Format::Json
    }

    /// A server for it.
    fn start(&self, module: &Path) -> Outcome<Server> {
        match self.layout() {
            Some(layout) => Server::with_layout(module, &layout),
            None => Server::start(self.needs_module().then_some(module)),
        }
    }

    /// What has to be done once on its server.
    fn prepare(&self, _client: &mut Client) -> Outcome<()> {
        Ok(())
    }

    /// What the application has to write for each user so that this way works.
    fn remember(&self, _out: &mut Pipeline, _user: User) {}

    /// Logs a user out, and says how many traces went.
    fn log_out(&self, client: &mut Client, user: User) -> Outcome<usize>;

    /// The same for several users, one after the other.
    fn log_out_all(&self, client: &mut Client, users: &[User]) -> Outcome<usize> {
        users.iter().map(|user| self.log_out(client, *user)).sum()
    }
}

/// Adds up the integers of replies, in arrays too.
fn sum(replies: &[Reply]) -> usize {
    let of = |reply: &Reply| match reply {
        Reply::Integer(number) => usize::try_from(*number).unwrap_or(0),
        Reply::Array(items) => sum(items),
        _ => 0,
    };
    replies.iter().map(of).sum()
}

/// `SESSION.LOGOUT` that does what the others do and no more: it tells nobody, and fences nothing off.
pub struct Module;

impl Rival for Module {
    fn name(&self) -> &'static str {
        "module"
    }

    fn needs_module(&self) -> bool {
        true
    }

    fn prepare(&self, client: &mut Client) -> Outcome<()> {
        client.call(&["CONFIG", "SET", "session.channel", "", "session.fence", "0"])?;
        Ok(())
    }

    fn log_out(&self, client: &mut Client, user: User) -> Outcome<usize> {
        Ok(sum(&client.run(Pipeline::default().add(&["SESSION.LOGOUT", &user.id()]))?))
    }
}

/// `SESSION.LOGOUT` with these options besides the defaults. Nobody listens: what is measured is the telling.
pub struct Default(pub &'static [(&'static str, &'static str)]);

impl Rival for Default {
    fn name(&self) -> &'static str {
        "module by default"
    }

    fn needs_module(&self) -> bool {
        true
    }

    fn prepare(&self, client: &mut Client) -> Outcome<()> {
        self.0.iter().try_for_each(|(option, value)| client.call(&["CONFIG", "SET", option, value]).map(drop))
    }

    fn log_out(&self, client: &mut Client, user: User) -> Outcome<usize> {
        Module.log_out(client, user)
    }
}

/// The same with many commands in one write: no round trips, which cost so much that they hide a part of what is measured.
pub struct Piped(pub &'static [(&'static str, &'static str)]);

impl Rival for Piped {
    fn name(&self) -> &'static str {
        "module, piped"
    }

    fn needs_module(&self) -> bool {
        true
    }

    fn prepare(&self, client: &mut Client) -> Outcome<()> {
        Default(self.0).prepare(client)
    }

    fn log_out(&self, client: &mut Client, user: User) -> Outcome<usize> {
        self.log_out_all(client, &[user])
    }

    fn log_out_all(&self, client: &mut Client, users: &[User]) -> Outcome<usize> {
        let mut out = Pipeline::default();
        for user in users {
            out.add(&["SESSION.LOGOUT", &user.id()]);
        }
        Ok(sum(&client.run(&out)?))
    }
}

/// The same as the module comes, with the data of sockets in this format. The layout is written alike for each of them.
pub struct InFormat(pub Format);

impl Rival for InFormat {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn needs_module(&self) -> bool {
        true
    }

    fn layout(&self) -> Option<String> {
        Some(layouts::in_format(self.0))
    }

    fn format(&self) -> Format {
        self.0
    }

    fn log_out(&self, client: &mut Client, user: User) -> Outcome<usize> {
        self.log_out_all(client, &[user])
    }

    fn log_out_all(&self, client: &mut Client, users: &[User]) -> Outcome<usize> {
        Piped(&[]).log_out_all(client, users)
    }
}

/// A round trip that does nothing: what every way pays for being asked at all.
pub struct Nothing;

impl Rival for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }

    fn log_out(&self, client: &mut Client, user: User) -> Outcome<usize> {
        client.call(&["PING"])?;
        Ok(user.traces())
    }
}

/// One transaction of a client that knows every key by heart, sent in one write.
pub struct Oracle;

impl Rival for Oracle {
    fn name(&self) -> &'static str {
        "oracle"
    }

    fn log_out(&self, client: &mut Client, user: User) -> Outcome<usize> {
        let mut out = Pipeline::default();
        out.add(&["MULTI"]);
        out.add_long(&["UNLINK"], &user.keys());
        out.add(&["SREM", "active_users", &user.id()]);
        out.add(&["EXEC"]);
        Ok(sum(&client.run(&out)?))
    }
}

/// What the oracle asks for without MULTI and EXEC, in one write: others may see it half done.
pub struct Halves;

impl Rival for Halves {
    fn name(&self) -> &'static str {
        "UNLINK and SREM without MULTI"
    }

    fn log_out(&self, client: &mut Client, user: User) -> Outcome<usize> {
        self.log_out_all(client, &[user])
    }

    fn log_out_all(&self, client: &mut Client, users: &[User]) -> Outcome<usize> {
        let mut out = Pipeline::default();
        for user in users {
            out.add_long(&["UNLINK"], &user.keys());
            out.add(&["SREM", "active_users", &user.id()]);
        }
        Ok(sum(&client.run(&out)?))
    }
}

/// One UNLINK of exactly the right keys. The membership stays.
pub struct Unlink;

impl Rival for Unlink {
    fn name(&self) -> &'static str {
        "UNLINK alone"
    }

    fn log_out(&self, client: &mut Client, user: User) -> Outcome<usize> {
        let removed = sum(&client.run(Pipeline::default().add_long(&["UNLINK"], &user.keys()))?);
        Ok(removed + 1)
    }
}

/// A Redis Function over index sets that the application maintains with every write.
pub struct Function;

impl Function {
    fn index(user: User) -> String {
        format!("user_idx:{}", user.id())
    }
}

impl Rival for Function {
    fn name(&self) -> &'static str {
        "Function"
    }

    fn prepare(&self, client: &mut Client) -> Outcome<()> {
        client.call(&["FUNCTION", "LOAD", include_str!("lua/logout.lua")])?;
        Ok(())
    }

    fn remember(&self, out: &mut Pipeline, user: User) {
        out.add_long(&["SADD", &Self::index(user)], &user.keys());
    }

    fn log_out(&self, client: &mut Client, user: User) -> Outcome<usize> {
        let (index, id) = (Self::index(user), user.id());
        let mut out = Pipeline::default();
        if user.in_document {
            out.add(&["FCALL", "logout_from_room", "3", &index, "active_users", &user.document(), &id]);
        } else {
            out.add(&["FCALL", "logout", "2", &index, "active_users", &id]);
        }
        Ok(sum(&client.run(&out)?))
    }
}

/// The application's own way: what it knows is deleted, the rest is searched for, one call at a time.
pub struct Application;

impl Application {
    /// Walks all keys that match, and deletes those that `is_wanted` says.
    fn search(
        client: &mut Client,
        pattern: &str,
        mut is_wanted: impl FnMut(&mut Client, &str) -> Outcome<bool>,
    ) -> Outcome<usize> {
        let (mut cursor, mut removed) = ("0".to_owned(), 0);
        loop {
            let reply = client.call(&["SCAN", &cursor, "MATCH", pattern, "COUNT", "100"])?;
            let Reply::Array(parts) = reply else { return Err("SCAN answered no array".into()) };
            let [next, Reply::Array(keys)] = parts.as_slice() else { return Err("SCAN answered no page".into()) };
            for key in keys {
                if is_wanted(client, &key.text())? {
                    removed += sum(&[client.call(&["DEL", &key.text()])?]);
                }
            }
            cursor = next.text();
            if cursor == "0" {
                return Ok(removed);
            }
        }
    }
}

impl Rival for Application {
    fn name(&self) -> &'static str {
        "application"
    }

    fn log_out(&self, client: &mut Client, user: User) -> Outcome<usize> {
        let id = user.id();
        let mut removed = 0;
        let socket = client.call(&["GET", &format!("user_socket:{id}")])?.text();
        removed += sum(&[client.call(&["DEL", &format!("socket_data:{socket}")])?]);
        for name in ["user_socket", "user_activity", "activity", "user_session", "user_presence", "user_status"] {
            removed += sum(&[client.call(&["DEL", &format!("{name}:{id}")])?]);
        }
        let owner = format!("\"userId\":\"{id}\"");
        removed += Self::search(client, "socket_data:*", |client, key| {
            Ok(client.call(&["GET", key])?.text().contains(&owner))
        })?;
        removed += Self::search(client, &format!("typing:*:{id}"), |_, _| Ok(true))?;
        removed += sum(&[client.call(&["SREM", "active_users", &id])?]);
        Ok(removed)
    }
}
