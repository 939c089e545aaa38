//! Keys that come in: a file of another OpenPGP program, or a setup message of another mail program.

use std::{
    io::{BufRead, IsTerminal, Read, Write},
    path::Path,
};

use sma_autocrypt::Address;
use sma_core::{Command, Crypto, Phase, Secret};
use sma_mime::{NoSetupMessage, SetupMail};
use sma_openpgp::{
    OpenPgp,
    keys::{ImportError, addresses, is_usable, unprotect, with_address},
    setup_message::{self as messages, Hint, Setup, UnlockError},
};

use super::{CODE_VARIABLE, PASSWORD_VARIABLE, ask, judge, read, what_to_do};
use crate::{control::Device, failure::Failure, identity::Identity, mail, report::Report, shown::Line};

/// Takes a secret key as the account's. `yes`: also one of another address.
pub(super) async fn file(
    directory: &Path,
    password_command: Option<&str>,
    file: &Path,
    yes: bool,
    report: &mut Report,
) -> Result<(), Failure> {
    let key = read(file)?;
    let secret = unlocked(&key, &file.display().to_string())?;
    adopt(directory, password_command, Setup { secret, mutual: false }, yes, report).await
}

/// The secret key in these octets; the password that it may have is asked for.
pub(super) fn unlocked(key: &[u8], from: &str) -> Result<Secret, Failure> {
    let secret = match unprotect(key, None) {
        Err(ImportError::PasswordNeeded) => {
            unprotect(key, Some(&ask("Password of the key: ", PASSWORD_VARIABLE)?))
        }
        result => result,
    };
    secret.map_err(|error| Failure::Failed(format!("{from}: {error}; {}", what_to_do(error))))
}

/// A key that says to be somebody else's is taken only if the person wants it; it gets a user id of the account's address.
fn of_the_account(secret: &Secret, address: &Address, yes: bool) -> Result<Secret, Failure> {
    let others = addresses(secret);
    if !yes && !others.is_empty() && !others.contains(address) {
        let others = others.iter().map(Address::as_str).collect::<Vec<_>>().join(", ");
        let question = format!("The key is of {others}, and this account is {address}.");
        if !confirmed(&format!("{question} Take it all the same? [y/N] "))? {
            return Err(Failure::NeedsPerson(format!(
                "{question} To take it all the same, run this again with --yes"
            )));
        }
    }
    Ok(with_address(secret, address))
}

/// Asks the person at the terminal; nobody there says no.
fn confirmed(question: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    let failed = |error| Failure::Failed(format!("cannot ask: {error}; run this again with --yes"));
    let mut errors = std::io::stderr();
    write!(errors, "{}", Line::text(question).as_str()).and_then(|()| errors.flush()).map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().lock().take(64).read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Makes the key the account's on all devices. What mails ask for is changed only if the key came with it.
pub(super) async fn adopt(
    directory: &Path,
    password_command: Option<&str>,
    setup: Setup,
    yes: bool,
    report: &mut Report,
) -> Result<(), Failure> {
    let Setup { secret, mutual } = setup;
    let address = mail::own_address(directory)?;
    judge(&secret, &address)?;
    let secret = of_the_account(&secret, &address, yes)?;
    let is_known = can_be_used(&secret);
    let mut device = Device::reach(directory, password_command).await?;
    let before = device.muaa().ok().and_then(|muaa| muaa.account().current);
    let result = async {
        // Before there is a group, the key is used in the place of a fresh one; so nothing is done before.
        device.command(Command::AdoptKey { secret }, report).await?;
        let muaa = device.muaa()?;
        let has_settings = matches!(muaa.phase(), Phase::Alone | Phase::Paired);
        if mutual && has_settings && !muaa.prefers_encrypt() {
            device.command(Command::SetPreferEncrypt { mutual }, report).await?;
        }
        Ok::<_, Failure>(())
    }
    .await;
    let (mut after, mut is_used, mut words) = (None, false, "");
    if let Ok(muaa) = device.muaa() {
        report.standing(&muaa);
        after = muaa.account().current;
        is_used = matches!(muaa.phase(), Phase::Alone | Phase::Paired);
        words = match muaa.phase() {
            Phase::Alone | Phase::Paired => "The account has no key yet.",
            Phase::Discovering => "The key is the account's key once sma sync has looked for other devices.",
            Phase::Unpaired | Phase::Requesting => {
                "This device brings the key along when it is paired, which asks you before. Until then no device uses it."
            }
            Phase::Suspended | Phase::Removed | Phase::Left => "The key is kept here.",
        };
    }
    device.close().await;
    result?;
    report.set("usable", is_known);
    match after.filter(|_| is_used) {
        Some(key) => report.say_last(&format!("Mail uses the key {key} now.")),
        None => report.say(words),
    }
    if let Some(before) = before.filter(|before| Some(*before) != after) {
        report.say(format!("The key so far opens old mail. To go back to it: sma keys use {before}"));
    }
    if !is_known {
        report.say(
            "This program does not know its algorithms: it carries the key along, and only who has a program that knows them can \
             encrypt to this account.",
        );
    }
    Ok(())
}

/// Whether this program itself could encrypt to the key.
fn can_be_used(secret: &Secret) -> bool {
    let key = OpenPgp::new().read_account_key(secret);
    key.is_ok_and(|key| is_usable(&key.public, sma_imap::now()))
}

/// Takes the account's key out of a setup message.
pub(super) async fn setup_message(
    directory: &Path,
    password_command: Option<&str>,
    file: &Path,
    yes: bool,
    report: &mut Report,
) -> Result<(), Failure> {
    let mail = read(file)?;
    let no_setup = |why: &str| {
        Failure::Failed(format!(
            "{} {why}: save the whole mail, with its headers and attachment, as a file",
            file.display()
        ))
    };
    let SetupMail { armored, address } = sma_mime::parse_setup_message(&mail).map_err(|why| match why {
        NoSetupMessage::NotOne => no_setup("is no Autocrypt Setup Message, or one of another version"),
        NoSetupMessage::Malformed => no_setup("is a damaged Autocrypt Setup Message"),
    })?;
    let Ok(Hint { begins, .. }) = messages::hint(&armored) else {
        return Err(no_setup("is a damaged Autocrypt Setup Message"));
    };
    let begins = if begins.is_empty() { begins } else { format!(" (it begins with {begins})") };
    let code = ask(&format!("Setup code{begins}: "), CODE_VARIABLE)?;
    let setup = match messages::unlock(&armored, &code, None) {
        Err(UnlockError::Key(ImportError::PasswordNeeded)) => {
            let prompt = "The code is right. The key inside has a password of its own: ";
            messages::unlock(&armored, &code, Some(&ask(prompt, PASSWORD_VARIABLE)?))
        }
        result => result,
    };
    let setup = setup.map_err(|error| match error {
        UnlockError::WrongCode => Failure::NeedsPerson(format!("{error}: look at the code again and retry")),
        UnlockError::Key(key @ (ImportError::PasswordNeeded | ImportError::WrongPassword)) => {
            Failure::Failed(format!("{error}; {}", what_to_do(key)))
        }
        UnlockError::Key(key) => {
            Failure::Failed(format!("{error}; in the program that has it: {}", what_to_do(key)))
        }
    })?;
    let identity = Identity::load(directory)?;
    if !yes && !address.as_ref().is_some_and(|address| identity.is_own(address)) {
        let whose = address
            .map_or_else(|| "not from and to one account".to_owned(), |address| format!("of {address}"));
        let why = format!(
            "the setup message is {whose}, and this account is {}: to take its key all the same, run this again with --yes",
            identity.address
        );
        return Err(Failure::NeedsPerson(why));
    }
    adopt(directory, password_command, setup, yes, report).await
}
