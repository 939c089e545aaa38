//! What the saved state says, without connecting.

use std::path::Path;

use serde_json::json;
use sma_core::{Muaa, OfferView, Sibling, Snapshot};
use sma_imap::StateFile;
use sma_openpgp::OpenPgp;

use crate::{
    account::Settings,
    asked,
    failure::{Failure, advice},
    report::Report,
    words,
};

/// Tells the state.
pub(crate) fn status(directory: &Path, report: &mut Report) -> Result<(), Failure> {
    let settings = Settings::load(directory)?;
    report.set("address", settings.address.as_str());
    report.set("name", settings.name.as_str());
    let Some(muaa) = saved(directory, &settings)? else {
        report.set("phase", "discovering");
        report.say(format!("{} is set up and was not synced yet: run sma sync.", settings.address));
        return Ok(());
    };
    report.standing(&muaa);
    let id = muaa.id().map_or_else(|| "without an ID yet".to_owned(), |id| id.to_string());
    let fingerprint = muaa.fingerprint().to_string();
    let digits = asked::first_digits(&fingerprint);
    report.set("fingerprint", fingerprint);
    report.say(format!("This device of {} is {id}, \"{}\".", settings.address, settings.name));
    report.say(format!("Its fingerprint begins {digits}."));
    report.say(format!("It is {}.", words::phase_words(muaa.phase())));
    if muaa.phase() != sma_core::Phase::Paired {
        report.say(format!("What can be done: {}.", advice(muaa.phase())));
    }
    match muaa.account().current {
        Some(key) => report.say(format!("The account's key is {key}.")),
        None => report.say("It has no account key yet."),
    }
    asked::old_keys(&muaa, report);
    if let Some(digits) = muaa.comparison().filter(|_| muaa.members().len() > 1) {
        report.set("comparison", digits.as_str());
        report.say(format!("All paired devices should show the number {digits}."));
    }
    siblings(&muaa.siblings(), report);
    offers(words::has_group(muaa.phase()), &muaa.offers(), report);
    asked::notices(&muaa.notices(), &muaa.siblings(), report);
    asked::join(&muaa, report);
    Ok(())
}

/// The public part of the account's key.
pub(crate) fn public_key(muaa: &Muaa<OpenPgp>) -> Result<Vec<u8>, Failure> {
    let account = muaa.account();
    account.public.map(Into::into).ok_or_else(|| match account.current {
        Some(_) => Failure::Failed("this program is too old to read the account's key: update it".to_owned()),
        None => no_key(),
    })
}

/// The machine as it was saved, to look at; a failure that says what to do if it has no account key.
pub(crate) fn with_key(directory: &Path, settings: &Settings) -> Result<Muaa<OpenPgp>, Failure> {
    saved(directory, settings)?.filter(|muaa| muaa.account().current.is_some()).ok_or_else(no_key)
}

fn no_key() -> Failure {
    let why = "this device has no account key yet: run sma sync, and pair it if others are there";
    Failure::NeedsPerson(why.to_owned())
}

/// The machine as it was saved, to look at.
pub(crate) fn saved(directory: &Path, settings: &Settings) -> Result<Option<Muaa<OpenPgp>>, Failure> {
    let Some(snapshot) = StateFile::peek(directory)? else { return Ok(None) };
    let restore = |snapshot: &Snapshot| {
        // Nothing that this machine would draw or do leaves this process, so its seed need not be random.
        Muaa::restore(settings.config(), OpenPgp::new(), [0; 32], snapshot, sma_imap::now())
    };
    restore(&snapshot).map(Some).map_err(|error| Failure::Failed(format!("{error}: {}", directory.display())))
}

fn offers(has_group: bool, offers: &[OfferView], report: &mut Report) {
    report.set("offers", offers.iter().map(|offer| offer.from.to_string()).collect::<Vec<_>>());
    report.set("offer_keys", offers.iter().map(|offer| offer.key.to_string()).collect::<Vec<_>>());
    for OfferView { from, key, form, .. } in offers {
        let of_one_id = |other: &OfferView| other.from == *from && other.key != *key;
        let key =
            if offers.iter().any(of_one_id) { format!(" with the fingerprint {key}") } else { String::new() };
        report.say(if has_group {
            words::offer_to_a_group(&format!("{from}{key}"), *form)
        } else {
            format!("Device {from}{key} shows a {} for a new device.", words::form(*form))
        });
    }
}

fn siblings(siblings: &[Sibling], report: &mut Report) {
    let value = |sibling: &Sibling| {
        json!({
            "id": sibling.id.to_string(),
            "phase": words::sibling_phase(sibling),
            "name": sibling.name,
            "fingerprint": sibling.fingerprint.to_string(),
            "silent": sibling.silent,
            "replaces": sibling.replaces.map(|id| id.to_string()),
        })
    };
    report.set("siblings", siblings.iter().map(value).collect::<Vec<_>>());
    let requests = siblings.iter().filter(|sibling| sibling.requesting && !sibling.member);
    report.set("requests", requests.map(|sibling| sibling.id.to_string()).collect::<Vec<_>>());
    for sibling in siblings {
        let name = sibling.name.as_ref().map(|name| format!(", \"{name}\",")).unwrap_or_default();
        let silent = if sibling.silent { " It was silent for long." } else { "" };
        let what = match words::sibling_phase(sibling) {
            "member" => "is paired with this one",
            "requesting" => "asks to be let in",
            _ => "is on this account and not paired",
        };
        let place = sibling.replaces.map(|id| format!(", in place of device {id}")).unwrap_or_default();
        report.say(format!("Device {}{name} {what}{place}.{silent}", sibling.id));
    }
}

#[cfg(test)]
mod tests {
    use sma_core::{Crypto, MuaaId, Timestamp, is_hidden};

    use super::*;

    /// It would wipe its own line, go up, wipe that one, turn the rest around, and ring.
    const HOSTILE: &str = "x\u{1b}[2K\u{1b}[1A\r\n\u{202e}gone\u{7}\u{9b}";

    fn sibling() -> Sibling {
        let key = OpenPgp::new().new_device_key(&[1; 32], Timestamp::default()).unwrap();
        Sibling {
            id: MuaaId(27),
            name: Some(HOSTILE.to_owned()),
            member: true,
            requesting: false,
            replaces: Some(MuaaId(3)),
            fingerprint: key.fingerprint,
            added_by: None,
            last_heard: None,
            silent: true,
        }
    }

    fn settings() -> Settings {
        Settings {
            address: format!("{HOSTILE}@example.org"),
            imap: "imaps://anna@mail.example.org".into(),
            name: HOSTILE.into(),
            insecure: false,
            password_command: None,
        }
    }

    /// What a terminal gets of a report, and what a program does.
    fn told(report: Report) -> (serde_json::Value, Vec<String>) {
        let (value, lines) = report.into_parts();
        let lines: Vec<_> = lines.iter().map(|line| line.as_str().to_owned()).collect();
        assert!(lines.iter().all(|line| !line.contains(is_hidden)), "{lines:?}");
        (value, lines)
    }

    #[test]
    fn a_name_of_another_device_hides_no_line_of_the_status_and_is_exact_for_programs() {
        let mut report = Report::default();
        siblings(&[sibling()], &mut report);
        let (value, lines) = told(report);
        assert_eq!(value["siblings"][0]["name"], HOSTILE);
        let [line] = &lines[..] else { panic!("one line: {lines:?}") };
        assert!(
            line.starts_with("Device 27, \"x\\u{1b}[2K") && line.contains("\\r\\n\\u{202e}gone"),
            "{line}"
        );
    }

    #[test]
    fn the_status_of_a_device_that_has_a_group_warns_of_who_offers_to_take_it_into_another() {
        let offer = OfferView {
            from: MuaaId(666),
            key: sibling().fingerprint,
            session: sma_core::SessionId([1; 16]),
            form: sma_core::Form::Code,
        };
        for has_group in [true, false] {
            let mut report = Report::default();
            offers(has_group, std::slice::from_ref(&offer), &mut report);
            let (value, lines) = told(report);
            assert_eq!(value["offers"], json!(["666"]));
            let [line] = &lines[..] else { panic!("one line: {lines:?}") };
            assert_eq!(line.contains("whom this device does not know, device 666,"), has_group, "{line}");
            assert_eq!(
                line.contains("only if you see it yourself on another device of yours"),
                has_group,
                "{line}"
            );
            assert!(!line.contains("sma pair"), "{line}");
        }
    }

    #[test]
    fn the_own_name_and_address_are_shown_as_they_are_safe() {
        let directory = tempfile::tempdir().unwrap();
        settings().save(directory.path()).unwrap();
        let mut report = Report::default();
        status(directory.path(), &mut report).unwrap();
        let (value, _) = told(report);
        assert_eq!(value["name"], HOSTILE);
    }
}
