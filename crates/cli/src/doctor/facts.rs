//! What can be seen of the files and of the server.

use std::path::Path;

use sma_core::{Folder, MuaaId, Phase, Timestamp};
use sma_imap::{Error, Probe, StateFile, probe};

use crate::{account::Settings, failure::Failure, status};

/// Everything that is judged. What could not be looked at is `None`.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The account's settings cannot be used.
    pub(super) settings: Option<Failure>,
    /// The state cannot be used.
    pub(super) state: Option<Failure>,
    /// Others may read the state directory.
    pub(super) is_open: bool,
    /// Another process has the device.
    pub(super) other: Option<Other>,
    /// Where this device is in its life, and which folders should be there.
    pub(super) standing: Option<(Phase, Option<Folder>)>,
    /// What the server did, or why it did nothing.
    pub(super) server_did: Option<Result<Probe, Failure>>,
}

/// Another process that has the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Other {
    /// It serves this one.
    Serves,
    /// It does not.
    Silent,
}

pub(super) async fn gather(directory: &Path, password_command: Option<&str>) -> Facts {
    let mut facts = Facts { is_open: is_open(directory), ..Facts::default() };
    let settings = match Settings::load(directory) {
        Ok(settings) => settings,
        Err(failure) => {
            facts.settings = Some(failure);
            return facts;
        }
    };
    match status::saved(directory, &settings) {
        Ok(Some(muaa)) => facts.standing = Some((muaa.phase(), muaa.id().map(Folder::Inbox))),
        Ok(None) => {}
        Err(failure) => facts.state = Some(failure),
    }
    facts.other = other(directory).await;
    let account = match settings.account(password_command) {
        Ok(account) => account,
        Err(failure) => {
            facts.server_did = Some(Err(failure));
            return facts;
        }
    };
    facts.server_did = Some(match nobodys_id() {
        Ok(id) => probe(account, &settings.address, id).await.map_err(Failure::from),
        Err(failure) => Err(failure),
    });
    facts
}

/// An id that no device has.
fn nobodys_id() -> Result<MuaaId, Failure> {
    let mut octets = [0; 8];
    let none = |error| Failure::Failed(format!("the system gives no randomness: {error}"));
    getrandom::fill(&mut octets).map_err(none)?;
    Ok(MuaaId(u64::from_be_bytes(octets)))
}

async fn other(directory: &Path) -> Option<Other> {
    match StateFile::open(directory) {
        Err(Error::Locked(_)) => {
            let serves = crate::control::is_served(directory).await;
            Some(if serves { Other::Serves } else { Other::Silent })
        }
        Ok(_) | Err(_) => None,
    }
}

#[cfg(unix)]
fn is_open(directory: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    ["", "state", "account.json"].iter().any(|name| {
        let metadata = std::fs::metadata(directory.join(name));
        metadata.is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0 && !name.is_empty())
    })
}

#[cfg(not(unix))]
fn is_open(_: &Path) -> bool {
    false
}

/// How far this computer's clock is from the server's, in seconds; positive if it is ahead.
pub(super) fn ahead(probe: &Probe) -> Option<i64> {
    let (server, own) = probe.times?;
    let secs = |at: Timestamp| i64::try_from(at.as_secs()).ok();
    Some(secs(own)?.saturating_sub(secs(server)?))
}
