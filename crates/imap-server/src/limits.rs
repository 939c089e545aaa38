//! How much a server takes.

/// What a server takes. What goes beyond is refused with a sentence, and costs no more than it says here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Octets of one message.
    pub message_bytes: u64,
    /// Octets of all messages of one user.
    pub quota_bytes: u64,
    /// Mailboxes of one user, INBOX included.
    pub mailboxes: usize,
    /// Messages of one mailbox.
    pub messages: usize,
    /// Connections at a time.
    pub sessions: usize,
    /// Connections at a time that one user is logged in on.
    pub sessions_of_user: usize,
    /// Octets that wait to be sent to one client. One that does not read them is disconnected.
    pub waiting_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 32 << 20,
            quota_bytes: 1 << 30,
            mailboxes: 10_000,
            messages: 1_000_000,
            sessions: 1000,
            sessions_of_user: 100,
            waiting_bytes: 256 << 20,
        }
    }
}
