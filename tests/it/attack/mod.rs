//! Attacks on the server by way of the module: each file is one that once did harm, and must do none on any engine.

mod anonymous;
mod bounds;
mod busy;
mod cluster;
mod fence;
mod followed;
mod large_values;
mod refused_writes;
mod rooms;
mod scripts;
mod selectors;
mod strangers;
mod unload;
mod who_exists;
