//! What tests of the whole need: real servers and the program.

pub mod program;
pub mod server;
