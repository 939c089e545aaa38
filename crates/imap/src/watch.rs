//! Waiting for others: IDLE on the own inbox if the server can, STATUS on the rest. Both are hints; the core's own poll finds
//! everything.

use std::{fmt, pin::Pin, time::Duration};

use sma_core::Folder;
use tokio::time::Instant;

use crate::{
    connection::{ANSWER_MAX, Connection, Failure},
    response::Untagged,
    store::{Extent, Store},
};

/// How often a pause is doubled at most.
const FAILURES_MAX: u32 = 4;
/// So many false alarms in succession are followed at once: one comes of each message that is taken away.
const FALSE_ALARMS_FREE: u32 = 2;
/// The first pause after those; each further one is twice as long, up to the time between two looks.
const FALSE_ALARM_PAUSE: Duration = Duration::from_secs(1);

/// Ends a wait early, once: its owner has something to do.
pub(crate) struct Wake<'a> {
    future: Pin<&'a mut (dyn Future<Output = ()> + Send)>,
    is_ready: bool,
}

impl<'a> Wake<'a> {
    pub(crate) fn new(future: Pin<&'a mut (dyn Future<Output = ()> + Send)>) -> Self {
        Self { future, is_ready: false }
    }

    /// Ready when the future is, and from then on. Nothing is lost if this is dropped before.
    pub(crate) async fn ready(&mut self) {
        if !self.is_ready {
            self.future.as_mut().await;
            self.is_ready = true;
        }
    }

    /// Waits until a point in time, or for what ends the wait.
    async fn or_sleep_until(&mut self, until: Instant) {
        tokio::select! {
            () = self.ready() => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }
}

impl fmt::Debug for Wake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wake({})", self.is_ready)
    }
}

impl Store {
    /// Waits until a watched folder may have changed, until `deadline`, until the connection goes or comes back, or until `wake` is ready,
    /// after which the connection stands; gives what changed. Looks at all watched folders at least every `poll`. Without a connection it
    /// waits as well: nothing here is worth an error. A server that says again and again that something changed, and has nothing new, is
    /// listened to less and less often, down to once every `poll`.
    ///
    /// Dropped half-way it costs the connection and nothing else.
    pub(crate) async fn changes(
        &mut self,
        poll: Duration,
        deadline: Instant,
        mut wake: Wake<'_>,
    ) -> Vec<Folder> {
        let pause = alarm_pause(self.false_alarms).min(poll);
        if !pause.is_zero() {
            wake.or_sleep_until((Instant::now() + pause).min(deadline)).await;
        }
        let changed = self.await_change(poll, deadline, &mut wake).await;
        if !changed.is_empty() {
            // Until something new is found in it.
            self.false_alarms = self.false_alarms.saturating_add(1);
        }
        changed
    }

    async fn await_change(&mut self, poll: Duration, deadline: Instant, wake: &mut Wake<'_>) -> Vec<Folder> {
        loop {
            if wake.is_ready {
                return Vec::new();
            }
            let changed = self.look().await;
            let now = Instant::now();
            if !changed.is_empty() || now >= deadline || self.has_news_of_the_connection() {
                return changed;
            }
            // A server that is down is not called more and more often by all its users.
            let pause = poll.saturating_mul(1 << self.failures.min(FAILURES_MAX));
            let time = pause.min(deadline - now);
            if let Some(folder) = self.idle(time, wake).await {
                // What is in an inbox is often about an announcement that came just before it.
                let mut changed = self.look().await;
                changed.push(folder);
                changed.sort_unstable();
                changed.dedup();
                return changed;
            }
            // A calm as long as the pause ends the suspicion.
            if !wake.is_ready && time >= alarm_pause(self.false_alarms).min(poll) {
                self.false_alarms = 0;
            }
        }
    }

    /// Whether the connection went or came back since this was last asked: people are told.
    fn has_news_of_the_connection(&mut self) -> bool {
        let is_down = self.connection.is_none();
        std::mem::replace(&mut self.was_down, is_down) != is_down
    }

    /// Which watched folders are not as they were when they were last read.
    async fn look(&mut self) -> Vec<Folder> {
        let mut changed = Vec::new();
        if self.connected().await.is_err() {
            return changed;
        }
        for folder in self.watched.clone() {
            let Some(extent) = self.extent(folder).await else { continue };
            let before = self.extents.insert(folder, extent);
            if before.is_some_and(|before| differs(before, extent)) {
                changed.push(folder);
            }
        }
        changed
    }

    async fn extent(&mut self, folder: Folder) -> Option<Extent> {
        if self.idles_on() == Some(folder) {
            let selected = self.select(folder).await.ok();
            self.drop_broken();
            return selected.map(|selected| (selected.messages, selected.uid_next));
        }
        // STATUS is for folders that are not open (RFC 3501 section 6.3.10), and none but the own inbox stays open.
        let command = format!("STATUS {} (MESSAGES UIDNEXT)", self.names.quoted(folder));
        let mut extent = None;
        let status = |untagged: Untagged<'_>| {
            if let Untagged::Status { messages, uid_next } = untagged {
                extent = Some((messages.unwrap_or(0), uid_next));
            }
            Ok(())
        };
        let answer = self.connection.as_mut()?.run_each(&command, ANSWER_MAX, status).await;
        self.drop_broken();
        answer.ok()?;
        extent
    }

    /// The folder that is kept open for IDLE.
    fn idles_on(&self) -> Option<Folder> {
        let can = self.connection.as_ref().is_some_and(|connection| connection.has("IDLE"));
        let inbox = self.watched.iter().find(|folder| **folder != Folder::Announcements);
        inbox.copied().filter(|_| can)
    }

    /// Waits for `time`, or for what ends the wait; gives the own inbox if something happened in it.
    async fn idle(&mut self, time: Duration, wake: &mut Wake<'_>) -> Option<Folder> {
        let until = Instant::now() + time;
        let open = self.idles_on().filter(|folder| self.selected == Some(*folder));
        if let (Some(folder), Some(connection)) = (open, self.connection.as_mut()) {
            let news = connection.idle(time, wake.ready()).await;
            self.drop_broken();
            match news {
                Ok(true) => return Some(folder),
                Ok(false) => return None,
                // A server that refuses or drops IDLE is looked at again after the same time.
                Err(Failure::Refused(_) | Failure::Lost { .. }) => {}
            }
        }
        wake.or_sleep_until(until).await;
        None
    }
}

/// How long nobody listens after so many false alarms in succession.
fn alarm_pause(false_alarms: u32) -> Duration {
    match false_alarms.checked_sub(FALSE_ALARMS_FREE + 1) {
        Some(more) => FALSE_ALARM_PAUSE.saturating_mul(2_u32.saturating_pow(more)),
        None => Duration::ZERO,
    }
}

/// A next uid that one of the two answers lacks is no difference.
fn differs(before: Extent, after: Extent) -> bool {
    let next = before.1.zip(after.1).is_some_and(|(before, after)| before != after);
    before.0 != after.0 || next
}

/// Says farewell; whatever comes of it.
pub(crate) async fn log_out(connection: &mut Connection) {
    let _ = connection.run("LOGOUT").await;
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use sma_core::{Class, Cursor, Envelope, MuaaId, Op, Timestamp, Token, Uid};

    use super::*;
    use crate::mock::answered;

    const INBOX: Folder = Folder::Inbox(MuaaId(27));
    const POLL: Duration = Duration::from_secs(30);

    /// What a server says of the inbox, whenever it is asked, and of its messages the `n`-th time.
    async fn watching(
        selected: impl Fn(usize) -> String + Send + 'static,
        messages: fn(usize) -> String,
    ) -> (Store, Arc<AtomicUsize>) {
        let looked = Arc::new(AtomicUsize::new(0));
        let count = looked.clone();
        let envelope = Envelope {
            sender: MuaaId(1),
            token: Token([0xa7; 16]),
            class: Class::Sync,
            date: Timestamp(0),
            body: vec![7; 9].into(),
        };
        let message = sma_mime::render(&envelope, &sma_mime::Text::default());
        let message = String::from_utf8(message).unwrap();
        let mut store = answered(move |command| match command.split(' ').next().unwrap_or_default() {
            "CAPABILITY" => "* CAPABILITY IMAP4rev1 IDLE\r\n{tag} OK\r\n".to_owned(),
            "SELECT" => {
                format!("{}* OK [UIDVALIDITY 7]\r\n{{tag}} OK\r\n", selected(count.load(Ordering::SeqCst)))
            }
            "IDLE" => "+ go on\r\n* 2 EXISTS\r\n".to_owned(),
            "UID" if command.contains("BODY") => {
                format!("* 2 FETCH (UID 2 BODY[] {{{}}}\r\n{message})\r\n{{tag}} OK\r\n", message.len())
            }
            "UID" => format!("{}{{tag}} OK\r\n", messages(count.fetch_add(1, Ordering::SeqCst))),
            _ => "{tag} OK\r\n".to_owned(),
        })
        .await;
        assert!(store.perform(&Op::Watch(vec![INBOX])).await.is_ok());
        (store, looked)
    }

    /// What nothing but a server ends.
    async fn changes(store: &mut Store, deadline: Instant) -> Vec<Folder> {
        let never = std::pin::pin!(std::future::pending());
        store.changes(POLL, deadline, Wake::new(never)).await
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_something_to_do_ends_the_wait_and_the_connection_stands() {
        let same = |_| "* 1 EXISTS\r\n".to_owned();
        let (mut store, _) = watching(same, |_| String::new()).await;
        // The server claims news at once, again and again; then it is listened to after a pause alone.
        watch(&mut store, Duration::from_secs(300)).await;
        let (start, wake) = (Instant::now(), std::pin::pin!(tokio::time::sleep(Duration::from_secs(1))));
        store.changes(POLL, start + Duration::from_secs(3600), Wake::new(wake)).await;
        assert_eq!(start.elapsed().as_secs(), 1);
        assert!(store.connection.as_ref().is_some_and(|connection| !connection.is_broken()));
    }

    /// Watches for so long, as the driver does; gives how often something was to be read.
    async fn watch(store: &mut Store, time: Duration) -> usize {
        let (end, mut times) = (Instant::now() + time, 0);
        while Instant::now() < end && times < 1000 {
            for folder in changes(store, end).await {
                let after = Some(Cursor { validity: 7, uid: Uid(1) });
                assert!(store.perform(&Op::Fetch { folder, after }).await.is_ok());
                times += 1;
            }
        }
        times
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_always_claims_news_and_has_none_is_asked_hardly_more_often_than_one_that_is_silent()
     {
        let same = |_| "* 2 EXISTS\r\n".to_owned();
        let (mut store, _) = watching(same, |_| String::new()).await;
        let times = watch(&mut store, Duration::from_secs(600)).await;
        assert!((20..=30).contains(&times), "{times}");
        // Nor one whose folder looks another each time.
        let other = |n| format!("* {n} EXISTS\r\n");
        let (mut store, _) = watching(other, |_| String::new()).await;
        let times = watch(&mut store, Duration::from_secs(600)).await;
        assert!((20..=30).contains(&times), "{times}");
    }

    #[tokio::test]
    async fn a_connection_that_goes_ends_the_wait_once_so_that_people_are_told() {
        let (mut store, _) = watching(|_| "* 1 EXISTS\r\n".to_owned(), |_| String::new()).await;
        // Nothing listens where it would connect anew.
        store.connection = None;
        let hour = Duration::from_secs(3600);
        assert_eq!(changes(&mut store, Instant::now() + hour).await, []);
        assert!(matches!(store.take_trouble(), Some(crate::Error::Unreachable { .. })));
        let wake = std::pin::pin!(std::future::ready(()));
        assert_eq!(store.changes(hour, Instant::now() + hour, Wake::new(wake)).await, []);
        assert!(store.was_down);
    }

    #[tokio::test(start_paused = true)]
    async fn news_is_read_at_once_also_after_false_alarms() {
        let same = |_| "* 2 EXISTS\r\n".to_owned();
        // Every tenth time there is a message.
        let (mut store, looked) = watching(same, |n| match n % 10 {
            9 => "* 2 FETCH (UID 2 RFC822.SIZE 900 FLAGS ())\r\n".to_owned(),
            _ => String::new(),
        })
        .await;
        let mut waited = Vec::new();
        for _ in 0..25 {
            let start = Instant::now();
            for folder in changes(&mut store, start + Duration::from_secs(3600)).await {
                let after = Some(Cursor { validity: 7, uid: Uid(1) });
                assert!(store.perform(&Op::Fetch { folder, after }).await.is_ok());
            }
            waited.push(start.elapsed().as_secs());
        }
        assert!(looked.load(Ordering::SeqCst) >= 25);
        let round = [0, 0, 0, 1, 2, 4, 8, 16, 30, 30];
        assert_eq!(waited[..20], [round, round].concat());
    }
}
