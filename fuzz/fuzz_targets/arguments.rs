//! The arguments of commands, against every spelling that the syntax allows.
//!
//! An input is a command's name in its first line; every other line is an argument.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use redis_session_core::{
    command::{Inspect, Logout, Sweep},
    error::Error,
    known::job::Order,
};
use redis_session_fuzz::lines;

fuzz_target!(|input: &[u8]| {
    let lines = lines(input);
    let lines: Vec<&[u8]> = lines.iter().map(|line| &**line).collect();
    let (name, arguments) = lines.split_first().expect("an input has a line");
    match *name {
        b"LOGOUT" => logout(arguments),
        b"INSPECT" => inspect(arguments),
        b"SWEEP" => sweep(arguments),
        _ => (),
    }
});

/// An option: its name, and whether a value follows it.
type Opt = (&'static str, bool);

const SOCKET: Opt = ("SOCKET", true);
const REASON: Opt = ("REASON", true);
const LOCAL: Opt = ("LOCAL", false);
const WITH_TRACES: Opt = ("WITHTRACES", false);
const GRACE: Opt = ("GRACE", true);
const LIMIT: Opt = ("LIMIT", true);
const DRY_RUN: Opt = ("DRYRUN", false);

fn logout(arguments: &[&[u8]]) {
    let parsed = Logout::parse(arguments);
    let expected = match arguments.split_first() {
        None => Err(Error::WrongArity),
        Some(([], _)) => Err(Error::EmptyUser),
        Some((user, options)) => without_parts(options).ok_or(Error::Syntax).and_then(|(options, part)| {
            match read([SOCKET, REASON, LOCAL, WITH_TRACES], &options).ok_or(Error::Syntax)? {
                [Some(b""), ..] => Err(Error::EmptySocket),
                [socket, reason, local, shows] => {
                    let (is_local, with_traces) = (local.is_some(), shows.is_some());
                    Ok(Logout { user, socket, part, reason, is_local, with_traces })
                }
            }
        }),
    };
    assert_eq!(parsed, expected);
    let Ok(Logout { user, socket, part, reason, is_local, with_traces }) = &parsed else { return };
    let flag = |is_given: &bool| is_given.then_some(&b""[..]);
    let given = [(SOCKET, *socket), (REASON, *reason), (LOCAL, flag(is_local)), (WITH_TRACES, flag(with_traces))];
    let part: Vec<&[u8]> = part.iter().flat_map(|(name, value)| [&b"wHere"[..], name, value]).collect();
    for spelled in spellings(given) {
        let options: Vec<&[u8]> = spelled.iter().map(|word| &**word).collect();
        for options in [[&*part, &*options].concat(), [&*options, &*part].concat()] {
            let spelled = [&[*user][..], &options].concat();
            assert_eq!(Logout::parse(&spelled), expected, "{spelled:?}");
        }
    }
}

/// The arguments of a logout without `WHERE`, and what stands there: names, of which none twice, and values.
#[expect(clippy::type_complexity, reason = "it is what `Logout` holds")]
fn without_parts<'a>(arguments: &[&'a [u8]]) -> Option<(Vec<&'a [u8]>, Vec<(&'a [u8], &'a [u8])>)> {
    let (mut others, mut part) = (Vec::new(), Vec::new());
    let mut rest = arguments;
    while let Some((word, tail)) = rest.split_first() {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let length = if is("WHERE") { 2 } else { usize::from(is("SOCKET") || is("REASON")) };
        let (values, tail) = tail.split_at(length.min(tail.len()));
        match values {
            [name, value] => part.push((*name, *value)),
            _ if is("WHERE") => return None,
            values => others.extend([&[*word][..], values].concat()),
        }
        rest = tail;
    }
    let is_new = |at: usize| part[..at].iter().all(|(name, _)| *name != part[at].0);
    (0..part.len()).all(is_new).then_some((others, part))
}

fn inspect(arguments: &[&[u8]]) {
    let expected = match arguments {
        [b"", ..] => Err(Error::EmptyUser),
        [] => Err(Error::WrongArity),
        [user, options @ ..] => match read([LOCAL], options) {
            Some([local]) => Ok(Inspect { user, is_local: local.is_some() }),
            None => Err(Error::Syntax),
        },
    };
    assert_eq!(Inspect::parse(arguments), expected);
}

fn sweep(arguments: &[&[u8]]) {
    let parsed = Sweep::parse(arguments);
    // Traces are shown of a dry run alone.
    let read = read([GRACE, LIMIT, DRY_RUN, LOCAL, WITH_TRACES], arguments);
    let read = read.filter(|[_, _, dry, _, with_traces]| dry.is_some() || with_traces.is_none());
    let expected = read.ok_or(Error::Syntax).and_then(|[grace, limit, dry, local, with_traces]| {
        let number = |text: Option<&[u8]>| text.map(|text| number(text).ok_or(Error::NoNumber)).transpose();
        let grace = Duration::from_secs(number(grace)?.unwrap_or(0));
        let limit = number(limit)?.unwrap_or(u64::MAX);
        let (is_dry, shows, is_local) = (dry.is_some(), with_traces.is_some(), local.is_some());
        Ok(Order { grace, limit, is_dry, shows, is_local })
    });
    assert_eq!(parsed, expected);
    let Ok(order) = parsed else { return };
    let grace = order.grace.as_secs().to_string().into_bytes();
    let limit = order.limit.to_string().into_bytes();
    let given = [
        (GRACE, Some(&*grace)),
        (LIMIT, (order.limit != u64::MAX).then_some(&*limit)),
        (DRY_RUN, order.is_dry.then_some(&b""[..])),
        (LOCAL, order.is_local.then_some(&b""[..])),
        (WITH_TRACES, order.shows.then_some(&b""[..])),
    ];
    for spelled in spellings(given) {
        let spelled: Vec<&[u8]> = spelled.iter().map(|word| &**word).collect();
        assert_eq!(Sweep::parse(&spelled), expected, "{spelled:?}");
    }
}

/// A number that is neither negative nor beyond the server's integers, written as the server would write it.
fn number(text: &[u8]) -> Option<u64> {
    let number: i64 = str::from_utf8(text).ok()?.parse().ok()?;
    let is_plain = number >= 0 && number.to_string().as_bytes() == text;
    is_plain.then(|| number.unsigned_abs())
}

/// Every order of some of so many things, by their numbers.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    let mut at = 0;
    while let Some(order) = orders.get(at).cloned() {
        let others = (0..count).filter(|number| !order.contains(number));
        orders.extend(others.map(|number| order.iter().copied().chain([number]).collect()));
        at += 1;
    }
    orders
}

/// What the options stand for, if some order of some of them spells the arguments: the value of each that is given, which
/// is empty if none follows it.
fn read<'a, const N: usize>(options: [Opt; N], arguments: &[&'a [u8]]) -> Option<[Option<&'a [u8]>; N]> {
    let mut found = orders(N).into_iter().filter_map(|order| {
        let mut values = [None; N];
        let mut rest = arguments;
        for number in order {
            let (name, has_value) = options[number];
            let (word, tail) = rest.split_first()?;
            if !word.eq_ignore_ascii_case(name.as_bytes()) {
                return None;
            }
            let (value, tail) = if has_value { tail.split_first()? } else { (&&b""[..], tail) };
            values[number] = Some(*value);
            rest = tail;
        }
        rest.is_empty().then_some(values)
    });
    let first = found.next();
    assert!(found.next().is_none(), "one way to read it is all there is");
    first
}

/// Every order in which the options that are given can be written, in both cases.
fn spellings<const N: usize>(given: [(Opt, Option<&[u8]>); N]) -> Vec<Vec<Vec<u8>>> {
    let count = given.iter().filter(|(_, value)| value.is_some()).count();
    let whole = orders(N)
        .into_iter()
        .filter(|order| order.len() == count && order.iter().all(|number| given[*number].1.is_some()));
    whole
        .flat_map(|order| [false, true].map(|is_lower| (order.clone(), is_lower)))
        .map(|(order, is_lower)| {
            let words = order.into_iter().flat_map(|number| {
                let ((name, has_value), value) = given[number];
                let name = if is_lower { name.to_ascii_lowercase() } else { name.to_owned() };
                let value = value.filter(|_| has_value).map(<[u8]>::to_vec);
                [name.into_bytes()].into_iter().chain(value)
            });
            words.collect()
        })
        .collect()
}
