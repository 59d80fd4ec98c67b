//! The fence is by socket and user, and bounded in bytes.
