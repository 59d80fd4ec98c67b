//! Telling others of a logout: what [`events`](crate::events) yields, sent by the module itself.
//!
//! The caller's permissions are not asked for here. Who may log a user out thereby tells of it, and may send nothing
//! else by it: which channels and keys these are, the options and the layout say.

use std::rc::Rc;

use super::{context::LogoutContext, follow};
use crate::{
    config::Options,
    events::{Audience, Departure, Notice, Ready, ServerCommand},
    journal::{self, Level},
    layout::Layout,
    plan::{Gone, LeftOut, Plan, Scope, Unfit},
    ports::Host,
    session::Ask,
    wire::Stamp,
};

/// By what it is decided whom to tell: options and layout at one instant.
#[derive(Debug)]
pub struct Messenger {
    options: Rc<Options>,
    layout: Rc<Layout>,
}

impl Messenger {
    /// As options and layout are now.
    pub fn now<H: Host>(ask: Ask<'_, H>) -> Self {
        ask.state(|state| Self { options: state.options.clone(), layout: state.layout.clone() })
    }

    /// Whether anybody is to be told of logouts.
    pub fn has_audience(&self) -> bool {
        Audience::new(&self.options, &self.layout).is_some()
    }

    /// Whether some of it, or of what the layout has written, is written to a key, or heard by those alone who listen in a hash slot.
    pub fn depends_on_slots(&self) -> bool {
        !self.layout.then.is_empty()
            || Audience::new(&self.options, &self.layout).is_some_and(|audience| audience.depends_on_slots())
    }

    /// What is to be told of a plan once it has been applied. A replica tells nobody: its master has.
    #[inline(never)] // for the room that it takes on the stack
    pub fn prepare<'a, H: Host>(
        &'a self,
        host: &H,
        plan: &'a Plan<H::Name>,
        LogoutContext { scope, reason, .. }: LogoutContext<'a>,
    ) -> Option<Ready<'a>> {
        let audience = Audience::new(&self.options, &self.layout)?;
        if host.is_replica() {
            return None;
        }
        let departure = if audience.is_of_events_alone() {
            Departure::brief(plan, scope, reason)
        } else {
            Departure::new(plan, scope, reason)
        };
        Some(Notice::new(audience, departure).check(host, &plan.keys, |key| self.layout.is_trace(key)))
    }
}

/// Tells of a logout that is done, on all nodes of a cluster: once, and with what all of them removed.
pub fn tell_of_whole<H: Host>(ask: Ask<'_, H>, gone: &Gone, stamp: &Stamp, scope: Scope, reason: &[u8], removed: u64) {
    let Messenger { options, layout } = Messenger::now(ask);
    let Some(audience) = Audience::new(&options, &layout).filter(|_| removed > 0 && !ask.host.is_replica()) else {
        return;
    };
    // What is written or sent then would crash the server.
    if ask.host.is_paused() {
        return say_left_out(ask, "events about a logout were left out", &gone.user, 1, "clients are paused");
    }
    let departure = Departure::of(gone, stamp, scope, reason);
    let ready = Notice::new(audience, departure).check(ask.host, &[], |key| layout.is_trace(key));
    tell(ask, &ready, &gone.user, removed);
}

/// Tells of a logout that removed `removed` traces of the user.
pub fn tell<H: Host>(ask: Ask<'_, H>, ready: &Ready<'_>, user: &[u8], removed: u64) {
    let (mut sent, mut refused) = (0, None);
    let mut left_out: u64 = ready.left_out.iter().map(|left_out| left_out.events).sum();
    ready.tell(removed, &mut |command| {
        if send(ask, command) {
            sent += 1;
        } else {
            left_out += 1;
            let target = command.arguments.first().copied().unwrap_or_default();
            refused.get_or_insert_with(|| journal::printable(target));
        }
    });
    ask.state(|state| state.metrics.events_sent += sent);
    if left_out == 0 {
        return;
    }
    let why = match (ready.left_out.first(), refused) {
        (Some(left_out), _) => because(left_out),
        (None, target) => format!("the server refused the one for {}", target.unwrap_or_default()),
    };
    say_left_out(ask, "events about a logout were left out", user, left_out, &why);
}

/// Says what of that which the layout has written at a logout was left out.
pub fn tell_unwritten<H: Host>(ask: Ask<'_, H>, user: &[u8], unwritten: &[LeftOut]) {
    if let Some(first) = unwritten.first() {
        let count = unwritten.len() as u64;
        say_left_out(ask, "commands of `then` were left out", user, count, &because(first));
    }
}

fn say_left_out<H: Host>(ask: Ask<'_, H>, what: &str, user: &[u8], count: u64, why: &str) {
    let now = ask.host.instant();
    let may_say = ask.state(|state| {
        state.metrics.events_left_out += count;
        count > 0 && state.journal.admits(now, 1)
    });
    if may_say {
        let user = journal::field(user);
        ask.host.log(Level::Warning, &format!("{what} user={user} count={count}: {why}"));
    }
}

fn because(LeftOut { key, why, .. }: &LeftOut) -> String {
    format!("key {} {}", journal::printable(key), reason(*why))
}

/// Calls a command for replicas too, as a client's call would do it: a message goes there for their own subscribers, and
/// never into the append-only file.
fn send<H: Host>(ask: Ask<'_, H>, command: ServerCommand<'_>) -> bool {
    let is_sent = ask.host.send(command.name, command.arguments);
    // The command filter does not show the module its own calls.
    if let Some(key) = command.key().filter(|key| is_sent && ask.state(|state| state.watcher.cares_for(key))) {
        follow::changed(ask, ask.host.name(key));
    }
    is_sent
}

fn reason(why: Unfit) -> &'static str {
    match why {
        Unfit::Elsewhere => "is served by another node of the cluster",
        Unfit::Mistyped => "holds a value of another type",
        Unfit::Trace => "is a trace, which a logout deletes",
    }
}
