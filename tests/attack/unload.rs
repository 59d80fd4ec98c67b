//! The module goes within a second, whatever is going on, and leaves nothing.
