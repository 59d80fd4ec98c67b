//! Random cases: a list of literal steps from a seed.

use super::commands::{Args, Writer};
use super::pool::Pool;
use super::step::{CLIENTS, Inside, Logout, Step};
use crate::args;
use crate::support::Layout;
use fastrand::Rng;

/// Runs commands from a flat list: for each a number of arguments, then those. Errors are passed over.
const RUN_ALL: &str = "local at = 1
while ARGV[at] do
    local count = tonumber(ARGV[at])
    redis.pcall(unpack(ARGV, at + 1, at + count))
    at = at + count + 1
end";

/// The case of `seed`: users who come, are moved about, and are logged out.
pub fn generate(layout: &Layout, seed: u64) -> Vec<Step> {
    let mut rng = Rng::with_seed(seed);
    let pool = Pool::draw(&mut rng);
    let mut writer = Writer { rng, layout, pool };
    let mut steps = Vec::new();
    // Commands of transactions that are open, to go among other clients' steps.
    let mut open = Vec::new();
    for _ in 0..writer.rng.usize(30..100) {
        steps.extend(next(&mut writer, &mut open));
        if let Some(step) = (!open.is_empty() && writer.rng.bool()).then(|| open.remove(0)) {
            steps.push(step);
        }
    }
    steps.extend(open);
    for user in writer.pool.users.clone() {
        steps.push(Step::Logout(log_out(&mut writer, user)));
    }
    steps
}

/// The next steps of the case; `open` takes those of a transaction that comes about bit by bit.
fn next(writer: &mut Writer, open: &mut Vec<Step>) -> Vec<Step> {
    let client = writer.rng.usize(0..CLIENTS);
    match writer.rng.u8(0..64) {
        0..32 => run(client, writer.leave_trace()),
        32..37 => run(client, writer.disturb()),
        37..39 => run(client, vec![as_script(writer.leave_trace())]),
        39..42 => {
            let (from, to) = (writer.any_key(), writer.any_key());
            vec![Step::Restore(from, to, writer.rng.choice(["0", "1000000"]).expect("some"))]
        }
        42..44 => {
            let key = writer.any_key();
            let vital = writer.vital_key().filter(|_| writer.rng.bool());
            vec![Step::Expire(vital.unwrap_or(key))]
        }
        44 => vec![Step::Reload],
        45 => run(0, vec![args!["SELECT", writer.rng.choice(["0", "1"]).expect("some")]]),
        46 => vec![Step::Protocol(writer.rng.choice([2, 3]).expect("some"))],
        47..49 => vec![Step::Block(blocking(writer))],
        49..51 => {
            let user = writer.pool.user(&mut writer.rng);
            vec![Step::Inspect(user)]
        }
        60..64 => vec![Step::Sweep(inside(&mut writer.rng))],
        51..55 => {
            if open.is_empty() {
                *open = transaction(writer);
            }
            Vec::new()
        }
        _ => {
            let user = writer.pool.user(&mut writer.rng);
            vec![Step::Logout(log_out(writer, user))]
        }
    }
}

fn run(client: usize, commands: Vec<Args>) -> Vec<Step> {
    commands.into_iter().map(|args| Step::Run(client, args)).collect()
}

fn as_script(commands: Vec<Args>) -> Args {
    let count = |command: &Args| command.len().to_string().into_bytes();
    let flat = commands.into_iter().flat_map(|command| [vec![count(&command)], command].concat());
    args!["EVAL", RUN_ALL, "0"].into_iter().chain(flat).collect()
}

/// MULTI, commands and EXEC of a client that does not log anybody out.
fn transaction(writer: &mut Writer) -> Vec<Step> {
    let client = writer.rng.usize(1..CLIENTS);
    let mut commands = vec![args!["MULTI"]];
    for _ in 0..writer.rng.usize(1..4) {
        commands.extend(if writer.rng.u8(0..4) == 0 { writer.disturb() } else { writer.leave_trace() });
    }
    commands.push(args!["EXEC"]);
    run(client, commands)
}

fn blocking(writer: &mut Writer) -> Args {
    let (from, to) = (writer.any_key(), writer.any_key());
    match writer.rng.u8(0..3) {
        0 => args!["BLMOVE", from, to, "LEFT", "RIGHT", "0"],
        1 => args!["BRPOPLPUSH", from, to, "0"],
        _ => args!["BLPOP", from, to, "0"],
    }
}

fn log_out(writer: &mut Writer, user: Vec<u8>) -> Logout {
    let rng = &mut writer.rng;
    let socket = (rng.u8(0..3) == 0).then(|| writer.pool.socket(rng));
    let part = (socket.is_none() && rng.u8(0..4) == 0).then(|| {
        let templates = writer.layout.traces.iter().flat_map(|trace| [Some(trace.template()), trace.form()]).flatten();
        let names: Vec<_> = templates.flat_map(|template| template.names()).filter(|name| *name != "userId").collect();
        let name = rng.choice(names).unwrap_or("roomId").to_owned();
        let value = writer.pool.value(rng, &name);
        (name, value)
    });
    let inside = inside(rng);
    Logout { user, socket, part, reason: rng.u8(0..4) == 0, with_traces: rng.bool(), inside }
}

fn inside(rng: &mut Rng) -> Inside {
    match rng.u8(0..6) {
        0 => Inside::Multi,
        1 => Inside::Script,
        _ => Inside::Nothing,
    }
}
