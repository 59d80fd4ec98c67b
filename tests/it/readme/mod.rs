//! The pages are true: what they show is run, their tables are compared with the module, and their links are followed.
//! The pages are README.md, those in `docs`, and every other Markdown file of the repository.
//!
//! Each section has a server of its own. A JSON block with `traces` is that server's layout and a `conf` block its
//! configuration. A `redis-cli` block is a connection, and a line `$ redis-cli ...` in it begins another one; every reply
//! has to be what redis-cli prints, where milliseconds since 1970 stand for any. A `log` block is the end of the module's
//! lines in the server's log (where a number of microseconds stands for any), and an `aof` block the end of the
//! append-only file. A block of `js`, `python`, `php` or `rust` is a program of `tests/clients`, which is run there. Nothing is run of
//! `sh` and `text`, and other blocks are refused.

mod code;
mod links;
mod page;
mod programs;
mod tables;
mod transcripts;

pub use page::files_below;
