//! Keys that go out: the public one, a secret one under a password, a setup message.

use std::path::Path;

use sma_core::{Fingerprint, Muaa, Secret, Token};
use sma_openpgp::{
    OpenPgp,
    keys::{ExportError, armor_public, export_protected, published},
    setup_message::{self as messages, Setup},
};
use zeroize::Zeroizing;

use super::{PASSWORD_VARIABLE, ask, list, random, write_new};
use crate::{account::Settings, failure::Failure, mail, report::Report, status};

/// The public account key, armored: as mails carry it, or as it is kept if nobody could use it now.
pub(super) fn public(
    directory: &Path,
    typed: Option<&str>,
    out: Option<&Path>,
    report: &mut Report,
) -> Result<(), Failure> {
    let muaa = status::with_key(directory, &Settings::load(directory)?)?;
    let (fingerprint, secret) = meant(&muaa, typed)?;
    let address = mail::own_address(directory)?;
    let public = match published(&secret, &address, sma_imap::now()) {
        Ok(public) => public,
        Err(_) => list::read(&secret)?.public,
    };
    let armored = armor_public(&public);
    report.set("fingerprint", fingerprint.to_string());
    if let Some(out) = out.filter(|out| *out != Path::new("-")) {
        write_new(out, armored.as_bytes())?;
        report.say(format!("The public key {fingerprint} is in {}.", out.display()));
        return Ok(());
    }
    report.set("public_key", armored.as_str());
    report.write(&armored);
    Ok(())
}

/// A secret key under a password, as other OpenPGP programs import it.
pub(super) fn secret(
    directory: &Path,
    typed: Option<&str>,
    out: Option<&Path>,
    report: &mut Report,
) -> Result<(), Failure> {
    let Some(out) = out else {
        let why =
            "a secret key goes into a file: name one with --out FILE, or --out - for the standard output";
        return Err(Failure::Usage(why.to_owned()));
    };
    let (fingerprint, armored) = locked(directory, typed)?;
    report.set("fingerprint", fingerprint.to_string());
    if out == Path::new("-") {
        report.set("secret_key", armored.as_str());
        report.write(&armored);
        return Ok(());
    }
    write_new(out, armored.as_bytes())?;
    report.say(format!(
        "The secret key {fingerprint} is in {}, under the password. Whoever has both reads the account's mail.",
        out.display()
    ));
    Ok(())
}

/// A secret key of the account, armored under a password that is asked for.
pub(super) fn locked(
    directory: &Path,
    typed: Option<&str>,
) -> Result<(Fingerprint, Zeroizing<String>), Failure> {
    let muaa = status::with_key(directory, &Settings::load(directory)?)?;
    let (fingerprint, secret) = meant(&muaa, typed)?;
    let password = new_password()?;
    let armored = export_protected(&secret, &password, &random()?).map_err(|error| match error {
        ExportError::EmptyPassword => {
            Failure::Usage("an empty password protects nothing: give one that nobody guesses".to_owned())
        }
        ExportError::NotAKey => Failure::Failed(format!(
            "this program does not know the algorithms of {fingerprint}, and cannot lock it"
        )),
    })?;
    Ok((fingerprint, armored))
}

/// Typed twice: with a mistake in it the key would be lost.
fn new_password() -> Result<Secret, Failure> {
    let password = ask("New password for the key: ", PASSWORD_VARIABLE)?;
    if std::env::var_os(PASSWORD_VARIABLE).is_none()
        && ask("The same again: ", PASSWORD_VARIABLE)? != password
    {
        return Err(Failure::Failed("the passwords differ: run it again".to_owned()));
    }
    Ok(password)
}

/// The key that a person means, the one that mail uses if none is named.
fn meant(muaa: &Muaa<OpenPgp>, typed: Option<&str>) -> Result<(Fingerprint, Secret), Failure> {
    let fingerprint = match typed {
        Some(typed) => list::find(muaa, typed)?,
        None => muaa.account().current.ok_or_else(status::no_key)?,
    };
    let secret = muaa.account_secret(&fingerprint).cloned();
    let gone = || {
        Failure::known(
            "no-such-key",
            1,
            format!("the key {fingerprint} is set aside: sma keys restore {fingerprint} first"),
        )
    };
    Ok((fingerprint, secret.ok_or_else(gone)?))
}

/// Writes the account's key as a setup message.
pub(super) fn setup_message(directory: &Path, out: &Path, report: &mut Report) -> Result<(), Failure> {
    if out == Path::new("-") {
        let why =
            "the code stands on the standard output, so the mail goes into a file: name a file with --out";
        return Err(Failure::Usage(why.to_owned()));
    }
    let settings = Settings::load(directory)?;
    let muaa = status::with_key(directory, &settings)?;
    let current = muaa.account().current;
    let secret = current.and_then(|key| muaa.account_secret(&key)).cloned().unwrap_or_default();
    let setup = Setup { secret, mutual: muaa.prefers_encrypt() };
    let address = mail::own_address(directory)?;
    let locked = messages::lock(&setup, &address, &random()?)
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
