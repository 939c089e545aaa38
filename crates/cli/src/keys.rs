//! Account keys that come from, and go to, programs without SMA.

use std::{
    fs,
    io::{BufRead, IsTerminal, Read, Write},
    path::Path,
};

use sma_autocrypt::{Address, Header, Preference, Source};
use sma_core::{Command, Crypto, Fingerprint, Phase, Secret, Token};
use sma_mime::{NoSetupMessage, SetupMail};
use sma_openpgp::{
    OpenPgp,
    keys::{ImportError, Unusable, addresses, armor_public, is_usable, published, unprotect, with_address},
    setup_message::{self, Hint, Setup, UnlockError},
};
use zeroize::Zeroizing;

use crate::{
    account::Settings, actions::alter, control::Device, failure::Failure, identity::Identity, mail,
    report::Report, shown::Line, status, words,
};

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

/// Takes a secret key as the account's. `yes`: also one of another address.
pub(crate) async fn import(
    directory: &Path,
    password_command: Option<&str>,
    file: &Path,
    yes: bool,
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
    adopt(directory, password_command, Setup { secret, mutual: false }, yes, report).await
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
async fn adopt(
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

/// The public account key, armored: as mails carry it, or as it is kept if nobody could use it now.
pub(crate) fn export_public(directory: &Path, report: &mut Report) -> Result<(), Failure> {
    let settings = Settings::load(directory)?;
    let muaa = status::with_key(directory, &settings)?;
    let address = mail::own_address(directory)?;
    let public = mail::own_key(&muaa, &address);
    let public = public.or_else(|_| status::public_key(&muaa).map(Into::into))?;
    let armored = armor_public(&public);
    report.set("fingerprint", muaa.account().current.map(|key| key.to_string()));
    report.set("public_key", armored.as_str());
    report.write(&armored);
    Ok(())
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
    let address = mail::own_address(directory)?;
    let locked = setup_message::lock(&setup, &address, &random()?)
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
    write_new(out, &mail)?;
    report.set("setup_code", locked.code.as_str());
    report.say(format!(
        "{} is written. Put it into the account's inbox, open it there with the other mail program, and type this code:",
        out.display()
    ));
    report.say(locked.code.as_str());
    report.say("Tell the code to nobody: with it the message opens, and all encrypted mail can be read.");
    Ok(())
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

/// Takes the account's key out of a setup message.
pub(crate) async fn import_setup_message(
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
    let Ok(Hint { begins, .. }) = setup_message::hint(&armored) else {
        return Err(no_setup("is a damaged Autocrypt Setup Message"));
    };
    let begins = if begins.is_empty() { begins } else { format!(" (it begins with {begins})") };
    let code = ask(&format!("Setup code{begins}: "), CODE_VARIABLE)?;
    let setup = match setup_message::unlock(&armored, &code, None) {
        Err(UnlockError::Key(ImportError::PasswordNeeded)) => {
            let prompt = "The code is right. The key inside has a password of its own: ";
            setup_message::unlock(&armored, &code, Some(&ask(prompt, PASSWORD_VARIABLE)?))
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
