//! Account keys that come from, and go to, programs without SMA.

use std::{fs, path::Path};

use sma_core::{Command, Crypto, Fingerprint, Phase, Secret, Token};
use sma_openpgp::{
    OpenPgp,
    keys::{ImportError, expires, is_usable, unprotect},
    setup_message::{self, Hint, Setup},
};
use zeroize::Zeroizing;

use crate::{
    account::Settings, actions::alter, control::Device, failure::Failure, report::Report, status, words,
};

/// What a key is locked with, if nobody is there to be asked.
const CODE_VARIABLE: &str = "SMA_SETUP_CODE";
const PASSWORD_VARIABLE: &str = "SMA_KEY_PASSWORD";

/// The largest file that is read, in octets.
const FILE_MAX: u64 = 4 << 20;

/// Reads a file that a person names.
pub(crate) fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::Failed(format!("cannot read {}: {why}; name another file", file.display()))
    };
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

/// Takes a secret key as the account's.
pub(crate) async fn import(
    directory: &Path,
    password_command: Option<&str>,
    file: &Path,
    report: &mut Report,
) -> Result<(), Failure> {
    let key = read(file)?;
    let secret = match unprotect(&key, None) {
        Err(ImportError::PasswordNeeded) => {
            unprotect(&key, Some(&ask("Password of the key: ", PASSWORD_VARIABLE)?))
        }
        result => result,
    };
    let secret = secret
        .map_err(|error| Failure::Failed(format!("{}: {error}; {}", file.display(), what_to_do(error))))?;
    adopt(directory, password_command, Setup { secret, mutual: false }, report).await
}

fn what_to_do(error: ImportError) -> &'static str {
    match error {
        ImportError::PasswordNeeded | ImportError::WrongPassword => {
            "run it again and give the password under which it was written"
        }
        ImportError::NotAKey => {
            "write the whole key, with a subkey that encrypts, with gpg --export-secret-keys ID; from a card it cannot be had"
        }
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

/// A key that has ended would make no mail to this account possible.
fn has_not_ended(secret: &Secret) -> Result<(), Failure> {
    let key = OpenPgp::new().read_account_key(secret);
    let end = key.ok().and_then(|key| expires(&key.public)).filter(|end| *end <= sma_imap::now());
    let Some(end) = end else { return Ok(()) };
    let why = format!(
        "the key ended on {}: give it a later end with gpg --quick-set-expire, write it again and then take it",
        words::day(end)
    );
    Err(Failure::Failed(why))
}

/// Makes the key the account's on all devices. What mails ask for is changed only if the key came with it.
async fn adopt(
    directory: &Path,
    password_command: Option<&str>,
    setup: Setup,
    report: &mut Report,
) -> Result<(), Failure> {
    let Setup { secret, mutual } = setup;
    has_not_ended(&secret)?;
    let is_known = can_be_used(&secret);
    let mut device = Device::reach(directory, password_command).await?;
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
    if let Ok(muaa) = device.muaa() {
        report.standing(&muaa);
    }
    device.close().await;
    result?;
    report.set("usable", is_known);
    report.say("The key is the account's key now, or will be when this device is paired.");
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

/// Has all devices set a key aside, and wipe it later.
pub(crate) async fn destroy(
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
pub(crate) async fn restore(
    directory: &Path,
    password_command: Option<&str>,
    fingerprint: Fingerprint,
    report: &mut Report,
) -> Result<(), Failure> {
    let then = "The key is used again, on all devices as they hear of it.";
    alter(directory, password_command, Command::RestoreKey { fingerprint }, then, report).await
}

/// Writes the account's key as a setup message.
pub(crate) fn write_setup_message(directory: &Path, out: &Path, report: &mut Report) -> Result<(), Failure> {
    let settings = Settings::load(directory)?;
    let muaa = status::with_key(directory, &settings)?;
    let current = muaa.account().current;
    let secret = current.and_then(|key| muaa.account_secret(&key)).cloned().unwrap_or_default();
    let setup = Setup { secret, mutual: muaa.prefers_encrypt() };
    let locked = setup_message::lock(&setup, &random()?)
        .map_err(|_| Failure::Failed("the account's key cannot be written".to_owned()))?;
    let token = random()?;
    let text = sma_mime::SetupText::default();
    let mail = sma_mime::render_setup_message(
        &settings.address,
        &locked.armored,
        sma_imap::now(),
        Token(token),
        &text,
    );
    fs::write(out, mail)
        .map_err(|error| Failure::Failed(format!("cannot write {}: {error}", out.display())))?;
    report.set("setup_code", locked.code.as_str());
    report.say(format!(
        "{} is written. Put it into the account's inbox, open it there with the other mail program, and type this code:",
        out.display()
    ));
    report.say(locked.code.as_str());
    report.say("Tell the code to nobody: with it the message opens, and all encrypted mail can be read.");
    Ok(())
}

fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets)
        .map_err(|error| Failure::Failed(format!("the system gives no randomness: {error}")))?;
    Ok(octets)
}

/// Takes the account's key out of a setup message.
pub(crate) async fn import_setup_message(
    directory: &Path,
    password_command: Option<&str>,
    file: &Path,
    report: &mut Report,
) -> Result<(), Failure> {
    let mail = read(file)?;
    let armored = sma_mime::parse_setup_message(&mail);
    let hint = armored.as_ref().and_then(|armored| setup_message::hint(armored).ok());
    let Some((armored, Hint { begins, .. })) = armored.zip(hint) else {
        let why =
            "is no Autocrypt Setup Message: save the whole mail, with its headers and attachment, as a file";
        return Err(Failure::Failed(format!("{} {why}", file.display())));
    };
    let begins = if begins.is_empty() { begins } else { format!(" (it begins with {begins})") };
    let code = ask(&format!("Setup code{begins}: "), CODE_VARIABLE)?;
    let setup = setup_message::unlock(&armored, &code).map_err(|_| {
        let why = "the code is wrong, or the message is damaged: look at the code again and retry";
        Failure::NeedsPerson(why.to_owned())
    })?;
    adopt(directory, password_command, setup, report).await
}
