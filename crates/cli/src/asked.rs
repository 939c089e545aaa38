//! What waits for a person: another group to go over to, devices that are new, keys that can be restored.

use serde_json::{Value, json};
use sma_core::{Crypto, JoinQuestion, Muaa, MuaaId, Sibling, Timestamp};

use crate::{names::Names, report::Report, words};

/// So many digits of a fingerprint are for comparing by eye.
const DIGITS: usize = 16;

/// Tells of the group that this device was let into and has not gone over to.
pub(crate) fn join<C: Crypto>(muaa: &Muaa<C>, names: &Names, report: &mut Report) {
    let question = muaa.join_question();
    report.set("join", question.as_ref().map(value));
    if let Some(question) = question {
        sentences(&question, names).iter().for_each(|sentence| report.say(sentence));
    }
}

fn value(question: &JoinQuestion) -> Value {
    let members = question.members.iter().map(|(id, name, fingerprint)| {
        json!({ "id": id.to_string(), "name": name, "fingerprint": fingerprint.to_string() })
    });
    json!({
        "by": question.by.to_string(),
        "group": question.group.to_string(),
        "members": members.collect::<Vec<_>>(),
        "since": question.since.map(Timestamp::as_secs),
        "goes_at": question.goes_at.map(Timestamp::as_secs),
    })
}

fn sentences(question: &JoinQuestion, names: &Names) -> Vec<String> {
    let by = names.of_id(question.by);
    let mut said = vec![format!(
        "Device {by} let this device into another group. It has not gone there, and no key has. In that group are, to be \
         compared with what sma status shows on them:"
    )];
    for (id, name, fingerprint) in &question.members {
        let digits = first_digits(&fingerprint.to_string());
        let (called, id) = (called(name.as_deref()), names.short(*id));
        said.push(format!("Device {id}{called}, whose fingerprint begins {digits}."));
    }
    if let Some(since) = question.since {
        said.push(format!("Its oldest key was made on {}, as it says itself.", words::day(since)));
    }
    said.push(match question.goes_at {
        None => "If you started this yourself, on a device that you hold in your hands: sma pair --confirm takes this device, all \
                 others of its group, and all keys there. If somebody asked you to: sma pair --decline"
            .to_owned(),
        Some(at) => format!(
            "You confirmed it: this device goes there at {}, with all keys and all devices of its group, unless one of these vetoes \
             it. To stop it: sma pair --decline",
            words::minute(at)
        ),
    });
    said
}

/// The digits that people compare, in groups of four; `sma status` shows those of the own fingerprint.
pub(crate) fn first_digits(fingerprint: &str) -> String {
    let digits = fingerprint.get(..DIGITS).unwrap_or(fingerprint);
    let groups = digits.as_bytes().chunks(4).map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(" ")
}

fn called(name: Option<&str>) -> String {
    name.map(|name| format!(", \"{name}\"")).unwrap_or_default()
}

/// Tells of the members that nobody has acknowledged here: the id of each, and who let it in.
pub(crate) fn notices(
    notices: &[(MuaaId, MuaaId)],
    siblings: &[Sibling],
    names: &Names,
    report: &mut Report,
) {
    let name = |id: &MuaaId| {
        let sibling = siblings.iter().find(|sibling| sibling.member && sibling.id == *id);
        sibling.and_then(|sibling| sibling.name.as_deref())
    };
    let value =
        |(id, by): &(MuaaId, MuaaId)| json!({ "id": id.to_string(), "name": name(id), "by": by.to_string() });
    report.set("notices", notices.iter().map(value).collect::<Vec<_>>());
    for (id, by) in notices {
        let short = names.short(*id);
        report.say(format!(
            "Device {} is new; {} let it in. If that was you: sma devices acknowledge {short}. If not: sma devices remove {short}",
            names.of_id(*id),
            names.of_id(*by)
        ));
    }
}

/// Tells of the account's keys beside the current one: those that open old mail, and those that can be restored.
pub(crate) fn old_keys<C: Crypto>(muaa: &Muaa<C>, report: &mut Report) {
    let account = muaa.account();
    report.set("keys", account.keys.iter().map(ToString::to_string).collect::<Vec<_>>());
    for key in account.keys.iter().filter(|key| account.current != Some(**key)) {
        report.say(format!("The older key {key} opens old mail."));
    }
    set_aside(muaa, report);
}

/// Tells of the account's keys that were destroyed and can be restored.
pub(crate) fn set_aside<C: Crypto>(muaa: &Muaa<C>, report: &mut Report) {
    let restorable = muaa.restorable_keys();
    let value = |(key, until): &(_, Timestamp)| {
        let key: &sma_core::Fingerprint = key;
        json!({ "fingerprint": key.to_string(), "until": until.as_secs() })
    };
    report.set("restorable_keys", restorable.iter().map(value).collect::<Vec<_>>());
    for (key, until) in restorable {
        let day = words::day(until);
        report.say(format!(
            "The older key {key} was destroyed: it is set aside and wiped on {day}. To undo that: sma keys restore {key}"
        ));
    }
}

#[cfg(test)]
mod tests {
    use sma_core::{Fingerprint, Hash, is_hidden};

    use super::*;

    const HOSTILE: &str = "x\u{1b}[2K\u{1b}[1A\r\n\u{202e}gone\u{7}\u{9b}";

    fn fingerprint() -> Fingerprint {
        Fingerprint::new(&[0xa7; 20]).unwrap()
    }

    fn question(goes_at: Option<Timestamp>) -> JoinQuestion {
        JoinQuestion {
            by: MuaaId(666),
            group: Hash([1; 32]),
            members: vec![
                (MuaaId(666), Some(HOSTILE.to_owned()), fingerprint()),
                (MuaaId(667), None, fingerprint()),
            ],
            since: Some(Timestamp::from_secs(1_700_000_000)),
            goes_at,
        }
    }

    /// What a terminal gets.
    fn lines(report: Report) -> (Value, String) {
        let (value, lines) = report.into_parts();
        assert!(lines.iter().all(|line| !line.as_str().contains(is_hidden)));
        (value, lines.iter().map(crate::shown::Line::as_str).collect::<Vec<_>>().join("\n"))
    }

    fn shown(question: &JoinQuestion) -> String {
        let mut report = Report::default();
        sentences(question, &Names::default()).iter().for_each(|sentence| report.say(sentence));
        lines(report).1
    }

    #[test]
    fn a_question_says_who_is_there_and_what_to_do() {
        let text = shown(&question(None));
        for part in [
            "Device 666 let this device into another group",
            "Device 666, \"x\\u{1b}[2K",
            "Device 667, whose fingerprint begins a7a7 a7a7 a7a7 a7a7.",
            "on 2023-11-14",
            "sma pair --confirm",
            "sma pair --decline",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let text = shown(&question(Some(Timestamp::from_secs(1_700_000_000))));
        assert!(text.contains("at 2023-11-14 22:13 UTC") && !text.contains("--confirm"), "{text}");
    }

    #[test]
    fn a_question_is_exact_for_programs() {
        let value = value(&question(None));
        assert_eq!(value["members"][0]["name"], HOSTILE);
        assert_eq!(value["members"][1]["name"], Value::Null);
        assert_eq!(value["members"][1]["fingerprint"], fingerprint().to_string());
        assert_eq!((&value["since"], &value["goes_at"]), (&json!(1_700_000_000), &Value::Null));
    }

    #[test]
    fn a_new_member_is_named_with_what_to_do_and_hides_nothing() {
        let sibling = Sibling {
            id: MuaaId(27),
            name: Some(HOSTILE.to_owned()),
            member: true,
            requesting: false,
            replaces: None,
            fingerprint: fingerprint(),
            added_by: Some(MuaaId(1)),
            last_heard: None,
            silent: false,
        };
        let mut report = Report::default();
        let names = Names::from(&[(27, HOSTILE), (1, "laptop")]);
        notices(&[(MuaaId(27), MuaaId(1))], &[sibling], &names, &mut report);
        let (value, text) = lines(report);
        assert_eq!(value["notices"], json!([{ "id": "27", "name": HOSTILE, "by": "1" }]));
        assert!(text.contains("\"laptop\" (1) let it in. If that was you: sma devices acknowledge 27. If not: sma devices remove 27"), "{text}");
        assert!(text.starts_with("Device \"x\\u{1b}"), "{text}");
    }
}
