//! Keys from GnuPG and to it, by its own command line: it finds its keyring and asks for its passwords itself.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use sma_openpgp::setup_message::Setup;
use zeroize::Zeroizing;

use super::{PASSWORD_VARIABLE, export, import};
use crate::{failure::Failure, mail, report::Report};

const PROGRAM: &str = "gpg";
/// The largest key that is taken, in octets.
const KEY_MAX: usize = 4 << 20;

/// Takes a secret key out of GnuPG's keyring as the account's.
pub(super) async fn import(
    directory: &Path,
    password_command: Option<&str>,
    key: Option<&str>,
    yes: bool,
    report: &mut Report,
) -> Result<(), Failure> {
    let address = mail::own_address(directory)?;
    let asked = key.map_or_else(|| format!("<{address}>"), str::to_owned);
    let fingerprint = only(&asked)?;
    let password = std::env::var(PASSWORD_VARIABLE).map(Zeroizing::new).ok();
    // Without the variable GnuPG's own dialog asks for the password, and this program once more, for what it is given is locked with it.
    let by_pipe = ["--pinentry-mode", "loopback", "--passphrase-fd", "0"];
    let by_pipe = if password.is_some() { &by_pipe[..] } else { &[] };
    let arguments = [&["--batch", "--armor"], by_pipe, &["--export-secret-keys", &fingerprint]].concat();
    let line = password.map(|password| Zeroizing::new(format!("{}\n", *password))).unwrap_or_default();
    let exported = Zeroizing::new(run(&arguments, line.as_bytes())?.stdout);
    if exported.is_empty() || exported.len() > KEY_MAX {
        return Err(Failure::Failed(format!(
            "gpg gave no secret key {fingerprint} away: look at gpg --list-secret-keys"
        )));
    }
    let secret = import::unlocked(&exported, &format!("the key {fingerprint} of gpg"))?;
    report.set("fingerprint", fingerprint.to_lowercase());
    import::adopt(directory, password_command, Setup { secret, mutual: false }, yes, report).await
}

/// The fingerprint of the one secret key that GnuPG finds.
fn only(asked: &str) -> Result<String, Failure> {
    let listed = run(&["--batch", "--with-colons", "--list-secret-keys", "--", asked], b"");
    let none = || {
        Failure::known(
            "no-such-key",
            1,
            format!("gpg has no secret key of {asked}: name one that gpg --list-secret-keys shows"),
        )
    };
    // It ends with 2 if it finds none.
    let listed = match listed {
        Ok(output) => output,
        Err(failure) if failure.word() == "no-gpg" => return Err(failure),
        Err(_) => return Err(none()),
    };
    let text = String::from_utf8_lossy(&listed.stdout);
    let mut found = Vec::new();
    let mut is_primary = false;
    for line in text.lines() {
        let mut fields = line.split(':');
        match fields.next() {
            Some("sec") => is_primary = true,
            Some("ssb") => is_primary = false,
            Some("fpr") if is_primary => {
                found.extend(fields.nth(8).map(str::to_owned));
                is_primary = false;
            }
            Some(_) | None => {}
        }
    }
    match &found[..] {
        [] => Err(none()),
        [fingerprint] => Ok(fingerprint.clone()),
        several => {
            let why =
                format!("gpg has several secret keys of {asked}: {}; name one of them", several.join(", "));
            Err(Failure::known("which-key", 3, why))
        }
    }
}

/// Puts a secret key of the account into GnuPG's keyring, under a password, as one that its owner trusts.
pub(super) fn export(directory: &Path, key: Option<&str>, report: &mut Report) -> Result<(), Failure> {
    // Who has no GnuPG is told before a password is asked for.
    run(&["--version"], b"")?;
    let (fingerprint, armored) = export::locked(directory, key)?;
    run(&["--batch", "--import"], armored.as_bytes())?;
    let trust = format!("{}:6:\n", fingerprint.to_string().to_uppercase());
    run(&["--batch", "--import-ownertrust"], trust.as_bytes())?;
    report.set("fingerprint", fingerprint.to_string());
    report.say(format!(
        "gpg has the secret key {fingerprint} now, under the password: gpg --list-secret-keys {fingerprint}"
    ));
    Ok(())
}

fn run(arguments: &[&str], input: &[u8]) -> Result<Output, Failure> {
    let failed = |why: String| Failure::Failed(why);
    let mut command = Command::new(PROGRAM);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().map_err(|error| {
        Failure::known(
            "no-gpg",
            1,
            format!("gpg cannot be run: {error}; install GnuPG, or use sma keys import and sma keys export"),
        )
    })?;
    if let Some(mut stdin) = process.stdin.take() {
        // One that reads nothing ends before.
        let _ = stdin.write_all(input);
    }
    let output = process.wait_with_output().map_err(|error| failed(format!("gpg did not end: {error}")))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().last().unwrap_or("it said nothing").trim_start_matches("gpg: ").to_owned();
    Err(failed(format!("gpg refused: {said}")))
}
