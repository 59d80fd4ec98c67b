//! Making way for `MODULE UNLOAD`, which the server refuses while the module has a timer set. Under load it always has one.
//!
//! The module sees the command before it runs, stops its timers, and sets them again if it is still there afterwards.
//! Whether the command will be refused is not known yet: somebody who may not unload anything can send it all the time. So
//! the timers rest for a moment at most, and then run for longer before they rest again.

use std::{
    ptr::null_mut,
    time::{Duration, Instant},
};

use super::{OWN, server_events};
use crate::server::{Server, api};

/// How long timers may be stopped again and again.
const LONGEST_REST: Duration = Duration::from_millis(50);

/// How long they are left alone afterwards.
const WORK: Duration = Duration::from_millis(450);

/// Whether the timers rest. Pure.
#[derive(Clone, Copy, Debug, Default)]
pub enum Rest {
    /// They never did.
    #[default]
    Never,
    /// Since then.
    Since(Instant),
    /// They did until then.
    Until(Instant),
}

impl Rest {
    /// Whether timers may be stopped now.
    fn begins(&mut self, now: Instant) -> bool {
        match *self {
            Self::Since(began) => now.duration_since(began) < LONGEST_REST,
            Self::Until(ended) if now.duration_since(ended) < WORK => false,
            Self::Never | Self::Until(_) => {
                *self = Self::Since(now);
                true
            }
        }
    }

    /// Whether the timers have to be set again now.
    fn ends(&mut self, now: Instant) -> bool {
        let is_over = matches!(*self, Self::Since(began) if now.duration_since(began) >= LONGEST_REST);
        if is_over {
            *self = Self::Until(now);
        }
        is_over
    }
}

/// A command is about to run that may unload the module.
pub(super) fn make_way(server: &Server) {
    if OWN.with(|own| own.timers.rest.begins(Instant::now())) {
        stop_timers(server);
    } else {
        go_on(server);
    }
}

/// Sets the timers again after a rest. Called a few times a second; a command that gives the module work does it too.
pub(super) fn go_on(server: &Server) {
    if OWN.with(|own| own.timers.rest.ends(Instant::now())) {
        server_events::wake(server);
    }
}

fn stop_timers(server: &Server) {
    let timers = OWN.with(|own| {
        let alarm = own.timers.alarm.take().map(|(timer, _)| timer);
        [own.timers.slice.take(), own.timers.haste.take(), alarm]
    });
    for timer in timers.into_iter().flatten() {
        // SAFETY: the context is valid; of a timer that is gone the server says so, and the callbacks take no data.
        unsafe { api!(RedisModule_StopTimer(server.ctx(), timer, null_mut())) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_asks_all_the_time_gets_a_small_part_of_it() {
        let (mut rest, began) = (Rest::default(), Instant::now());
        let mut resting = 0;
        for millisecond in 0..10_000 {
            let now = began + Duration::from_millis(millisecond);
            if rest.begins(now) {
                resting += 1;
            } else {
                rest.ends(now);
            }
        }
        assert_eq!(resting, 10_000 / 10);
    }

    #[test]
    fn a_rest_that_nobody_asks_to_go_on_ends_by_itself() {
        let (mut rest, now) = (Rest::default(), Instant::now());
        assert!(!rest.ends(now), "there was none");
        assert!(rest.begins(now) && !rest.ends(now + LONGEST_REST / 2) && rest.ends(now + LONGEST_REST));
        assert!(!rest.ends(now + LONGEST_REST), "the timers are set");
        assert!(!rest.begins(now + LONGEST_REST + WORK / 2) && rest.begins(now + LONGEST_REST + WORK));
    }
}
