use super::{Arguments, Command, Info};
use crate::{error::Error, ports::Host, reply::Reply, session::Ask};

/// `SESSION.HELP`
///
/// Replies with the syntax of every command and what it does, a line each, as the server's own `HELP` subcommands do.
#[derive(Debug)]
pub struct Help;

const LINES: [&str; 24] = [
    "SESSION.<command> [<arg> [value] [opt] ...]. Commands are:",
    "LOGOUT <userId> [SOCKET <socketId>] [WHERE <placeholder> <value>] [REASON <text>] [LOCAL] [WITHTRACES]",
    "    Remove every trace of a user, atomically. Reply with the number of traces.",
    "    * SOCKET: only that socket, if the user goes on with another one.",
    "    * WHERE: of that, only traces with this placeholder and value. May be repeated.",
    "    * REASON: what events and the log say of it (default: logout).",
    "    * LOCAL: only what this node of a cluster holds.",
    "    * WITHTRACES: reply with a map of what was removed instead.",
    "INSPECT <userId> [LOCAL]",
    "    Show what LOGOUT would remove, and whether the user is live.",
    "SWEEP [GRACE <seconds>] [LIMIT <users>] [DRYRUN [WITHTRACES]] [LOCAL]",
    "    Remove the traces of users who are not live any more. Reply with the number of users.",
    "    * GRACE: only who has been so for that long (default: 0).",
    "    * LIMIT: at most so many users.",
    "    * DRYRUN: change nothing.",
    "    * WITHTRACES: reply with maps of what would be removed instead.",
    "    * LOCAL: only on this node of a cluster.",
    "EXPLAIN <key>",
    "    Show how the layout reads a key, whom it finds there, and what LOGOUT would do with it.",
    "LAYOUT",
    "    Show the layout in use, as JSON.",
    "HELP",
    "    Print this help.",
    "The index: INFO session. The options: CONFIG GET session.*",
];

impl Command for Help {
    const INFO: Info = Info {
        name: c"session.help",
        flags: c"readonly fast allow-loading allow-stale",
        categories: c"read fast",
        arity: 1,
        summary: c"Returns helpful text about the session commands",
        complexity: c"O(1)",
        tips: None,
        arguments: &[],
    };

    fn run<H: Host>(_: Ask<'_, H>, arguments: &[&[u8]]) -> Result<Reply, Error> {
        Arguments::new(arguments).finish()?;
        Ok(Reply::Array(LINES.into_iter().map(Reply::Line).collect()))
    }
}
