//! Who the account is in mail: whether Autocrypt is on, and under which other addresses mail goes out. It is this device's own, in
//! `autocrypt.json` in the state directory; without that file Autocrypt is on, and there are no others.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};
use sma_autocrypt::Address;
use sma_imap::replace_file;

use crate::{account::Settings, failure::Failure, report::Report};

const FILE: &str = "autocrypt.json";

/// How many other addresses an account has at most.
const ALIASES_MAX: usize = 100;

/// The account's addresses, and whether Autocrypt is on for them (Level 1: `accounts[addr].enabled`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Identity {
    pub(crate) address: Address,
    kept: Kept,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    enabled: bool,
    aliases: Vec<String>,
}

impl Identity {
    pub(crate) fn load(directory: &Path) -> Result<Self, Failure> {
        let address = address(&Settings::load(directory)?.address)?;
        let path = directory.join(FILE);
        let failed = |why: &dyn std::fmt::Display| {
            Failure::Failed(format!(
                "cannot read {}: {why}; delete it, which turns Autocrypt on",
                path.display()
            ))
        };
        let kept = match fs::read(&path) {
            Ok(octets) => serde_json::from_slice(&octets).map_err(|error| failed(&error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Kept { enabled: true, aliases: Vec::new() }
            }
            Err(error) => return Err(failed(&error)),
        };
        Ok(Self { address, kept })
    }

    fn save(&self, directory: &Path) -> Result<(), Failure> {
        let octets =
            serde_json::to_vec_pretty(&self.kept).map_err(|error| Failure::Failed(error.to_string()))?;
        Ok(replace_file(directory, FILE, &octets)?)
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.kept.enabled
    }

    /// Whether this is the account's address, or one of its others.
    pub(crate) fn is_own(&self, other: &Address) -> bool {
        *other == self.address || self.kept.aliases.iter().any(|alias| alias == other.as_str())
    }

    /// The address under which a mail goes out, if it is one of the account's.
    pub(crate) fn sender(&self, from: Option<&str>) -> Result<Address, Failure> {
        let Some(from) = from else { return Ok(self.address.clone()) };
        let from = address(from)?;
        if self.is_own(&from) {
            return Ok(from);
        }
        let why =
            format!("{from} is no address of this account: if it is, tell so with sma mail alias {from}");
        Err(Failure::Failed(why))
    }
}

/// An address as a person typed it: also one of another alphabet, whose domain goes by IDNA.
pub(crate) fn address(text: &str) -> Result<Address, Failure> {
    Address::parse(text)
        .ok_or_else(|| Failure::Usage(format!("{text} is no mail address: write anna@example.org")))
}

/// Turns Autocrypt on or off here; keys stay.
pub(crate) fn enable(directory: &Path, enabled: bool, report: &mut Report) -> Result<(), Failure> {
    let mut identity = Identity::load(directory)?;
    identity.kept.enabled = enabled;
    identity.save(directory)?;
    report.set("enabled", enabled);
    report.say(if enabled {
        "Autocrypt is on: mails carry the header again, with the same key."
    } else {
        "Autocrypt is off on this device: mails carry no header, and none is recommended to be encrypted. The keys stay, and mail \
         to them can be read."
    });
    Ok(())
}

/// Says that mail goes out under this address as well, or does not any more.
pub(crate) fn alias(directory: &Path, text: &str, remove: bool, report: &mut Report) -> Result<(), Failure> {
    let alias = address(text)?;
    let mut identity = Identity::load(directory)?;
    identity.kept.aliases.retain(|other| other != alias.as_str());
    if !remove && alias != identity.address {
        if identity.kept.aliases.len() >= ALIASES_MAX {
            return Err(Failure::Failed(format!(
                "there are {ALIASES_MAX} already: take one away with --remove"
            )));
        }
        identity.kept.aliases.push(alias.to_string());
    }
    identity.save(directory)?;
    report.set("aliases", identity.kept.aliases.clone());
    report.say(if remove {
        format!("{alias} is none of the account's addresses.")
    } else {
        format!("{alias} is an address of this account: sma mail header --from {alias} writes its header.")
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_mail_address_is_refused() {
        for text in ["anna@example.org", "änna@exämple.org", "anna+x@example.org"] {
            assert!(address(text).is_ok(), "{text}");
        }
        for text in ["", "anna", "@example.org", "anna@", "a b@example.org", "<a@example.org>", "a@b@c"] {
            assert_eq!(address(text).unwrap_err().code(), 2, "{text}");
        }
    }
}
