//! What the crowd sends: batches of random commands of every type, whole and open transactions, scripts, and worse.

use super::commands::{Args, Writer};
use crate::args;
use crate::support::Server;
use fastrand::Rng;
use std::collections::VecDeque;

type Bytes = Vec<u8>;

/// Runs commands from a flat list: for each a number of arguments, then those, all spelled backwards, so that nobody
/// who looks at the script's arguments sees a name. Errors are passed over.
pub const RUN_ALL: &str = "
local function run_all(list)
    local at = 1
    while list[at] do
        local count = tonumber(list[at]:reverse())
        local words = {}
        for i = 1, count do words[i] = list[at + i]:reverse() end
        redis.pcall(unpack(words))
        at = at + count + 1
    end
end
";

/// How long what is short-lived lives at most.
pub const SHORT_LIFE_MS: u64 = 30;

/// Up to this many values of DUMP are kept for RESTORE.
const DUMPS: usize = 16;

/// Commands that not every server has.
#[derive(Clone, Copy, Debug)]
pub struct Abilities {
    field_ttl: bool,
    set_with_field_ttl: bool,
    get_and_delete_field: bool,
}

impl Abilities {
    pub fn of(server: &Server) -> Self {
        Self {
            field_ttl: server.has_command("HPEXPIRE"),
            set_with_field_ttl: server.has_command("HSETEX"),
            get_and_delete_field: server.has_command("HGETDEL"),
        }
    }
}

/// Draws commands for the crowd.
pub struct Moves<'a> {
    pub writer: Writer<'a>,
    pub abilities: Abilities,
    /// What DUMP answered lately.
    dumps: VecDeque<Bytes>,
}

/// What a batch is made of besides its commands.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Whether the connection may have a transaction open, left by an earlier batch.
    pub is_open: bool,
    /// Whether writers are held up meanwhile, or CLIENT PAUSE may be sent. Then nobody is to wait for a list: Redis 8.0
    /// never answers a command that was held up first and has to wait then.
    pub pauses: Pauses,
    /// Whether a key may get a short life.
    pub short_lives: bool,
}

/// Whether writers are held up in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pauses {
    /// Never, and so commands may wait.
    Never,
    /// By commands of the crowd.
    Crowd,
    /// By somebody else.
    Held,
}

/// Commands of one connection that go out together.
#[derive(Default)]
pub struct Batch {
    pub commands: Vec<Args>,
    /// Whether a transaction is left open, as far as is known here.
    pub is_open: bool,
    /// Whether something in it lives for [`SHORT_LIFE_MS`] at most.
    pub is_short_lived: bool,
}

impl<'a> Moves<'a> {
    pub fn new(writer: Writer<'a>, abilities: Abilities) -> Self {
        Self { writer, abilities, dumps: VecDeque::new() }
    }

    pub fn rng(&mut self) -> &mut Rng {
        &mut self.writer.rng
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.writer.rng.u32(0..n) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.writer.rng.usize(0..from.len())]
    }

    /// Keeps a value of DUMP.
    pub fn keep(&mut self, dump: Bytes) {
        self.dumps.push_front(dump);
        self.dumps.truncate(DUMPS);
    }

    /// Commands for a connection that gets back its permissions, after RESET, by `again`.
    pub fn batch(&mut self, wish: Wish, again: &[Args]) -> Batch {
        let mut batch = Batch { is_open: wish.is_open, ..Batch::default() };
        if batch.is_open && self.writer.rng.bool() {
            let end = self.pick(&["EXEC", "EXEC", "EXEC", "DISCARD"]);
            batch.commands.push(args![end]);
            batch.is_open = false;
        }
        for _ in 0..self.writer.rng.usize(1..=8) {
            match self.writer.rng.u32(0..200) {
                0..10 => self.whole_transaction(&mut batch, wish),
                10..14 => self.open_transaction(&mut batch),
                14..16 => {
                    let stray = self.pick(&["EXEC", "DISCARD", "UNWATCH"]);
                    batch.commands.push(args![stray]);
                    batch.is_open = false;
                }
                16 => {
                    batch.commands.push(args!["RESET"]);
                    // Refused where a password is asked for.
                    batch.commands.extend(self.writer.leave_trace());
                    batch.commands.extend_from_slice(again);
                    batch.is_open = false;
                }
                17..21 if wish.short_lives && !batch.is_open => self.short_life(&mut batch),
                // In a transaction it would be a server's own bug: Redis ends when a command after it, in the same
                // transaction, writes a key that has expired.
                21 | 22 if wish.pauses == Pauses::Crowd && !batch.is_open => batch.commands.push(self.pause()),
                23 | 24 if wish.pauses == Pauses::Never => batch.commands.push(self.wait("0.003")),
                _ => {
                    let commands = self.action();
                    batch.commands.extend(commands);
                }
            }
        }
        batch
    }

    /// Some commands that belong together.
    pub fn action(&mut self) -> Vec<Args> {
        match self.writer.rng.u32(0..100) {
            0..50 => self.writer.leave_trace(),
            50..65 => self.writer.disturb(),
            65..85 => self.stir(),
            85..91 => vec![self.script()],
            91..93 => vec![args!["SELECT", self.pick(&["0", "0", "0", "1", "2"])]],
            93..95 => vec![args!["DUMP", self.writer.any_key()]],
            _ => vec![self.session_command()],
        }
    }

    /// Commands that stay in one database and never wait: for what is judged as a whole.
    pub fn plain_action(&mut self) -> Vec<Args> {
        let commands = match self.writer.rng.u32(0..3) {
            0 => self.writer.disturb(),
            _ => self.writer.leave_trace(),
        };
        commands.into_iter().filter(|args| args[0] != b"SELECT").collect()
    }

    fn whole_transaction(&mut self, batch: &mut Batch, wish: Wish) {
        if self.one_in(3) {
            let key = self.writer.any_key();
            batch.commands.push(args!["WATCH", key, self.writer.any_key()]);
            if self.one_in(2) {
                batch.commands.push(args!["SET", key, "dirty"]);
            }
        }
        batch.commands.push(args!["MULTI"]);
        if self.one_in(8) {
            batch.commands.push(args!["MULTI"]);
        }
        for _ in 0..self.writer.rng.usize(0..4) {
            if wish.short_lives && self.one_in(8) {
                self.short_life(batch);
            }
            let commands = self.action();
            batch.commands.extend(commands);
        }
        if self.one_in(10) {
            // Refused at once; the transaction is lost.
            batch.commands.push(args!["SET", "too", "many", "words", "here"]);
        }
        let end = self.pick(&["EXEC", "EXEC", "EXEC", "EXEC", "DISCARD"]);
        batch.commands.push(args![end]);
        batch.is_open = false;
    }

    fn open_transaction(&mut self, batch: &mut Batch) {
        if self.one_in(3) {
            batch.commands.push(args!["WATCH", self.writer.any_key()]);
        }
        batch.commands.push(args!["MULTI"]);
        for _ in 0..self.writer.rng.usize(1..4) {
            let commands = self.action();
            batch.commands.extend(commands);
        }
        batch.is_open = true;
    }

    /// A script or function that writes under names it makes up itself; now and then it logs somebody out.
    fn script(&mut self) -> Args {
        let mut commands = if self.one_in(3) { self.writer.disturb() } else { self.writer.leave_trace() };
        if self.one_in(3) {
            commands.push(self.session_command());
            commands.extend(self.writer.leave_trace());
        }
        if self.one_in(12) {
            // Nothing waits in a script; what there is moves at once.
            commands.push(self.wait("0"));
        }
        let head = if self.one_in(3) {
            args!["FCALL", "run_all", "0"]
        } else {
            args!["EVAL", format!("{RUN_ALL} run_all(ARGV)"), "0"]
        };
        [head, backwards(commands)].concat()
    }

    fn session_command(&mut self) -> Args {
        let user = self.writer.pool.user(&mut self.writer.rng);
        match self.writer.rng.u32(0..8) {
            0 => args!["SESSION.SWEEP"],
            1 => args!["SESSION.SWEEP", "DRYRUN"],
            2 | 3 => args!["SESSION.INSPECT", user],
            4 => args!["SESSION.LOGOUT", user, "SOCKET", self.writer.pool.socket(&mut self.writer.rng)],
            5 => args!["SESSION.LOGOUT", user, "WITHTRACES", "REASON", "a\r\nb"],
            6 => self
                .pick(&[&["SESSION.LOGOUT"][..], &["SESSION.LOGOUT", "a", "b"], &["SESSION.LOGOUT", ""]])
                .iter()
                .map(|word| word.as_bytes().to_vec())
                .collect(),
            _ => args!["SESSION.LOGOUT", user],
        }
    }

    fn pause(&mut self) -> Args {
        let millis = self.writer.rng.u32(1..20).to_string();
        args!["CLIENT", "PAUSE", millis, self.pick(&["WRITE", "WRITE", "ALL"])]
    }

    /// Something that ends by itself within milliseconds.
    fn short_life(&mut self, batch: &mut Batch) {
        let key = match self.writer.vital_key().filter(|_| self.one_in(2)) {
            Some(key) => key,
            None => self.writer.any_key(),
        };
        let millis = self.writer.rng.u64(1..=SHORT_LIFE_MS).to_string();
        let socket = self.writer.pool.socket(&mut self.writer.rng);
        let field = self.writer.pool.user(&mut self.writer.rng);
        batch.commands.push(match self.writer.rng.u32(0..8) {
            0 => args!["SET", key, socket, "PX", millis],
            1 => args!["PSETEX", key, millis, socket],
            2 => args!["GETEX", key, "PX", millis],
            3 => match self.dumps.front() {
                Some(dump) => args!["RESTORE", key, millis, dump, "REPLACE"],
                None => args!["PEXPIRE", key, millis],
            },
            4 if self.abilities.field_ttl => args!["HPEXPIRE", key, millis, "FIELDS", "1", field],
            5 if self.abilities.set_with_field_ttl => {
                args!["HSETEX", key, "PX", millis, "FIELDS", "1", field, "x"]
            }
            _ => args!["PEXPIRE", key, millis],
        });
        batch.is_short_lived = true;
    }

    /// A command that waits for a list or sorted set, for so many seconds (0 is for ever).
    pub fn wait(&mut self, seconds: &str) -> Args {
        let (from, to) = (self.writer.any_key(), self.writer.any_key());
        match self.writer.rng.u32(0..8) {
            0..3 => args!["BLMOVE", from, to, self.pick(&["LEFT", "RIGHT"]), "RIGHT", seconds],
            3 | 4 => args!["BRPOPLPUSH", from, to, seconds],
            5 => args!["BLMPOP", seconds, "2", from, to, "LEFT", "COUNT", "2"],
            6 => args!["BZPOPMIN", from, to, seconds],
            _ => args!["BLPOP", from, to, seconds],
        }
    }

    /// A command that the property tests' writer does not know.
    fn stir(&mut self) -> Vec<Args> {
        if self.one_in(2) { self.stir_values() } else { self.stir_collections() }
    }

    fn stir_values(&mut self) -> Vec<Args> {
        let (key, other) = (self.writer.any_key(), self.writer.any_key());
        let (user, socket) =
            (self.writer.pool.user(&mut self.writer.rng), self.writer.pool.socket(&mut self.writer.rng));
        let command = match self.writer.rng.u32(0..24) {
            0 => args!["GETEX", key, "PERSIST"],
            1 => args!["GETEX", key, "EX", "4000"],
            2 => args!["SETEX", key, "5000", socket],
            3 => args!["MSET", key, user, other, socket],
            4 => args!["INCRBYFLOAT", key, "0.5"],
            5 => args!["BITFIELD", key, "SET", "u8", "8", "65"],
            6 => args!["BITOP", "XOR", key, key, other],
            7 => args!["PFADD", key, user, socket],
            8 => args!["PFMERGE", key, other],
            9 => args!["XADD", key, "*", "field", user],
            10 => args!["XGROUP", "CREATE", key, "group", "0", "MKSTREAM"],
            11 => args!["XTRIM", key, "MAXLEN", "0"],
            12 => args!["COPY", key, other, "DB", self.pick(&["0", "1", "2"])],
            13 => args!["MOVE", key, self.pick(&["0", "1", "2"])],
            14 => args!["SWAPDB", self.pick(&["0", "1"]), self.pick(&["1", "2"])],
            15 | 16 => match self.dumps.pop_back() {
                Some(dump) => {
                    let ttl = self.pick(&["0", "1000000"]);
                    let command = args!["RESTORE", key, ttl, dump, "REPLACE"];
                    self.keep(dump);
                    command
                }
                None => args!["DUMP", key],
            },
            17 if self.one_in(6) => args!["FLUSHDB", self.pick(&["SYNC", "ASYNC"])],
            18 => args!["DEL", key, other],
            19 => args!["EXPIREAT", key, "4000000000"],
            20 => args!["TOUCH", key],
            21 => args!["SET", key, socket, "XX", "GET"],
            22 => args!["SET", key, socket, "EXAT", "4000000000"],
            _ => args!["LPUSH", key, socket, user],
        };
        vec![command]
    }

    fn stir_collections(&mut self) -> Vec<Args> {
        let (key, other) = (self.writer.any_key(), self.writer.any_key());
        let (user, socket) =
            (self.writer.pool.user(&mut self.writer.rng), self.writer.pool.socket(&mut self.writer.rng));
        let command = match self.writer.rng.u32(0..28) {
            26 => args!["LINSERT", key, "AFTER", user, socket],
            27 => args!["LSET", key, "-1", socket],
            0 => args!["LMPOP", "2", key, other, "RIGHT"],
            1 => args!["ZMPOP", "2", key, other, "MAX", "COUNT", "2"],
            2 => args!["ZINTERSTORE", key, "2", key, other],
            3 => args!["ZDIFFSTORE", key, "2", key, other],
            4 => args!["ZUNIONSTORE", key, "2", key, other],
            5 => args!["ZINCRBY", key, "1", user],
            6 => args!["ZREMRANGEBYRANK", key, "0", "0"],
            7 => args!["GEOADD", key, "1.5", "2.5", user],
            8 => args!["GEOSEARCHSTORE", key, other, "FROMLONLAT", "1.5", "2.5", "BYRADIUS", "9", "km"],
            9 => args!["SORT", other, "ALPHA", "STORE", key],
            10 => args!["SORT", other, "BY", "nosort", "GET", "#", "STORE", key],
            11 => args!["SUNIONSTORE", key, key, other],
            12 => args!["SINTERSTORE", key, key, other],
            13 => args!["SMOVE", key, other, user],
            14 => args!["SPOP", key, "2"],
            15 => args!["LPUSHX", key, socket],
            16 => args!["RPUSHX", key, user],
            17 => args!["LMOVE", key, other, "RIGHT", "LEFT"],
            18 => args!["HINCRBYFLOAT", key, user, "1.5"],
            19 => args!["HMSET", key, user, socket, socket, user],
            20 if self.abilities.field_ttl => args!["HEXPIRE", key, "3000", "FIELDS", "2", user, socket],
            21 if self.abilities.field_ttl => args!["HPERSIST", key, "FIELDS", "1", user],
            22 if self.abilities.field_ttl => args!["HPEXPIREAT", key, "1", "FIELDS", "1", user],
            23 if self.abilities.set_with_field_ttl => args!["HSETEX", key, "EX", "3000", "FIELDS", "1", user, "x"],
            24 if self.abilities.get_and_delete_field => args!["HGETDEL", key, "FIELDS", "1", user],
            _ => args!["SADD", key, user, socket],
        };
        vec![command]
    }
}

/// Commands as [`RUN_ALL`] takes them.
pub fn backwards(commands: Vec<Args>) -> Args {
    let counted = commands.into_iter().flat_map(|command| [args![command.len().to_string()], command].concat());
    counted.map(|word| word.into_iter().rev().collect()).collect()
}

/// The same commands with names of 10 to 50 KB among them, as somebody sends them who means harm.
pub fn swollen(mut commands: Vec<Args>, rng: &mut Rng) -> Vec<Args> {
    swell(&mut commands, rng, 50_000);
    commands
}

/// The same as far as a server lets somebody send it who has not said the password: it ends the connection over long
/// commands, long words, and answers that are not read.
pub fn swollen_for_strangers(mut commands: Vec<Args>, rng: &mut Rng) -> Vec<Args> {
    commands.retain(|command| command.len() <= 10);
    commands.truncate(12);
    swell(&mut commands, rng, 16_000);
    commands
}

fn swell(commands: &mut [Args], rng: &mut Rng, most: usize) {
    for command in commands {
        // What a poor user may write stays small, and a password right.
        let stays = command[0] == b"AUTH" || command.iter().any(|word| word.starts_with(b"tmp"));
        if command.len() > 1 && !stays && rng.u32(0..12) == 0 {
            let place = rng.usize(1..command.len());
            command[place].resize(rng.usize(10_000..most), b'x');
        }
    }
}
