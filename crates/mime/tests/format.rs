//! What is written, and what of it still reads after servers handled it.

use proptest::prelude::*;
use sma_core::{Class, Envelope, MuaaId, Timestamp, Token};
use sma_mime::{CONTENT_TYPES_MAX, MARKER, MARKER_BYTES_MAX, MARKS_MAX, Parsed, Text, parse, render};

const HOUR_MAX: u64 = 32_535_212_400 / 3600;

fn example() -> Envelope {
    Envelope {
        sender: MuaaId(27),
        token: Token([0xa7; 16]),
        class: Class::Sync,
        date: Timestamp::from_secs(1_700_000_000).hour(),
        body: (0..=255).cycle().take(500).collect::<Vec<u8>>().into(),
    }
}

fn rendered() -> String {
    String::from_utf8(render(&example(), &Text::default())).expect("ASCII")
}

/// The example with its marker header replaced.
fn marked(header: &str) -> Parsed {
    let line = format!("{MARKER}: v=1; kind=sync; from=27\r\n");
    let message = rendered();
    assert!(message.contains(&line));
    parse(message.replace(&line, header).as_bytes())
}

fn is_example(message: &str) -> bool {
    parse(message.as_bytes()) == Parsed::Envelope(example())
}

fn is_foreign(message: &str) -> bool {
    parse(message.as_bytes()) == Parsed::Foreign
}

fn envelopes() -> impl Strategy<Value = Envelope> {
    let body = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..600),
        1 => (any::<u8>(), 0..100_000usize).prop_map(|(step, n)| (0..n).map(|i| (i * usize::from(step) / 7) as u8).collect()),
    ];
    (any::<u64>(), any::<[u8; 16]>(), 0..8usize, 0..=HOUR_MAX, body).prop_map(
        |(id, token, class, hour, body)| Envelope {
            sender: MuaaId(id),
            token: Token(token),
            class: Class::ALL[class],
            date: Timestamp::from_secs(hour * 3600),
            body: body.into(),
        },
    )
}

fn assert_transportable(message: &[u8]) {
    assert!(message.is_ascii() && !message.contains(&0));
    let text = std::str::from_utf8(message).expect("ASCII");
    assert!(text.ends_with("\r\n"));
    for line in text.split("\r\n") {
        assert!(line.len() <= 78, "{line:?}");
        assert!(!line.contains(['\r', '\n']), "{line:?}");
    }
}

proptest! {
    #[test]
    fn every_envelope_reads_back_and_nothing_gives_a_server_cause_to_change_it(envelope in envelopes()) {
        let message = render(&envelope, &Text::default());
        assert_transportable(&message);
        prop_assert_eq!(parse(&message), Parsed::Envelope(envelope.clone()));
        prop_assert_eq!(render(&envelope, &Text::default()), message);
    }

    #[test]
    fn no_text_for_people_disturbs_the_message(to in ".{0,90}", subject in ".{0,200}", paragraph in "(.|[\0\r\n]|\r\n){0,400}") {
        let message = render(&example(), &Text { to, subject, paragraph });
        assert_transportable(&message);
        prop_assert_eq!(parse(&message), Parsed::Envelope(example()));
    }

    #[test]
    fn any_octets_are_read_without_a_panic(octets in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert_eq!(parse(&octets), Parsed::Foreign);
    }

    #[test]
    fn a_damaged_message_is_read_without_a_panic(
        at in 0..2000usize, octets in prop::collection::vec(any::<u8>(), 0..40), cut in 0..2000usize,
    ) {
        let mut message = rendered().into_bytes();
        let at = at.min(message.len());
        message.splice(at..at, octets);
        let _ = parse(&message);
        message.truncate(cut);
        let _ = parse(&message);
    }
}

#[test]
fn the_message_of_the_documentation_is_what_is_written() {
    let envelope = Envelope { token: Token([7; 16]), class: Class::Announcement, ..example() };
    let message = String::from_utf8(render(&envelope, &Text::default())).unwrap();
    let readme = include_str!("../README.md");
    let shown = readme.split("```text\n").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
    let head = message.split("\r\n\r\n").next().unwrap();
    let unfolded = head.replace("\r\n\t", " ").replace("\r\n ", " ").replace("\r\n", "\n");
    assert_eq!(unfolded, shown);
}

#[test]
fn r5_the_paragraph_comes_first_and_can_be_read() {
    let message = rendered();
    let (head, body) = message.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("Content-Type: multipart/mixed"));
    let first = body.split("--sma.").nth(1).unwrap();
    assert!(first.contains("text/plain") && first.contains("7bit"), "{first}");
    assert!(first.replace("\r\n", " ").contains("You need not do anything: it may be left alone"));
    assert!(body.find("text/plain").unwrap() < body.find("application/autocrypt-sma").unwrap());
}

#[test]
fn r5_a_translated_paragraph_reaches_people_in_their_letters() {
    let text = Text {
        to: "zoe@example.org".to_owned(),
        subject: "Nachricht zwischen deinen Mailprogrammen – nichts zu tun".to_owned(),
        paragraph: "Mailprogramme grüßen einander. 你可以忽略这封邮件。\nБольше ничего.\n".to_owned(),
    };
    let message = render(&example(), &text);
    assert_transportable(&message);
    let parsed = mail_parser::MessageParser::new().parse(&message).unwrap();
    assert_eq!(parsed.subject(), Some(text.subject.as_str()));
    assert_eq!(parsed.body_text(0).unwrap().trim(), text.paragraph.trim());
    assert_eq!(parsed.to().and_then(|to| to.first()).and_then(|to| to.address()), Some("zoe@example.org"));
}

#[test]
fn an_address_that_needs_encoding_is_not_written() {
    for to in ["zoë@example.org", "a@b\r\nBcc: c@d", "a b@example.org", "nobody", "<a@b>", &"a@".repeat(40)]
    {
        let text = Text { to: to.to_owned(), ..Text::default() };
        assert_eq!(render(&example(), &text), render(&example(), &Text::default()), "{to}");
    }
}

#[test]
fn a_message_says_that_a_machine_wrote_it_and_carries_no_autocrypt_header() {
    let message = rendered();
    assert!(message.contains("\r\nAuto-Submitted: auto-generated\r\n"));
    assert!(message.contains("\r\nMIME-Version: 1.0\r\n"));
    assert!(!message.contains("\r\nAutocrypt:"));
}

#[test]
fn servers_may_fold_reorder_respell_and_add_headers() {
    let message = rendered();
    let marker = "Autocrypt-SMA: v=1; kind=sync; from=27\r\n";
    for folded in [
        "Autocrypt-SMA:\r\n v=1;\r\n\tkind=sync;\r\n from=27\r\n",
        "AUTOCRYPT-SMA:v=1;kind=sync;from=27;\r\n",
        "autocrypt-sma:   from = 27 ;  kind = sync ; v = 1\r\n",
        "Autocrypt-SMA: v=1; _later=thing; kind=sync; from=27\r\n",
    ] {
        assert!(is_example(&message.replace(marker, folded)), "{folded}");
        assert!(is_example(&(folded.to_owned() + &message.replace(marker, ""))), "{folded}");
    }
    let received =
        "Received: from a (b [::1])\r\n\tby c; Tue, 14 Nov 2023 22:13:20 +0100\r\nX-Spam: no; v=1\r\n";
    assert!(is_example(&(received.to_owned() + &message)));
    assert!(is_example(&message.replace("Message-ID: <", "MESSAGE-ID:\r\n  <")));
}

#[test]
fn line_ends_may_be_lf_alone() {
    assert!(is_example(&rendered().replace("\r\n", "\n")));
}

#[test]
fn the_part_may_be_encoded_anew_under_another_boundary() {
    let message = rendered().replace("sma.a7a7", "=_Part.other");
    assert!(is_example(&message));
    let (before, encoded) = message.split_once("base64\r\n\r\n").unwrap();
    let (_, after) = encoded.split_once("\r\n--").unwrap();
    let quoted: String = example()
        .body
        .chunks(20)
        .map(|c| c.iter().map(|b| format!("={b:02X}")).collect::<String>() + "=\r\n")
        .collect();
    assert!(is_example(&format!("{before}Quoted-Printable\r\n\r\n{quoted}\r\n--{after}")));
}

#[test]
fn a_missing_or_unreadable_date_is_zero_and_minutes_do_not_count() {
    let line = "Date: Tue, 14 Nov 2023 22:00:00 +0000\r\n";
    let message = rendered();
    assert!(message.contains(line));
    let undated = Parsed::Envelope(Envelope { date: Timestamp(0), ..example() });
    for date in [
        "",
        "Date: soon\r\n",
        "Date: 32 Foo 99999 99:99:99 +9999\r\n",
        "Date: Wed, 31 Dec 1969 00:00:00 +0000\r\n",
    ] {
        assert_eq!(parse(message.replace(line, date).as_bytes()), undated, "{date}");
    }
    assert!(is_example(&message.replace(line, "Date: Wed, 15 Nov 2023 00:59:59 +0200\r\n")));
}

#[test]
fn a_date_after_the_year_3000_is_written_as_its_last_hour() {
    let envelope = Envelope { date: Timestamp(u64::MAX), ..example() };
    let last = Envelope { date: Timestamp::from_secs(HOUR_MAX * 3600), ..example() };
    assert_eq!(parse(&render(&envelope, &Text::default())), Parsed::Envelope(last));
}

#[test]
fn r9_a_message_without_the_header_is_foreign() {
    assert_eq!(marked(""), Parsed::Foreign);
    assert_eq!(parse(b""), Parsed::Foreign);
    let setup =
        "Autocrypt-Setup-Message: v1\r\nSubject: x\r\nContent-Type: application/autocrypt-setup\r\n\r\nx";
    assert!(is_foreign(setup));
}

#[test]
fn r9_an_unknown_version_or_kind_is_foreign() {
    for header in [
        "v=2; kind=sync; from=27",
        "v=; kind=sync; from=27",
        "v=01; kind=sync; from=27",
        "v=1; kind=snapshot; from=27",
        "v=1; kind=Sync; from=27",
    ] {
        assert_eq!(marked(&format!("{MARKER}: {header}\r\n")), Parsed::Foreign, "{header}");
    }
}

#[test]
fn r9_an_attribute_that_is_missing_doubled_malformed_or_unknown_makes_it_foreign() {
    for header in [
        "",
        "v=1; kind=sync",
        "kind=sync; from=27",
        "v=1; from=27",
        "v=1; v=1; kind=sync; from=27",
        "v=1; kind=sync; from=27; from=27",
        "v=1; kind=sync; from=027",
        "v=1; kind=sync; from=-27",
        "v=1; kind=sync; from=18446744073709551616",
        "v=1; kind=sync; from=27; critical=1",
        "v=1; kind=sync; from=27; V=1",
        "v=1; kind=sync; from=27; nothing",
    ] {
        assert_eq!(marked(&format!("{MARKER}: {header}\r\n")), Parsed::Foreign, "{header}");
    }
    let once = format!("{MARKER}: v=1; kind=sync; from=27\r\n");
    assert_ne!(marked(&once), Parsed::Foreign);
    assert_eq!(marked(&(once.clone() + &once)), Parsed::Foreign);
}

#[test]
fn r9_a_message_id_of_another_form_is_foreign() {
    let message = rendered();
    let id = format!("<{}@autocrypt-sma.invalid>", example().token);
    for other in [
        String::new(),
        id.replace(".invalid", ".example"),
        id.to_uppercase(),
        id.replacen('a', "", 1),
        format!("{id} {id}"),
        id.trim_matches(['<', '>']).to_owned(),
    ] {
        assert!(is_foreign(&message.replace(&id, &other)), "{other}");
    }
    assert!(is_foreign(&format!("Message-ID: {id}\r\n{message}")));
}

#[test]
fn r9_no_part_of_ours_or_two_or_one_not_encoded_is_foreign() {
    let message = rendered();
    assert!(is_foreign(&message.replace("application/autocrypt-sma", "application/octet-stream")));
    assert!(is_foreign(&message.replace("text/plain", "application/autocrypt-sma")));
    assert!(is_foreign(&message.replace("Encoding: base64", "Encoding: 8bit")));
    let (head, parts) = message.split_once("--sma.").expect("a first part");
    let (_, ours) = parts.split_once("--sma.").expect("a second part");
    assert!(is_example(&format!("{head}--sma.{ours}")));
    let ours = ours.replace("--\r\n", "\r\n");
    assert!(is_foreign(&format!("{head}--sma.{ours}--sma.{ours}")));
    assert!(is_foreign(&message.replace("Encoding: base64\r\n\r\n", "Encoding: base64\r\n\r\n!%")));
}

#[test]
fn limits_make_a_message_foreign_and_nothing_more() {
    let long = format!("{MARKER}: v=1; kind=sync; from=27; _x={}\r\n", "x".repeat(MARKER_BYTES_MAX));
    assert_eq!(marked(&long), Parsed::Foreign);
    assert!(is_foreign(&(rendered() + &"x".repeat(sma_mime::MESSAGE_BYTES_MAX))));
    for unit in ["X: y\r\n", "To: a,b\r\n", "X;\r\n y", "--x\r\n"] {
        let marks = |count: usize| format!("{}X: {unit}", unit.repeat(count));
        assert!(is_foreign(&(rendered() + &marks(MARKS_MAX))), "{unit}");
    }
    assert!(is_example(&("X: y\r\n".repeat(MARKS_MAX / 2) + &rendered())));
}

#[test]
fn a_body_of_any_octets_has_few_marks_in_either_encoding() {
    let envelope =
        Envelope { body: (0..=255).cycle().take(1 << 20).collect::<Vec<u8>>().into(), ..example() };
    let message = String::from_utf8(render(&envelope, &Text::default())).expect("ASCII");
    assert_eq!(parse(message.as_bytes()), Parsed::Envelope(envelope.clone()));
    let (head, rest) = message.split_once("Encoding: base64\r\n\r\n").expect("the body");
    let end = rest.split_once("--").expect("the boundary").1;
    let mut body = String::new();
    for (at, octet) in envelope.body.iter().enumerate() {
        let plain = matches!(octet, b'!'..=b'~') && *octet != b'=';
        body += &if plain { char::from(*octet).to_string() } else { format!("={octet:02X}") };
        body += if at % 25 == 24 { "=\r\n" } else { "" };
    }
    let message = format!("{head}Encoding: quoted-printable\r\n\r\n{body}\r\n--{end}");
    assert_eq!(parse(message.as_bytes()), Parsed::Envelope(envelope));
}

#[test]
fn messages_nested_a_hundred_thousand_deep_exhaust_no_stack() {
    for level in [
        "Content-Type: message/rfc822\r\n\r\n",
        "CONTENT -\tType:message/rfc822\n\n",
        "c o n t e n t - t y p e:message/rfc822\n\n",
    ] {
        let marker = format!("{MARKER}: v=1; kind=sync; from=27\r\n");
        assert!(is_foreign(&(marker + &level.repeat(100_000))));
    }
    let shallow = "Content-Type: message/rfc822\r\n\r\n".repeat(CONTENT_TYPES_MAX);
    assert!(is_foreign(&shallow));
}

#[test]
fn around_a_body_of_500_octets_there_are_at_most_1200_more() {
    let size = rendered().len();
    let encoded = 500usize.div_ceil(57) * 78;
    println!("{size} octets for 500, {} of them not the body", size - encoded);
    assert!(size - encoded <= 1200, "{size}");
}
