use super::{Argument, Arguments, Command, Info, LONGEST_KEY, no_longer};
use crate::{ask::explain, error::Error, ports::Host, reply::Reply, session::Ask};

/// `SESSION.EXPLAIN key`
///
/// Shows how the layout reads a key of the selected database, and changes nothing: each trace whose name it has, what the
/// placeholders stand for, whom it finds there or why nobody, whether they are live and by what, and what a logout of them
/// would do with the key. A trace whose name it would have if an id could hold more is named, too.
///
/// On a node of a cluster the caller waits while others are served, and it may not be called in a transaction or script there.
///
/// The caller needs permission to read the key. Of a user whose traces the caller may not read all, no more than the id is
/// shown.
#[derive(Debug)]
pub struct Explain;

impl Command for Explain {
    const INFO: Info = Info {
        name: c"session.explain",
        flags: c"readonly",
        categories: c"read",
        arity: 2,
        summary: c"Shows how the layout reads a key",
        complexity: c"O(N) with N being the size of the value, and the number of traces of the first ten users in it",
        tips: None,
        arguments: &[Argument::key(c"key")],
    };

    fn run<H: Host>(ask: Ask<'_, H>, arguments: &[&[u8]]) -> Result<Reply, Error> {
        let mut arguments = Arguments::new(arguments);
        let key = arguments.next().ok_or(Error::WrongArity)?;
        arguments.finish()?;
        explain::explain(ask, no_longer("key", key, LONGEST_KEY)?)
    }
}
