//! What a mail program asks about each mail (Autocrypt Level 1).

use std::{collections::BTreeSet, path::Path};

use sma_autocrypt::{Address, Advice, Date, Header, Preference, Recommendation, Source};
use sma_core::{Command, Muaa};
use sma_openpgp::{OpenPgp, keys::is_usable};

use crate::{account::Settings, control::Device, failure::Failure, keys, report::Report, status};

/// The `Autocrypt` header of own mails.
pub(crate) fn header(directory: &Path, report: &mut Report) -> Result<(), Failure> {
    let settings = Settings::load(directory)?;
    let muaa = status::with_key(directory, &settings)?;
    let preference = if muaa.prefers_encrypt() { Preference::Mutual } else { Preference::NoPreference };
    let key = status::public_key(&muaa)?.into();
    let header = Header { addr: address(&settings.address)?, preference, key };
    let header = header.render(Source::Header).map_err(|error| Failure::Failed(error.to_string()))?;
    report.set("header", header.as_str());
    report.write(&header);
    Ok(())
}

/// The `Autocrypt-Gossip` headers for the recipients of an encrypted mail.
pub(crate) fn gossip(directory: &Path, addresses: &[String], report: &mut Report) -> Result<(), Failure> {
    let headers = advice(directory, addresses, false)?.gossip();
    report.set("headers", headers.as_str());
    report.write(&headers);
    Ok(())
}

/// Whether a mail should be encrypted.
pub(crate) fn recommend(
    directory: &Path,
    addresses: &[String],
    reply_to_encrypted: bool,
    report: &mut Report,
) -> Result<(), Failure> {
    let advice = advice(directory, addresses, reply_to_encrypted)?;
    let (word, sentence) = match advice.recommendation {
        Recommendation::Disable => ("disable", "It cannot be encrypted: somebody's key is not known."),
        Recommendation::Discourage => ("discourage", "It can be encrypted, but may not be readable."),
        Recommendation::Available => ("available", "It can be encrypted."),
        Recommendation::Encrypt => ("encrypt", "It should be encrypted."),
    };
    report.set("recommendation", word);
    report.set("with_key", advice.keys.keys().map(Address::as_str).collect::<Vec<_>>());
    report.say(sentence);
    Ok(())
}

fn advice(directory: &Path, addresses: &[String], reply_to_encrypted: bool) -> Result<Advice, Failure> {
    let settings = Settings::load(directory)?;
    let addresses = addresses.iter().map(|text| address(text)).collect::<Result<Vec<_>, _>>()?;
    let Some(muaa): Option<Muaa<OpenPgp>> = status::saved(directory, &settings)? else {
        return Err(Failure::NeedsPerson("this device was not synced yet: run sma sync".to_owned()));
    };
    let now = sma_imap::now();
    Ok(muaa.recommendation(&addresses, reply_to_encrypted, |key| is_usable(key, now)))
}

fn address(text: &str) -> Result<Address, Failure> {
    Address::parse(text)
        .ok_or_else(|| Failure::Failed(format!("{text} is no mail address: write anna@example.org")))
}

/// Learns from a mail, and tells the other devices.
pub(crate) async fn observe(
    directory: &Path,
    password_command: Option<&str>,
    file: &Path,
    received: u64,
    report: &mut Report,
) -> Result<(), Failure> {
    let mail = keys::read(file)?;
    let untold = |why| {
        let advice = "give one mail with all its headers, as the server has it";
        Failure::Failed(format!("{} tells nothing: {why}; {advice}", file.display()))
    };
    // The core puts this device's number in.
    let mail = sma_autocrypt::read(&mail, Date(received), 0).map_err(untold)?;
    let (from, has_key) = (mail.from.clone(), mail.fact.is_some());
    tell(directory, password_command, Command::Observe { mail }, report).await?;
    report.set("from", from.as_str());
    report.set("has_key", has_key);
    let what = if has_key { "a key" } else { "no key" };
    report.say(format!("The mail is from {from} and brings {what}."));
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
    tell(directory, password_command, command, report).await?;
    report.say("The recipients are kept in mind.");
    Ok(())
}

/// Does this here, and tells the other devices.
async fn tell(
    directory: &Path,
    password_command: Option<&str>,
    command: Command,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut device = Device::reach(directory, password_command).await?;
    let result = device.command(command, report).await;
    if let Ok(muaa) = device.muaa() {
        report.standing(&muaa);
    }
    device.close().await;
    result
}
