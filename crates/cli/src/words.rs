//! Events and views as sentences and as JSON.

use chrono::DateTime;
use serde_json::{Value, json};
use sma_core::{Ended, Event, Form, Gone, Phase, Sibling, Timestamp};

use crate::shown::Line;

/// A word for programs, and lines for people. What an offer means depends on whether this device has a group already.
pub(crate) fn event(event: &Event, has_group: bool, now: Timestamp) -> (Value, Vec<Line>) {
    let (value, sentence) = told(event, has_group, now);
    let mut lines = vec![Line::text(&sentence)];
    if let Event::ShowLink { link, .. } = event {
        lines.insert(0, Line::text(&link.shown()));
    }
    (value, lines)
}

fn told(event: &Event, has_group: bool, now: Timestamp) -> (Value, String) {
    let value = |name: &str, more: Value| {
        let mut value = json!({ "event": name });
        if let (Some(object), Value::Object(more)) = (value.as_object_mut(), more) {
            object.extend(more);
        }
        value
    };
    match event {
        Event::PhaseChanged(phase) => (
            value("phase", json!({ "phase": phase.name() })),
            format!("This device is {}.", phase_words(*phase)),
        ),
        Event::MuaaSeen(id) => (
            value("seen", json!({ "id": id.to_string() })),
            format!("Device {id} is on this account; it is not paired."),
        ),
        Event::RequestSeen(id) => (
            value("request", json!({ "id": id.to_string() })),
            format!("Device {id} asks to be let in. If it is yours: sma pair --offer {id}"),
        ),
        Event::ShowCode { code, expires, .. } => {
            let minutes = expires.since(now).as_secs() / 60;
            let sentence = format!(
                "The code is {}, good for {minutes} minutes. Type it on your new device with sma pair --code, and tell it to \
                 nobody. Then run sma sync here, so that the new device is let in.",
                code.shown()
            );
            (value("code", json!({ "code": code.shown(), "expires": expires.as_secs() })), sentence)
        }
        Event::ShowLink { link, expires, .. } => {
            let (link, minutes) = (link.shown(), expires.since(now).as_secs() / 60);
            let sentence = format!(
                "This link is good for {minutes} minutes. Scan its QR code with your new device, or hand it in there with \
                 sma pair --code, and give it to nobody. Then run sma sync here, so that the new device is let in."
            );
            (value("link", json!({ "link": *link, "expires": expires.as_secs() })), sentence)
        }
        Event::OfferSeen { from, form: shown, .. } => {
            let value = value("offer", json!({ "from": from.to_string(), "form": form(*shown) }));
            if has_group {
                return (value, offer_to_a_group(&from.to_string(), *shown));
            }
            let shown = form(*shown);
            let sentence = format!(
                "Device {from} shows a {shown} for a new device. If this is the one: sma pair --code {}",
                shown.to_uppercase()
            );
            (value, sentence)
        }
        Event::CodeBurnt { .. } => (
            value("code-burnt", json!({})),
            "Somebody typed a wrong code, and the code is void. If it was you, make a new one.".to_owned(),
        ),
        Event::CodesLocked { until } => (
            value("codes-locked", json!({ "until": until.as_secs() })),
            "Too many wrong codes were typed: no code is made for an hour. A link is: sma pair --link."
                .to_owned(),
        ),
        Event::OfferExpired { .. } => {
            (value("offer-expired", json!({})), "A code or link ran out without being used.".to_owned())
        }
        Event::PairingEnded { with, why } => {
            let why = match why {
                Ended::Rejected => "it does not want this device",
                Ended::WrongCode => "the code was wrong",
                Ended::Aborted => "it was given up",
                Ended::TooLarge => "the server takes no message as large as the account's state",
            };
            (
                value("pairing-ended", json!({ "with": with.to_string(), "why": why })),
                format!("The pairing with device {with} ended: {why}."),
            )
        }
        Event::Joined { by, .. } => (
            value("joined", json!({ "by": by.to_string() })),
            format!("This device was let in by device {by}."),
        ),
        Event::MemberAdded { id, by } => (
            value("added", json!({ "id": id.to_string(), "by": by.to_string() })),
            format!("Device {id} was let in by device {by}. If that was not you: sma device remove {id}"),
        ),
        Event::NotReplaced { id, replaces } => (
            value("not-replaced", json!({ "id": id.to_string(), "replaces": replaces.to_string() })),
            format!(
                "Device {id} was to take the place of device {replaces}, which is in use or is none of the paired ones, so that one \
                 stays. To remove it: sma device remove {replaces}"
            ),
        ),
        Event::MemberGone { id, how } => {
            let how = gone(*how);
            (
                value("gone", json!({ "id": id.to_string(), "how": how })),
                format!("Device {id} is not paired any more: it {how}."),
            )
        }
        Event::AccountKeyChanged(key) => (
            value("account-key", json!({ "fingerprint": key.to_string() })),
            format!("The account's key is {key}."),
        ),
        Event::JoinAsks { by } => (
            value("join-asks", json!({ "by": by.to_string() })),
            format!(
                "Device {by} let this one into another group. sma status shows whose it is. If you started this on a device that you \
                 hold in your hands: sma pair --confirm. If somebody asked you to: sma pair --decline"
            ),
        ),
        Event::MergeAnnounced { by, merge } => (
            value("merge-announced", json!({ "by": by.to_string(), "merge": merge.to_string() })),
            format!(
                "Device {by} wants to take all devices and all keys over to another group. If that was not you: sma pair --veto {merge}, \
                 and sma device remove {by}"
            ),
        ),
        Event::JoinVetoed => (
            value("join-vetoed", json!({})),
            "This device does not go over to the other group: another device vetoed it, or this one has changed its group or its key since."
                .to_owned(),
        ),
        Event::KeySetAside { fingerprint, until } => (
            value(
                "key-set-aside",
                json!({ "fingerprint": fingerprint.to_string(), "until": until.as_secs() }),
            ),
            format!(
                "The account's old key {fingerprint} was destroyed: it is set aside, and wiped on {}. If that was not you: sma keys restore \
                 {fingerprint}",
                day(*until)
            ),
        ),
        Event::KeyRestored(key) => (
            value("key-restored", json!({ "fingerprint": key.to_string() })),
            format!("The account's old key {key} is used again."),
        ),
        Event::KeyDestroyed(key) => (
            value("key-destroyed", json!({ "fingerprint": key.to_string() })),
            format!("The account's old key {key} was wiped: mail to it cannot be read any more."),
        ),
        Event::SettingsChanged => {
            (value("settings", json!({})), "A setting changed on another device.".to_owned())
        }
        Event::PeersChanged => {
            (value("peers", json!({})), "Another device told of other people's keys.".to_owned())
        }
        Event::MemberSilent { id } => (
            value("silent", json!({ "id": id.to_string() })),
            format!("Device {id} was not heard of for long; if it stays so, its folder will be deleted."),
        ),
        Event::FolderDeleted { id } => (
            value("folder-deleted", json!({ "id": id.to_string() })),
            format!("The folder of device {id} was deleted by hand. Is the device to be removed for good?"),
        ),
        Event::Equivocation { id } => (
            value("equivocation", json!({ "id": id.to_string() })),
            format!(
                "Device {id} runs twice: it was copied or restored from a backup. If that was not you, remove it."
            ),
        ),
        Event::Moved { from, to } => (
            value("moved", json!({ "from": from.to_string(), "to": to.to_string() })),
            format!(
                "A backup of this program was restored, or its files were copied: it goes on as device {to}. If you did \
                 neither, somebody has a copy: remove the other devices that went on from {from}."
            ),
        ),
        Event::UpdateNeeded => (
            value("update-needed", json!({})),
            "This program is too old to change who belongs to the account: update it.".to_owned(),
        ),
        Event::Ignored { folder, uid, why } => (
            value("ignored", json!({ "folder": folder.name(), "uid": uid.0, "why": why.words() })),
            format!("Message {} in {} is not used: {}.", uid.0, folder.name(), why.words()),
        ),
        Event::StoreTrouble { op, error } => (
            value("trouble", json!({ "op": op, "why": error.to_string() })),
            format!("The server did not do {op}: {error}. It is tried again."),
        ),
    }
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

fn date(at: Timestamp, format: &str) -> String {
    let seconds = i64::try_from(at.as_secs()).ok();
    let date = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    date.map_or_else(|| "a day too far ahead to write".to_owned(), |date| date.format(format).to_string())
}

/// The end of "This device is …".
pub(crate) fn phase_words(phase: Phase) -> &'static str {
    match phase {
        Phase::Discovering => "looking for others",
        Phase::Alone => "the only one of its account, as far as it knows",
        Phase::Unpaired => "not paired, and others are there",
        Phase::Requesting => "not paired; it asked the others to be let in",
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

/// The word for what a sibling is.
pub(crate) fn sibling_phase(sibling: &Sibling) -> &'static str {
    match (sibling.member, sibling.requesting) {
        (true, _) => "member",
        (false, true) => "requesting",
        (false, false) => "seen",
    }
}

#[cfg(test)]
mod tests {
    use sma_core::{MuaaId, OpError, SessionId};

    use super::*;

    #[test]
    fn each_event_has_a_word_and_a_sentence() {
        let events = [
            Event::PhaseChanged(Phase::Paired),
            Event::RequestSeen(MuaaId(27)),
            Event::MemberAdded { id: MuaaId(27), by: MuaaId(7) },
            Event::MemberGone { id: MuaaId(27), how: Gone::Left },
            Event::StoreTrouble { op: "APPEND", error: OpError::OverQuota },
        ];
        for each in events {
            let (value, lines) = event(&each, false, Timestamp(0));
            assert!(value["event"].is_string());
            let sentence = lines.last().unwrap().as_str();
            assert!(sentence.ends_with(['.', '?', '7']), "{sentence}");
        }
    }

    #[test]
    fn a_device_that_has_a_group_is_warned_of_an_offer_and_a_new_one_is_told_how_to_take_it() {
        for (shown, word) in [(Form::Code, "code"), (Form::Link, "link")] {
            let offer = Event::OfferSeen { from: MuaaId(666), session: SessionId([1; 16]), form: shown };
            let sentence = |has_group| {
                let (value, lines) = event(&offer, has_group, Timestamp(0));
                assert_eq!(value, json!({ "event": "offer", "from": "666", "form": word }));
                let [line] = &lines[..] else { panic!("one line: {lines:?}") };
                line.as_str().to_owned()
            };
            assert!(sentence(false).contains(&format!("sma pair --code {}", word.to_uppercase())));
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
