use super::{Act, Argument, Arguments, Command, Info, check_id};
use crate::{
    ask::{
        logout, moving,
        round::{self, Call},
    },
    error::Error,
    plan::{Detail, Scope, Told},
    ports::Host,
    reply::Reply,
    session::Ask,
    template::Placeholder,
    wire::{Errand, Part},
};

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
        tips: None,
        arguments: &[Argument::required(c"userId"), Argument::flag(c"LOCAL", c"local")],
    };

    fn run<H: Host>(ask: Ask<'_, H>, arguments: &[&[u8]]) -> Result<Reply, Error> {
        let began = ask.host.instant();
        let command = Inspect::parse(arguments)?;
        let peers = round::others(ask, command.is_local)?;
        let told = Told::default();
        let caller = ask.host.caller();
        let act = |told| Act { caller: &caller, began, within: None, told, is_between: false };
        let Some(peers) = peers else { return command.part(ask, &act(None))?.into_reply() };
        // A replica holds what its master does, which is asked.
        if ask.host.is_replica() {
            let (name, errand, scope) = ("SESSION.INSPECT", Errand::Learn(told), Scope::User);
            let (stamp, own) = (logout::stamp(ask), Some(Part::nothing()));
            let call = Call { name, arguments, limit: u64::MAX, scope, stamp, errand, own };
            return Ok(Reply::Later(round::begin(ask, peers, call).0));
        }
        // Who is live depends on sockets, which one node knows, and their data, which others have.
        let (own, errand) = if ask.state(|state| state.layout.sockets.is_some()) {
            check_id(ask, "user id", Placeholder::USER, command.user)?;
            (act(Some(&told)).learn(ask, command.user)?, Errand::Learn(told))
        } else {
            (command.part(ask, &act(None))?, Errand::Do(None))
        };
        let (name, scope) = ("SESSION.INSPECT", Scope::User);
        let call = Call { name, arguments, limit: u64::MAX, scope, stamp: logout::stamp(ask), errand, own: Some(own) };
        Ok(Reply::Later(round::begin(ask, peers, call).0))
    }
}

impl<'a> Inspect<'a> {
    /// What this node knows of the user.
    ///
    /// # Errors
    /// Whatever refuses it.
    pub(crate) fn part<H: Host>(&self, ask: Ask<'_, H>, act: &Act<'_, H>) -> Result<Part, Error> {
        check_id(ask, "user id", Placeholder::USER, self.user)?;
        let plan = act.plan(ask, self.user, Detail::Facts, &[])?;
        let layout = ask.state(|state| state.layout.clone());
        let is_found = plan.shows_something();
        let hidden = match plan.check_shown(ask.host, &layout, act.caller) {
            Err(error) if is_found => return Err(error),
            shown => shown.err(),
        };
        let motion = moving::motion(ask, &plan);
        let mut fields = plan.to_map();
        fields.push(("live", Reply::Integer(plan.live.into())));
        Ok(Part { is_found, hidden, motion, ..Part::of(Reply::Map(fields)) })
    }

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
