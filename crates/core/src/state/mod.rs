//! Replicated state: join-semilattices without I/O. Any order, duplication or batching of what is joined gives the same
//! state on every device (`docs/protocol.md` section 8).

mod graph;
mod keys;
mod log;
mod members;
mod removals;
mod reserve;
mod room;
mod settings;

pub use keys::{Keys, Named};
pub use log::{
    Destruction, Entry, Followed, Introduction, KeyNotice, Log, LogBody, Merge, Removal, Restoration, Veto,
};
pub use members::{Member, Membership};
pub use room::LOG_BYTES_MAX;
pub(crate) use room::Room;
pub(crate) use settings::PREFER_ENCRYPT;
pub use settings::{Register, Settings, Standing};
