//! Hashes by which something is looked up or compared soon, and numbers that nobody outside can foresee.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::LazyLock,
};

/// The hash of something, by keys that nobody outside knows: ids can't be chosen so that all lie in one place. Several times
/// faster than the standard library's, which is for those who keep hashes in place of ids: there somebody outside has long to try.
pub(crate) fn of(value: impl Hash) -> u64 {
    static KEYS: LazyLock<ahash::RandomState> =
        LazyLock::new(|| ahash::RandomState::with_seeds(random(), random(), random(), random()));
    KEYS.hash_one(value)
}

/// Another number each time.
pub(crate) fn random() -> u64 {
    // The standard library's hashers have random keys, other ones each time.
    RandomState::new().hash_one(0_u8)
}
