//! Ordinary mail: other people's keys reach the devices in it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mail_parser::DateTime;
use sma_autocrypt::{Address, Date, Header, Preference, Source, Untold};
use sma_core::{Command, Fingerprint, Timestamp};

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

/// A key that a device read in the header of a mail.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    /// The machine.
    pub(crate) at: usize,
    /// Its device key.
    pub(crate) device: Fingerprint,
    /// The account had written to the sender, by what the device knew.
    pub(crate) answered: bool,
    /// What the machine knew was not put back since, and the letter was not dated ahead when it was read: such a one may be displaced before
    /// it counts (8.8).
    certain: bool,
    date: Date,
    key: Bytes,
}

/// The mails that devices read: an oracle of what they must know of people.
#[derive(Clone, Debug, Default)]
pub struct Letters {
    all: BTreeMap<Address, Vec<Letter>>,
    /// What is not after this may be forgotten, since a person deleted the peer.
    forgotten: BTreeMap<Address, Date>,
    /// The devices that ever told something of a person, that the person is to be forgotten included.
    told: BTreeMap<Address, BTreeSet<Fingerprint>>,
    written: BTreeSet<(usize, Fingerprint, Address)>,
    /// The latest date of anything that was read of each person.
    known: BTreeMap<Address, Date>,
}

impl Letters {
    /// A device took a command about mail.
    pub(crate) fn done(&mut self, (at, device): (usize, Fingerprint), command: &Command, now: Timestamp) {
        if let Command::Observe { mail } = command {
            self.heard_of(device, &mail.from, mail.date);
            let Some(fact) = &mail.fact else { return };
            let (addr, date, key) = (fact.addr.clone(), fact.entry.date, fact.entry.key.clone());
            if self.forgotten.get(&addr).is_some_and(|until| date <= *until) {
                return;
            }
            let answered = self.written.contains(&(at, device, addr.clone()));
            let certain = date.0 <= now.as_secs();
            self.all.entry(addr).or_default().push(Letter { at, device, answered, certain, date, key });
        } else if let Command::Gossip { facts } = command {
            facts.iter().for_each(|fact| self.heard_of(device, &fact.addr, fact.entry.date));
        } else if let Command::Wrote { addresses, .. } = command {
            for addr in addresses {
                self.heard_of(device, addr, Date(0));
                self.written.insert((at, device, addr.clone()));
                let own = |letter: &&mut Letter| (letter.at, letter.device) == (at, device);
                let letters = self.all.get_mut(addr);
                letters.into_iter().flatten().filter(own).for_each(|letter| letter.answered = true);
            }
        } else if let Command::DeletePeer { address, date } = command
            && let Some(addr) = Address::parse(address)
        {
            // A deletion is dated no earlier than what is known of the peer.
            self.heard_of(device, &addr, Date(date.as_secs()));
            self.all.remove(&addr);
            self.forgotten.extend(self.known.get_key_value(&addr).map(|(addr, date)| (addr.clone(), *date)));
        }
    }

    fn heard_of(&mut self, by: Fingerprint, addr: &Address, date: Date) {
        self.told.entry(addr.clone()).or_default().insert(by);
        let latest = self.known.entry(addr.clone()).or_insert(date);
        *latest = date.max(*latest);
    }

    /// What a machine knew was put back.
    pub(crate) fn put_back(&mut self, at: usize) {
        let own = |letter: &&mut Letter| letter.at == at;
        self.all.values_mut().flatten().filter(own).for_each(|letter| letter.certain = false);
        self.written.retain(|(by, ..)| *by != at);
    }

    /// How many people there ever were.
    #[must_use]
    pub fn people(&self) -> usize {
        self.known.len()
    }

    /// Of each person the keys that may be known now: that of the latest letter that `counts`, and those of all that are not older. Where one
    /// of the devices that ever told anything of that person `gives_way` nothing is expected: it took the place of the others.
    pub(crate) fn expected(
        &self,
        counts: impl Fn(&Letter) -> bool,
        gives_way: impl Fn(&Fingerprint) -> bool,
    ) -> impl Iterator<Item = (&Address, BTreeSet<&Bytes>)> {
        self.all.iter().filter_map(move |(addr, letters)| {
            let certain = letters.iter().filter(|letter| letter.certain && counts(letter));
            let latest = certain.map(|letter| letter.date).max()?;
            let later = || letters.iter().filter(|letter| letter.date >= latest);
            let all_stay = !self.told.get(addr).into_iter().flatten().any(&gives_way);
            all_stay.then(|| (addr, later().map(|letter| &letter.key).collect()))
        })
    }
}
