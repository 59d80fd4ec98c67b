//! The calls of this node's clients: what is to be done next for each, and what its client gets in the end.

use super::{
    late,
    moving::{self, Step},
    post::{say, tell},
    serve::do_part,
    trials,
};
use crate::{
    ask::{logout, round},
    error::Error,
    journal::Level,
    known::round::{Audience, Round},
    plan::{Gone, Scope, Told, ToldOf},
    ports::{Host, Peer},
    reply::{Reply, Ticket},
    session::Ask,
    wire::{Errand, Part, Refusal, Request},
};

/// What is to be done next for a call of this node's clients.
enum Next<H: Host> {
    /// The next of the nodes that are asked one after another.
    Ask(u64),
    /// All parts are there, or missing.
    End(Box<Round<H>>),
}

/// Goes on with the calls of this node's clients.
pub(super) fn settle<H: Host>(ask: Ask<'_, H>) {
    while let Some(next) = next(ask) {
        match next {
            Next::Ask(call) => round::send(ask, call),
            Next::End(round) => {
                let waiter = round.audience.waiter();
                ask.state(|state| state.sweeping.served = waiter);
                end(ask, *round);
                ask.state(|state| state.sweeping.served = None);
            }
        }
    }
}

fn next<H: Host>(ask: Ask<'_, H>) -> Option<Next<H>> {
    let now = ask.host.instant();
    ask.state(|state| {
        let time = state.options.cluster_timeout().as_millis();
        let rounds = &mut state.cluster.rounds;
        for round in rounds.iter_mut().filter(|round| now >= round.deadline) {
            round.give_up(&format!("no answer within {time} ms; is it up, and the module loaded there?"));
        }
        for round in rounds.iter_mut().filter(|round| round.waiting.is_empty() && !round.awaits_own) {
            if round.remaining() == 0 {
                round.unasked.clear();
            }
            if let Some(peer) = round.unasked.pop() {
                round.waiting.push(peer);
                return Some(Next::Ask(round.call));
            }
        }
        let is_over = |round: &Round<H>| round.is_over() && round.wait.rests.is_none_or(|rests| now >= rests);
        let over = rounds.iter().position(is_over)?;
        Some(Next::End(Box::new(rounds.remove(over))))
    })
}

/// All parts of a call are there or missing: there is something else to do, or it is over.
fn end<H: Host>(ask: Ask<'_, H>, mut round: Round<H>) {
    if moving::is_paused(ask, &mut round) {
        return ask.state(|state| state.cluster.rounds.push(round));
    }
    let writes = ask.state(|state| !state.layout.then.is_empty());
    match round.request.errand {
        _ if round.is_undone() => return finish(ask, round),
        // The node that has not answered may have seen the user log in.
        Errand::Learn(_) if matches!(round.audience, Audience::Pending(_)) && !round.missing.is_empty() => {
            return finish(ask, round);
        }
        Errand::Judge(..) => return trials::judged(ask, round),
        Errand::Reap(_) => return trials::reaped(ask, round),
        _ => {}
    }
    match moving::step(ask, &mut round) {
        Step::Over => {}
        Step::Rest => return ask.state(|state| state.cluster.rounds.push(round)),
        Step::Newcomers(newcomers) => {
            round.peers.extend(newcomers.iter().cloned());
            round.waiting = newcomers;
            round::start(ask, round);
            return;
        }
        Step::Again => return again(ask, round),
    }
    match (&round.request.errand, &mut round.part) {
        (Errand::Learn(before), Some(part)) => {
            let (is_second, told) = (!before.sockets().is_empty(), std::mem::take(&mut part.told));
            // Where nobody knows a socket there is nothing to ask for a second time.
            let is_over = is_second || told.sockets().is_empty();
            if is_over { act(ask, round, told) } else { learn(ask, round, told) }
        }
        (Errand::Do(Some(told)), Some(part)) if told.known == ToldOf::Nothing && says_more(ask, &part.told) => {
            let told = std::mem::take(&mut part.told);
            act(ask, round, told);
        }
        (Errand::Do(_), Some(part)) if writes && (part.removed > 0 || round.audience.removed_before()) => {
            let gone = part.gone.clone();
            write(ask, round, gone);
        }
        _ => finish(ask, round),
    }
}

/// Whether the nodes can do more with what all know together of the user's sockets.
fn says_more<H: Host>(ask: Ask<'_, H>, told: &Told) -> bool {
    ask.state(|state| {
        let is_fencing = state.is_fencing();
        state.layout.sockets.as_ref().is_some_and(|sockets| told.says_more(sockets, is_fencing))
    })
}

/// Asks everybody once more for the same, this node too.
fn again<H: Host>(ask: Ask<'_, H>, mut round: Round<H>) {
    if !round.request.is_logout() {
        round.part = None;
    }
    match here(ask, &round, &round.request) {
        Ok((own, _)) => round::go_on_with(ask, round, own),
        Err(error) => {
            round.missing.push((Peer::this_node(), error.into()));
            round::go_on_with(ask, round, Part::nothing());
        }
    }
}

/// Asks all nodes what they know of the user's sockets, or, if some of them have said so, of these.
pub(super) fn learn<H: Host>(ask: Ask<'_, H>, mut round: Round<H>, told: Told) {
    round.request.errand = Errand::Learn(told);
    round.wait.asked_again = false;
    match here(ask, &round, &round.request) {
        Ok((own, _)) => round::go_on_with(ask, round, own),
        Err(error) => refuse(ask, round, error),
    }
}

/// All nodes have said what they know of the user's sockets: now each does its part, this one first.
fn act<H: Host>(ask: Ask<'_, H>, mut round: Round<H>, mut told: Told) {
    told.known = if round.missing.is_empty() { ToldOf::All } else { ToldOf::Less };
    if matches!(round.request.errand, Errand::Learn(_)) {
        round.part = None;
    }
    carry_out(ask, round, Some(told));
}

/// Each node does its part, this one first. If that is refused, and nothing has changed anywhere, the call is.
fn carry_out<H: Host>(ask: Ask<'_, H>, mut round: Round<H>, told: Option<Told>) {
    round.request.errand = Errand::Do(told);
    round.wait.asked_again = false;
    match here(ask, &round, &round.request) {
        Ok((own, scope)) => {
            round.scope = scope;
            round::go_on_with(ask, round, own);
        }
        Err(error) if round.part.is_some() => {
            round.missing.push((Peer::this_node(), error.into()));
            round::go_on_with(ask, round, Part::nothing());
        }
        Err(error) => refuse(ask, round, error),
    }
}

/// All have done their part: now each writes what the layout wants, to the keys that it serves.
fn write<H: Host>(ask: Ask<'_, H>, mut round: Round<H>, gone: Gone) {
    let this = Peer::this_node();
    round.request.errand = Errand::Write(round.audience.with_those_before(gone), round.scope);
    if let Some(errand) = round.errand_for(&this.id) {
        let asked = Request { errand, ..round.request.clone() };
        match here(ask, &round, &asked) {
            Ok(_) => round.has_written(&this.id),
            Err(error) => round.missing.push((this, error.into())),
        }
    }
    round::go_on_with(ask, round, Part::nothing());
}

/// This node's own part of what is next, and what the logout is about.
fn here<H: Host>(ask: Ask<'_, H>, round: &Round<H>, request: &Request) -> Result<(Part, Scope), Error> {
    if ask.host.is_replica() {
        // It holds what its master does, which is asked.
        let is_missed = request.is_logout() && matches!(round.audience, Audience::Client(_));
        return if is_missed { Err(Error::Demoted) } else { Ok((Part::nothing(), round.scope)) };
    }
    if !usize::try_from(request.database).is_ok_and(|database| ask.host.select(database)) {
        return Err(Error::NoDatabase(request.database));
    }
    if request.is_logout() && ask.host.is_paused() {
        return Err(Error::Paused);
    }
    logout::check_cluster(ask)?;
    let age = round.age(ask.host.instant(), ask.state(|state| state.options.cluster_timeout()));
    do_part(ask, &Request { age, ..request.clone() }, &ask.host.caller_of(round.summons.as_ref()))
}

/// This node's own part is refused before anything has changed.
fn refuse<H: Host>(ask: Ask<'_, H>, mut round: Round<H>, error: Error) {
    if let Audience::Client(client) = round.audience {
        return answer(ask, client, Err(error));
    }
    round.missing.push((Peer::this_node(), error.into()));
    finish(ask, round);
}

/// Who waits is answered, after others were told.
fn finish<H: Host>(ask: Ask<'_, H>, mut round: Round<H>) {
    let client = match round.audience {
        Audience::Client(client) => client,
        Audience::Pending(_) => return late::finish(ask, round),
        Audience::Nobody | Audience::Sweep(_) => return trials::written(ask, &round),
    };
    if let Some(part) = &round.part {
        tell(ask, &round, &part.gone, part.removed);
    }
    let reply = if round.missing.is_empty() {
        late::forget(ask, &round);
        late::remember(ask, &round);
        round.part.take().map_or(Err(Error::Defect), Part::into_reply)
    } else {
        let why = |(peer, refusal): &(Peer, Refusal)| (peer.address.clone(), refusal.why.clone());
        Err(Error::Partial(round.missing.iter().map(why).collect(), late::keep(ask, &round)))
    };
    answer(ask, client, reply);
}

/// Gives the client its reply.
fn answer<H: Host>(ask: Ask<'_, H>, client: Ticket, answer: Result<Reply, Error>) {
    let partial = answer.as_ref().err().filter(|error| matches!(error, Error::Partial(..))).cloned();
    ask.state(|state| {
        state.cluster.report.calls += 1;
        state.cluster.report.partial += u64::from(partial.is_some());
        state.wants.answers.push((client, answer));
    });
    if let Some(error) = partial {
        say(ask, Level::Warning, &format!("a call on the cluster is not complete: {error}"));
    }
}
