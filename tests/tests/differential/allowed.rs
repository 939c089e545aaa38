//! Where Dovecot and sma-imap-server may differ, and why.

use crate::response::Answer;

/// An explanation. It takes out of both answers what it explains.
pub(crate) struct Reason {
    pub(crate) name: &'static str,
    why: &'static str,
    /// Whether the two have other mail after it, so that the rest of the script says nothing.
    pub(crate) ends: bool,
    takes_out: fn(&str, &mut Answer, &mut Answer),
}

const REASONS: [Reason; 16] = [
    Reason {
        name: "HIGHESTMODSEQ",
        why: "Dovecot tells it at SELECT only to clients that have shown an interest; RFC 7162 section 3.1.2.1 wants it always",
        ends: false,
        takes_out: |_, theirs, ours| {
            without(theirs, |line| line == "OK [HIGHESTMODSEQ]");
            without(ours, |line| line == "OK [HIGHESTMODSEQ]");
        },
    },
    Reason {
        name: "codes of refusals",
        why: "RFC 5530 leaves it to the server which code it tells, and whether; TRYCREATE is none of these",
        ends: false,
        takes_out: |_, theirs, ours| {
            for answer in [theirs, ours] {
                for code in ["NONEXISTENT", "ALREADYEXISTS", "CANNOT", "NOPERM", "CLIENTBUG"] {
                    answer.status = answer.status.replace(&format!(" [{code}]"), "");
                }
            }
        },
    },
    Reason {
        name: "modification sequences apart",
        why: "Dovecot tells them in a response of their own, and not of flags that stay",
        ends: false,
        takes_out: |_, theirs, ours| {
            for answer in [theirs, ours] {
                without(answer, |line| line.contains(" FETCH {\"MODSEQ\": Atom(\"\")"));
                for line in &mut answer.told {
                    *line = line.replace(", \"MODSEQ\": Atom(\"\")", "");
                }
            }
        },
    },
    Reason {
        name: "changes of what is read-only",
        why: "Dovecot says OK and ignores them; RFC 3501 section 6.3.2 permits no changes, and NO says so",
        ends: false,
        takes_out: |command, theirs, ours| {
            if ["STORE", "EXPUNGE"].iter().any(|word| command.contains(word)) && ours.status == "NO" {
                theirs.status = theirs.status.replacen("OK", "NO", 1);
            }
        },
    },
    Reason {
        name: "moves out of what is read-only",
        why: "Dovecot moves messages out of a mailbox that was opened by EXAMINE; RFC 3501 section 6.3.2 permits no changes",
        ends: true,
        takes_out: |command, theirs, ours| {
            if command.contains("MOVE") && ours.status == "NO" && theirs.status.starts_with("OK") {
                *theirs = ours.clone();
            }
        },
    },
    Reason {
        name: "end of the process",
        why: "Dovecot 2.3 ends the connection at sets that have a star and numbers that there are not",
        ends: true,
        takes_out: |command, theirs, ours| {
            if command.contains('*') && theirs.status.is_empty() {
                *theirs = ours.clone();
            }
        },
    },
    Reason {
        name: "renamed under a client",
        why: "Dovecot ends the connection of a client whose mailbox another name is given; here it goes on",
        ends: true,
        takes_out: |_, theirs, ours| {
            if theirs.told == ["BYE"] && theirs.status.is_empty() {
                *theirs = ours.clone();
            }
        },
    },
    Reason {
        name: "renaming what is no mailbox",
        why: "Dovecot gives names below a level that is no mailbox another level, also if that one is a mailbox; RFC 3501 section \
              6.3.5 refuses a name that there is",
        ends: true,
        takes_out: |command, theirs, ours| {
            if command.starts_with("RENAME") && theirs.status == "OK" && ours.status.starts_with("NO") {
                *theirs = ours.clone();
            }
        },
    },
    Reason {
        name: "levels that were mailboxes",
        why: "Dovecot lists a mailbox that was deleted and has mailboxes below it as if it could be selected",
        ends: false,
        takes_out: |command, theirs, ours| {
            if command.starts_with("LIST") {
                for line in theirs.told.iter_mut().chain(&mut ours.told) {
                    *line = line
                        .replace(", Atom(\"\\\\Noselect\")", "")
                        .replace(", Atom(\"\\\\NonExistent\")", "")
                        .replace("[Atom(\"\\\\NonExistent\")]", "[]");
                }
            }
        },
    },
    Reason {
        name: "lists of a second ago",
        why: "Dovecot's index of mailboxes goes by the time of a directory in seconds; what is made in the same second may be missing",
        ends: true,
        takes_out: |command, theirs, ours| {
            if command.starts_with("LIST") {
                let told = theirs.told.clone();
                without(ours, |line| line.starts_with("LIST") && !told.iter().any(|known| known == line));
            }
        },
    },
    Reason {
        name: "line end after the last part",
        why: "the line end before a boundary belongs to it (RFC 2046 section 5.1.1); Dovecot counts it to a part that has parts",
        ends: false,
        takes_out: |_, theirs, _| {
            for line in &mut theirs.told {
                *line = line.replace("--i--\\r\\n\")", "--i--\")");
            }
        },
    },
    Reason {
        name: "flags that stay",
        why: "of a STORE that changes nothing Dovecot tells nothing; RFC 3501 section 6.4.6 has the new value told",
        ends: false,
        takes_out: |command, theirs, ours| {
            if command.contains("STORE ") {
                let told = theirs.told.clone();
                without(ours, |line| {
                    line.contains(" FETCH {\"FLAGS\"") && !told.iter().any(|known| known == line)
                });
            }
        },
    },
    Reason {
        name: "recent in STATUS",
        why: "Dovecot counts for a client that has the mailbox selected what is recent to that client",
        ends: false,
        takes_out: |command, theirs, ours| {
            if command.starts_with("STATUS") {
                for answer in [theirs, ours] {
                    for line in &mut answer.told {
                        *line = line.split(", \"RECENT\"").next().unwrap_or_default().to_owned();
                    }
                }
            }
        },
    },
    Reason {
        name: "missing parts",
        why: "the text of a part that a message does not have is empty or NIL; RFC 3501 section 6.4.5 does not say",
        ends: false,
        takes_out: |_, theirs, ours| {
            for line in theirs.told.iter_mut().chain(&mut ours.told).filter(|line| line.contains("\"BODY[")) {
                *line = line.replace("]\": Atom(\"NIL\")", "]\": String(\"\")");
            }
        },
    },
    Reason {
        name: "keywords of a mailbox",
        why: "which keywords FLAGS lists beside those that messages have: Dovecot lists what the client has named, also in a SEARCH, \
              and forgets what no message has",
        ends: false,
        takes_out: |command, theirs, ours| {
            let opens = command.starts_with("SELECT") || command.starts_with("EXAMINE");
            for answer in [theirs, ours] {
                let is_list =
                    |line: &str| line.starts_with("FLAGS ") || line.starts_with("OK [PERMANENTFLAGS");
                without(answer, |line| is_list(line) && !opens);
                for line in answer.told.iter_mut().filter(|line| is_list(line)) {
                    for keyword in ["$Beta", "Alpha", "alpha"] {
                        *line = line
                            .replace(&format!("Atom(\"{keyword}\"), "), "")
                            .replace(&format!(", Atom(\"{keyword}\")"), "");
                        *line = line.replace(&format!("{keyword} "), "").replace(&format!(" {keyword}"), "");
                    }
                }
            }
        },
    },
    Reason {
        name: "numbers beyond the last with a star",
        why: "of a set that has a star and a number that there is, Dovecot passes over numbers that there are not; RFC 3501 section \
              9 (seq-number) has them refused",
        ends: true,
        takes_out: |command, theirs, ours| {
            if command.contains('*') && theirs.status != "BAD" && ours.status == "BAD" {
                *theirs = ours.clone();
            }
        },
    },
];

fn without(answer: &mut Answer, explained: impl Fn(&str) -> bool) {
    answer.told.retain(|line| !explained(line));
}

/// The explanations that a difference needs; `None` if they do not explain it.
pub(crate) fn reasons(command: &str, mut theirs: Answer, mut ours: Answer) -> Option<Vec<&'static Reason>> {
    let mut needed = Vec::new();
    for reason in &REASONS {
        if theirs == ours {
            break;
        }
        let before = (theirs.clone(), ours.clone());
        (reason.takes_out)(command, &mut theirs, &mut ours);
        theirs.told.sort();
        ours.told.sort();
        if (&theirs, &ours) != (&before.0, &before.1) {
            needed.push(reason);
        }
    }
    (theirs == ours).then_some(needed)
}

/// Why an explanation is one.
pub(crate) fn why(name: &str) -> &'static str {
    REASONS.iter().find(|reason| reason.name == name).map_or("", |reason| reason.why)
}
