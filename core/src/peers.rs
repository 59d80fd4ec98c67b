//! What the nodes of a cluster do for each other: each does its part of the calls of the others' clients, and puts the parts of its
//! own clients' calls together.
//!
//! A message is only noted when it comes. What it asks for is done between commands, like everything that no client waits for
//! here.

use std::time::Instant;

use crate::{
    ask::{gate, logout, round, tell},
    command::{Act, Inspect, Logout, Sweep},
    error::Error,
    journal::Level,
    known::{
        job::Order,
        round::{Asked, Round, Waiter},
    },
    plan::{Gone, Scope, Told, ToldOf},
    ports::{Host, NodeId, Peer},
    reply::Reply,
    session::Ask,
    wire::{Errand, MOST_BYTES, Message, Part, Request, Unreadable},
};

/// The most calls of other nodes that wait to be served.
const MOST_ASKED: usize = 4096;

/// The most answers that are kept until there is a connection.
const MOST_UNSENT: usize = 256;

/// A message came from another node of the cluster.
pub fn received<H: Host>(ask: Ask<'_, H>, from: &NodeId, bytes: &[u8]) {
    let now = ask.host.instant();
    match Message::decode(bytes) {
        Ok(Message::Request(call, request)) => {
            let is_busy = ask.state(|state| state.cluster.asked.len() >= MOST_ASKED);
            if is_busy {
                return answer(ask, from, call, Err(Error::Busy.to_string()));
            }
            let asked = Asked { from: *from, call, since: now, request };
            ask.state(|state| state.cluster.asked.push_back(asked));
        }
        Ok(Message::Answer(call, answer)) => ask.state(|state| {
            if let Some(round) = state.cluster.rounds.iter_mut().find(|round| round.call == call) {
                round.take(from, answer);
            }
        }),
        Ok(Message::Working(call)) => ask.state(|state| {
            let time = state.options.cluster_timeout();
            let mut rounds = state.cluster.rounds.iter_mut();
            let is_asked =
                |round: &&mut Round<H>| round.call == call && round.waiting.iter().any(|peer| peer.id == *from);
            if let Some(round) = rounds.find(is_asked) {
                round.deadline = now + time;
            }
        }),
        Err(Unreadable::OtherVersion(call, true)) => answer(ask, from, call, Err(Error::OtherVersion.to_string())),
        Err(Unreadable::OtherVersion(call, false)) => ask.state(|state| {
            if let Some(round) = state.cluster.rounds.iter_mut().find(|round| round.call == call) {
                round.take(from, Err(Error::OtherVersion.to_string()));
            }
        }),
        Err(Unreadable::Foreign | Unreadable::Damaged) => return,
    }
    ask.state(|state| state.wants.soon = true);
}

/// Goes on with all calls: does this node's part of others', until `deadline`, and passes on what is done. `true` if there is more.
/// Leaves another database selected.
pub fn go_on<H: Host>(ask: Ask<'_, H>, deadline: Instant) -> bool {
    let goes_on = serve(ask, deadline);
    pass_on(ask);
    settle(ask);
    let now = ask.host.instant();
    ask.state(|state| {
        let next =
            state.cluster.rounds.iter().filter(|round| !round.waiting.is_empty()).map(|round| round.deadline).min();
        state.wants.alarm = next.map(|next| next.saturating_duration_since(now)).or(state.wants.alarm);
    });
    goes_on
}

/// Tells the nodes that wait for this one that it is at work. Called a few times a second.
pub fn cron<H: Host>(ask: Ask<'_, H>) {
    send_unsent(ask);
    let waiters = ask.state(|state| {
        let jobs = state.sweeping.jobs.iter().filter_map(|job| job.waits);
        jobs.filter_map(|waiter| if let Waiter::Node(node, call) = waiter { Some((node, call)) } else { None })
            .collect::<Vec<_>>()
    });
    for (node, call) in waiters {
        ask.host.send_to(&node, &Message::Working(call).encode());
    }
    let has_work = ask.state(|state| !state.cluster.asked.is_empty() || !state.cluster.rounds.is_empty());
    if has_work {
        ask.state(|state| state.wants.soon = true);
    }
}

/// Does what other nodes ask for, until `deadline`. `true` if there is more to do now.
fn serve<H: Host>(ask: Ask<'_, H>, deadline: Instant) -> bool {
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
        let part = serve_one(ask, &asked).map_err(|error| error.to_string());
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
        answer(ask, &asked.from, asked.call, Err("ERR its clients are paused".to_owned()));
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
    if is(request, b"session.inspect") {
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
    if !is(request, b"session.sweep") {
        return do_part(ask, request, &caller).map(|(part, _)| Some(part));
    }
    let order = Sweep::parse(&arguments(request))?;
    let order = Order { limit: order.limit.min(request.limit), ..order };
    let job = Sweep::job(ask, order, summons, &caller)?.for_waiter(Waiter::Node(asked.from, asked.call));
    ask.state(|state| state.sweeping.jobs.push_back(job));
    ask.wake();
    Ok(None)
}

/// This node's part of a call that takes no longer than a command, in the selected database, and what it is about.
fn do_part<H: Host>(ask: Ask<'_, H>, request: &Request, caller: &H::Caller) -> Result<(Part, Scope), Error> {
    let told = match &request.errand {
        Errand::Learn(told) | Errand::Do(Some(told)) => Some(told),
        Errand::Do(None) | Errand::Write(..) => None,
    };
    let (arguments, stamp) = (arguments(request), &request.stamp);
    let act = Act { caller, began: ask.host.instant(), within: Some(stamp), told, is_between: true };
    let whole = |part: Part| (part, Scope::User);
    if is(request, b"session.inspect") {
        let command = Inspect::parse(&arguments)?;
        return match &request.errand {
            Errand::Learn(_) => act.learn(ask, command.user).map(whole),
            _ => command.part(ask, &act).map(whole),
        };
    }
    if !is_logout(request) {
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
    }
}

fn arguments(request: &Request) -> Vec<&[u8]> {
    request.command.iter().skip(1).map(|argument| &**argument).collect()
}

fn is(request: &Request, name: &[u8]) -> bool {
    request.command.first().is_some_and(|known| known.eq_ignore_ascii_case(name))
}

/// Tells a node what came of its call.
fn answer<H: Host>(ask: Ask<'_, H>, to: &NodeId, call: u64, part: Result<Part, String>) {
    let mut bytes = Message::Answer(call, part).encode();
    if bytes.len() > MOST_BYTES {
        bytes = Message::Answer(call, Err(Error::TooMuch.to_string())).encode();
    }
    if !ask.host.send_to(to, &bytes) {
        // Nodes make their connections anew a few times a second. If it comes to nothing, the node that asked says that this
        // part is missing.
        let now = ask.host.instant();
        ask.state(|state| {
            if state.cluster.unsent.len() < MOST_UNSENT {
                state.cluster.unsent.push((*to, bytes, now));
            }
        });
    }
}

/// Sends answers once more that could not be sent, as long as somebody may wait for them.
fn send_unsent<H: Host>(ask: Ask<'_, H>) {
    let now = ask.host.instant();
    let time = ask.state(|state| state.options.cluster_timeout());
    for (to, bytes, since) in ask.state(|state| std::mem::take(&mut state.cluster.unsent)) {
        if now.duration_since(since) < time && !ask.host.send_to(&to, &bytes) {
            ask.state(|state| state.cluster.unsent.push((to, bytes, since)));
        }
    }
}

/// Passes on what took longer and is done now.
fn pass_on<H: Host>(ask: Ask<'_, H>) {
    for (waiter, part) in ask.state(|state| std::mem::take(&mut state.cluster.done)) {
        match waiter {
            Waiter::Node(node, call) => answer(ask, &node, call, part),
            Waiter::Round(call) => ask.state(|state| {
                if let Some(round) = state.cluster.rounds.iter_mut().find(|round| round.call == call) {
                    round.awaits_own = false;
                    match part {
                        Ok(part) => round.add(part),
                        Err(why) => round.missing.push((this_node(), why)),
                    }
                }
            }),
            Waiter::Client(_) => {}
        }
    }
}

/// What is to be done next for a call of this node's clients.
enum Next<H: Host> {
    /// The next of the nodes that are asked one after another.
    Ask(u64),
    /// All parts are there, or missing.
    End(Box<Round<H>>),
}

/// Goes on with the calls of this node's clients.
fn settle<H: Host>(ask: Ask<'_, H>) {
    while let Some(next) = next(ask) {
        match next {
            Next::Ask(call) => round::send(ask, call),
            Next::End(round) => end(ask, *round),
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
        let over = rounds.iter().position(Round::is_over)?;
        Some(Next::End(Box::new(rounds.remove(over))))
    })
}

/// All parts of a call are there or missing: there is something else to do, or the client is answered, after others were told.
fn end<H: Host>(ask: Ask<'_, H>, mut round: Round<H>) {
    match (&round.request.errand, &mut round.part) {
        (Errand::Learn(before), Some(part)) => {
            let (is_second, told) = (!before.sockets().is_empty(), std::mem::take(&mut part.told));
            // Where nobody knows a socket there is nothing to ask for a second time.
            let is_over = is_second || told.sockets().is_empty();
            if is_over { act(ask, round, told) } else { learn_more(ask, round, told) }
        }
        (Errand::Do(_), Some(part)) if part.removed > 0 && !ask.state(|state| state.layout.then.is_empty()) => {
            let gone = part.gone.clone();
            write(ask, round, gone);
        }
        _ => finish(ask, round),
    }
}

/// Asks all nodes what they know of the sockets that some of them know.
fn learn_more<H: Host>(ask: Ask<'_, H>, mut round: Round<H>, told: Told) {
    round.request.errand = Errand::Learn(told);
    match here(ask, &round) {
        Ok((own, _)) => go_on_with(ask, round, own),
        Err(error) => answer_client(ask, &round, Err(error)),
    }
}

/// All nodes have said what they know of the user's sockets: now each does its part, this one first. If it is refused, nothing has
/// changed anywhere.
fn act<H: Host>(ask: Ask<'_, H>, mut round: Round<H>, mut told: Told) {
    told.known = if round.missing.is_empty() { ToldOf::All } else { ToldOf::Less };
    round.request.errand = Errand::Do(Some(told));
    round.part = None;
    match here(ask, &round) {
        Ok((own, scope)) => {
            round.scope = scope;
            go_on_with(ask, round, own);
        }
        Err(error) => answer_client(ask, &round, Err(error)),
    }
}

/// All have done their part: now each writes what the layout wants, to the keys that it serves.
fn write<H: Host>(ask: Ask<'_, H>, mut round: Round<H>, gone: Gone) {
    round.request.errand = Errand::Write(gone, round.scope);
    match here(ask, &round) {
        Ok((own, _)) => go_on_with(ask, round, own),
        Err(error) => {
            round.missing.push((this_node(), error.to_string()));
            go_on_with(ask, round, Part::nothing());
        }
    }
}

/// Asks the nodes for what is next, all but those whose part is missing already.
fn go_on_with<H: Host>(ask: Ask<'_, H>, mut round: Round<H>, own: Part) {
    round.add(own);
    let has_answered = |peer: &&Peer| round.missing.iter().all(|(missing, _)| missing.id != peer.id);
    round.waiting = round.peers.iter().filter(has_answered).cloned().collect();
    // An answer to what was asked before is none to this.
    round.call = round::new_call();
    let call = round.call;
    ask.state(|state| state.cluster.rounds.push(round));
    round::send(ask, call);
}

/// This node's own part of what is next, and what the logout is about.
fn here<H: Host>(ask: Ask<'_, H>, round: &Round<H>) -> Result<(Part, Scope), Error> {
    let request = &round.request;
    if ask.host.is_replica() {
        // It holds what its master does, which is asked.
        return if is_logout(request) { Err(Error::Demoted) } else { Ok((Part::nothing(), round.scope)) };
    }
    if !usize::try_from(request.database).is_ok_and(|database| ask.host.select(database)) {
        return Err(Error::NoDatabase(request.database));
    }
    logout::check_cluster(ask)?;
    do_part(ask, request, &ask.host.caller_of(round.summons.as_ref()))
}

/// The client is answered, after others were told.
fn finish<H: Host>(ask: Ask<'_, H>, mut round: Round<H>) {
    tell(ask, &round);
    let missing: Vec<(String, String)> =
        round.missing.iter().map(|(peer, why)| (peer.address.clone(), why.clone())).collect();
    let answer = if missing.is_empty() {
        round.part.take().map_or(Err(Error::Defect), Part::into_reply)
    } else {
        Err(Error::Partial(missing))
    };
    answer_client(ask, &round, answer);
}

fn answer_client<H: Host>(ask: Ask<'_, H>, round: &Round<H>, answer: Result<Reply, Error>) {
    let partial = answer.as_ref().err().filter(|error| matches!(error, Error::Partial(_))).cloned();
    ask.state(|state| {
        state.cluster.report.calls += 1;
        state.cluster.report.partial += u64::from(partial.is_some());
        state.wants.answers.push((round.client, answer));
    });
    if let Some(error) = partial {
        say(ask, &error);
    }
}

fn is_logout(request: &Request) -> bool {
    is(request, b"session.logout")
}

/// This node, where its own part is missing.
fn this_node() -> Peer {
    Peer { id: [0; 40], address: "this node".to_owned() }
}

/// Tells others of a logout, once.
fn tell<H: Host>(ask: Ask<'_, H>, round: &Round<H>) {
    let arguments = arguments(&round.request);
    let is_logout = is_logout(&round.request);
    let (true, Ok(command), Some(part)) = (is_logout, Logout::parse(&arguments), &round.part) else { return };
    if usize::try_from(round.request.database).is_ok_and(|database| ask.host.select(database)) {
        let reason = command.reason();
        tell::tell_of_whole(ask, &part.gone, round.stamp(), round.scope, reason, part.removed);
    }
}

fn say<H: Host>(ask: Ask<'_, H>, error: &Error) {
    let now = ask.host.instant();
    if ask.state(|state| state.journal.admits(now, 1)) {
        ask.host.log(Level::Warning, &format!("a call on the cluster is not complete: {error}"));
    }
}
