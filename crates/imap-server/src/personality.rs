//! The ways that servers have beside the standard. The default has none.

use std::time::Duration;

use crate::{Extension, Extensions, Limits};

/// How a server tells a client that the mailbox it has selected was deleted by another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeletedUnder {
    /// It says BYE and closes the connection.
    Bye,
    /// All messages are expunged, and the mailbox stays selected and empty.
    Expunged,
    /// Commands about messages are refused with NO.
    Refused,
    /// Not at all: messages are served as if they were there.
    Untold,
}

/// What a FETCH gives of a message that another client has expunged, before this one was told (RFC 2180 section 4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expunged {
    /// The message as it was.
    Kept,
    /// Its flags, and NIL for its texts.
    Nil,
    /// A message that the server made up.
    Fabricated,
}

/// What becomes of messages that are appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Newlines {
    /// A bare LF or CR becomes CRLF.
    Converted,
    /// A message with one, or with a NUL, is refused.
    Refused,
    /// It is kept as it is.
    Kept,
}

/// What becomes of the header of an appended message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Headers {
    /// It is kept as it is.
    Kept,
    /// Octets above 127 become `X`.
    Munged,
    /// Fields that RFC 5322 and MIME do not know are taken out.
    Stripped,
    /// Fields are folded anew and put into another order, and one of the server's is added.
    Rewritten,
}

/// Which UIDVALIDITY a new mailbox gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Validity {
    /// A higher one than any before.
    Rising,
    /// The same for every mailbox, also if a name is used again.
    Reused,
    /// Any, which may be lower than that of an earlier mailbox of the name.
    Any,
    /// As `Rising`, and mailboxes get another one, with other UIDs, about each 20th time they are selected.
    Jumping,
}

/// How often a server says what nobody asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unsolicited {
    /// Never.
    Never,
    /// About every third command: untagged answers that are in order and that a client may not know, and alerts.
    Often,
}

/// Ways of a server. Every field may be set by itself; [`Personality::NAMES`] are known mixtures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Personality {
    /// What it is called.
    pub name: &'static str,
    /// What it can do beyond IMAP4rev1.
    pub extensions: Extensions,
    /// What all names but INBOX begin with, as `INBOX.` or `Mail/`; may be empty.
    pub prefix: &'static str,
    /// What stands between the levels of a name.
    pub delimiter: char,
    /// Whether names that differ in case only are the same.
    pub case_insensitive: bool,
    /// Whether refusals have a response code (RFC 5530), TRYCREATE apart, which is always told.
    pub codes: bool,
    /// Whether clients may make keywords.
    pub keywords: bool,
    /// The first UID of a mailbox.
    pub first_uid: u32,
    /// Which UIDVALIDITY mailboxes get.
    pub validity: Validity,
    /// Whether SELECT tells UIDNEXT and UNSEEN.
    pub tells_uid_next: bool,
    /// Whether APPEND, COPY and MOVE tell UIDs, where UIDPLUS is on.
    pub tells_append_uid: bool,
    /// Whether the answer to a login tells the capabilities.
    pub tells_capabilities: bool,
    /// Whether `UID FETCH 100:*` gives the last message also if its UID is below 100 (RFC 3501 section 6.4.8).
    pub star_is_last: bool,
    /// Whether names in LIST are always quoted.
    pub quotes_names: bool,
    /// Whether STORE with `.SILENT` answers all the same.
    pub answers_silent: bool,
    /// Whether a name can be subscribed to that no mailbox has.
    pub subscribes_missing: bool,
    /// Whether SELECT is refused to a client that did not say who it is by ID.
    pub wants_id: bool,
    /// Whether a message with the Message-ID of one that is there already is the same message, mailboxes are labels, and what is
    /// expunged stays in `[Gmail]/All Mail`.
    pub labels: bool,
    /// How a client learns that its mailbox is gone.
    pub deleted_under: DeletedUnder,
    /// What is served of expunged messages.
    pub expunged: Expunged,
    /// What becomes of line ends.
    pub newlines: Newlines,
    /// What becomes of headers.
    pub headers: Headers,
    /// After this time other clients see a new message. Up to it, for each message anew.
    pub visible_after: Duration,
    /// After this time a client in IDLE is told of news; `None` if only when it ends IDLE.
    pub idle_after: Option<Duration>,
    /// What is said unasked.
    pub unsolicited: Unsolicited,
    /// How much it takes.
    pub limits: Limits,
}

impl Default for Personality {
    fn default() -> Self {
        let left_out = [Extension::Compress, Extension::LiteralMinus];
        Self {
            name: "honest",
            extensions: Extension::ALL.into_iter().filter(|one| !left_out.contains(one)).collect(),
            prefix: "",
            delimiter: '/',
            case_insensitive: false,
            codes: true,
            keywords: true,
            first_uid: 1,
            validity: Validity::Rising,
            tells_uid_next: true,
            tells_append_uid: true,
            tells_capabilities: true,
            star_is_last: true,
            quotes_names: false,
            answers_silent: false,
            subscribes_missing: true,
            wants_id: false,
            labels: false,
            deleted_under: DeletedUnder::Bye,
            expunged: Expunged::Kept,
            newlines: Newlines::Converted,
            headers: Headers::Kept,
            visible_after: Duration::ZERO,
            idle_after: Some(Duration::ZERO),
            unsolicited: Unsolicited::Never,
            limits: Limits::default(),
        }
    }
}

impl Personality {
    /// What [`Personality::named`] knows.
    pub const NAMES: [&str; 22] = [
        "honest",
        "plain",
        "dovecot",
        "cyrus",
        "cyrus-inbox",
        "mail-prefix",
        "courier",
        "exchange",
        "gmail",
        "netease",
        "case-insensitive",
        "validity-jumps",
        "validity-reused",
        "validity-any",
        "slow",
        "few-connections",
        "small-quota",
        "few-folders",
        "deleted-refused",
        "stripped",
        "rewritten",
        "talkative",
    ];

    /// A mixture by its name.
    ///
    /// ```
    /// use sma_imap_server::Personality;
    /// assert!(Personality::NAMES.iter().all(|name| Personality::named(name).is_some_and(|found| found.name == *name)));
    /// assert_eq!(Personality::named("none"), None);
    /// ```
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let honest = Self::default();
        Some(match name {
            "honest" => honest,
            "plain" => Self { name: "plain", extensions: Extensions::new(), ..honest },
            "dovecot" => Self::dovecot(),
            "cyrus" => Self::cyrus(),
            "cyrus-inbox" => Self { name: "cyrus-inbox", prefix: "INBOX.", delimiter: '.', ..Self::cyrus() },
            "mail-prefix" => Self { name: "mail-prefix", prefix: "Mail/", ..Self::dovecot() },
            "courier" => Self::courier(),
            "exchange" => Self::exchange(),
            "gmail" => Self::gmail(),
            "netease" => Self { name: "netease", wants_id: true, codes: false, ..Self::exchange() },
            "case-insensitive" => Self { name: "case-insensitive", case_insensitive: true, ..honest },
            "validity-jumps" => Self { name: "validity-jumps", validity: Validity::Jumping, ..honest },
            "validity-reused" => Self { name: "validity-reused", validity: Validity::Reused, ..honest },
            "validity-any" => {
                Self { name: "validity-any", validity: Validity::Any, first_uid: 101, ..honest }
            }
            "slow" => Self {
                name: "slow",
                visible_after: Duration::from_secs(20),
                idle_after: Some(Duration::from_secs(5)),
                ..honest
            },
            "few-connections" => {
                let limits = Limits { sessions_of_user: 2, ..Limits::default() };
                Self { name: "few-connections", limits, ..honest }
            }
            "small-quota" => {
                let limits = Limits { quota_bytes: 64 << 10, message_bytes: 32 << 10, ..Limits::default() };
                Self { name: "small-quota", limits, ..honest }
            }
            "few-folders" => {
                Self { name: "few-folders", limits: Limits { mailboxes: 4, ..Limits::default() }, ..honest }
            }
            "deleted-refused" => {
                Self { name: "deleted-refused", deleted_under: DeletedUnder::Refused, ..honest }
            }
            "stripped" => Self { name: "stripped", headers: Headers::Stripped, ..honest },
            "rewritten" => Self { name: "rewritten", headers: Headers::Rewritten, ..honest },
            "talkative" => Self { name: "talkative", unsolicited: Unsolicited::Often, ..honest },
            _ => return None,
        })
    }

    /// Dovecot 2.3, with mail in Maildir and the delimiter of its newer formats.
    #[must_use]
    pub fn dovecot() -> Self {
        use Extension::{AppendLimit, Compress, Imap4Rev2, LiteralMinus, Quota};
        let limits = Limits { sessions_of_user: 10, ..Limits::default() };
        Self {
            name: "dovecot",
            extensions: all_but(&[Imap4Rev2, LiteralMinus, AppendLimit, Compress, Quota]),
            expunged: Expunged::Nil,
            subscribes_missing: false,
            idle_after: Some(Duration::from_millis(500)),
            limits,
            ..Self::default()
        }
    }

    /// Cyrus 3.6 with `altnamespace`.
    #[must_use]
    pub fn cyrus() -> Self {
        Self {
            name: "cyrus",
            extensions: all_but(&[Extension::Imap4Rev2, Extension::LiteralMinus]),
            codes: false,
            answers_silent: true,
            deleted_under: DeletedUnder::Expunged,
            newlines: Newlines::Refused,
            headers: Headers::Munged,
            ..Self::default()
        }
    }

    /// Courier 5.0 without a monitor of files.
    #[must_use]
    pub fn courier() -> Self {
        use Extension::{Children, Idle, Namespace, UidPlus, Unselect};
        Self {
            name: "courier",
            extensions: Extensions::from([Children, Idle, Namespace, UidPlus, Unselect]),
            prefix: "INBOX.",
            delimiter: '.',
            codes: false,
            tells_uid_next: false,
            tells_capabilities: false,
            star_is_last: false,
            quotes_names: true,
            deleted_under: DeletedUnder::Untold,
            expunged: Expunged::Fabricated,
            idle_after: None,
            ..Self::default()
        }
    }

    /// Exchange Online: no keywords, few extensions, no UIDs told.
    #[must_use]
    pub fn exchange() -> Self {
        use Extension::{Children, Id, Idle, LiteralPlus, Move, Namespace, UidPlus, Unselect};
        Self {
            name: "exchange",
            extensions: Extensions::from([
                Children,
                Id,
                Idle,
                LiteralPlus,
                Move,
                Namespace,
                UidPlus,
                Unselect,
            ]),
            case_insensitive: true,
            codes: false,
            keywords: false,
            tells_append_uid: false,
            headers: Headers::Rewritten,
            visible_after: Duration::from_secs(2),
            ..Self::default()
        }
    }

    /// Gmail: mailboxes are labels of one store, in which nothing is there twice and nothing is expunged.
    #[must_use]
    pub fn gmail() -> Self {
        use Extension::{
            AppendLimit, Children, Compress, CondStore, ESearch, Enable, Id, Idle, ListExtended, ListStatus,
            LiteralMinus, Move, Namespace, Quota, SaslIr, UidPlus, Unselect,
        };
        let limits = Limits { message_bytes: 35_651_584, sessions_of_user: 15, ..Limits::default() };
        Self {
            name: "gmail",
            extensions: Extensions::from([
                AppendLimit,
                Children,
                Compress,
                CondStore,
                ESearch,
                Enable,
                Id,
                Idle,
                ListExtended,
                ListStatus,
                LiteralMinus,
                Move,
                Namespace,
                Quota,
                SaslIr,
                UidPlus,
                Unselect,
            ]),
            labels: true,
            limits,
            ..Self::default()
        }
    }
}

fn all_but(left_out: &[Extension]) -> Extensions {
    Extension::ALL.into_iter().filter(|one| !left_out.contains(one)).collect()
}
