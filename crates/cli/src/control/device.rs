//! The device as a command uses it: of this process, or of another one that has it.
#![cfg_attr(not(unix), allow(irrefutable_let_patterns, reason = "there no other process serves"))]

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use sma_core::{Command, Muaa};
use sma_imap::{Driver, Error, StateFile};
use sma_openpgp::OpenPgp;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::Instant,
};

use super::{
    Host, Order, Stop, Told,
    host::{Answer, Demand, NEWS_MAX, WAITING_MAX},
};
use crate::{
    account::Settings, failure::Failure, history::History, names::Names, output, report::Report, status,
};

/// How long another process that has the device and does not serve is waited for.
const WAIT: Duration = Duration::from_secs(60);
/// How often it is looked for.
const PAUSE: Duration = Duration::from_millis(100);
/// How often an order is given anew to whoever has the device then.
const TRIES_MAX: usize = 5;

/// How often the host looks at what the server does not tell of, if nobody says otherwise.
const POLL: Duration = Duration::from_secs(30);

/// A device that commands can be given to.
#[derive(Debug)]
pub(crate) struct Device {
    directory: PathBuf,
    password_command: Option<String>,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// This process has it.
    Own { demands: mpsc::Sender<Demand>, stop: Stop, host: JoinHandle<Result<(), Failure>> },
    /// Another process has it, and serves.
    #[cfg(unix)]
    Other,
}

/// What happens, one after another.
#[derive(Debug)]
pub(crate) enum Follower {
    /// In this process.
    Own(mpsc::Receiver<Told>),
    /// In another one.
    #[cfg(unix)]
    Other(super::socket::Stream),
}

impl Follower {
    /// The next thing that happens; `None` when the host is gone. Nothing is lost if this is dropped before it is ready.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        match self {
            Self::Own(news) => news.recv().await,
            #[cfg(unix)]
            Self::Other(stream) => stream.news().await,
        }
    }
}

impl Device {
    /// Takes the device, or finds who has it. Another process that has it and does not serve is waited for, which is said.
    ///
    /// # Errors
    /// It is not set up, its state cannot be used, or the other process does not end.
    pub(crate) async fn reach(directory: &Path, password_command: Option<&str>) -> Result<Self, Failure> {
        Self::reach_polling(directory, password_command, POLL).await
    }

    /// As [`Device::reach`], looking so often at what the server does not tell of.
    pub(crate) async fn reach_polling(
        directory: &Path,
        password_command: Option<&str>,
        poll: Duration,
    ) -> Result<Self, Failure> {
        let settings = Settings::load(directory)?;
        let way = way(directory, &settings, password_command, poll).await?;
        let password_command = password_command.map(str::to_owned);
        Ok(Self { directory: directory.to_owned(), password_command, way })
    }

    /// Whether this process has it.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self.way, Way::Own { .. })
    }

    /// What ends the own host; none if another process has it.
    pub(crate) fn stop(&self) -> Option<Stop> {
        match &self.way {
            Way::Own { stop, .. } => Some(stop.clone()),
            #[cfg(unix)]
            Way::Other => None,
        }
    }

    /// The machine as it was last saved, to look at. All that an order did is in it when the order is answered.
    ///
    /// # Errors
    /// The state cannot be read.
    pub(crate) fn muaa(&self) -> Result<Muaa<OpenPgp>, Failure> {
        let settings = Settings::load(&self.directory)?;
        status::synced(&self.directory, &settings)
    }

    /// What the devices are called.
    ///
    /// # Errors
    /// The state cannot be read.
    pub(crate) fn names(&self) -> Result<Names, Failure> {
        let history = History::load(&self.directory);
        Ok(Names::of(&self.muaa()?, &Settings::load(&self.directory)?.name, &history))
    }

    /// Looks at the store and does all there is to do.
    ///
    /// # Errors
    /// What the server or the state did not do.
    pub(crate) async fn look(&mut self, limit: Duration, report: &mut Report) -> Result<(), Failure> {
        self.give(Order::Look { limit: limit.as_secs() }, report).await
    }

    /// Hands in a command and does what follows from it.
    ///
    /// # Errors
    /// The command cannot be done now, or what the server or the state did not do.
    pub(crate) async fn command(&mut self, command: Command, report: &mut Report) -> Result<(), Failure> {
        self.give(Order::Do { command, looks: false }, report).await
    }

    /// As [`Device::command`], after a look at the store.
    ///
    /// # Errors
    /// As [`Device::command`].
    pub(crate) async fn fresh(&mut self, command: Command, report: &mut Report) -> Result<(), Failure> {
        self.give(Order::Do { command, looks: true }, report).await
    }

    /// What happened is reported also when it ends badly: a code that was made is to be seen.
    async fn give(&mut self, order: Order, report: &mut Report) -> Result<(), Failure> {
        let answer = self.ask(&order).await?;
        report.events(&answer.events);
        answer.result
    }

    async fn ask(&mut self, order: &Order) -> Result<Answer, Failure> {
        for _ in 0..TRIES_MAX {
            let answer = match &self.way {
                Way::Own { demands, .. } => {
                    let (sender, answer) = oneshot::channel();
                    let _ = demands.send(Demand::Do(order.clone(), sender)).await;
                    answer.await.ok()
                }
                #[cfg(unix)]
                Way::Other => super::socket::ask(&self.directory, order).await?,
            };
            match answer {
                Some(answer) => return Ok(answer),
                None => self.reach_again().await?,
            }
        }
        Err(lost())
    }

    /// Follows what happens from now on. A person waits: it is looked often.
    ///
    /// # Errors
    /// Nobody has the device, and it cannot be taken.
    pub(crate) async fn follow(&mut self, hurried: bool) -> Result<Follower, Failure> {
        for _ in 0..TRIES_MAX {
            let follower = match &self.way {
                Way::Own { demands, .. } => {
                    let (sender, news) = mpsc::channel(NEWS_MAX);
                    let sent = demands.send(Demand::Follow(sender, hurried)).await;
                    sent.is_ok().then_some(Follower::Own(news))
                }
                #[cfg(unix)]
                Way::Other => super::socket::follow(&self.directory, hurried).await?.map(Follower::Other),
            };
            match follower {
                Some(follower) => return Ok(follower),
                None => self.reach_again().await?,
            }
        }
        Err(lost())
    }

    /// Who had the device has it no more. The own host ends only by what is worth telling.
    pub(crate) async fn reach_again(&mut self) -> Result<(), Failure> {
        if let Way::Own { host, .. } = &mut self.way {
            let ended = host.await.map_err(|_| lost())?;
            return ended.and(Err(lost()));
        }
        let settings = Settings::load(&self.directory)?;
        self.way = way(&self.directory, &settings, self.password_command.as_deref(), POLL).await?;
        Ok(())
    }

    /// Waits until the own host ends.
    ///
    /// # Errors
    /// Why it ended.
    pub(crate) async fn ended(self) -> Result<(), Failure> {
        match self.way {
            Way::Own { host, .. } => host.await.map_err(|_| lost())?,
            #[cfg(unix)]
            Way::Other => Ok(()),
        }
    }

    /// Lets go of it; others that are being served are served to the end.
    pub(crate) async fn close(self) {
        if let Way::Own { stop, .. } = &self.way {
            stop.when_done();
        }
        // Why it ended badly was the answer to what it did last.
        let _ = self.ended().await;
    }
}

fn lost() -> Failure {
    let why = "the sma that has this device ended before it answered: look at sma status, and run it again";
    Failure::known("lost", 1, why.to_owned())
}

async fn way(
    directory: &Path,
    settings: &Settings,
    password_command: Option<&str>,
    poll: Duration,
) -> Result<Way, Failure> {
    let end = Instant::now() + WAIT;
    let mut is_told = false;
    loop {
        let locked = match StateFile::open(directory) {
            Ok(state) => return take(state, settings, password_command, poll),
            Err(locked @ Error::Locked(_)) => locked,
            Err(error) => return Err(error.into()),
        };
        #[cfg(unix)]
        if super::socket::is_served(directory).await {
            return Ok(Way::Other);
        }
        if Instant::now() > end {
            return Err(locked.into());
        }
        if !is_told && Instant::now() + WAIT > end + Duration::from_secs(1) {
            is_told = true;
            output::note("another sma is busy with this device; waiting for it");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// This process has the device, and serves the others.
fn take(
    state: StateFile,
    settings: &Settings,
    password_command: Option<&str>,
    poll: Duration,
) -> Result<Way, Failure> {
    let directory = state.directory().to_owned();
    let (account, name) = (settings.account(password_command)?, settings.name.clone());
    let driver = Driver::open(state, account, settings.config(), OpenPgp::new())?;
    let (demands, asked) = mpsc::channel(WAITING_MAX);
    let stop = Stop::new();
    let host = Host::new(driver, name, directory.clone(), asked, poll, stop.clone());
    #[cfg(unix)]
    let server = super::socket::serve(&directory, demands.clone(), stop.clone());
    #[cfg(unix)]
    let host = tokio::spawn(host.run(server));
    #[cfg(not(unix))]
    let host = tokio::spawn(host.run());
    Ok(Way::Own { demands, stop, host })
}
