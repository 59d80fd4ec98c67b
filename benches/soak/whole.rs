//! Commands of the module inside transactions and scripts, judged while others write: what is there before and after
//! is read in the same transaction or script, where nobody comes between.

use super::commands::Args;
use super::history::History;
use super::host::{DATABASES, has_empty_hash, without_streams};
use super::judge::Call;
use super::moves::{Moves, RUN_ALL, backwards};
use crate::args;
use crate::support::snapshot::SCRIPT;
use crate::support::{Client, Entry, Layout, Reply, Snapshot};

/// Something sent that is judged by its answer.
pub struct Whole {
    calls: Vec<Call>,
    form: Form,
    /// How many answers there are.
    answers: usize,
}

enum Form {
    /// A transaction; the places of the snapshots and calls among its answers: before, call, after.
    Transaction(Vec<[usize; 3]>),
    Script,
}

/// What came of it: how many calls were compared, and how many could not be.
#[derive(Default)]
pub struct Verdict {
    pub compared: Vec<Call>,
    pub put_off: u64,
}

impl Whole {
    /// Sends a transaction or a script with `calls`, and with writes before each, without waiting.
    pub fn send(client: &mut Client, moves: &mut Moves, calls: Vec<Call>, history: &mut History) -> Self {
        if moves.rng().bool() {
            Self::send_transaction(client, moves, calls, history)
        } else {
            Self::send_script(client, moves, calls, history)
        }
    }

    fn send_transaction(client: &mut Client, moves: &mut Moves, calls: Vec<Call>, history: &mut History) -> Self {
        let snapshot = args!["EVAL", format!("{SCRIPT} return snapshot({DATABASES})"), "0"];
        let mut commands = vec![args!["MULTI"]];
        let mut places = Vec::new();
        for call in &calls {
            commands.extend(writes(moves));
            commands.push(args!["SELECT", call.database.to_string()]);
            let before = commands.len() - 1;
            commands.extend([snapshot.clone(), call.args(), snapshot.clone(), args!["TIME"]]);
            places.push([before, before + 1, before + 2]);
        }
        commands.push(args!["EXEC"]);
        send(client, &commands, history);
        Self { calls, form: Form::Transaction(places), answers: commands.len() }
    }

    fn send_script(client: &mut Client, moves: &mut Moves, mut calls: Vec<Call>, history: &mut History) -> Self {
        calls.truncate(1);
        let call = calls[0].args();
        let script = format!(
            "{RUN_ALL} {SCRIPT}
            local database, count = ARGV[1], tonumber(ARGV[2])
            redis.call('SELECT', database)
            run_all({{unpack(ARGV, 3 + count)}})
            local before = snapshot({DATABASES})
            redis.call('SELECT', database)
            local reply = redis.pcall(unpack(ARGV, 3, 2 + count))
            return {{before, reply, snapshot({DATABASES}), redis.call('TIME')}}"
        );
        let head = args!["EVAL", script, "0", calls[0].database.to_string(), call.len().to_string()];
        let commands = [[head, call, backwards(writes(moves))].concat()];
        send(client, &commands, history);
        Self { calls, form: Form::Script, answers: 1 }
    }

    /// Reads the answers and holds them against the model.
    ///
    /// # Errors
    /// What differs, in words.
    pub fn judge(self, client: &mut Client, layout: &Layout) -> Result<Verdict, String> {
        let mut answers = Vec::new();
        for _ in 0..self.answers {
            answers.push(client.try_read().map_err(|problem| format!("the judge was cut off: {problem}"))?);
        }
        let last = answers.pop().expect("there is at least one answer");
        let mut verdict = Verdict::default();
        // A server without memory refuses whole transactions.
        let Reply::Array(items) = last else {
            verdict.put_off = self.calls.len() as u64;
            return Ok(verdict);
        };
        let places = match self.form {
            Form::Transaction(places) => places,
            Form::Script => vec![[0, 1, 2]],
        };
        for (call, place) in self.calls.into_iter().zip(places) {
            let [before, reply, after] = place.map(|place| &items[place]);
            let [before, after] = [before, after].map(|reply| without_streams(Snapshot::of_script(reply)));
            // On Redis 7.0 each script of a transaction has a time of its own, and so has the module within one.
            let ends = milliseconds(&items[place[2] + 1]);
            let may_have_expired = |entry: &Entry| (0..=ends).contains(&entry.expires_at);
            let mut entries = before.databases.values().flat_map(|keys| keys.values());
            if has_empty_hash(&before) || has_empty_hash(&after) || entries.any(may_have_expired) {
                verdict.put_off += 1;
                continue;
            }
            if call.compare(layout, &before, reply, &after)? {
                verdict.compared.push(call);
            } else {
                verdict.put_off += 1;
            }
        }
        Ok(verdict)
    }
}

/// What TIME answers, in milliseconds.
fn milliseconds(time: &Reply) -> i64 {
    let number = |reply: &Reply| reply.as_text().parse::<i64>().expect("TIME answers numbers");
    number(&time.items()[0]) * 1000 + number(&time.items()[1]) / 1000
}

fn writes(moves: &mut Moves) -> Vec<Args> {
    (0..moves.rng().usize(0..3)).flat_map(|_| moves.plain_action()).collect()
}

fn send(client: &mut Client, commands: &[Args], history: &mut History) {
    history.note("judge", commands);
    // If it has ended, reading says so.
    let _ = client.try_send_all(commands);
}
