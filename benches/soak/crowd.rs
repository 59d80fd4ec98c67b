//! The connections that send at random: trusted ones, ones that are refused some or all of it, and ones that wait.

use super::commands::Args;
use super::history::History;
use crate::args;
use crate::support::{Client, Reply, Server, wait_until};

/// The password of the default user.
pub const PASSWORD: &str = "open sesame";

/// Who a connection belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// May do anything.
    Trusted,
    /// Never says the password.
    Stranger,
    /// May only read.
    Reader,
    /// May touch `tmp:*` alone, and do nothing dangerous.
    Poor,
    /// May open and end transactions, and nothing else.
    Mute,
    /// Two rights that only together would be enough.
    Picky,
}

impl Who {
    /// What the server has to be told of these users.
    pub const USERS: [&str; 4] = [
        "ACL SETUSER reader on >p %R~* &* -@all +@read +@connection +@transaction +session.inspect +session.logout",
        "ACL SETUSER poor on >p ~tmp:* +@all -@admin -@dangerous -client|pause",
        "ACL SETUSER mute on >p ~* -@all +multi +exec +discard +client|id",
        "ACL SETUSER picky on >p -@all +@transaction +client|id +session.logout +session.inspect (+append ~*) (+get %R~user_*)",
    ];

    /// What gets the connection its permissions.
    pub fn credentials(self) -> Vec<Args> {
        match self {
            Self::Trusted => vec![args!["AUTH", PASSWORD]],
            Self::Stranger => Vec::new(),
            Self::Reader => vec![args!["AUTH", "reader", "p"]],
            Self::Poor => vec![args!["AUTH", "poor", "p"]],
            Self::Mute => vec![args!["AUTH", "mute", "p"]],
            Self::Picky => vec![args!["AUTH", "picky", "p"]],
        }
    }
}

/// What became of commands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub sent: u64,
    /// Answered with NOAUTH or NOPERM.
    pub refused: u64,
    /// Of which the answer was lost with the connection.
    pub lost: u64,
}

/// One connection.
pub struct Seat {
    pub who: Who,
    pub name: String,
    client: Client,
    /// As in CLIENT LIST; a stranger may not ask for it.
    id: Option<i64>,
    /// What was sent and is not answered yet.
    owed: Vec<Args>,
    /// Whether somebody may have ended the connection. A server ends that of a stranger who asks for too much.
    is_doomed: bool,
    /// Whether a transaction was left open.
    pub is_open: bool,
}

impl Seat {
    /// A connection with the permissions of `who`.
    pub fn take(server: &Server, who: Who, name: String) -> Self {
        let mut client = server.client();
        for command in who.credentials() {
            let reply = client.cmd(command);
            assert!(!reply.is_error(), "{who:?} is not let in: {reply:?}");
        }
        let id = (who != Who::Stranger).then(|| client.id());
        Self { who, name, client, id, owed: Vec::new(), is_doomed: who == Who::Stranger, is_open: false }
    }

    /// Sends commands without waiting for answers.
    pub fn send(&mut self, commands: Vec<Args>, history: &mut History) {
        history.note(&self.name, &commands);
        // Until the password is said again it is a stranger's.
        self.is_doomed |= commands.iter().any(|command| command[0] == b"RESET");
        // A connection that has ended is noticed where its answers are read.
        let _ = self.client.try_send_all(&commands);
        self.owed.extend(commands);
    }

    /// Sends a command that may wait, and sees to it that the server has taken it in.
    ///
    /// # Errors
    /// When the connection has ended and nobody should have ended it.
    pub fn wait_with(&mut self, command: Args, history: &mut History) -> Result<(), String> {
        history.note(&self.name, std::slice::from_ref(&command));
        // The server reads both in one go, and answers the first only then.
        let _ = self.client.try_send_all(&[args!["PING"], command.clone()]);
        match self.client.try_read() {
            Err(problem) if !self.is_doomed => Err(format!("{} was cut off: {problem}", self.name)),
            _ => {
                self.owed.push(command);
                Ok(())
            }
        }
    }

    /// The first key that it waits for, if it waits.
    pub fn waits_for(&self) -> Option<Vec<u8>> {
        let command = self.owed.first()?;
        let place = if command[0] == b"BLMPOP" { 3 } else { 1 };
        Some(command[place].clone())
    }

    /// Whether it still waits for an answer to what it was sent.
    pub fn waits(&self) -> bool {
        !self.owed.is_empty() && !self.client.has_reply()
    }

    /// Reads all answers, each handed to `heard` with its command.
    ///
    /// # Errors
    /// When the connection has ended and nobody should have ended it.
    pub fn collect(&mut self, tally: &mut Tally, mut heard: impl FnMut(&Args, Reply)) -> Result<Ending, String> {
        let owed = std::mem::take(&mut self.owed);
        for (i, command) in owed.iter().enumerate() {
            let reply = match self.client.try_read() {
                Ok(reply) => reply,
                Err(_) if self.is_doomed => {
                    tally.lost += (owed.len() - i) as u64;
                    tally.sent += (owed.len() - i) as u64;
                    return Ok(Ending::Ended);
                }
                Err(problem) => return Err(format!("{} was cut off: {problem}", self.name)),
            };
            tally.sent += 1;
            if let Reply::Error(text) = &reply {
                tally.refused += u64::from(text.starts_with("NOAUTH") || text.starts_with("NOPERM"));
            }
            heard(command, reply);
        }
        Ok(Ending::Open)
    }

    /// Lets `control` end the connection. What it has sent and the server has not run yet is never run.
    pub fn kill(&mut self, control: &mut Client, history: &mut History) {
        let Some(id) = self.id else { return };
        let command = args!["CLIENT", "KILL", "ID", id.to_string()];
        history.note(&format!("(ends {}) control", self.name), std::slice::from_ref(&command));
        self.is_doomed = true;
        control.cmd(command);
    }

    /// Hangs up, whatever is owed, and waits until the server knows: until then it may still run what it was sent. A
    /// stranger is not waited for, as it cannot run anything.
    pub fn hang_up(self, control: &mut Client, tally: &mut Tally) {
        tally.sent += self.owed.len() as u64;
        tally.lost += self.owed.len() as u64;
        drop(self.client);
        let Some(id) = self.id else { return };
        let line = format!("CLIENT LIST ID {id}");
        wait_until("the server knows that a connection has ended", || {
            control.must(&line).as_bytes().trim_ascii().is_empty()
        });
    }

    /// Ends a wait, if it is one.
    pub fn unblock(&self, control: &mut Client) {
        if let Some(id) = self.id {
            control.cmd(args!["CLIENT", "UNBLOCK", id.to_string()]);
        }
    }
}

/// Whether a connection is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Open,
    Ended,
}
