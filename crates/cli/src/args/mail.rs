//! `sma mail`: what a mail program asks.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::read::{date, preference, yes_or_no};

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
