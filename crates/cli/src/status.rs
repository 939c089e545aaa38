//! What the saved state says, without connecting.

use std::path::Path;

use serde_json::json;
use sma_core::{Crypto, Muaa, OfferView, Phase, Sibling, Snapshot, Timestamp};
use sma_imap::StateFile;
use sma_openpgp::OpenPgp;

use crate::{
    account::Settings,
    asked, devices,
    failure::{Failure, advice},
    history::History,
    mail,
    names::Names,
    pending::{CODE_LIFE, Pending},
    report::Report,
    words,
};

/// Tells the state.
pub(crate) fn status(directory: &Path, report: &mut Report) -> Result<(), Failure> {
    let settings = Settings::load(directory)?;
    report.set("address", settings.address.as_str());
    report.set("name", settings.name.as_str());
    report.set("state", directory.display().to_string());
    let Some(muaa) = saved(directory, &settings)? else {
        report.set("phase", "discovering");
        report.say(format!("{} is set up and was not synced yet: run sma sync.", settings.address));
        return Ok(());
    };
    report.standing(&muaa);
    let names = Names::of(&muaa, &settings.name, &History::load(directory));
    let id = muaa.id().map_or_else(|| "without an ID".to_owned(), |id| names.short(id));
    let fingerprint = muaa.fingerprint().to_string();
    let digits = asked::first_digits(&fingerprint);
    report.set("fingerprint", fingerprint);
    report.say(format!("This device of {} is \"{}\" ({id}).", settings.address, settings.name));
    report.say(format!("It is {}.", words::phase_words(muaa.phase())));
    let pending = Pending::load(directory, sma_imap::now())?;
    waits(&pending, &muaa, report);
    let brings_key = pending.brings_key() && !words::has_group(muaa.phase());
    report.say(format!("Its fingerprint begins {digits}."));
    let is_out = matches!(muaa.phase(), Phase::Removed | Phase::Left);
    match muaa.account().current {
        Some(key) => {
            report.say(format!("Mail uses the key {key}."));
            let problem = mail::key_problem(directory, &muaa);
            report.set("key_problem", problem.as_deref());
            if let Some(problem) = problem {
                report.say(format!("Nobody can encrypt to this account now: {problem}."));
            }
        }
        None if is_out => {}
        None if brings_key => report.say(
            "It brings a key along that was imported here, and asks before it goes to the others with it.",
        ),
        None => report.say("It has no account key yet."),
    }
    asked::old_keys(&muaa, report);
    if let Some(digits) = muaa.comparison().filter(|_| muaa.members().len() > 1 && !is_out) {
        report.set("comparison", digits.as_str());
        report.say(format!("All paired devices should show the number {digits}."));
    }
    siblings(&muaa, &names, sma_imap::now(), report);
    offers(words::has_group(muaa.phase()), &muaa.offers(), &names, report);
    asked::notices(&muaa.notices(), &muaa.siblings(), &names, report);
    asked::join(&muaa, &names, report);
    Ok(())
}

/// What is waited for, and what can be done.
fn waits(pending: &Pending, muaa: &Muaa<OpenPgp>, report: &mut Report) {
    let now = sma_imap::now();
    let has_group = words::has_group(muaa.phase());
    let shown = pending.shown().filter(|_| has_group);
    let typed = pending.typed_at();
    report.set(
        "pairing",
        json!({
            "shown_until": shown.map(|shown| shown.expires),
            "typed_at": typed.map(Timestamp::as_secs),
        }),
    );
    if let Some(shown) = shown {
        let word = words::form(shown.form());
        let minutes = words::minutes(Timestamp::from_secs(shown.expires), now);
        report
            .say(format!("It shows a {word} for a new device, good for {minutes}: sma pair shows it again."));
    }
    if let Some(why) = pending.ended().filter(|_| !has_group) {
        report.say(format!("The code that was typed here last came to nothing: {why}."));
    }
    match typed {
        Some(typed) if now.since(typed) <= CODE_LIFE => report.say(format!(
            "A code was typed here at {}, and its answer is waited for: sma pair, sma sync or sma watch takes it.",
            words::minute(typed)
        )),
        Some(typed) => report.say(format!(
            "A code was typed here at {}, and was not answered while it was good: run sma pair on the other device again, and \
             type the new code here.",
            words::minute(typed)
        )),
        None if muaa.join_question().is_some() => {
            report.say("It was let in, and asks whether it is to go there: sma pair asks you, and the question is below.");
            return;
        }
        None if muaa.phase() == Phase::Paired => {}
        None => report.say(format!("What can be done: {}.", advice(muaa.phase()))),
    }
    if matches!(muaa.phase(), Phase::Unpaired | Phase::Requesting) {
        report.say(
            "Only if none of the other devices works any more: sma devices start-apart, which makes another key for the account.",
        );
    }
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

pub(crate) fn no_key() -> Failure {
    let why = "this device has no account key yet: run sma sync, and pair it if others are there";
    Failure::NeedsPerson(why.to_owned())
}

/// The machine as it was saved, to look at; a failure that says what to do if it was not synced yet.
pub(crate) fn synced(directory: &Path, settings: &Settings) -> Result<Muaa<OpenPgp>, Failure> {
    let not_yet = || Failure::NeedsPerson("this device was not synced yet: run sma sync".to_owned());
    saved(directory, settings)?.ok_or_else(not_yet)
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

fn offers(has_group: bool, offers: &[OfferView], names: &Names, report: &mut Report) {
    report.set("offers", offers.iter().map(|offer| offer.from.to_string()).collect::<Vec<_>>());
    report.set("offer_keys", offers.iter().map(|offer| offer.key.to_string()).collect::<Vec<_>>());
    for OfferView { from, key, form, .. } in offers {
        let of_one_id = |other: &OfferView| other.from == *from && other.key != *key;
        let key =
            if offers.iter().any(of_one_id) { format!(" with the fingerprint {key}") } else { String::new() };
        let from = format!("{}{key}", names.of_id(*from));
        report.say(if has_group {
            words::offer_to_a_group(&from, *form)
        } else {
            format!("Device {from} shows a {} for a new device.", words::form(*form))
        });
    }
}

/// What another device is, for programs.
pub(crate) fn state_word<C: Crypto>(sibling: &Sibling, muaa: &Muaa<C>) -> &'static str {
    match (sibling.member, sibling.requesting) {
        (true, _) => "member",
        (false, _) if muaa.is_out(&sibling.fingerprint) => "out",
        (false, true) => "requesting",
        (false, false) => "seen",
    }
}

fn siblings<C: Crypto>(muaa: &Muaa<C>, names: &Names, now: Timestamp, report: &mut Report) {
    let siblings = muaa.siblings();
    let value = |sibling: &Sibling| {
        json!({
            "id": sibling.id.to_string(),
            "phase": state_word(sibling, muaa),
            "name": sibling.name,
            "fingerprint": sibling.fingerprint.to_string(),
            "silent": sibling.silent,
            "replaces": sibling.replaces.map(|id| id.to_string()),
            "added_by": sibling.added_by.map(|id| id.to_string()),
            "last_heard": sibling.last_heard.map(Timestamp::as_secs),
        })
    };
    report.set("siblings", siblings.iter().map(value).collect::<Vec<_>>());
    let requests = siblings.iter().filter(|sibling| sibling.requesting && !sibling.member);
    report.set("requests", requests.map(|sibling| sibling.id.to_string()).collect::<Vec<_>>());
    if matches!(muaa.phase(), Phase::Removed | Phase::Left) {
        // Who is out knows no more of the others.
        return;
    }
    let mut siblings = siblings;
    siblings.sort_by_key(|sibling| (!sibling.member, names.name(sibling.id).map(str::to_owned), sibling.id));
    for sibling in &siblings {
        let what = state_word(sibling, muaa);
        report.say(sibling_line(sibling, what, names, now));
    }
}

fn sibling_line(sibling: &Sibling, what: &str, names: &Names, now: Timestamp) -> String {
    let heard = match sibling.last_heard {
        None => "It was never heard of.".to_owned(),
        heard @ Some(_) => format!("Its last sign of life: {}.", words::heard(heard, now)),
    };
    let silent = if sibling.silent { " It was silent for long." } else { "" };
    let by = sibling.added_by.filter(|by| *by != sibling.id);
    let by = by.map(|by| format!(", let in by {}", names.of_id(by))).unwrap_or_default();
    let what = match what {
        "member" if !devices::has_come(sibling) => format!("is let in and has not come yet{by}"),
        "member" => format!("is paired with this one{by}"),
        "out" => "is out: it was removed, or it left".to_owned(),
        "requesting" => "asks to be let in".to_owned(),
        _ => "is on this account and not paired with this one".to_owned(),
    };
    let place = sibling.replaces.map(|id| format!(", in place of device {}", names.of_id(id)));
    format!("Device {} {what}{}. {heard}{silent}", names.of_id(sibling.id), place.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use sma_core::{MuaaId, is_hidden};

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
            ca_file: None,
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
    fn a_name_of_another_device_hides_no_line_of_the_status() {
        let mut report = Report::default();
        let names = Names::from(&[(27, HOSTILE), (3, "laptop")]);
        report.say(sibling_line(&sibling(), "member", &names, Timestamp(0)));
        let (_, lines) = told(report);
        let [line] = &lines[..] else { panic!("one line: {lines:?}") };
        assert!(line.starts_with("Device \"x\\u{1b}[2K") && line.contains("\\r\\n\\u{202e}gone"), "{line}");
        assert!(line.contains("in place of device \"laptop\" (3). It was never heard of."), "{line}");
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
            offers(has_group, std::slice::from_ref(&offer), &Names::default(), &mut report);
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
