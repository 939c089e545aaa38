//! Replicated state: join-semilattices without I/O. Any order, duplication or batching of what is joined gives the same
//! state on every device (`docs/protocol.md` section 8).

mod keys;
mod log;
mod members;
mod settings;

pub use keys::{Keys, Named};
pub(crate) use log::Merge;
pub use log::{Destruction, Entry, Expiry, Introduction, KeyNotice, LOG_BYTES_MAX, Log, LogBody, Removal};
pub use members::{Member, Membership};
pub(crate) use settings::PREFER_ENCRYPT;
pub use settings::{Register, Settings, Standing};
