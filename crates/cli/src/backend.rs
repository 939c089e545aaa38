//! Which keys can be used: those that this program knows, or those that the caller's own program says that it can encrypt to.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt,
    io::Write,
    process::{Command, Stdio},
};

use sma_core::Timestamp;
use sma_openpgp::keys::{Unusable, unusable};

use crate::failure::Failure;

/// Why a key cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Why {
    /// What the key says of itself, or what this program does not know.
    Key(Unusable),
    /// The caller's program said so.
    Backend,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(why) => why.fmt(f),
            Self::Backend => f.write_str("the program of --backend-command does not take it"),
        }
    }
}

/// Who judges keys.
pub(crate) struct Backend {
    now: Timestamp,
    /// A shell command that gets a certificate on its standard input and ends with 0 if it can encrypt to it, else with a number below 126.
    command: Option<String>,
    /// What it said.
    said: RefCell<BTreeMap<Vec<u8>, bool>>,
    /// How it failed to say anything.
    failed: RefCell<Option<String>>,
}

impl Backend {
    pub(crate) fn new(now: Timestamp, command: Option<String>) -> Self {
        Self { now, command, said: RefCell::default(), failed: RefCell::default() }
    }

    /// Why a key cannot be used now; `None` if it can. A command is asked of what only this program does not know: it has no say in what has
    /// ended or was revoked.
    pub(crate) fn unusable(&self, key: &[u8]) -> Option<Why> {
        match (unusable(key, self.now), &self.command) {
            (None | Some(Unusable::UnknownAlgorithm), Some(command)) => {
                (!self.can(command, key)).then_some(Why::Backend)
            }
            (why, _) => why.map(Why::Key),
        }
    }

    /// What it said is worth nothing if the command failed.
    pub(crate) fn checked(&self) -> Result<(), Failure> {
        self.failed.borrow().as_ref().map_or(Ok(()), |how| {
            let why = format!(
                "the command of --backend-command {how}: write one that reads a key from its standard input and ends with 0 if it can \
                 encrypt to it, else with 1"
            );
            Err(Failure::Failed(why))
        })
    }

    fn can(&self, command: &str, key: &[u8]) -> bool {
        let mut said = self.said.borrow_mut();
        let new = || {
            ask(command, key).unwrap_or_else(|how| {
                self.failed.borrow_mut().get_or_insert(how);
                false
            })
        };
        *said.entry(key.to_vec()).or_insert_with(new)
    }
}

/// What the command says; else how it failed. A shell ends with 126 or 127 if there is no such program.
fn ask(command: &str, key: &[u8]) -> Result<bool, String> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = shell.spawn().map_err(|error| format!("was not started ({error})"))?;
    if let Some(mut input) = child.stdin.take() {
        // Who does not read all of it may still have decided.
        let _ = input.write_all(key);
    }
    let status = child.wait().map_err(|error| format!("was lost ({error})"))?;
    match status.code() {
        Some(code @ 0..126) => Ok(code == 0),
        Some(code) => Err(format!("was not done (it ended with {code})")),
        None => Err("was killed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use sma_core::Crypto;
    use sma_openpgp::OpenPgp;

    use super::*;

    #[test]
    fn a_command_decides_on_what_can_be_used_and_not_on_what_has_ended() {
        let now = Timestamp::from_secs(1_700_000_000);
        let key = OpenPgp::new().new_account_key("anna@example.org", &[1; 32], now).unwrap();
        let says =
            |now, command: Option<&str>| Backend::new(now, command.map(str::to_owned)).unusable(&key.public);
        assert_eq!(says(now, None), None);
        assert_eq!(says(now, Some("cat >/dev/null")), None);
        assert_eq!(says(now, Some("cat >/dev/null; exit 2")), Some(Why::Backend));
        assert_eq!(says(now, Some("exit 1")), Some(Why::Backend));
        let before = Timestamp::from_secs(1_600_000_000);
        assert_eq!(says(before, Some("true")), Some(Why::Key(Unusable::NotYet(now))));
    }

    #[test]
    fn a_command_that_fails_is_said_to_have_failed_and_no_key_is_blamed() {
        let now = Timestamp::from_secs(1_700_000_000);
        let key = OpenPgp::new().new_account_key("anna@example.org", &[1; 32], now).unwrap();
        let asked = |command: &str| {
            let backend = Backend::new(now, Some(command.to_owned()));
            let why = backend.unusable(&key.public);
            (why, backend.checked().map_err(|failure| failure.sentence().to_owned()))
        };
        assert_eq!(asked("exit 1"), (Some(Why::Backend), Ok(())));
        for (command, how) in [
            ("no-such-program-anywhere 2>/dev/null", "was not done (it ended with 127)"),
            ("exit 126", "was not done (it ended with 126)"),
            ("kill -9 $$", "was killed"),
        ] {
            let (_, checked) = asked(command);
            let sentence = checked.unwrap_err();
            assert!(sentence.contains("--backend-command") && sentence.contains(how), "{sentence}");
        }
    }
}
