//! The marks of users: who may be stale, and when somebody has to look.

use super::{HashedSubject, Index, LivenessChange, LivenessMark, Subject, Tick};

impl Index {
    /// What is known of a user's session; `None` if the user has no place.
    pub fn mark(&self, user: &[u8]) -> Option<LivenessMark> {
        let whom = HashedSubject::new(Subject::User, user);
        self.shards.get(whom.hash.shard())?.find(whom).map(|entry| entry.mark.into())
    }

    /// Changes a user's mark as the news are. Returns the one before; `None` if the user has no place.
    pub fn tell(&mut self, user: &[u8], news: LivenessChange) -> Option<LivenessMark> {
        let whom = HashedSubject::new(Subject::User, user);
        let (entry, _) = self.shards.get_mut(whom.hash.shard())?.find_mut(whom)?;
        let before = entry.mark.into();
        entry.mark = news.change(before).into();
        Some(before)
    }

    /// Notes what is known of a user's session. A user who has no place needs no mark.
    pub fn set_mark(&mut self, user: &[u8], mark: LivenessMark) {
        let whom = HashedSubject::new(Subject::User, user);
        let Some(shard) = self.shards.get_mut(whom.hash.shard()) else { return };
        let Some((entry, _)) = shard.find_mut(whom) else { return };
        entry.mark = mark.into();
        if let Some(end) = mark.live_until() {
            shard.first_end = shard.first_end.min(end);
        }
    }

    /// The users of one shard that may be stale.
    pub fn due(&self, shard: usize, now: Tick) -> Vec<Box<[u8]>> {
        self.users(shard, |mark| mark.is_due(now))
    }

    /// The users of one shard that were live until a moment which has come. Costs next to nothing if there is none.
    pub fn ended(&mut self, shard: usize, now: Tick) -> Vec<Box<[u8]>> {
        let is_over = |mark: LivenessMark| mark.live_until().is_some_and(|end| end <= now);
        if self.shards.get(shard).is_none_or(|shard| shard.first_end > now) {
            return Vec::new();
        }
        let users = self.users(shard, is_over);
        let ends = self.users_marks(shard).filter_map(LivenessMark::live_until);
        // Those that are over are about to get another mark.
        let first_end = ends.filter(|end| *end > now).min().unwrap_or(Tick::LAST);
        self.shards[shard].first_end = first_end;
        users
    }

    fn users(&self, shard: usize, wanted: impl Fn(LivenessMark) -> bool) -> Vec<Box<[u8]>> {
        let Some(shard) = self.shards.get(shard) else { return Vec::new() };
        let entries = shard.entries.iter().filter(|entry| wanted(entry.mark.into()));
        let records = entries.map(|entry| shard.records.get(entry.at));
        records.filter(|record| record.subject == Subject::User).map(|record| record.id.into()).collect()
    }

    fn users_marks(&self, shard: usize) -> impl Iterator<Item = LivenessMark> {
        self.shards.get(shard).into_iter().flat_map(|shard| shard.entries.iter()).map(|entry| entry.mark.into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Place, SHARDS};
    use super::*;

    fn place(trace: usize, room: &[u8]) -> Place {
        Place([&[u8::try_from(trace).unwrap()], room].concat().into())
    }

    #[test]
    fn a_mark_stays_with_its_user_while_places_come_and_go() {
        let mut index = Index::default();
        let (now, later) = (Tick::at(1000), Tick::at(2000));
        index.add(HashedSubject::new(Subject::User, b"u"), place(6, b"1").borrowed(), LivenessChange::Evidence(now));
        assert_eq!(index.mark(b"u"), Some(LivenessMark::Doubtful(now)));
        index.set_mark(b"u", LivenessMark::Live(later));
        // Enough that the user's places become a large set on the way.
        for room in 0..2000 {
            index.add(
                HashedSubject::new(Subject::User, b"u"),
                place(6, format!("{room}").as_bytes()).borrowed(),
                LivenessChange::Evidence(now),
            );
            assert_eq!(index.mark(b"u"), Some(LivenessMark::Live(later)), "{room}");
        }
        assert!(!index.large_sets.is_empty(), "the test must reach the large sets");
        index.set_mark(b"u", LivenessMark::Quiet);
        index.add(HashedSubject::new(Subject::User, b"u"), place(6, b"1").borrowed(), LivenessChange::Evidence(later));
        assert_eq!(index.mark(b"u"), Some(LivenessMark::Doubtful(later)));
        index.retain(HashedSubject::new(Subject::User, b"u"), |_| false);
        index.set_mark(b"u", LivenessMark::Stale(now));
        assert_eq!(index.mark(b"u"), None);
    }

    #[test]
    fn users_are_due_by_their_marks_and_ends_are_met_once() {
        let mut index = Index::default();
        let (now, later) = (Tick::at(1000), Tick::at(9000));
        let marks = [
            LivenessMark::Doubtful(now),
            LivenessMark::Live(now),
            LivenessMark::Live(later),
            LivenessMark::Stale(now),
            LivenessMark::Quiet,
        ];
        for number in 0..500 {
            let id = format!("u{number}").into_bytes();
            index.add(HashedSubject::new(Subject::User, &id), place(6, b"1").borrowed(), LivenessChange::Evidence(now));
            index.set_mark(&id, marks[number % 5]);
        }
        index.add(HashedSubject::new(Subject::Socket, b"s"), place(6, b"1").borrowed(), LivenessChange::Evidence(now));
        assert_eq!((0..SHARDS).map(|shard| index.due(shard, now).len()).sum::<usize>(), 300);
        let ended: Vec<_> = (0..SHARDS).flat_map(|shard| index.ended(shard, now)).collect();
        assert_eq!(ended.len(), 100);
        for user in &ended {
            index.set_mark(user, LivenessMark::Quiet);
        }
        assert_eq!((0..SHARDS).map(|shard| index.ended(shard, now).len()).sum::<usize>(), 0);
        assert_eq!((0..SHARDS).map(|shard| index.ended(shard, later).len()).sum::<usize>(), 100);
    }
}
