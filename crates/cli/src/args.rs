//! What can be typed.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};
use sma_core::{Fingerprint, Hash, MuaaId};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; the message says why, and the same command may be run again
  2  the command line is wrong
  3  a person is needed: a code must be made, typed or typed again, a device must be chosen, a question answered that
     sma status shows, or this device must be paired or brought back first

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
    /// Let a new device in, join as a new device, turn one away, or say whether this one goes over to another group
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
    /// Say that a new device is yours, so that sma status does not name it any more
    Acknowledge {
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
#[command(group = ArgGroup::new("step").required(true).multiple(true).args([
    "offer", "link", "code", "reject", "replaces", "confirm", "decline", "veto"
]))]
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
    /// With --code: the fingerprint of the device that shows it, if several have the same ID
    #[arg(long, value_name = "FINGERPRINT", value_parser = fingerprint, requires = "code",
        conflicts_with_all = ["offer", "link", "reject"])]
    pub(crate) key: Option<Fingerprint>,
    /// On the new device, with --code or before: whose place it takes. If that one is silent, who lets this one in removes it
    #[arg(long, value_name = "ID", value_parser = muaa, conflicts_with = "reject")]
    pub(crate) replaces: Option<MuaaId>,
    /// Do not let this device in
    #[arg(long, value_name = "ID", value_parser = muaa)]
    pub(crate) reject: Option<MuaaId>,
    /// On a device with a group or keys that was let into another group: go there, with all keys and all devices; sma status shows
    /// whose group it is. The other devices of this one's group have a day to veto it
    #[arg(long, conflicts_with_all = ["offer", "link", "code", "reject", "replaces", "decline", "veto"])]
    pub(crate) confirm: bool,
    /// Do not go there, also after --confirm as long as it waits
    #[arg(long, conflicts_with_all = ["offer", "link", "code", "reject", "replaces", "veto"])]
    pub(crate) decline: bool,
    /// Do not let another device take this group over to another one
    #[arg(long, value_name = "MERGE", value_parser = merge,
        conflicts_with_all = ["offer", "link", "code", "reject", "replaces"])]
    pub(crate) veto: Option<Hash>,
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
        /// The file that holds the key, armored or not; - reads the standard input
        file: PathBuf,
        /// Take it although it is a key of another address
        #[arg(long)]
        yes: bool,
    },
    /// Have all devices set an older key aside, and wipe it after 30 days: mail to it cannot be read any more
    Destroy {
        /// The key, as sma status shows it
        #[arg(value_parser = fingerprint)]
        fingerprint: Fingerprint,
    },
    /// Use a key again that was destroyed less than 30 days ago, on all devices
    Restore {
        /// The key, as sma status shows it
        #[arg(value_parser = fingerprint)]
        fingerprint: Fingerprint,
    },
    /// Write an Autocrypt Setup Message: the account's key under a code, for a mail program that knows no SMA
    SetupMessage {
        /// The file to write: a mail, to be put into the account's inbox
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Take the account's key from an Autocrypt Setup Message; its code is asked for
    ImportSetupMessage {
        /// The mail; - reads the standard input
        file: PathBuf,
        /// Take the key although it is one of another address
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum Mail {
    /// Print the Autocrypt header that goes into each of your mails; nothing if Autocrypt is off
    Header {
        /// The address that the mail is from, if it is another one of the account's (sma mail alias)
        #[arg(long, value_name = "ADDRESS")]
        from: Option<String>,
    },
    /// Print the Autocrypt-Gossip headers that go into an encrypted mail to these people
    Gossip {
        /// The mail's recipients in To and Cc; never those in Bcc
        #[arg(required = true)]
        addresses: Vec<String>,
    },
    /// Learn from the Autocrypt and Autocrypt-Gossip headers of a mail that arrived; the other devices are told
    Observe(Observe),
    /// Say that mail was sent to these people: their keys stay known, however much others write
    Sent {
        /// The mail's recipients
        #[arg(required = true)]
        addresses: Vec<String>,
    },
    /// Say whether a mail to these people should be encrypted, and to which keys
    Recommend(Recommend),
    /// Say in each mail whether you prefer encryption: with who says the same it is on by default
    PreferEncrypt {
        /// mutual or nopreference
        #[arg(value_parser = preference, action = clap::ArgAction::Set)]
        preference: bool,
    },
    /// Print the header Autocrypt-Draft-State for a draft that is stored; take it off before the mail is sent
    DraftState {
        /// Whether the mail would be sent encrypted: yes or no
        #[arg(long, value_parser = yes_or_no, action = clap::ArgAction::Set)]
        encrypt: bool,
        /// The user chose so
        #[arg(long)]
        by_choice: bool,
        /// It answers an encrypted mail
        #[arg(long)]
        reply_to_encrypted: bool,
    },
    /// Say that mail of this account goes out under another address as well
    Alias {
        /// The address
        address: String,
        /// It does not any more
        #[arg(long)]
        remove: bool,
    },
    /// Turn Autocrypt on again on this device
    Enable,
    /// Turn Autocrypt off on this device: no header, no recommendation; all keys stay
    Disable,
}

#[derive(Args, Debug)]
pub(crate) struct Observe {
    /// The mail; the headers suffice; - reads the standard input
    pub(crate) file: PathBuf,
    /// When the server received it (IMAP's INTERNALDATE): seconds since 1970, or as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) received: u64,
    /// What was inside an encrypted mail: the decrypted MIME entity with its headers, which count before those outside
    #[arg(long, value_name = "FILE")]
    pub(crate) payload: Option<PathBuf>,
    /// The payload has a signature that holds, by a key that was known before to be of the address in its From
    #[arg(long, requires = "payload")]
    pub(crate) signed: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Recommend {
    /// The mail's recipients
    #[arg(required = true)]
    pub(crate) addresses: Vec<String>,
    /// It answers an encrypted mail
    #[arg(long)]
    pub(crate) reply_to_encrypted: bool,
    /// The draft that is opened again: its header Autocrypt-Draft-State says whether it answers an encrypted mail
    #[arg(long, value_name = "FILE")]
    pub(crate) draft: Option<PathBuf>,
    /// A shell command that gets a certificate on its standard input and ends with 0 if your OpenPGP program can encrypt to it
    #[arg(long, value_name = "CMD")]
    pub(crate) backend_command: Option<String>,
}

fn preference(text: &str) -> Result<bool, String> {
    match text {
        "mutual" => Ok(true),
        "nopreference" => Ok(false),
        _ => Err("neither mutual nor nopreference".to_owned()),
    }
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("neither yes nor no".to_owned()),
    }
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

fn merge(text: &str) -> Result<Hash, String> {
    let octets = hex(text).and_then(|octets| octets.try_into().ok());
    octets
        .map(Hash)
        .ok_or_else(|| "not the name of a merge: 64 hexadecimal digits, as it was announced".to_owned())
}

/// Of version 4 or 6, also in blocks and capitals, as GnuPG writes it.
fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    let octets = hex(text).filter(|octets| [20, 32].contains(&octets.len()));
    octets.and_then(|octets| Fingerprint::new(&octets)).ok_or_else(|| {
        "not a whole fingerprint: 40 or 64 hexadecimal digits, as sma status shows it".to_owned()
    })
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().filter(|character| *character != ' ');
    let digits = digits.map(|digit| digit.to_digit(16)).collect::<Option<Vec<_>>>()?;
    let pairs = digits.chunks_exact(2);
    let whole = pairs.remainder().is_empty();
    let octets = pairs.map(|pair| u8::try_from(pair[0] << 4 | pair[1]).ok());
    octets.collect::<Option<Vec<_>>>().filter(|_| whole)
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
    fn who_is_asked_answers_one_thing_at_a_time() {
        let parses = |words: &[&str]| Arguments::try_parse_from([&["sma", "pair"], words].concat()).is_ok();
        let merge = "a7".repeat(32);
        for words in [&["--confirm"][..], &["--decline"], &["--veto", &merge]] {
            assert!(parses(words), "{words:?}");
            assert!(!parses(&[words, &["--code", "1"]].concat()), "{words:?}");
            assert!(!parses(&[words, &["--offer"]].concat()), "{words:?}");
        }
        assert!(!parses(&["--confirm", "--decline"]));
        assert!(!parses(&["--decline", "--veto", &merge]));
        assert!(!parses(&["--veto", "27"]));
        let key = "a7".repeat(20);
        assert!(
            parses(&["--code", "1", "--key", &key])
                && parses(&["--code", "1", "--from", "27", "--key", &key])
        );
        assert!(!parses(&["--offer", "--key", &key]) && !parses(&["--key", &key]));
    }

    #[test]
    fn what_is_no_merge_or_no_fingerprint_is_told_as_such() {
        assert_eq!(merge(&Hash([0xa7; 32]).to_string()), Ok(Hash([0xa7; 32])));
        assert!(merge(&"a7".repeat(31)).unwrap_err().contains("64 hexadecimal digits"));
        for length in [20, 32] {
            let octets = vec![0xa7; length];
            let read = Fingerprint::new(&octets).unwrap();
            assert_eq!(fingerprint(&read.to_string()), Ok(read));
            assert_eq!(fingerprint(&"A7A7 ".repeat(length / 2)), Ok(read));
        }
        for text in ["", "a7", &"a".repeat(41), &"+a".repeat(20), &"é7".repeat(20)] {
            assert!(fingerprint(text).unwrap_err().contains("40 or 64"), "{text}");
        }
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
