//! One account's folders in memory, with the semantics of IMAP that matter: uids that only grow under a validity,
//! validities, dates that the server gives, and messages that are nobody's.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use sma_core::{Content, Cursor, Envelope, Folder, Message, Op, OpError, Reply, Timestamp, Token, Uid};

/// How many messages one answer of a fetch holds at most.
const PAGE: usize = 200;
/// How many removed messages a hostile server keeps to show them again.
const REMEMBERED: usize = 256;

/// What a message is to the store.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Kept {
    /// It carries the archive's header.
    Envelope(Envelope),
    /// It does not: anybody's octets.
    Foreign(Bytes),
    /// So many octets that nobody reads it.
    Huge(u64),
}

/// A message in a folder.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Stored {
    /// When the server says it arrived, in whole seconds.
    pub date: Timestamp,
    /// What it is.
    pub kept: Kept,
    /// No MUAA put it there: a hostile server or a stranger did.
    pub injected: bool,
}

/// A folder's content.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Mailbox {
    /// Its identity.
    pub validity: u32,
    /// The uid that the next message gets.
    pub next_uid: u32,
    /// What is in it.
    pub messages: BTreeMap<Uid, Stored>,
}

/// How a server differs from the plain one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Personality {
    /// Names differ only by more than their case, and the announcements' folder was made by hand in lower case: it exists,
    /// but no listing names it as the archive spells it.
    pub hides_announcements: bool,
    /// Removing a message only takes a label off: its octets stay in the account for ever.
    pub never_deletes: bool,
    /// A folder that is made again gets the validity it had, with uids from the start (measured on Cyrus).
    pub reuses_validity: bool,
}

/// The store. Cheap to clone: folders are shared until one side changes them.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// The folders.
    pub folders: BTreeMap<Folder, Arc<Mailbox>>,
    /// How this server differs.
    pub personality: Personality,
    /// Octets of bodies that may lie in the store; 0 is no limit.
    pub quota: u64,
    /// The largest body that is taken; 0 is no limit.
    pub body_max: u64,
    /// Added to every date the server gives, in milliseconds.
    pub clock_offset: i64,
    /// How many operations were done.
    pub operations: u64,
    /// Octets of bodies in the account, labels or not.
    pub bytes: u64,
    /// Every envelope that was removed or lay in a deleted folder, the latest last.
    pub remembered: VecDeque<(Folder, Envelope)>,
    next_validity: u32,
    former: BTreeMap<Folder, u32>,
}

impl Store {
    /// Does an operation. An append answers with the uid it gave as well, for those who watch.
    ///
    /// # Errors
    /// As a server would.
    pub fn apply(&mut self, op: &Op, now: Timestamp) -> Result<(Reply, Option<Uid>), OpError> {
        self.operations += 1;
        let reply = match op {
            Op::ListFolders => Reply::Folders(self.listed()),
            Op::CreateFolder(folder) => self.create(*folder)?,
            Op::DeleteFolder(folder) => match self.delete(*folder) {
                true => Reply::Ok,
                false => return Err(OpError::NoSuchFolder),
            },
            Op::Fetch { folder, after } => self.fetch(*folder, *after)?,
            Op::Append { folder, envelope } => {
                return self.append(*folder, envelope, now).map(|uid| (Reply::Ok, Some(uid)));
            }
            Op::Remove { folder, validity, messages } => self.remove(*folder, *validity, messages)?,
            Op::Watch(_) => Reply::Ok,
        };
        Ok((reply, None))
    }

    fn listed(&self) -> Vec<Folder> {
        let hidden = self.personality.hides_announcements;
        self.folders.keys().copied().filter(|folder| !hidden || *folder != Folder::Announcements).collect()
    }

    fn create(&mut self, folder: Folder) -> Result<Reply, OpError> {
        if self.folders.contains_key(&folder) {
            return Err(OpError::AlreadyExists);
        }
        let former = self.former.get(&folder).copied().filter(|_| self.personality.reuses_validity);
        let validity = former.unwrap_or_else(|| {
            self.next_validity += 1;
            self.next_validity
        });
        let mailbox = Mailbox { validity, next_uid: 1, messages: BTreeMap::new() };
        self.folders.insert(folder, Arc::new(mailbox));
        Ok(Reply::Ok)
    }

    /// Deletes a folder; whether it was there.
    pub fn delete(&mut self, folder: Folder) -> bool {
        let Some(mailbox) = self.folders.remove(&folder) else { return false };
        self.former.insert(folder, mailbox.validity);
        for stored in mailbox.messages.values() {
            self.forget(folder, stored);
        }
        true
    }

    fn forget(&mut self, folder: Folder, stored: &Stored) {
        if !self.personality.never_deletes {
            self.bytes -= size(&stored.kept);
        }
        if let (Kept::Envelope(envelope), false) = (&stored.kept, stored.injected) {
            if self.remembered.len() >= REMEMBERED {
                self.remembered.pop_front();
            }
            self.remembered.push_back((folder, envelope.clone()));
        }
    }

    fn fetch(&self, folder: Folder, after: Option<Cursor>) -> Result<Reply, OpError> {
        let mailbox = self.folders.get(&folder).ok_or(OpError::NoSuchFolder)?;
        let fits = |cursor: &Cursor| cursor.validity == mailbox.validity && cursor.uid.0 < mailbox.next_uid;
        let after = after.filter(fits);
        let first = after.map_or(0, |cursor| cursor.uid.0 + 1);
        let mut messages: Vec<_> = mailbox
            .messages
            .range(Uid(first)..)
            .take(PAGE + 1)
            .map(|(uid, stored)| Message { uid: *uid, date: stored.date, content: content(&stored.kept) })
            .collect();
        let more = messages.len() > PAGE;
        messages.truncate(PAGE);
        Ok(Reply::Messages { validity: mailbox.validity, complete: after.is_none(), messages, more })
    }

    fn append(&mut self, folder: Folder, envelope: &Envelope, now: Timestamp) -> Result<Uid, OpError> {
        let size = envelope.body.len() as u64;
        if self.body_max > 0 && size > self.body_max {
            return Err(OpError::TooLarge { max: self.body_max });
        }
        if !self.folders.contains_key(&folder) {
            return Err(OpError::NoSuchFolder);
        }
        if self.quota > 0 && self.bytes + size > self.quota {
            return Err(OpError::OverQuota);
        }
        self.put(folder, Kept::Envelope(envelope.clone()), false, now).ok_or(OpError::NoSuchFolder)
    }

    /// Puts anything into a folder; `None` if the folder does not exist.
    pub fn put(&mut self, folder: Folder, kept: Kept, injected: bool, now: Timestamp) -> Option<Uid> {
        let date = Timestamp(now.0.saturating_add_signed(self.clock_offset) / 1000 * 1000);
        let mailbox = Arc::make_mut(self.folders.get_mut(&folder)?);
        let uid = Uid(mailbox.next_uid);
        mailbox.next_uid += 1;
        self.bytes += size(&kept);
        mailbox.messages.insert(uid, Stored { date, kept, injected });
        Some(uid)
    }

    fn remove(&mut self, folder: Folder, validity: u32, messages: &[(Uid, Token)]) -> Result<Reply, OpError> {
        let mailbox = self.folders.get_mut(&folder).ok_or(OpError::NoSuchFolder)?;
        if mailbox.validity != validity {
            return Err(OpError::ValidityChanged);
        }
        let mailbox = Arc::make_mut(mailbox);
        let carries = |stored: &Stored, token: &Token| matches!(&stored.kept, Kept::Envelope(envelope) if envelope.token == *token);
        let mut removed = Vec::new();
        for (uid, token) in messages {
            if mailbox.messages.get(uid).is_some_and(|stored| carries(stored, token)) {
                removed.extend(mailbox.messages.remove(uid));
            }
        }
        for stored in removed {
            self.forget(folder, &stored);
        }
        Ok(Reply::Ok)
    }

    /// Takes a message out of sight, as if it had never been there.
    pub fn hide(&mut self, folder: Folder, uid: Uid) -> Option<Stored> {
        let stored = Arc::make_mut(self.folders.get_mut(&folder)?).messages.remove(&uid)?;
        self.bytes -= size(&stored.kept);
        Some(stored)
    }

    /// That a message lies here from now on is the server's doing, whoever put it there.
    pub fn disown(&mut self) {
        for mailbox in self.folders.values_mut() {
            Arc::make_mut(mailbox).messages.values_mut().for_each(|stored| stored.injected = true);
        }
    }

    /// Puts another content in the place of a folder's, numbers and all; whether the folder was there.
    pub fn replace(&mut self, folder: Folder, mailbox: Mailbox) -> bool {
        let Some(now) = self.folders.get_mut(&folder) else { return false };
        let sum = |mailbox: &Mailbox| mailbox.messages.values().map(|stored| size(&stored.kept)).sum::<u64>();
        self.bytes = (self.bytes + sum(&mailbox)).saturating_sub(sum(now));
        *now = Arc::new(mailbox);
        true
    }

    /// Gives a folder another validity and its messages other uids, as a server does that lost its index.
    pub fn change_validity(&mut self, folder: Folder) {
        self.next_validity += 1;
        let validity = self.next_validity;
        let Some(mailbox) = self.folders.get_mut(&folder) else { return };
        let mailbox = Arc::make_mut(mailbox);
        mailbox.validity = validity;
        let messages = std::mem::take(&mut mailbox.messages);
        mailbox.messages = (101..).map(Uid).zip(messages.into_values()).collect();
        mailbox.next_uid = 101 + mailbox.messages.len() as u32;
    }

    /// Every message with its place.
    pub fn all(&self) -> impl Iterator<Item = (Folder, Uid, &Stored)> {
        self.folders.iter().flat_map(|(folder, mailbox)| {
            mailbox.messages.iter().map(|(uid, stored)| (*folder, *uid, stored))
        })
    }

    /// Every envelope that a MUAA put into a folder, with its place.
    pub fn envelopes(&self) -> impl Iterator<Item = (Folder, Uid, &Envelope)> {
        self.all().filter_map(|(folder, uid, stored)| match &stored.kept {
            Kept::Envelope(envelope) if !stored.injected => Some((folder, uid, envelope)),
            Kept::Envelope(_) | Kept::Foreign(_) | Kept::Huge(_) => None,
        })
    }

    /// Every envelope of a MUAA's that was removed lately or lies in a folder, with its place: what a server can show again.
    #[must_use]
    pub fn ever_seen(&self) -> Vec<(Folder, Envelope)> {
        let there = self.envelopes().map(|(folder, _, envelope)| (folder, envelope.clone()));
        self.remembered.iter().cloned().chain(there).collect()
    }

    /// The inboxes that exist.
    #[must_use]
    pub fn inboxes(&self) -> BTreeSet<Folder> {
        self.folders.keys().copied().filter(|folder| *folder != Folder::Announcements).collect()
    }
}

fn size(kept: &Kept) -> u64 {
    match kept {
        Kept::Envelope(envelope) => envelope.body.len() as u64,
        Kept::Foreign(octets) => octets.len() as u64,
        Kept::Huge(size) => *size,
    }
}

fn content(kept: &Kept) -> Content {
    match kept {
        Kept::Envelope(envelope) => Content::Envelope(envelope.clone()),
        Kept::Foreign(_) => Content::Foreign,
        Kept::Huge(size) => Content::TooLarge(*size),
    }
}

#[cfg(test)]
mod tests {
    use sma_core::{Class, MuaaId};

    use super::*;

    const NOW: Timestamp = Timestamp(5678);
    const FOLDER: Folder = Folder::Announcements;

    fn append(n: u8) -> Op {
        let envelope = Envelope {
            sender: MuaaId(1),
            token: Token([n; 16]),
            class: Class::Sync,
            date: Timestamp(0),
            body: vec![n].into(),
        };
        Op::Append { folder: FOLDER, envelope }
    }

    fn with(messages: u8) -> Store {
        let mut store = Store::default();
        store.apply(&Op::CreateFolder(FOLDER), NOW).unwrap();
        for n in 1..=messages {
            assert_eq!(store.apply(&append(n), NOW), Ok((Reply::Ok, Some(Uid(n.into())))));
        }
        store
    }

    fn uids(store: &mut Store, after: Option<Cursor>) -> (Vec<u32>, bool, u32) {
        match store.apply(&Op::Fetch { folder: FOLDER, after }, NOW) {
            Ok((Reply::Messages { messages, complete, validity, .. }, None)) => {
                assert!(messages.iter().all(|message| message.date == Timestamp(5000)));
                (messages.iter().map(|message| message.uid.0).collect(), complete, validity)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn folders_must_exist_and_exist_once() {
        let mut store = Store::default();
        assert_eq!(store.apply(&append(1), NOW), Err(OpError::NoSuchFolder));
        assert_eq!(store.apply(&Op::DeleteFolder(FOLDER), NOW), Err(OpError::NoSuchFolder));
        let mut store = with(0);
        assert_eq!(store.apply(&Op::CreateFolder(FOLDER), NOW), Err(OpError::AlreadyExists));
    }

    #[test]
    fn uids_are_not_reused_and_a_cursor_reads_what_is_new() {
        let mut store = with(2);
        let (all, complete, validity) = uids(&mut store, None);
        assert_eq!((all, complete), (vec![1, 2], true));
        let cursor = Some(Cursor { validity, uid: Uid(1) });
        assert_eq!(uids(&mut store, cursor), (vec![2], false, validity));
        let messages = vec![(Uid(1), Token([9; 16])), (Uid(2), Token([2; 16]))];
        store.apply(&Op::Remove { folder: FOLDER, validity, messages }, NOW).unwrap();
        store.apply(&append(3), NOW).unwrap();
        assert_eq!(uids(&mut store, None).0, [1, 3], "the uid with another token stands");
        assert_eq!(store.bytes, 2);
    }

    #[test]
    fn a_changed_validity_voids_cursors_and_removals() {
        let mut store = with(2);
        let validity = uids(&mut store, None).2;
        store.change_validity(FOLDER);
        let remove = Op::Remove { folder: FOLDER, validity, messages: vec![(Uid(1), Token([1; 16]))] };
        assert_eq!(store.apply(&remove, NOW), Err(OpError::ValidityChanged));
        let (all, complete, _) = uids(&mut store, Some(Cursor { validity, uid: Uid(2) }));
        assert_eq!((all, complete), (vec![101, 102], true));
    }

    #[test]
    fn a_folder_made_again_is_another_one_unless_the_server_forgets_that() {
        for reuses_validity in [false, true] {
            let mut store = with(2);
            store.personality.reuses_validity = reuses_validity;
            let before = uids(&mut store, None).2;
            assert!(store.delete(FOLDER));
            store.apply(&Op::CreateFolder(FOLDER), NOW).unwrap();
            store.apply(&append(7), NOW).unwrap();
            let (all, complete, after) = uids(&mut store, Some(Cursor { validity: before, uid: Uid(2) }));
            assert_eq!((all, complete), (vec![1], true));
            assert_eq!(before == after, reuses_validity);
        }
    }

    #[test]
    fn limits_are_kept_and_labels_keep_octets() {
        let mut store = with(2);
        store.quota = 2;
        assert_eq!(store.apply(&append(3), NOW), Err(OpError::OverQuota));
        (store.quota, store.body_max, store.personality.never_deletes) = (0, 1, true);
        let validity = uids(&mut store, None).2;
        let remove = Op::Remove { folder: FOLDER, validity, messages: vec![(Uid(1), Token([1; 16]))] };
        store.apply(&remove, NOW).unwrap();
        assert_eq!((store.bytes, uids(&mut store, None).0), (2, vec![2]));
    }

    #[test]
    fn a_clone_shares_folders_until_one_side_changes() {
        let mut store = with(1);
        let copy = store.clone();
        assert!(Arc::ptr_eq(&store.folders[&FOLDER], &copy.folders[&FOLDER]));
        store.apply(&append(2), NOW).unwrap();
        assert_eq!(copy.folders[&FOLDER].messages.len(), 1);
    }
}
