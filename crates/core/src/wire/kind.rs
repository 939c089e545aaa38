//! The kinds of operations, and the one table that says how each is protected.

use crate::Class;

/// What a signed operation is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// A MUAA describes itself.
    Announcement,
    /// A newcomer says "I am here".
    Request,
    /// A member offers to pair.
    Offer,
    /// A newcomer proves that it knows the code.
    Join,
    /// A member proves the same and sends the group's state.
    Accept,
    /// A member does not want the newcomer.
    Reject,
    /// One side gave up a session.
    Abort,
    /// State for one sibling.
    Update,
    /// The first operation of a group.
    Genesis,
    /// A device becomes a member.
    Add,
    /// A member is forced out.
    Remove,
    /// The author leaves.
    Leave,
    /// The author goes on under another id and key.
    Move,
    /// The author's group goes on in another.
    Merge,
    /// A key of the account.
    AccountKey,
    /// The author is alive.
    Alive,
    /// A key of the account is destroyed.
    Destroy,
    /// The author does not want its group to go on in another.
    Veto,
    /// A key of the account that was destroyed is restored.
    Restore,
    /// An operation of a later version: kept and relayed, not understood.
    Unknown(u16),
}

/// The numbers of the kinds that decide who is a member, known or not. All others of a log are data.
const MEMBERSHIP: std::ops::RangeInclusive<u16> = 16..=31;

/// How an operation must be protected to count.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protection {
    /// Signed by the certificate it carries. Says nothing but that the key's owner said so.
    SelfSigned(Class),
    /// Self-signed, and bound to a pairing session by a message authentication code.
    Session(Class),
    /// Signed by a member and sealed to the recipient.
    Sealed,
    /// Signed by a member; travels inside an update or a bundle only.
    Log,
}

const NUMBERS: [(Kind, u16, Protection); 19] = [
    (Kind::Announcement, 1, Protection::SelfSigned(Class::Announcement)),
    (Kind::Request, 2, Protection::SelfSigned(Class::Request)),
    (Kind::Offer, 3, Protection::SelfSigned(Class::Offer)),
    (Kind::Join, 4, Protection::Session(Class::Join)),
    (Kind::Accept, 5, Protection::Session(Class::Accept)),
    (Kind::Reject, 6, Protection::SelfSigned(Class::Reject)),
    (Kind::Abort, 7, Protection::SelfSigned(Class::Abort)),
    (Kind::Update, 8, Protection::Sealed),
    (Kind::Genesis, 16, Protection::Log),
    (Kind::Add, 17, Protection::Log),
    (Kind::Remove, 18, Protection::Log),
    (Kind::Leave, 19, Protection::Log),
    (Kind::Move, 21, Protection::Log),
    (Kind::Merge, 22, Protection::Log),
    (Kind::AccountKey, 23, Protection::Log),
    (Kind::Veto, 25, Protection::Log),
    (Kind::Restore, 33, Protection::Log),
    (Kind::Alive, 24, Protection::Log),
    (Kind::Destroy, 32, Protection::Log),
];

impl Kind {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u16 {
        if let Self::Unknown(number) = self {
            return number;
        }
        NUMBERS.iter().find(|row| row.0 == self).map_or(0, |row| row.1)
    }

    /// Reads the number.
    #[must_use]
    pub fn from_number(number: u16) -> Self {
        NUMBERS.iter().find(|row| row.1 == number).map_or(Self::Unknown(number), |row| row.0)
    }

    /// Whether it may decide who is a member, also if this version does not know how.
    #[must_use]
    pub fn decides_members(self) -> bool {
        MEMBERSHIP.contains(&self.number())
    }

    /// How it must be protected. Operations of later versions travel in the log.
    #[must_use]
    pub fn protection(self) -> Protection {
        NUMBERS.iter().find(|row| row.0 == self).map_or(Protection::Log, |row| row.2)
    }
}
