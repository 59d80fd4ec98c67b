//! Sweeps in a cluster: who may be stale is judged by what all nodes know, and goes from all of them.
//!
//! Each node sweeps users of whom it has evidence of a session. Of a user of whom several nodes have some, the one with the smallest
//! name does it, so that everybody is counted and told of once.

use super::post::say;
use crate::{
    ask::{
        context::Cause,
        logout::{self, check_cluster},
        round::{go_on_with, new_call},
        sweep, tell, trial,
    },
    error::Error,
    journal::Level,
    known::{
        candidates,
        job::Job,
        round::{Audience, Round},
    },
    plan::{Gone, Liveness, Scope, Told, ToldOf},
    ports::{Host, Peer},
    session::Ask,
    wire::{Errand, Motion, Part, Reap, Refusal, Request, Stamp},
};

/// Asks all nodes about the users to whom sweeps have come.
pub(super) fn begin<H: Host>(ask: Ask<'_, H>) {
    while let Some(mut job) = ask.state(|state| state.cluster.asking.pop()) {
        let waiter = job.waits;
        ask.state(|state| state.sweeping.served = waiter);
        let users = std::mem::take(&mut job.suspects);
        let request = Request {
            layout: ask.state(|state| state.cluster.layout),
            database: job.database as u64,
            user: job.user.clone(),
            command: vec![b"SESSION.SWEEP".to_vec()],
            limit: u64::MAX,
            stamp: logout::stamp(ask),
            errand: Errand::Judge(new_call(), Vec::new()),
            age: None,
            is_late: false,
        };
        let asked = users.iter().map(|(user, _)| (user.to_vec(), Told::default())).collect();
        job.suspects = users;
        let round = Round::new(Audience::Sweep(Box::new(job)), request, None, Scope::User, ask.host.instant());
        judge(ask, Round { peers: ask.host.peers(), ..round }, asked);
        ask.state(|state| state.sweeping.served = None);
    }
}

/// Asks all nodes, this one first, what they know of users, given what they have said so far.
fn judge<H: Host>(ask: Ask<'_, H>, mut round: Round<H>, users: Vec<(Vec<u8>, Told)>) {
    let Errand::Judge(trial, _) = round.request.errand else { return };
    let mut own = match here(ask, &round) {
        Ok(()) => trial::state(ask, (Peer::this_node().id, trial), &users),
        Err(error) => return end_early(ask, round, error),
    };
    round.request.errand = Errand::Judge(trial, users);
    round.part = None;
    let this = ask.host.node_id();
    own.each.iter_mut().for_each(|one| one.told.said_by(&this));
    go_on_with(ask, round, own);
}

/// Whether this node can do its part.
fn here<H: Host>(ask: Ask<'_, H>, round: &Round<H>) -> Result<(), Error> {
    if ask.host.is_replica() {
        return Err(Error::Demoted);
    }
    check_cluster(ask)?;
    let database = round.request.database;
    let is_there = usize::try_from(database).is_ok_and(|database| ask.host.select(database));
    if is_there { Ok(()) } else { Err(Error::NoDatabase(database)) }
}

/// All nodes have said what they know, or their time is over. Without a word of each nobody is judged.
pub(super) fn judged<H: Host>(ask: Ask<'_, H>, mut round: Round<H>) {
    if !round.missing.is_empty() {
        let error = unjudged(&round);
        return end_early(ask, round, error);
    }
    let Errand::Judge(trial, before) = &mut round.request.errand else { return };
    let (trial, before) = (*trial, std::mem::take(before));
    let each = round.part.take().map(|part| part.each).unwrap_or_default();
    // What was on its way may have been missed.
    let said = each.into_iter().map(|mut one| {
        one.told.is_unclear |= one.motion != Motion::Still;
        one.told
    });
    let by_mapping = ask.state(|state| state.layout.mapping().is_some());
    let is_first = before.iter().all(|(_, told)| told.sockets().is_empty());
    let users: Vec<(Vec<u8>, Told)> = before.into_iter().map(|(user, _)| user).zip(said).collect();
    // Who has sockets that one node knows may be live by data that another has, which does not know whose it is.
    let may_be_live = |told: &Told| !told.sockets().is_empty() && told.liveness(by_mapping) != Liveness::Live;
    if is_first && users.iter().any(|(_, told)| may_be_live(told)) {
        round.request.errand = Errand::Judge(trial, Vec::new());
        return judge(ask, round, users);
    }
    let Audience::Sweep(job) = &mut round.audience else { return };
    let (stale, count) = sentence(ask, job, users, by_mapping);
    if job.order.is_dry && !job.order.shows {
        job.found += count;
        return give_back(ask, round);
    }
    if stale.is_empty() {
        return give_back(ask, round);
    }
    let Job { order, has_expired, .. } = **job;
    reap(ask, round, Reap { trial, users: stale, has_expired, is_dry: order.is_dry, shows: order.shows });
}

/// Who of the users asked about is to go, and how many those are.
fn sentence<H: Host>(
    ask: Ask<'_, H>,
    job: &mut Job<H>,
    users: Vec<(Vec<u8>, Told)>,
    by_mapping: bool,
) -> (Vec<(Vec<u8>, Told)>, u64) {
    let (now, this, database) = (ask.host.now(), ask.host.node_id(), job.database);
    let room = job.order.limit.saturating_sub(job.found);
    let grace = job.order.grace.as_millis();
    let known = std::mem::take(&mut job.suspects);
    let mut stale = Vec::new();
    for ((user, mut told), (_, since)) in users.into_iter().zip(known) {
        let liveness = told.liveness(by_mapping);
        // Who is known here to be stale has been so since then; of others it is noticed now, or was before.
        let since = ask.state(|state| match (liveness, since) {
            (Liveness::Stale, Some(since)) => Some(since),
            (Liveness::Stale, None) => {
                state.sweeping.stale.note(database, std::slice::from_ref(&user), now).first().map(|one| one.since)
            }
            _ => {
                state.sweeping.stale.forget(database, &user);
                None
            }
        });
        let Some(since) = since else { continue };
        let is_ours = job.has_expired || told.signs.holder == Some(this);
        if is_ours && u128::from(now.saturating_sub(since)) >= grace {
            told.known = ToldOf::All;
            stale.push((user, told));
        }
    }
    let count = room.min(stale.len() as u64);
    stale.truncate(usize::try_from(room).unwrap_or(usize::MAX));
    (stale, count)
}

/// Has all nodes remove what they have of users, this one first.
fn reap<H: Host>(ask: Ask<'_, H>, mut round: Round<H>, asked: Reap) {
    let Audience::Sweep(job) = &round.audience else { return };
    let caller = ask.host.caller_of(job.summons.as_ref());
    let own = here(ask, &round).and_then(|()| trial::reap(ask, Peer::this_node().id, &asked, round.stamp(), &caller));
    match own {
        Ok(own) => {
            round.request.errand = Errand::Reap(asked);
            go_on_with(ask, round, own);
        }
        Err(error) => end_early(ask, round, error),
    }
}

/// All nodes have done their part, or their time is over.
pub(super) fn reaped<H: Host>(ask: Ask<'_, H>, mut round: Round<H>) {
    let Errand::Reap(asked) = &round.request.errand else { return };
    let users: Vec<Vec<u8>> = asked.users.iter().map(|(user, _)| user.clone()).collect();
    let each = round.part.take().map(|part| part.each).unwrap_or_default();
    let request = round.request.clone();
    let Audience::Sweep(job) = &mut round.audience else { return };
    for (user, part) in users.iter().zip(each) {
        if asked_to_show(&request) && part.is_found {
            job.shown.push(part.reply);
        } else if part.removed == 0 {
            continue;
        } else {
            tell_of(ask, job, &request, part);
        }
        job.found += 1;
        job.name(user);
        let database = job.database;
        ask.state(|state| state.sweeping.stale.forget(database, user));
    }
    if round.missing.is_empty() {
        return give_back(ask, round);
    }
    let error = unjudged(&round);
    end_early(ask, round, error);
}

fn asked_to_show(request: &Request) -> bool {
    matches!(&request.errand, Errand::Reap(asked) if asked.shows)
}

/// Others are told of a user who was swept, and what the layout wants is written.
fn tell_of<H: Host>(ask: Ask<'_, H>, job: &Job<H>, request: &Request, Part { gone, removed, .. }: Part) {
    let cause = if job.has_expired { Cause::Expiry } else { Cause::Sweep };
    let stamp = logout::stamp(ask);
    ask.host.select(job.database);
    tell::tell_of_whole(ask, &gone, &stamp, Scope::User, cause.reason(), removed);
    if ask.state(|state| !state.layout.then.is_empty()) {
        write(ask, job, request, (stamp, gone), cause.reason());
    }
}

/// Each node writes what the layout wants, to the keys that it serves. Nobody waits for it.
fn write<H: Host>(ask: Ask<'_, H>, job: &Job<H>, request: &Request, (stamp, gone): (Stamp, Gone), reason: &[u8]) {
    let caller = ask.host.caller_of(job.summons.as_ref());
    let own = logout::write(ask, &gone, &stamp, (Scope::User, reason), &caller);
    let command = [b"SESSION.LOGOUT", &*gone.user, b"REASON", reason].map(<[u8]>::to_vec).into();
    let request = Request { command, stamp, errand: Errand::Write(gone, Scope::User), ..request.clone() };
    let mut round = Round::new(Audience::Nobody, request, None, Scope::User, ask.host.instant());
    if let Err(error) = own {
        round.missing.push((Peer::this_node(), error.into()));
    }
    go_on_with(ask, Round { peers: ask.host.peers(), ..round }, Part::nothing());
}

/// What the layout wants was written after a sweep, or not everywhere.
pub(super) fn written<H: Host>(ask: Ask<'_, H>, round: &Round<H>) {
    if !round.missing.is_empty() {
        let error = unjudged(round);
        say(ask, Level::Warning, &format!("commands of `then` were left out after a sweep: {error}"));
    }
}

fn unjudged<H: Host>(round: &Round<H>) -> Error {
    let why = |(peer, refusal): &(Peer, Refusal)| (peer.address.clone(), refusal.why.clone());
    Error::Unjudged(round.missing.iter().map(why).collect())
}

/// The sweep goes on.
fn give_back<H: Host>(ask: Ask<'_, H>, round: Round<H>) {
    let Audience::Sweep(job) = round.audience else { return };
    ask.state(|state| state.sweeping.jobs.push_back(*job));
    ask.wake();
}

/// The sweep can't go on. The server's own begin anew when it is time, and find whom they have left; of those whose session ended by
/// itself it is asked once more.
fn end_early<H: Host>(ask: Ask<'_, H>, round: Round<H>, error: Error) {
    let Audience::Sweep(mut job) = round.audience else { return };
    if job.waits.is_none() {
        say(ask, Level::Warning, &format!("a sweep is not complete: {error}"));
    }
    if job.has_expired {
        let (now, database, users) = (ask.host.now(), job.database, std::mem::take(&mut job.suspects));
        ask.state(|state| candidates::put_back(state, database, users, now));
    }
    ask.host.select(job.database);
    sweep::end(ask, &mut job, Some(error));
}
