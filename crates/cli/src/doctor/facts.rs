//! What can be seen of the files and of the server.

use std::path::Path;

use sma_core::{Folder, MuaaId, Phase, Timestamp};
use sma_imap::{Error, Probe, StateFile, probe};

use crate::{account::Settings, args::Doctor, failure::Failure, identity, setup, status};

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

pub(super) async fn gather(directory: &Path, password_command: Option<&str>, of: &Doctor) -> Facts {
    let mut facts = Facts { is_open: is_open(directory), ..Facts::default() };
    let settings = match settings(directory, of) {
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
    facts.server_did = Some(try_out(&settings, password_command).await);
    facts
}

/// Tries the server out with what is needed to log in.
pub(super) async fn try_out(settings: &Settings, password_command: Option<&str>) -> Result<Probe, Failure> {
    let account = settings.account(password_command)?;
    Ok(probe(account, &settings.address, nobodys_id()?).await?)
}

/// What this device was set up with, but for what is asked about: before it is set up all of that is asked about.
fn settings(directory: &Path, of: &Doctor) -> Result<Settings, Failure> {
    let Doctor { address, imap, insecure, ca_file } = of;
    let known = match Settings::find(directory) {
        Ok(known) => known,
        Err(failure) if address.is_none() || imap.is_none() => return Err(failure),
        Err(_) => None,
    };
    let given = |given: &Option<String>, of: fn(&Settings) -> &String| {
        given.clone().or(known.as_ref().map(|known| of(known).clone()))
    };
    let (Some(address), Some(imap)) =
        (given(address, |known| &known.address), given(imap, |known| &known.imap))
    else {
        return Settings::load(directory);
    };
    Ok(Settings {
        address: identity::address(&address)?.to_string(),
        insecure: *insecure || (of.imap.is_none() && known.as_ref().is_some_and(|known| known.insecure)),
        name: String::new(),
        ca_file: setup::ca_file(ca_file.as_deref())?
            .or(known.as_ref().and_then(|known| known.ca_file.clone())),
        password_command: known.and_then(|known| known.password_command),
        imap,
    })
}

/// An id that no device has.
fn nobodys_id() -> Result<MuaaId, Failure> {
    let mut octets = [0; 8];
    let none = |error| Failure::Failed(format!("the system gives no randomness: {error}"));
    getrandom::fill(&mut octets).map_err(none)?;
    Ok(MuaaId(u64::from_be_bytes(octets)))
}

async fn other(directory: &Path) -> Option<Other> {
    if !directory.exists() {
        // Looking makes nothing.
        return None;
    }
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
