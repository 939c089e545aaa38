//! Which folder of the server is which, under whatever prefix the server demands (requirement R8).

use std::collections::BTreeMap;

use sma_core::{Folder, OpError, Reply};

use crate::{
    connection::{ANSWER_MAX, Connection, Failure},
    response::{Listed, Untagged},
};

/// The folders of the archive as they are named on the server.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Names {
    known: BTreeMap<Folder, String>,
    /// What stands before the names; none until a folder was found or made.
    prefix: Option<String>,
}

impl Names {
    /// The name on the server, quoted for a command.
    pub(crate) fn quoted(&self, folder: Folder) -> String {
        let bare = || format!("{}{}", self.prefix.as_deref().unwrap_or_default(), folder.name());
        quote(&self.known.get(&folder).cloned().unwrap_or_else(bare))
    }

    /// What stands before the names.
    pub(crate) fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or_default()
    }

    fn forget(&mut self, folder: Folder) {
        self.known.remove(&folder);
    }

    fn learn(&mut self, folder: Folder, prefix: String) {
        self.known.insert(folder, format!("{prefix}{}", folder.name()));
        self.prefix = Some(prefix);
    }

    /// Takes a folder of a listing. A bare name is preferred to one under `INBOX`; both are found, so that devices agree on
    /// whatever exists.
    fn take(&mut self, listed: Listed) {
        let Some((folder, prefix)) = parse(&listed).filter(|_| listed.selectable) else { return };
        if prefix.is_empty() || !self.known.contains_key(&folder) {
            self.known.insert(folder, listed.name);
        }
        if self.prefix.as_ref().is_none_or(|known| prefix.len() < known.len()) {
            self.prefix = Some(prefix);
        }
    }
}

fn parse(listed: &Listed) -> Option<(Folder, String)> {
    if let Some(folder) = Folder::parse(&listed.name) {
        return Some((folder, String::new()));
    }
    let delimiter = listed.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())?;
    let inbox = listed.name.get(..5).filter(|head| head.eq_ignore_ascii_case("INBOX"))?;
    let rest = listed.name[5..].strip_prefix(delimiter)?;
    Folder::parse(rest).map(|folder| (folder, format!("{inbox}{delimiter}")))
}

/// A quoted string (RFC 3501 section 4.3).
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Lists the archive's folders.
pub(crate) async fn list(connection: &mut Connection, names: &mut Names) -> Result<Reply, Failure> {
    let mut found = Names::default();
    listing(connection, "*_Autocrypt_SMA*", |listed| found.take(listed)).await?;
    names.known = found.known;
    // A listing without any leaves what creating a folder has taught.
    names.prefix = found.prefix.or(names.prefix.take());
    Ok(Reply::Folders(names.known.keys().copied().collect()))
}

async fn listing(
    connection: &mut Connection,
    pattern: &str,
    mut take: impl FnMut(Listed),
) -> Result<(), Failure> {
    let command = format!("LIST \"\" \"{pattern}\"");
    let listed = |untagged: Untagged<'_>| {
        if let Untagged::Listed(listed) = untagged {
            take(listed);
        }
        Ok(())
    };
    connection.run_each(&command, ANSWER_MAX, listed).await
}

/// Whether a folder is there, asked anew.
pub(crate) async fn exists(
    connection: &mut Connection,
    names: &mut Names,
    folder: Folder,
) -> Result<bool, Failure> {
    list(connection, names).await?;
    Ok(names.known.contains_key(&folder))
}

/// What a refusal about a folder means: no response code is trusted, the folder is looked for.
pub(crate) async fn refused_because(
    connection: &mut Connection,
    names: &mut Names,
    folder: Folder,
) -> OpError {
    match exists(connection, names, folder).await {
        Ok(false) => OpError::NoSuchFolder,
        Ok(true) | Err(_) => OpError::Denied,
    }
}

/// Creates a folder; it is not subscribed (requirement T3).
pub(crate) async fn create(
    connection: &mut Connection,
    names: &mut Names,
    folder: Folder,
) -> Result<Reply, OpError> {
    let known = names.prefix.clone();
    let prefix = known.clone().unwrap_or_default();
    let Some(error) = try_create(connection, names, folder, &prefix).await? else { return Ok(Reply::Ok) };
    // Some servers refuse every name outside INBOX, without a code that says so.
    if known.is_some() || matches!(error, OpError::AlreadyExists | OpError::OverQuota) {
        return Err(error);
    }
    let mut delimiter = None;
    let listed = listing(connection, "", |listed| delimiter = delimiter.take().or(listed.delimiter)).await;
    let (Ok(()), Some(delimiter)) = (listed, delimiter) else { return Err(error) };
    match try_create(connection, names, folder, &format!("INBOX{delimiter}")).await? {
        None => Ok(Reply::Ok),
        Some(error) => Err(error),
    }
}

/// `Err` if it is not known whether the folder was made, `Ok(Some)` if it was not.
async fn try_create(
    connection: &mut Connection,
    names: &mut Names,
    folder: Folder,
    prefix: &str,
) -> Result<Option<OpError>, OpError> {
    let name = quote(&format!("{prefix}{}", folder.name()));
    match connection.run(&format!("CREATE {name}")).await {
        Ok(_) => {
            names.learn(folder, prefix.to_owned());
            Ok(None)
        }
        Err(Failure::Lost { .. }) => Err(OpError::Unknown),
        Err(Failure::Refused(refusal)) => match exists(connection, names, folder).await {
            Ok(true) => Ok(Some(OpError::AlreadyExists)),
            Ok(false) | Err(_) if refusal.is_over_quota() => Ok(Some(OpError::OverQuota)),
            Ok(false) | Err(_) => Ok(Some(OpError::Denied)),
        },
    }
}

/// Deletes a folder with all that is in it.
pub(crate) async fn delete(
    connection: &mut Connection,
    names: &mut Names,
    folder: Folder,
) -> Result<Reply, OpError> {
    match connection.run(&format!("DELETE {}", names.quoted(folder))).await {
        Ok(_) => {
            names.forget(folder);
            Ok(Reply::Ok)
        }
        Err(Failure::Lost { .. }) => Err(OpError::Unknown),
        Err(Failure::Refused(_)) => Err(refused_because(connection, names, folder).await),
    }
}

#[cfg(test)]
mod tests {
    use sma_core::MuaaId;

    use super::*;

    fn listed(name: &str, delimiter: &str) -> Listed {
        Listed { name: name.to_owned(), delimiter: Some(delimiter.to_owned()), selectable: true }
    }

    #[test]
    fn r8_names_are_found_bare_and_under_inbox_with_either_delimiter() {
        for (prefix, delimiter) in [("", "."), ("", "/"), ("INBOX.", "."), ("INBOX/", "/"), ("Inbox.", ".")] {
            let mut names = Names::default();
            let name = format!("{prefix}_Autocrypt_SMA_27");
            names.take(listed(&name, delimiter));
            names.take(listed(&format!("{prefix}My_Autocrypt_SMA"), delimiter));
            assert_eq!(names.quoted(Folder::Inbox(MuaaId(27))), quote(&name));
            assert_eq!(names.quoted(Folder::Announcements), quote(&format!("{prefix}_Autocrypt_SMA")));
            assert_eq!(names.known.len(), 1);
        }
    }

    #[test]
    fn a_bare_name_is_preferred_in_whatever_order_they_are_listed() {
        for both in [["INBOX._Autocrypt_SMA", "_Autocrypt_SMA"], ["_Autocrypt_SMA", "INBOX._Autocrypt_SMA"]] {
            let mut names = Names::default();
            both.into_iter().for_each(|name| names.take(listed(name, ".")));
            assert_eq!(names.quoted(Folder::Announcements), "\"_Autocrypt_SMA\"");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_opened_is_none() {
        let mut names = Names::default();
        names.take(Listed { selectable: false, ..listed("_Autocrypt_SMA", "/") });
        assert!(names.known.is_empty());
    }

    #[test]
    fn a_name_is_quoted() {
        assert_eq!(quote("a\"b\\c"), "\"a\\\"b\\\\c\"");
    }
}
