//! Random commands of two clients of one user.

use sma_tests::dice::Dice;

/// A command of one of the clients. A literal in it comes unasked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Step {
    pub(crate) client: usize,
    pub(crate) command: String,
}

const MAILBOXES: [&str; 7] = ["INBOX", "inbox", "a", "b", "a.x", "a.x.y", "\"two words\""];
const FLAGS: [&str; 8] =
    ["\\Seen", "\\Deleted", "\\Answered", "\\Flagged", "\\Draft", "Alpha", "alpha", "$Beta"];
const MESSAGES: [&str; 6] = [
    "From: Anna <anna@example.org>\r\nTo: bert@example.org\r\nSubject: one\r\nDate: Wed, 1 Jan 2020 12:00:00 +0000\r\n\r\nfirst\r\n",
    "From: \"B, Bert\" <bert@example.org>\r\nSubject: =?utf-8?Q?J=C3=B6rg?=\r\nMessage-ID: <2@example.org>\r\nReply-To: x@y.org\r\n\r\n\
     second\r\nline\r\n",
    "From: anna@example.org\r\nTo: Friends: a@b.org, c@d.org;\r\nCc: (nobody)\r\nSubject: three\r\n folded\r\nIn-Reply-To: \
     <2@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\npreamble\r\n--b\r\n\
     Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nthird=20\r\n--b\r\n\
     Content-Type: application/octet-stream; name=\"f.bin\"\r\nContent-Disposition: attachment; filename=\"f.bin\"\r\n\
     Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n",
    "Subject: four\r\nContent-Type: multipart/alternative; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/related; \
     boundary=i\r\n\r\n--i\r\nContent-Type: text/html\r\n\r\n<p>x</p>\r\n--i\r\nContent-Type: message/rfc822\r\n\r\n\
     From: in@ner.org\r\nSubject: inner\r\n\r\ninside\r\n--i--\r\n--o--\r\n",
    "Subject: five\n\nbare\nnewlines\n",
    "X-Empty:\r\n\r\n",
];
const ITEMS: [&str; 22] = [
    "FLAGS",
    "UID",
    "INTERNALDATE",
    "RFC822.SIZE",
    "ENVELOPE",
    "BODY",
    "BODYSTRUCTURE",
    "BODY[]",
    "BODY.PEEK[]",
    "BODY.PEEK[HEADER]",
    "BODY.PEEK[TEXT]",
    "BODY.PEEK[1]",
    "BODY.PEEK[2]",
    "BODY.PEEK[1.2]",
    "BODY.PEEK[1.2.HEADER]",
    "BODY.PEEK[1.MIME]",
    "BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)]",
    "BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT)]",
    "BODY.PEEK[TEXT]<2.5>",
    "RFC822.HEADER",
    "RFC822.TEXT",
    "MODSEQ",
];
const KEYS: [&str; 27] = [
    "ALL",
    "SEEN",
    "UNSEEN",
    "DELETED",
    "NOT DELETED",
    "FLAGGED",
    "ANSWERED",
    "DRAFT",
    "KEYWORD Alpha",
    "UNKEYWORD $Beta",
    "RECENT",
    "OLD",
    "SUBJECT one",
    "SUBJECT \"j\u{f6}rg\"",
    "FROM anna",
    "TO bert",
    "BODY second",
    "TEXT inner",
    "HEADER Message-ID \"\"",
    "LARGER 100",
    "SMALLER 120",
    "BEFORE 1-Feb-2021",
    "SINCE 1-Feb-2021",
    "ON 1-Jan-2021",
    "SENTON 1-Jan-2020",
    "SENTSINCE 1-Jan-2019",
    "OR SEEN (FLAGGED UNDELETED)",
];

/// The script of a number.
pub(crate) fn script(seed: u64, steps: usize) -> Vec<Step> {
    let mut dice = Dice(seed);
    let mut script: Vec<Step> = Vec::new();
    for client in [0, 1] {
        script.push(Step { client, command: append(&mut dice, "INBOX") });
        script.push(Step { client, command: "SELECT INBOX".to_owned() });
    }
    let noops = [0, 1].map(|client| Step { client, command: "NOOP".to_owned() });
    script.extend(noops.clone());
    for _ in 0..steps {
        let client = dice.below(2) as usize;
        script.push(Step { client, command: command(&mut dice) });
        // When news is told is a matter of taste; with NOOP it is told by everybody.
        script.extend(noops.clone());
    }
    for client in [0, 1] {
        for command in ["NOOP", "LIST \"\" *", "SELECT INBOX", "FETCH 1:* (UID FLAGS RFC822.SIZE)"] {
            script.push(Step { client, command: command.to_owned() });
        }
    }
    script
}

fn of<'a>(dice: &mut Dice, what: &[&'a str]) -> &'a str {
    what[dice.below(what.len() as u64) as usize]
}

fn some(dice: &mut Dice, what: &[&str], most: u64) -> String {
    let count = dice.below(most + 1);
    (0..count).map(|_| of(dice, what)).collect::<Vec<_>>().join(" ")
}

/// Flags, none of them twice in whatever case: Dovecot loses keywords of such lists.
fn flags(dice: &mut Dice, most: u64) -> String {
    let drawn = some(dice, &FLAGS, most);
    let mut flags: Vec<&str> = Vec::new();
    for flag in drawn.split(' ') {
        if !flags.iter().any(|known| known.eq_ignore_ascii_case(flag)) {
            flags.push(flag);
        }
    }
    flags.join(" ")
}

fn set(dice: &mut Dice) -> String {
    let number = |dice: &mut Dice| match dice.below(6) {
        0 => "*".to_owned(),
        n => n.to_string(),
    };
    let one = |dice: &mut Dice| match dice.below(2) {
        0 => number(dice),
        _ => format!("{}:{}", number(dice), number(dice)),
    };
    let count = 1 + dice.below(2);
    (0..count).map(|_| one(dice)).collect::<Vec<_>>().join(",")
}

fn append(dice: &mut Dice, mailbox: &str) -> String {
    let message = of(dice, &MESSAGES);
    let date = format!("{:02}-Jan-2021 12:00:00 +0{}00", 1 + dice.below(28), dice.below(3));
    format!("APPEND {mailbox} ({}) \"{date}\" {{{}+}}\r\n{message}", flags(dice, 2), message.len())
}

fn command(dice: &mut Dice) -> String {
    let mailbox = of(dice, &MAILBOXES);
    let uid = if dice.below(2) == 0 { "UID " } else { "" };
    match dice.below(32) {
        0..=3 => append(dice, mailbox),
        4..=5 => format!("SELECT {mailbox}"),
        6 => format!("EXAMINE {mailbox}"),
        7..=8 => format!("CREATE {mailbox}"),
        9 => format!("DELETE {mailbox}"),
        // Dovecot cannot rename INBOX in Maildir, and takes `inbox` for the name of another mailbox there.
        10 => format!("RENAME {} {}", of(dice, &MAILBOXES[2..]), of(dice, &MAILBOXES[2..])),
        11 => format!("SUBSCRIBE {mailbox}"),
        12 => format!("UNSUBSCRIBE {mailbox}"),
        13 => format!("LIST \"\" {}", of(dice, &["*", "%", "a.%", "\"\"", "INBOX", "a*y", "%.%"])),
        14 => format!("LSUB \"\" {}", of(dice, &["*", "%", "a.%"])),
        15 => format!(
            "STATUS {mailbox} ({})",
            of(dice, &["MESSAGES UNSEEN", "UIDNEXT UIDVALIDITY", "RECENT MESSAGES", "UIDNEXT"])
        ),
        16..=19 => {
            let items = format!("{} {}", of(dice, &ITEMS), some(dice, &ITEMS, 2));
            format!("{uid}FETCH {} ({})", set(dice), items.trim_end())
        }
        20 => format!("{uid}FETCH {} {}", set(dice), of(dice, &["ALL", "FAST", "FULL"])),
        21..=23 => {
            let how = of(dice, &["FLAGS", "+FLAGS", "-FLAGS", "FLAGS.SILENT", "+FLAGS.SILENT"]);
            format!("{uid}STORE {} {how} ({})", set(dice), flags(dice, 3))
        }
        24 => format!("{uid}COPY {} {mailbox}", set(dice)),
        25 => format!("{uid}MOVE {} {mailbox}", set(dice)),
        26 => "EXPUNGE".to_owned(),
        27 => format!("UID EXPUNGE {}", set(dice)),
        28 => of(dice, &["CLOSE", "UNSELECT", "CHECK"]).to_owned(),
        29 => {
            let keys = format!("{} {}", of(dice, &KEYS), some(dice, &KEYS, 1));
            let keys = keys.trim_end().replace('\u{f6}', "o");
            format!("{uid}SEARCH {keys}")
        }
        30 => format!("LIST \"\" * RETURN ({})", of(dice, &["SUBSCRIBED", "CHILDREN", "STATUS (MESSAGES)"])),
        _ => of(dice, &["NOOP", "NOOP", "NAMESPACE", "ENABLE CONDSTORE", "NONSENSE"]).to_owned(),
    }
}
