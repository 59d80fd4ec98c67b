//! The clock of the indexes' marks.

use crate::index::Tick;

/// Counts time in [`Tick`]s since the indexes were begun. It is the time of day, as servers reckon when a key expires.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Milliseconds since 1970.
    began: u64,
    /// When somebody looked last.
    moment: Tick,
    /// How often nobody did since.
    passed_over: u32,
}

impl Clock {
    /// A clock that begins at a time, in milliseconds since 1970.
    pub fn begun(now: u64) -> Self {
        Self { began: now, moment: Tick::FIRST, passed_over: 0 }
    }

    /// Somebody has looked at the time, for [`Clock::moment`].
    pub fn refresh(&mut self, now: u64) {
        (self.moment, self.passed_over) = (self.after(now), 0);
    }

    /// Whether it is time to look at the time, where many calls follow each other closely: not every one of them looks.
    pub fn wants_refresh(&mut self) -> bool {
        const CALLS: u32 = 64;
        self.passed_over += 1;
        self.passed_over >= CALLS || self.moment == Tick::FIRST
    }

    /// The moment when somebody looked last. Whoever dates something by it looks right before: to read what was written, to load, to
    /// build, to scan a collection, or when a logout takes what somebody was live by.
    pub fn moment(self) -> Tick {
        self.moment
    }

    /// A time, rounded up: at this moment nothing has been so for longer than it seems.
    pub fn after(self, now: u64) -> Tick {
        Tick::after(now.saturating_sub(self.began))
    }

    /// A time, rounded down: a moment that has passed for sure.
    pub fn tick(self, milliseconds: u64) -> Tick {
        Tick::at(milliseconds.saturating_sub(self.began))
    }

    /// When the moment began, in milliseconds since 1970.
    pub fn milliseconds_at(self, tick: Tick) -> u64 {
        self.began.saturating_add(Tick::FIRST.until(tick))
    }

    /// Whether the clock has run too long, and should begin again.
    pub fn is_old(self, now: u64) -> bool {
        self.after(now) > Tick::OLD
    }
}
