//! Replicated state: join-semilattices without I/O. Any order, duplication or batching of what is joined gives the same
//! state on every device (`docs/protocol.md` section 8).

mod log;
mod members;
mod settings;

pub(crate) use log::Merge;
pub use log::{Entry, Expiry, Introduction, KeyNotice, Log, LogBody, Removal};
pub use members::{Member, Membership};
pub use settings::{Register, Settings};
