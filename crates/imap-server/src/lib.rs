#![doc = include_str!("../README.md")]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "what is matched on comes from imap-types and mail-parser, and most of it is nothing to the place that looks"
)]

mod account;
mod chance;
mod command;
mod compression;
mod config;
mod faults;
mod flags;
mod framing;
mod limits;
mod mailbox;
mod malice;
mod mime;
mod names;
mod output;
mod personality;
mod sasl;
mod scanner;
mod server;
mod session;
mod wire;

pub use config::{Config, Extension, Extensions, Mechanism};
pub use faults::{Faults, Line, Trouble};
pub use limits::Limits;
pub use malice::Malice;
pub use personality::{DeletedUnder, Expunged, Headers, Newlines, Personality, Unsolicited, Validity};
pub use server::{Server, SessionId, Stored};
