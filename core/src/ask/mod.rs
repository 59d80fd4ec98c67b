//! Steps that ask the host: each takes work out of the state, lets go of it, asks, and notes the answers.

pub mod cascade;
pub mod collections;
pub mod context;
pub mod dead;
pub mod enforce;
pub mod explain;
pub mod fence;
pub mod follow;
pub mod gate;
pub mod judge;
pub mod load;
pub mod logout;
pub mod look;
pub mod moving;
pub mod read;
pub mod round;
pub mod sweep;
pub mod tell;
pub mod tidy;
pub mod trial;
