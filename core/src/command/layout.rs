use super::{Arguments, Command, Info};
use crate::{error::Error, ports::Host, reply::Reply, session::Ask};

/// `SESSION.LAYOUT`
///
/// Replies with the layout in use, as the JSON text that was loaded, without white space around it.
#[derive(Debug)]
pub struct ShowLayout;

impl Command for ShowLayout {
    const INFO: Info = Info {
        name: c"session.layout",
        flags: c"readonly fast allow-loading allow-stale",
        categories: c"read fast",
        arity: 1,
        summary: c"Shows the layout in use",
        complexity: c"O(1)",
        tips: None,
        arguments: &[],
    };

    fn run<H: Host>(ask: Ask<'_, H>, arguments: &[&[u8]]) -> Result<Reply, Error> {
        Arguments::new(arguments).finish()?;
        Ok(Reply::Bytes(ask.state(|state| state.layout.text.clone()).into_bytes()))
    }
}
