//! What an operation's answer changes: the folders and their content, what is tried again, what is read.

use std::{collections::BTreeSet, time::Duration};

use super::{Seen, Task};
use crate::{
    Content, Crypto, Cursor, Event, Folder, Hash, InputError, Message, Op, OpError, OpId, Reply, Timestamp,
    Token, Uid,
    muaa::{Muaa, persistent::InboxState},
};

impl<C: Crypto> Muaa<C> {
    pub(in crate::muaa) fn done(
        &mut self,
        id: OpId,
        result: Result<Reply, OpError>,
    ) -> Result<(), InputError> {
        let (task, op) = self.io.running.remove(&id).ok_or(InputError::NoSuchRequest)?;
        let fits = match (&op, &result) {
            (_, Err(_)) => true,
            (Op::ListFolders, Ok(reply)) => matches!(reply, Reply::Folders(_)),
            (Op::Fetch { .. }, Ok(reply)) => matches!(reply, Reply::Messages { .. }),
            (
                Op::CreateFolder(_)
                | Op::DeleteFolder(_)
                | Op::Append { .. }
                | Op::Remove { .. }
                | Op::Watch(_),
                Ok(reply),
            ) => *reply == Reply::Ok,
        };
        match result {
            Ok(reply) if fits => {
                self.io.trouble.remove(&task);
                self.succeeded(task, &op, reply);
                Ok(())
            }
            Ok(_) => {
                self.failed(task, OpError::Unknown);
                Err(InputError::WrongReply)
            }
            Err(error) => {
                self.failed(task, error);
                Ok(())
            }
        }
    }

    fn succeeded(&mut self, task: Task, op: &Op, reply: Reply) {
        match task {
            Task::List => {
                if let Reply::Folders(folders) = reply {
                    self.io.list_due = false;
                    self.listed(folders.into_iter().collect());
                }
            }
            Task::Create(folder) => self.created(folder, true),
            Task::Delete(folder) => self.deleted(folder),
            Task::Read(folder) => self.take_messages(folder, reply, true),
            Task::Survey(folder) => self.take_messages(folder, reply, false),
            Task::Post(folder, token) => {
                self.state.posts.remove(&token);
                self.look_for_copies(folder, &token);
                self.changed();
                self.posted(folder, token);
            }
            Task::Remove(folder) => {
                if let Op::Remove { messages, .. } = op {
                    self.removed(folder, messages);
                }
            }
            Task::Watch => {
                if let Op::Watch(folders) = op {
                    self.io.watching = Some(folders.clone());
                }
            }
        }
    }

    fn failed(&mut self, task: Task, error: OpError) {
        match (&task, error) {
            (Task::Create(folder), OpError::AlreadyExists) => {
                self.io.trouble.remove(&task);
                return self.created(*folder, false);
            }
            (Task::Create(folder), OpError::Denied | OpError::NotSent | OpError::OverQuota)
                if *folder == self.own_inbox() && self.io.first_try =>
            {
                self.state.inbox = InboxState::Drawn;
                self.changed();
            }
            (Task::Delete(folder), OpError::NoSuchFolder) => return self.deleted(*folder),
            (
                Task::Read(folder) | Task::Survey(folder) | Task::Post(folder, _) | Task::Remove(folder),
                OpError::NoSuchFolder,
            ) => {
                // Only a listing tells whether it is gone or was never there.
                if let Some(folders) = &mut self.io.folders {
                    folders.remove(folder);
                }
                self.io.list_due = true;
            }
            (Task::Remove(folder), OpError::ValidityChanged) => {
                self.io.seen.remove(folder);
                if *folder == Folder::Announcements || *folder == self.own_inbox() {
                    self.io.read_soon(*folder);
                }
            }
            (Task::Post(Folder::Announcements, token), OpError::Unknown) => {
                self.look_for_copies(Folder::Announcements, token);
            }
            (Task::Post(folder, _), OpError::Unknown) => {
                // There may be another one of it: who removes it must look for all.
                self.io.seen.remove(folder);
            }
            (Task::Post(_, token), OpError::TooLarge { max }) if self.write_smaller(*token, max) => {
                self.tell(Event::StoreTrouble { op: task.name(), error });
                self.io.trouble.remove(&task);
                return;
            }
            (_, OpError::NotSent) => {
                self.io.watching = None;
            }
            _ => {}
        }
        if task == Task::Watch {
            // Watching only spares time: the next poll finds everything, and tries again.
            self.io.watching = Some(self.watched().to_vec());
            self.io.unwatched = true;
            return;
        }
        let (count, _) = self.io.trouble.get(&task).copied().unwrap_or_default();
        let pause = self.pause(count);
        let until = self.now + pause;
        if count == 0 {
            self.tell(Event::StoreTrouble { op: task.name(), error });
        }
        self.io.trouble.insert(task, (count.saturating_add(1), until));
    }

    /// A message that lay there was appended once more: who removes it must look for all.
    fn look_for_copies(&mut self, folder: Folder, token: &Token) {
        if !self.lies_in(folder, token) {
            return;
        }
        self.io.seen.remove(&folder);
        if folder == Folder::Announcements {
            self.io.read_soon(folder);
        }
    }

    /// Doubles with each failure, with jitter of a quarter.
    fn pause(&mut self, failures: u32) -> Duration {
        let longest = self.config.retry_max;
        let pause = self.config.retry_first.saturating_mul(1 << failures.min(20)).min(longest);
        let quarter = u64::try_from(pause.as_millis() / 4).unwrap_or(0);
        pause + Duration::from_millis(self.random.below(quarter + 1))
    }

    fn take_messages(&mut self, folder: Folder, reply: Reply, process: bool) {
        let Reply::Messages { validity, complete, messages, more } = reply else { return };
        let seen = self.io.seen.entry(folder).or_default();
        let same = seen.cursor.is_some_and(|cursor| cursor.validity == validity);
        if !same || complete {
            *seen = Seen::default();
        }
        let highest = messages.last().map_or(Uid(0), |message| message.uid);
        let before = seen.cursor.map_or(Uid(0), |cursor| cursor.uid);
        seen.cursor = Some(Cursor { validity, uid: highest.max(before) });
        for message in &messages {
            match &message.content {
                Content::Envelope(envelope) => {
                    let said = self.io.names.learn(&self.crypto, envelope);
                    seen.index.insert(message.uid, (envelope.token, said, message.date));
                }
                Content::Foreign | Content::TooLarge(_) => seen.foreign = true,
            }
        }
        let from_the_start = complete || (same && self.io.continued.contains(&folder));
        if from_the_start && more {
            self.io.continued.insert(folder);
        } else {
            self.io.continued.remove(&folder);
        }
        let whole = from_the_start && !more;
        if whole {
            self.drop_vain_removals(folder);
        }
        if !process && whole {
            self.surveyed(folder);
            self.decide_deletion(folder);
        }
        if process {
            self.process(folder, validity, whole, messages, more);
        }
    }

    /// A folder goes as a whole only if all in it is ours; else our messages go and it stands (R9).
    fn decide_deletion(&mut self, folder: Folder) {
        let Some(seen) = self.io.seen.get(&folder).filter(|_| self.state.folders_deleted.contains(&folder))
        else {
            return;
        };
        if !seen.foreign {
            self.io.deletable.insert(folder);
            if folder != self.own_inbox() {
                // Its owner may be back.
                self.io.read_soon(Folder::Announcements);
            }
            return;
        }
        let tokens: Vec<_> = seen.index.values().map(|(token, ..)| *token).collect();
        tokens.into_iter().for_each(|token| self.discard(folder, token));
        self.state.folders_deleted.remove(&folder);
        self.io.shared.insert(folder);
        self.changed();
    }

    /// Has a folder deleted, unless somebody's own message is known to lie in it.
    pub(in crate::muaa) fn delete_folder(&mut self, folder: Folder) {
        if !self.io.shared.contains(&folder) && self.state.folders_deleted.insert(folder) {
            self.changed();
        }
    }

    /// Whether this message was read in a folder.
    pub(in crate::muaa) fn lies_in(&self, folder: Folder, token: &Token) -> bool {
        self.io.seen.get(&folder).is_some_and(|seen| seen.index.values().any(|(there, ..)| there == token))
    }

    /// The names under which these octets were read in a folder.
    pub(in crate::muaa) fn tokens_of(&self, folder: Folder, said: &Hash) -> Vec<Token> {
        let index = self.io.seen.get(&folder).into_iter().flat_map(|seen| seen.index.values());
        index.filter(|(_, there, _)| there == said).map(|(token, ..)| *token).collect()
    }

    /// The messages of ours that were read in a folder, by the hashes of their octets.
    pub(in crate::muaa) fn present(&self, folder: Folder) -> BTreeSet<Hash> {
        let index = self.io.seen.get(&folder).into_iter().flat_map(|seen| seen.index.values());
        index.map(|(_, said, _)| *said).collect()
    }

    /// Whether these octets lie among the announcements with the date that the server gave them when they were first read. With another one
    /// they were taken away and are shown again.
    pub(in crate::muaa) fn still_stands(&self, said: &Hash, date: Timestamp) -> bool {
        let seen = self.io.seen.get(&Folder::Announcements);
        let mut index = seen.into_iter().flat_map(|seen| seen.index.values());
        index.any(|(_, there, dated)| (there, *dated) == (said, date))
    }

    /// Another id is tried at once the first time its folder exists, and after ever longer pauses then.
    pub(in crate::muaa) fn draw_later(&mut self) {
        let times = self.io.drawn.map_or(0, |(times, _)| times);
        let pause = if times == 0 { Duration::ZERO } else { self.pause(times - 1) };
        self.io.drawn = Some((times.saturating_add(1), self.now + pause));
    }

    /// What is to be removed and is not there is gone.
    fn drop_vain_removals(&mut self, folder: Folder) {
        if !self.is_replacing(folder) {
            return;
        }
        let index = self.io.seen.get(&folder).into_iter().flat_map(|seen| seen.index.values());
        let present: BTreeSet<_> = index.map(|(token, ..)| *token).collect();
        let kept = |place: &(Folder, Token)| place.0 != folder || present.contains(&place.1);
        self.state.removals.retain(kept);
    }

    fn process(&mut self, folder: Folder, validity: u32, complete: bool, messages: Vec<Message>, more: bool) {
        if !more {
            self.io.due.remove(&folder);
            self.io.read.insert(folder);
        }
        if folder == Folder::Announcements {
            self.read_announcements(validity, complete, messages);
        } else {
            self.read_inbox(validity, complete, messages);
            if !more {
                self.forget_former_subkey();
            }
        }
    }

    fn removed(&mut self, folder: Folder, messages: &[(Uid, Token)]) {
        if let Some(seen) = self.io.seen.get_mut(&folder) {
            for (uid, _) in messages {
                seen.index.remove(uid);
            }
            let left: BTreeSet<_> = seen.index.values().map(|(token, ..)| *token).collect();
            for (_, token) in messages.iter().filter(|(_, token)| !left.contains(token)) {
                self.state.removals.remove(&(folder, *token));
            }
        }
        self.changed();
    }
}
