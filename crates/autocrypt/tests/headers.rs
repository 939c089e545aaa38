//! The rules of Level 1 for one header, and for one mail.

use proptest::prelude::*;
use sma_autocrypt::{
    Address, Date, HEADER_BYTES_MAX, Header, HeaderError, Mail, Observed, Payload, Preference, Source,
    Untold, read, read_gossip,
};

const RECEIVED: Date = Date(1_700_000_000);
/// The moment of `RECEIVED` less 13 minutes and 20 seconds.
const DATE: &str = "Tue, 14 Nov 2023 22:00:00 +0000";

fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

fn parse(value: &str) -> Result<Header, HeaderError> {
    Header::parse(Source::Header, value)
}

fn header(addr: &str, key: &[u8]) -> Header {
    Header { addr: address(addr), preference: Preference::NoPreference, key: key.to_vec().into() }
}

/// A mail from Bob with these further header lines.
fn mail(lines: &[&str]) -> Vec<u8> {
    format!(
        "From: Bob <bob@example.org>\r\nDate: {DATE}\r\n{}\r\nHello\r\n",
        lines.iter().map(|l| format!("{l}\r\n")).collect::<String>()
    )
    .into_bytes()
}

fn observed(lines: &[&str]) -> Observed {
    read(&mail(lines), RECEIVED, 1).expect("a mail that tells something")
}

fn key_of(lines: &[&str]) -> Option<Vec<u8>> {
    observed(lines).fact.map(|fact| fact.entry.key.to_vec())
}

const GOOD: &str = "Autocrypt: addr=bob@example.org; keydata=AAEC";

#[test]
fn a_header_has_an_address_a_key_and_perhaps_a_preference() {
    let parsed = parse("addr=Bob@Example.org; prefer-encrypt=mutual; keydata=AAEC").unwrap();
    assert_eq!(parsed, Header { preference: Preference::Mutual, ..header("bob@example.org", &[0, 1, 2]) });
    assert_eq!(parse("addr=bob@example.org;keydata=AAEC").unwrap().preference, Preference::NoPreference);
    let other = parse("addr=bob@example.org; prefer-encrypt=nopreference; keydata=AAEC").unwrap();
    assert_eq!(other.preference, Preference::NoPreference);
    assert_eq!(
        parse("prefer-encrypt=Mutual; addr=b@c; keydata=AA==").unwrap().preference,
        Preference::NoPreference
    );
}

#[test]
fn blanks_folding_and_missing_padding_in_keydata_do_not_count() {
    for keydata in ["AAECAw==", "AAECAw", "\r\n AAE\r\n\tCA w= =\r\n", "AAECAw==;"] {
        assert_eq!(
            parse(&format!("addr=b@c; keydata={keydata}")).unwrap().key.as_ref(),
            [0, 1, 2, 3],
            "{keydata:?}"
        );
    }
}

#[test]
fn an_unknown_attribute_is_critical_unless_it_begins_with_an_underscore() {
    assert_eq!(parse("addr=b@c; _color=blue; keydata=AAEC").unwrap(), header("b@c", &[0, 1, 2]));
    assert_eq!(parse("addr=b@c; color=blue; keydata=AAEC"), Err(HeaderError::UnknownCritical));
    assert_eq!(parse("addr=b@c; type=1; keydata=AAEC"), Err(HeaderError::UnknownCritical));
    for lone in ["_foo", "_foo=", "_foo ;", "_"] {
        assert_eq!(
            parse(&format!("addr=b@c; {lone}; keydata=AAEC")).unwrap(),
            header("b@c", &[0, 1, 2]),
            "{lone}"
        );
    }
    assert_eq!(parse("addr=b@c; foo; keydata=AAEC"), Err(HeaderError::UnknownCritical));
    assert_eq!(parse("addr=b@c; prefer-encrypt; keydata=AAEC"), Err(HeaderError::Malformed));
}

#[test]
fn keydata_is_last_and_no_attribute_comes_twice() {
    assert_eq!(parse("keydata=AAEC; addr=b@c"), Err(HeaderError::Malformed));
    assert_eq!(parse("addr=b@c; addr=b@c; keydata=AAEC"), Err(HeaderError::Malformed));
    assert_eq!(parse("addr=b@c; keydata=AAEC; keydata=AAEC"), Err(HeaderError::Malformed));
}

#[test]
fn a_header_without_a_usable_address_or_key_is_invalid() {
    assert_eq!(parse(""), Err(HeaderError::BadAddress));
    assert_eq!(parse("keydata=AAEC"), Err(HeaderError::BadAddress));
    assert_eq!(parse("addr=Bob <b@c>; keydata=AAEC"), Err(HeaderError::BadAddress));
    for keydata in ["", "keydata=", "keydata=A", "keydata=AA!C", "keydata=ÄÖ"] {
        assert_eq!(parse(&format!("addr=b@c; {keydata}")), Err(HeaderError::BadKey), "{keydata}");
    }
}

#[test]
fn ten_kibioctets_are_the_limit_with_name_and_folding() {
    let room = HEADER_BYTES_MAX - "Autocrypt: addr=b@c; _x=; keydata=AAEC".len();
    let sized = |pad: usize| parse(&format!("addr=b@c; _x={}; keydata=AAEC", "x".repeat(pad)));
    assert_eq!(sized(room), Ok(header("b@c", &[0, 1, 2])));
    assert_eq!(sized(room + 1), Err(HeaderError::TooLarge));
    assert_eq!(header("b@c", &[7; 7600]).render(Source::Header), Err(HeaderError::TooLarge));
    let written = header("b@c", &[7; 7300]).render(Source::Header).unwrap();
    assert!(written.len() <= HEADER_BYTES_MAX);
    assert!(
        key_of(&[
            "Autocrypt: addr=bob@example.org;",
            &format!(" _x={};\r\n keydata=AAEC", "x".repeat(HEADER_BYTES_MAX))
        ])
        .is_none()
    );
}

#[test]
fn what_is_written_is_folded_and_says_mutual_only_of_oneself() {
    let mutual = Header { preference: Preference::Mutual, ..header("bob@example.org", &[7; 400]) };
    let own = mutual.render(Source::Header).unwrap();
    assert!(own.starts_with("Autocrypt: addr=bob@example.org;\r\n prefer-encrypt=mutual;\r\n keydata=\r\n "));
    assert!(own.ends_with("\r\n") && own.split("\r\n").all(|line| line.len() <= 78 && line.is_ascii()));
    let gossip = mutual.render(Source::Gossip).unwrap();
    assert!(gossip.starts_with("Autocrypt-Gossip: addr=bob@example.org;\r\n keydata=\r\n "));
    let international = header("zoë@bücher.example", &[1]).render(Source::Header).unwrap();
    assert_eq!(international, "Autocrypt: addr=zoë@xn--bcher-kva.example;\r\n keydata=\r\n AQ==\r\n");
    assert_eq!(header("zoe@example.org", &[]).render(Source::Header), Err(HeaderError::BadKey));
}

#[test]
fn one_valid_header_counts_and_two_do_not() {
    assert_eq!(key_of(&[GOOD]), Some(vec![0, 1, 2]));
    assert_eq!(key_of(&[GOOD, GOOD]), None);
    assert_eq!(key_of(&[GOOD, "AUTOCRYPT: addr=bob@example.org; keydata=AQIB"]), None);
    assert_eq!(key_of(&["Autocrypt: addr=bob@example.org; v=2; keydata=AQIB", GOOD]), Some(vec![0, 1, 2]));
    assert_eq!(key_of(&["Autocrypt: addr=eve@example.org; keydata=AQIB", GOOD]), Some(vec![0, 1, 2]));
    assert_eq!(key_of(&["Autocrypt-Gossip: addr=bob@example.org; keydata=AQIB"]), None);
    assert_eq!(key_of(&[]), None);
}

#[test]
fn a_header_must_be_for_the_address_in_from() {
    assert_eq!(key_of(&["Autocrypt: addr=eve@example.org; keydata=AAEC"]), None);
    assert_eq!(key_of(&["Autocrypt: addr=BOB@EXAMPLE.ORG; keydata=AAEC"]), Some(vec![0, 1, 2]));
    assert_eq!(key_of(&["Sender: eve@example.org", "Autocrypt: addr=eve@example.org; keydata=AAEC"]), None);
}

#[test]
fn a_mail_of_several_senders_tells_nothing() {
    for from in [
        "bob@example.org, eve@example.org",
        "Team: bob@example.org, eve@example.org;",
        "nobody",
        "",
        "Team:;",
    ] {
        let mail = format!("From: {from}\r\nDate: {DATE}\r\n{GOOD}\r\n\r\n");
        assert_eq!(read(mail.as_bytes(), RECEIVED, 1), Err(Untold::NoSingleSender), "{from}");
    }
    let twice = mail(&["From: eve@example.org", GOOD]);
    assert_eq!(read(&twice, RECEIVED, 1), Err(Untold::NoSingleSender));
}

#[test]
fn answers_of_machines_tell_nothing_and_other_machines_do() {
    for line in [
        "Auto-Submitted: auto-replied",
        "auto-submitted: Auto-Replied; owner-email=\"x@y\"",
        "Content-Type: multipart/report; boundary=x",
        "Content-Type: Multipart/Report; report-type=disposition-notification; boundary=x",
    ] {
        assert_eq!(read(&mail(&[line, GOOD]), RECEIVED, 1), Err(Untold::AutoReplied), "{line}");
    }
    assert_eq!(
        key_of(&["Auto-Submitted: auto-generated", "Content-Type: multipart/mixed; boundary=x", GOOD]),
        Some(vec![0, 1, 2])
    );
}

#[test]
fn a7_a_mail_from_the_year_3000_or_later_tells_nothing() {
    for date in [
        "Wed, 1 Jan 3000 00:00:00 +0000",
        "Wed, 1 Jan 9999 00:00:00 +0000",
        "Thu, 16 Nov 2023 00:00:00 +0000",
    ] {
        let mail = format!("From: bob@example.org\r\nDate: {date}\r\n{GOOD}\r\n\r\n");
        assert_eq!(read(mail.as_bytes(), RECEIVED, 1), Err(Untold::FromTheFuture), "{date}");
    }
}

#[test]
fn the_date_is_that_of_the_mail_capped_by_its_receipt() {
    let dated = |date: &str| {
        let mail = format!("From: bob@example.org\r\n{date}\r\n{GOOD}\r\n\r\n");
        read(mail.as_bytes(), RECEIVED, 1).unwrap().date
    };
    assert_eq!(dated(&format!("Date: {DATE}")), Date(RECEIVED.0 - 800));
    assert_eq!(dated("Date: Tue, 14 Nov 2023 23:00:00 +0100"), Date(RECEIVED.0 - 800));
    assert_eq!(dated("Date: Wed, 15 Nov 2023 22:13:20 +0000"), RECEIVED);
    assert_eq!(dated("Date: yesterday"), RECEIVED);
    assert_eq!(dated("X-No-Date: 1"), RECEIVED);
    assert_eq!(dated("Date: Tue, 14 Nov 1922 22:00:00 +0000"), Date(0));
}

#[test]
fn a_mail_without_a_header_still_tells_that_it_was_seen() {
    let told = observed(&["Subject: hello"]);
    assert_eq!((told.from, told.date, told.fact), (address("bob@example.org"), Date(RECEIVED.0 - 800), None));
}

#[test]
fn a_fact_names_the_mail_by_hash_and_the_device() {
    let one = read(&mail(&[GOOD, "Message-ID: <1@example.org>"]), RECEIVED, 27).unwrap().fact.unwrap().entry;
    let two =
        read(&mail(&[GOOD, "Message-ID:\r\n <1@example.org>"]), RECEIVED, 28).unwrap().fact.unwrap().entry;
    assert_eq!((one.reporter, two.reporter), (27, 28));
    assert_eq!(one.message, two.message);
    let hex: String = one.message.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, "ab6f5b02dde3469748ca29bc688479dff61a7b758ed84421e6191b0eb1ad1245");
}

#[test]
fn gossip_counts_for_recipients_alone() {
    let mail = mail(&[
        "To: Carol <carol@example.org>, dan@example.org",
        "Cc: erin@example.org",
        "Reply-To: list@example.org",
    ]);
    let payload = "Autocrypt-Gossip: addr=carol@example.org; prefer-encrypt=mutual; keydata=AQ==\r\n\
        Autocrypt-Gossip: addr=Erin@example.org; keydata=Ag==\r\n\
        Autocrypt-Gossip: addr=list@example.org; keydata=Aw==\r\n\
        Autocrypt-Gossip: addr=mallory@example.org; keydata=BA==\r\n\
        Autocrypt-Gossip: addr=dan@example.org; critical=1; keydata=BQ==\r\n\
        Autocrypt: addr=dan@example.org; keydata=Bg==\r\n\
        Content-Type: text/plain\r\n\r\nHello";
    let facts = read_gossip(&mail, Payload::new(payload.as_bytes()), RECEIVED, 1).unwrap();
    let told: Vec<_> = facts.iter().map(|fact| (fact.addr.as_str(), fact.entry.key[0])).collect();
    assert_eq!(told, [("carol@example.org", 1), ("erin@example.org", 2), ("list@example.org", 3)]);
    for fact in &facts {
        assert_eq!(fact.source, Source::Gossip);
        assert_eq!(fact.entry.preference, Preference::NoPreference);
        assert_eq!(fact.entry.date, Date(RECEIVED.0 - 800));
    }
}

#[test]
fn a_body_is_not_looked_at_however_deep_it_is() {
    let mut deep = mail(&[GOOD]);
    deep.truncate(deep.len() - "\r\nHello\r\n".len());
    deep.extend("Content-Type: message/rfc822\r\n\r\n".repeat(100_000).into_bytes());
    assert_eq!(read(&deep, RECEIVED, 1).unwrap().fact.unwrap().entry.key.as_ref(), [0, 1, 2]);
}

proptest! {
    #[test]
    fn any_octets_are_read_without_a_panic(octets: Vec<u8>, more: Vec<u8>) {
        let _ = read(&octets, RECEIVED, 1);
        let _ = read(Mail::new(&octets).with_payload(&more[..]), RECEIVED, 1);
        let _ = read_gossip(&octets, Payload::new(&more), RECEIVED, 1);
    }

    #[test]
    fn any_header_value_is_read_without_a_panic(value in "(addr|keydata|_|=|;|@|[a-z\\PC]| |\r\n ){0,30}") {
        if let Ok(header) = parse(&value) {
            prop_assert!(!header.key.is_empty());
        }
        let _ = read(&mail(&[&format!("Autocrypt: {value}")]), RECEIVED, 1);
    }

    #[test]
    fn what_is_written_reads_back(
        local in "[a-z0-9.+]{1,20}", key in prop::collection::vec(any::<u8>(), 1..5000), mutual: bool, gossip: bool,
    ) {
        let source = if gossip { Source::Gossip } else { Source::Header };
        let preference = if mutual && !gossip { Preference::Mutual } else { Preference::NoPreference };
        let written = Header { preference, ..header(&format!("{local}@example.org"), &key) };
        let field = written.render(source).unwrap();
        let value = field.split_once(':').map(|(_, value)| value).unwrap();
        prop_assert_eq!(Header::parse(source, value), Ok(written));
    }
}

#[test]
fn what_is_gossiped_to_several_recipients_is_read_by_each_and_a_single_one_gets_none() {
    let keys = |names: &[&str]| {
        let key = |name: &&str| (address(name), bytes::Bytes::copy_from_slice(name.as_bytes()));
        names.iter().map(key).collect::<std::collections::BTreeMap<_, _>>()
    };
    let advice = |names: &[&str]| sma_autocrypt::Advice {
        recommendation: sma_autocrypt::Recommendation::Encrypt,
        keys: keys(names),
    };
    assert_eq!(advice(&["carol@example.org"]).gossip(|_, key| key.clone()), "");
    let names = ["carol@example.org", "dave@example.org"];
    let payload =
        format!("{}Content-Type: text/plain\r\n\r\nHello\r\n", advice(&names).gossip(|_, key| key.clone()));
    let mail = mail(&["To: carol@example.org, Dave <dave@example.org>"]);
    let facts = read_gossip(&mail, Payload::new(payload.as_bytes()), RECEIVED, 1).expect("gossip");
    let told: Vec<_> = facts.iter().map(|fact| (fact.addr.clone(), fact.entry.key.clone())).collect();
    assert_eq!(told, keys(&names).into_iter().collect::<Vec<_>>());
    let none = advice(&names).gossip(|_, _| bytes::Bytes::new());
    assert_eq!(none, "", "a key of which nothing is left");
}
