use super::{Argument, Arguments, Command, Info, check_id};
use crate::{ask::logout, error::Error, plan::Detail, ports::Host, reply::Reply, session::Ask, template::Placeholder};

/// `SESSION.INSPECT userId [LOCAL]`
///
/// Shows what `SESSION.LOGOUT userId WITHTRACES` would remove, and changes nothing. Replies with the map and, at its end,
/// `live`: 1 if a socket in the user's mapping has its data key, else 0. The caller needs permission to read every key
/// that the reply says something of; if there is none, every key that there could be, so as not to learn it otherwise.
#[derive(Debug, PartialEq, Eq)]
pub struct Inspect<'a> {
    /// Who; not empty.
    pub user: &'a [u8],
    /// Whether it is about this node of a cluster alone.
    pub is_local: bool,
}

impl Command for Inspect<'_> {
    const INFO: Info = Info {
        name: c"session.inspect",
        flags: c"readonly",
        categories: c"read",
        arity: -2,
        summary: c"Shows every trace of a user and changes nothing",
        complexity: c"O(N) with N being the number of the user's own traces",
        tips: Some(c"request_policy:all_shards response_policy:special"),
        arguments: &[Argument::required(c"userId"), Argument::flag(c"LOCAL", c"local")],
    };

    fn run<H: Host>(ask: Ask<'_, H>, arguments: &[&[u8]]) -> Result<Reply, Error> {
        let Inspect { user, .. } = Inspect::parse(arguments)?;
        check_id(ask, "user id", Placeholder::USER, user)?;
        let plan = logout::plan(ask, user, Detail::Facts, &[])?;
        let layout = ask.state(|state| state.layout.clone());
        plan.check_shown(ask.host, &layout, &ask.host.caller())?;
        let mut fields = plan.to_map();
        fields.push(("live", Reply::Integer(plan.live.into())));
        Ok(Reply::Map(fields))
    }
}

impl<'a> Inspect<'a> {
    /// Reads the arguments: the user's id, and whether it is about this node alone.
    ///
    /// # Errors
    /// [`Error::WrongArity`], [`Error::EmptyUser`], [`Error::TooLong`] and [`Error::Syntax`].
    pub fn parse(arguments: &'a [&'a [u8]]) -> Result<Self, Error> {
        let mut arguments = Arguments::new(arguments);
        let mut inspect = Self { user: arguments.user()?, is_local: false };
        while let Some(option) = arguments.next() {
            if inspect.is_local || !option.eq_ignore_ascii_case(b"LOCAL") {
                return Err(Error::Syntax);
            }
            inspect.is_local = true;
        }
        Ok(inspect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_the_user_stands_at_most_one_word() {
        assert_eq!(Inspect::parse(&[b"u"]), Ok(Inspect { user: b"u", is_local: false }));
        assert_eq!(Inspect::parse(&[b"LOCAL", b"local"]), Ok(Inspect { user: b"LOCAL", is_local: true }));
        let refused: [(&[&[u8]], Error); 4] = [
            (&[], Error::WrongArity),
            (&[b""], Error::EmptyUser),
            (&[b"u", b"b"], Error::Syntax),
            (&[b"u", b"LOCAL", b"LOCAL"], Error::Syntax),
        ];
        for (arguments, error) in refused {
            assert_eq!(Inspect::parse(arguments), Err(error), "{arguments:?}");
        }
    }
}
