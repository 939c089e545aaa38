//! The account's store: keeps one connection, and does what the core asks of a store with it.

use std::{collections::BTreeMap, time::Duration};

use sma_core::{Content, Cursor, Envelope, Folder, Op, OpError, Reply, Token, Uid};
use tokio::time::Instant;

use crate::{
    Account, Error,
    connection::{Connection, Failure},
    dial::{self, Dialer},
    fetch,
    folders::{self, Names},
};

/// A connection that was silent for longer is tried with NOOP before something is changed over it: a lost one found so has
/// done nothing, while a lost APPEND may have been done or not.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How often a folder is read as a whole because a server refuses to expunge what is marked as deleted.
const TIDYING_TIMES: u32 = 5;

/// Sizes by which a change of a folder shows: how many messages, and the next uid if it is told.
pub(crate) type Extent = (u32, Option<u32>);

/// One MUAA's way to its folders.
#[derive(Debug)]
pub(crate) struct Store {
    account: Account,
    pub(crate) dialer: Dialer,
    /// The address in `To`, for people.
    mail_address: String,
    message_bytes_max: u64,
    pub(crate) connection: Option<Connection>,
    pub(crate) names: Names,
    pub(crate) selected: Option<Folder>,
    /// Where a removal was interrupted or refused, so that messages may be left that are marked as deleted, and how often more they
    /// are looked for.
    unfinished: BTreeMap<Folder, u32>,
    used: Instant,
    /// How often in succession no connection could be made.
    pub(crate) failures: u32,
    /// How often in succession a folder was said to have changed, and nothing of ours that is new was in it.
    pub(crate) false_alarms: u32,
    /// Whether there was no connection when it was last waited for news.
    pub(crate) was_down: bool,
    /// Why the last connection was lost or refused.
    trouble: Option<Error>,
    pub(crate) watched: Vec<Folder>,
    /// What each watched folder was like when it was last looked at.
    pub(crate) extents: BTreeMap<Folder, Extent>,
}

impl Store {
    pub(crate) fn new(account: Account, mail_address: &str, message_bytes_max: u64) -> Self {
        Self {
            account,
            dialer: Dialer::default(),
            mail_address: mail_address.to_owned(),
            message_bytes_max,
            connection: None,
            names: Names::default(),
            selected: None,
            unfinished: BTreeMap::new(),
            used: Instant::now(),
            failures: 0,
            false_alarms: 0,
            was_down: false,
            trouble: None,
            watched: Vec::new(),
            extents: BTreeMap::new(),
        }
    }

    /// Why there is no connection, since this was last asked.
    pub(crate) fn take_trouble(&mut self) -> Option<Error> {
        self.trouble.take()
    }

    /// Does what the core asks for. Everything that a server may answer gives an outcome.
    pub(crate) async fn perform(&mut self, op: &Op) -> Result<Reply, OpError> {
        if let Op::Watch(folders) = op {
            self.watched.clone_from(folders);
            self.extents.retain(|folder, _| folders.contains(folder));
            return Ok(Reply::Ok);
        }
        let changes = !matches!(op, Op::ListFolders | Op::Fetch { .. });
        let kept = self.connection.is_some();
        if changes {
            self.test_connection().await;
        }
        let mut result = self.attempt(op).await;
        // A kept connection may have been closed long ago; reading twice does no harm.
        if kept && !changes && result == Err(OpError::NotSent) {
            result = self.attempt(op).await;
        }
        if result.is_ok() {
            self.trouble = None;
        }
        tracing::debug!(target: "sma_imap", op = word(op), outcome = outcome(&result), "store");
        result
    }

    async fn attempt(&mut self, op: &Op) -> Result<Reply, OpError> {
        self.connected().await?;
        let result = match op {
            Op::ListFolders => self.list().await,
            Op::CreateFolder(folder) => self.create(*folder).await,
            Op::DeleteFolder(folder) => self.delete(*folder).await,
            Op::Fetch { folder, after } => self.fetch(*folder, *after).await,
            Op::Append { folder, envelope } => self.append(*folder, envelope).await,
            Op::Remove { folder, validity, messages } => self.remove(*folder, *validity, messages).await,
            Op::Watch(_) => Ok(Reply::Ok),
        };
        self.used = Instant::now();
        self.drop_broken();
        result
    }

    /// The connection, made if there is none.
    pub(crate) async fn connected(&mut self) -> Result<&mut Connection, OpError> {
        self.drop_broken();
        if self.connection.is_none() {
            self.selected = None;
            match self.dialer.dial(&self.account).await {
                Ok(connection) => {
                    self.connection = Some(connection);
                    self.failures = 0;
                }
                Err(error) => {
                    self.failures = self.failures.saturating_add(1);
                    tracing::debug!(target: "sma_imap", %error, "no connection");
                    self.trouble = Some(error);
                }
            }
            self.used = Instant::now();
        }
        self.connection.as_mut().ok_or(OpError::NotSent)
    }

    /// A connection that is out of step with its server is never used again.
    pub(crate) fn drop_broken(&mut self) {
        if self.connection.as_ref().is_some_and(Connection::is_broken) {
            self.connection = None;
            self.selected = None;
        }
    }

    async fn test_connection(&mut self) {
        if self.used.elapsed() < SILENCE_MAX {
            return;
        }
        if let Some(connection) = &mut self.connection {
            // Whatever it answers, it is there; if it is not, the next use connects anew.
            let _ = connection.run("NOOP").await;
            self.drop_broken();
        }
    }

    fn lost(&mut self, why: &str) {
        let server = self.account.server.shown();
        self.trouble =
            Some(Error::Connection(format!("the connection to {server} was lost: {why}; run it again")));
    }

    async fn list(&mut self) -> Result<Reply, OpError> {
        let Some(connection) = self.connection.as_mut() else { return Err(OpError::NotSent) };
        match folders::list(connection, &mut self.names).await {
            Ok(reply) => Ok(reply),
            Err(Failure::Refused(_)) => Err(OpError::Denied),
            Err(Failure::Lost { why }) => {
                self.lost(&why);
                Err(OpError::NotSent)
            }
        }
    }

    async fn create(&mut self, folder: Folder) -> Result<Reply, OpError> {
        let Some(connection) = self.connection.as_mut() else { return Err(OpError::NotSent) };
        folders::create(connection, &mut self.names, folder).await
    }

    async fn delete(&mut self, folder: Folder) -> Result<Reply, OpError> {
        let Some(connection) = self.connection.as_mut() else { return Err(OpError::NotSent) };
        if self.selected.take() == Some(folder) {
            // Some servers close the connection whose open folder is deleted.
            let leave = if connection.has("UNSELECT") { "UNSELECT" } else { "EXAMINE INBOX" };
            let _ = connection.run(leave).await;
        }
        self.extents.remove(&folder);
        folders::delete(connection, &mut self.names, folder).await
    }

    /// Opens a folder anew, for fresh numbers.
    pub(crate) async fn select(&mut self, folder: Folder) -> Result<fetch::Selected, OpError> {
        let quoted = self.names.quoted(folder);
        let Some(connection) = self.connection.as_mut() else { return Err(OpError::NotSent) };
        self.selected = None;
        match fetch::select(connection, &quoted).await {
            Ok(Some(selected)) => {
                self.selected = Some(folder);
                Ok(selected)
            }
            Ok(None) => Err(OpError::Denied),
            Err(Failure::Refused(_)) => {
                Err(folders::refused_because(connection, &mut self.names, folder).await)
            }
            Err(Failure::Lost { why }) => {
                self.lost(&why);
                Err(OpError::NotSent)
            }
        }
    }

    async fn fetch(&mut self, folder: Folder, after: Option<Cursor>) -> Result<Reply, OpError> {
        let selected = self.select(folder).await?;
        let Some(connection) = self.connection.as_mut() else { return Err(OpError::NotSent) };
        // All of the folder is looked at once more, and what is left is taken away.
        let after = after.filter(|_| !self.unfinished.contains_key(&folder));
        match fetch::read(connection, selected, after, self.message_bytes_max).await {
            Ok((reply, tidy)) => {
                let left = self.unfinished.remove(&folder).unwrap_or(TIDYING_TIMES);
                if let Some(left) = left.checked_sub(1).filter(|_| !tidy) {
                    self.unfinished.insert(folder, left);
                }
                self.extents.insert(folder, (selected.messages, selected.uid_next));
                if brings_news(&reply) {
                    self.false_alarms = 0;
                }
                Ok(reply)
            }
            Err(Failure::Refused(_)) => {
                Err(folders::refused_because(connection, &mut self.names, folder).await)
            }
            Err(Failure::Lost { why }) => {
                self.lost(&why);
                Err(OpError::NotSent)
            }
        }
    }

    async fn append(&mut self, folder: Folder, envelope: &Envelope) -> Result<Reply, OpError> {
        let Some(connection) = self.connection.as_mut() else { return Err(OpError::NotSent) };
        let text = sma_mime::Text { to: self.mail_address.clone(), ..sma_mime::Text::default() };
        let octets = sma_mime::render(envelope, &text);
        // What is rendered is ASCII.
        let message = String::from_utf8(octets).map_err(|_| OpError::Denied)?;
        if let Some(max) = connection.value("APPENDLIMIT").filter(|max| message.len() as u64 > *max) {
            return Err(OpError::TooLarge { max });
        }
        let refusal = match connection.append(&self.names.quoted(folder), &message).await {
            Ok(()) => return Ok(Reply::Ok),
            Err(Failure::Refused(refusal)) => refusal,
            Err(Failure::Lost { why }) => {
                self.lost(&why);
                return Err(OpError::Unknown);
            }
        };
        if refusal.is_over_quota() {
            return Err(OpError::OverQuota);
        }
        if refusal.is_too_large() {
            return Err(OpError::TooLarge { max: 0 });
        }
        let found = folders::refused_because(connection, &mut self.names, folder).await;
        Err(if refusal.try_create { OpError::NoSuchFolder } else { found })
    }

    async fn remove(
        &mut self,
        folder: Folder,
        validity: u32,
        messages: &[(Uid, Token)],
    ) -> Result<Reply, OpError> {
        let selected = self.select(folder).await?;
        if selected.validity != validity {
            return Err(OpError::ValidityChanged);
        }
        let Some(connection) = self.connection.as_mut() else { return Err(OpError::NotSent) };
        match fetch::remove(connection, messages).await {
            Ok(all) => {
                if !all {
                    self.unfinished.insert(folder, TIDYING_TIMES);
                }
                Ok(Reply::Ok)
            }
            Err(Failure::Refused(_)) => {
                Err(folders::refused_because(connection, &mut self.names, folder).await)
            }
            Err(Failure::Lost { why }) => {
                self.unfinished.insert(folder, TIDYING_TIMES);
                self.lost(&why);
                Err(OpError::Unknown)
            }
        }
    }
}

/// Whether there is a message of ours that came since the last time. What is read anew as a whole may be all old.
fn brings_news(reply: &Reply) -> bool {
    let Reply::Messages { messages, complete: false, .. } = reply else { return false };
    messages.iter().any(|message| matches!(message.content, Content::Envelope(_)))
}

/// Connects and logs in, and nothing else: whether the address and the password are right.
///
/// # Errors
/// [`Error::Connection`] or [`Error::Login`]. No effect.
pub async fn check_login(account: &Account) -> Result<(), Error> {
    let mut connection = dial::dial(account).await?;
    // The answer does not matter: the login was taken.
    let _ = connection.run("LOGOUT").await;
    Ok(())
}

/// An operation in a word of IMAP.
pub(crate) fn word(op: &Op) -> &'static str {
    match op {
        Op::ListFolders => "LIST",
        Op::CreateFolder(_) => "CREATE",
        Op::DeleteFolder(_) => "DELETE",
        Op::Fetch { .. } => "FETCH",
        Op::Append { .. } => "APPEND",
        Op::Remove { .. } => "EXPUNGE",
        Op::Watch(_) => "IDLE",
    }
}

fn outcome(result: &Result<Reply, OpError>) -> String {
    match result {
        Ok(Reply::Messages { messages, .. }) => format!("{} messages", messages.len()),
        Ok(Reply::Folders(folders)) => format!("{} folders", folders.len()),
        Ok(Reply::Ok) => "done".to_owned(),
        Err(error) => error.to_string(),
    }
}
