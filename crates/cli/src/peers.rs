//! What is known of other people's keys: a list, why a mail to somebody is to be encrypted or not, forgetting.

use std::path::Path;

use serde_json::{Value, json};
use sma_autocrypt::{Address, Known, Peer, Preference, Recommendation};
use sma_core::{Command, Muaa, Timestamp};
use sma_openpgp::{
    OpenPgp,
    keys::{self, expires, unusable},
};

use crate::{
    account::Settings,
    actions::alter,
    args::{Peers, PeersAction},
    failure::Failure,
    identity::{Identity, address},
    question,
    report::Report,
    status, words,
};

/// Does what is asked of other people's keys.
pub(crate) async fn peers(
    directory: &Path,
    password_command: Option<&str>,
    peers: Peers,
    report: &mut Report,
) -> Result<(), Failure> {
    match peers.action.unwrap_or(PeersAction::List) {
        PeersAction::List => list(directory, report),
        PeersAction::Why { address, reply_to_encrypted } => {
            why(directory, &address, reply_to_encrypted, report)
        }
        PeersAction::Forget { address, yes } => {
            forget(directory, password_command, &address, yes, report).await
        }
    }
}

fn word(recommendation: Recommendation) -> (&'static str, &'static str) {
    match recommendation {
        Recommendation::Disable => ("disable", "cannot be encrypted"),
        Recommendation::Discourage => ("discourage", "can be encrypted, but may not be readable"),
        Recommendation::Available => ("available", "can be encrypted"),
        Recommendation::Encrypt => ("encrypt", "should be encrypted"),
    }
}

/// A mail to this one alone.
fn recommended(muaa: &Muaa<OpenPgp>, address: &Address, reply_to_encrypted: bool) -> Recommendation {
    let usable = |key: &[u8]| unusable(key, sma_imap::now()).is_none();
    muaa.recommendation([address], reply_to_encrypted, usable).recommendation
}

fn list(directory: &Path, report: &mut Report) -> Result<(), Failure> {
    let muaa = status::synced(directory, &Settings::load(directory)?)?;
    let peers = muaa.peers();
    let mut values = Vec::new();
    for (address, peer) in &peers {
        let (name, sentence) = word(recommended(&muaa, address, false));
        values.push(json!({ "address": address.as_str(), "recommendation": name, "peer": value(peer) }));
        report.say(format!("{address}: a mail {sentence}."));
    }
    if peers.is_empty() {
        report.say("No key of anybody else is known. Mails bring them: sma mail observe");
    }
    report.set("peers", values);
    Ok(())
}

fn value(peer: &Peer<'_>) -> Value {
    let known = |known: &Known| {
        json!({
            "fingerprint": fingerprint(&known.key),
            "date": known.date.0,
            "mutual": known.preference == Preference::Mutual,
            "reporter": known.reporter.to_string(),
            "usable": unusable(&known.key, sma_imap::now()).is_none(),
        })
    };
    json!({
        "header": peer.header.map(known),
        "gossip": peer.gossip.map(known),
        "last_seen": peer.last_seen.0,
    })
}

fn fingerprint(key: &[u8]) -> Option<String> {
    keys::fingerprint(key).map(|fingerprint| fingerprint.to_string())
}

/// Why a mail to this one is to be encrypted, or not: the rules of Autocrypt Level 1, one after another.
fn why(directory: &Path, typed: &str, reply_to_encrypted: bool, report: &mut Report) -> Result<(), Failure> {
    let address = address(typed)?;
    let muaa = status::synced(directory, &Settings::load(directory)?)?;
    if Identity::load(directory)?.is_own(&address) {
        report.say(format!(
            "{address} is an address of this account: sma keys says which key mail to it uses."
        ));
        return Ok(());
    }
    let peers = muaa.peers();
    let (name, sentence) = word(recommended(&muaa, &address, reply_to_encrypted));
    report.set("address", address.as_str());
    report.set("recommendation", name);
    report.set("peer", peers.get(&address).map(value));
    report.say(format!("A mail to {address} {sentence}."));
    let Some(peer) = peers.get(&address) else {
        report.say("No mail brought a key of theirs, and nobody passed one on.");
        return Ok(());
    };
    let day = |date: sma_autocrypt::Date| words::day(Timestamp::from_secs(date.0));
    if let Some(known) = peer.header {
        report.say(format!("A mail of theirs of {} brought {}.", day(known.date), described(known)));
    }
    if let Some(known) = peer.gossip {
        report.say(format!(
            "Somebody passed on {} of theirs, in a mail of {}.",
            described(known),
            day(known.date)
        ));
    }
    for reason in reasons(&muaa, peer, reply_to_encrypted) {
        report.say(reason);
    }
    Ok(())
}

fn described(known: &Known) -> String {
    let name = fingerprint(&known.key).unwrap_or_else(|| "that this program cannot name".to_owned());
    let why = unusable(&known.key, sma_imap::now()).map(|why| format!(", which cannot be used: {why}"));
    let ends = expires(&known.key).map(|at| format!(", which ends on {}", words::day(at)));
    format!("the key {name}{}", why.or(ends).unwrap_or_default())
}

/// What of the rules decides.
fn reasons(muaa: &Muaa<OpenPgp>, peer: &Peer<'_>, reply_to_encrypted: bool) -> Vec<String> {
    let mut reasons = Vec::new();
    let can = |known: &Known| unusable(&known.key, sma_imap::now()).is_none();
    let header = peer.header.filter(|known| can(known));
    match header {
        Some(known) if peer.last_seen.outdates(known.date) => reasons.push(format!(
            "Their last mail, of {}, brought none, more than 35 days after the one that did: they may not use Autocrypt any more.",
            words::day(Timestamp::from_secs(peer.last_seen.0))
        )),
        Some(known) => {
            let theirs = known.preference == Preference::Mutual;
            let own = muaa.prefers_encrypt();
            let both = match (theirs, own) {
                (true, true) => "They and this account prefer encryption, so it is on by default.",
                (true, false) => "They prefer encryption, and this account does not say so, so it is off by default: sma mail prefer-encrypt mutual says it.",
                (false, true) => "This account prefers encryption, and they do not say so, so it is off by default.",
                (false, false) => "Neither they nor this account prefer encryption, so it is off by default.",
            };
            reasons.push(both.to_owned());
        }
        None if peer.gossip.is_some_and(can) => {
            reasons.push("Only others brought a key of theirs, so it is not known whether they can read it.".to_owned());
        }
        None => reasons.push("Nothing that can be used is known.".to_owned()),
    }
    if reply_to_encrypted {
        reasons.push("It answers an encrypted mail, and so is to be encrypted if it can be.".to_owned());
    }
    reasons
}

/// Forgets somebody's keys on all devices.
async fn forget(
    directory: &Path,
    password_command: Option<&str>,
    typed: &str,
    yes: bool,
    report: &mut Report,
) -> Result<(), Failure> {
    let address = address(typed)?;
    if !status::synced(directory, &Settings::load(directory)?)?.peers().contains_key(&address) {
        return Err(Failure::known(
            "no-such-peer",
            1,
            format!("no key of {address} is known: sma peers lists whose are"),
        ));
    }
    let asks =
        format!("All devices forget the keys of {address}, until a mail brings one again. Forget them?");
    question::confirm(&asks, yes).await?;
    report.set("forgotten", address.as_str());
    let then = format!("The keys of {address} are forgotten. Their next mail brings one again.");
    let command = Command::DeletePeer { address: address.to_string(), date: sma_imap::now() };
    alter(directory, password_command, command, &then, report).await
}
