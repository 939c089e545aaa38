//! What a server is like: who may log in, which extensions it has, its limits.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use crate::{Faults, Limits, Personality};

/// An extension of IMAP4rev1 (RFC 3501) that can be switched on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Extension {
    /// IMAP4rev2 (RFC 9051), beside IMAP4rev1.
    Imap4Rev2,
    /// `LITERAL+` (RFC 7888).
    LiteralPlus,
    /// `LITERAL-` (RFC 7888): literals of at most 4096 octets come unasked.
    LiteralMinus,
    /// `SASL-IR` (RFC 4959).
    SaslIr,
    /// `ID` (RFC 2971).
    Id,
    /// `ENABLE` (RFC 5161).
    Enable,
    /// `IDLE` (RFC 2177).
    Idle,
    /// `NAMESPACE` (RFC 2342).
    Namespace,
    /// `UIDPLUS` (RFC 4315).
    UidPlus,
    /// `UNSELECT` (RFC 3691).
    Unselect,
    /// `MOVE` (RFC 6851).
    Move,
    /// `CHILDREN` (RFC 3348).
    Children,
    /// `LIST-EXTENDED` (RFC 5258).
    ListExtended,
    /// `LIST-STATUS` (RFC 5819).
    ListStatus,
    /// `ESEARCH` (RFC 4731).
    ESearch,
    /// `MULTIAPPEND` (RFC 3502).
    MultiAppend,
    /// `CONDSTORE` (RFC 7162).
    CondStore,
    /// `QRESYNC` (RFC 7162). Wants [`Extension::CondStore`] and [`Extension::Enable`].
    QResync,
    /// `QUOTA` (RFC 9208), if the server has a quota.
    Quota,
    /// `APPENDLIMIT` (RFC 7889), with [`Limits::message_bytes`].
    AppendLimit,
    /// `COMPRESS=DEFLATE` (RFC 4978).
    Compress,
}

impl Extension {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::Imap4Rev2,
        Self::LiteralPlus,
        Self::LiteralMinus,
        Self::SaslIr,
        Self::Id,
        Self::Enable,
        Self::Idle,
        Self::Namespace,
        Self::UidPlus,
        Self::Unselect,
        Self::Move,
        Self::Children,
        Self::ListExtended,
        Self::ListStatus,
        Self::ESearch,
        Self::MultiAppend,
        Self::CondStore,
        Self::QResync,
        Self::Quota,
        Self::AppendLimit,
        Self::Compress,
    ];

    /// The name in CAPABILITY, without the value that APPENDLIMIT has.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Imap4Rev2 => "IMAP4rev2",
            Self::LiteralPlus => "LITERAL+",
            Self::LiteralMinus => "LITERAL-",
            Self::SaslIr => "SASL-IR",
            Self::Id => "ID",
            Self::Enable => "ENABLE",
            Self::Idle => "IDLE",
            Self::Namespace => "NAMESPACE",
            Self::UidPlus => "UIDPLUS",
            Self::Unselect => "UNSELECT",
            Self::Move => "MOVE",
            Self::Children => "CHILDREN",
            Self::ListExtended => "LIST-EXTENDED",
            Self::ListStatus => "LIST-STATUS",
            Self::ESearch => "ESEARCH",
            Self::MultiAppend => "MULTIAPPEND",
            Self::CondStore => "CONDSTORE",
            Self::QResync => "QRESYNC",
            Self::Quota => "QUOTA",
            Self::AppendLimit => "APPENDLIMIT",
            Self::Compress => "COMPRESS=DEFLATE",
        }
    }

    /// Whether it is told before the login as well.
    pub(crate) const fn is_told_before_login(self) -> bool {
        use Extension::{Enable, Id, Idle, Imap4Rev2, LiteralMinus, LiteralPlus, SaslIr};
        matches!(self, Imap4Rev2 | LiteralPlus | LiteralMinus | SaslIr | Id | Enable | Idle)
    }
}

/// The extensions that a server has.
pub type Extensions = BTreeSet<Extension>;

/// A SASL mechanism for AUTHENTICATE.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Mechanism {
    /// `PLAIN` (RFC 4616), with the password.
    Plain,
    /// `SCRAM-SHA-256` (RFC 7677), with the password.
    ScramSha256,
    /// `OAUTHBEARER` (RFC 7628), with the token.
    OAuthBearer,
    /// `XOAUTH2`, as Google and Microsoft have it, with the token.
    XOAuth2,
}

impl Mechanism {
    /// The name in CAPABILITY, after `AUTH=`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
        }
    }
}

/// A server's configuration.
#[derive(Clone)]
pub struct Config {
    users: BTreeMap<String, Zeroizing<Vec<u8>>>,
    tokens: BTreeMap<String, Zeroizing<Vec<u8>>>,
    mechanisms: BTreeSet<Mechanism>,
    login: bool,
    pub(crate) personality: Personality,
    faults: Faults,
}

impl Config {
    /// A server with one user, the extensions of [`Personality::default`], and no ways of its own.
    ///
    /// ```
    /// use sma_imap_server::{Config, Personality};
    /// let config = Config::new("anna", "secret").with_user("bert", "other").with_personality(Personality::cyrus());
    /// assert!(!format!("{config:?}").contains("secret"));
    /// ```
    #[must_use]
    pub fn new(user: &str, password: &str) -> Self {
        let config = Self {
            users: BTreeMap::new(),
            tokens: BTreeMap::new(),
            mechanisms: BTreeSet::from([Mechanism::Plain]),
            login: true,
            faults: Faults::default(),
            personality: Personality::default(),
        };
        config.with_user(user, password)
    }

    /// One more user, with mailboxes of its own.
    #[must_use]
    pub fn with_user(mut self, user: &str, password: &str) -> Self {
        self.users.insert(user.to_owned(), password.as_bytes().to_vec().into());
        self
    }

    /// With an OAuth token of a user, beside the password.
    #[must_use]
    pub fn with_token(mut self, user: &str, token: &str) -> Self {
        self.tokens.insert(user.to_owned(), token.as_bytes().to_vec().into());
        self
    }

    /// With these mechanisms for AUTHENTICATE instead of PLAIN.
    #[must_use]
    pub fn with_mechanisms(mut self, mechanisms: impl IntoIterator<Item = Mechanism>) -> Self {
        self.mechanisms = mechanisms.into_iter().collect();
        self
    }

    /// Without the command LOGIN (LOGINDISABLED).
    #[must_use]
    pub fn without_login(mut self) -> Self {
        self.login = false;
        self
    }

    /// With things that go wrong by chance.
    #[must_use]
    pub fn with_faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// With the ways of another server, its extensions and its limits.
    #[must_use]
    pub fn with_personality(mut self, personality: Personality) -> Self {
        self.personality = personality;
        self
    }

    /// With other limits than the personality's.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.personality.limits = limits;
        self
    }

    /// With these extensions instead of the personality's.
    #[must_use]
    pub fn with_extensions(mut self, extensions: impl IntoIterator<Item = Extension>) -> Self {
        self.personality.extensions = extensions.into_iter().collect();
        self
    }

    pub(crate) fn users(&self) -> impl Iterator<Item = &String> {
        self.users.keys()
    }

    pub(crate) fn password(&self, user: &str) -> Option<&[u8]> {
        self.users.get(user).map(|secret| secret.as_slice())
    }

    pub(crate) fn token(&self, user: &str) -> Option<&[u8]> {
        self.tokens.get(user).map(|secret| secret.as_slice())
    }

    pub(crate) fn mechanisms(&self) -> &BTreeSet<Mechanism> {
        &self.mechanisms
    }

    pub(crate) fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(crate) fn has_login(&self) -> bool {
        self.login
    }

    pub(crate) fn has(&self, extension: Extension) -> bool {
        self.personality.extensions.contains(&extension)
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Config");
        shown.field("users", &self.users.keys()).field("personality", &self.personality);
        shown.field("mechanisms", &self.mechanisms).field("login", &self.login);
        shown.field("faults", &self.faults).finish()
    }
}
