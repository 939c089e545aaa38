//! A run in words: one line for each operation and each event, the same in stories and in saved failures.

use std::collections::BTreeMap;

use sma_core::{
    Content, Ended, Envelope, Event, Folder, Gone, Hash, Message, MuaaId, Op, OpError, Reply, SessionId, Uid,
};

/// Ids from here on are drawn at random; they get short names in the order of their appearance.
const RANDOM_FROM: u64 = 10_000;
/// How many lines a trace keeps, the latest.
const LINES_MAX: usize = 40_000;

/// Short names for what is long and random.
#[derive(Clone, Default, Debug)]
pub struct Names {
    ids: BTreeMap<MuaaId, usize>,
    groups: BTreeMap<Hash, usize>,
    sessions: BTreeMap<SessionId, usize>,
}

impl Names {
    /// An id: itself if it is short, else `new1`, `new2`, …
    pub fn id(&mut self, id: MuaaId) -> String {
        if id.0 < RANDOM_FROM {
            return id.to_string();
        }
        let next = self.ids.len() + 1;
        format!("new{}", self.ids.entry(id).or_insert(next))
    }

    /// A group: `group 1`, `group 2`, …
    pub fn group(&mut self, group: Hash) -> String {
        let next = self.groups.len() + 1;
        format!("group {}", self.groups.entry(group).or_insert(next))
    }

    fn session(&mut self, session: SessionId) -> String {
        let next = self.sessions.len() + 1;
        format!("offer {}", self.sessions.entry(session).or_insert(next))
    }

    /// A folder's name.
    pub fn folder(&mut self, folder: Folder) -> String {
        match folder {
            Folder::Announcements => folder.name(),
            Folder::Inbox(id) => format!("{}_{}", Folder::Announcements.name(), self.id(id)),
        }
    }

    fn folders(&mut self, folders: &[Folder]) -> String {
        let names: Vec<_> = folders.iter().map(|folder| self.folder(*folder)).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(" ") }
    }

    /// A message: its class and who says it sent it.
    pub fn envelope(&mut self, envelope: &Envelope) -> String {
        format!("{}({})", envelope.class.name(), self.id(envelope.sender))
    }

    /// An operation as a line of IMAP would begin.
    pub fn op(&mut self, op: &Op) -> String {
        match op {
            Op::ListFolders => "LIST".to_owned(),
            Op::CreateFolder(folder) => format!("CREATE {}", self.folder(*folder)),
            Op::DeleteFolder(folder) => format!("DELETE {}", self.folder(*folder)),
            Op::Fetch { folder, after: None } => format!("FETCH {}", self.folder(*folder)),
            Op::Fetch { folder, after: Some(after) } => {
                format!("FETCH {} after uid {}", self.folder(*folder), after.uid.0)
            }
            Op::Append { folder, envelope } => {
                format!("APPEND {} {}", self.folder(*folder), self.envelope(envelope))
            }
            Op::Remove { folder, messages, .. } => {
                format!("EXPUNGE {} uid {}", self.folder(*folder), uids(messages.iter().map(|(uid, _)| *uid)))
            }
            Op::Watch(folders) => format!("IDLE {}", self.folders(folders)),
        }
    }

    /// What an operation gave.
    pub fn reply(&mut self, reply: &Reply, uid: Option<Uid>) -> String {
        match (reply, uid) {
            (Reply::Ok, Some(uid)) => format!("uid {}", uid.0),
            (Reply::Ok, None) => "ok".to_owned(),
            (Reply::Folders(folders), _) => self.folders(folders),
            (Reply::Messages { messages, complete: true, .. }, _) if messages.is_empty() => {
                "empty".to_owned()
            }
            (Reply::Messages { messages, .. }, _) if messages.is_empty() => "nothing new".to_owned(),
            (Reply::Messages { messages, more, .. }, _) => {
                let mut all: Vec<_> = messages.iter().map(|message| self.message(message)).collect();
                all.extend(more.then(|| "and more".to_owned()));
                all.join(", ")
            }
        }
    }

    fn message(&mut self, message: &Message) -> String {
        let what = match &message.content {
            Content::Envelope(envelope) => self.envelope(envelope),
            Content::Foreign => "foreign".to_owned(),
            Content::TooLarge(_) => "too large".to_owned(),
        };
        format!("uid {} {what}", message.uid.0)
    }

    /// An event as a sentence's end.
    pub fn event(&mut self, event: &Event) -> String {
        match event {
            Event::PhaseChanged(phase) => format!("is {}", phase.name()),
            Event::MuaaSeen(id) => format!("sees {}", self.id(*id)),
            Event::RequestSeen(id) => format!("sees that {} asks to be let in", self.id(*id)),
            Event::ShowCode { session, .. } => format!("shows the code of {}", self.session(*session)),
            Event::ShowLink { session, .. } => format!("shows the link of {}", self.session(*session)),
            Event::OfferSeen { from, session, .. } => {
                format!("sees {} of {}", self.session(*session), self.id(*from))
            }
            Event::CodeBurnt { session } => format!("got a wrong code for {}", self.session(*session)),
            Event::CodesLocked { .. } => "shows no more codes for an hour".to_owned(),
            Event::OfferExpired { session } => format!("lets {} expire", self.session(*session)),
            Event::PairingEnded { with, why } => {
                let why = match why {
                    Ended::Rejected => "it was rejected",
                    Ended::WrongCode => "the code was wrong",
                    Ended::Aborted => "it was given up",
                    Ended::TooLarge => "the server takes no message that large",
                };
                format!("stops pairing with {}: {why}", self.id(*with))
            }
            Event::Joined { group, by } => {
                format!("joined {}, let in by {}", self.group(*group), self.id(*by))
            }
            Event::MemberAdded { id, by } => {
                format!("has a new sibling {}, let in by {}", self.id(*id), self.id(*by))
            }
            Event::NotReplaced { id, replaces } => {
                format!("leaves {} where it is, whose place {} wanted", self.id(*replaces), self.id(*id))
            }
            Event::MemberGone { id, how } => {
                let how = match how {
                    Gone::Removed => "was removed",
                    Gone::Left => "left",
                    Gone::Expired => "was silent for too long",
                    Gone::Moved => "goes on under another id",
                    Gone::Voided => "was let in by one who was out",
                };
                format!("lost its sibling {}: it {how}", self.id(*id))
            }
            Event::AccountKeyChanged(_) => "uses another account key".to_owned(),
            Event::JoinAsks { by } => format!("asks whether to go over to the group of {}", self.id(*by)),
            Event::MergeAnnounced { by, .. } => {
                format!("asks whether {} may go over to another group", self.id(*by))
            }
            Event::JoinVetoed => "does not go over to the other group: it was vetoed, or moot".to_owned(),
            Event::KeySetAside { .. } => "sets an account key aside".to_owned(),
            Event::KeyRestored(_) => "uses an account key again that was set aside".to_owned(),
            Event::KeyDestroyed(_) => "wipes an account key".to_owned(),
            Event::SettingsChanged => "has other settings".to_owned(),
            Event::PeersChanged => "hears of peers".to_owned(),
            Event::MemberSilent { id } => format!("notices that {} is silent", self.id(*id)),
            Event::FolderDeleted { id } => {
                format!("asks whether {}, whose folder was deleted, is to be removed", self.id(*id))
            }
            Event::Equivocation { id } => format!("notices that {} is there twice", self.id(*id)),
            Event::Moved { from, to } => {
                format!(
                    "finds that its state is not its latest: {} goes on as {}",
                    self.id(*from),
                    self.id(*to)
                )
            }
            Event::UpdateNeeded => "is too old to change who belongs to the account".to_owned(),
            Event::Ignored { folder, uid, why } => {
                format!("ignores uid {} of {}: {}", uid.0, self.folder(*folder), why.words())
            }
            Event::StoreTrouble { op, error } => format!("has trouble with {op}: {error}"),
        }
    }
}

/// Uids with commas.
fn uids(uids: impl Iterator<Item = Uid>) -> String {
    uids.map(|uid| uid.0.to_string()).collect::<Vec<_>>().join(",")
}

/// An operation that reads or watches and found nothing that anybody wants to read about.
#[must_use]
pub fn is_dull(op: &Op, result: &Result<Reply, OpError>) -> bool {
    match op {
        Op::ListFolders | Op::Watch(_) => result.is_ok(),
        Op::Fetch { .. } => matches!(result, Ok(Reply::Messages { messages, .. }) if messages.is_empty()),
        Op::CreateFolder(_) | Op::DeleteFolder(_) | Op::Append { .. } | Op::Remove { .. } => false,
    }
}

/// The lines of a run.
#[derive(Clone, Default, Debug)]
pub struct Trace {
    /// Whether anything is written.
    pub on: bool,
    /// Whether operations that read and find nothing are left out.
    pub terse: bool,
    /// Short names, the same in all lines.
    pub names: Names,
    lines: Vec<String>,
}

impl Trace {
    /// Writes a line, if any is to be written.
    pub fn say(&mut self, line: impl FnOnce(&mut Names) -> String) {
        if self.on {
            if self.lines.len() >= LINES_MAX {
                self.lines.drain(..LINES_MAX / 4);
            }
            let line = line(&mut self.names);
            self.lines.push(line);
        }
    }

    /// Writes what an operation gave.
    pub fn op(&mut self, who: &str, op: &Op, result: &Result<Reply, OpError>, uid: Option<Uid>, note: &str) {
        if self.terse && note.is_empty() && is_dull(op, result) {
            return;
        }
        self.say(|names| {
            let asked = names.op(op);
            let got = match result {
                Ok(reply) => names.reply(reply, uid),
                Err(error) => error.to_string(),
            };
            format!("{who} -> {asked:<44} => {got}{note}")
        });
    }

    /// Takes the lines out.
    pub fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }
}
