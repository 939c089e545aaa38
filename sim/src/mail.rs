//! Ordinary mail: other people's keys reach the devices in it.

use bytes::Bytes;
use mail_parser::DateTime;
use sma_autocrypt::{Address, Date, Header, Preference, Source, Untold};
use sma_core::{Command, Timestamp};

/// A key in a mail, and whether its owner prefers encryption. Keys are opaque: any octets do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// The octets.
    pub octets: Bytes,
    /// Whether the header says `prefer-encrypt=mutual`.
    pub mutual: bool,
}

impl Key {
    fn header(&self, name: &str, source: Source) -> String {
        let preference = if self.mutual { Preference::Mutual } else { Preference::NoPreference };
        let header = address(name).map(|addr| Header { addr, preference, key: self.octets.clone() });
        header.and_then(|header| header.render(source).ok()).unwrap_or_default()
    }
}

/// The address of a person of this name.
#[must_use]
pub fn address(name: &str) -> Option<Address> {
    Address::parse(&format!("{name}@example.org"))
}

/// A mail and when the store received it.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Who wrote it.
    pub from: String,
    /// What it gives as its date.
    pub date: Timestamp,
    /// The store's date.
    pub received: Timestamp,
    /// The key in its `Autocrypt` header, if it has one.
    pub key: Option<Key>,
}

impl Mail {
    fn octets(&self, to: &str) -> Bytes {
        let from = &self.from;
        let seconds = i64::try_from(self.date.as_secs()).unwrap_or(i64::MAX);
        let date = DateTime::from_timestamp(seconds).to_rfc822();
        let header = self.key.as_ref().map(|key| key.header(from, Source::Header)).unwrap_or_default();
        let id = format!("{}.{from}@example.org", self.date.0);
        let mail = format!(
            "From: {from}@example.org\r\nTo: {to}@example.org\r\nMessage-ID: <{id}>\r\nDate: {date}\r\n{header}\r\n"
        );
        mail.into()
    }

    /// The device reads it.
    ///
    /// # Errors
    /// It tells nothing.
    pub fn read(&self) -> Result<Command, Untold> {
        let mail = sma_autocrypt::read(&self.octets("anna"), Date(self.received.as_secs()), 0)?;
        Ok(Command::Observe { mail })
    }

    /// The device decrypts it; inside, it tells the key of somebody whom it went to as well.
    ///
    /// # Errors
    /// It tells nothing.
    pub fn decrypted(&self, about: &str, key: &Key) -> Result<Command, Untold> {
        let payload = format!("{}\r\n", key.header(about, Source::Gossip));
        let received = Date(self.received.as_secs());
        let facts = sma_autocrypt::read_gossip(&self.octets(about), payload.as_bytes(), received, 0)?;
        Ok(Command::Gossip { facts })
    }
}
