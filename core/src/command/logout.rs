use super::{Act, Argument, Arguments, Command, Info, LONGEST_ID, LONGEST_REASON, check_id, no_longer};
use crate::{
    ask::{
        context::{Cause, LogoutContext},
        logout, moving,
        round::{self, Call},
    },
    error::Error,
    layout::{Layout, Trace},
    plan::{Checked, Detail, Gone, Scope, Told, ToldOf, Unseen, check_unseen},
    ports::{Host, Peer},
    reply::Reply,
    session::Ask,
    template::{IdRule, Placeholder},
    wire::{Errand, Motion, Part},
};

/// `SESSION.LOGOUT userId [SOCKET socketId] [WHERE placeholder value] [REASON text] [LOCAL] [WITHTRACES]`
///
/// Removes every trace of a user from the selected database, all or nothing. With `SOCKET` that socket alone, as long as
/// the user has another one with its data key; else everything. With `WHERE`, which may be given for several placeholders,
/// of all that only traces that have this placeholder, and with this value.
///
/// Replies with the number of traces removed, or with `WITHTRACES` with the map that [`super::Inspect`] shows. What an
/// error refuses has changed nothing. A caller who may not remove all that the user could have is not told that there is
/// nothing.
#[derive(Debug, PartialEq, Eq)]
pub struct Logout<'a> {
    /// Who; not empty.
    pub user: &'a [u8],
    /// The one socket that it is about; not empty.
    pub socket: Option<&'a [u8]>,
    /// The part of the traces that it is about: placeholders and their values.
    pub part: Vec<(&'a [u8], &'a [u8])>,
    /// Why, in the caller's words.
    pub reason: Option<&'a [u8]>,
    /// Whether it is about this node of a cluster alone.
    pub is_local: bool,
    /// Whether the reply shows what was removed.
    pub with_traces: bool,
}

impl Command for Logout<'_> {
    const INFO: Info = Info {
        name: c"session.logout",
        flags: c"write",
        categories: c"write",
        arity: -2,
        summary: c"Removes every trace of a user, atomically",
        complexity: c"O(N) with N being the number of the user's own traces",
        tips: None,
        arguments: &[
            Argument::required(c"userId"),
            Argument::option(c"SOCKET", c"socketId"),
            Argument::pairs(c"WHERE", c"part"),
            Argument::option(c"REASON", c"text"),
            Argument::flag(c"LOCAL", c"local"),
            Argument::flag(c"WITHTRACES", c"withtraces"),
        ],
    };

    fn run<H: Host>(ask: Ask<'_, H>, arguments: &[&[u8]]) -> Result<Reply, Error> {
        let began = ask.host.instant();
        let command = Logout::parse(arguments)?;
        let caller = ask.host.caller();
        let act = Act { caller: &caller, began, within: None, told: None, is_between: false };
        match round::others(ask, command.is_local)? {
            None => command.carry_out(ask, &act)?.into_reply(),
            Some(peers) => command.begin_round(ask, peers, arguments, &act),
        }
    }
}

/// A logout that this node has carried out.
struct Done<N> {
    checked: Checked<N>,
    scope: Scope,
    removed: u64,
    with_traces: bool,
    /// See [`Part::hidden`].
    hidden: Option<Error>,
    motion: Motion,
}

impl<N: AsRef<[u8]>> Done<N> {
    fn reply(&self) -> Reply {
        if self.with_traces {
            Reply::Map(self.checked.plan().to_map())
        } else {
            Reply::Integer(i64::try_from(self.removed).unwrap_or(i64::MAX))
        }
    }

    fn into_reply(mut self) -> Result<Reply, Error> {
        self.hidden.take().map_or_else(|| Ok(self.reply()), Err)
    }
}

impl<'a> Logout<'a> {
    /// Does this node's part and asks the others for theirs.
    #[inline(never)] // for the room that it takes on the stack
    fn begin_round<H: Host>(
        &self,
        ask: Ask<'_, H>,
        peers: Vec<Peer>,
        arguments: &[&[u8]],
        alone: &Act<'_, H>,
    ) -> Result<Reply, Error> {
        let (stamp, errand) = (logout::stamp(ask), self.first_errand(ask));
        let told = if let Errand::Learn(told) | Errand::Do(Some(told)) = &errand { Some(told) } else { None };
        let act = Act { within: Some(&stamp), told, ..*alone };
        let (own, scope) = if matches!(errand, Errand::Learn(_)) {
            self.check(ask)?;
            (act.learn(ask, self.user)?, Scope::User)
        } else {
            self.part(ask, &act)?
        };
        let name = "SESSION.LOGOUT";
        let call = Call { name, arguments, limit: u64::MAX, scope, stamp, errand, own: Some(own) };
        Ok(Reply::Later(round::begin(ask, peers, call).0))
    }

    /// Does what it says on this node as a part of a call on the cluster, and says what it was about.
    ///
    /// # Errors
    /// Whatever refuses it; then nothing changed here.
    pub(crate) fn part<H: Host>(&self, ask: Ask<'_, H>, act: &Act<'_, H>) -> Result<(Part, Scope), Error> {
        let done = self.carry_out(ask, act)?;
        let (plan, removed) = (done.checked.plan(), done.removed);
        let known = act.told.map(|told| told.known);
        // What nodes knew apart may say more together, of whoever was removed before.
        let (is_first, is_more) = (known == Some(ToldOf::Nothing), matches!(known, Some(ToldOf::All | ToldOf::Less)));
        let part = Part {
            reply: done.reply(),
            removed,
            is_found: removed > 0,
            gone: if removed > 0 || is_more { Gone::of(plan) } else { Gone::default() },
            told: if is_first { Told::of(plan) } else { Told::default() },
            each: Vec::new(),
            motion: done.motion,
            hidden: done.hidden,
        };
        Ok((part, done.scope))
    }

    /// Does what it says on this node. Without traces nothing says whether the caller may know that there are none: see
    /// [`Part::hidden`].
    ///
    /// # Errors
    /// Whatever refuses it; then nothing changed here.
    fn carry_out<H: Host>(&self, ask: Ask<'_, H>, act: &Act<'_, H>) -> Result<Done<H::Name>, Error> {
        let part = self.check(ask)?;
        let plan = act.plan(ask, self.user, self.detail(ask, act), &part)?;
        let motion = if ask.host.is_cluster() { moving::motion(ask, &plan) } else { Motion::Still };
        let (plan, scope) = match self.socket {
            Some(socket) => plan.only_socket(socket),
            None => (plan, Scope::User),
        };
        let (plan, scope) = if part.is_empty() { (plan, scope) } else { (plan.only_part(), Scope::Part) };
        let context =
            LogoutContext { scope, cause: Cause::Logout, reason: self.reason(), began: act.began, within: act.within };
        let checked = logout::check(ask, plan, &context, act.caller, self.with_traces)?;
        let removed = logout::log_out(ask, &checked, context).total();
        let hidden = if removed == 0 { self.may_know(ask, &part, act.caller).err() } else { None };
        Ok(Done { checked, scope, removed, with_traces: self.with_traces, hidden, motion })
    }

    /// Whether the caller may know that there is nothing.
    fn may_know<H: Host>(
        &self,
        ask: Ask<'_, H>,
        part: &[(Placeholder, &[u8])],
        caller: &H::Caller,
    ) -> Result<(), Error> {
        let layout = ask.state(|state| state.layout.clone());
        let what = if self.with_traces { Unseen::RemoveAndShow } else { Unseen::Remove };
        check_unseen(ask.host, &layout, self.user, part, what, caller)
    }

    /// Refuses what the layout does not allow; else says which part it is about.
    fn check<H: Host>(&self, ask: Ask<'_, H>) -> Result<Vec<(Placeholder, &'a [u8])>, Error> {
        check_id(ask, "user id", Placeholder::USER, self.user)?;
        self.socket.map_or(Ok(()), |socket| check_id(ask, "socket id", Placeholder::SOCKET, socket))?;
        // Nearly always.
        if self.part.is_empty() {
            return Ok(Vec::new());
        }
        let layout = ask.state(|state| state.layout.clone());
        self.of_layout(&layout)
    }

    /// What the nodes of a cluster are asked for first.
    ///
    /// Who goes as a whole goes at once, but for what is a socket's alone: other nodes may know of that socket, or whose its data is. With that they
    /// are asked once more. What a part is about has to be known before anything goes.
    pub(crate) fn first_errand<H: Host>(&self, ask: Ask<'_, H>) -> Errand {
        let is_whole = self.socket.is_none() && self.part.is_empty();
        let lists = ask.state(|state| state.layout.traces.iter().any(Trace::lists_sockets));
        match self.depends_on_sockets(ask) {
            false => Errand::Do(None),
            true if is_whole && !lists => Errand::Do(Some(Told::nothing())),
            true => Errand::Learn(Told::default()),
        }
    }

    /// Whether it takes to know what sockets the user has, on whatever node: which of them go on, or what names one and nobody else.
    fn depends_on_sockets<H: Host>(&self, ask: Ask<'_, H>) -> bool {
        ask.state(|state| {
            let layout = &state.layout;
            layout.sockets.is_some() && (self.socket.is_some() || layout.traces.iter().any(Trace::is_of_socket))
        })
    }

    /// Why, in words.
    pub(crate) fn reason(&self) -> &'a [u8] {
        self.reason.unwrap_or(Cause::Logout.reason())
    }

    /// The part that it is about, in the layout's terms.
    fn of_layout(&self, layout: &Layout) -> Result<Vec<(Placeholder, &'a [u8])>, Error> {
        let part = |(name, value): &(&[u8], &'a [u8])| {
            let placeholder = layout.ids.find(name).filter(|placeholder| *placeholder != Placeholder::USER);
            let placeholder = placeholder.ok_or_else(|| unknown_placeholder(layout))?;
            let rule = layout.ids.rule(placeholder);
            match rule {
                _ if rule.allows(value) => Ok((placeholder, *value)),
                _ if value.is_empty() => Err(Error::BadId("value of WHERE", IdRule::Any)),
                _ => Err(Error::BadId("value of WHERE", rule.clone())),
            }
        };
        self.part.iter().map(part).collect()
    }

    /// One device needs to know about the others, a part about the rest, and a reply that shows traces about all. Whom another
    /// node tells is not known here.
    fn detail<H: Host>(&self, ask: Ask<'_, H>, act: &Act<'_, H>) -> Detail {
        if self.socket.is_some() || !self.part.is_empty() || self.with_traces {
            Detail::Facts
        } else if act.within.is_some() {
            Detail::Audience
        } else {
            logout::detail(ask)
        }
    }

    /// Reads the arguments. Options come in any order and case, each at most once.
    ///
    /// # Errors
    /// [`Error::WrongArity`], [`Error::EmptyUser`], [`Error::EmptySocket`], [`Error::TooLong`] and [`Error::Syntax`].
    pub fn parse(arguments: &'a [&'a [u8]]) -> Result<Self, Error> {
        let mut arguments = Arguments::new(arguments);
        let user = arguments.user()?;
        let mut logout =
            Self { user, socket: None, part: Vec::new(), reason: None, is_local: false, with_traces: false };
        while let Some(option) = arguments.next() {
            let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
            if is("SOCKET") {
                arguments.once(&mut logout.socket)?;
            } else if is("WHERE") {
                let (Some(name), Some(value)) = (arguments.next(), arguments.next()) else { return Err(Error::Syntax) };
                if logout.part.iter().any(|(known, _)| *known == name) {
                    return Err(Error::Syntax);
                }
                logout.part.push((name, no_longer("value of WHERE", value, LONGEST_ID)?));
            } else if is("REASON") {
                arguments.once(&mut logout.reason)?;
            } else if is("LOCAL") && !logout.is_local {
                logout.is_local = true;
            } else if is("WITHTRACES") && !logout.with_traces {
                logout.with_traces = true;
            } else {
                return Err(Error::Syntax);
            }
        }
        if logout.socket == Some(b"") {
            return Err(Error::EmptySocket);
        }
        logout.socket.map(|socket| no_longer("socket id", socket, LONGEST_ID)).transpose()?;
        logout.reason.map(|reason| no_longer("reason", reason, LONGEST_REASON)).transpose()?;
        Ok(logout)
    }
}

/// The user's id is said already.
fn unknown_placeholder(layout: &Layout) -> Error {
    let others = layout.ids.iter().filter(|placeholder| *placeholder != Placeholder::USER);
    Error::UnknownPlaceholder(others.map(|placeholder| layout.ids.name(placeholder).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<'a>(arguments: &'a [&'a [u8]]) -> Result<Logout<'a>, Error> {
        Logout::parse(arguments)
    }

    #[test]
    fn options_come_in_any_order_and_case_and_each_once() {
        let part = vec![(&b"org"[..], &b"acme"[..]), (b"roomId", b"WHERE")];
        let expected =
            Logout { user: b"u", socket: Some(b"s"), part, reason: Some(b"why"), is_local: true, with_traces: true };
        let arguments: [&[u8]; 13] = [
            b"u",
            b"where",
            b"org",
            b"acme",
            b"socket",
            b"s",
            b"WHERE",
            b"roomId",
            b"WHERE",
            b"REASON",
            b"why",
            b"local",
            b"WithTraces",
        ];
        assert_eq!(parse(&arguments), Ok(expected));
        let expected = Logout {
            user: b"u",
            socket: Some(b"REASON"),
            part: Vec::new(),
            reason: None,
            is_local: false,
            with_traces: true,
        };
        assert_eq!(parse(&[b"u", b"WITHTRACES", b"SOCKET", b"REASON"]), Ok(expected));
        let (id, text) = (vec![b'x'; LONGEST_ID + 1], vec![b'x'; LONGEST_REASON + 1]);
        assert!(parse(&[&id[1..], b"SOCKET", &id[1..], b"REASON", &text[1..]]).is_ok());
        let refused: [(&[&[u8]], Error); 15] = [
            (&[b"u", b"WHERE", b"org"], Error::Syntax),
            (&[b"u", b"WHERE", b"org", b"a", b"WHERE", b"org", b"b"], Error::Syntax),
            (&[b"u", b"WHERE", b"org", &id], Error::TooLong("value of WHERE", LONGEST_ID)),
            (&[], Error::WrongArity),
            (&[b""], Error::EmptyUser),
            (&[b"u", b"SOCKET", b""], Error::EmptySocket),
            (&[b"u", b"SOCKET"], Error::Syntax),
            (&[b"u", b"FORCE"], Error::Syntax),
            (&[b"u", b""], Error::Syntax),
            (&[b"u", b"SOCKET", b"a", b"SOCKET", b"b"], Error::Syntax),
            (&[b"u", b"WITHTRACES", b"WITHTRACES"], Error::Syntax),
            (&[b"u", b"LOCAL", b"LOCAL"], Error::Syntax),
            (&[&id], Error::TooLong("user id", LONGEST_ID)),
            (&[b"u", b"SOCKET", &id], Error::TooLong("socket id", LONGEST_ID)),
            (&[b"u", b"REASON", &text], Error::TooLong("reason", LONGEST_REASON)),
        ];
        for (arguments, error) in refused {
            assert_eq!(parse(arguments), Err(error), "{arguments:?}");
        }
    }
}
