use super::{Argument, Arguments, Command, Info, check_id};
use crate::{ask::logout, error::Error, plan::Detail, ports::Host, reply::Reply, session::Ask, template::Placeholder};

/// `SESSION.INSPECT userId`
///
/// Shows what `SESSION.LOGOUT userId WITHTRACES` would remove, and changes nothing. Replies with the map and, at its end,
/// `live`: 1 if a socket in the user's mapping has its data key, else 0. The caller needs permission to read every key
/// that the reply says something of; if there is none, every key that there could be, so as not to learn it otherwise.
#[derive(Debug)]
pub struct Inspect;

impl Command for Inspect {
    const INFO: Info = Info {
        name: c"session.inspect",
        flags: c"readonly",
        categories: c"read",
        arity: 2,
        summary: c"Shows every trace of a user and changes nothing",
        complexity: c"O(N) with N being the number of the user's own traces",
        tips: Some(c"request_policy:all_shards response_policy:special"),
        arguments: &[Argument::required(c"userId")],
    };

    fn run<H: Host>(ask: Ask<'_, H>, arguments: &[&[u8]]) -> Result<Reply, Error> {
        let user = Self::parse(arguments)?;
        check_id(ask, "user id", Placeholder::USER, user)?;
        let plan = logout::plan(ask, user, Detail::Facts, &[])?;
        let layout = ask.state(|state| state.layout.clone());
        plan.check_shown(ask.host, &layout, &ask.host.caller())?;
        let mut fields = plan.to_map();
        fields.push(("live", Reply::Integer(plan.live.into())));
        Ok(Reply::Map(fields))
    }
}

impl Inspect {
    /// Reads the arguments: the user's id.
    ///
    /// # Errors
    /// [`Error::WrongArity`] and [`Error::EmptyUser`].
    pub fn parse<'a>(arguments: &'a [&'a [u8]]) -> Result<&'a [u8], Error> {
        let mut arguments = Arguments::new(arguments);
        let user = arguments.user()?;
        arguments.finish()?;
        Ok(user)
    }
}
