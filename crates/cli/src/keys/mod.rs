//! Account keys that come from, and go to, programs without SMA.
//!
//! `import` takes keys in, `export` gives them out, `gpg` does both with GnuPG's own command line, `list` shows them and says which one is used.

mod export;
mod gpg;
mod import;
mod list;

use std::{
    fs,
    io::{Read, Write},
    path::Path,
};

use sma_autocrypt::{Address, Header, Preference, Source};
use sma_core::Secret;
use sma_openpgp::keys::{ImportError, Unusable, published};
use zeroize::Zeroizing;

use crate::{
    args::{Gpg, Keys, KeysAction},
    failure::Failure,
    report::Report,
    words,
};

/// Does what is asked of the account's keys.
pub(crate) async fn keys(
    directory: &Path,
    password_command: Option<&str>,
    keys: Keys,
    report: &mut Report,
) -> Result<(), Failure> {
    match keys.action.unwrap_or(KeysAction::List) {
        KeysAction::List => list::list(directory, report),
        KeysAction::Use { key, yes } => list::use_key(directory, password_command, &key, yes, report).await,
        KeysAction::Export { public: _, secret: false, key, out } => {
            export::public(directory, key.as_deref(), out.as_deref(), report)
        }
        KeysAction::Export { public: _, secret: true, key, out } => {
            export::secret(directory, key.as_deref(), out.as_deref(), report)
        }
        KeysAction::Import { file, yes } => {
            import::file(directory, password_command, &file, yes, report).await
        }
        KeysAction::Destroy { fingerprint } => {
            list::destroy(directory, password_command, fingerprint, report).await
        }
        KeysAction::Restore { fingerprint } => {
            list::restore(directory, password_command, fingerprint, report).await
        }
        KeysAction::SetupMessage { out } => export::setup_message(directory, &out, report),
        KeysAction::ImportSetupMessage { file, yes } => {
            import::setup_message(directory, password_command, &file, yes, report).await
        }
        KeysAction::Gpg(Gpg::Import { key, yes }) => {
            gpg::import(directory, password_command, key.as_deref(), yes, report).await
        }
        KeysAction::Gpg(Gpg::Export { key }) => gpg::export(directory, key.as_deref(), report),
    }
}

/// What a key is locked with, if nobody is there to be asked.
const CODE_VARIABLE: &str = "SMA_SETUP_CODE";
const PASSWORD_VARIABLE: &str = "SMA_KEY_PASSWORD";

/// The largest file that is read, in octets.
const FILE_MAX: u64 = 4 << 20;

/// Reads a file that a person names; `-` is the standard input.
pub(crate) fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::Failed(format!("cannot read {}: {why}; name another file", file.display()))
    };
    if file == Path::new("-") {
        let mut octets = Zeroizing::new(Vec::new());
        let read = std::io::stdin().lock().take(FILE_MAX + 1).read_to_end(&mut octets);
        let is_small = read.map_err(|error| failed(&error))? as u64 <= FILE_MAX;
        return if is_small { Ok(octets) } else { Err(failed(&"it is too large")) };
    }
    let size = fs::metadata(file).map_err(|error| failed(&error))?.len();
    if size > FILE_MAX {
        return Err(failed(&"it is too large"));
    }
    fs::read(file).map(Zeroizing::new).map_err(|error| failed(&error))
}

/// From the environment, or from the person at the terminal.
fn ask(prompt: &str, variable: &str) -> Result<Secret, Failure> {
    if let Ok(given) = std::env::var(variable) {
        return Ok(Secret::new(given.into_bytes()));
    }
    let typed = rpassword::prompt_password(prompt);
    let typed = typed.map_err(|error| {
        Failure::Failed(format!("nobody to ask: set {variable}, or run this in a terminal ({error})"))
    })?;
    Ok(Secret::new(typed.into_bytes()))
}

fn what_to_do(error: ImportError) -> &'static str {
    match error {
        ImportError::PasswordNeeded | ImportError::WrongPassword => {
            "run it again and give the password under which it was written"
        }
        ImportError::NotAKey => "write the whole key, with gpg --export-secret-keys ID",
        ImportError::PublicOnly => "write the secret key, with gpg --export-secret-keys ID",
        ImportError::Offline => {
            "write it where all of it is, with gpg --export-secret-keys ID (not --export-secret-subkeys)"
        }
        ImportError::OnCard => "a card gives no secret key away: take a backup from before, or another key",
        ImportError::NothingEncrypts | ImportError::SubkeyRevoked => {
            "give it a subkey that encrypts, with gpg --quick-add-key FINGERPRINT cv25519 encr, and write it again"
        }
        ImportError::LibrePgp => "take one of version 4 or 6",
        ImportError::Unknown => {
            "update this program; or take its password off with the program that made it, or take a key of version 6"
        }
        ImportError::TooLarge => {
            "write less of it, with gpg --export-options export-minimal --export-secret-keys ID"
        }
        ImportError::SeveralKeys => "write one alone, with gpg --export-secret-keys ID",
        ImportError::Revoked => "take another one",
    }
}

/// A key to which nobody could encrypt would make no mail to this account possible. What only this program cannot use is carried along.
fn judge(secret: &Secret, address: &Address) -> Result<(), Failure> {
    let now = sma_imap::now();
    let why = match published(secret, address, now) {
        Ok(key) => {
            let header = Header { addr: address.clone(), preference: Preference::Mutual, key };
            let Err(error) = header.render(Source::Header) else { return Ok(()) };
            format!("the key cannot stand in the header of a mail: {error}; take one with smaller parts")
        }
        Err(why) => unusable_sentence(why),
    };
    Err(Failure::Failed(why))
}

/// Why a key of the account cannot be used, and what its owner does about it.
pub(crate) fn unusable_sentence(why: Unusable) -> String {
    let day = |at| words::day(at);
    match why {
        Unusable::Ended(at) => format!(
            "the key ended on {}: give it a later end with gpg --quick-set-expire FINGERPRINT 2y, write it again and then take it",
            day(at)
        ),
        Unusable::SubkeyEnded(at) => format!(
            "the key's subkey that encrypts ended on {}: give it a later end with gpg --quick-set-expire FINGERPRINT 2y SUBKEY, or the \
             key another one with gpg --quick-add-key FINGERPRINT cv25519 encr, write it again and then take it",
            day(at)
        ),
        Unusable::NotYet(at) => {
            format!("the key begins on {}: look at this computer's clock, or wait", words::minute(at))
        }
        Unusable::SubkeyRevoked | Unusable::NothingEncrypts => format!(
            "{why}: give it a subkey that does with gpg --quick-add-key FINGERPRINT cv25519 encr, write it again and then take it"
        ),
        Unusable::Revoked | Unusable::NotAKey | Unusable::UnknownAlgorithm => {
            format!("{why}: take another one")
        }
    }
}

/// Writes a file that was not there before and that nobody else may read.
fn write_new(out: &Path, octets: &[u8]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::Failed(format!("cannot write {}: {error}; name another file", out.display()))
    };
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(out).map_err(failed)?;
    file.write_all(octets).and_then(|()| file.sync_all()).map_err(failed)
}

fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets)
        .map_err(|error| Failure::Failed(format!("the system gives no randomness: {error}")))?;
    Ok(octets)
}
