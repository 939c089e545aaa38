//! Clients that say anything: whatever they say, to a server of whatever ways, every answer is one that imap-proto reads, and a run can be
//! repeated.

mod client;

use client::{BEGIN, World, message, parses};
use proptest::prelude::*;
use sma_imap_server::{Config, Personality, Server};

/// Words of commands, and of what is none.
fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "FETCH",
        "UID FETCH",
        "STORE",
        "UID STORE",
        "COPY",
        "MOVE",
        "SEARCH",
        "UID SEARCH",
        "SELECT",
        "EXAMINE",
        "CREATE",
        "DELETE",
        "RENAME",
        "LIST",
        "LSUB",
        "STATUS",
        "APPEND",
        "EXPUNGE",
        "UID EXPUNGE",
        "CLOSE",
        "NOOP",
        "IDLE",
        "DONE",
        "ENABLE",
        "ID",
        "NAMESPACE",
        "GETQUOTAROOT",
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "UNSELECT",
        "CHECK",
        "LOGOUT",
        "CAPABILITY",
        "AUTHENTICATE",
        "PLAIN",
        "LOGIN",
        "INBOX",
        "a",
        "a/b",
        "INBOX.c",
        "Mail/d",
        "\"\"",
        "*",
        "%",
        "1",
        "1:*",
        "2,1",
        "*:3",
        "0",
        "4294967295",
        "(",
        ")",
        "((",
        "NIL",
        "ALL",
        "FULL",
        "FLAGS",
        "+FLAGS",
        "-FLAGS.SILENT",
        "(\\Seen)",
        "(\\Deleted Key)",
        "(\\Recent)",
        "BODY[]",
        "BODY.PEEK[1.2.MIME]<0.9>",
        "ENVELOPE",
        "BODYSTRUCTURE",
        "BODY",
        "(UID FLAGS)",
        "(BODY[HEADER.FIELDS (Subject)])",
        "RFC822",
        "SUBJECT",
        "NOT",
        "OR",
        "DELETED",
        "CONDSTORE",
        "QRESYNC",
        "IMAP4rev2",
        "(CONDSTORE)",
        "(MESSAGES UNSEEN RECENT UIDNEXT)",
        "RETURN",
        "(STATUS (MESSAGES))",
        "(SUBSCRIBED)",
        "(MIN)",
        "{3}",
        "{3+}\r\nabc",
        "{99999999999}",
        "{0+}\r\n",
        "{5}\r\na: b\n",
        "\"",
        "\\",
        "\r\n",
        "\r",
        "\n",
        "\0",
        "é",
        "&",
        "&Jjo-",
        "+",
        "\t",
    ]);
    prop::collection::vec(word, 1..7).prop_map(|words| words.join(" "))
}

fn octets(world: &World, commands: &[String]) -> Vec<u8> {
    let mut all = Vec::new();
    let (mut one, mut other) = (world.client(), world.client());
    let names = ["INBOX", "INBOX.c", "Mail/d", "a"];
    names.iter().for_each(|name| _ = one.ask(format!("CREATE {name}")));
    names.iter().for_each(|name| _ = one.append(name, "\\Seen", &message("one")));
    one.ask("SELECT INBOX");
    other.ask("SELECT INBOX");
    for (at, command) in commands.iter().enumerate() {
        let client = if at % 3 == 0 { &mut other } else { &mut one };
        all.extend(client.ask(command).into_bytes());
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_answer_is_read_by_the_witness(which in 0..Personality::NAMES.len(), commands in prop::collection::vec(words(), 1..20)) {
        let personality = Personality::named(Personality::NAMES[which]).unwrap();
        // What that one says on purpose nobody reads.
        prop_assume!(personality.name != "talkative");
        let again = octets(&World::of(personality.clone()), &commands);
        prop_assert_eq!(octets(&World::of(personality), &commands), again);
    }

    #[test]
    fn the_answer_does_not_depend_on_how_the_octets_were_split(commands in prop::collection::vec(words(), 1..9), size in 1..9_usize) {
        let said: String = commands.iter().enumerate().map(|(at, words)| format!("t{at} {words}\r\n")).collect();
        let said = format!("l LOGIN anna secret\r\ns SELECT INBOX\r\n{said}");
        let play = |size: usize| {
            let mut server = Server::new(Config::new("anna", "secret"), 1, BEGIN);
            let session = server.connect(BEGIN);
            said.as_bytes().chunks(size).for_each(|piece| server.receive(session, piece, BEGIN));
            server.take_output(session, BEGIN)
        };
        let whole = play(said.len());
        parses(&whole);
        prop_assert_eq!(play(size), whole);
    }
}
