use imap_codec::imap_types::{
    core::Vec1,
    fetch::{Part, Section},
};

use super::*;

const MIXED: &str = "From: Anna <anna@example.org>\r\nSubject: two\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n\
    preamble\r\n--b\r\n\r\nfirst\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text\r\n--b--\r\n\
    epilogue\r\n";

fn shown(write: impl Fn(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

fn path(numbers: &[u32]) -> Part {
    let numbers: Vec<_> = numbers.iter().map(|n| (*n).try_into().unwrap()).collect();
    Part(Vec1::try_from(numbers).unwrap())
}

fn part(message: &str, wanted: &Section<'_>) -> Option<String> {
    let node = parts(message.as_bytes());
    let found = section(message.as_bytes(), &node, Some(wanted))?;
    Some(String::from_utf8(found.into_owned()).unwrap())
}

#[test]
fn the_parts_of_a_message_have_the_texts_that_stand_between_their_boundaries() {
    let found = |numbers: &[u32]| part(MIXED, &Section::Part(path(numbers)));
    assert_eq!(found(&[1]).as_deref(), Some("first"));
    assert_eq!(found(&[2]).as_deref(), Some("Subject: inner\r\n\r\ninner text"));
    assert_eq!(found(&[2, 1]).as_deref(), Some("inner text"));
    assert_eq!(found(&[3]), None);
    assert_eq!(found(&[1, 1]), None);
    let header = part(MIXED, &Section::Header(Some(path(&[2]))));
    assert_eq!(header.as_deref(), Some("Subject: inner\r\n\r\n"));
    let mime = part(MIXED, &Section::Mime(path(&[2])));
    assert_eq!(mime.as_deref(), Some("Content-Type: message/rfc822\r\n\r\n"));
}

#[test]
fn a_message_without_parts_is_its_own_first_part() {
    let plain = "Subject: a\r\n\r\nhello\r\n";
    assert_eq!(part(plain, &Section::Part(path(&[1]))).as_deref(), Some("hello\r\n"));
    assert_eq!(part(plain, &Section::Part(path(&[2]))), None);
    assert_eq!(part(plain, &Section::Text(None)).as_deref(), Some("hello\r\n"));
}

#[test]
fn a_structure_tells_types_sizes_and_the_envelope_of_an_inner_message() {
    let node = parts(MIXED.as_bytes());
    let told = shown(|out| structure(out, MIXED.as_bytes(), &node, false));
    let inner = "(NIL \"inner\" NIL NIL NIL NIL NIL NIL NIL NIL)";
    let plain = "\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\"";
    let wanted = format!(
        "(({plain} 5 0)(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 28 {inner} ({plain} 10 0) 2) \"mixed\")"
    );
    assert_eq!(told, wanted);
}

#[test]
fn an_envelope_has_encoded_words_as_they_are_and_groups() {
    let header = b"From: =?utf-8?Q?J=C3=B6rg?= <joerg@example.org>\r\nTo: Friends: a@b, c@d;\r\nSubject: =?utf-8?Q?x?=\r\n \
        folded\r\n\r\n";
    let told = shown(|out| envelope(out, header));
    let from = "((\"=?utf-8?Q?J=C3=B6rg?=\" NIL \"joerg\" \"example.org\"))";
    let to = "((NIL NIL \"Friends\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")(NIL NIL NIL NIL))";
    assert_eq!(told, format!("(NIL \"=?utf-8?Q?x?= folded\" {from} {from} {from} {to} NIL NIL NIL NIL)"));
}

#[test]
fn a_message_of_any_depth_is_served_as_one_text() {
    let deep = "Content-Type: message/rfc822\r\n\r\n".repeat(100_000);
    assert_eq!(parts(deep.as_bytes()).content, Content::Leaf);
}
