//! What goes into a MUAA and what comes out.

use std::collections::BTreeSet;

use bytes::Bytes;
use sma_autocrypt::{Address, Fact, Observed};

use crate::{
    Code, Fingerprint, Folder, Form, Hash, MuaaId, Op, OpError, OpId, PairingLink, Reply, Secret, SessionId,
    Snapshot, Timestamp, Uid,
};

/// What a person or the program wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Look at the store now instead of at the next poll.
    Poll,
    /// Offer to pair, to one newcomer or to whoever has what is shown. [`Event::ShowCode`] or [`Event::ShowLink`] brings it.
    Offer {
        /// The newcomer; `None` posts the offer where every MUAA reads it.
        to: Option<MuaaId>,
        /// What is to be shown. After too many wrong codes only a link is.
        form: Form,
    },
    /// Take back an offer that is still open.
    CancelOffer {
        /// Which.
        session: SessionId,
    },
    /// Type the code, or hand in the link, that a member shows.
    EnterCode {
        /// What was typed, scanned or pasted, as it was. Of a code blanks and hyphens do not count; a link begins with
        /// `autocrypt-sma:`, and blanks around it do not count.
        code: Secret,
        /// The member that shows it; needed only for a code, and only if several offers are open.
        from: Option<MuaaId>,
        /// The member's device key; needed only for a code, and only if offers are open under that member's id by several keys.
        key: Option<Fingerprint>,
    },
    /// Go over to the group that [`crate::Muaa::join_question`] shows. Other members of the own group have the time of
    /// [`crate::Config::merge_wait`] to veto it; nothing of this device's is told to the other group before that is over.
    ConfirmJoin,
    /// Do not go over to that group; whoever let this device in hears that it left. Also within the time for a veto.
    DeclineJoin,
    /// Do not let the own group go over to another, which a member announced ([`Event::MergeAnnounced`]).
    Veto {
        /// Which.
        merge: Hash,
    },
    /// A person has seen that this device is a new member ([`crate::Muaa::notices`]).
    Acknowledge {
        /// Which.
        id: MuaaId,
    },
    /// Before it is let in: this device takes the place of another one, as after a re-installation. Who lets it in removes that one, if
    /// it is a silent member ([`Sibling::silent`]). Shown at once on the devices that were asked.
    Replace {
        /// Which, of those that are announced; `None` takes it back.
        id: Option<MuaaId>,
    },
    /// Do not let this newcomer in; its key's further requests are not shown.
    Reject {
        /// Which.
        id: MuaaId,
    },
    /// Found a group of one's own although other MUAAs are there.
    StartApart,
    /// Take this secret key as the account's. Before a group is founded it is used instead of a fresh one; in a group it
    /// becomes the current key. Other octets of a key that is known, as with a later expiry or further subkeys, are its next
    /// version and take the place of the one before on all devices; put all subkeys into it that mail may still be encrypted to.
    AdoptKey {
        /// An unarmored transferable secret key without a password.
        secret: Secret,
    },
    /// Have all devices set a key of the account aside, and wipe it after 30 days: mail to it can be read on none of them any more.
    /// Until then any member can restore it.
    DestroyKey {
        /// Which; not the one that mail carries.
        fingerprint: Fingerprint,
    },
    /// Undo the destruction of a key that is not wiped yet ([`crate::Muaa::restorable_keys`]), on all devices.
    RestoreKey {
        /// Which.
        fingerprint: Fingerprint,
    },
    /// Force a member out for ever and give the others a new account key.
    Remove {
        /// Which.
        id: MuaaId,
    },
    /// Leave the group: own folders are deleted, the account's keys stay here.
    Leave,
    /// Change this device's name.
    Rename {
        /// The new name.
        name: String,
    },
    /// Whether this program's own mails ask for encryption (`prefer-encrypt=mutual`), on all devices.
    SetPreferEncrypt {
        /// Whether.
        mutual: bool,
    },
    /// Make the own folder again after it was deleted by hand, instead of leaving.
    Return,
    /// A mail arrived from somebody: learn from its `Autocrypt` header, or from its not having one (Level 1, "Updating
    /// Autocrypt Peer State"). Hand in every mail once that is no spam, in any order; handing in one again does no harm.
    Observe {
        /// What the mail tells, as `sma_autocrypt::read` found it. Its receipt date must be the store's, never the own clock's.
        mail: Observed,
    },
    /// An encrypted mail was read: learn from the `Autocrypt-Gossip` headers inside.
    Gossip {
        /// What the headers tell, as `sma_autocrypt::read_gossip` found it.
        facts: Vec<Fact>,
    },
    /// Mail was sent to these people: what is known of them stays on all devices, however much others send. Hand in every mail that
    /// was sent, once; ordinary mail to the same people is told to the other devices once in thirty days.
    Wrote {
        /// The recipients.
        addresses: BTreeSet<Address>,
        /// The mail's date, as the store has it.
        date: Timestamp,
    },
    /// Forget a peer and its keys on all devices. A header of a later mail brings it back.
    DeletePeer {
        /// The peer's address.
        address: String,
        /// The receipt date of the newest mail in the store. One that is ahead of the own clock counts as the present.
        date: Timestamp,
    },
}

/// What a driver hands in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// A person or the program wants something.
    Command(Command),
    /// A request ended. Each request ends once in one life of the process.
    Done {
        /// Which.
        id: OpId,
        /// How.
        result: Result<Reply, OpError>,
    },
    /// A watched folder may have changed.
    Changed(Folder),
}

/// What a driver has to do, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Make this durable, in place of the last one, before the next output is polled.
    Persist(Snapshot),
    /// Do this, and hand in [`Input::Done`] with this id afterwards.
    Request {
        /// Names the request.
        id: OpId,
        /// What to do.
        op: Op,
    },
    /// Tell the program.
    Event(Event),
}

/// The phase of a MUAA's life (design section 6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    /// It looks who is there.
    Discovering,
    /// It is the only one it knows, with a group and an account key of its own.
    Alone,
    /// Others are there; a person must pair it, or start apart.
    Unpaired,
    /// It asked to be let in.
    Requesting,
    /// It is a member of a group of several.
    Paired,
    /// Its folder was deleted while others stand: a person decides between [`Command::Return`] and [`Command::Leave`].
    Suspended,
    /// It was forced out. Nothing further happens.
    Removed,
    /// It left. Nothing further happens.
    Left,
}

impl Phase {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Discovering => "discovering",
            Self::Alone => "alone",
            Self::Unpaired => "unpaired",
            Self::Requesting => "requesting",
            Self::Paired => "paired",
            Self::Suspended => "suspended",
            Self::Removed => "removed",
            Self::Left => "left",
        }
    }
}

/// A group that a device, which has one of its own or keys, was let into: a person is asked whether it is to go there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinQuestion {
    /// Who let the device in.
    pub by: MuaaId,
    /// The group: the hash of its genesis.
    pub group: Hash,
    /// Its members beside this device: the id of each, what it is called there, and the fingerprint of its device key.
    pub members: Vec<(MuaaId, Option<String>, Fingerprint)>,
    /// When its oldest account key was made, by its own word.
    pub since: Option<Timestamp>,
    /// When this device goes there, if a person has confirmed it.
    pub goes_at: Option<Timestamp>,
}

/// Something a program may want to show.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Event {
    /// The phase is another one.
    PhaseChanged(Phase),
    /// A MUAA that is not a member announced itself. Show it in the list of devices; open no dialog.
    MuaaSeen(MuaaId),
    /// A MUAA asks to be let in, or says anew as what ([`Sibling::replaces`]). Show it in the list of devices; open no dialog.
    RequestSeen(MuaaId),
    /// An offer was made. Show the code, with "never tell it to anyone; type it on your other device".
    ShowCode {
        /// The session, to cancel it.
        session: SessionId,
        /// The code to show.
        code: Code,
        /// When it stops being good, on this device's clock.
        expires: Timestamp,
    },
    /// An offer was made. Show the link, as a QR code or to be copied, with "never give it to anyone; open it on your other device".
    ShowLink {
        /// The session, to cancel it.
        session: SessionId,
        /// The link to show.
        link: PairingLink,
        /// When it stops being good, on this device's clock.
        expires: Timestamp,
    },
    /// A member offers to let this MUAA in: ask for the code or the link it shows.
    OfferSeen {
        /// The member, as it calls itself; nothing is proven yet.
        from: MuaaId,
        /// The session.
        session: SessionId,
        /// What it shows.
        form: Form,
    },
    /// Somebody typed a wrong code: this one is burnt. If it was you, make a new offer.
    CodeBurnt {
        /// The session.
        session: SessionId,
    },
    /// Too many codes were burnt within an hour: no code will be shown until then, only links.
    CodesLocked {
        /// When codes are shown again.
        until: Timestamp,
    },
    /// An offer ended without a pairing.
    OfferExpired {
        /// The session.
        session: SessionId,
    },
    /// The pairing ended without success; trust nothing of it.
    PairingEnded {
        /// The other side.
        with: MuaaId,
        /// Why.
        why: Ended,
    },
    /// This MUAA was let into another group than its own. Show [`crate::Muaa::join_question`], and ask whether it is to go there, with all
    /// keys and all devices: "Did you start this yourself, on a device that you hold in your hands?" A program that opened a link does not
    /// answer by itself.
    JoinAsks {
        /// Who let it in.
        by: MuaaId,
    },
    /// A member of the own group announces that it goes over to another, with all keys and all devices. Ask: "Was that you? Otherwise veto
    /// it, and remove that device."
    MergeAnnounced {
        /// Which member.
        by: MuaaId,
        /// Names the merge, to veto it.
        merge: Hash,
    },
    /// What [`Event::JoinAsks`] asked about has come to nothing: another device vetoed it, or this one changed its group or its key
    /// meanwhile. A person may enter a code again.
    JoinVetoed,
    /// This MUAA is now a member of the group.
    Joined {
        /// The group.
        group: Hash,
        /// Who let it in.
        by: MuaaId,
    },
    /// A device was added. Show "X was added. Not you? Remove".
    MemberAdded {
        /// The new member.
        id: MuaaId,
        /// Who let it in; or, if that one is gone with [`Gone::Moved`], who goes on under this id: a backup of it was restored, or
        /// its profile copied. Of two that go on from one device one is a copy: ask which of them is to be removed.
        by: MuaaId,
    },
    /// A newcomer was let in, but the device whose place it wanted to take stays: it is not silent, or not a member. Ask: "remove it?"
    NotReplaced {
        /// The newcomer.
        id: MuaaId,
        /// Whose place it wanted to take.
        replaces: MuaaId,
    },
    /// A device is a member no more.
    MemberGone {
        /// Which.
        id: MuaaId,
        /// How that came.
        how: Gone,
    },
    /// Another account key is current now, or another version of the current one. Use it for mail from now on.
    AccountKeyChanged(Fingerprint),
    /// An account key was destroyed: it is not used any more, and will be wiped. Ask: "Was that you? Otherwise restore it."
    KeySetAside {
        /// Which.
        fingerprint: Fingerprint,
        /// Until when it can be restored, on this device's clock.
        until: Timestamp,
    },
    /// An account key that was destroyed is used again.
    KeyRestored(Fingerprint),
    /// An account key was destroyed and is wiped here. A program that has copies of it wipes them too.
    KeyDestroyed(Fingerprint),
    /// A setting changed on some device.
    SettingsChanged,
    /// Another device told something new about peers: [`crate::Muaa::recommendation`] may say something else.
    PeersChanged,
    /// A member is silent; its folder will be deleted if it stays so.
    MemberSilent {
        /// Which.
        id: MuaaId,
    },
    /// The folder of a member was deleted by hand. Ask: "remove it for good?"
    FolderDeleted {
        /// Whose.
        id: MuaaId,
    },
    /// One device signed two different things under one number: it was copied or restored from a backup. The log keeps both, as
    /// a proof that anybody can check.
    Equivocation {
        /// Which.
        id: MuaaId,
    },
    /// This device found that its saved state is not its latest, and goes on under another key and id, without a new pairing. Say
    /// "A backup was restored, or your profile was copied. Did you do neither? Then somebody has a copy: remove it."
    Moved {
        /// Its id so far.
        from: MuaaId,
        /// Its id from now on.
        to: MuaaId,
    },
    /// A later version of this program said something that decides who belongs to the account. Until this program is updated it
    /// adds and removes nobody, but for who said so, and shows no code; all else goes on.
    UpdateNeeded,
    /// A message was not used and not touched, or was removed as garbage from the own inbox.
    Ignored {
        /// Where it lies.
        folder: Folder,
        /// Its number there.
        uid: Uid,
        /// Why.
        why: Ignored,
    },
    /// The store does not do what it should; it is tried again by itself.
    StoreTrouble {
        /// What was tried, in a word of IMAP.
        op: &'static str,
        /// What came of it.
        error: OpError,
    },
}

/// Why a pairing ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ended {
    /// The member does not want this MUAA.
    Rejected,
    /// The typed code was wrong.
    WrongCode,
    /// One side gave it up.
    Aborted,
    /// The server takes no message as large as the account's state.
    TooLarge,
}

/// How a member went.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Gone {
    /// Another member forced it out.
    Removed,
    /// It left.
    Left,
    /// It was silent for too long.
    Expired,
    /// It goes on under another id.
    Moved,
    /// Whoever let it in had no right to.
    Voided,
}

impl Gone {
    /// Whether others put it out: a person removed it, or it was taken for lost.
    #[must_use]
    pub const fn is_forced(self) -> bool {
        matches!(self, Self::Removed | Self::Expired)
    }
}

/// Why a message was ignored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ignored {
    /// No message of ours, or of a later version.
    Foreign,
    /// Larger than what is read.
    TooLarge,
    /// Not the encoding that `docs/protocol.md` demands.
    Malformed,
    /// Its sort may not lie in this folder.
    WrongFolder,
    /// It is not protected as its sort demands, or the protection does not hold.
    Unproven,
    /// It is about something that is over or never was.
    Stale,
    /// So many others of its sort are kept that it is not.
    TooMany,
    /// It comes from a device that is a member no more.
    NotAMember,
    /// Only a later version of this program can do what it asks for; it stays until then.
    UpdateNeeded,
}

impl Ignored {
    /// The reason in a few words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Foreign => "not an SMA message",
            Self::TooLarge => "too large",
            Self::Malformed => "malformed",
            Self::WrongFolder => "wrong folder for its kind",
            Self::Unproven => "unproven",
            Self::Stale => "stale",
            Self::TooMany => "too many of its kind",
            Self::NotAMember => "not from a member",
            Self::UpdateNeeded => "needs a later version of this program",
        }
    }
}

/// The driver broke the contract, or a command cannot be done now. Nothing of the state changed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum InputError {
    /// No request of this life of the process has this id, or it has ended before. No effect.
    #[error("no request with this id is under way")]
    NoSuchRequest,
    /// The reply is none that answers the request. The request counts as failed with an unknown outcome.
    #[error("the reply does not fit the request")]
    WrongReply,
    /// The command makes no sense in this phase. No effect.
    #[error("this cannot be done while the device is {}", .0.name())]
    WrongPhase(Phase),
    /// No MUAA with this id is known, or it is not of the sort the command needs. No effect.
    #[error("device {0} is not known here, or is none that this can be done with")]
    NoSuchMuaa(MuaaId),
    /// No such pairing session is open. No effect.
    #[error("no such offer is open")]
    NoSuchSession,
    /// A digit is wrong: the code's check digit does not fit, or it is no whole link. No guess was spent. No effect.
    #[error(
        "the code is mistyped: check it and type it again, or copy the whole link; no attempt was used up"
    )]
    Mistyped,
    /// The link is for another mail account. No effect.
    #[error("this link is for another mail account")]
    OtherAccount,
    /// No group is there to go over to, or no such merge is announced. No effect.
    #[error("there is nothing to confirm, to decline or to veto")]
    NoJoin,
    /// A group is there that a person has to confirm or to decline first. No effect.
    #[error("this device was let into another group already: confirm or decline that first")]
    JoinPending,
    /// A device that was removed, or left, may hold this key, so mail does not go on under it. No effect.
    #[error(
        "a removed device may have this key, or one that left, so it cannot be used again: make or import another one"
    )]
    KeyOfRemoved,
    /// No offer has arrived that the code could be for, or none that the link names. No effect.
    #[error("no offer has arrived yet: make one on the other device, then look again")]
    NoOffer,
    /// Several offers are open; say whose code it is, by the device's key if they are by one id. No effect.
    #[error("several devices offer to pair: use a link, or say which one shows the code")]
    WhichOffer,
    /// This code was typed here before: a code is one guess, so it answers one offer. No effect.
    #[error("this code was used already: have the other device show a fresh one")]
    CodeUsed,
    /// Too many wrong codes within an hour. A link can be shown. No effect.
    #[error("too many wrong codes: no code can be made for an hour after the first of them, only a link")]
    CodesLocked,
    /// The log has no room for more devices and keys; removing goes on. No effect; but if the log took a removal and nothing after it, the device
    /// is out, and the account's key is the same.
    #[error(
        "the account's history is full: remove what is not used, or begin anew on one device and pair the others with it"
    )]
    LogFull,
    /// This device has let in as many devices as one may (23). No effect.
    #[error("this device has let in 23 devices, and no device lets in more: show the code on another one")]
    LetInMax,
    /// A limit of the configuration is reached. No effect.
    #[error("there are too many of these already")]
    TooMany,
    /// The secret key cannot be read. No effect.
    #[error("this is not a secret key that can be used: export it without a password, unarmored")]
    BadKey,
    /// A later version of this program said something that decides who belongs to the account. No effect.
    #[error("this program is too old to change who belongs to the account: update it")]
    UpdateNeeded,
    /// This key of the account was destroyed. No effect.
    #[error("this key was destroyed on all devices: use another one")]
    KeyDestroyed,
    /// No such key of the account is known. No effect.
    #[error("this is no key of the account")]
    NoSuchKey,
    /// Mail carries this key. No effect.
    #[error("this is the key in use: adopt another one first")]
    CurrentKey,
    /// A name has a character that is not seen, or that moves what stands beside it. No effect.
    #[error("a name cannot have the character U+{:04X}, which is not seen or moves what stands beside it: leave it out", u32::from(*.0))]
    BadName(char),
    /// A device that keeps to no rules wrote this setting in a way that nothing outranks. No effect.
    #[error("another device has set this so that no other one can: remove that device first")]
    Outranked,
    /// It is no mail address. No effect.
    #[error("this is no mail address")]
    BadAddress,
}

/// What is known of another MUAA.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sibling {
    /// Its id.
    pub id: MuaaId,
    /// Its name, if it is a member and told one.
    pub name: Option<String>,
    /// Whether it is a member of the own group.
    pub member: bool,
    /// Whether it asks to be let in.
    pub requesting: bool,
    /// The member whose place it says it wants to take. If it is let in and that one is silent, that one is removed.
    pub replaces: Option<MuaaId>,
    /// The fingerprint of its device key.
    pub fingerprint: Fingerprint,
    /// Who let it in.
    pub added_by: Option<MuaaId>,
    /// The server's date of its last announcement, if one is there.
    pub last_heard: Option<Timestamp>,
    /// Whether it has been silent for longer than `suspend_after`.
    pub silent: bool,
}

/// The account's keys, as this MUAA holds them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// The key that outgoing mail carries.
    pub current: Option<Fingerprint>,
    /// The current key's public octets; none if this version of the program cannot read the key, which it passes on all the same.
    pub public: Option<Bytes>,
    /// Every key that can decrypt, the current one included, by fingerprint.
    pub keys: Vec<Fingerprint>,
    /// The keys that were destroyed, by fingerprint.
    pub destroyed: Vec<Fingerprint>,
}
