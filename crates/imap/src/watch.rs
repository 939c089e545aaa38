//! Waiting for others: IDLE on the own inbox if the server can, STATUS on the rest. Both are hints; the core's own poll finds
//! everything.

use std::time::Duration;

use sma_core::Folder;
use tokio::time::Instant;

use crate::{
    connection::{ANSWER_MAX, Connection, Failure},
    response::Untagged,
    store::{Extent, Store},
};

/// How often a pause is doubled at most.
const FAILURES_MAX: u32 = 4;

impl Store {
    /// Waits until a watched folder may have changed, or until `deadline`; gives what changed. Looks at all watched folders at
    /// least every `poll`. Without a connection it waits as well: nothing here is worth an error.
    ///
    /// Dropped half-way it costs the connection and nothing else.
    pub(crate) async fn changes(&mut self, poll: Duration, deadline: Instant) -> Vec<Folder> {
        loop {
            let changed = self.look().await;
            let now = Instant::now();
            if !changed.is_empty() || now >= deadline {
                return changed;
            }
            // A server that is down is not called more and more often by all its users.
            let pause = poll.saturating_mul(1 << self.failures.min(FAILURES_MAX));
            let time = pause.min(deadline - now);
            if let Some(folder) = self.idle(time).await {
                // What is in an inbox is often about an announcement that came just before it.
                let mut changed = self.look().await;
                changed.push(folder);
                changed.sort_unstable();
                changed.dedup();
                return changed;
            }
        }
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

    /// Waits for `time`; gives the own inbox if something happened in it.
    async fn idle(&mut self, time: Duration) -> Option<Folder> {
        let until = Instant::now() + time;
        let open = self.idles_on().filter(|folder| self.selected == Some(*folder));
        if let (Some(folder), Some(connection)) = (open, self.connection.as_mut()) {
            let news = connection.idle(time).await;
            self.drop_broken();
            match news {
                Ok(true) => return Some(folder),
                Ok(false) => return None,
                // A server that refuses or drops IDLE is looked at again after the same time.
                Err(Failure::Refused(_) | Failure::Lost { .. }) => {}
            }
        }
        tokio::time::sleep_until(until).await;
        None
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
