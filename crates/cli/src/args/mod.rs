//! What can be typed.

mod keys;
mod mail;
mod read;

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, value_parser};
pub(crate) use keys::{Gpg, Keys, KeysAction, Peers, PeersAction};
pub(crate) use mail::{Mail, Observe, Recommend};
use read::{fingerprint, merge};
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
    /// It tries the server out with a folder and a message, which it takes away
    /// again. Before sma setup, give it what sma setup would get.
    Doctor(Doctor),
    /// The devices of the account: list them, remove one, or change this one
    #[command(alias = "device")]
    Devices(Devices),
    /// The account's keys: list them, use another one, bring one along
    Keys(Keys),
    /// Other people's keys: list them, say why, forget
    Peers(Peers),
    /// What a mail program asks about each mail: headers to write, what a mail tells, whether to encrypt
    #[command(subcommand)]
    Mail(Mail),
    /// See it work: three devices on a mail server in memory, in one terminal
    ///
    /// It plays a pairing, a key change and a lost device. Nothing of yours is
    /// touched.
    Demo,
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
    /// A file of certificate authorities, in PEM, to trust beside those of the
    /// system
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Do not look for other devices yet, and make no key: sma keys import
    /// brings one along, sma sync goes on
    #[arg(long)]
    pub(crate) no_sync: bool,
    /// After this device has left or was removed: begin anew as another
    /// device; what it was is kept beside
    #[arg(long)]
    pub(crate) anew: bool,
}

/// Another account or server than that of this device, or one before sma setup.
#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// The account's mail address
    #[arg(long)]
    pub(crate) address: Option<String>,
    /// The mail server: `imaps://login@host[:port]`
    #[arg(long, value_name = "URL")]
    pub(crate) imap: Option<String>,
    /// Allow imap:// to another machine: the password travels in clear
    #[arg(long)]
    pub(crate) insecure: bool,
    /// A file of certificate authorities, in PEM, to trust beside those of the
    /// system
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
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
    fn no_argument_takes_a_password() {
        let mut command = Arguments::command();
        command.build();
        let names =
            command.get_subcommands().flat_map(|sub| sub.get_arguments()).map(|a| a.get_id().to_string());
        assert!(!names.into_iter().any(|name| name == "password"));
    }
}
