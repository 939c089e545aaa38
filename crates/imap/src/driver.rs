//! Drives one MUAA on a real account.

use std::time::Duration;

use sma_core::{
    Command, Config, Crypto, Event, Input, InputError, Muaa, Op, OpError, OpId, Output, Timestamp,
};
use tokio::time::Instant;

use crate::{
    Account, Error, StateFile, clock,
    store::{self, Store},
    watch::{self, Wake},
};

/// What is due within this time is waited for before all counts as settled.
const SOON: Duration = Duration::from_secs(5);
/// Two looks at the clock are at least so far apart.
const BREATH: Duration = Duration::from_millis(10);

/// How [`Driver::settle`] ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settled {
    /// Nothing is left to do until time passes or others do something.
    Idle,
    /// The time was up before; the next call goes on from there.
    Busy,
}

/// One MUAA with its connection and its saved state.
///
/// Each state that the machine hands out is durable before anything that depends on it leaves this process, so the process
/// may end at any point.
#[derive(Debug)]
pub struct Driver<C> {
    muaa: Muaa<C>,
    store: Store,
    state: StateFile,
    events: Vec<Event>,
    failed: Option<(&'static str, OpError)>,
    trouble: Option<Error>,
    poll: Duration,
}

impl<C: Crypto> Driver<C> {
    /// Takes up where the state file stands, or begins a new MUAA. Does not connect.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::State`] or [`Error::Randomness`]. No effect.
    pub fn open(state: StateFile, account: Account, config: Config, crypto: C) -> Result<Self, Error> {
        let store = Store::new(account, &config.address, config.message_bytes_max);
        let (seed, now) = (clock::seed()?, clock::now());
        let muaa = match state.load()? {
            Some(snapshot) => Muaa::restore(config, crypto, seed, &snapshot, now).map_err(|source| {
                let path = state.directory().to_owned();
                Error::State { path, source }
            })?,
            None => Muaa::new(config, crypto, seed, now),
        };
        let poll = Duration::from_secs(30);
        Ok(Self { muaa, store, state, events: Vec::new(), failed: None, trouble: None, poll })
    }

    /// Connects over streams in memory from here on.
    #[cfg(test)]
    pub(crate) fn connect_by(&mut self, dialer: crate::dial::Dialer) {
        self.store.dialer = dialer;
    }

    /// How often [`Driver::watch`] looks at folders that the server does not tell of; 30 s if never set.
    pub fn set_poll(&mut self, poll: Duration) {
        self.poll = poll.max(BREATH);
    }

    /// The machine, for its views.
    #[must_use]
    pub fn muaa(&self) -> &Muaa<C> {
        &self.muaa
    }

    /// What happened since this was last called.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Hands in a command; [`Driver::settle`] or [`Driver::watch`] does what follows from it.
    ///
    /// # Errors
    /// [`InputError`]; each says what it did to the state.
    pub fn command(&mut self, command: Command) -> Result<(), InputError> {
        self.muaa.handle_input(Input::Command(command), clock::now())
    }

    /// Does all there is to do, waiting for what is due within seconds, for `limit` at most.
    ///
    /// # Errors
    /// [`Error::Connection`] or [`Error::Login`] if the server cannot be used, [`Error::Trouble`] if it went on refusing,
    /// [`Error::File`] if the state could not be saved. What was done is saved, and the next call goes on.
    pub async fn settle(&mut self, limit: Duration) -> Result<Settled, Error> {
        let end = Instant::now() + limit;
        loop {
            self.store.take_trouble();
            self.failed = None;
            self.pump().await?;
            if let Some(error) = self.store.take_trouble() {
                return Err(error);
            }
            let idle = self.muaa.is_idle();
            let wait = self.until_deadline();
            let soon = wait.filter(|wait| !idle || *wait <= SOON);
            let Some(wait) = soon else { return Ok(Settled::Idle) };
            if Instant::now() + wait > end {
                let failed = self.failed.filter(|_| !idle);
                return failed.map_or(Ok(Settled::Busy), |(op, error)| {
                    Err(Error::Trouble { op, reason: error.to_string() })
                });
            }
            tokio::time::sleep(wait).await;
            self.muaa.handle_timeout(clock::now());
        }
    }

    /// Stays: does what there is to do, then waits for others, until `shutdown` is ready. Trouble with the connection is told
    /// by [`Event::StoreTrouble`] and tried again by itself.
    ///
    /// A program that has more to do meanwhile calls [`Driver::work`], [`Driver::wait`] and [`Driver::finish`] itself.
    ///
    /// # Errors
    /// [`Error::File`] if the state could not be saved, [`Error::Login`] if the server refuses the password: trying it again
    /// and again could lock the account.
    pub async fn watch(
        &mut self,
        mut on_event: impl FnMut(Event),
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), Error> {
        tokio::pin!(shutdown);
        loop {
            let worked = tokio::select! {
                biased;
                () = &mut shutdown => break,
                worked = self.work() => worked,
            };
            self.take_events().into_iter().for_each(&mut on_event);
            worked?;
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                waited = self.wait(std::future::pending()) => waited?,
            }
            self.trouble = None;
        }
        self.take_events().into_iter().for_each(&mut on_event);
        self.finish()
    }

    /// Does what there is to do now. [`Driver::take_trouble`] says what the server did not do.
    ///
    /// Dropped half-way, an operation ends as one whose process died: the next life of the process finds out. Call nothing but
    /// [`Driver::finish`] after that.
    ///
    /// # Errors
    /// [`Error::File`] if the state could not be saved, [`Error::Login`] if the server refuses the password: trying it again
    /// and again could lock the account.
    pub async fn work(&mut self) -> Result<(), Error> {
        let pumped = self.pump().await;
        pumped.and(self.refuse_to_guess())
    }

    /// Waits until others may have done something, until something is due, or until `wake` is ready, which costs nothing.
    /// Call [`Driver::work`] afterwards. Dropped half-way it costs the connection.
    ///
    /// # Errors
    /// As [`Driver::work`].
    pub async fn wait(&mut self, wake: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let deadline = Instant::now() + self.until_deadline().unwrap_or(self.poll);
        tokio::pin!(wake);
        let changed = self.store.changes(self.poll, deadline, Wake::new(wake)).await;
        self.refuse_to_guess()?;
        for folder in changed {
            self.input(Input::Changed(folder))?;
        }
        self.muaa.handle_timeout(clock::now());
        Ok(())
    }

    /// Why there was no usable connection, if that happened since this was last asked: [`Error::Connection`].
    pub fn take_trouble(&mut self) -> Option<Error> {
        self.trouble.take()
    }

    /// Whether a connection to the server stands, as far as is known.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.store.connection.as_ref().is_some_and(|connection| !connection.is_broken())
    }

    /// Says farewell to the server.
    pub async fn close(mut self) {
        self.store.drop_broken();
        if let Some(connection) = &mut self.store.connection {
            watch::log_out(connection).await;
        }
    }

    fn refuse_to_guess(&mut self) -> Result<(), Error> {
        match self.store.take_trouble() {
            Some(error @ Error::Login { .. }) => Err(error),
            Some(error) => {
                self.trouble = Some(error);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn until_deadline(&self) -> Option<Duration> {
        let (at, _) = self.muaa.poll_timeout()?;
        Some(at.since(clock::now()).max(BREATH))
    }

    /// Takes outputs until there are none, doing each.
    async fn pump(&mut self) -> Result<(), Error> {
        while let Some(output) = self.muaa.poll_output() {
            match output {
                Output::Persist(snapshot) => self.state.save(&snapshot)?,
                Output::Event(event) => self.events.push(event),
                Output::Request { id, op } => self.request(id, &op).await?,
            }
        }
        Ok(())
    }

    async fn request(&mut self, id: OpId, op: &Op) -> Result<(), Error> {
        let result = self.store.perform(op).await;
        if let Err(error) = result {
            self.failed = Some((store::word(op), error));
        }
        self.input(Input::Done { id, result })
    }

    fn input(&mut self, input: Input) -> Result<(), Error> {
        self.muaa.handle_input(input, clock::now()).map_err(Error::Contract)
    }

    /// After an interrupted operation: what waits to be saved is saved, and nothing new is begun.
    ///
    /// # Errors
    /// [`Error::File`] if the state could not be saved.
    pub fn finish(&mut self) -> Result<(), Error> {
        while let Some(output) = self.muaa.poll_output() {
            match output {
                Output::Persist(snapshot) => self.state.save(&snapshot)?,
                Output::Event(_) => {}
                Output::Request { .. } => return Ok(()),
            }
        }
        Ok(())
    }
}

/// The time by this system's clock, for a program that shows how long something is ago.
#[must_use]
pub fn now() -> Timestamp {
    clock::now()
}
