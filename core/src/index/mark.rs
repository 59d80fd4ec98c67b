//! What is known of a user's session: when it has to be looked at next.

use std::time::Duration;

/// A moment, in eighths of a second since the index began. 29 bits, enough for two years; later ones are all the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(u32);

impl Tick {
    /// The first moment.
    pub const FIRST: Self = Self(0);
    /// The last moment; nothing is known to end before.
    pub const LAST: Self = Self((1 << TICK_BITS) - 1);

    /// Half of the way to the last.
    pub const OLD: Self = Self(1 << (TICK_BITS - 1));

    /// Milliseconds in one.
    const LENGTH: u64 = 125;

    /// The moment that many milliseconds after the first: the tick that has begun by then.
    pub fn at(milliseconds: u64) -> Self {
        u32::try_from(milliseconds / Self::LENGTH).map_or(Self::LAST, |tick| Self(tick.min(Self::LAST.0)))
    }

    /// The moment that many milliseconds after the first: the tick that begins next.
    pub fn after(milliseconds: u64) -> Self {
        Self::at(milliseconds.saturating_add(Self::LENGTH - 1))
    }

    /// How many milliseconds have passed from this moment to another; 0 if that is not later.
    pub fn until(self, other: Self) -> u64 {
        u64::from(other.0.saturating_sub(self.0)) * Self::LENGTH
    }

    /// The moment after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1).min(Self::LAST.0))
    }

    /// The moment later by that much, at the earliest.
    #[must_use]
    pub fn later(self, by: Duration) -> Self {
        let by = Self::after(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
        Self(self.0.saturating_add(by.0).min(Self::LAST.0))
    }
}

/// What is known of a user's session. A mark is true when it is set and becomes wrong only by what is told of: a key
/// that is written, deleted or evicted, or a moment that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LivenessMark {
    /// Nobody has looked since something happened. If the user turns out to be stale, then not for longer than this.
    Doubtful(Tick),
    /// The user is live, and stays so until then if nothing happens.
    Live(Tick),
    /// The same, by several sockets that end at different times, or one of which is dead or may be: each sweep has to look
    /// which.
    Mixed(Tick),
    /// The user has been stale since then.
    Stale(Tick),
    /// There is no evidence of a session.
    Quiet,
}

/// How many bits a moment takes.
const TICK_BITS: u32 = 29;

/// A mark in four bytes, so that it fits into what a table's entry leaves unused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed(u32);

impl From<LivenessMark> for Packed {
    fn from(mark: LivenessMark) -> Self {
        let (kind, tick) = match mark {
            LivenessMark::Doubtful(tick) => (0, tick),
            LivenessMark::Live(tick) => (1, tick),
            LivenessMark::Stale(tick) => (2, tick),
            LivenessMark::Quiet => (3, Tick::FIRST),
            LivenessMark::Mixed(tick) => (4, tick),
        };
        Self(kind << TICK_BITS | tick.0)
    }
}

impl From<Packed> for LivenessMark {
    fn from(Packed(bits): Packed) -> Self {
        let tick = Tick(bits & Tick::LAST.0);
        match bits >> TICK_BITS {
            0 => Self::Doubtful(tick),
            1 => Self::Live(tick),
            2 => Self::Stale(tick),
            3 => Self::Quiet,
            _ => Self::Mixed(tick),
        }
    }
}

impl LivenessMark {
    /// Until when the user is live, if so.
    pub fn live_until(self) -> Option<Tick> {
        match self {
            Self::Live(until) | Self::Mixed(until) => Some(until),
            Self::Doubtful(_) | Self::Stale(_) | Self::Quiet => None,
        }
    }

    /// Whether a look can find a stale user at this moment.
    pub fn is_due(self, now: Tick) -> bool {
        match self {
            Self::Doubtful(_) | Self::Mixed(_) | Self::Stale(_) => true,
            Self::Live(until) => until <= now,
            Self::Quiet => false,
        }
    }
}

/// What was heard of a user at a moment.
#[derive(Clone, Copy, Debug)]
pub enum LivenessChange {
    /// Evidence of a session was seen; it does not make anybody less live.
    Evidence(Tick),
    /// Something changed by which the user may be live, at this moment; it does not end before the second one.
    Vital(Tick, Tick),
    /// A collection of the user's own may name a socket that is dead.
    Listed(Tick),
}

impl LivenessChange {
    /// The mark of a user about whom nothing was known.
    pub(super) fn first(self) -> LivenessMark {
        match self {
            Self::Evidence(now) | Self::Listed(now) => LivenessMark::Doubtful(now),
            Self::Vital(now, end) => LivenessMark::Doubtful(end.max(now)),
        }
    }

    /// The mark after the news. Another of the user's keys may end later than the one that changed, so of two moments
    /// the later one counts: it errs towards leaving the user alone for a while. What is known to be stale stays so until
    /// somebody has looked.
    pub(super) fn change(self, mark: LivenessMark) -> LivenessMark {
        match (self, mark) {
            (Self::Evidence(_), LivenessMark::Live(_) | LivenessMark::Mixed(_) | LivenessMark::Doubtful(_))
            | (Self::Listed(_), LivenessMark::Mixed(_) | LivenessMark::Doubtful(_))
            | (_, LivenessMark::Stale(_)) => mark,
            (Self::Listed(_), LivenessMark::Live(until)) => LivenessMark::Mixed(until),
            (Self::Evidence(_) | Self::Listed(_), LivenessMark::Quiet)
            | (
                Self::Vital(..),
                LivenessMark::Quiet | LivenessMark::Live(Tick::LAST) | LivenessMark::Mixed(Tick::LAST),
            ) => self.first(),
            (
                Self::Vital(now, end),
                LivenessMark::Doubtful(known) | LivenessMark::Live(known) | LivenessMark::Mixed(known),
            ) => LivenessMark::Doubtful(end.max(now).max(known)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_packing() {
        for tick in [Tick::FIRST, Tick(1), Tick(12_345), Tick::LAST] {
            for mark in [
                LivenessMark::Doubtful(tick),
                LivenessMark::Live(tick),
                LivenessMark::Stale(tick),
                LivenessMark::Quiet,
                LivenessMark::Mixed(tick),
            ] {
                assert_eq!(LivenessMark::from(Packed::from(mark)), mark);
            }
        }
        assert_eq!(size_of::<Packed>(), 4);
    }

    #[test]
    fn a_moment_is_rounded_to_the_safe_side() {
        assert_eq!((Tick::at(249), Tick::at(250)), (Tick(1), Tick(2)));
        assert_eq!((Tick::after(250), Tick::after(251)), (Tick(2), Tick(3)));
        assert_eq!((Tick::at(u64::MAX), Tick::after(u64::MAX)), (Tick::LAST, Tick::LAST));
        assert_eq!((Tick(3).until(Tick(5)), Tick(5).until(Tick(3))), (250, 0));
        assert_eq!((Tick(3).next(), Tick(3).later(Duration::from_millis(126))), (Tick(4), Tick(5)));
        assert_eq!((Tick::LAST.next(), Tick(3).later(Duration::MAX)), (Tick::LAST, Tick::LAST));
    }

    #[test]
    fn a_user_is_due_unless_known_to_be_live_or_without_evidence() {
        let now = Tick(8);
        let table = [
            (LivenessMark::Doubtful(now), true),
            (LivenessMark::Stale(Tick(9)), true),
            (LivenessMark::Live(now), true),
            (LivenessMark::Live(Tick(9)), false),
            (LivenessMark::Quiet, false),
            (LivenessMark::Mixed(Tick(9)), true),
        ];
        for (mark, expected) in table {
            assert_eq!(mark.is_due(now), expected, "{mark:?}");
        }
    }

    #[test]
    fn news_never_make_anybody_stale_for_longer() {
        let [early, now, late] = [Tick(4), Tick(8), Tick(12)];
        let table = [
            (LivenessChange::Evidence(now), LivenessMark::Quiet, LivenessMark::Doubtful(now)),
            (LivenessChange::Evidence(now), LivenessMark::Live(late), LivenessMark::Live(late)),
            (LivenessChange::Evidence(now), LivenessMark::Doubtful(early), LivenessMark::Doubtful(early)),
            (LivenessChange::Evidence(now), LivenessMark::Stale(early), LivenessMark::Stale(early)),
            (LivenessChange::Vital(now, late), LivenessMark::Quiet, LivenessMark::Doubtful(late)),
            (LivenessChange::Vital(now, early), LivenessMark::Doubtful(early), LivenessMark::Doubtful(now)),
            (LivenessChange::Vital(now, now), LivenessMark::Doubtful(late), LivenessMark::Doubtful(late)),
            (LivenessChange::Vital(now, now), LivenessMark::Live(late), LivenessMark::Doubtful(late)),
            (LivenessChange::Vital(now, now), LivenessMark::Live(Tick::LAST), LivenessMark::Doubtful(now)),
            (LivenessChange::Evidence(now), LivenessMark::Mixed(late), LivenessMark::Mixed(late)),
            (LivenessChange::Vital(now, now), LivenessMark::Mixed(late), LivenessMark::Doubtful(late)),
            (LivenessChange::Vital(now, now), LivenessMark::Mixed(Tick::LAST), LivenessMark::Doubtful(now)),
            (LivenessChange::Vital(now, late), LivenessMark::Stale(early), LivenessMark::Stale(early)),
            (LivenessChange::Listed(now), LivenessMark::Quiet, LivenessMark::Doubtful(now)),
            (LivenessChange::Listed(now), LivenessMark::Live(late), LivenessMark::Mixed(late)),
            (LivenessChange::Listed(now), LivenessMark::Mixed(late), LivenessMark::Mixed(late)),
            (LivenessChange::Listed(now), LivenessMark::Doubtful(early), LivenessMark::Doubtful(early)),
            (LivenessChange::Listed(now), LivenessMark::Stale(early), LivenessMark::Stale(early)),
        ];
        for (news, mark, expected) in table {
            assert_eq!(news.change(mark), expected, "{news:?} of {mark:?}");
        }
    }
}
