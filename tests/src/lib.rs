//! What tests of the whole need: real servers, the program, and devices that say what they like. The example of the README is one of the tests.
#![doc = include_str!("../../README.md")]

pub mod account;
pub mod dice;
pub mod outsiders;
pub mod program;
pub mod served;
pub mod server;

pub use sma_sim::insider;
