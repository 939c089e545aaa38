//! What a mail tells, and why it may tell nothing.

use crate::{Address, Date, Fact};

/// What a mail tells of its sender.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observed {
    /// The sender: the only address in `From`.
    pub from: Address,
    /// The effective date.
    pub date: Date,
    /// The key, if the mail has exactly one valid `Autocrypt` header.
    pub fact: Option<Fact>,
}

/// Why a mail tells nothing. Nothing is to be changed because of it, `last_seen` neither.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Untold {
    /// It has no header at all.
    #[error("this is no mail")]
    NoMail,
    /// `Auto-Submitted: auto-replied`, or a `multipart/report`.
    #[error("a machine answered")]
    AutoReplied,
    /// Not exactly one address in `From`, or one that is none.
    #[error("the mail has no single sender")]
    NoSingleSender,
    /// It is encrypted, has no `Autocrypt` header outside, and what was decrypted was not handed in: the header may be inside.
    #[error("the mail is encrypted, and what is inside was not given")]
    Encrypted,
    /// It claims to be from more than a day after it was received.
    #[error("the mail is from the future")]
    FromTheFuture,
}
