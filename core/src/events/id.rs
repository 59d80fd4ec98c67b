//! Ids of logouts.

use crate::hash;

/// How many characters an id has.
const LENGTH: usize = 20;

/// What they are: none that means something in a key, a pattern or a URL.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A new id, which no other logout has: 100 bits that nobody can foresee.
pub fn new_id() -> String {
    let bits = u128::from(hash::random()) << 64 | u128::from(hash::random());
    let letter = |at: usize| char::from(LETTERS[usize::try_from(bits >> (5 * at) & 31).expect("five bits fit")]);
    (0..LENGTH).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_is_another_one_of_twenty_letters() {
        let ids: HashSet<String> = (0..1000).map(|_| new_id()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == LENGTH && id.bytes().all(|byte| LETTERS.contains(&byte))));
        // Every letter may stand at every place.
        let used: HashSet<u8> = ids.iter().flat_map(|id| id.bytes()).collect();
        assert_eq!(used.len(), LETTERS.len());
    }
}
