//! The account's keys, and which one mail uses.

use std::path::Path;

use serde_json::json;
use sma_autocrypt::Address;
use sma_core::{AccountKey, Command, Crypto, Fingerprint, Muaa, Secret, Timestamp};
use sma_openpgp::{
    OpenPgp,
    keys::{Unusable, addresses, expires, unusable},
};

use super::judge;
use crate::{
    account::Settings, actions::alter, asked, failure::Failure, mail, question, report::Report, status, words,
};

/// So few digits of a fingerprint mean a key, at least.
const DIGITS_MIN: usize = 4;

/// Lists the keys that this device has, the one that mail uses first.
pub(super) fn list(directory: &Path, report: &mut Report) -> Result<(), Failure> {
    let muaa = status::with_key(directory, &Settings::load(directory)?)?;
    report.standing(&muaa);
    let account = muaa.account();
    let mut keys = account.keys.clone();
    keys.sort_by_key(|key| (account.current != Some(*key), *key));
    let mut values = Vec::new();
    for fingerprint in keys {
        let secret = muaa.account_secret(&fingerprint).cloned().unwrap_or_default();
        let shown = Shown::of(&secret);
        let is_current = account.current == Some(fingerprint);
        let state = if is_current { "current" } else { "old" };
        values.push(json!({
            "fingerprint": fingerprint.to_string(),
            "state": state,
            "addresses": shown.addresses.iter().map(Address::as_str).collect::<Vec<_>>(),
            "created": shown.created.map(Timestamp::as_secs),
            "ends": shown.ends.map(Timestamp::as_secs),
            "usable": shown.unusable.is_none(),
        }));
        let what = if is_current { "mail uses it" } else { "it opens old mail" };
        report.say(format!("{fingerprint}  {what}"));
        report.say(format!("    {}", shown.line()));
    }
    report.set("keys", values);
    asked::set_aside(&muaa, report);
    Ok(())
}

/// What a person is shown of a key.
struct Shown {
    addresses: Vec<Address>,
    created: Option<Timestamp>,
    ends: Option<Timestamp>,
    unusable: Option<Unusable>,
}

impl Shown {
    fn of(secret: &Secret) -> Self {
        let read = read(secret).ok();
        let public = read.as_ref().map(|key| key.public.clone()).unwrap_or_default();
        Self {
            addresses: addresses(secret),
            created: read.map(|key| key.created),
            ends: expires(&public),
            unusable: unusable(&public, sma_imap::now()),
        }
    }

    fn line(&self) -> String {
        let addresses = self.addresses.iter().map(Address::as_str).collect::<Vec<_>>().join(", ");
        let of = if addresses.is_empty() { "of no address".to_owned() } else { format!("of {addresses}") };
        let made = self.created.map(|at| format!(", made on {}", words::day(at))).unwrap_or_default();
        let ends =
            self.ends.map_or_else(|| "does not end".to_owned(), |at| format!("ends on {}", words::day(at)));
        let why = self.unusable.map(|why| format!("; nobody can encrypt to it: {why}")).unwrap_or_default();
        format!("{of}{made}, {ends}{why}")
    }
}

/// A key as this program reads it.
pub(super) fn read(secret: &Secret) -> Result<AccountKey, Failure> {
    let unknown =
        |_| Failure::Failed("this program does not know the algorithms of that key: update it".to_owned());
    OpenPgp::new().read_account_key(secret).map_err(unknown)
}

/// The key that a person means by its fingerprint or the first digits of that.
pub(super) fn find(muaa: &Muaa<OpenPgp>, typed: &str) -> Result<Fingerprint, Failure> {
    let digits: String =
        typed.chars().filter(|character| *character != ' ').flat_map(char::to_lowercase).collect();
    let keys = muaa.account().keys;
    let is_meant = |key: &&Fingerprint| digits.len() >= DIGITS_MIN && key.to_string().starts_with(&digits);
    let meant: Vec<_> = keys.iter().filter(is_meant).collect();
    let list = |keys: &[&Fingerprint]| keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match meant[..] {
        [key] => Ok(*key),
        [] => {
            let known = list(&keys.iter().collect::<Vec<_>>());
            let why = format!(
                "no key of the account begins with {typed}: type {DIGITS_MIN} digits or more; there are {known}"
            );
            Err(Failure::known("no-such-key", 1, why))
        }
        _ => {
            let why = format!("{typed} may be one of several keys: {}; type more digits", list(&meant));
            Err(Failure::known("which-key", 3, why))
        }
    }
}

/// Makes another key of the account the one that mail uses, on all devices.
pub(super) async fn use_key(
    directory: &Path,
    password_command: Option<&str>,
    typed: &str,
    yes: bool,
    report: &mut Report,
) -> Result<(), Failure> {
    let muaa = status::with_key(directory, &Settings::load(directory)?)?;
    let key = find(&muaa, typed)?;
    let before = muaa.account().current;
    report.set("fingerprint", key.to_string());
    if before == Some(key) {
        report.standing(&muaa);
        report.say(format!("Mail uses the key {key} already."));
        return Ok(());
    }
    let secret = muaa.account_secret(&key).cloned().unwrap_or_default();
    judge(&secret, &mail::own_address(directory)?)?;
    let asks = format!("Mail of this account, on all devices, will use the key {key}. Use it?");
    question::confirm(&asks, yes).await?;
    let undo = before.map(|before| format!(" To go back: sma keys use {before}")).unwrap_or_default();
    let then = format!("Mail uses the key {key} now.{undo}");
    alter(directory, password_command, Command::AdoptKey { secret }, &then, report).await
}

/// Has all devices set a key aside, and wipe it later.
pub(super) async fn destroy(
    directory: &Path,
    password_command: Option<&str>,
    fingerprint: Fingerprint,
    report: &mut Report,
) -> Result<(), Failure> {
    let then = format!(
        "The key is set aside on all devices, which read no mail to it any more and wipe it after 30 days. Until then any of them \
         undoes this: sma keys restore {fingerprint}"
    );
    alter(directory, password_command, Command::DestroyKey { fingerprint }, &then, report).await
}

/// Undoes the destruction of a key that is not wiped yet.
pub(super) async fn restore(
    directory: &Path,
    password_command: Option<&str>,
    fingerprint: Fingerprint,
    report: &mut Report,
) -> Result<(), Failure> {
    let then = "The key is used again, on all devices as they hear of it.";
    alter(directory, password_command, Command::RestoreKey { fingerprint }, then, report).await
}
