//! Which keys can be used: those that this program knows, or those that the caller's own program says that it can encrypt to.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io::Write,
    process::{Command, Stdio},
};

use sma_core::Timestamp;
use sma_openpgp::keys::{Unusable, unusable};

/// Who judges keys.
pub(crate) struct Backend {
    now: Timestamp,
    /// A shell command that gets a certificate on its standard input and ends with 0 if it can encrypt to it.
    command: Option<String>,
    /// What it said.
    said: RefCell<BTreeMap<Vec<u8>, bool>>,
}

impl Backend {
    pub(crate) fn new(now: Timestamp, command: Option<String>) -> Self {
        Self { now, command, said: RefCell::default() }
    }

    /// Why a key cannot be used now; `None` if it can. A command is asked of what only this program does not know: it has no say in what has
    /// ended or was revoked.
    pub(crate) fn unusable(&self, key: &[u8]) -> Option<Unusable> {
        match (unusable(key, self.now), &self.command) {
            (Some(Unusable::UnknownAlgorithm), Some(command)) if self.can(command, key) => None,
            (None, Some(command)) if !self.can(command, key) => Some(Unusable::UnknownAlgorithm),
            (why, _) => why,
        }
    }

    fn can(&self, command: &str, key: &[u8]) -> bool {
        let mut said = self.said.borrow_mut();
        *said.entry(key.to_vec()).or_insert_with(|| ask(command, key))
    }
}

fn ask(command: &str, key: &[u8]) -> bool {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).stdin(Stdio::piped()).stdout(Stdio::null());
    let Ok(mut child) = shell.spawn() else { return false };
    if let Some(mut input) = child.stdin.take() {
        // Who does not read all of it may still have decided.
        let _ = input.write_all(key);
    }
    child.wait().is_ok_and(|status| status.success())
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
        assert_eq!(says(now, Some("cat >/dev/null; exit 2")), Some(Unusable::UnknownAlgorithm));
        assert_eq!(says(now, Some("exit 1")), Some(Unusable::UnknownAlgorithm));
        let before = Timestamp::from_secs(1_600_000_000);
        assert_eq!(says(before, Some("true")), Some(Unusable::NotYet(now)));
    }
}
