//! The beginning of a name, by which nearly all names are told apart from a template's.

/// The first eight bytes of a name, or fewer: what is compared at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    bytes: u64,
    /// The bits of those that there are.
    mask: u64,
}

impl Head {
    /// Of a name.
    #[inline]
    pub fn of(name: &[u8]) -> Self {
        let bytes = match name.first_chunk() {
            Some(first) => u64::from_le_bytes(*first),
            None => name.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte)),
        };
        let missing = 8 - name.len().min(8);
        Self { bytes, mask: u64::MAX.checked_shr(8 * u32::try_from(missing).unwrap_or(8)).unwrap_or(0) }
    }

    /// Whether a name with the other head may begin with this one.
    #[inline]
    pub fn begins(self, other: Self) -> bool {
        other.bytes & self.mask == self.bytes && self.mask & !other.mask == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_begins_what_the_name_begins() {
        let names = ["", "a", "ab", "\0", "a\0", "abcdefg", "abcdefgh", "abcdefghi", "abcdefgx", "b"];
        for (one, other) in names.iter().flat_map(|one| names.map(|other| (*one, other))) {
            // Of a longer one, the first bytes are all that is told.
            let begins = other.starts_with(&one[..one.len().min(8)]);
            assert_eq!(Head::of(one.as_bytes()).begins(Head::of(other.as_bytes())), begins, "{one:?} {other:?}");
        }
    }
}
