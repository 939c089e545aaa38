//! Runs `vectors/*.json`; their README describes the format.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use sma_autocrypt::{
    Address, Date, Deletion, Draft, DraftState, Header, Known, Mail, Payload, Preference, Recommendation,
    Source, Table, mailboxes, read, read_draft_state, read_gossip,
};

const PEERS_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    own_prefer_encrypt: String,
    any_order: bool,
    steps: Vec<Step>,
    ignored: usize,
    peers: BTreeMap<String, ExpectedPeer>,
}

#[derive(Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Step {
    Mail {
        mail: Vec<String>,
        received: u64,
        #[serde(default)]
        payload: Vec<String>,
        #[serde(default)]
        signed: bool,
    },
    Delete {
        delete: String,
        date: u64,
    },
}

#[derive(Deserialize, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
struct ExpectedPeer {
    header: Option<ExpectedKey>,
    gossip: Option<ExpectedKey>,
    last_seen: Option<u64>,
    recommendation: String,
    reply: String,
    key: Option<String>,
}

#[derive(Deserialize, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
struct ExpectedKey {
    date: u64,
    key: String,
    prefer_encrypt: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderVector {
    source: String,
    value: String,
    valid: Option<ExpectedHeader>,
    error: Option<String>,
}

#[derive(Deserialize, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
struct ExpectedHeader {
    addr: String,
    prefer_encrypt: String,
    key: String,
}

/// Later than every mail of the vectors.
const NOW: Date = Date(10_000_000_000);

fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

const fn preference_name(preference: Preference) -> &'static str {
    match preference {
        Preference::NoPreference => "nopreference",
        Preference::Mutual => "mutual",
    }
}

const fn recommendation_name(recommendation: Recommendation) -> &'static str {
    match recommendation {
        Recommendation::Disable => "disable",
        Recommendation::Discourage => "discourage",
        Recommendation::Available => "available",
        Recommendation::Encrypt => "encrypt",
    }
}

/// Does a step on one device and lets the others hear of it; the number of mails that were ignored.
fn take(devices: &mut [Table], at: usize, step: &Step) -> usize {
    let mut deltas = Vec::new();
    let mut ignored = 0;
    match step {
        Step::Mail { mail, received, payload, signed } => {
            let octets = |lines: &[String]| (lines.join("\r\n") + "\r\n\r\n").into_bytes();
            let (mail, received, reporter) = (octets(mail), Date(*received), at as u64);
            let inside = octets(payload);
            let inside = Some(Payload::new(&inside)).filter(|_| !payload.is_empty());
            let inside = inside.map(|inside| if *signed { inside.signed() } else { inside });
            let whole = Mail::new(&mail);
            match read(inside.map_or(whole, |inside| whole.with_payload(inside)), received, reporter) {
                Ok(observed) => deltas.push(devices[at].observe(&observed, NOW)),
                Err(_) => ignored += 1,
            }
            if let Some(Ok(facts)) = inside.map(|inside| read_gossip(&mail, inside, received, reporter)) {
                deltas.push(devices[at].gossip(&facts, NOW));
            }
        }
        Step::Delete { delete, date } => deltas.push(devices[at].delete(
            &address(delete),
            Deletion { date: Date(*date), reporter: at as u64 },
            NOW,
        )),
    }
    // Each delta reaches every device, and so does each answer, until nobody has anything to say.
    while let Some(delta) = deltas.pop() {
        let answers = devices.iter_mut().map(|device| device.join(&delta, NOW));
        deltas.extend(answers.filter(|answer| !answer.is_empty()).collect::<Vec<_>>());
    }
    ignored
}

fn found(table: &Table, addr: &str, own: Preference) -> ExpectedPeer {
    let addr = address(addr);
    let peer = table.peer(&addr, NOW);
    let key = |known: Option<&Known>| {
        known.map(|known| ExpectedKey {
            date: known.date.0,
            key: STANDARD.encode(&known.key),
            prefer_encrypt: preference_name(known.preference).to_owned(),
        })
    };
    let to = |reply_to_encrypted| table.recommend([&addr], Draft { own, reply_to_encrypted }, NOW, |_| true);
    ExpectedPeer {
        header: key(peer.and_then(|peer| peer.header)),
        gossip: key(peer.and_then(|peer| peer.gossip)),
        last_seen: peer.filter(|peer| peer.header.is_some()).map(|peer| peer.last_seen.0),
        recommendation: recommendation_name(to(false).recommendation).to_owned(),
        reply: recommendation_name(to(true).recommendation).to_owned(),
        key: to(false).keys.get(&addr).map(|key| STANDARD.encode(key)),
    }
}

fn orders(steps: &[Step]) -> Vec<Vec<Step>> {
    if steps.is_empty() {
        return vec![Vec::new()];
    }
    let first = |at: usize| {
        let mut rest = steps.to_vec();
        let step = rest.remove(at);
        orders(&rest).into_iter().map(move |rest| [std::slice::from_ref(&step), &rest[..]].concat())
    };
    (0..steps.len()).flat_map(first).collect()
}

/// One device, in every order that the vector allows; and two that read the steps in turn.
fn run(vector: &Vector) {
    let own =
        if vector.own_prefer_encrypt == "mutual" { Preference::Mutual } else { Preference::NoPreference };
    let orders = if vector.any_order { orders(&vector.steps) } else { vec![vector.steps.clone()] };
    for steps in orders {
        for number in [1, 2] {
            let mut devices = vec![Table::new(PEERS_MAX); number];
            let ignored: usize =
                steps.iter().enumerate().map(|(at, step)| take(&mut devices, at % number, step)).sum();
            assert_eq!(ignored, vector.ignored, "{}", vector.name);
            for (device, (addr, expected)) in
                devices.iter().flat_map(|d| vector.peers.iter().map(move |p| (d, p)))
            {
                let mut found = found(device, addr, own);
                if number > 1 {
                    // Its exact value is each device's own; what follows from it is not.
                    found.last_seen = expected.last_seen;
                }
                assert_eq!(&found, expected, "{}: {addr}", vector.name);
            }
        }
    }
}

#[test]
fn vectors_of_level_1_hold() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("../vectors/level1.json")).unwrap();
    assert!(vectors.len() >= 20);
    vectors.iter().for_each(run);
}

#[test]
fn vectors_of_convergence_hold() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("../vectors/convergence.json")).unwrap();
    assert!(vectors.len() >= 9);
    vectors.iter().for_each(run);
}

#[test]
fn vectors_of_headers_hold() {
    let vectors: Vec<HeaderVector> = serde_json::from_str(include_str!("../vectors/headers.json")).unwrap();
    assert!(vectors.len() >= 15);
    for vector in vectors {
        let source =
            [Source::Header, Source::Gossip].into_iter().find(|s| s.name() == vector.source).unwrap();
        let parsed = Header::parse(source, &vector.value);
        let valid = parsed.as_ref().ok().map(|header| ExpectedHeader {
            addr: header.addr.to_string(),
            prefer_encrypt: preference_name(header.preference).to_owned(),
            key: STANDARD.encode(&header.key),
        });
        assert_eq!(valid, vector.valid, "{}", vector.value);
        assert_eq!(parsed.err().map(|error| format!("{error:?}")), vector.error, "{}", vector.value);
    }
}

#[test]
fn vectors_of_protected_headers_hold() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("../vectors/protected.json")).unwrap();
    assert!(vectors.len() >= 20);
    vectors.iter().for_each(run);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddressVector {
    value: String,
    addresses: Vec<Option<String>>,
}

#[test]
fn vectors_of_addresses_hold() {
    let vectors: Vec<AddressVector> =
        serde_json::from_str(include_str!("../vectors/addresses.json")).unwrap();
    assert!(vectors.len() >= 29);
    for vector in vectors {
        let mail = format!("To: {}\r\n\r\n", vector.value);
        let found = mailboxes(mail.as_bytes(), "To").into_iter().map(|a| a.map(|a| a.to_string()));
        assert_eq!(found.collect::<Vec<_>>(), vector.addresses, "{}", vector.value);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DateVector {
    value: String,
    date: Option<u64>,
}

#[test]
fn vectors_of_dates_hold() {
    const RECEIVED: Date = Date(1_700_000_000);
    let vectors: Vec<DateVector> = serde_json::from_str(include_str!("../vectors/dates.json")).unwrap();
    assert!(vectors.len() >= 15);
    for vector in vectors {
        let mail = format!("From: bob@example.org\r\nDate: {}\r\n\r\n", vector.value);
        let found = read(mail.as_bytes(), RECEIVED, 1).unwrap().date;
        assert_eq!(found, vector.date.map_or(RECEIVED, Date), "{}", vector.value);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecipientsVector {
    name: String,
    own_prefer_encrypt: String,
    reply_to_encrypted: bool,
    steps: Vec<Step>,
    to: Vec<String>,
    recommendation: String,
    keys: BTreeMap<String, String>,
    gossip: Vec<String>,
}

#[test]
fn vectors_of_several_recipients_hold() {
    let vectors: Vec<RecipientsVector> =
        serde_json::from_str(include_str!("../vectors/recipients.json")).unwrap();
    assert!(vectors.len() >= 12);
    for vector in vectors {
        let mut devices = vec![Table::new(PEERS_MAX); 2];
        for (at, step) in vector.steps.iter().enumerate() {
            take(&mut devices, at % 2, step);
        }
        let own =
            if vector.own_prefer_encrypt == "mutual" { Preference::Mutual } else { Preference::NoPreference };
        let to: Vec<_> = vector.to.iter().map(|to| address(to)).collect();
        for device in &devices {
            let draft = Draft { own, reply_to_encrypted: vector.reply_to_encrypted };
            let advice = device.recommend(&to, draft, NOW, |_| true);
            assert_eq!(recommendation_name(advice.recommendation), vector.recommendation, "{}", vector.name);
            let keys = advice.keys.iter().map(|(addr, key)| (addr.to_string(), STANDARD.encode(key)));
            assert_eq!(keys.collect::<BTreeMap<_, _>>(), vector.keys, "{}", vector.name);
            let headers = advice.gossip(|_, key| key.clone());
            let about =
                headers.split("Autocrypt-Gossip: addr=").skip(1).filter_map(|rest| rest.split(';').next());
            assert_eq!(about.collect::<Vec<_>>(), vector.gossip, "{}", vector.name);
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DraftVector {
    value: String,
    state: Option<ExpectedDraft>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedDraft {
    encrypt: bool,
    by_choice: bool,
    reply_to_encrypted: bool,
}

#[test]
fn vectors_of_drafts_hold() {
    let vectors: Vec<DraftVector> = serde_json::from_str(include_str!("../vectors/drafts.json")).unwrap();
    assert!(vectors.len() >= 14);
    for DraftVector { value, state } in vectors {
        let draft = format!("From: <me@example.org>\r\nAutocrypt-Draft-State: {value}\r\n\r\nHello");
        let expected = state.map(|state| DraftState {
            encrypt: state.encrypt,
            by_choice: state.by_choice,
            reply_to_encrypted: state.reply_to_encrypted,
        });
        assert_eq!(read_draft_state(draft.as_bytes()), expected, "{value}");
    }
}
