//! What tests of the whole need: real servers and the program. The example of the README is one of the tests.
#![doc = include_str!("../../README.md")]

pub mod account;
pub mod insider;
pub mod program;
pub mod server;
