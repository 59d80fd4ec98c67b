//! One world: some users, sockets and rooms, a crowd that writes, and a judge; at the end nothing may be left of it.

use super::commands::Writer;
use super::crowd::{Ending, Seat, Who};
use super::history::History;
use super::host::{Host, has_empty_hash};
use super::judge::{Call, Kind};
use super::moves::{Moves, Pauses, SHORT_LIFE_MS, Wish, swollen, swollen_for_strangers};
use super::pool::Pool;
use super::score::Score;
use super::weather::{SPELL, Spell, Weather, telling};
use super::whole::Whole;
use crate::args;
use crate::support::{Client, Layout, Reply, Snapshot, int, split};
use fastrand::Rng;
use std::time::{Duration, Instant};

/// How many rounds a world lasts.
const ROUNDS: u64 = 100;

/// Who is in the crowd.
const CROWD: [Who; 10] = [
    Who::Trusted,
    Who::Trusted,
    Who::Trusted,
    Who::Trusted,
    Who::Stranger,
    Who::Stranger,
    Who::Reader,
    Who::Poor,
    Who::Mute,
    Who::Picky,
];

/// How many connections wait for lists to be filled.
const WAITERS: usize = 3;

/// Everything of one world.
pub struct Life<'a> {
    host: &'a mut Host,
    layout: &'a Layout,
    moves: Moves<'a>,
    crowd: Vec<Seat>,
    waiters: Vec<Seat>,
    /// Sends what is judged amid others' writes.
    judge: Client,
    /// Sends what is judged in quiet.
    caller: Client,
    /// The same, of users who may not do much.
    restricted: Vec<Client>,
    spell: Spell,
    spell_left: u32,
    /// Nothing short-lived is there after this.
    quiet_from: Instant,
    score: &'a mut Score,
    history: &'a mut History,
}

impl<'a> Life<'a> {
    /// A world of the users that `seed` draws.
    pub fn new(
        host: &'a mut Host,
        layout: &'a Layout,
        seed: u64,
        score: &'a mut Score,
        history: &'a mut History,
    ) -> Self {
        let mut rng = Rng::with_seed(seed);
        let pool = draw_pool(&mut rng);
        let moves = Moves::new(Writer { rng, layout, pool }, host.abilities);
        let seat = |(i, who): (usize, &Who)| Seat::take(&host.server, *who, format!("{who:?}-{i}"));
        let crowd = CROWD.iter().enumerate().map(seat).collect();
        let waiters = (0..WAITERS).map(|i| Seat::take(&host.server, Who::Trusted, format!("waiter-{i}"))).collect();
        let restricted = [Who::Reader, Who::Poor, Who::Picky].map(|who| as_user(host, who)).into();
        let (judge, caller) = (host.client(), host.client());
        Self {
            layout,
            moves,
            crowd,
            waiters,
            judge,
            caller,
            restricted,
            spell: Spell::None,
            spell_left: 0,
            quiet_from: Instant::now(),
            host,
            score,
            history,
        }
    }

    /// Lives through all rounds, unless `is_over` says so before, and comes to rest.
    ///
    /// # Errors
    /// What was not as the model has it, or what is left.
    pub fn run(mut self, seed: u64, is_over: impl Fn(&Score) -> bool) -> Result<(), String> {
        for round in 0..ROUNDS {
            if is_over(self.score) {
                break;
            }
            // Each round has numbers of its own, whatever answers an earlier one got.
            *self.moves.rng() = Rng::with_seed(seed ^ (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            self.round().map_err(|problem| format!("in round {round}: {problem}"))?;
        }
        self.end()
    }

    fn round(&mut self) -> Result<(), String> {
        self.begin_spell();
        // A pause of the last round may be on.
        self.control("CLIENT UNPAUSE");
        self.refresh_waiters()?;
        let weather = Weather::draw(self.moves.rng());
        let pauses = match weather {
            Weather::Pause => Pauses::Held,
            Weather::Calm if self.moves.rng().bool() => Pauses::Crowd,
            _ => Pauses::Never,
        };
        let short_lives = self.moves.rng().u32(0..4) == 0;
        self.begin(weather);
        self.burst(pauses, short_lives);
        self.amid(weather)?;
        let whole = self.send_whole();
        if self.moves.rng().bool() {
            self.burst(pauses, short_lives);
        }
        self.collect()?;
        self.judge_whole(whole)?;
        if matches!(weather, Weather::Kill | Weather::HangUp) {
            // A sweep goes on when the one who asked for it is gone.
            self.host.wait_for_sweeps();
        }
        if weather == Weather::Eviction {
            self.control("CONFIG SET maxmemory 0");
        }
        if self.moves.rng().u32(0..4) == 0 {
            self.serve_waiter();
        }
        if self.spell == Spell::None {
            for _ in 0..self.moves.rng().usize(0..3) {
                self.judge_quietly()?;
            }
        }
        if weather == Weather::LazyExpiry {
            self.control("DEBUG SET-ACTIVE-EXPIRE 1");
        }
        Ok(())
    }

    fn control(&mut self, line: &str) -> Reply {
        self.history.note("control", &[split(line)]);
        self.host.control.must(line)
    }

    // --- the crowd --------------------------------------------------------------------------------------------------

    /// Commands of many, without waiting for answers.
    fn burst(&mut self, pauses: Pauses, short_lives: bool) {
        for i in 0..self.crowd.len() {
            let is_trusted = self.crowd[i].who == Who::Trusted;
            if !is_trusted && self.moves.rng().u32(0..3) > 0 {
                continue;
            }
            let wish = Wish { is_open: self.crowd[i].is_open, pauses, short_lives };
            let batch = self.moves.batch(wish, &self.crowd[i].who.credentials());
            if batch.is_short_lived && self.crowd[i].who != Who::Stranger {
                // None of it is run later than the answers are read.
                self.quiet_from = Instant::now() + Duration::from_secs(3600);
            }
            let commands = match self.crowd[i].who {
                Who::Trusted => batch.commands,
                Who::Stranger => swollen_for_strangers(batch.commands, self.moves.rng()),
                _ => swollen(batch.commands, self.moves.rng()),
            };
            self.crowd[i].is_open = batch.is_open;
            self.crowd[i].send(commands, self.history);
        }
    }

    /// Reads all answers of the crowd.
    fn collect(&mut self) -> Result<(), String> {
        for i in 0..self.crowd.len() {
            let moves = &mut self.moves;
            let ending = self.crowd[i].collect(&mut self.score.tally, |command, reply| {
                if let Reply::Bulk(dump) = reply
                    && command[0] == b"DUMP"
                {
                    moves.keep(dump);
                }
            })?;
            if ending == Ending::Ended {
                self.crowd[i] = Seat::take(&self.host.server, self.crowd[i].who, self.crowd[i].name.clone());
            }
        }
        let soon = Instant::now() + Duration::from_millis(SHORT_LIFE_MS + 5);
        if self.quiet_from > soon {
            self.quiet_from = soon;
        }
        Ok(())
    }

    /// Gives those who wait no longer something else to wait for.
    fn refresh_waiters(&mut self) -> Result<(), String> {
        for i in 0..WAITERS {
            if self.waiters[i].waits() {
                continue;
            }
            if self.waiters[i].collect(&mut self.score.tally, |_, _| {})? == Ending::Ended {
                self.waiters[i] = Seat::take(&self.host.server, Who::Trusted, self.waiters[i].name.clone());
            }
            if self.moves.rng().bool() {
                let seconds = if self.moves.rng().u32(0..4) == 0 { "0.05" } else { "0" };
                let command = self.moves.wait(seconds);
                self.waiters[i].wait_with(command, self.history)?;
            }
        }
        Ok(())
    }

    /// Fills what one of them waits for, or ends the wait.
    fn serve_waiter(&mut self) {
        let i = self.moves.rng().usize(0..WAITERS);
        let Some(key) = self.waiters[i].waits_for() else { return };
        let Writer { rng, pool, .. } = &mut self.moves.writer;
        let socket = pool.socket(rng);
        let commands = [args!["DEL", key], args!["RPUSH", key, socket], args!["ZADD", key, "1", socket]];
        if self.moves.rng().u32(0..4) == 0 {
            self.waiters[i].unblock(&mut self.host.control);
        } else {
            self.history.note("control", &commands);
            self.host.control.pipeline(commands);
        }
    }

    // --- weather ----------------------------------------------------------------------------------------------------

    fn begin_spell(&mut self) {
        if self.spell_left > 0 {
            self.spell_left -= 1;
            if self.spell_left == 0 {
                self.end_spell();
            }
            return;
        }
        self.spell = Spell::draw(self.moves.rng());
        if self.spell != Spell::None {
            self.spell.begin(&mut self.host.control);
            self.spell_left = SPELL;
        }
    }

    /// Ends what the module does by itself, and waits until it does so no more.
    fn end_spell(&mut self) {
        Spell::end(&mut self.host.control);
        self.host.wait_for_sweeps();
        self.spell = Spell::None;
        self.spell_left = 0;
        self.wait_for_quiet();
        let mut last = self.host.snapshot_at_once();
        loop {
            // What the fence notes of a user goes a quarter of a second after the last of it was written.
            std::thread::sleep(Duration::from_millis(600));
            let next = self.host.snapshot_at_once();
            if next == last {
                break;
            }
            last = next;
        }
    }

    fn begin(&mut self, weather: Weather) {
        match weather {
            Weather::Eviction => {
                let change = self.moves.rng().i64(-30_000..5_000);
                let limit = (self.host.holding().memory + change).max(1);
                self.control(&format!("CONFIG SET maxmemory-policy allkeys-random maxmemory {limit}"));
            }
            Weather::LazyExpiry => drop(self.control("DEBUG SET-ACTIVE-EXPIRE 0")),
            Weather::Telling => {
                let line = telling(self.moves.rng());
                self.control(&line);
            }
            Weather::Pause => {
                self.wait_for_quiet();
                self.control("CLIENT PAUSE 60000 WRITE");
            }
            _ => {}
        }
    }

    /// What happens between the first commands and their answers.
    fn amid(&mut self, weather: Weather) -> Result<(), String> {
        match weather {
            Weather::Pause => {
                let result = self.inspect_in_pause();
                self.control("CLIENT UNPAUSE");
                return result;
            }
            Weather::Reload => drop(self.control("DEBUG RELOAD")),
            Weather::Kill => {
                let i = self.moves.rng().usize(0..CROWD.len() + WAITERS);
                let seat = if i < CROWD.len() { &mut self.crowd[i] } else { &mut self.waiters[i - CROWD.len()] };
                seat.kill(&mut self.host.control, self.history);
            }
            Weather::HangUp => {
                let i = self.moves.rng().usize(0..CROWD.len());
                let (who, name) = (self.crowd[i].who, self.crowd[i].name.clone());
                let seat = std::mem::replace(&mut self.crowd[i], Seat::take(&self.host.server, who, name));
                seat.hang_up(&mut self.host.control, &mut self.score.tally);
            }
            _ => {}
        }
        Ok(())
    }

    // --- judging ----------------------------------------------------------------------------------------------------

    fn draw_call(&mut self) -> Call {
        let Writer { rng, layout, pool } = &mut self.moves.writer;
        Call::draw(rng, layout, &pool.users, &pool.sockets)
    }

    fn send_whole(&mut self) -> Option<Whole> {
        // What ends while a transaction runs may have ended for a script in it, and not for the command after it.
        let may_end = !self.host.has_one_time && Instant::now() < self.quiet_from;
        if self.spell == Spell::Fence || self.moves.rng().bool() || may_end {
            return None;
        }
        let calls = (0..self.moves.rng().usize(1..3)).map(|_| self.draw_call()).collect();
        Some(Whole::send(&mut self.judge, &mut self.moves, calls, self.history))
    }

    fn judge_whole(&mut self, whole: Option<Whole>) -> Result<(), String> {
        let Some(whole) = whole else { return Ok(()) };
        let verdict = whole.judge(&mut self.judge, self.layout)?;
        verdict.compared.iter().for_each(|call| self.score.compared(call));
        self.score.amid += verdict.compared.len() as u64;
        self.score.put_off += verdict.put_off;
        Ok(())
    }

    /// With writers held up, somebody is inspected. Nobody can write, so the keys stay as they are.
    fn inspect_in_pause(&mut self) -> Result<(), String> {
        if self.spell != Spell::None {
            return Ok(());
        }
        let call = Call { kind: Kind::Inspect, ..self.draw_call() };
        let before = self.host.snapshot();
        let reply = self.call(&call);
        if call.compare(self.layout, &before, &reply, &self.host.snapshot())? {
            self.score.compared(&call);
            self.score.amid += 1;
        }
        Ok(())
    }

    /// Waits until nothing is about to expire.
    fn wait_for_quiet(&self) {
        std::thread::sleep(self.quiet_from.saturating_duration_since(Instant::now()));
    }

    /// Sends a call by itself and reads its answer.
    fn call(&mut self, call: &Call) -> Reply {
        let commands = [args!["SELECT", call.database.to_string()], call.args()];
        self.history.note("caller", &commands);
        self.score.tally.sent += 1;
        self.caller.pipeline(commands).pop().expect("two answers")
    }

    /// A call while nobody writes, with transactions open and others waiting.
    fn judge_quietly(&mut self) -> Result<(), String> {
        self.wait_for_quiet();
        if self.moves.rng().u32(0..10) == 0 {
            let version = self.moves.rng().u32(2..4);
            self.caller.must(&format!("HELLO {version}"));
        }
        let call = self.draw_call();
        let before = self.host.snapshot();
        // A hash whose fields have all expired may go at any moment.
        if has_empty_hash(&before) || self.host.ends_soon(&before) {
            self.score.put_off += 1;
            return Ok(());
        }
        match self.moves.rng().u32(0..8) {
            0 => self.judge_restricted(&Call { database: 0, ..call }, &before),
            _ => self.judge_call(&call, &before),
        }
    }

    fn judge_call(&mut self, call: &Call, before: &Snapshot) -> Result<(), String> {
        let reply = self.call(call);
        let after = self.host.snapshot();
        if has_empty_hash(&after) || !call.compare(self.layout, before, &reply, &after)? {
            self.score.put_off += 1;
            return Ok(());
        }
        self.score.compared(call);
        if call.kind == Kind::Logout {
            let again = Call { with_traces: false, ..call.clone() };
            let reply = self.call(&again);
            if reply != call.refusal(self.layout).unwrap_or(int(0)) {
                return Err(format!("a second {} answered {reply:?}", again.words()));
            }
        }
        Ok(())
    }

    /// A call by somebody who may not do everything: it is refused and changes nothing, or is as anybody's.
    fn judge_restricted(&mut self, call: &Call, before: &Snapshot) -> Result<(), String> {
        let i = self.moves.rng().usize(0..self.restricted.len());
        self.history.note("restricted", &[call.args()]);
        self.score.tally.sent += 1;
        let reply = self.restricted[i].cmd(call.args());
        let after = self.host.snapshot();
        match reply {
            Reply::Error(text) if text.starts_with("NOPERM") => {
                call.same_keys(before, &after)?;
                self.score.tally.refused += 1;
                self.score.refused += 1;
            }
            reply if call.compare(self.layout, before, &reply, &after)? => self.score.compared(call),
            _ => self.score.put_off += 1,
        }
        Ok(())
    }

    // --- the end ----------------------------------------------------------------------------------------------------

    /// Logs everybody out, sends everybody home, and waits until nothing is left.
    fn end(mut self) -> Result<(), String> {
        if self.spell != Spell::None {
            self.end_spell();
        }
        self.control("CLIENT UNPAUSE");
        self.refresh_waiters()?;
        for user in self.moves.writer.pool.users.clone() {
            self.wait_for_quiet();
            let call = Call { kind: Kind::Logout, user, socket: None, with_traces: true, database: 0 };
            let before = self.host.snapshot();
            if !has_empty_hash(&before) && !self.host.ends_soon(&before) {
                self.judge_call(&call, &before)?;
            }
        }
        let key_by_key = self.moves.rng().bool();
        let Self { host, mut crowd, waiters, score, judge, caller, restricted, .. } = self;
        drop((judge, caller, restricted));
        crowd.extend(waiters);
        for seat in crowd {
            seat.hang_up(&mut host.control, &mut score.tally);
        }
        host.come_to_rest(key_by_key)?;
        score.lives += 1;
        Ok(())
    }
}

/// Some more ids than a single case of the property tests has.
fn draw_pool(rng: &mut Rng) -> Pool {
    let mut pool = Pool::draw(rng);
    let more = Pool::draw(rng);
    pool.users.extend(more.users);
    pool.sockets.extend(more.sockets);
    pool.rooms.extend(more.rooms);
    pool
}

fn as_user(host: &Host, who: Who) -> Client {
    let mut client = host.server.client();
    for command in who.credentials() {
        client.cmd(command);
    }
    client
}
