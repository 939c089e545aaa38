//! A peer whose mail program protects its header fields (RFC 9788), as Delta Chat does: `Autocrypt` and the true `Date` stand inside the encrypted
//! mail alone, and the `Date` outside is up to six days older.

use proptest::prelude::*;
use sma_autocrypt::{
    Address, Date, Draft, Layers, Mail, Observed, Payload, Preference, Recommendation, Table, Untold, read,
};

const DAY: u64 = 86_400;
/// 2025-11-01.
const BEGIN: u64 = 1_761_955_200;

fn bob() -> Address {
    Address::parse("bob@example.net").expect("an address")
}

fn date(at: u64) -> String {
    let at = i64::try_from(at).expect("a date");
    mail_parser::DateTime::from_timestamp(at).to_rfc822()
}

/// The mail of this day as the server has it.
fn outside(at: u64, earlier: u64) -> Vec<u8> {
    format!(
        "From: <bob@example.net>\r\nDate: {}\r\nTo: \"hidden-recipients\": ;\r\nSubject: [...]\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"x\"\r\n\r\n--x\r\n",
        date(at - earlier)
    )
    .into_bytes()
}

/// What is inside.
fn inside(at: u64, key: &str) -> Vec<u8> {
    format!(
        "From: \"Bob\" <bob@example.net>\r\nTo: \"Anna\" <anna@example.org>\r\nDate: {}\r\n\
         Autocrypt: addr=bob@example.net; prefer-encrypt=mutual; keydata={key}\r\nChat-Version: 1.0\r\n\
         Content-Type: text/plain; charset=\"utf-8\"; protected-headers=\"v1\"; hp=\"cipher\"\r\n\r\nHello\r\n",
        date(at)
    )
    .into_bytes()
}

fn tell(devices: &mut [Table], delta: Layers, until: Date) {
    let mut deltas = vec![delta];
    while let Some(delta) = deltas.pop() {
        let answers: Vec<_> = devices.iter_mut().map(|device| device.join(&delta, until)).collect();
        deltas.extend(answers.into_iter().filter(|answer| !answer.is_empty()));
    }
}

/// Which key each device would use, and how it would advise.
fn advice(device: &Table, own: Preference, until: Date) -> (Recommendation, Option<Vec<u8>>) {
    let advice = device.recommend([&bob()], Draft { own, reply_to_encrypted: false }, until, |_| true);
    (advice.recommendation, advice.keys.get(&bob()).map(|key| key.to_vec()))
}

/// Bob writes for a year, every so many days, and changes his key twice. Each mail is opened on one of two devices and seen closed on the other.
fn a_year(every: u64, earlier: impl Fn(u64) -> u64) {
    let mut devices = vec![Table::new(100), Table::new(100)];
    for (number, day) in (0..365).step_by(usize::try_from(every).expect("days")).enumerate() {
        let (key, octets) = match day {
            0..120 => ("AQEB", [1, 1, 1]),
            120..250 => ("AgIC", [2, 2, 2]),
            _ => ("AwMD", [3, 3, 3]),
        };
        let at = BEGIN + day * DAY;
        let (received, until) = (Date(at + 60), Date(at + DAY));
        let (mail, payload) = (outside(at, earlier(day)), inside(at, key));
        let (opens, other) = (number % 2, 1 - number % 2);
        let observed =
            read(Mail::new(&mail).with_payload(&payload[..]), received, opens as u64).expect("a mail");
        assert_eq!((observed.date, observed.fact.is_some()), (Date(at), true));
        let delta = devices[opens].observe(&observed, until);
        tell(&mut devices, delta, until);
        assert_eq!(read(&mail, received, other as u64), Err(Untold::Encrypted));
        for device in &devices {
            assert_eq!(
                advice(device, Preference::Mutual, until),
                (Recommendation::Encrypt, Some(octets.to_vec()))
            );
            assert_eq!(advice(device, Preference::NoPreference, until).0, Recommendation::Available);
        }
    }
}

#[test]
fn who_protects_all_headers_stays_available_for_a_year_and_two_changes_of_the_key() {
    a_year(1, |day| day % 7 * DAY);
    a_year(5, |_| 6 * DAY);
    // Longer than Level 1's 35 days between two mails.
    a_year(40, |_| 3 * DAY);
}

#[test]
fn the_day_outside_never_makes_a_key_older_than_the_one_before() {
    let mail = |at, earlier, key| {
        let payload = inside(at, key);
        read(Mail::new(&outside(at, earlier)).with_payload(&payload[..]), Date(at + 60), 1).expect("a mail")
    };
    let until = Date(BEGIN + 10 * DAY);
    let mut device = Table::new(100);
    device.observe(&mail(BEGIN, 0, "AQEB"), until);
    device.observe(&mail(BEGIN + DAY, 6 * DAY, "AgIC"), until);
    assert_eq!(advice(&device, Preference::Mutual, until).1, Some(vec![2, 2, 2]));
}

#[test]
fn layers_are_taken_off_up_to_a_bound() {
    let layered = |layers: usize| {
        let mut payload = inside(BEGIN, "AQEB");
        for _ in 0..layers {
            payload = [
                &b"Content-Type: multipart/signed; boundary=\"s\"\r\n\r\n--s\r\n"[..],
                &payload,
                b"\r\n--s--",
            ]
            .concat();
        }
        read(Mail::new(&outside(BEGIN, 0)).with_payload(&payload[..]), Date(BEGIN), 1)
            .map(|observed| observed.fact.is_some())
    };
    for (layers, found) in [(1, true), (2, true), (4, true), (5, false), (1000, false)] {
        assert_eq!(layered(layers), Ok(found), "{layers}");
    }
}

#[test]
fn a_payload_that_is_none_is_told() {
    let told = |payload: &[u8]| read(Mail::new(&outside(BEGIN, 0)).with_payload(payload), Date(BEGIN), 1);
    assert_eq!(told(b""), Err(Untold::NoMail));
    let observed = Observed { from: bob(), date: Date(BEGIN), fact: None };
    assert_eq!(told(b"Content-Type: multipart/signed; boundary=s\r\n\r\n"), Ok(observed));
}

proptest! {
    #[test]
    fn any_payload_is_read_without_a_panic(
        head in "(Content-Type: (multipart/signed; boundary=s|message/rfc822; forwarded=no|text/plain; hp=cipher)\r\n|From: [a-z@,<]{0,9}\r\n|\r\n|--s\r\n|Date: \\PC{0,20}\r\n){0,12}",
        signed: bool,
    ) {
        let payload = Payload::new(head.as_bytes());
        let payload = if signed { payload.signed() } else { payload };
        let _ = read(Mail::new(&outside(BEGIN, 0)).with_payload(payload), Date(BEGIN), 1);
    }
}
