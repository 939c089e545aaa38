//! Owns the driver: does what commands order, one after another, and keeps in step in between.

use std::{path::PathBuf, time::Duration};

use serde_json::json;
use sma_core::{Command, Event, MuaaId, Phase};
use sma_imap::{Driver, Settled};
use sma_openpgp::OpenPgp;
use tokio::sync::{mpsc, oneshot, watch};

use super::{Order, Told};
use crate::{failure::Failure, history::History, names::Names, pending::Pending, shown::Line, words};

/// How many orders may wait; who gives another one waits as well.
pub(super) const WAITING_MAX: usize = 64;
/// How much that happened may wait for one follower; one that reads nothing is left behind.
pub(super) const NEWS_MAX: usize = 256;
/// How often folders are looked at that the server does not tell of, while a person waits.
const HURRIED: Duration = Duration::from_secs(2);
/// How long a command other than `sync` may take.
const LIMIT: Duration = Duration::from_secs(120);

/// What a command, of this process or another one, wants of the host.
#[derive(Debug)]
pub(super) enum Demand {
    /// One order.
    Do(Order, oneshot::Sender<Answer>),
    /// All that happens; looked for more often if a person waits.
    Follow(mpsc::Sender<Told>, bool),
}

/// What came of an order.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) events: Vec<Told>,
    pub(super) result: Result<(), Failure>,
}

/// Ends a host.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Sender<Ending>);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
enum Ending {
    Not,
    WhenDone,
    Now,
}

/// How long the host may take to leave the server in an orderly way.
const FAREWELL: Duration = Duration::from_secs(2);

impl Stop {
    pub(crate) fn new() -> Self {
        Self(watch::channel(Ending::Not).0)
    }

    /// The host does what was ordered, and goes.
    pub(super) fn when_done(&self) {
        self.0.send_if_modified(|ending| {
            let changes = *ending == Ending::Not;
            *ending = if changes { Ending::WhenDone } else { *ending };
            changes
        });
    }

    /// The host goes: what is under way ends as if the process had died, which the next one finds out.
    pub(crate) fn now(&self) {
        self.0.send_replace(Ending::Now);
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.0.borrow() != Ending::Not
    }

    /// Ready once the host is to go, now or when all is done.
    pub(super) async fn stopped(&self) {
        self.is_at(Ending::WhenDone).await;
    }

    async fn is_at(&self, least: Ending) {
        // It ends only with the sender, which is here.
        let _ = self.0.subscribe().wait_for(|ending| *ending >= least).await;
    }

    /// Ready when the host is to drop what it does although nobody asked for it.
    async fn hurries(&self) {
        self.stopped().await;
        tokio::select! {
            () = self.is_at(Ending::Now) => {}
            () = tokio::time::sleep(FAREWELL) => {}
        }
    }
}

/// One device, as long as this process has it.
#[derive(Debug)]
pub(crate) struct Host {
    driver: Driver<OpenPgp>,
    own_name: String,
    demands: mpsc::Receiver<Demand>,
    followers: Vec<(mpsc::Sender<Told>, bool)>,
    directory: PathBuf,
    history: History,
    poll: Duration,
    stop: Stop,
    waiting: Vec<Demand>,
    phase: Phase,
    /// Whether the store was ever looked at.
    has_looked: bool,
    /// Whether people were told that there is no connection.
    is_offline: bool,
}

impl Host {
    pub(super) fn new(
        driver: Driver<OpenPgp>,
        own_name: String,
        directory: PathBuf,
        demands: mpsc::Receiver<Demand>,
        poll: Duration,
        stop: Stop,
    ) -> Self {
        let phase = driver.muaa().phase();
        let followers = Vec::new();
        Self {
            driver,
            own_name,
            demands,
            followers,
            history: History::load(&directory),
            directory,
            poll,
            stop,
            waiting: Vec::new(),
            phase,
            has_looked: false,
            is_offline: false,
        }
    }

    /// Serves until it is stopped.
    ///
    /// # Errors
    /// The state could not be saved, or the server refuses the password. Each order that was given has its answer.
    pub(super) async fn run(mut self, #[cfg(unix)] server: super::socket::Server) -> Result<(), Failure> {
        let stop = self.stop.clone();
        let served = loop {
            self.take();
            let served = if !self.waiting.is_empty() {
                tokio::select! {
                    biased;
                    () = stop.is_at(Ending::Now) => break Ok(()),
                    served = self.serve() => served,
                }
            } else if stop.is_stopped() {
                break Ok(());
            } else {
                tokio::select! {
                    biased;
                    () = stop.hurries() => break Ok(()),
                    kept = self.keep_in_step() => kept,
                }
            };
            if served.is_err() {
                break served;
            }
        };
        let finished = self.driver.finish().map_err(Failure::from);
        self.tell();
        // Whoever is not served turns to the next host, which finds neither lock nor socket.
        self.demands.close();
        self.take();
        self.waiting.clear();
        self.followers.clear();
        #[cfg(unix)]
        server.close().await;
        // The server that does not answer is not waited for.
        let _ = tokio::time::timeout(FAREWELL, self.driver.close()).await;
        served.and(finished)
    }

    fn take(&mut self) {
        while let Ok(demand) = self.demands.try_recv() {
            self.waiting.push(demand);
        }
    }

    /// Does what there is to do, and waits for others or for an order.
    async fn keep_in_step(&mut self) -> Result<(), Failure> {
        self.has_looked = true;
        let worked = self.driver.work().await;
        self.tell();
        worked?;
        self.followers.retain(|(sender, _)| !sender.is_closed());
        let is_hurried = self.followers.iter().any(|(_, hurried)| *hurried);
        self.driver.set_poll(if is_hurried { self.poll.min(HURRIED) } else { self.poll });
        let (demands, stop, waiting) = (&mut self.demands, &self.stop, &mut self.waiting);
        let wake = async {
            tokio::select! {
                () = stop.stopped() => {}
                demand = demands.recv() => waiting.extend(demand),
            }
        };
        let waited = self.driver.wait(wake).await;
        self.tell();
        Ok(waited?)
    }

    /// Orders that only tell something are done together; each other one by itself, so that a person's decision is answered with what
    /// followed from it alone.
    async fn serve(&mut self) -> Result<(), Failure> {
        let (mut together, mut alone) = (Vec::new(), Vec::new());
        for demand in std::mem::take(&mut self.waiting) {
            match demand {
                Demand::Follow(sender, hurried) => self.followers.push((sender, hurried)),
                Demand::Do(order, answer) if tells(&order) => together.push((order, answer)),
                Demand::Do(order, answer) => alone.push(vec![(order, answer)]),
            }
        }
        let batches = (!together.is_empty()).then_some(together).into_iter().chain(alone);
        for batch in batches {
            self.serve_batch(batch).await?;
        }
        Ok(())
    }

    /// Whoever asked is told also what ends the host.
    async fn serve_batch(&mut self, batch: Vec<(Order, oneshot::Sender<Answer>)>) -> Result<(), Failure> {
        let mut events = Vec::new();
        let limit = batch.iter().find_map(|(order, _)| limit(order)).unwrap_or(LIMIT);
        let mut outcome = Ok(());
        if batch.iter().any(|(order, _)| looks(order)) {
            outcome = self.settle(limit, true, &mut events).await;
        }
        let mut results = Vec::new();
        let mut is_changed = false;
        for (order, answer) in batch {
            let result = match order {
                Order::Do { command, .. } if outcome.is_ok() => self.command(command),
                Order::Do { .. } | Order::Look { .. } => Err(None),
            };
            is_changed |= result.is_ok();
            results.push((result.or_else(|failure| failure.map_or(Ok(()), Err)), answer));
        }
        if is_changed {
            outcome = self.settle(LIMIT, false, &mut events).await;
        }
        for (result, answer) in results {
            // Whoever asked may have gone.
            let _ = answer.send(Answer { events: events.clone(), result: result.and(outcome.clone()) });
        }
        outcome.or_else(|failure| if failure.ends_all() { Err(failure) } else { Ok(()) })
    }

    fn command(&mut self, command: Command) -> Result<(), Option<Failure>> {
        let name = if let Command::Rename { name } = &command { Some(name.clone()) } else { None };
        let is_typed = matches!(command, Command::EnterCode { .. });
        let brings_key =
            matches!(command, Command::AdoptKey { .. }) && !words::has_group(self.driver.muaa().phase());
        self.driver.command(command).map_err(|error| Some(error.into()))?;
        self.own_name = name.unwrap_or(std::mem::take(&mut self.own_name));
        if is_typed {
            Pending::change(&self.directory, |pending| pending.type_in(sma_imap::now())).map_err(Some)?;
        }
        if brings_key {
            Pending::change(&self.directory, Pending::bring_key).map_err(Some)?;
        }
        Ok(())
    }

    async fn settle(&mut self, limit: Duration, looks: bool, events: &mut Vec<Told>) -> Result<(), Failure> {
        // The first life of a machine begins with a look.
        if looks && self.has_looked {
            self.driver.command(Command::Poll)?;
        }
        self.has_looked = true;
        let settled = self.driver.settle(limit).await;
        // The answer says what it is that failed.
        let trouble = |told: &Told| told.value["event"] == "trouble" && settled.is_err();
        events.extend(self.tell().into_iter().filter(|told| !trouble(told)));
        match settled? {
            Settled::Idle => Ok(()),
            Settled::Busy => {
                let why =
                    format!("there is more to do than fitted into {} seconds: run it again", limit.as_secs());
                Err(Failure::known("busy", 1, why))
            }
        }
    }

    /// Tells followers what happened, and gives it back.
    fn tell(&mut self) -> Vec<Told> {
        let mut all = self.connection_news();
        let events = self.driver.take_events();
        let before = self.history.clone();
        self.history.meet(&self.driver.muaa().siblings());
        let names = Names::of(self.driver.muaa(), &self.own_name, &self.history);
        let gone: Vec<_> = events.iter().filter_map(gone).collect();
        let added: Vec<_> = events.iter().filter_map(added).collect();
        for event in events {
            if let Event::PhaseChanged(phase) = &event {
                self.phase = *phase;
            }
            // Who leaves takes its folder away.
            if let Event::FolderDeleted { id } = &event
                && gone.contains(id)
            {
                continue;
            }
            // That there is no connection is told once, with the reason.
            if words::is_no_connection(&event) {
                continue;
            }
            let now = sma_imap::now();
            let (value, mut lines) = words::event(&event, words::has_group(self.phase), &names, now);
            // Who is let in by now asks for nothing.
            if asks(&event).is_some_and(|id| added.contains(&id)) {
                lines.clear();
            }
            let told = Told { value, lines };
            let is_seen = self.followers.iter().any(|(sender, waits)| *waits && !sender.is_closed());
            let own = self.driver.muaa().id();
            let news = told.news();
            let happened =
                Pending::change(&self.directory, |pending| pending.happened(&news, own, is_seen, now));
            self.history.happened(&news, own, now);
            if let Err(failure) = happened {
                tracing::warn!(target: "sma", why = failure.sentence(), "what is waited for is not saved");
            }
            all.push(told);
        }
        if self.history != before
            && let Err(failure) = self.history.save(&self.directory)
        {
            tracing::warn!(target: "sma", why = failure.sentence(), "what was heard of devices is not saved");
        }
        for told in all.iter().filter(|told| !told.is_secret()) {
            // One that is full or gone is told no more.
            self.followers.retain(|(sender, _)| sender.try_send(told.clone()).is_ok());
        }
        all
    }

    fn connection_news(&mut self) -> Vec<Told> {
        let mut news = Vec::new();
        if let Some(error) = self.driver.take_trouble()
            && !self.is_offline
            && !self.driver.is_connected()
        {
            self.is_offline = true;
            let why = words::plain(&error.to_string());
            let line = Line::text(&format!("There is no connection: {why}. It is tried again and again."));
            news.push(Told { value: json!({ "event": "offline", "why": why }), lines: vec![line] });
        }
        if self.is_offline && self.driver.is_connected() {
            self.is_offline = false;
            let lines = vec![Line::text("The connection is back.")];
            news.push(Told { value: json!({ "event": "online" }), lines });
        }
        news
    }
}

/// The device that an event says is out.
fn gone(event: &Event) -> Option<MuaaId> {
    if let Event::MemberGone { id, .. } = event { Some(*id) } else { None }
}

/// The device that an event says was let in.
fn added(event: &Event) -> Option<MuaaId> {
    if let Event::MemberAdded { id, .. } = event { Some(*id) } else { None }
}

/// The device that an event says is there and not let in.
fn asks(event: &Event) -> Option<MuaaId> {
    if let Event::MuaaSeen(id) | Event::RequestSeen(id) = event { Some(*id) } else { None }
}

/// Whether an order only tells the device something that needs no look before.
fn tells(order: &Order) -> bool {
    match order {
        Order::Do { command, looks } => {
            let tells =
                matches!(command, Command::Observe { .. } | Command::Gossip { .. } | Command::Wrote { .. });
            tells && !looks
        }
        Order::Look { .. } => false,
    }
}

fn looks(order: &Order) -> bool {
    match order {
        Order::Do { looks, .. } => *looks,
        Order::Look { .. } => true,
    }
}

fn limit(order: &Order) -> Option<Duration> {
    match order {
        Order::Do { .. } => None,
        Order::Look { limit } => Some(Duration::from_secs(*limit)),
    }
}
