use std::time::Duration;

use super::{Argument, Arguments, Command, Info};
use crate::{
    ask::{
        gate, logout, read,
        round::{self, Call},
    },
    error::Error,
    known::{
        job::{Job, Order},
        waiter::Waiter,
    },
    plan::{NOBODY, Scope, Unseen, check_unseen},
    ports::Host,
    reply::Reply,
    session::Ask,
    wire::Errand,
};

/// `SESSION.SWEEP [GRACE seconds] [LIMIT users] [DRYRUN [WITHTRACES]] [LOCAL]`
///
/// Cleans up every user of the selected database who has been stale for `GRACE` seconds (default 0), at most `LIMIT`:
/// all traces but those that the layout says a sweep leaves alone, each user in one step. Of live users it takes the
/// sockets away that are in the mapping and have had no data key for as long. With `DRYRUN` nothing changes.
///
/// Replies with the number of stale users, or with `WITHTRACES` with a map of each, as [`super::Inspect`] shows it. The caller waits while others are served; in a transaction or script all is done at
/// once. The caller needs permission for the keys of any user, and nothing changes without.
#[derive(Debug, PartialEq, Eq)]
pub struct Sweep;

impl Command for Sweep {
    const INFO: Info = Info {
        name: c"session.sweep",
        flags: c"write admin",
        categories: c"write admin dangerous",
        arity: -1,
        summary: c"Removes the traces of users whose session is over",
        complexity: c"O(N) with N being the number of traces of users whose session may be over",
        tips: None,
        arguments: &[
            Argument::number(c"GRACE", c"seconds"),
            Argument::number(c"LIMIT", c"users"),
            Argument::flag(c"DRYRUN", c"dryrun"),
            Argument::flag(c"LOCAL", c"local"),
            Argument::flag(c"WITHTRACES", c"withtraces"),
        ],
    };

    fn run<H: Host>(ask: Ask<'_, H>, arguments: &[&[u8]]) -> Result<Reply, Error> {
        if gate::is_asking(ask) {
            return Ok(Reply::Integer(0));
        }
        // What the server lets a client do, it may have refused until now.
        gate::ask_again(ask);
        let order = Self::parse(arguments)?;
        let peers = round::others(ask, order.is_local)?;
        let job = Self::job(ask, order, (ask.host.user(), ask.host.summons()), &ask.host.caller())?;
        if !ask.host.lets_wait() {
            logout::check_view(ask)?;
            read::catch_up(ask);
            return job.run(ask);
        }
        let (client, waiter) = if let Some(peers) = peers {
            let (name, limit, scope) = ("SESSION.SWEEP", order.limit, Scope::User);
            let (stamp, errand) = (logout::stamp(ask), Errand::Do(None));
            round::begin(ask, peers, Call { name, arguments, limit, scope, stamp, errand, own: None })
        } else {
            let client = ask.ticket();
            (client, Waiter::Client(client))
        };
        ask.state(|state| state.sweeping.jobs.push_back(job.for_waiter(waiter)));
        ask.wake();
        Ok(Reply::Later(client))
    }
}

impl Sweep {
    /// A sweep of the selected database, which has not begun.
    ///
    /// # Errors
    /// Whatever refuses it.
    pub(crate) fn job<H: Host>(
        ask: Ask<'_, H>,
        order: Order,
        (user, summons): (Option<Vec<u8>>, Option<H::Summons>),
        caller: &H::Caller,
    ) -> Result<Job<H>, Error> {
        let layout = ask.state(|state| state.layout.clone());
        if !layout.tells_live() {
            return Err(Error::NoSockets);
        }
        layout.unsaid.clone().map_or(Ok(()), |unsaid| Err(Error::Unsaid(unsaid)))?;
        // Whose traces they will be is not known yet, and a caller who may not remove anybody's is refused before anything
        // changes.
        check_unseen(ask.host, &layout, NOBODY, &[], Unseen::Sweep, caller)?;
        logout::check_cluster(ask)?;
        let job = Job::new(order, ask.host.database(), summons, ask.host.instant());
        let is_by_all = !order.is_local && !ask.host.peers().is_empty();
        Ok(if is_by_all { job.by_all(user) } else { job })
    }

    /// Reads the arguments. Options come in any order and case, each at most once.
    ///
    /// # Errors
    /// [`Error::Syntax`] and [`Error::NoNumber`].
    pub fn parse(arguments: &[&[u8]]) -> Result<Order, Error> {
        let mut arguments = Arguments::new(arguments);
        let (mut grace, mut limit, mut is_dry, mut shows, mut is_local) = (None, None, false, false, false);
        while let Some(option) = arguments.next() {
            let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
            if is("GRACE") {
                arguments.once(&mut grace)?;
            } else if is("LIMIT") {
                arguments.once(&mut limit)?;
            } else if is("DRYRUN") && !is_dry {
                is_dry = true;
            } else if is("LOCAL") && !is_local {
                is_local = true;
            } else if is("WITHTRACES") && !shows {
                shows = true;
            } else {
                return Err(Error::Syntax);
            }
        }
        if shows && !is_dry {
            return Err(Error::Syntax);
        }
        let grace = Duration::from_secs(grace.map_or(Ok(0), number)?);
        Ok(Order { grace, limit: limit.map_or(Ok(u64::MAX), number)?, is_dry, shows, is_local })
    }
}

/// A number as the server reads numbers: of digits alone, and no more than its integers hold.
fn number(text: &[u8]) -> Result<u64, Error> {
    let is_plain = !text.is_empty() && text.iter().all(u8::is_ascii_digit) && (text == b"0" || text[0] != b'0');
    let number = std::str::from_utf8(text).ok().filter(|_| is_plain).and_then(|text| text.parse::<i64>().ok());
    number.map(i64::unsigned_abs).ok_or(Error::NoNumber)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_in_any_order_and_case_and_each_once() {
        let all = Order { grace: Duration::from_secs(5), limit: 7, is_dry: true, shows: true, is_local: true };
        assert_eq!(Sweep::parse(&[b"limit", b"7", b"WithTraces", b"DryRun", b"Local", b"GRACE", b"5"]), Ok(all));
        assert_eq!(
            Sweep::parse(&[]),
            Ok(Order { grace: Duration::ZERO, limit: u64::MAX, is_dry: false, shows: false, is_local: false })
        );
        let refused: [(&[&[u8]], Error); 11] = [
            (&[b"GRACE"], Error::Syntax),
            (&[b"GRACE", b"1", b"GRACE", b"1"], Error::Syntax),
            (&[b"DRYRUN", b"DRYRUN"], Error::Syntax),
            (&[b"LOCAL", b"LOCAL"], Error::Syntax),
            (&[b"7"], Error::Syntax),
            (&[b"GRACE", b"-1"], Error::NoNumber),
            (&[b"GRACE", b"1.5"], Error::NoNumber),
            (&[b"LIMIT", b""], Error::NoNumber),
            (&[b"LIMIT", b"all"], Error::NoNumber),
            (&[b"LIMIT", b"07"], Error::NoNumber),
            (&[b"LIMIT", b"9223372036854775808"], Error::NoNumber),
        ];
        for (arguments, error) in refused {
            assert_eq!(Sweep::parse(arguments), Err(error), "{arguments:?}");
        }
    }
}
