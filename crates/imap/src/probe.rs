//! Tries a server out: makes a folder as the archive's are, puts a message into it, reads it and takes both away.

use sma_core::{Class, Envelope, Folder, MuaaId, Op, OpError, Reply, Timestamp, Token};

use crate::{
    Account, Error, clock,
    connection::{Connection, Failure},
    dial, folders,
    store::Store,
};

/// The size of the message that is tried, in octets.
const BODY: usize = 64;

/// What a server did when it was tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Probe {
    /// Whether it tells of news by itself (IDLE, RFC 2177).
    pub can_idle: bool,
    /// Whether single messages can be taken away for good (UIDPLUS, RFC 4315).
    pub can_expunge_one: bool,
    /// The largest message that it says to take, in octets (APPENDLIMIT, RFC 7889).
    pub message_max: Option<u64>,
    /// What stands before the names of folders, as `INBOX.`.
    pub prefix: String,
    /// The archive's folders that are there, without the one that was made for this.
    pub folders: Vec<Folder>,
    /// Whether a folder was made.
    pub made: Result<(), Refused>,
    /// Whether a message was put into it.
    pub filed: Result<(), Refused>,
    /// The time by the server's clock, from the message's INTERNALDATE, and by this system's clock just before.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Whether the folder was taken away.
    pub deleted: Result<(), Refused>,
}

impl Probe {
    /// A server that can do all, and has no folders yet.
    #[must_use]
    pub fn good() -> Self {
        Self {
            can_idle: true,
            can_expunge_one: true,
            message_max: None,
            prefix: String::new(),
            folders: Vec::new(),
            made: Ok(()),
            filed: Ok(()),
            times: None,
            deleted: Ok(()),
        }
    }
}

/// What the server did not do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Why, as far as it can be told.
    pub error: OpError,
    /// What the server said, if it said something.
    pub text: String,
}

/// Tries a server out, with a folder for `id`, which no device has.
///
/// # Errors
/// [`Error::Unreachable`], [`Error::Login`], [`Error::Busy`] or [`Error::Connection`]. What was made is taken away, if the connection
/// stands; else a member's program takes it away later, as what a stranger left.
pub async fn probe(account: Account, mail_address: &str, id: MuaaId) -> Result<Probe, Error> {
    let connection = dial::dial(&account).await?;
    let store = Store::new(account, mail_address, 2 << 20);
    try_out(store, connection, id).await
}

async fn try_out(mut store: Store, connection: Connection, id: MuaaId) -> Result<Probe, Error> {
    let folder = Folder::Inbox(id);
    let (can_idle, can_expunge_one) = (connection.has("IDLE"), connection.has("UIDPLUS"));
    let message_max = connection.value("APPENDLIMIT");
    store.connection = Some(connection);
    let listed = store.perform(&Op::ListFolders).await;
    let Ok(Reply::Folders(mut found)) = listed else {
        let lost = || Error::Connection("the server does not list folders".to_owned());
        return Err(store.take_trouble().unwrap_or_else(lost));
    };
    found.retain(|other| *other != folder);
    let made = done(store.perform(&Op::CreateFolder(folder)).await);
    let made = match made {
        Err(OpError::Denied | OpError::OverQuota) => Err(why(&mut store, folder, made).await),
        other => other.map_err(|error| Refused { error, text: String::new() }),
    };
    let (mut filed, mut times, mut deleted) = (Ok(()), None, Ok(()));
    if made.is_ok() {
        let before = clock::now();
        filed = done(store.perform(&Op::Append { folder, envelope: envelope(id, before) }).await)
            .map_err(|error| Refused { error, text: String::new() });
        let read = store.perform(&Op::Fetch { folder, after: None }).await;
        if let Ok(Reply::Messages { messages, .. }) = read {
            times = messages.first().map(|message| (message.date, before));
        }
        deleted = done(store.perform(&Op::DeleteFolder(folder)).await)
            .map_err(|error| Refused { error, text: String::new() });
    }
    let prefix = store.names.prefix().to_owned();
    if let Some(connection) = &mut store.connection {
        crate::watch::log_out(connection).await;
    }
    Ok(Probe { can_idle, can_expunge_one, message_max, prefix, folders: found, made, filed, times, deleted })
}

fn done(result: Result<Reply, OpError>) -> Result<(), OpError> {
    result.map(|_| ())
}

/// Asks once more, for what the server says.
async fn why(store: &mut Store, folder: Folder, refused: Result<(), OpError>) -> Refused {
    let error = refused.err().unwrap_or(OpError::Denied);
    let quoted = folders::quote(&format!("{}{}", store.names.prefix(), folder.name()));
    let Some(connection) = &mut store.connection else { return Refused { error, text: String::new() } };
    match connection.run(&format!("CREATE {quoted}")).await {
        Err(Failure::Refused(refusal)) => Refused { error, text: refusal.text },
        Ok(()) | Err(Failure::Lost { .. }) => Refused { error, text: String::new() },
    }
}

fn envelope(id: MuaaId, now: Timestamp) -> Envelope {
    let body = vec![0; BODY].into();
    Envelope { sender: id, token: Token([0; 16]), class: Class::Announcement, date: now.hour(), body }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mock::{Step, commands, store};

    async fn tried(capabilities: &'static str, script: Vec<Step>) -> (Probe, Vec<String>) {
        let (mut store, heard) = store(capabilities, script).await;
        let connection = store.connection.take().unwrap();
        let probe = try_out(store, connection, MuaaId(27)).await.unwrap();
        (probe, commands(&heard))
    }

    #[tokio::test]
    async fn a_server_that_makes_no_folders_is_asked_why_and_nothing_is_left() {
        let list = "* LIST () \"/\" \"_Autocrypt_SMA\"\r\n{tag} OK\r\n";
        let no = "{tag} NO [LIMIT] Maximum number of mailboxes reached\r\n";
        let script = vec![
            Step::Hear("LIST", list),
            Step::Hear("CREATE", no),
            Step::Hear("LIST", list),
            Step::Hear("CREATE", no),
            Step::Hear("LOGOUT", "{tag} OK\r\n"),
        ];
        let (probe, _) = tried("UIDPLUS", script).await;
        let refused = probe.made.unwrap_err();
        assert_eq!(refused.error, OpError::Denied);
        assert_eq!(refused.text, "[LIMIT] Maximum number of mailboxes reached");
        assert_eq!((probe.can_idle, probe.can_expunge_one), (false, true));
        assert_eq!(probe.folders, [Folder::Announcements]);
    }

    #[tokio::test]
    async fn what_was_made_is_taken_away_also_when_the_account_is_full() {
        let list = "* LIST () \"/\" \"_Autocrypt_SMA\"\r\n{tag} OK\r\n";
        let script = vec![
            Step::Hear("LIST", list),
            Step::Hear("CREATE \"_Autocrypt_SMA_27\"", "{tag} OK\r\n"),
            Step::Hear("APPEND", "{tag} NO [OVERQUOTA] full\r\n"),
            Step::Hear("SELECT", "* 0 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n{tag} OK\r\n"),
            Step::Hear("EXAMINE", "{tag} OK\r\n"),
            Step::Hear("DELETE \"_Autocrypt_SMA_27\"", "{tag} OK\r\n"),
            Step::Hear("LOGOUT", "{tag} OK\r\n"),
        ];
        let (probe, heard) = tried("IDLE", script).await;
        assert_eq!(probe.filed.map_err(|refused| refused.error), Err(OpError::OverQuota), "{heard:?}");
        assert_eq!((probe.made, probe.deleted, probe.times), (Ok(()), Ok(()), None), "{heard:?}");
    }
}
