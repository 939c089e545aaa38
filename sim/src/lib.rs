//! A deterministic world: many MUAAs, people, and one lying, failing store, without I/O, clocks or randomness of its own.
//!
//! [`world::World`] is a run: [`choices::Choices`] answers every question, [`check`] watches the invariants. [`lab::Lab`] is
//! the same machinery moved by hand; stories use it. [`run`] makes reports of both.

pub mod check;
pub mod choices;
mod daily;
pub mod deeds;
pub mod faults;
pub mod insider;
pub mod lab;
pub mod mail;
pub mod malice;
pub mod person;
pub mod report;
pub mod run;
pub mod saved;
pub mod shrink;
pub mod stage;
pub mod store;
pub mod symbolic;
pub mod truth;
pub mod words;
pub mod world;
