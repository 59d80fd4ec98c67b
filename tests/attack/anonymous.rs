//! Redis 7.0 does not tell clients apart: commands that wait settle there too, and events are watched once.
