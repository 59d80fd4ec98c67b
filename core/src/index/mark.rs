//! What is known of a user's session: when it has to be looked at next.

use std::time::Duration;

/// A moment, in eighths of a second since the index began. Thirty bits, enough for four years; later ones are all the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(u32);

impl Tick {
    /// The first moment.
    pub const FIRST: Self = Self(0);
    /// The last moment; nothing is known to end before.
    pub const LAST: Self = Self((1 << 30) - 1);

    /// Half of the way to the last.
    pub const OLD: Self = Self(1 << 29);

    /// Milliseconds in one.
    const LENGTH: u64 = 125;

    /// The moment so many milliseconds after the first: the tick that has begun by then.
    pub fn at(milliseconds: u64) -> Self {
        u32::try_from(milliseconds / Self::LENGTH).map_or(Self::LAST, |tick| Self(tick.min(Self::LAST.0)))
    }

    /// The moment so many milliseconds after the first: the tick that begins next.
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

    /// The moment so much later, at the earliest.
    #[must_use]
    pub fn later(self, by: Duration) -> Self {
        let by = Self::after(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
        Self(self.0.saturating_add(by.0).min(Self::LAST.0))
    }
}

/// What is known of a user's session. A mark is true when it is set and becomes wrong only by what is told of: a key
/// that is written, deleted or evicted, or a moment that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Nobody has looked since something happened. If the user turns out to be stale, then not for longer than this.
    Doubtful(Tick),
    /// The user is live, and stays so until then if nothing happens.
    Live(Tick),
    /// The user has been stale since then.
    Stale(Tick),
    /// There is no evidence of a session.
    Quiet,
}

/// A mark in four bytes, so that it fits into what a table's entry leaves unused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed(u32);

impl From<Mark> for Packed {
    fn from(mark: Mark) -> Self {
        let (kind, tick) = match mark {
            Mark::Doubtful(tick) => (0, tick),
            Mark::Live(tick) => (1, tick),
            Mark::Stale(tick) => (2, tick),
            Mark::Quiet => (3, Tick::FIRST),
        };
        Self(kind << 30 | tick.0)
    }
}

impl From<Packed> for Mark {
    fn from(Packed(bits): Packed) -> Self {
        let tick = Tick(bits & Tick::LAST.0);
        match bits >> 30 {
            0 => Self::Doubtful(tick),
            1 => Self::Live(tick),
            2 => Self::Stale(tick),
            _ => Self::Quiet,
        }
    }
}

impl Mark {
    /// Whether a look can find a stale user at this moment.
    pub fn is_due(self, now: Tick) -> bool {
        match self {
            Self::Doubtful(_) | Self::Stale(_) => true,
            Self::Live(until) => until <= now,
            Self::Quiet => false,
        }
    }
}

/// What was heard of a user at a moment.
#[derive(Clone, Copy, Debug)]
pub enum News {
    /// Evidence of a session was seen; it does not make anybody less live.
    Evidence(Tick),
    /// Something changed by which the user may be live, at this moment; it does not end before the second one.
    Vital(Tick, Tick),
}

impl News {
    /// The mark of somebody of whom nothing was known.
    pub(super) fn first(self) -> Mark {
        match self {
            Self::Evidence(now) => Mark::Doubtful(now),
            Self::Vital(now, end) => Mark::Doubtful(end.max(now)),
        }
    }

    /// The mark after the news. Another of the user's keys may end later than the one that changed, so of two moments
    /// the later one counts: it errs towards leaving the user alone for a while. What is known to be stale stays so until
    /// somebody has looked.
    pub(super) fn change(self, mark: Mark) -> Mark {
        match (self, mark) {
            (Self::Evidence(_), Mark::Live(_) | Mark::Doubtful(_)) | (_, Mark::Stale(_)) => mark,
            (Self::Evidence(_), Mark::Quiet) | (Self::Vital(..), Mark::Quiet | Mark::Live(Tick::LAST)) => self.first(),
            (Self::Vital(now, end), Mark::Doubtful(known) | Mark::Live(known)) => {
                Mark::Doubtful(end.max(now).max(known))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_packing() {
        for tick in [Tick::FIRST, Tick(1), Tick(12_345), Tick::LAST] {
            for mark in [Mark::Doubtful(tick), Mark::Live(tick), Mark::Stale(tick), Mark::Quiet] {
                assert_eq!(Mark::from(Packed::from(mark)), mark);
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
            (Mark::Doubtful(now), true),
            (Mark::Stale(Tick(9)), true),
            (Mark::Live(now), true),
            (Mark::Live(Tick(9)), false),
            (Mark::Quiet, false),
        ];
        for (mark, expected) in table {
            assert_eq!(mark.is_due(now), expected, "{mark:?}");
        }
    }

    #[test]
    fn news_never_make_anybody_stale_for_longer() {
        let [early, now, late] = [Tick(4), Tick(8), Tick(12)];
        let table = [
            (News::Evidence(now), Mark::Quiet, Mark::Doubtful(now)),
            (News::Evidence(now), Mark::Live(late), Mark::Live(late)),
            (News::Evidence(now), Mark::Doubtful(early), Mark::Doubtful(early)),
            (News::Evidence(now), Mark::Stale(early), Mark::Stale(early)),
            (News::Vital(now, late), Mark::Quiet, Mark::Doubtful(late)),
            (News::Vital(now, early), Mark::Doubtful(early), Mark::Doubtful(now)),
            (News::Vital(now, now), Mark::Doubtful(late), Mark::Doubtful(late)),
            (News::Vital(now, now), Mark::Live(late), Mark::Doubtful(late)),
            (News::Vital(now, now), Mark::Live(Tick::LAST), Mark::Doubtful(now)),
            (News::Vital(now, late), Mark::Stale(early), Mark::Stale(early)),
        ];
        for (news, mark, expected) in table {
            assert_eq!(news.change(mark), expected, "{news:?} of {mark:?}");
        }
    }
}
