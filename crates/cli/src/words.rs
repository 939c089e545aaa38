//! Events and views as sentences and as JSON.

use chrono::DateTime;
use serde_json::{Value, json};
use sma_core::{Code, Ended, Event, Form, Gone, Ignored, OpError, Phase, Timestamp};

use crate::{names::Names, shown::Line};

/// A word for programs, and lines for people. What an offer means depends on whether this device has a group already.
pub(crate) fn event(event: &Event, has_group: bool, names: &Names, now: Timestamp) -> (Value, Vec<Line>) {
    let (word, more) = value(event);
    let mut value = json!({ "event": word });
    if let (Some(object), Value::Object(more)) = (value.as_object_mut(), more) {
        object.extend(more);
    }
    (value, vec![Line::text(&sentence(event, has_group, names, now))])
}

/// The word of an event, and what else programs are told of it.
fn value(event: &Event) -> (&'static str, Value) {
    match event {
        Event::PhaseChanged(phase) => ("phase", json!({ "phase": phase.name() })),
        Event::MuaaSeen(id) => ("seen", json!({ "id": id.to_string() })),
        Event::RequestSeen(id) => ("request", json!({ "id": id.to_string() })),
        Event::ShowCode { session, code, expires } => {
            let (session, code) = (session.to_string(), typed(code));
            ("code", json!({ "session": session, "code": code, "expires": expires.as_secs() }))
        }
        Event::ShowLink { session, link, expires } => {
            let (session, link) = (session.to_string(), link.shown());
            ("link", json!({ "session": session, "link": *link, "expires": expires.as_secs() }))
        }
        Event::OfferSeen { from, session, form: shown } => {
            let (from, session) = (from.to_string(), session.to_string());
            ("offer", json!({ "from": from, "session": session, "form": form(*shown) }))
        }
        Event::CodeBurnt { session } => ("code-burnt", json!({ "session": session.to_string() })),
        Event::CodesLocked { until } => ("codes-locked", json!({ "until": until.as_secs() })),
        Event::OfferExpired { session } => ("offer-expired", json!({ "session": session.to_string() })),
        Event::PairingEnded { with, why } => {
            ("pairing-ended", json!({ "with": with.to_string(), "why": ended(*why) }))
        }
        Event::Joined { by, .. } => ("joined", json!({ "by": by.to_string() })),
        Event::MemberAdded { id, by } => ("added", json!({ "id": id.to_string(), "by": by.to_string() })),
        Event::NotReplaced { id, replaces } => {
            ("not-replaced", json!({ "id": id.to_string(), "replaces": replaces.to_string() }))
        }
        Event::MemberGone { id, how } => ("gone", json!({ "id": id.to_string(), "how": gone(*how) })),
        Event::AccountKeyChanged(key) => ("account-key", json!({ "fingerprint": key.to_string() })),
        Event::JoinAsks { by } => ("join-asks", json!({ "by": by.to_string() })),
        Event::MergeAnnounced { by, merge } => {
            ("merge-announced", json!({ "by": by.to_string(), "merge": merge.to_string() }))
        }
        Event::JoinVetoed => ("join-vetoed", json!({})),
        Event::KeySetAside { fingerprint, until } => {
            ("key-set-aside", json!({ "fingerprint": fingerprint.to_string(), "until": until.as_secs() }))
        }
        Event::KeyRestored(key) => ("key-restored", json!({ "fingerprint": key.to_string() })),
        Event::KeyDestroyed(key) => ("key-destroyed", json!({ "fingerprint": key.to_string() })),
        Event::SettingsChanged => ("settings", json!({})),
        Event::PeersChanged => ("peers", json!({})),
        Event::MemberSilent { id } => ("silent", json!({ "id": id.to_string() })),
        Event::FolderDeleted { id } => ("folder-deleted", json!({ "id": id.to_string() })),
        Event::Equivocation { id } => ("equivocation", json!({ "id": id.to_string() })),
        Event::Moved { from, to } => ("moved", json!({ "from": from.to_string(), "to": to.to_string() })),
        Event::UpdateNeeded => ("update-needed", json!({})),
        Event::Ignored { folder, uid, why } => {
            ("ignored", json!({ "folder": folder.name(), "uid": uid.0, "why": why.words() }))
        }
        Event::StoreTrouble { op, error } => ("trouble", json!({ "op": op, "why": error.to_string() })),
    }
}

fn sentence(event: &Event, has_group: bool, names: &Names, now: Timestamp) -> String {
    match event {
        Event::PhaseChanged(phase) => format!("This device is {}.", phase_words(*phase)),
        Event::MuaaSeen(id) => {
            format!("Device {} is on this account; it is not paired with this one.", names.of_id(*id))
        }
        Event::RequestSeen(id) if has_group => format!(
            "Device {} asks to be let in. If it is yours, run sma pair here and type on it the code that appears.",
            names.of_id(*id)
        ),
        Event::RequestSeen(id) => {
            format!("Device {} asks to be let in too; neither it nor this one can let the other in yet.", names.of_id(*id))
        }
        Event::ShowCode { code, expires, .. } => format!(
            "On your new device, type: sma pair {}. The code is good for {}. Tell it to nobody.",
            typed(code),
            minutes(*expires, now)
        ),
        Event::ShowLink { link, expires, .. } => format!(
            "On your new device, type: sma pair {}. The link is good for {}. Give it to nobody.",
            crate::link::for_shells(&link.shown()),
            minutes(*expires, now)
        ),
        Event::OfferSeen { from, form: shown, .. } if has_group => offer_to_a_group(&names.of_id(*from), *shown),
        Event::OfferSeen { from, form: shown, .. } => {
            let shown = form(*shown);
            format!(
                "Device {} shows a {shown} for a new device. If that is yours, type here: sma pair {}",
                names.of_id(*from),
                shown.to_uppercase()
            )
        }
        Event::CodeBurnt { .. } => {
            "Somebody typed a wrong code, so the code that was shown is void. If that was you, run sma pair again for a new one."
                .to_owned()
        }
        Event::CodesLocked { .. } => {
            "Three wrong codes were typed within an hour: no code is made for the rest of it. A link is, with sma pair --link."
                .to_owned()
        }
        Event::OfferExpired { .. } => "The code or link that this device showed is not good any more.".to_owned(),
        Event::PairingEnded { with, why } => {
            format!("The pairing with device {} ended: {}.", names.of_id(*with), ended(*why))
        }
        Event::Joined { by, .. } => format!("Device {} let this one in.", names.of_id(*by)),
        Event::MemberAdded { id, by } => format!(
            "Device {} let in device {}. If that was not you: sma devices remove {}",
            names.of_id(*by),
            names.of_id(*id),
            names.short(*id)
        ),
        Event::NotReplaced { id, replaces } => format!(
            "Device {} was to take the place of device {old}, which is in use or is not paired, so that one stays. To remove it: sma devices remove {}",
            names.of_id(*id),
            names.short(*replaces),
            old = names.of_id(*replaces),
        ),
        Event::MemberGone { id, how } => {
            format!("Device {} is not paired any more: it {}.", names.of_id(*id), gone(*how))
        }
        Event::AccountKeyChanged(key) => format!("Mail uses the key {key} now."),
        Event::JoinAsks { by } => format!(
            "Device {} let this one into another group. sma status shows whose it is. If you started this on a device that you hold in your hands: sma pair --confirm. If somebody asked you to: sma pair --decline",
            names.of_id(*by)
        ),
        Event::MergeAnnounced { by, merge } => format!(
            "Device {} wants to take all devices and all keys over to another group. If that was not you: sma pair --veto {merge}, and sma devices remove {}",
            names.of_id(*by),
            names.short(*by)
        ),
        Event::JoinVetoed => {
            "This device does not go over to the other group: another device vetoed it, or this one has changed its group or its key since."
                .to_owned()
        }
        Event::KeySetAside { fingerprint, until } => format!(
            "The account's old key {fingerprint} was destroyed: it is set aside, and wiped on {}. If that was not you: sma keys restore {fingerprint}",
            day(*until)
        ),
        Event::KeyRestored(key) => format!("The account's old key {key} is used again."),
        Event::KeyDestroyed(key) => {
            format!("The account's old key {key} was wiped: mail to it cannot be read any more.")
        }
        Event::SettingsChanged => "A setting changed on another device.".to_owned(),
        Event::PeersChanged => "Another device told of other people's keys.".to_owned(),
        Event::MemberSilent { id } => format!(
            "Device {} was not heard of for long; if it stays so, its folder will be deleted.",
            names.of_id(*id)
        ),
        Event::FolderDeleted { id } => format!(
            "The folder of device {} was deleted on the server. To have that device out for good: sma devices remove {}. To keep it: sma devices \
             return, on that device.",
            names.of_id(*id),
            names.short(*id)
        ),
        Event::Equivocation { id } => format!(
            "Device {} runs twice: it was copied or restored from a backup. If that was not you: sma devices remove {}",
            names.of_id(*id),
            names.short(*id)
        ),
        Event::Moved { from, to } => format!(
            "A backup of this program was restored, or its files were copied: it goes on as device {}. If you did \
             neither, somebody has a copy: remove the other devices that went on from {}.",
            names.short(*to),
            names.short(*from)
        ),
        Event::UpdateNeeded => {
            "This program is too old to change who belongs to the account: update it.".to_owned()
        }
        Event::Ignored { why: Ignored::Stale, .. } => {
            "A message came that answers something that is over, as a code that ran out; it is not used.".to_owned()
        }
        Event::Ignored { folder, uid, why } => {
            format!("Message {} in {} is not used: {}.", uid.0, folder.name(), why.words())
        }
        Event::StoreTrouble { op, error } => format!("The server did not do {op}: {error}. It is tried again."),
    }
}

/// A code as it is typed: no shell takes a hyphen for its own.
pub(crate) fn typed(code: &Code) -> String {
    code.shown().replace(' ', "-")
}

/// How long something is good, in whole minutes and never less than one.
pub(crate) fn minutes(expires: Timestamp, now: Timestamp) -> String {
    match expires.since(now).as_secs().div_ceil(60) {
        0 | 1 => "one minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}

fn ended(why: Ended) -> &'static str {
    match why {
        Ended::Rejected => "it does not want this device",
        Ended::WrongCode => "the code was wrong",
        Ended::Aborted => "it was given up",
        Ended::TooLarge => "the server takes no message as large as the account's state",
    }
}

/// Whether an event only says once more that there is no connection.
pub(crate) fn is_no_connection(event: &Event) -> bool {
    matches!(event, Event::StoreTrouble { error: OpError::NotSent | OpError::Unknown, .. })
}

/// What a device that has a group is told of an offer: taking it takes all keys there, and nobody in the group vouches for it.
pub(crate) fn offer_to_a_group(from: &str, shown: Form) -> String {
    let shown = form(shown);
    format!(
        "Somebody whom this device does not know, device {from}, offers to take it into another group. Hand in a {shown} only if you \
         see it yourself on another device of yours, and never one that somebody gave you."
    )
}

/// Whether a device in this phase has a group, be it alone in it.
pub(crate) fn has_group(phase: Phase) -> bool {
    matches!(phase, Phase::Alone | Phase::Paired | Phase::Suspended)
}

/// What a member shows.
pub(crate) fn form(form: Form) -> &'static str {
    match form {
        Form::Code => "code",
        Form::Link => "link",
    }
}

/// A day for people.
pub(crate) fn day(at: Timestamp) -> String {
    date(at, "%Y-%m-%d")
}

/// A time for people, to the minute.
pub(crate) fn minute(at: Timestamp) -> String {
    date(at, "%Y-%m-%d %H:%M UTC")
}

/// How long ago something was, roughly.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    let minutes = now.since(at).as_secs() / 60;
    let (number, unit) = match minutes {
        0..2 => return "now".to_owned(),
        2..120 => (minutes, "minutes"),
        120..2880 => (minutes / 60, "hours"),
        _ => (minutes / 1440, "days"),
    };
    format!("{number} {unit} ago")
}

/// When a device said last that it is there, which it does once a week: so much is known, and no more.
pub(crate) fn heard(at: Option<Timestamp>, now: Timestamp) -> String {
    const WEEK_AND_A_DAY: u64 = 8 * 86_400;
    match at {
        None => "never".to_owned(),
        Some(at) if now.since(at).as_secs() < WEEK_AND_A_DAY => "this week".to_owned(),
        Some(at) => ago(at, now),
    }
}

/// What the system says, without the number that it has for it.
pub(crate) fn plain(sentence: &str) -> String {
    let mut plain = String::with_capacity(sentence.len());
    let mut rest = sentence;
    while let Some((before, after)) = rest.split_once(" (os error ") {
        plain += before;
        let end = after.find(|character: char| !character.is_ascii_digit()).unwrap_or(after.len());
        rest = after[end..].strip_prefix(')').unwrap_or(&after[end..]);
    }
    plain + rest
}

/// A time of day, for lines of a program that stays.
pub(crate) fn time_of_day(at: Timestamp) -> String {
    date(at, "%H:%M:%S UTC")
}

fn date(at: Timestamp, format: &str) -> String {
    let seconds = i64::try_from(at.as_secs()).ok();
    let date = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    date.map_or_else(|| "a day too far ahead to write".to_owned(), |date| date.format(format).to_string())
}

/// The end of "This device is …".
pub(crate) fn phase_words(phase: Phase) -> &'static str {
    match phase {
        Phase::Discovering => "looking for others",
        Phase::Alone => "set up, and paired with no other one",
        Phase::Unpaired => "new on this account, which other devices use already",
        Phase::Requesting => "new on this account; it asked the other devices to be let in",
        Phase::Paired => "paired",
        Phase::Suspended => "suspended: its folder on the server was deleted",
        Phase::Removed => "removed from the group, by another device or because it was silent for a year",
        Phase::Left => "out of the group: it left",
    }
}

fn gone(how: Gone) -> &'static str {
    match how {
        Gone::Removed => "was removed",
        Gone::Left => "left",
        Gone::Expired => "was silent for too long",
        Gone::Moved => "goes on under another number",
        Gone::Voided => "was let in by one that had no right to",
    }
}

#[cfg(test)]
mod tests {
    use sma_core::{Fingerprint, Folder, Hash, MuaaId, PairingLink, SessionId, Uid};

    use super::*;

    #[test]
    fn times_are_told_as_people_say_them() {
        let at = |secs| Timestamp::from_secs(secs);
        assert_eq!([0, 119, 120].map(|secs| ago(at(0), at(secs))), ["now", "now", "2 minutes ago"]);
        assert_eq!([7200, 172_800].map(|secs| ago(at(0), at(secs))), ["2 hours ago", "2 days ago"]);
        assert_eq!(ago(at(9), at(0)), "now", "a clock that is ahead");
        assert_eq!(
            [600, 599, 61, 60, 0].map(|secs| minutes(at(secs), at(0))),
            ["10 minutes", "10 minutes", "2 minutes", "one minute", "one minute"]
        );
    }

    #[test]
    fn a_device_announces_itself_once_a_week_and_no_more_is_said_of_when() {
        let day = |days: u64| Timestamp::from_secs(days * 86_400);
        let said = |days| heard(Some(day(0)), day(days));
        assert_eq!([0, 7, 9].map(said), ["this week", "this week", "9 days ago"]);
        assert_eq!(heard(None, day(1)), "never");
    }

    #[test]
    fn the_systems_numbers_are_left_out() {
        for (told, said) in [
            (
                "cannot read x: No such file or directory (os error 2); name another file",
                "cannot read x: No such file or directory; name another file",
            ),
            ("a (os error 13): b (os error 1", "a: b"),
            ("nothing of the kind", "nothing of the kind"),
        ] {
            assert_eq!(plain(told), said);
        }
    }

    /// One of each.
    fn all() -> Vec<Event> {
        let (id, by, session) = (MuaaId(270_000), MuaaId(7777), SessionId([1; 16]));
        let key = Fingerprint::new(&[0xa7; 20]).unwrap();
        let at = Timestamp::from_secs(600);
        let code = (0..10).find_map(|check| Code::parse(&format!("12345678{check}")).ok()).unwrap();
        let link = PairingLink::parse(&format!(
            "autocrypt-sma:anna@example.org?v=1&g={0}&m=7777&f={0}&s={1}&k={1}",
            "01".repeat(32),
            "01".repeat(16)
        ));
        vec![
            Event::PhaseChanged(Phase::Paired),
            Event::MuaaSeen(id),
            Event::RequestSeen(id),
            Event::ShowCode { session, code, expires: at },
            Event::ShowLink { session, link: link.unwrap(), expires: at },
            Event::OfferSeen { from: id, session, form: Form::Code },
            Event::CodeBurnt { session },
            Event::CodesLocked { until: at },
            Event::OfferExpired { session },
            Event::PairingEnded { with: id, why: Ended::WrongCode },
            Event::Joined { group: Hash([1; 32]), by },
            Event::MemberAdded { id, by },
            Event::NotReplaced { id, replaces: by },
            Event::MemberGone { id, how: Gone::Left },
            Event::AccountKeyChanged(key),
            Event::JoinAsks { by },
            Event::MergeAnnounced { by, merge: Hash([1; 32]) },
            Event::JoinVetoed,
            Event::KeySetAside { fingerprint: key, until: at },
            Event::KeyRestored(key),
            Event::KeyDestroyed(key),
            Event::SettingsChanged,
            Event::PeersChanged,
            Event::MemberSilent { id },
            Event::FolderDeleted { id },
            Event::Equivocation { id },
            Event::Moved { from: id, to: by },
            Event::UpdateNeeded,
            Event::Ignored { folder: Folder::Announcements, uid: Uid(3), why: Ignored::Malformed },
            Event::Ignored { folder: Folder::Announcements, uid: Uid(3), why: Ignored::Stale },
            Event::StoreTrouble { op: "APPEND", error: OpError::OverQuota },
        ]
    }

    /// Each with its word, as people read it.
    #[test]
    fn every_event_is_a_sentence_that_a_person_reads_and_a_word_that_the_documentation_has() {
        let names = Names::from(&[(270_000, "phone"), (7777, "laptop")]);
        let documentation = include_str!("../../../docs/json.md");
        let mut screen = String::new();
        for each in all() {
            let (value, lines) = event(&each, true, &names, Timestamp(0));
            let word = value["event"].as_str().unwrap();
            assert!(documentation.contains(&format!("`{word}`")), "{word}");
            for name in value.as_object().unwrap().keys().filter(|name| *name != "event") {
                assert!(documentation.contains(&format!("`{name}`")), "{name} of {word}");
            }
            let sentence = lines[0].as_str();
            for part in ["Some(", "None", "{", "Timestamp", "MuaaId", "  "] {
                assert!(!sentence.contains(part), "{sentence}");
            }
            screen += &format!("{word}\n    {sentence}\n");
        }
        snapbox::assert_data_eq!(screen, snapbox::file!["../tests/screens/events.txt"]);
    }

    #[test]
    fn a_device_that_has_a_group_is_warned_of_an_offer_and_a_new_one_is_told_how_to_take_it() {
        for (shown, word) in [(Form::Code, "code"), (Form::Link, "link")] {
            let offer = Event::OfferSeen { from: MuaaId(666), session: SessionId([1; 16]), form: shown };
            let sentence = |has_group| {
                let (value, lines) = event(&offer, has_group, &Names::default(), Timestamp(0));
                assert_eq!(
                    value,
                    json!({ "event": "offer", "from": "666", "session": "01".repeat(16), "form": word })
                );
                let [line] = &lines[..] else { panic!("one line: {lines:?}") };
                line.as_str().to_owned()
            };
            assert!(sentence(false).contains(&format!("sma pair {}", word.to_uppercase())));
            let warning = sentence(true);
            assert!(!warning.contains("sma pair") && !warning.contains("If this is the one"), "{warning}");
            for part in [
                "whom this device does not know, device 666,",
                "into another group",
                "another device of yours",
            ] {
                assert!(warning.contains(part), "{part} in {warning}");
            }
        }
    }
}
