//! What of a MUAA is durable, and its encoding.

mod codecs;
mod handshakes;
mod heard;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use minicbor::{Decode, Encode};

use sma_autocrypt::Table;

pub(crate) use handshakes::{Joining, SeenOffer, Session, Stage, Used, Waiting};
pub(crate) use heard::{Announced, Known, Pace, Unheard};

use super::{Cached, entering::Entering, group::Digested, subkey::Subkey};
use crate::{
    AccountKey, Class, Config, DeviceKey, Fingerprint, Folder, Hash, MuaaId, Secret, SessionId, Timestamp,
    Token,
    config::{DAY, HOUR},
    shared::Shared,
    state::{Followed, Log, Membership, Settings},
    wire::{self, SignedOp},
};

/// The format that [`Snapshot::encode`] writes.
const FORMAT: u32 = 1;

/// The longest that a difference of digests is left alone.
const DOUBT_MAX: Duration = Duration::from_secs(60 * DAY.as_secs());
/// The longest life of an offer.
pub(crate) const SESSION_MAX: Duration = HOUR;

/// Everything durable of a MUAA. Cheap to clone; encode it to write it down.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Snapshot {
    pub(super) durable: Arc<Durable>,
    /// What its log says, where that is known: what was read from octets does not know it.
    pub(super) view: Cached<Shared<Membership>>,
    /// The digest of it, where that is known.
    pub(super) digested: Cached<Arc<Digested>>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Snapshot(…)")
    }
}

impl Snapshot {
    /// The versioned encoding. Holds all secrets of the device.
    #[must_use]
    pub fn encode(&self) -> Secret {
        wire::encode_secret(&(FORMAT, &*self.durable))
    }

    /// Reads what [`Snapshot::encode`] wrote.
    ///
    /// # Errors
    /// [`RestoreError`] says what is wrong. No effect.
    pub fn decode(octets: &[u8]) -> Result<Self, RestoreError> {
        let mut decoder = minicbor::Decoder::new(octets);
        if !matches!(decoder.array(), Ok(Some(2))) {
            return Err(RestoreError::Malformed);
        }
        let format = decoder.u32().map_err(|_| RestoreError::Malformed)?;
        if format != FORMAT {
            return Err(RestoreError::Version(format));
        }
        let durable: Durable = decoder.decode().map_err(|_| RestoreError::Malformed)?;
        let whole = decoder.position() == octets.len();
        let snapshot = || Self { durable: Arc::new(durable), view: Cached(None), digested: Cached(None) };
        whole.then(snapshot).ok_or(RestoreError::Malformed)
    }
}

/// A snapshot cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum RestoreError {
    /// It was written by a later version of this program. No effect.
    #[error("the saved state was written by a later version of this program (format {0})")]
    Version(u32),
    /// It is damaged. No effect.
    #[error("the saved state is damaged")]
    Malformed,
    /// It belongs to another address. No effect.
    #[error("the saved state belongs to another mail address")]
    OtherAccount,
}

/// Where in its life a MUAA is, as far as the log does not say it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
pub(crate) enum Life {
    /// Looking who is there.
    #[n(0)]
    Discovering,
    /// Others are there.
    #[n(1)]
    Unpaired,
    /// In a group.
    #[n(2)]
    Grouped,
    /// In a group, with the own folder deleted by hand.
    #[n(3)]
    Suspended,
    /// Forced out.
    #[n(4)]
    Removed,
    /// Left.
    #[n(5)]
    Left,
}

/// The own folder.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum InboxState {
    /// Not asked for yet.
    #[n(0)]
    Drawn,
    /// Asked for, with an outcome that is not known.
    #[n(1)]
    Tried,
    /// It exists.
    #[n(2)]
    Made,
}

/// A group with all that is replicated in it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Group {
    #[n(0)]
    pub(crate) log: Log,
    /// The own last operation in it.
    #[n(1)]
    pub(crate) previous: Option<Hash>,
}

/// What is to be told to siblings, named.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub(crate) enum Item {
    #[n(0)]
    Op(#[n(0)] Hash),
    #[n(1)]
    Key(#[n(0)] Fingerprint),
    #[n(2)]
    Setting(#[n(0)] String),
    /// A peer, by its canonical address.
    #[n(3)]
    Peer(#[n(0)] String),
}

/// What one sibling was told.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Link {
    /// The journal up to here was acknowledged.
    #[n(0)]
    pub(crate) acked: u64,
    /// The update that waits for an acknowledgement: its sequence, the journal it covers, when it was sent.
    #[n(1)]
    pub(crate) sent: Option<(u64, u64, Timestamp)>,
    /// Messages that may still lie in its inbox: their sequences, and the hashes of their octets.
    #[n(2)]
    pub(crate) waiting: Vec<(u64, Token, Hash)>,
    /// The highest sequence of its updates that was taken in.
    #[n(3)]
    pub(crate) received: u64,
    /// An acknowledgement is owed.
    #[n(4)]
    pub(crate) owes: bool,
    /// Everything is to be told, not only the journal.
    #[n(5)]
    pub(crate) full: bool,
    /// It is to be asked for what is missing here.
    #[n(6)]
    pub(crate) ask: bool,
    /// When its digest, which was not ours, is looked at again, and the digest.
    #[n(7)]
    pub(crate) doubt: Option<(Timestamp, Hash)>,
    /// How often it was asked in vain.
    #[n(8)]
    pub(crate) asked: u32,
    /// The own folder of it was found missing.
    #[n(9)]
    pub(crate) folder_gone: bool,
    /// The group that it is to be told its group goes on in, by the operations of the own group's log.
    #[n(10)]
    pub(crate) lead: bool,
    /// Of the peers all from this address on are still to be told, whatever the journal says.
    #[n(20)]
    pub(crate) backlog: Option<String>,
    /// What of the backlog is left when the update that waits is acknowledged.
    #[n(21)]
    pub(crate) backlog_left: Option<String>,
    /// The update that waits had no room for all peers of the journal; of the rest it holds everything up to here.
    #[n(22)]
    pub(crate) cut: Option<u64>,
    /// The update that waits tells everything.
    #[n(23)]
    pub(crate) sent_full: bool,
    /// It is a member, and no announcement of it was ever read.
    #[n(24)]
    pub(crate) unheard: Option<Unheard>,
}

impl Link {
    fn is_ahead_of(&self, now: Timestamp) -> bool {
        self.sent.is_some_and(|(_, _, at)| at > now) || self.doubt.is_some_and(|(at, _)| at > now + DOUBT_MAX)
    }

    /// The own clock was set back.
    fn forget_the_future(&mut self, now: Timestamp) {
        self.sent.iter_mut().for_each(|(_, _, at)| *at = (*at).min(now));
        self.doubt.iter_mut().for_each(|(at, _)| *at = (*at).min(now + DOUBT_MAX));
    }

    /// Everything is to be told from the start, unless that is under way: else one that asks with each answer would only ever get
    /// the first part.
    pub(crate) fn tell_all(&mut self) {
        self.sent = None;
        self.full |= self.backlog.is_none();
    }

    /// It speaks in this group, so it needs not be led here; what was said in another group's name it may not have taken in.
    pub(crate) fn stop_leading(&mut self) {
        if std::mem::take(&mut self.lead) {
            self.sent = None;
            self.full = true;
        }
    }
}

/// A message to append.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Post {
    #[n(0)]
    pub(crate) folder: Folder,
    #[n(1)]
    pub(crate) class: Class,
    #[cbor(n(2), with = "crate::wire::octets")]
    pub(crate) body: Bytes,
    #[n(3)]
    pub(crate) date: Timestamp,
    /// Posts go out in this order to one folder.
    #[n(4)]
    pub(crate) order: u64,
    #[n(5)]
    pub(crate) sender: MuaaId,
}

/// All that is durable.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Durable {
    #[n(0)]
    pub(crate) address: String,
    #[n(1)]
    pub(crate) name: String,
    #[n(2)]
    pub(crate) life: Life,
    #[n(4)]
    pub(crate) inbox: InboxState,
    #[cbor(n(5), with = "codecs::device_key")]
    pub(crate) device: Shared<DeviceKey>,
    #[n(6)]
    pub(crate) incarnation: u64,
    #[n(7)]
    pub(crate) sequence: u64,
    #[n(8)]
    pub(crate) clock: u64,
    #[n(9)]
    pub(crate) announced: Option<Announced>,
    #[n(10)]
    /// By id and key.
    pub(crate) siblings: Shared<BTreeMap<(MuaaId, Fingerprint), Known>>,
    #[n(11)]
    pub(crate) group: Option<Group>,
    #[cbor(n(12), with = "codecs::account_keys")]
    pub(crate) keys: Shared<BTreeMap<Fingerprint, AccountKey>>,
    #[n(13)]
    pub(crate) settings: Shared<Settings>,
    #[n(14)]
    pub(crate) journal: Shared<BTreeMap<u64, Item>>,
    #[n(15)]
    pub(crate) journal_end: u64,
    #[n(16)]
    pub(crate) links: Shared<BTreeMap<MuaaId, Link>>,
    #[n(17)]
    pub(crate) sessions: Shared<BTreeMap<SessionId, Session>>,
    /// By session and the member's device key: nobody takes the place of another's offer.
    #[n(18)]
    pub(crate) offers: Shared<BTreeMap<(SessionId, Fingerprint), SeenOffer>>,
    #[n(19)]
    pub(crate) joining: Option<(SessionId, Joining)>,
    #[n(20)]
    pub(crate) burnt: Vec<Timestamp>,
    #[n(21)]
    pub(crate) posts: Shared<BTreeMap<Token, Post>>,
    #[n(22)]
    pub(crate) removals: Shared<BTreeSet<(Folder, Token)>>,
    /// The hashes of the octets of messages that were processed, and in which order.
    #[n(23)]
    pub(crate) processed: Shared<BTreeMap<Hash, u64>>,
    /// The request posted to each MUAA.
    #[n(24)]
    pub(crate) requested: Shared<BTreeMap<MuaaId, Token>>,
    #[n(25)]
    pub(crate) formers: Shared<BTreeMap<Hash, Former>>,
    #[n(26)]
    pub(crate) digests: Shared<Vec<(Hash, Timestamp)>>,
    #[n(27)]
    pub(crate) adopted: Option<Secret>,
    #[n(28)]
    pub(crate) order: u64,
    #[n(29)]
    pub(crate) looked: Option<Timestamp>,
    #[n(30)]
    pub(crate) folders_deleted: BTreeSet<Folder>,
    #[n(31)]
    pub(crate) server_now: Timestamp,
    /// What was last written to devices that are members no more.
    #[n(32)]
    pub(crate) farewells: BTreeMap<MuaaId, Token>,
    /// The hashes of the latest of the own announcements, by their sequences.
    #[n(33)]
    pub(crate) own_announcements: Shared<BTreeMap<u64, Hash>>,
    /// Keys that this device had before it moved or began anew.
    #[n(34)]
    pub(crate) former_keys: BTreeSet<Fingerprint>,
    /// The latest moves that led to this device.
    #[n(35)]
    pub(crate) moves: Vec<SignedOp>,
    #[n(36)]
    pub(crate) subkey: Shared<Subkey>,
    #[cbor(n(40), with = "super::peers::table")]
    pub(crate) peers: Shared<Table>,
    /// Whose place this device takes when it is let in.
    #[n(50)]
    pub(crate) replaces: Option<wire::Replaced>,
    /// The group that this device was let into and has not gone over to.
    #[n(60)]
    pub(crate) entering: Option<Entering>,
    /// New members that no person has acknowledged: their keys, and who let them in.
    #[n(61)]
    pub(crate) notices: BTreeMap<Fingerprint, MuaaId>,
    /// Account keys that were destroyed and can still be restored: when this device heard of it.
    #[n(62)]
    pub(crate) set_aside: BTreeMap<Fingerprint, Timestamp>,
    /// When the own announcement was found to be gone: somebody took this device for silent, or tidied up by hand.
    #[n(63)]
    pub(crate) cleared: Option<Timestamp>,
    /// How often this device took another key.
    #[n(64)]
    pub(crate) pace: Pace,
    /// The codes that were typed here within an hour.
    #[n(65)]
    pub(crate) used: Vec<Used>,
    /// When this device was found to have been away, by the store's dates, for so long that others clear away what is silent.
    #[n(66)]
    pub(crate) away: Option<Timestamp>,
    /// The current key, if a device had it that is void since: no removal that others can name bars it.
    #[n(67)]
    pub(crate) outdated: Option<Fingerprint>,
}

/// A group that this device was in before, and where it goes on: in no other, if this device is out there.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Former {
    #[n(0)]
    pub(crate) log: Log,
    #[n(1)]
    pub(crate) into: Hash,
    /// The merge that this device followed, if a person did not bring it.
    #[n(2)]
    pub(crate) via: Option<Followed>,
    /// The own merge in its log.
    #[n(3)]
    pub(crate) own: Option<Hash>,
    /// This device left it for the other, and did not only bring its members there.
    #[n(4)]
    pub(crate) left: bool,
}

impl Durable {
    /// The own id.
    pub(crate) fn id(&self) -> MuaaId {
        MuaaId::of(&self.device.fingerprint)
    }

    pub(crate) fn new(config: &Config, device: DeviceKey, incarnation: u64, now: Timestamp) -> Self {
        Self {
            address: config.address.clone(),
            name: config.name.chars().filter(|character| !crate::is_hidden(*character)).collect(),
            life: Life::Discovering,
            inbox: InboxState::Drawn,
            device: device.into(),
            incarnation,
            sequence: 0,
            clock: 0,
            announced: None,
            siblings: Shared::default(),
            group: None,
            keys: Shared::default(),
            settings: Shared::default(),
            journal: Shared::default(),
            journal_end: 0,
            links: Shared::default(),
            sessions: Shared::default(),
            offers: Shared::default(),
            joining: None,
            burnt: Vec::new(),
            posts: Shared::default(),
            removals: Shared::default(),
            processed: Shared::default(),
            requested: Shared::default(),
            formers: Shared::default(),
            digests: Shared::default(),
            adopted: None,
            order: 0,
            looked: None,
            folders_deleted: BTreeSet::new(),
            server_now: Timestamp(0),
            farewells: BTreeMap::new(),
            own_announcements: Shared::default(),
            former_keys: BTreeSet::new(),
            moves: Vec::new(),
            subkey: Subkey::new(now).into(),
            peers: Table::new(config.peers_max).into(),
            replaces: None,
            entering: None,
            notices: BTreeMap::new(),
            set_aside: BTreeMap::new(),
            cleared: None,
            pace: Pace::default(),
            used: Vec::new(),
            away: None,
            outdated: None,
        }
    }

    /// The own clock may have been set back: nothing waits for a time that it only showed by mistake. What is shared with the
    /// snapshot stays so where there is nothing to forget.
    pub(crate) fn forget_the_future(&mut self, now: Timestamp) {
        let present = |at: &mut Timestamp| *at = (*at).min(now);
        self.announced.iter_mut().for_each(|announced| present(&mut announced.at));
        if self.links.values().any(|link| link.is_ahead_of(now)) {
            self.links.values_mut().for_each(|link| link.forget_the_future(now));
        }
        self.burnt.iter_mut().chain(&mut self.cleared).chain(&mut self.away).for_each(present);
        if self.digests.iter().any(|(_, at)| *at > now) {
            self.digests.iter_mut().for_each(|(_, at)| present(at));
        }
        let later = |known: &Known| {
            known.heard > now || [known.told, known.back].iter().flatten().any(|at| *at > now)
        };
        if self.siblings.values().any(later) {
            self.siblings.values_mut().for_each(|known| known.forget_the_future(now));
        }
        present(&mut self.pace.at);
        self.used.iter_mut().for_each(|used| present(&mut used.at));
        self.looked.iter_mut().for_each(present);
        if self.subkey.is_ahead_of(now) {
            self.subkey.forget_the_future(now);
        }
        self.entering.iter_mut().for_each(|entering| entering.forget_the_future(now));
        self.set_aside.values_mut().for_each(present);
        let ahead =
            |session: &Session| session.started > now || session.expires > session.started + SESSION_MAX;
        if self.sessions.values().any(ahead) {
            for session in self.sessions.values_mut() {
                present(&mut session.started);
                session.expires = session.expires.min(session.started + SESSION_MAX);
            }
        }
    }

    pub(crate) fn membership(&self) -> Shared<Membership> {
        self.group.as_ref().map(|group| Membership::of(&group.log)).unwrap_or_default().into()
    }
}
