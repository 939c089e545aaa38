#![doc = include_str!("../README.md")]

mod address;
mod attributes;
mod date;
mod draft;
mod fact;
mod greatest;
mod header;
mod layers;
mod mailbox;
#[cfg(feature = "mail")]
mod message;
mod observed;
mod peers;
mod recommend;
#[cfg(feature = "mail")]
mod section;
mod table;
mod tables;
mod wire;

pub use address::Address;
pub use date::Date;
pub use draft::DraftState;
pub use fact::{Deletion, Entry, Fact, Known};
pub use header::{Header, HeaderError, Preference, Source};
pub use layers::{Layers, Peer};
pub use mailbox::addresses;
#[cfg(feature = "mail")]
pub use message::{Mail, Payload, read, read_draft_state, read_gossip};
pub use observed::{Observed, Untold};
pub use peers::Peers;
pub use recommend::{Advice, Draft, Recommendation, aggregate};
#[cfg(feature = "mail")]
pub use section::mailboxes;
pub use table::Table;
pub use wire::Malformed;

/// The longest address that is kept, in octets (RFC 5321 section 4.5.3.1.3, without the angle brackets).
pub const ADDRESS_BYTES_MAX: usize = 254;

/// The largest certificate that is kept, in octets.
pub const KEY_BYTES_MAX: usize = 10 * 1024;

/// The largest header that is read or written, in octets, with its name and folding (Level 1).
pub const HEADER_BYTES_MAX: usize = 10 * 1024;

/// Of how many addresses that nobody wrote to a key is learnt from the mails of one day, and, once half of the table is used, on one day
/// of the own clock, whatever dates mails claim.
pub const NEW_PER_DAY: usize = 100;
