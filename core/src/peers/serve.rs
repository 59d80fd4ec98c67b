//! This node's part of the calls of other nodes' clients.

use std::time::{Duration, Instant};

use super::post::answer;
use crate::{
    ask::{follow, gate, logout, read, trial},
    command::{Act, Inspect, Logout, Sweep},
    error::Error,
    known::{cluster::Asked, job::Order, waiter::Waiter},
    plan::{self, Scope},
    ports::Host,
    session::Ask,
    wire::{Errand, Part, Refusal, Request},
};

/// Does what other nodes ask for, until `deadline`. `true` if there is more to do now.
pub(super) fn serve<H: Host>(ask: Ask<'_, H>, deadline: Instant) -> bool {
    if ask.state(|state| state.cluster.asked.is_empty()) {
        return false;
    }
    if ask.host.is_paused() {
        give_up_old(ask);
        return false;
    }
    gate::begin(ask);
    let next = || {
        ask.state(|state| {
            let asked = state.cluster.asked.pop_front();
            state.sweeping.served = asked.as_ref().map(|asked| Waiter::Node(asked.from, asked.call));
            asked
        })
    };
    while let Some(asked) = next() {
        let part = serve_one(ask, &asked).map_err(Refusal::from);
        ask.state(|state| {
            state.sweeping.served = None;
            state.cluster.report.parts += 1;
        });
        if let Some(part) = part.transpose() {
            answer(ask, &asked.from, asked.call, part);
        }
        if ask.host.instant() >= deadline {
            break;
        }
    }
    ask.state(|state| !state.cluster.asked.is_empty())
}

/// While clients are paused nothing is written. Who asked before that does not wait for ever, and must not be served when the
/// user may have come back.
fn give_up_old<H: Host>(ask: Ask<'_, H>) {
    let now = ask.host.instant();
    let old = ask.state(|state| {
        let time = state.options.cluster_timeout();
        let (old, young) = std::mem::take(&mut state.cluster.asked)
            .into_iter()
            .partition::<Vec<_>, _>(|asked| now.duration_since(asked.since) >= time);
        state.cluster.asked = young.into();
        old
    });
    for asked in old {
        answer(ask, &asked.from, asked.call, Err(Error::Paused.into()));
    }
}

/// This node's part of another's call; `None` if it takes longer, and is answered when it is done.
fn serve_one<H: Host>(ask: Ask<'_, H>, asked: &Asked) -> Result<Option<Part>, Error> {
    let request = &asked.request;
    if request.layout != ask.state(|state| state.cluster.layout) {
        return Err(Error::OtherLayout);
    }
    if ask.host.is_replica() {
        return Err(Error::Demoted);
    }
    // The gate says of itself whether the cluster is down; to ask takes the server longer than much else here.
    if request.is(b"session.inspect") {
        logout::check_cluster(ask)?;
    } else {
        gate::pass(ask)?;
    }
    if !usize::try_from(request.database).is_ok_and(|database| ask.host.select(database)) {
        return Err(Error::NoDatabase(request.database));
    }
    let unknown = request.user.as_ref().filter(|user| !ask.host.knows_user(user));
    if let Some(user) = unknown {
        return Err(Error::UnknownUser(String::from_utf8_lossy(user).into_owned()));
    }
    let summons = request.user.as_ref().map(|user| ask.host.summons_of(user, &request.command));
    let caller = ask.host.caller_of(summons.as_ref());
    match &request.errand {
        Errand::Judge(trial, users) => return Ok(Some(trial::state(ask, (asked.from, *trial), users))),
        Errand::Reap(reap) => return trial::reap(ask, asked.from, reap, &request.stamp, &caller).map(Some),
        _ => {}
    }
    if !request.is(b"session.sweep") {
        return do_part(ask, request, &caller).map(|(part, _)| Some(part));
    }
    let order = Sweep::parse(&request.arguments())?;
    let order = Order { limit: order.limit.min(request.limit), ..order };
    let job = Sweep::job(ask, order, (request.user.clone(), summons), &caller)?
        .for_waiter(Waiter::Node(asked.from, asked.call));
    ask.state(|state| state.sweeping.jobs.push_back(job));
    ask.wake();
    Ok(None)
}

/// This node's part of a call that takes no longer than a command, in the selected database, and what it is about.
pub(super) fn do_part<H: Host>(ask: Ask<'_, H>, request: &Request, caller: &H::Caller) -> Result<(Part, Scope), Error> {
    check_age(ask, request)?;
    let told = match &request.errand {
        Errand::Learn(told) | Errand::Do(Some(told)) => Some(told),
        _ => None,
    };
    let (arguments, stamp) = (request.arguments(), &request.stamp);
    let act = Act { caller, began: ask.host.instant(), within: Some(stamp), told, is_between: true };
    let whole = |part: Part| (part, Scope::User);
    if request.is(b"session.inspect") {
        let command = Inspect::parse(&arguments)?;
        return match &request.errand {
            Errand::Learn(_) => act.learn(ask, command.user).map(whole),
            _ => command.part(ask, &act).map(whole),
        };
    }
    if !request.is_logout() {
        return Err(Error::Syntax);
    }
    let command = Logout::parse(&arguments)?;
    match &request.errand {
        Errand::Learn(_) => act.learn(ask, command.user).map(whole),
        Errand::Do(_) => command.part(ask, &act),
        Errand::Write(gone, scope) => {
            logout::write(ask, gone, stamp, (*scope, command.reason()), caller)?;
            Ok(whole(Part::nothing()))
        }
        Errand::Judge(..) | Errand::Reap(_) => Err(Error::Syntax),
    }
}

/// What is more than any message takes, or its answer.
const MARGIN: Duration = Duration::from_millis(100);

/// Refuses a part that comes late if the user may have logged in since the logout was called: the new session is none of its business.
fn check_age<H: Host>(ask: Ask<'_, H>, request: &Request) -> Result<(), Error> {
    let (Some(age), Some(user)) = (request.age, request.command.get(1)) else { return Ok(()) };
    let database = ask.host.database();
    let keep = ask.keep_database();
    follow::check_ends(ask);
    read::read_everything(ask);
    drop(keep);
    // A moment before all moments is as good as any.
    let since = ask.host.instant().checked_sub(Duration::from_millis(age) + MARGIN);
    let may_be = ask.state(|state| since.is_none_or(|since| state.cluster.logins.may_be(database, user, since)));
    // When a key of `live` was written is not known: it may say of a new session that it lives.
    let layout = ask.state(|state| state.layout.clone());
    if may_be || plan::live_by_rule(ask.host, &layout, user).is_some() { Err(Error::CameBack) } else { Ok(()) }
}
