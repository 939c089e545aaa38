#![doc = include_str!("../README.md")]

mod address;
mod clock;
mod connection;
mod dial;
mod driver;
mod error;
mod fetch;
mod folders;
mod frame;
#[cfg(test)]
mod mock;
mod probe;
mod response;
mod state_file;
mod store;
#[cfg(test)]
mod stories;
mod stream;
mod syntax;
#[cfg(test)]
mod tests;
mod unreachable;
mod watch;
#[cfg(test)]
mod witness;

pub use address::{Account, Address};
pub use dial::trust;
pub use driver::{Driver, Settled, now};
pub use error::Error;
pub use probe::{Probe, Refused, probe};
pub use state_file::{StateFile, replace_file};
pub use store::check_login;
pub use unreachable::Unreachable;
