//! What can be typed.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};
use sma_core::MuaaId;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; the message says why, and the same command may be run again
  2  the command line is wrong
  3  a person is needed: a code must be made, typed or typed again, a device must be chosen, or this device must be
     paired or brought back first

Passwords are never arguments. They come from --password-command, else from the variable SMA_PASSWORD, else they are
asked for. SMA_LOG=debug or SMA_LOG=trace logs to the standard error; no secret is logged.";

/// Pairs the mail programs of one mail account, and keeps its keys in step on all of them.
#[derive(Parser, Debug)]
#[command(name = "sma", version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The directory of this device's state; every device needs its own
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Print one JSON object instead of sentences
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// A shell command whose first line of output is the password
    #[arg(long, global = true, value_name = "CMD")]
    pub(crate) password_command: Option<String>,
    #[command(subcommand)]
    pub(crate) action: Action,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Action {
    /// Say which account this device is for, and check that the login works
    Setup(Setup),
    /// Do all there is to do: look for other devices, pair, send and receive
    Sync {
        /// Stop after so many seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 120)]
        limit: u64,
    },
    /// Stay and keep in step until Ctrl-C
    Watch {
        /// Look every so many seconds at what the server does not tell of
        #[arg(long, value_name = "SECONDS", default_value_t = 30)]
        poll: u64,
    },
    /// Say what is known, without connecting
    Status,
    /// Let a new device in, join as a new device, or turn one away
    Pair(Pair),
    /// The devices of the account: remove one, or change this one
    #[command(subcommand)]
    Device(Device),
    /// The account's keys
    #[command(subcommand)]
    Keys(Keys),
    /// What a mail program asks about each mail: headers to write, what a mail tells, whether to encrypt
    #[command(subcommand)]
    Mail(Mail),
}

#[derive(Subcommand, Debug)]
pub(crate) enum Device {
    /// Force a device out for good; the others get a new account key
    Remove {
        /// The device, as sma status shows it
        #[arg(value_parser = muaa)]
        id: MuaaId,
    },
    /// Take this device out for good; it keeps the account's keys
    Leave,
    /// Make this device's folder again after somebody deleted it
    Return,
    /// Do not pair: begin with keys of this device's own although other devices are there
    StartApart,
    /// Call this device something else
    Rename {
        /// The new name
        name: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Setup {
    /// The account's mail address
    #[arg(long)]
    pub(crate) address: String,
    /// The mail server: `imaps://login@host[:port]`; imap:// only to this machine
    #[arg(long, value_name = "URL")]
    pub(crate) imap: String,
    /// What to call this device; your other devices show it
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Allow imap:// to another machine: the password travels in clear
    #[arg(long)]
    pub(crate) insecure: bool,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("step").required(true).multiple(true).args(["offer", "link", "code", "reject", "replaces"]))]
pub(crate) struct Pair {
    /// On a device that is set up: make a code for a new device, for that of the given ID alone if one is given
    #[arg(long, value_name = "ID", value_parser = id, num_args = 0..=1, default_missing_value = "any",
        conflicts_with_all = ["link", "code", "reject", "replaces"])]
    pub(crate) offer: Option<Offered>,
    /// The same with a link and its QR code instead of a code, which also works after too many wrong codes
    #[arg(long, value_name = "ID", value_parser = id, num_args = 0..=1, default_missing_value = "any",
        conflicts_with_all = ["code", "reject", "replaces"])]
    pub(crate) link: Option<Offered>,
    /// On the new device: the code or the link that the other device shows; - reads it from the standard input, where other
    /// users of this computer cannot see it in the list of processes
    #[arg(long, conflicts_with = "reject")]
    pub(crate) code: Option<String>,
    /// With --code: the device that shows it, if several do
    #[arg(long, value_name = "ID", value_parser = muaa, requires = "code", conflicts_with_all = ["offer", "link", "reject"])]
    pub(crate) from: Option<MuaaId>,
    /// On the new device, with --code or before: whose place it takes. If that one is silent, who lets this one in removes it
    #[arg(long, value_name = "ID", value_parser = muaa, conflicts_with = "reject")]
    pub(crate) replaces: Option<MuaaId>,
    /// Do not let this device in
    #[arg(long, value_name = "ID", value_parser = muaa)]
    pub(crate) reject: Option<MuaaId>,
}

/// To whom an offer goes: anyone who has the code, or one device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offered(pub(crate) Option<MuaaId>);

#[derive(Subcommand, Debug)]
pub(crate) enum Keys {
    /// Print the key that mail programs should use
    Export {
        /// The public key, armored; secret keys are not exported
        #[arg(long, required = true)]
        public: bool,
    },
    /// Take an OpenPGP secret key as the account's, as gpg --export-secret-keys writes it; its password is asked for
    Import {
        /// The file that holds the key, armored or not
        file: PathBuf,
    },
    /// Write an Autocrypt Setup Message: the account's key under a code, for a mail program that knows no SMA
    SetupMessage {
        /// The file to write: a mail, to be put into the account's inbox
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Take the account's key from an Autocrypt Setup Message; its code is asked for
    ImportSetupMessage {
        /// The mail
        file: PathBuf,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum Mail {
    /// Print the Autocrypt header that goes into each of your mails
    Header,
    /// Print the Autocrypt-Gossip headers that go into an encrypted mail to these people
    Gossip {
        /// The mail's recipients
        #[arg(required = true)]
        addresses: Vec<String>,
    },
    /// Learn from the Autocrypt header of a mail that arrived; the other devices are told
    Observe {
        /// The mail; the headers suffice
        file: PathBuf,
        /// When the server received it (IMAP's INTERNALDATE): seconds since 1970, or as 2026-01-31T12:00:00Z
        #[arg(long, value_name = "DATE", value_parser = date)]
        received: u64,
    },
    /// Say that mail was sent to these people: their keys stay known, however much others write
    Sent {
        /// The mail's recipients
        #[arg(required = true)]
        addresses: Vec<String>,
    },
    /// Say whether a mail to these people should be encrypted
    Recommend {
        /// The mail's recipients
        #[arg(required = true)]
        addresses: Vec<String>,
        /// It answers an encrypted mail
        #[arg(long)]
        reply_to_encrypted: bool,
    },
}

fn date(text: &str) -> Result<u64, String> {
    let seconds = text.parse().ok().or_else(|| {
        let date = chrono::DateTime::parse_from_rfc3339(text).ok()?;
        u64::try_from(date.timestamp()).ok()
    });
    seconds.ok_or_else(|| "neither seconds since 1970 nor a date as 2026-01-31T12:00:00Z".to_owned())
}

fn id(text: &str) -> Result<Offered, String> {
    if text == "any" { Ok(Offered(None)) } else { muaa(text).map(|id| Offered(Some(id))) }
}

fn muaa(text: &str) -> Result<MuaaId, String> {
    MuaaId::parse(text).ok_or_else(|| "not a device's ID: a number, as sma status shows it".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn an_offer_is_for_anyone_or_for_one() {
        let offer = |words: &[&str]| match Arguments::try_parse_from([&["sma", "pair"], words].concat()) {
            Ok(Arguments { action: Action::Pair(pair), .. }) => pair.offer.map(|offered| offered.0),
            Ok(_) | Err(_) => None,
        };
        assert_eq!(offer(&["--offer"]), Some(None));
        assert_eq!(offer(&["--offer", "27"]), Some(Some(MuaaId(27))));
        assert_eq!(offer(&["--offer", "x"]), None);
        assert_eq!(offer(&["--offer", "--code", "1"]), None);
        assert_eq!(offer(&["--offer", "--link"]), None);
        assert!(Arguments::try_parse_from(["sma", "pair", "--link", "27"]).is_ok());
        assert_eq!(offer(&[]), None);
        assert!(Arguments::try_parse_from(["sma", "pair"]).is_err());
        assert!(Arguments::try_parse_from(["sma", "pair", "--replaces", "27"]).is_ok());
        assert!(Arguments::try_parse_from(["sma", "pair", "--replaces", "27", "--code", "1"]).is_ok());
        assert!(Arguments::try_parse_from(["sma", "pair", "--replaces", "27", "--offer"]).is_err());
        assert!(Arguments::try_parse_from(["sma", "pair", "--code", "1", "--reject", "27"]).is_err());
        assert!(Arguments::try_parse_from(["sma", "pair", "--code", "1", "--from", "27"]).is_ok());
        assert!(Arguments::try_parse_from(["sma", "pair", "--reject", "1", "--from", "27"]).is_err());
    }

    #[test]
    fn a_date_is_seconds_or_rfc_3339() {
        assert_eq!(date("1700000000"), Ok(1_700_000_000));
        assert_eq!(date("2023-11-14T23:13:20+01:00"), Ok(1_700_000_000));
        for text in ["", "yesterday", "-5", "1969-12-31T23:59:59Z", "2023-11-14"] {
            assert!(date(text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_argument_takes_a_password() {
        let mut command = Arguments::command();
        command.build();
        let names =
            command.get_subcommands().flat_map(|sub| sub.get_arguments()).map(|a| a.get_id().to_string());
        assert!(!names.into_iter().any(|name| name == "password"));
    }
}
