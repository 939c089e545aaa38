//! What can be typed.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, value_parser};
use sma_core::{Fingerprint, Hash};

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed; the message says why, and the same command may be run again
  2    the command line is wrong
  3    a person is needed: to type a code, to choose a device, to answer a
       question that sma status shows, or to pair this device first
  130  Ctrl-C ended a wait; the same command goes on from there

Passwords are never arguments. They come from --password-command, else from
the variable SMA_PASSWORD, else they are asked for. The state is in
~/.local/state/sma, or where --state says. SMA_LOG=debug or SMA_LOG=trace logs
to the standard error; no secret is logged. SSL_CERT_FILE names a file of
further certificate authorities to trust.";

/// Pairs the mail programs of one mail account, and keeps its keys in step on
/// all of them.
#[derive(Parser, Debug)]
#[command(name = "sma", version, after_help = EXIT_CODES, max_term_width = 80)]
pub(crate) struct Arguments {
    /// The directory of this device's state; every device needs its own
    #[arg(long, global = true, value_name = "DIR", help_heading = EVERYWHERE)]
    pub(crate) state: Option<PathBuf>,
    /// Print JSON instead of sentences (docs/json.md)
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
    /// A shell command whose first line of output is the password; sma setup
    /// keeps it for all commands
    #[arg(long, global = true, value_name = "CMD", help_heading = EVERYWHERE)]
    pub(crate) password_command: Option<String>,
    #[command(subcommand)]
    pub(crate) action: Action,
}

/// Over the options that each command takes.
const EVERYWHERE: &str = "Options of every command";

#[derive(Subcommand, Debug)]
pub(crate) enum Action {
    /// Say which account this device is for, and look for other devices
    Setup(Setup),
    /// Add a device: show a code here, or type here the code of another device
    ///
    /// On a device in use, without a code: shows one, and stays until the new
    /// device is in. On the new device, with that code: stays until it is in.
    /// Ctrl-C ends the wait and nothing else; the same command goes on.
    Pair(Pair),
    /// Stay and keep in step until Ctrl-C
    Watch {
        /// Look every so many seconds at what the server does not tell of
        #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = value_parser!(u64).range(1..=3600))]
        poll: u64,
    },
    /// Do all there is to do: look for other devices, pair, send and receive
    Sync {
        /// Stop after so many seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = value_parser!(u64).range(1..=86_400))]
        limit: u64,
    },
    /// Say what is known, without connecting
    Status,
    /// Look at everything, and name what is wrong and the remedy
    ///
    /// It tries the server out with a folder and a message, which it takes away again.
    Doctor,
    /// The devices of the account: list them, remove one, or change this one
    #[command(alias = "device")]
    Devices(Devices),
    /// The account's keys
    #[command(subcommand)]
    Keys(Keys),
    /// What a mail program asks about each mail: headers to write, what a mail tells, whether to encrypt
    #[command(subcommand)]
    Mail(Mail),
    /// Have sma watch run whenever you are logged in
    #[command(subcommand)]
    Service(Service),
    /// Print completions, for a shell to read
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the pages of the manual
    Manual {
        /// The directory to write them into
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum Service {
    /// Install it as a systemd user unit, or a launchd agent on macOS, and
    /// start it
    Install {
        /// Print the file, and do nothing else
        #[arg(long)]
        print: bool,
    },
    /// Stop it and take it away
    Uninstall,
}

#[derive(Args, Debug)]
pub(crate) struct Devices {
    #[command(subcommand)]
    pub(crate) action: Option<Device>,
}

/// A device is meant by its name, its ID, or the first digits of that.
#[derive(Subcommand, Debug)]
pub(crate) enum Device {
    /// List the devices, who let each in, and what is new; the default
    List,
    /// Force a device out for good; the others get a new account key
    Remove {
        /// The device: its name, or the first digits of its ID
        device: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Say that a new device is yours, so that it is not named as new any more
    Acknowledge {
        /// The device: its name, or the first digits of its ID
        device: String,
    },
    /// Take this device out for good; it keeps the account's keys
    Leave {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Make this device's folder again after somebody deleted it
    Return,
    /// Do not pair: begin with a key of this device's own although other devices are there
    StartApart {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
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
    /// Do not look for other devices yet, and make no key: sma keys import
    /// brings one along, sma sync goes on
    #[arg(long)]
    pub(crate) no_sync: bool,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("step").args(["reject", "confirm", "decline", "veto"]))]
pub(crate) struct Pair {
    /// On the new device: the code or link that the other one shows; - reads
    /// it from the standard input, where no list of processes shows it
    #[arg(num_args = 1..=3, value_name = "CODE", conflicts_with_all = ["link", "to", "step"])]
    pub(crate) code: Vec<String>,
    /// Show a link and its QR code instead of a code; it works also after too
    /// many wrong codes
    #[arg(long, conflicts_with = "step")]
    pub(crate) link: bool,
    /// Show a code that is for this device alone, which has asked to be let in
    #[arg(long, value_name = "DEVICE", conflicts_with = "step")]
    pub(crate) to: Option<String>,
    /// With CODE: the device that shows it, if several do
    #[arg(long, value_name = "DEVICE", requires = "code", conflicts_with = "link")]
    pub(crate) from: Option<String>,
    /// With CODE: the fingerprint of the device that shows it, if several have
    /// the same ID
    #[arg(long, value_name = "FINGERPRINT", value_parser = fingerprint, requires = "code", conflicts_with = "link")]
    pub(crate) key: Option<Fingerprint>,
    /// On the new device, with CODE or before: whose place it takes. If that
    /// one is silent, who lets this one in removes it
    #[arg(long, value_name = "DEVICE", conflicts_with_all = ["link", "to", "step"])]
    pub(crate) replaces: Option<String>,
    /// Show or type the code, and do not stay: sma sync or sma watch goes on
    #[arg(long, conflicts_with = "step")]
    pub(crate) no_wait: bool,
    /// Do not let this device in
    #[arg(long, value_name = "DEVICE")]
    pub(crate) reject: Option<String>,
    /// On a device with a group or keys that was let into another group: go
    /// there, with all keys and all devices; sma status shows whose group it
    /// is. The other devices of this one's group have a day to veto it
    #[arg(long)]
    pub(crate) confirm: bool,
    /// Do not go there, also after --confirm as long as it waits
    #[arg(long)]
    pub(crate) decline: bool,
    /// Do not let another device take this group over to another one
    #[arg(long, value_name = "MERGE", value_parser = merge)]
    pub(crate) veto: Option<Hash>,
}

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

    fn parses(words: &[&str]) -> bool {
        Arguments::try_parse_from([&["sma"], words].concat()).is_ok()
    }

    #[test]
    fn a_code_is_typed_in_one_word_or_in_three_and_goes_with_nothing_that_shows_one() {
        let code = |words: &[&str]| match Arguments::try_parse_from([&["sma", "pair"], words].concat()) {
            Ok(Arguments { action: Action::Pair(pair), .. }) => Some(pair.code.join(" ")),
            Ok(_) | Err(_) => None,
        };
        assert_eq!(code(&[]).as_deref(), Some(""));
        assert_eq!(code(&["123-456-789"]).as_deref(), Some("123-456-789"));
        assert_eq!(code(&["123", "456", "789"]).as_deref(), Some("123 456 789"));
        assert_eq!(code(&["-", "--replaces", "phone", "--from", "27"]).as_deref(), Some("-"));
        for wrong in [&["1", "--link"][..], &["1", "--to", "27"], &["1", "2", "3", "4"], &["--from", "27"]] {
            assert_eq!(code(wrong), None, "{wrong:?}");
        }
        assert!(parses(&["pair", "--link", "--to", "27"]) && parses(&["pair", "--replaces", "27"]));
        assert!(!parses(&["pair", "--replaces", "27", "--link"]));
    }

    #[test]
    fn who_is_asked_answers_one_thing_at_a_time() {
        let parses = |words: &[&str]| parses(&[&["pair"], words].concat());
        let merge = "a7".repeat(32);
        for words in [&["--confirm"][..], &["--decline"], &["--veto", &merge], &["--reject", "27"]] {
            assert!(parses(words), "{words:?}");
            assert!(!parses(&[words, &["1"]].concat()), "{words:?}");
            assert!(!parses(&[words, &["--link"]].concat()), "{words:?}");
        }
        assert!(!parses(&["--confirm", "--decline"]));
        assert!(!parses(&["--decline", "--veto", &merge]));
        assert!(!parses(&["--veto", "27"]));
        let key = "a7".repeat(20);
        assert!(parses(&["1", "--key", &key]) && parses(&["1", "--from", "27", "--key", &key]));
        assert!(!parses(&["--link", "--key", &key]) && !parses(&["--key", &key]));
    }

    #[test]
    fn nothing_is_looked_at_without_a_pause() {
        assert!(parses(&["watch", "--poll", "1"]) && !parses(&["watch", "--poll", "0"]));
        assert!(!parses(&["sync", "--limit", "0"]) && !parses(&["watch", "--poll", "99999999999999"]));
    }

    /// The help of a command and of all below it.
    fn helps(command: &mut clap::Command, all: &mut Vec<String>) {
        all.push(command.render_long_help().to_string());
        all.push(command.render_help().to_string());
        command.get_subcommands_mut().for_each(|sub| helps(sub, all));
    }

    #[test]
    fn help_fits_into_eighty_columns() {
        let mut command = Arguments::command();
        command.build();
        let mut all = Vec::new();
        helps(&mut command, &mut all);
        assert!(all.len() > 40);
        for line in all.iter().flat_map(|help| help.lines()) {
            assert!(line.chars().count() <= 80, "{line}");
        }
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
