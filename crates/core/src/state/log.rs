//! The log of a group: a grow-only set of signed operations, one hash chain per device, from one genesis.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use minicbor::{Decode, Encode};

use super::{reserve::CameBy, room::Room};
use crate::{
    Crypto, Fingerprint, Hash, MuaaId, Timestamp, plausible,
    wire::{Content, Kind, Seen, SignedOp},
};

/// How many operations of others an operation names as known.
const SEEN_MAX: usize = 16;
/// If there are more, so many of all that came by one device are named before more of these.
const HEADS_BY_ONE: usize = 4;

/// A device as the log introduces it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Introduction {
    /// Its device certificate, which gives its id.
    #[cbor(n(1), with = "crate::wire::octets")]
    pub certificate: Bytes,
    /// Its incarnation.
    #[n(2)]
    pub incarnation: u64,
    /// The merge by which it comes, if the author followed one: if that falls, so does this.
    #[n(3)]
    pub via: Option<Followed>,
}

/// A device is forced out.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Removal {
    /// The fingerprint of its device key.
    #[n(0)]
    pub target: Fingerprint,
    /// Of its log operations these count, and those before them in their chains. All others are void, whatever their numbers:
    /// the key could sign under a number that it left out before. So do merges of its that stand in other logs and were followed here.
    #[n(1)]
    pub cut: BTreeSet<Hash>,
    /// Nobody asked for it: the device was silent for so long that it is taken for lost. It is a removal like any other.
    #[n(2)]
    pub silent: bool,
}

/// Names a key of the account; the key itself travels beside the log, so that it can be destroyed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct KeyNotice {
    /// The key's fingerprint.
    #[n(0)]
    pub fingerprint: Fingerprint,
    /// Rises with each rotation, by one. A key of epoch 0 only decrypts: no mail carries it.
    #[n(1)]
    pub epoch: u64,
    /// When the key was made.
    #[n(2)]
    pub created: Timestamp,
    /// Which version of the key with this fingerprint: rises with each renewal.
    #[n(3)]
    pub generation: u64,
    /// The version itself: the hash of its secret octets.
    #[n(4)]
    pub version: Hash,
}

/// The end of an account key: whoever holds it wipes it, and nobody takes it again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Destruction {
    /// The key's fingerprint.
    #[n(0)]
    pub fingerprint: Fingerprint,
}

/// A key that was destroyed is used again, where it is still held.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Restoration {
    /// The key's fingerprint.
    #[n(0)]
    pub fingerprint: Fingerprint,
}

/// A member does not want the group to go over to another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Veto {
    /// The hash of the merge.
    #[n(0)]
    pub merge: Hash,
}

/// The author's group goes on in another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Merge {
    /// The group in which it goes on.
    #[n(0)]
    pub into: Hash,
    /// The merge that the author follows; none if a person brought the author there. Who followed a merge that does not count did
    /// not merge.
    #[n(1)]
    pub follows: Option<Followed>,
}

/// A merge that somebody follows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Followed {
    /// The hash of the merge, which may stand in the log of a former group.
    #[n(0)]
    pub merge: Hash,
    /// The fingerprint of the device key that signed it.
    #[n(1)]
    pub key: Fingerprint,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Nothing {}

/// The body of a log operation.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum LogBody {
    /// The founder introduces itself.
    Genesis(Introduction),
    /// The author lets a device in.
    Add(Introduction),
    /// The author forces a member out.
    Remove(Removal),
    /// The author leaves.
    Leave,
    /// The author goes on under another id and key.
    Move(Introduction),
    /// The author's group goes on in another.
    Merge(Merge),
    /// A key of the account.
    AccountKey(KeyNotice),
    /// The author is alive.
    Alive,
    /// A key of the account is destroyed.
    Destroy(Destruction),
    /// The author does not want a merge.
    Veto(Veto),
    /// A key of the account that was destroyed is restored.
    Restore(Restoration),
    /// An operation of a later version.
    Unknown(u16),
}

impl LogBody {
    fn read(content: &Content) -> Option<Self> {
        Some(match content.kind() {
            Kind::Genesis => Self::Genesis(content.body()?),
            Kind::Add => Self::Add(content.body()?),
            Kind::Remove => Self::Remove(content.body()?),
            Kind::Move => Self::Move(content.body()?),
            Kind::Merge => Self::Merge(content.body()?),
            Kind::AccountKey => Self::AccountKey(content.body()?),
            Kind::Destroy => Self::Destroy(content.body()?),
            Kind::Veto => Self::Veto(content.body()?),
            Kind::Restore => Self::Restore(content.body()?),
            Kind::Leave => content.body::<Nothing>().map(|_| Self::Leave)?,
            Kind::Alive => content.body::<Nothing>().map(|_| Self::Alive)?,
            Kind::Unknown(number) => Self::Unknown(number),
            Kind::Announcement
            | Kind::Request
            | Kind::Offer
            | Kind::Join
            | Kind::Accept
            | Kind::Reject
            | Kind::Abort
            | Kind::Update => return None,
        })
    }

    /// The kind and the encoded body, to be signed.
    pub(crate) fn write(&self) -> (Kind, Vec<u8>) {
        use crate::wire::encode;
        match self {
            Self::Genesis(body) => (Kind::Genesis, encode(body)),
            Self::Add(body) => (Kind::Add, encode(body)),
            Self::Remove(body) => (Kind::Remove, encode(body)),
            Self::Leave => (Kind::Leave, encode(&Nothing {})),
            Self::Move(body) => (Kind::Move, encode(body)),
            Self::Merge(body) => (Kind::Merge, encode(body)),
            Self::AccountKey(body) => (Kind::AccountKey, encode(body)),
            Self::Alive => (Kind::Alive, encode(&Nothing {})),
            Self::Destroy(body) => (Kind::Destroy, encode(body)),
            Self::Veto(body) => (Kind::Veto, encode(body)),
            Self::Restore(body) => (Kind::Restore, encode(body)),
            Self::Unknown(number) => (Kind::Unknown(*number), Vec::new()),
        }
    }

    pub(crate) fn removal(&self) -> Option<&Removal> {
        if let Self::Remove(removal) = self { Some(removal) } else { None }
    }

    pub(crate) fn merge(&self) -> Option<&Merge> {
        if let Self::Merge(merge) = self { Some(merge) } else { None }
    }

    pub(crate) fn account_key(&self) -> Option<&KeyNotice> {
        if let Self::AccountKey(notice) = self { Some(notice) } else { None }
    }

    /// The merge that its author followed to say this.
    pub(crate) fn follows(&self) -> Option<Followed> {
        let led = || self.introduces().and_then(|device| device.via);
        self.merge().and_then(|merge| merge.follows).or_else(led)
    }

    /// The device that this lets in.
    #[must_use]
    pub fn introduces(&self) -> Option<&Introduction> {
        match self {
            Self::Genesis(device) | Self::Add(device) | Self::Move(device) => Some(device),
            Self::Remove(_)
            | Self::Leave
            | Self::Merge(_)
            | Self::AccountKey(_)
            | Self::Alive
            | Self::Destroy(_)
            | Self::Veto(_)
            | Self::Restore(_)
            | Self::Unknown(_) => None,
        }
    }
}

/// A verified operation of the log.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Entry {
    /// The key it is signed with.
    pub key: Fingerprint,
    /// Its number.
    pub sequence: u64,
    /// The author's log operation before it.
    pub previous: Option<Hash>,
    /// What the author knew, beside its own operation before this one.
    pub seen: Seen,
    /// What it says.
    pub body: LogBody,
    /// The fingerprint of the device it introduces.
    pub introduced: Option<Fingerprint>,
    /// The operation itself.
    pub signed: SignedOp,
}

/// A group's log. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Log {
    group: Hash,
    entries: Arc<BTreeMap<Hash, Arc<Entry>>>,
}

impl Log {
    /// The log that `genesis` starts. `None` if it is no genesis that its own device signed.
    #[must_use]
    pub fn found<C: Crypto>(crypto: &C, genesis: &SignedOp) -> Option<Self> {
        let content = genesis.content()?;
        let group = genesis.hash(crypto);
        let LogBody::Genesis(founder) = LogBody::read(&content)? else { return None };
        let first = content.group.is_none() && content.previous.is_none() && content.seen.is_none();
        let fits = first && plausible::sequence(content.sequence);
        if !fits || !genesis.is_by(crypto, &founder.certificate) {
            return None;
        }
        let mut log = Self { group, entries: Arc::default() };
        let entry = log.entry(crypto, genesis, content)?;
        if entry.introduced != Some(entry.key) {
            return None;
        }
        Arc::make_mut(&mut log.entries).insert(group, Arc::new(entry));
        Some(log)
    }

    /// The log in a set of operations, the genesis of which names the group.
    #[must_use]
    pub fn from_ops<C: Crypto>(crypto: &C, group: Hash, ops: &[SignedOp], max: usize) -> Option<Self> {
        let genesis = ops.iter().find(|op| op.hash(crypto) == group)?;
        let mut log = Self::found(crypto, genesis)?;
        log.join(crypto, ops, max);
        Some(log)
    }

    /// The group: the hash of the genesis.
    #[must_use]
    pub fn group(&self) -> Hash {
        self.group
    }

    /// Takes in operations in whatever order they come. Returns the hashes of those that were not known. An operation
    /// that no introduced device signed for this group is not taken, nor is one with a number that nobody reaches
    /// (2^48), nor one for which there is no room (`docs/protocol.md` section 8.1).
    pub fn join<C: Crypto>(&mut self, crypto: &C, ops: &[SignedOp], max: usize) -> Vec<Hash> {
        let mut taken = Vec::new();
        let mut waiting: Vec<_> = ops
            .iter()
            .map(|op| (op.hash(crypto), op))
            .filter(|(hash, _)| !self.entries.contains_key(hash))
            .filter_map(|(hash, op)| Some((hash, op, op.content()?)))
            .filter(|(_, _, content)| content.group == Some(self.group) && content.kind() != Kind::Genesis)
            .filter(|(_, _, content)| plausible::sequence(content.sequence))
            .filter(|(_, _, content)| content.seen.as_ref().is_none_or(|seen| seen.len() <= SEEN_MAX))
            .collect();
        if waiting.is_empty() {
            return taken;
        }
        let mut room = Room::of(self, max);
        while !waiting.is_empty() {
            let before = taken.len();
            waiting.retain(|(hash, op, content)| {
                let Some(certificate) = self.certificate(&content.key) else { return true };
                if let Some(entry) = self.entry(crypto, op, content.clone())
                    && room.has(self, &entry)
                    && op.is_by(crypto, &certificate)
                {
                    let entry = Arc::new(entry);
                    Arc::make_mut(&mut self.entries).insert(*hash, Arc::clone(&entry));
                    if entry.introduced.is_some() {
                        room.introduced(self);
                    }
                    room.take(self, &entry);
                    taken.push(*hash);
                }
                false
            });
            if taken.len() == before {
                break;
            }
        }
        taken
    }

    fn entry<C: Crypto>(&self, crypto: &C, op: &SignedOp, content: Content) -> Option<Entry> {
        let body = LogBody::read(&content)?;
        let introduced = match body.introduces() {
            Some(device) => Some(crypto.device_fingerprint(&device.certificate).ok()?),
            None => None,
        };
        Some(Entry {
            key: content.key,
            sequence: content.sequence,
            previous: content.previous,
            seen: content.seen.unwrap_or_default(),
            body,
            introduced,
            signed: op.clone(),
        })
    }

    /// The certificate of a device that some operation introduces, whether or not it is a member.
    #[must_use]
    pub fn certificate(&self, key: &Fingerprint) -> Option<Bytes> {
        let mut introducing = self.entries.values().filter(|entry| entry.introduced == Some(*key));
        introducing.find_map(|entry| Some(entry.body.introduces()?.certificate.clone()))
    }

    /// Whether both are the same log and not only equal: nothing was taken in since they were one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.entries, &other.entries)
    }

    /// All entries by hash.
    pub fn entries(&self) -> impl Iterator<Item = (&Hash, &Entry)> {
        self.entries.iter().map(|(hash, entry)| (hash, &**entry))
    }

    /// One entry.
    #[must_use]
    pub fn get(&self, hash: &Hash) -> Option<&Entry> {
        self.entries.get(hash).map(|entry| &**entry)
    }

    /// How many operations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many octets its operations have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.entries.values().map(|entry| entry.size()).sum()
    }

    /// How many octets the operations of one device have.
    pub(crate) fn bytes_by(&self, key: &Fingerprint) -> usize {
        self.entries.values().filter(|entry| entry.key == *key).map(|entry| entry.size()).sum()
    }

    /// Never: a log has its genesis.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All operations.
    #[must_use]
    pub fn ops(&self) -> Vec<SignedOp> {
        self.entries.values().map(|entry| entry.signed.clone()).collect()
    }

    /// Of each author's key the last operation: its sequence and hash.
    #[must_use]
    pub fn heads(&self) -> BTreeMap<Fingerprint, (u64, Hash)> {
        let mut heads = BTreeMap::new();
        for (hash, entry) in self.entries.iter() {
            let head = heads.entry(entry.key).or_insert((entry.sequence, *hash));
            *head = (*head).max((entry.sequence, *hash));
        }
        heads
    }

    /// What an operation behind `previous` names as known: of what is here with all that it knows of, that which nothing else of this names,
    /// at most 16. Who names what follows something unseen would be taken to know whatever that turns out to be. Of more than 16, first
    /// those whose authors have few: whose chain forks a hundred times keeps nobody from showing that it knows what others said.
    #[must_use]
    pub fn seen(&self, previous: Option<Hash>) -> Seen {
        let whole = self.whole();
        let mut named: BTreeSet<_> =
            whole.iter().filter_map(|hash| self.get(hash)).flat_map(Entry::parents).collect();
        named.extend(previous);
        let mut heads: Vec<_> = whole.into_iter().filter(|hash| !named.contains(hash)).collect();
        if heads.len() > SEEN_MAX {
            heads = self.ranked(&heads);
            heads.truncate(SEEN_MAX);
        }
        heads.into_iter().collect()
    }

    /// These heads, those first that a stolen member cannot crowd out, whose chain forks and that lets in others as often as it likes: of each author
    /// one, then of all who came by one device a few, then those who came by few others.
    fn ranked(&self, heads: &[Hash]) -> Vec<Hash> {
        let came_by = CameBy::of(self);
        let (mut of_authors, mut of_ways) = (BTreeMap::new(), BTreeMap::new());
        let mut ranked = Vec::new();
        for (hash, entry) in heads.iter().filter_map(|hash| Some((*hash, self.get(hash)?))) {
            let (steps, by) = came_by.way_to(&entry.key);
            let of_author: &mut usize = of_authors.entry(entry.key).or_default();
            let of_way: &mut usize = of_ways.entry((by, *of_author)).or_default();
            ranked.push((*of_author, *of_way / HEADS_BY_ONE, steps, hash));
            *of_author += 1;
            *of_way += 1;
        }
        ranked.sort_unstable();
        ranked.into_iter().map(|(.., hash)| hash).collect()
    }

    /// The operations of which all is here that they know of.
    pub(super) fn whole(&self) -> BTreeSet<Hash> {
        let mut missing: BTreeMap<Hash, usize> = BTreeMap::new();
        let mut later: BTreeMap<Hash, Vec<Hash>> = BTreeMap::new();
        let mut next = Vec::new();
        for (hash, entry) in self.entries() {
            let parents: BTreeSet<_> = entry.parents().collect();
            if parents.is_empty() {
                next.push(*hash);
            }
            missing.insert(*hash, parents.len());
            parents.into_iter().for_each(|parent| later.entry(parent).or_default().push(*hash));
        }
        let mut whole = BTreeSet::new();
        while let Some(hash) = next.pop() {
            whole.insert(hash);
            for later in later.get(&hash).into_iter().flatten() {
                let left = missing.entry(*later).or_default();
                *left = left.saturating_sub(1);
                if *left == 0 {
                    next.push(*later);
                }
            }
        }
        whole
    }

    /// Whether all is here that this operation knows of.
    pub(super) fn has_all_before(&self, hash: &Hash) -> bool {
        let (mut known, mut next) = (BTreeSet::new(), vec![*hash]);
        while let Some(hash) = next.pop() {
            let Some(entry) = self.get(&hash) else { return false };
            if known.insert(hash) {
                next.extend(entry.parents());
            }
        }
        true
    }

    /// The operations of a device, with numbers below this, that none of its others follows: one, unless its chain forks. What
    /// follows something that is not here is left out: nobody knows what that would be.
    #[must_use]
    pub fn tips(&self, key: &Fingerprint, below: u64) -> BTreeSet<Hash> {
        let whole = self.without_gaps(key);
        let own = || {
            let own = self.entries.iter().filter(|(_, entry)| entry.key == *key && entry.sequence < below);
            own.filter(|(hash, _)| whole.contains(*hash))
        };
        let followed: BTreeSet<_> = own().filter_map(|(_, entry)| entry.previous).collect();
        own().map(|(hash, _)| *hash).filter(|hash| !followed.contains(hash)).collect()
    }

    /// These operations of a device, and those before them in their chains.
    pub(crate) fn chains(&self, key: &Fingerprint, ends: &BTreeSet<Hash>) -> BTreeSet<Hash> {
        let mut found = BTreeSet::new();
        let mut next: Vec<_> = ends.iter().copied().collect();
        while let Some(hash) = next.pop() {
            if let Some(entry) = self.get(&hash).filter(|entry| entry.key == *key)
                && found.insert(hash)
            {
                next.extend(entry.previous);
            }
        }
        found
    }

    /// The operations of a device of which all are here that they follow.
    fn without_gaps(&self, key: &Fingerprint) -> BTreeSet<Hash> {
        let mut followers: BTreeMap<Option<Hash>, Vec<Hash>> = BTreeMap::new();
        for (hash, entry) in self.entries.iter().filter(|(_, entry)| entry.key == *key) {
            followers.entry(entry.previous).or_default().push(*hash);
        }
        let mut whole = BTreeSet::new();
        let mut next = followers.remove(&None).unwrap_or_default();
        while let Some(hash) = next.pop() {
            next.extend(followers.remove(&Some(hash)).unwrap_or_default());
            whole.insert(hash);
        }
        whole
    }

    /// What the cuts of removals lead to and is not here.
    pub(crate) fn missing_in_cuts(&self) -> BTreeSet<Hash> {
        let (mut known, mut missing) = (BTreeSet::new(), BTreeSet::new());
        let removals = self.entries.values().filter_map(|entry| entry.body.removal());
        let mut next: Vec<_> = removals.flat_map(|removal| removal.cut.iter().copied()).collect();
        while let Some(hash) = next.pop() {
            match self.get(&hash) {
                Some(entry) if known.insert(hash) => next.extend(entry.previous),
                Some(_) => {}
                None => drop(missing.insert(hash)),
            }
        }
        missing
    }

    /// Operations that others point to and that are not here.
    #[must_use]
    pub fn gaps(&self) -> BTreeSet<Hash> {
        let pointed = self.entries.values().filter_map(|entry| entry.previous);
        pointed.filter(|hash| !self.entries.contains_key(hash)).collect()
    }
}

impl Entry {
    /// Who said it.
    #[must_use]
    pub fn author(&self) -> MuaaId {
        MuaaId::of(&self.key)
    }

    /// How many octets its content and signature have.
    pub(super) fn size(&self) -> usize {
        self.signed.content.len() + self.signed.signature.len()
    }

    /// The operations that it names as known.
    pub(super) fn parents(&self) -> impl Iterator<Item = Hash> {
        self.previous.iter().chain(&self.seen).copied()
    }
}

impl<C> Encode<C> for Log {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(2)?.encode_with(self.group, ctx)?;
        e.array(self.entries.len() as u64)?;
        for (hash, entry) in self.entries.iter() {
            e.array(3)?.encode_with(hash, ctx)?.encode_with(&entry.signed, ctx)?;
            e.encode_with(entry.introduced, ctx)?;
        }
        Ok(())
    }
}

/// Reads a log that this device wrote: hashes and fingerprints stand beside the operations and are not computed again.
impl<'b, C> Decode<'b, C> for Log {
    fn decode(d: &mut minicbor::Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        let malformed = || minicbor::decode::Error::message("not a log");
        if d.array()? != Some(2) {
            return Err(malformed());
        }
        let group = d.decode_with(ctx)?;
        let count = d.array()?.ok_or_else(malformed)?;
        let mut entries = BTreeMap::new();
        for _ in 0..count {
            if d.array()? != Some(3) {
                return Err(malformed());
            }
            let hash = d.decode_with(ctx)?;
            let signed: SignedOp = d.decode_with(ctx)?;
            let introduced = d.decode_with(ctx)?;
            let content = signed.content().ok_or_else(malformed)?;
            let body = LogBody::read(&content).ok_or_else(malformed)?;
            let entry = Entry {
                key: content.key,
                sequence: content.sequence,
                previous: content.previous,
                seen: content.seen.unwrap_or_default(),
                body,
                introduced,
                signed,
            };
            entries.insert(hash, Arc::new(entry));
        }
        Ok(Self { group, entries: Arc::new(entries) })
    }
}
