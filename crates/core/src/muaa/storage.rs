//! What one life of the process knows of the store, and which operation to ask for next.

mod answers;
mod names;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use super::{
    Muaa,
    persistent::{InboxState, Life},
    reading::Heard,
};
use crate::{
    Class, Crypto, Cursor, Envelope, Fingerprint, Folder, Hash, MuaaId, Op, OpId, Timestamp, Token, Uid,
    config::DAY,
};

/// What an operation is for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Task {
    List,
    Create(Folder),
    Delete(Folder),
    /// Read what is new in the announcements or the own inbox.
    Read(Folder),
    /// Read all of a folder, only to find the uids of messages to remove.
    Survey(Folder),
    Post(Folder, Token),
    Remove(Folder),
    Watch,
}

impl Task {
    fn folder(&self) -> Option<Folder> {
        match self {
            Self::List | Self::Watch => None,
            Self::Create(folder)
            | Self::Delete(folder)
            | Self::Read(folder)
            | Self::Survey(folder)
            | Self::Post(folder, _)
            | Self::Remove(folder) => Some(*folder),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::List => "LIST",
            Self::Create(_) => "CREATE",
            Self::Delete(_) => "DELETE",
            Self::Read(_) | Self::Survey(_) => "FETCH",
            Self::Post(..) => "APPEND",
            Self::Remove(_) => "EXPUNGE",
            Self::Watch => "IDLE",
        }
    }
}

/// What is known of a folder's content.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Seen {
    pub(super) cursor: Option<Cursor>,
    /// Messages of ours by uid: what they are called, the hashes of their octets, and the server's dates.
    pub(super) index: BTreeMap<Uid, (Token, Hash, Timestamp)>,
    /// Something that is not ours lies there too.
    pub(super) foreign: bool,
}

/// The volatile part of a MUAA.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Io {
    next_id: u64,
    running: BTreeMap<OpId, (Task, Op)>,
    pub(super) requests: VecDeque<(OpId, Op)>,
    list_due: bool,
    pub(super) due: BTreeSet<Folder>,
    /// Folders that were read to their end in this life.
    pub(super) read: BTreeSet<Folder>,
    pub(super) folders: Option<BTreeSet<Folder>>,
    pub(super) seen: BTreeMap<Folder, Seen>,
    pub(super) trouble: BTreeMap<Task, (u32, Timestamp)>,
    /// Posts that no life of the process has tried to append.
    pub(super) fresh: BTreeSet<Token>,
    watching: Option<Vec<Folder>>,
    /// The last attempt to watch failed.
    unwatched: bool,
    pub(super) next_poll: Timestamp,
    /// When everything is read from the beginning again.
    pub(super) next_full: Timestamp,
    /// The creation of the own folder that is under way is the first that was ever tried under this id.
    pub(super) first_try: bool,
    /// The second look was begun.
    pub(super) looked_twice: bool,
    /// The own folder was not in the last listing.
    pub(super) missing_inbox: bool,
    /// The log had no room for a move of the own key.
    pub(super) no_room_for_move: bool,
    /// Members whose folders were not in the last listing, with what they had announced by then; that is looked for before anybody is asked.
    pub(super) missing: BTreeMap<MuaaId, Hash>,
    /// When what is to be told to a sibling is sent.
    pub(super) gathering: BTreeMap<MuaaId, Timestamp>,
    /// Siblings whose inboxes are surveyed for an update that was not acknowledged.
    pub(super) doubted: BTreeSet<MuaaId>,
    /// The largest plain text of an update that the server can be expected to take, if it refused a larger one.
    pub(super) update_bytes_max: Option<usize>,
    /// The log may have a removal that asks for a new account key.
    pub(super) removals_due: bool,
    /// The own key has signed what this state does not know, up to this number.
    pub(super) ahead: Option<u64>,
    /// Folders of which the first pages were read from the beginning, and more is there.
    continued: BTreeSet<Folder>,
    /// Folders to delete that were read and hold nothing that is not ours.
    pub(super) deletable: BTreeSet<Folder>,
    /// Folders that stand because somebody's own message lies in them.
    pub(super) shared: BTreeSet<Folder>,
    /// Messages that were reported as ignored: folder, validity, uid.
    pub(super) reported: BTreeSet<(Folder, u32, Uid)>,
    /// Announcements and offers that were found to be protected as they must be, by the hashes of their octets.
    pub(super) heard: BTreeMap<Hash, Arc<Heard>>,
    /// Requests, and updates of unknown authors, whose authors are not announced, and how often all announcements were read since.
    pub(super) unannounced: BTreeMap<Hash, u8>,
    /// Devices that are out and not announced, and when they were told so because they wrote. Only keys that the log names are.
    pub(super) answered: BTreeMap<Fingerprint, Timestamp>,
    /// Members that were told that they have said more than they announce, and the sequence that is known of each.
    pub(super) outdated: BTreeSet<(MuaaId, Fingerprint, u64)>,
    /// How often an id was drawn because its folder existed, and when the next one is tried.
    pub(super) drawn: Option<(u32, Timestamp)>,
    /// What the messages that were read are known by.
    pub(super) names: names::Names,
    /// A member vetoed that this device goes over to another group.
    pub(super) declined: bool,
    /// The reading that tells whether somebody did, when the time for it is over, was begun.
    pub(super) looks_for_vetoes: bool,
}

impl Io {
    /// Has a folder read; its cursor stays.
    pub(super) fn read_soon(&mut self, folder: Folder) {
        self.due.insert(folder);
    }

    /// Has a folder read from its beginning.
    pub(super) fn read_again(&mut self, folder: Folder) {
        self.seen.remove(&folder);
        self.due.insert(folder);
    }

    /// Has these read to their ends anew, if no reading of them is under way that began before. Whether that begins now.
    pub(super) fn look_once_more(&mut self, folders: &[Folder]) -> bool {
        if folders.iter().any(|folder| self.is_busy(*folder)) {
            return false;
        }
        for folder in folders {
            self.read.remove(folder);
            self.read_soon(*folder);
        }
        true
    }

    pub(super) fn exists(&self, folder: Folder) -> bool {
        self.folders.as_ref().is_some_and(|folders| folders.contains(&folder))
    }

    /// Whether it was not in the last listing.
    pub(super) fn lacks(&self, folder: Folder) -> bool {
        self.folders.as_ref().is_some_and(|folders| !folders.contains(&folder))
    }

    pub(super) fn list_again(&mut self) {
        self.list_due = true;
    }

    pub(super) fn add_folder(&mut self, folder: Folder) {
        self.folders.get_or_insert_default().insert(folder);
        self.forget(folder);
    }

    pub(super) fn remove_folder(&mut self, folder: Folder) {
        if let Some(folders) = &mut self.folders {
            folders.remove(&folder);
        }
        self.forget(folder);
    }

    /// What was read of a folder holds no longer.
    pub(super) fn forget(&mut self, folder: Folder) {
        self.seen.remove(&folder);
        self.continued.remove(&folder);
        self.deletable.remove(&folder);
        self.read.remove(&folder);
        self.due.insert(folder);
        self.watching = None;
    }

    fn is_busy(&self, folder: Folder) -> bool {
        self.running.values().any(|(task, _)| task.folder() == Some(folder))
    }

    fn is_troubled(&self, task: &Task, now: Timestamp) -> bool {
        let drawn = self.drawn.filter(|_| matches!(task, Task::Create(Folder::Inbox(_))));
        let troubled = self.trouble.get(task).map(|(_, until)| *until);
        troubled.into_iter().chain(drawn.map(|(_, until)| until)).any(|until| until > now)
    }
}

impl<C: Crypto> Muaa<C> {
    /// Has everything looked at.
    pub(super) fn look(&mut self) {
        self.io.list_due = true;
        self.io.due.extend([Folder::Announcements, self.own_inbox()]);
        self.io.next_poll = self.now + self.config.poll_interval;
        if std::mem::take(&mut self.io.unwatched) {
            self.io.watching = None;
        }
        if self.io.next_full <= self.now {
            // What a cursor can miss, as a folder that was made again under its old validity, is found by reading everything.
            self.io.next_full = self.now + DAY;
            self.io.seen.clear();
            self.tell_what_counts_by_now();
        }
        let (now, kept) = (self.now, self.config.retry_max);
        self.io.trouble.retain(|_, (_, until)| *until + kept > now);
    }

    pub(super) fn poll_if_due(&mut self) {
        if self.io.next_poll <= self.now {
            self.look();
        }
    }

    /// Nothing is under way, and nothing waits to be appended, read or removed: only time or others change something.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.io.running.is_empty() && self.io.requests.is_empty() && self.next_task(true).is_none()
    }

    pub(super) fn storage_deadlines(&self) -> impl Iterator<Item = (Timestamp, &'static str)> {
        let trouble = self.io.trouble.values().map(|(_, until)| (*until, "retry"));
        let drawn = self.io.drawn.map(|(_, until)| (until, "another key"));
        trouble.chain(drawn).filter(|(until, _)| *until > self.now)
    }

    pub(super) fn start_tasks(&mut self) {
        while self.io.running.len() < self.config.ops_in_flight_max {
            let Some(task) = self.next_task(false) else { return };
            let Some(op) = self.op_of(&task) else { return };
            if let Task::Post(_, token) = &task {
                self.io.fresh.remove(token);
            }
            if task == Task::Create(self.own_inbox()) {
                self.io.first_try = self.state.inbox == InboxState::Drawn;
                if self.io.first_try {
                    self.state.inbox = InboxState::Tried;
                    self.changed();
                }
            }
            let id = OpId(self.io.next_id);
            self.io.next_id += 1;
            self.io.running.insert(id, (task, op.clone()));
            self.io.requests.push_back((id, op));
        }
    }

    fn op_of(&self, task: &Task) -> Option<Op> {
        Some(match task {
            Task::List => Op::ListFolders,
            Task::Create(folder) => Op::CreateFolder(*folder),
            Task::Delete(folder) => Op::DeleteFolder(*folder),
            Task::Read(folder) => {
                let known = self.io.seen.get(folder).and_then(|seen| seen.cursor);
                let goes_on = self.io.continued.contains(folder);
                let after = known.filter(|_| goes_on || !self.seeks(*folder));
                Op::Fetch { folder: *folder, after }
            }
            Task::Survey(folder) => {
                let known = self.io.seen.get(folder).and_then(|seen| seen.cursor);
                let after = known.filter(|_| self.io.continued.contains(folder));
                Op::Fetch { folder: *folder, after }
            }
            Task::Post(folder, token) => {
                let post = self.state.posts.get(token)?;
                let envelope = Envelope {
                    sender: post.sender,
                    token: *token,
                    class: post.class,
                    date: post.date,
                    body: post.body.clone(),
                };
                Op::Append { folder: *folder, envelope }
            }
            Task::Remove(folder) => Op::Remove {
                folder: *folder,
                validity: self.io.seen.get(folder)?.cursor?.validity,
                messages: self.removable(*folder),
            },
            Task::Watch => Op::Watch(self.watched().to_vec()),
        })
    }

    /// Messages to remove whose uids are known.
    fn removable(&self, folder: Folder) -> Vec<(Uid, Token)> {
        let index = self.io.seen.get(&folder).map(|seen| &seen.index);
        let wanted = |token: &Token| self.state.removals.contains(&(folder, *token));
        let mut found: Vec<_> = index
            .into_iter()
            .flatten()
            .filter(|(_, (token, ..))| wanted(token))
            .map(|(uid, (token, ..))| (*uid, *token))
            .collect();
        found.extend(self.duplicates(folder));
        found
    }

    /// Further copies of what this device put among the announcements: an append whose outcome was unknown was repeated. And what has
    /// its announcement's name and is none of it.
    fn duplicates(&self, folder: Folder) -> Vec<(Uid, Token)> {
        let Some(seen) = self.io.seen.get(&folder).filter(|_| folder == Folder::Announcements) else {
            return Vec::new();
        };
        let announced = self.state.announced.as_ref().map(|own| (own.token, Some(own.said)));
        let offers = self.state.sessions.values().filter(|session| session.to.is_none());
        let own = offers.map(|session| (session.offer, None)).chain(announced);
        let mut found = Vec::new();
        for (token, said) in own {
            let mut stands = false;
            for (uid, (_, there, _)) in seen.index.iter().filter(|(_, (named, ..))| *named == token) {
                // The first that says what was said stands.
                if !stands && said.is_none_or(|said| said == *there) {
                    stands = true;
                } else if !self.state.removals.contains(&(folder, token)) {
                    found.push((*uid, token));
                }
            }
        }
        found.sort_unstable();
        found
    }

    /// Something is to be removed whose uid is not known: only reading everything finds it.
    fn seeks(&self, folder: Folder) -> bool {
        self.is_replacing(folder) && self.removable(folder).is_empty()
    }

    fn watched(&self) -> [Folder; 2] {
        [Folder::Announcements, self.own_inbox()]
    }

    /// The first thing to do, in a fixed order of importance. `patient` also counts what waits for a retry.
    fn next_task(&self, patient: bool) -> Option<Task> {
        if self.io.running.values().any(|(task, _)| *task == Task::List) {
            return None;
        }
        let may = |task: &Task| {
            let free = task.folder().is_none_or(|folder| !self.io.is_busy(folder));
            free && (patient || !self.io.is_troubled(task, self.now))
        };
        if self.io.list_due || self.io.folders.is_none() {
            return Some(Task::List).filter(|task| may(task) && self.io.running.is_empty());
        }
        let ended = matches!(self.state.life, Life::Removed | Life::Left);
        let tasks = if ended { self.farewell_tasks() } else { self.life_tasks() };
        tasks.into_iter().find(may).or_else(|| self.removal_tasks().into_iter().find(may))
    }

    fn life_tasks(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        let suspended = self.state.life == Life::Suspended;
        let own = self.own_inbox();
        if !self.io.exists(Folder::Announcements) {
            return if suspended { tasks } else { vec![Task::Create(Folder::Announcements)] };
        }
        if self.io.due.contains(&Folder::Announcements) {
            tasks.push(Task::Read(Folder::Announcements));
        }
        if !self.io.read.contains(&Folder::Announcements) || suspended {
            return tasks;
        }
        if self.state.inbox != InboxState::Made {
            tasks.push(Task::Create(own));
            return tasks;
        }
        if self.io.due.contains(&own) && self.io.exists(own) {
            tasks.push(Task::Read(own));
        }
        tasks.extend(self.post_tasks());
        if self.io.watching.as_deref() != Some(&self.watched()) && self.io.read.contains(&own) {
            tasks.push(Task::Watch);
        }
        tasks
    }

    /// Of each folder the post that comes first. A sealed one waits while more than one message is still to be taken away there: what
    /// was told twice, as before and after a crash, is not told a third time beside both.
    fn post_tasks(&self) -> impl Iterator<Item = Task> {
        let posts = self.state.posts.iter().filter(|(_, post)| self.io.exists(post.folder));
        let mut posts: Vec<_> =
            posts.map(|(token, post)| (post.order, *token, post.folder, post.class)).collect();
        posts.sort_unstable();
        let mut begun = Vec::new();
        posts.retain(|(_, _, folder, class)| {
            let first = !begun.contains(folder);
            begun.extend(first.then_some(*folder));
            first && (*class != Class::Sync || self.replaced(*folder).count() <= 1)
        });
        posts.into_iter().map(|(_, token, folder, _)| Task::Post(folder, token))
    }

    /// What is to be taken away from a folder.
    pub(super) fn replaced(&self, folder: Folder) -> impl Iterator<Item = &Token> {
        let there = self.state.removals.range((folder, Token::default())..);
        there.take_while(move |(place, _)| *place == folder).map(|(_, token)| token)
    }

    fn removal_tasks(&self) -> Vec<Task> {
        let mut folders: BTreeSet<_> = self.state.removals.iter().map(|(folder, _)| *folder).collect();
        // While something is done there already, nothing else is.
        let announcements = Folder::Announcements;
        if !folders.contains(&announcements) && !self.io.is_busy(announcements) {
            folders.extend((!self.duplicates(announcements).is_empty()).then_some(announcements));
        }
        let deletions = self.state.folders_deleted.iter().filter_map(|folder| self.deletion(*folder));
        let surveys = self.io.doubted.iter().map(|id| Task::Survey(Folder::Inbox(*id)));
        let mut tasks: Vec<_> = deletions.chain(surveys).collect();
        for folder in
            folders.into_iter().filter(|folder| self.io.exists(*folder) && !self.io.is_busy(*folder))
        {
            let own = folder == Folder::Announcements || folder == self.own_inbox();
            tasks.push(match (self.seeks(folder), own) {
                (false, _) => Task::Remove(folder),
                (true, true) => Task::Read(folder),
                (true, false) => Task::Survey(folder),
            });
        }
        tasks
    }

    /// The next step towards the deletion of a folder. Another's is deleted by a member that has just looked whether its owner is back,
    /// and after its announcement: whoever finds both gone makes them anew, whoever finds only the folder gone asks a person. Who is in
    /// no group, or out of it, deletes only what is its own.
    fn deletion(&self, folder: Folder) -> Option<Task> {
        let own = !matches!(self.state.life, Life::Grouped | Life::Suspended) || folder == self.own_inbox();
        let announcements = Folder::Announcements;
        if !own && (self.state.life != Life::Grouped || !self.io.read.contains(&announcements)) {
            return None;
        }
        if !self.io.deletable.contains(&folder) {
            return Some(Task::Survey(folder));
        }
        let looked = !self.io.due.contains(&announcements) && !self.is_replacing(announcements);
        (own || looked).then_some(Task::Delete(folder))
    }

    /// A device that ended says so; then it takes its announcement and its own folder away.
    fn farewell_tasks(&self) -> Vec<Task> {
        self.post_tasks().collect()
    }
}
