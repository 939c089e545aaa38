//! Writes the seed corpora: `cargo run --manifest-path fuzz/Cargo.toml --example seeds`. Everything in them is made by the
//! project's own code from fixed seeds, or lies in `tests/data`.

use std::{fs, io, path::Path};

use sma_autocrypt::{Date, Table, read};
use sma_core::{Class, Crypto, Envelope, MuaaId, PairingLink, Timestamp, Token};
use sma_openpgp::OpenPgp;
use sma_sim::{
    choices::{Recorder, Seeded},
    faults::FaultSet,
    malice::MaliceSet,
    run::run,
    stage::Stage,
    world::Setup,
};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn main() -> io::Result<()> {
    let mut stage = Stage::new();
    stage.add(1);
    stage.settle();
    stage.add(27);
    stage.pair(0, 1);
    let remembered = stage.lab.store.remembered.clone();
    for (at, (_, envelope)) in remembered.iter().enumerate() {
        let name = format!("{}-{at}", envelope.class.name());
        save("envelope", &name, &sma_mime::render(envelope, &sma_mime::Text::default()))?;
        save("wire", &name, &envelope.body)?;
    }
    for (at, machine) in stage.lab.machines.iter().enumerate() {
        if let Some(snapshot) = &machine.durable {
            save("snapshot", &format!("paired-{at}"), snapshot.encode().expose())?;
        }
    }
    let (g, f, s, k) = ("a1".repeat(32), "f1".repeat(32), "5e".repeat(16), "77".repeat(16));
    let link = format!("autocrypt-sma:anna@example.org?v=1&g={g}&m=27&f={f}&s={s}&k={k}");
    assert!(PairingLink::parse(&link).is_ok(), "{link}");
    save("wire", "link", link.as_bytes())?;
    responses()?;
    clients()?;
    mails()?;
    keys()?;
    setup_messages()?;
    for seed in 0..8 {
        let setup = Setup { muaas: 3, days: 10, faults: FaultSet::All, malice: MaliceSet::None };
        let mut recorder = Recorder::new(Seeded::new(seed));
        let _ = run(&mut recorder, setup, false);
        save("world", &format!("seed-{seed}"), &recorder.tape()[..recorder.tape().len().min(4096)])?;
    }
    Ok(())
}

/// The first octet is the server's personality, the second says in what pieces the rest arrives.
fn clients() -> io::Result<()> {
    for (name, said) in [
        ("fetch", "a FETCH 1 (UID FLAGS BODY.PEEK[HEADER.FIELDS (Subject)]<0.9> ENVELOPE BODYSTRUCTURE)\r\n"),
        ("store", "a UID STORE 1:* +FLAGS.SILENT (\\Deleted key)\r\nb UID EXPUNGE 1\r\nc CLOSE\r\n"),
        ("append", "a APPEND INBOX (\\Seen) \" 1-Jan-2020 00:00:00 +0000\" {4+}\r\na: b {4+}\r\nc: d\r\n"),
        ("list", "a CREATE x/y\r\nb LIST (SUBSCRIBED) \"\" (x *) RETURN (STATUS (MESSAGES) CHILDREN)\r\n"),
        ("search", "a UID SEARCH RETURN (MIN ALL) CHARSET UTF-8 OR (SEEN SUBJECT a) NOT {1+}\r\n1\r\n"),
        ("idle", "a IDLE\r\nDONE\r\nb ENABLE QRESYNC\r\nc SELECT INBOX (QRESYNC (1 1 1:9))\r\n"),
    ] {
        save("client", name, &[&[0, 255], said.as_bytes()].concat())?;
    }
    Ok(())
}

/// The first octet says in what pieces the rest arrives.
fn responses() -> io::Result<()> {
    for (name, said) in [
        (
            "greeting",
            "* OK [CAPABILITY IMAP4rev1 IDLE] over {9}\r\nA0000 NO [TRYCREATE] no\r\n+ go on\r\n* BYE bye\r\n",
        ),
        (
            "select",
            "* 2 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 10] ok\r\nA0001 OK [READ-WRITE] done\r\n",
        ),
        (
            "list",
            "* LIST (\\Noselect) \"/\" {3}\r\na\\b (\"CHILDINFO\" (\"X\"))\r\n* STATUS \"a\\\"b\" (MESSAGES 1 UIDNEXT 2 X (1))\r\n",
        ),
        (
            "fetch",
            "* 1 FETCH (UID 3 RFC822.SIZE 9 INTERNALDATE \" 1-Jan-2026 00:00:00 +0000\" FLAGS (\\Deleted))\r\n",
        ),
        (
            "body",
            "* 1 FETCH (X (a \"(\" ~{1}\r\n() BODY[HEADER.FIELDS (A)]<0> NIL BODY[] {4}\r\nabcd UID 3)\r\n",
        ),
    ] {
        save("response", name, &[b"\x05", said.as_bytes()].concat())?;
    }
    Ok(())
}

fn mails() -> io::Result<()> {
    let mail = b"From: bob@example.org\r\nTo: anna@example.org\r\nDate: Fri, 15 Jan 2027 08:00:00 +0000\r\n\
        Autocrypt: addr=bob@example.org; prefer-encrypt=mutual; keydata=AAAA\r\n\r\n";
    save("autocrypt", "header", mail)?;
    save("autocrypt", "value", b"addr=bob@example.org; prefer-encrypt=mutual; keydata=AAAA")?;
    let gpg = include_bytes!("../../tests/data/autocrypt-curve.eml");
    save("autocrypt", "gpg", gpg)?;
    let mut table = Table::new(100);
    for mail in [&mail[..], gpg] {
        let observed = read(mail, Date(NOW.as_secs()), 1).map_err(io::Error::other)?;
        table.observe(&observed, Date(NOW.as_secs()));
    }
    save("autocrypt", "peers", &table.shared().to_bytes())
}

fn keys() -> io::Result<()> {
    let device = OpenPgp::new().new_device_key(&[7; 32], NOW).map_err(io::Error::other)?;
    let account =
        OpenPgp::new().new_account_key("anna@example.org", &[8; 32], NOW).map_err(io::Error::other)?;
    save("certificate", "device", &device.certificate)?;
    save("certificate", "account", account.secret.expose())?;
    save("certificate", "armored", sma_openpgp::keys::armor_public(&account.public).as_bytes())?;
    save("certificate", "rsa", include_bytes!("../../tests/data/rsa.sec.asc"))?;
    save("certificate", "revoked", include_bytes!("../../tests/data/revoked.sec.asc"))?;
    save("certificate", "sequoia", include_bytes!("../../tests/data/sequoia.sec.asc"))?;
    let sealed = OpenPgp::new().seal(&device.certificate, b"hello", &[9; 32]).map_err(io::Error::other)?;
    save("sealed", "message", &sealed)?;
    let signature =
        OpenPgp::new().sign(&device.secret, "label", b"text", &[9; 32], NOW).map_err(io::Error::other)?;
    save("sealed", "signature", &signature)?;
    let envelope = Envelope {
        sender: MuaaId(27),
        token: Token([1; 16]),
        class: Class::Sync,
        date: NOW.hour(),
        body: sealed,
    };
    save("envelope", "sealed", &sma_mime::render(&envelope, &sma_mime::Text::default()))
}

fn setup_messages() -> io::Result<()> {
    let gpg = include_bytes!("../../tests/data/setup-curve.eml");
    save("setup", "gpg", gpg)?;
    let armored = sma_mime::parse_setup_message(gpg).map_err(|_| io::ErrorKind::InvalidData)?.armored;
    save("setup", "armored", &armored)?;
    let armored = String::from_utf8(armored).map_err(io::Error::other)?;
    let text = sma_mime::SetupText::default();
    save(
        "setup",
        "rendered",
        &sma_mime::render_setup_message("anna@example.org", &armored, NOW, Token([1; 16]), &text),
    )?;
    // What stands inside, as a literal packet.
    let key = include_bytes!("../../tests/data/curve.sec.asc");
    let length = u16::try_from(key.len() + 6).map_err(io::Error::other)?.to_be_bytes();
    save("setup", "inside", &[&[0xad], &length[..], b"b\0\0\0\0\0", key].concat())
}

fn save(target: &str, name: &str, octets: &[u8]) -> io::Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&directory)?;
    fs::write(directory.join(name), octets)
}
