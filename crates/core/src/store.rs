//! What the core asks of a store: a few named folders with messages in them. IMAP is one binding of it
//! (`sma-imap`), the simulator's in-memory store is another (requirement T5).

use bytes::Bytes;
use minicbor::{Decode, Encode};

use crate::{MuaaId, Timestamp, Token};

/// A folder of the archive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub enum Folder {
    /// `_Autocrypt_SMA`: one announcement of each MUAA, and open offers.
    #[n(0)]
    Announcements,
    /// `_Autocrypt_SMA_<id>`: what others have for one MUAA.
    #[n(1)]
    Inbox(#[n(0)] MuaaId),
}

const ANNOUNCEMENTS: &str = "_Autocrypt_SMA";

impl Folder {
    /// The folder's name without any server's prefix.
    ///
    /// ```
    /// use sma_core::{Folder, MuaaId};
    /// assert_eq!(Folder::Inbox(MuaaId(27)).name(), "_Autocrypt_SMA_27");
    /// ```
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Announcements => ANNOUNCEMENTS.to_owned(),
            Self::Inbox(id) => format!("{ANNOUNCEMENTS}_{id}"),
        }
    }

    /// Reads a name as [`Folder::name`] writes it; `None` for every other folder, which is then none of ours.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name.strip_prefix(ANNOUNCEMENTS)? {
            "" => Some(Self::Announcements),
            rest => MuaaId::parse(rest.strip_prefix('_')?).map(Self::Inbox),
        }
    }
}

/// A message's number in a folder (RFC 3501 section 2.3.1.1). Means nothing without the folder's validity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct Uid(#[n(0)] pub u32);

/// How far a folder was read. An optimisation: reading everything again must give the same end state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub struct Cursor {
    /// The folder's identity (IMAP's UIDVALIDITY): compared for equality only.
    #[n(0)]
    pub validity: u32,
    /// The highest uid that was read.
    #[n(1)]
    pub uid: Uid,
}

/// What a store may see of a message's sort. Everything secret says [`Class::Sync`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Class {
    /// A MUAA describes itself.
    #[n(0)]
    Announcement,
    /// A newcomer says "I am here".
    #[n(1)]
    Request,
    /// A member offers to pair.
    #[n(2)]
    Offer,
    /// A newcomer proves that it knows the code.
    #[n(3)]
    Join,
    /// A member proves the same and sends the group's state.
    #[n(4)]
    Accept,
    /// A member does not want the newcomer.
    #[n(5)]
    Reject,
    /// One side gave up a session.
    #[n(6)]
    Abort,
    /// Everything sealed between paired devices.
    #[n(7)]
    Sync,
}

impl Class {
    /// Every class, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Announcement,
        Self::Request,
        Self::Offer,
        Self::Join,
        Self::Accept,
        Self::Reject,
        Self::Abort,
        Self::Sync,
    ];

    /// The word that stands in the message's header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Announcement => "announcement",
            Self::Request => "request",
            Self::Offer => "offer",
            Self::Join => "join",
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Abort => "abort",
            Self::Sync => "sync",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}

/// What a store keeps of a message. Nothing in it is trusted: all is repeated in the signed body.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
pub struct Envelope {
    /// Who says it sent the message.
    #[n(0)]
    pub sender: MuaaId,
    /// The message's name; kept when it is appended a second time.
    #[n(1)]
    pub token: Token,
    /// Its sort, as far as a store may see it.
    #[n(2)]
    pub class: Class,
    /// When it was made, rounded down to the hour.
    #[n(3)]
    pub date: Timestamp,
    /// The payload, at most [`crate::Config::envelope_bytes_max`] octets.
    #[cbor(n(4), with = "crate::wire::octets")]
    pub body: Bytes,
}

/// Names a request for the time of one process's life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OpId(pub u64);

/// What the core wants done with the store.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    /// Name all folders of the archive that exist, whoever made them.
    ListFolders,
    /// Make a folder; it must not be subscribed.
    CreateFolder(Folder),
    /// Delete a folder with all that is in it. A folder that does not exist is a success.
    DeleteFolder(Folder),
    /// Read what is new since the cursor, or everything. When the folder's validity is not the cursor's, or its next
    /// uid is not above the cursor's, everything is read.
    Fetch {
        /// The folder to read.
        folder: Folder,
        /// How far it was read before.
        after: Option<Cursor>,
    },
    /// Add a message, marked as seen.
    Append {
        /// Where to.
        folder: Folder,
        /// What.
        envelope: Envelope,
    },
    /// Remove messages that were read under this validity. Before a message is removed the store's binding checks
    /// that the uid still carries the token; one that does not is left alone, and one that is gone is a success.
    Remove {
        /// The folder they are in.
        folder: Folder,
        /// The validity under which they were read.
        validity: u32,
        /// Which.
        messages: Vec<(Uid, Token)>,
    },
    /// From now on, and until the next `Watch`, tell by [`crate::Input::Changed`] when one of these may have changed.
    Watch(Vec<Folder>),
}

/// A message as a store gives it back.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Message {
    /// Its number in the folder.
    pub uid: Uid,
    /// When the server says it arrived.
    pub date: Timestamp,
    /// What it is.
    pub content: Content,
}

/// What a message turned out to be.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Content {
    /// One of ours.
    Envelope(Envelope),
    /// Not ours, or of an unknown version: it is never touched (requirement R9).
    Foreign,
    /// More octets than [`crate::Config::message_bytes_max`]; it was not read.
    TooLarge(u64),
}

/// What an operation gave.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Reply {
    /// Answers [`Op::ListFolders`].
    Folders(Vec<Folder>),
    /// Answers [`Op::Fetch`].
    Messages {
        /// The folder's identity now.
        validity: u32,
        /// Whether `messages` is all that the folder holds, not only what is newer than the cursor.
        complete: bool,
        /// What was read, by ascending uid, each uid once.
        messages: Vec<Message>,
        /// More is there than fitted one answer: ask again with the new cursor.
        more: bool,
    },
    /// Answers every other operation.
    Ok,
}

/// Why an operation failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum OpError {
    /// The folder does not exist. Nothing was done.
    #[error("the folder does not exist")]
    NoSuchFolder,
    /// The folder to create exists. Nothing was done.
    #[error("the folder exists already")]
    AlreadyExists,
    /// The folder is not the one that was read: its validity changed. Nothing was done.
    #[error("the folder was replaced since it was read")]
    ValidityChanged,
    /// The server takes no message of this size. Nothing was done.
    #[error("the server takes no message above {max} octets")]
    TooLarge {
        /// The server's limit in octets, 0 if it did not say.
        max: u64,
    },
    /// The account is full. Nothing was done.
    #[error("the account is full")]
    OverQuota,
    /// The server refused. Nothing was done.
    #[error("the server refused")]
    Denied,
    /// There was no connection. Nothing was done.
    #[error("there is no connection to the server")]
    NotSent,
    /// The connection died after the command was sent: it may have been done or not.
    #[error("the connection was lost before the server answered")]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r8_folder_names_are_first_level_and_read_back() {
        for folder in [Folder::Announcements, Folder::Inbox(MuaaId(0)), Folder::Inbox(MuaaId(u64::MAX))] {
            assert_eq!(Folder::parse(&folder.name()), Some(folder));
            assert!(!folder.name().contains(['.', '/']));
        }
        for name in ["_Autocrypt_SMA_", "_Autocrypt_SMA_01", "_Autocrypt_SMA_1x", "_autocrypt_sma", "INBOX"] {
            assert_eq!(Folder::parse(name), None);
        }
    }
}
