//! `sma keys` and `sma peers`: the account's keys, and other people's.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use sma_core::Fingerprint;

use super::read::fingerprint;

#[derive(Args, Debug)]
pub(crate) struct Keys {
    #[command(subcommand)]
    pub(crate) action: Option<KeysAction>,
}

/// A key is meant by its fingerprint or the first digits of that.
#[derive(Subcommand, Debug)]
pub(crate) enum KeysAction {
    /// List the keys that this device has, and which one mail uses; the default
    List,
    /// Have mail use another key of the account, on all devices
    Use {
        /// The key: its fingerprint, or the first digits of that
        key: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Print a key that other programs import: the public one, or a secret one
    /// under a password that is asked for
    #[command(group = ArgGroup::new("part").args(["public", "secret"]).required(true))]
    Export {
        /// The public key, armored
        #[arg(long)]
        public: bool,
        /// The secret key, armored, under a new password
        #[arg(long)]
        secret: bool,
        /// The key, if it is not the one that mail uses
        key: Option<String>,
        /// The file to write; - is the standard output, where a public key goes
        /// anyway
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
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
    /// Take keys from GnuPG, and give them to it
    #[command(subcommand)]
    Gpg(Gpg),
}

/// GnuPG asks for its passwords itself, or takes that of SMA_KEY_PASSWORD.
#[derive(Subcommand, Debug)]
pub(crate) enum Gpg {
    /// Take a secret key out of GnuPG's keyring as the account's
    Import {
        /// The key, as gpg knows it; that of the account's address if none is
        /// named
        key: Option<String>,
        /// Take it although it is a key of another address
        #[arg(long)]
        yes: bool,
    },
    /// Put a secret key of the account into GnuPG's keyring, under a password
    Export {
        /// The key, if it is not the one that mail uses
        key: Option<String>,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Peers {
    #[command(subcommand)]
    pub(crate) action: Option<PeersAction>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum PeersAction {
    /// List the people whose keys are known; the default
    List,
    /// Say why a mail to somebody is to be encrypted, or not
    Why {
        /// Who
        address: String,
        /// It answers an encrypted mail
        #[arg(long)]
        reply_to_encrypted: bool,
    },
    /// Forget somebody's keys, on all devices
    Forget {
        /// Who
        address: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}
