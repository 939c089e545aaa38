//! What a mail program asks about each mail (Autocrypt Level 1).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use bytes::Bytes;
use serde_json::json;
use sma_autocrypt::{
    Address, Advice, Date, Draft, DraftState, Header, Mail, Payload, Preference, Recommendation, Source,
    Untold, read_draft_state,
};
use sma_core::{Command, Muaa};
use sma_openpgp::{
    OpenPgp,
    keys::{Unusable, armor_public, minimized, published},
};

use crate::{
    account::Settings,
    args::{Observe, Recommend},
    backend::{Backend, Why},
    control::Device,
    failure::Failure,
    identity::{Identity, address},
    keys,
    report::Report,
    status, words,
};

/// The `Autocrypt` header of own mails.
pub(crate) fn header(directory: &Path, from: Option<&str>, report: &mut Report) -> Result<(), Failure> {
    let settings = Settings::load(directory)?;
    let identity = Identity::load(directory)?;
    let addr = identity.sender(from)?;
    if !identity.is_enabled() {
        report.set("header", "");
        return Ok(());
    }
    let muaa = status::with_key(directory, &settings)?;
    let header = Header { key: own_key(&muaa, &addr)?, addr, preference: preference(&muaa) };
    let header = header.render(Source::Header).map_err(|error| Failure::Failed(error.to_string()))?;
    report.set("header", header.as_str());
    report.write(&header);
    Ok(())
}

fn preference(muaa: &Muaa<OpenPgp>) -> Preference {
    if muaa.prefers_encrypt() { Preference::Mutual } else { Preference::NoPreference }
}

/// The account's key as others get it under this address.
pub(crate) fn own_key(muaa: &Muaa<OpenPgp>, address: &Address) -> Result<Bytes, Failure> {
    // What cannot be read here has no public part.
    status::public_key(muaa)?;
    let current = muaa.account().current;
    let secret = current.and_then(|key| muaa.account_secret(&key)).cloned().unwrap_or_default();
    published(&secret, address, sma_imap::now()).map_err(|why| Failure::Failed(keys::unusable_sentence(why)))
}

/// Why nobody can encrypt to the account now, as far as its key says.
pub(crate) fn key_problem(directory: &Path, muaa: &Muaa<OpenPgp>) -> Option<String> {
    let address = own_address(directory).ok()?;
    own_key(muaa, &address).err().map(|failure| failure.sentence().to_owned())
}

/// The `Autocrypt-Gossip` headers for the recipients of an encrypted mail.
pub(crate) fn gossip(directory: &Path, addresses: &[String], report: &mut Report) -> Result<(), Failure> {
    let now = sma_imap::now();
    let asked = Asked::new(directory, addresses)?;
    let advice = asked.of_peers(false, &Backend::new(now, None));
    let headers = advice.map(|advice| advice.gossip(|address, key| minimized(key, address, now)));
    let headers = headers.unwrap_or_default();
    report.set("headers", headers.as_str());
    report.write(&headers);
    Ok(())
}

/// Whether a mail should be encrypted, and to which keys.
pub(crate) fn recommend(directory: &Path, recommend: Recommend, report: &mut Report) -> Result<(), Failure> {
    let Recommend { addresses, reply_to_encrypted, draft, backend_command } = recommend;
    let state = draft.map(|file| draft_state(&file)).transpose()?;
    let reply = reply_to_encrypted || state.is_some_and(|state| state.reply_to_encrypted);
    let asked = Asked::new(directory, &addresses)?;
    let backend = Backend::new(sma_imap::now(), backend_command);
    let advice = asked.advice(reply, &backend);
    backend.checked()?;
    let (word, sentence) = match advice.recommendation {
        Recommendation::Disable => ("disable", "It cannot be encrypted."),
        Recommendation::Discourage => ("discourage", "It can be encrypted, but may not be readable."),
        Recommendation::Available => ("available", "It can be encrypted."),
        Recommendation::Encrypt => ("encrypt", "It should be encrypted."),
    };
    report.set("recommendation", word);
    report.set("with_key", advice.keys.keys().map(Address::as_str).collect::<Vec<_>>());
    let armored = advice.keys.iter().map(|(address, key)| (address.to_string(), armor_public(key)));
    report.set("keys", json!(armored.collect::<BTreeMap<_, _>>()));
    report.say(sentence);
    if let Some(DraftState { encrypt, by_choice, .. }) = state {
        report.set("draft", json!({ "encrypt": encrypt, "by_choice": by_choice }));
        let so = if encrypt { "encrypted" } else { "not encrypted" };
        let chosen = if by_choice { ", as it was chosen" } else { "" };
        report.say(format!("When the draft was stored, it was to be {so}{chosen}."));
    }
    if !asked.identity.is_enabled() {
        report.say("Autocrypt is off on this device: sma mail enable");
        return Ok(());
    }
    let without = asked.addresses.iter().filter(|address| !advice.keys.contains_key(*address));
    let without: BTreeMap<_, _> =
        without.map(|address| (address.to_string(), asked.why(address, &backend))).collect();
    for (address, why) in &without {
        report.say(format!("{address}: {why}."));
    }
    report.set("without_key", json!(without));
    Ok(())
}

/// Recipients, and what is known for them.
struct Asked {
    identity: Identity,
    addresses: BTreeSet<Address>,
    muaa: Muaa<OpenPgp>,
}

impl Asked {
    fn new(directory: &Path, addresses: &[String]) -> Result<Self, Failure> {
        let settings = Settings::load(directory)?;
        let identity = Identity::load(directory)?;
        let addresses = addresses.iter().map(|text| address(text)).collect::<Result<_, _>>()?;
        let muaa = status::synced(directory, &settings)?;
        Ok(Self { identity, addresses, muaa })
    }

    /// For all recipients: other people, and the account itself, which a reply to all is sent to as well.
    fn advice(&self, reply_to_encrypted: bool, backend: &Backend) -> Advice {
        if !self.identity.is_enabled() {
            return Advice::none();
        }
        let draft = Draft { own: preference(&self.muaa), reply_to_encrypted };
        let own: BTreeSet<_> =
            self.addresses.iter().filter(|address| self.identity.is_own(address)).cloned().collect();
        let own =
            (!own.is_empty()).then(|| Advice::of_own(own, |address| self.own_key(address, backend), draft));
        let all = [own, self.of_peers(reply_to_encrypted, backend)].into_iter().flatten();
        all.reduce(Advice::and).unwrap_or_else(Advice::none)
    }

    /// For the other people among the recipients, if there are any.
    fn of_peers(&self, reply_to_encrypted: bool, backend: &Backend) -> Option<Advice> {
        if !self.identity.is_enabled() {
            return None;
        }
        let peers: Vec<_> = self.addresses.iter().filter(|address| !self.identity.is_own(address)).collect();
        let usable = |key: &[u8]| backend.unusable(key).is_none();
        (!peers.is_empty()).then(|| self.muaa.recommendation(peers, reply_to_encrypted, usable))
    }

    fn own_key(&self, address: &Address, backend: &Backend) -> Option<Bytes> {
        own_key(&self.muaa, address).ok().filter(|key| backend.unusable(key).is_none())
    }

    /// Why no key of this recipient can be used.
    fn why(&self, address: &Address, backend: &Backend) -> String {
        if self.identity.is_own(address) {
            return match own_key(&self.muaa, address) {
                Err(failure) => failure.sentence().to_owned(),
                Ok(key) => match backend.unusable(&key) {
                    Some(why) => format!("the account's own key cannot be used: {why}"),
                    None => "the account's own key cannot be used".to_owned(),
                },
            };
        }
        let peers = self.muaa.peers();
        let known = peers.get(address).and_then(|peer| peer.header.or(peer.gossip));
        match known.map(|known| backend.unusable(&known.key)) {
            Some(Some(Why::Key(Unusable::Ended(at) | Unusable::SubkeyEnded(at)))) => {
                format!("the key that is known ended on {}", words::day(at))
            }
            Some(Some(why)) => format!("the key that is known cannot be used: {why}"),
            Some(None) | None => "no key is known".to_owned(),
        }
    }
}

/// The account's address.
pub(crate) fn own_address(directory: &Path) -> Result<Address, Failure> {
    Ok(Identity::load(directory)?.address)
}

/// Learns from a mail, and tells the other devices.
pub(crate) async fn observe(
    directory: &Path,
    password_command: Option<&str>,
    observe: Observe,
    report: &mut Report,
) -> Result<(), Failure> {
    let Observe { file, received, payload, signed } = observe;
    let mail = keys::read(&file)?;
    let entity = payload.as_deref().map(keys::read).transpose()?;
    let payload = entity.as_ref().map(|entity| Payload::new(entity));
    let payload = payload.map(|payload| if signed { payload.signed() } else { payload });
    let untold = |why| {
        let advice = if why == Untold::Encrypted {
            "decrypt it, and give what was inside with --payload"
        } else {
            "give one mail with all its headers, as the server has it"
        };
        Failure::Failed(format!("{} tells nothing: {why}; {advice}", file.display()))
    };
    // The core puts this device's number in.
    let whole = Mail::new(&mail);
    let whole = payload.map_or(whole, |payload| whole.with_payload(payload));
    let told = sma_autocrypt::read(whole, Date(received), 0).map_err(untold)?;
    let gossip = payload.map(|payload| sma_autocrypt::read_gossip(&mail, payload, Date(received), 0));
    let facts = gossip.transpose().map_err(untold)?.unwrap_or_default();
    let (from, has_key) = (told.from.clone(), told.fact.is_some());
    let about: BTreeSet<_> = facts.iter().map(|fact| fact.addr.to_string()).collect();
    let mut commands = vec![Command::Observe { mail: told }];
    if !facts.is_empty() {
        commands.push(Command::Gossip { facts });
    }
    tell(directory, password_command, commands, report).await?;
    report.set("from", from.as_str());
    report.set("has_key", has_key);
    report.set("gossip", about.iter().cloned().collect::<Vec<_>>());
    let what = if has_key { "a key" } else { "no key" };
    report.say(format!("The mail is from {from} and brings {what}."));
    if !about.is_empty() {
        let about = about.into_iter().collect::<Vec<_>>().join(", ");
        report.say(format!("It brings the keys of other recipients: {about}."));
    }
    Ok(())
}

/// Has the people to whom mail was sent kept in mind, here and on the other devices.
pub(crate) async fn sent(
    directory: &Path,
    password_command: Option<&str>,
    addresses: &[String],
    report: &mut Report,
) -> Result<(), Failure> {
    let addresses: BTreeSet<_> = addresses.iter().map(|text| address(text)).collect::<Result<_, _>>()?;
    report.set("sent_to", addresses.iter().map(Address::as_str).collect::<Vec<_>>());
    let command = Command::Wrote { addresses, date: sma_imap::now() };
    tell(directory, password_command, vec![command], report).await?;
    report.say("The recipients are kept in mind.");
    Ok(())
}

/// Says in each mail whether the account wants encryption by default, on all devices.
pub(crate) async fn prefer_encrypt(
    directory: &Path,
    password_command: Option<&str>,
    mutual: bool,
    report: &mut Report,
) -> Result<(), Failure> {
    tell(directory, password_command, vec![Command::SetPreferEncrypt { mutual }], report).await?;
    report.set("prefer_encrypt", if mutual { "mutual" } else { "nopreference" });
    report.say(if mutual {
        "Mails say that this account prefers encryption; with who says the same, it is on by default."
    } else {
        "Mails say nothing of a preference; encryption is on by default only in answers to encrypted mails."
    });
    Ok(())
}

/// The header that keeps the state of a draft.
pub(crate) fn write_draft_state(state: DraftState, report: &mut Report) {
    let header = state.render();
    report.set("header", header.as_str());
    report.write(&header);
}

fn draft_state(file: &Path) -> Result<DraftState, Failure> {
    let draft = keys::read(file)?;
    read_draft_state(&draft).ok_or_else(|| {
        let why = "has no state of a draft: give a draft with the header Autocrypt-Draft-State, or leave --draft out";
        Failure::Failed(format!("{} {why}", file.display()))
    })
}

/// Does this here, and tells the other devices.
async fn tell(
    directory: &Path,
    password_command: Option<&str>,
    commands: Vec<Command>,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut device = Device::reach(directory, password_command).await?;
    let mut result = Ok(());
    for command in commands {
        if result.is_ok() {
            result = device.command(command, report).await;
        }
    }
    if let Ok(muaa) = device.muaa() {
        report.standing(&muaa);
    }
    device.close().await;
    result
}
