//! How the layout reads a key, and what a logout of those in it would do with it.
//!
//! The command names its key, so that clients of a cluster know which node to ask. But while it runs, servers that keep a table
//! for each hash slot look every other key up in the slot of that key too. So on a node of a cluster the client waits, and is
//! answered between commands, where all keys are seen.

use std::time::Instant;

use super::{logout, read};
use crate::{
    error::Error,
    index::{Place, SocketHash, Subject},
    known::{question::Question, waiter::Waiter},
    layout::{Layout, Reach, Trace},
    plan::{self, Detail, Plan},
    ports::{Access, Host, Key, Permissions},
    reply::Reply,
    session::Ask,
    template::Bindings,
};

/// The most users of one trace who are shown.
const MOST_SHOWN: usize = 10;

/// Explains a key of the selected database to the caller of the command that is running, now or later.
///
/// # Errors
/// [`Error::NoPermission`]; in a cluster [`Error::Elsewhere`], [`Error::ClusterDown`], and [`Error::OneSlot`] in a transaction or script.
pub fn explain<H: Host>(ask: Ask<'_, H>, name: &[u8]) -> Result<Reply, Error> {
    if !ask.host.is_cluster() {
        return explain_to(ask, name, &ask.host.caller());
    }
    logout::check_cluster(ask)?;
    if !ask.host.lets_wait() {
        return Err(Error::OneSlot);
    }
    let client = ask.ticket();
    let (database, summons) = (ask.host.database(), ask.host.summons());
    let question = Question { client, database, key: name.into(), summons };
    ask.state(|state| state.questions.push_back(question));
    ask.wake();
    Ok(Reply::Later(client))
}

/// Answers clients that wait, until `deadline`. `true` if there are more. Leaves another database selected.
pub fn answer<H: Host>(ask: Ask<'_, H>, deadline: Instant) -> bool {
    let next = || {
        ask.state(|state| {
            let question = state.questions.pop_front();
            state.sweeping.served = question.as_ref().map(|question| Waiter::Client(question.client));
            question
        })
    };
    while let Some(Question { client, database, key, summons }) = next() {
        ask.host.select(database);
        let answer = explain_to(ask, &key, &ask.host.caller_of(summons.as_ref()));
        ask.state(|state| {
            state.sweeping.served = None;
            state.wants.answers.push((client, answer));
        });
        if ask.host.instant() >= deadline {
            break;
        }
    }
    ask.state(|state| !state.questions.is_empty())
}

/// Says how the layout reads a key of the selected database: a map of its name and type, the traces that match, and those that
/// do not because of what an id may hold, or by which somebody lives all the same.
fn explain_to<H: Host>(ask: Ask<'_, H>, name: &[u8], caller: &H::Caller) -> Result<Reply, Error> {
    let key = ask.host.name(name);
    if !caller.permit(&|may| may(&key, Access::Read)) {
        return Err(Error::NoPermission { to: "read" });
    }
    if !ask.host.serves(&key) {
        return Err(Error::Elsewhere);
    }
    read::catch_up(ask);
    let layout = ask.state(|state| state.layout.clone());
    let kind = ask.host.open(&key).map_or("none", |key| plan::words(key.kind()));
    let (mut traces, mut others) = (Vec::new(), Vec::new());
    for (number, trace) in layout.traces.iter().enumerate() {
        if let Some(bindings) = trace.key.matches(name) {
            traces.push(of_trace(ask, &layout, number, &bindings, &key, caller));
        } else if let Some((placeholder, value)) = trace.key.misfit(name) {
            let (rule, placeholder) = (layout.ids.rule(placeholder), layout.ids.name(placeholder));
            let why = format!("{{{placeholder}}} would be '{}', and must {rule}", value.escape_ascii());
            others.push(other(&layout.texts[number], &why));
        }
    }
    others.extend(by_whom_one_lives(&layout, name).filter(|_| traces.is_empty()));
    Ok(Reply::Map(vec![
        ("key", Reply::Bytes(name.to_vec())),
        ("type", text(kind)),
        ("traces", Reply::Array(traces)),
        ("others", Reply::Array(others)),
    ]))
}

/// A part of the layout by which the key is no trace, and why.
fn other(part: &str, why: &str) -> Reply {
    Reply::Map(vec![("trace", text(part)), ("why", text(why))])
}

/// The parts of the layout by which somebody lives by a key of this name.
fn by_whom_one_lives(layout: &Layout, name: &[u8]) -> impl Iterator<Item = Reply> {
    let data = layout.sockets.as_ref().and_then(|sockets| sockets.socket(name)).map(|socket| {
        let why = format!("it is the data of socket {}, and no trace lists it", socket.escape_ascii());
        other("`sockets.data`", &why)
    });
    let is_sign = layout.live.iter().any(|rule| rule.key().matches(name).is_some());
    let sign = is_sign.then(|| other("`live`", "somebody may be live by it, and no trace lists it"));
    data.into_iter().chain(sign)
}

fn text(text: &str) -> Reply {
    Reply::Bytes(text.as_bytes().to_vec())
}

/// How one trace reads the key.
fn of_trace<H: Host>(
    ask: Ask<'_, H>,
    layout: &Layout,
    number: usize,
    bindings: &Bindings<'_>,
    key: &H::Name,
    caller: &H::Caller,
) -> Reply {
    let trace = &layout.traces[number];
    let bound = trace.key.placeholders().iter().filter_map(|placeholder| {
        let value = bindings.get(*placeholder)?;
        Some(Reply::texts([layout.ids.name(*placeholder).as_bytes(), value]))
    });
    let reading = plan::explain(ask.host, layout, trace, bindings, key);
    let place = Place::new(number, &trace.placed, bindings);
    let users = reading.named.iter().flat_map(|(subject, id)| users(ask, *subject, id));
    let users: Vec<(Vec<u8>, Subject, &[u8])> = users.take(MOST_SHOWN + 1).collect();
    let shown = users.iter().take(MOST_SHOWN).filter_map(|(user, subject, id)| {
        let found = known(ask, trace, *subject, id, &place);
        // Whose a socket is stands in other keys.
        let whole = of_user(ask, layout, user, found, key, caller);
        whole.or_else(|| (*subject == Subject::User).then(|| Reply::Map(vec![("user", Reply::Bytes(user.clone()))])))
    });
    let shown: Vec<Reply> = shown.collect();
    let is_unknown = shown.is_empty() && !reading.named.is_empty();
    let mut fields = vec![
        ("trace", text(&layout.texts[number])),
        ("placeholders", Reply::Array(bound.collect())),
        ("named", Reply::count(reading.named.len())),
        ("users", Reply::Array(shown)),
    ];
    let unknown = || "it is not known, or not yet, which user has this socket".to_owned();
    fields.extend(reading.why.or_else(|| is_unknown.then(unknown)).map(|why| ("why", text(&why))));
    Reply::Map(fields)
}

/// The users who are meant by an id: whose a socket may be, the index knows.
fn users<'i, H: Host>(ask: Ask<'_, H>, subject: Subject, id: &'i [u8]) -> Vec<(Vec<u8>, Subject, &'i [u8])> {
    let database = ask.host.database();
    if subject == Subject::User {
        return vec![(id.to_vec(), subject, id)];
    }
    let owners = ask.state(|state| state.databases[database].index.owners(SocketHash::of(id)));
    owners.into_iter().map(|owner| (owner.into(), subject, id)).collect()
}

/// How a logout finds the key.
fn known<H: Host>(ask: Ask<'_, H>, trace: &Trace, subject: Subject, id: &[u8], place: &Place) -> &'static str {
    let database = ask.host.database();
    if trace.reach == Reach::Direct {
        return "by name";
    }
    let knows =
        |subject, id: &[u8]| ask.state(|state| state.databases[database].index.has(subject, id, place.borrowed()));
    if knows(subject, id) {
        "by the index"
    } else if knows(Subject::Anyone, b"") {
        "looked into by every logout"
    } else {
        "not found"
    }
}

/// Whether a user is live, and what a logout would do with the key; `None` if the caller may not be shown it.
fn of_user<H: Host>(
    ask: Ask<'_, H>,
    layout: &Layout,
    user: &[u8],
    found: &'static str,
    key: &H::Name,
    caller: &H::Caller,
) -> Option<Reply> {
    let plan = logout::plan_now(ask, user, Detail::Facts);
    plan.check_shown(ask.host, layout, caller).ok()?;
    let database = ask.host.database();
    let places = ask.state(|state| state.databases[database].index.places(Subject::User, user));
    let live_by = plan::live_by(ask.host, layout, &places, user);
    let by = match (live_by.sockets.first(), live_by.rule) {
        (Some(socket), _) => format!("socket {}", socket.id.escape_ascii()),
        (None, Some(_)) => "`live`".to_owned(),
        (None, None) => "nothing".to_owned(),
    };
    Some(Reply::Map(vec![
        ("user", Reply::Bytes(user.to_vec())),
        ("live", Reply::Integer(live_by.is_live().into())),
        ("by", text(&by)),
        ("found", text(found)),
        ("removed", text(fate(&plan, key))),
    ]))
}

/// What a logout would do with a key.
fn fate<N: AsRef<[u8]>>(plan: &Plan<N>, key: &N) -> &'static str {
    let is_it = |name: &N| name.as_ref() == key.as_ref();
    if plan.keys.iter().any(|key| is_it(&key.name)) {
        "the key"
    } else if plan.members.iter().any(|member| is_it(&member.key)) {
        "members"
    } else if plan.entries.iter().any(|document| is_it(&document.key)) {
        "entries"
    } else {
        "nothing"
    }
}
