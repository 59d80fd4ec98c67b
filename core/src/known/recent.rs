//! Logouts of the last seconds: a master that takes another's place may not have heard of what that one did.
//!
//! Servers replicate after they have answered. What a master did in the moment before it failed, or was deposed, its replica may not
//! know. So when there is a new master, all that was complete shortly before is looked at once more.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::pending::Pending;
use crate::ports::NodeId;

/// How much older than the last one a logout may be. Replicas that lag behind by more are not asked to take over.
const LASTS: Duration = Duration::from_secs(5);

/// The most bytes that they may take together.
const MOST_BYTES: usize = 8 << 20;

/// Logouts that are complete, in their order, and the masters that there are.
#[derive(Debug, Default)]
pub struct RecentLogouts {
    queue: VecDeque<Pending>,
    bytes: usize,
    masters: Vec<NodeId>,
}

impl RecentLogouts {
    /// Adds one that is complete. Those that began long before it are forgotten.
    pub fn add(&mut self, logout: Pending) {
        let began = logout.began;
        self.bytes += logout.bytes();
        self.queue.push_back(logout);
        let is_old = |first: &Pending| began.saturating_duration_since(first.began) > LASTS;
        while self.bytes > MOST_BYTES || self.queue.front().is_some_and(is_old) {
            let gone = self.queue.pop_front();
            self.bytes -= gone.as_ref().map_or(self.bytes, Pending::bytes);
        }
    }

    /// These are the other masters now. Gives what is to be looked at once more, if one of them is new.
    pub fn meet(&mut self, masters: Vec<NodeId>, now: Instant) -> Vec<Pending> {
        let is_new = |master: &NodeId| !self.masters.contains(master);
        let has_new = !self.masters.is_empty() && masters.iter().any(is_new);
        if !masters.is_empty() {
            self.masters = masters;
        }
        if !has_new {
            return Vec::new();
        }
        self.bytes = 0;
        self.queue.drain(..).filter(|logout| now < logout.until).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logout(user: &str, began: Instant) -> Pending {
        Pending { is_complete: true, ..Pending::plain(user, began, began + 10 * LASTS) }
    }

    #[test]
    fn the_last_are_looked_at_when_a_master_is_new_and_then_no_more() {
        let (mut recent, start) = (RecentLogouts::default(), Instant::now());
        let second = Duration::from_secs(1);
        let (one, other, third) = ([1; 40], [2; 40], [3; 40]);
        let meet = |recent: &mut RecentLogouts, masters: &[NodeId]| -> Vec<u8> {
            let met = recent.meet(masters.to_vec(), start + 8 * second);
            met.iter().flat_map(|logout| logout.command[1].clone()).collect()
        };
        recent.add(logout("a", start));
        assert_eq!(meet(&mut recent, &[one, other]), b"", "the first that are met are not new");
        recent.add(logout("b", start + 3 * second));
        recent.add(logout("c", start + 6 * second));
        assert_eq!(meet(&mut recent, &[one]), b"");
        assert_eq!(meet(&mut recent, &[]), b"");
        assert_eq!(meet(&mut recent, &[third, one]), b"bc");
        assert_eq!((meet(&mut recent, &[other]), recent.bytes), (Vec::new(), 0));
    }

    #[test]
    fn they_take_no_more_than_so_much_and_not_for_ever() {
        let (mut recent, start) = (RecentLogouts::default(), Instant::now());
        recent.meet(vec![[1; 40]], start);
        recent.add(logout(&"a".repeat(MOST_BYTES / 2), start));
        recent.add(logout(&"b".repeat(MOST_BYTES / 2), start));
        recent.add(logout(&"c".repeat(2 * MOST_BYTES), start));
        assert_eq!((recent.queue.len(), recent.bytes), (0, 0));
        recent.add(logout("d", start));
        assert!(recent.meet(vec![[2; 40]], start + 11 * LASTS).is_empty());
    }
}
