//! The first two bytes of names, by which most arguments of commands are told apart from them.

/// How many bits of each of the two bytes count. They are the same for capital and small letters.
const BITS: usize = 5;

/// How many beginnings are told apart.
const PLACES: usize = 1 << (2 * BITS);

/// Beginnings of names. A superset of those that were added: several share a place, which costs a closer look.
#[derive(Debug)]
pub(super) struct Begins([u64; PLACES / 64]);

/// Where the beginning of an argument stands.
#[derive(Clone, Copy, Debug)]
struct Beginning(usize);

impl Beginning {
    /// Of an argument; one byte stands as if a zero came behind it. `None` if it is empty.
    #[inline]
    fn of(argument: &[u8]) -> Option<Self> {
        let first = *argument.first()?;
        Some(Self::new(first, argument.get(1).copied().unwrap_or(0)))
    }

    #[inline]
    fn new(first: u8, second: u8) -> Self {
        let low = |byte: u8| usize::from(byte) % (1 << BITS);
        Self(low(first) << BITS | low(second))
    }
}

impl Begins {
    /// Of no name.
    pub(super) fn none() -> Self {
        Self([0; PLACES / 64])
    }

    /// Adds all names that begin so. With one byte those are as many as a part in 32 of all, and with none all.
    pub(super) fn add(&mut self, prefix: &[u8]) {
        for first in prefix.first().map_or(0..=u8::MAX, |byte| *byte..=*byte) {
            for second in prefix.get(1).map_or(0..=u8::MAX, |byte| *byte..=*byte) {
                let Beginning(at) = Beginning::new(first, second);
                self.0[at / 64] |= 1 << (at % 64);
            }
        }
    }

    /// Whether a name that was added may begin as the argument does.
    #[inline]
    pub(super) fn meet(&self, argument: &[u8]) -> bool {
        Beginning::of(argument).is_some_and(|Beginning(at)| self.0[at / 64] >> (at % 64) & 1 != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_begins_with_a_prefix_is_met_and_most_other_names_are_not() {
        let every: Vec<[u8; 2]> = (0..=u16::MAX).map(u16::to_le_bytes).collect();
        let table = [(&b""[..], 1), (b"a", 32), (b"\0", 32), (b"ab", 1024), (b"abc", 1024), (b"\xff\0", 1024)];
        for (prefix, part) in table {
            let mut begins = Begins::none();
            begins.add(prefix);
            let short = &prefix[..prefix.len().min(2)];
            assert!(every.iter().filter(|name| name.starts_with(short)).all(|name| begins.meet(name)), "{prefix:?}");
            assert!(begins.meet(if prefix.is_empty() { b"x" } else { prefix }), "{prefix:?}");
            assert!(!begins.meet(b""));
            let met = every.iter().filter(|name| begins.meet(*name)).count();
            assert_eq!(met * part, every.len(), "{prefix:?}");
        }
    }
}
