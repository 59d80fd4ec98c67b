//! Defects on purpose, in test builds (feature `faults`) alone.

/// Panics if `id` asks for it at this point: `fault-plan` at the point `plan`.
#[cfg(feature = "faults")]
pub fn point(name: &str, id: &[u8]) {
    let asks = id.windows(6 + name.len()).any(|part| part == [b"fault-", name.as_bytes()].concat());
    assert!(!asks, "a defect on purpose at {name}");
}

/// Nothing, in builds that people use.
#[cfg(not(feature = "faults"))]
#[inline]
pub fn point(_: &str, _: &[u8]) {}
