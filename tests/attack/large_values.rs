//! What large values cost a logout.
