//! What is remembered between calls. Nothing here asks the host anything.

pub mod answers;
pub mod candidates;
pub mod clock;
pub mod cluster;
pub mod dead;
pub mod fence;
pub mod findings;
pub mod job;
pub mod logins;
pub mod note;
pub mod pending;
pub mod question;
pub mod recent;
pub mod returned;
pub mod round;
pub mod state;
pub mod statements;
pub mod sweeping;
pub mod tidying;
pub mod waiter;
pub mod wants;
