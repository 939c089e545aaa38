//! Waiting for the other side: what happens, Ctrl-C, and the time.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use crate::{
    control::{Device, Follower, Told},
    failure::Failure,
    output::Output,
    pending::Pending,
    report::Report,
    shown::Line,
};

/// How long one look may take.
const LOOK: Duration = Duration::from_secs(120);

/// A device whose person waits.
#[derive(Debug)]
pub(super) struct Vigil {
    directory: PathBuf,
    pub(super) device: Device,
    output: Output,
    follower: Option<Follower>,
    interrupted: watch::Receiver<bool>,
    _interrupt: watch::Sender<bool>,
}

/// What ended a wait.
#[derive(Debug)]
pub(super) enum Happening {
    /// Something happened.
    News(Told),
    /// The time is over.
    Late,
}

impl Vigil {
    pub(super) fn new(directory: &Path, device: Device, output: Output) -> Self {
        let (interrupt, interrupted) = watch::channel(false);
        let told = interrupt.clone();
        tokio::spawn(async move {
            // A system without signals stays until it is ended.
            if tokio::signal::ctrl_c().await.is_ok() {
                told.send_replace(true);
            }
        });
        let directory = directory.to_owned();
        Self { directory, device, output, follower: None, interrupted, _interrupt: interrupt }
    }

    /// What is waited for, as it was last saved.
    pub(super) fn pending(&self) -> Result<Pending, Failure> {
        Pending::load(&self.directory, sma_imap::now())
    }

    /// A person is told who was let in.
    pub(super) fn see(&self) -> Result<(), Failure> {
        Pending::change(&self.directory, Pending::see)
    }

    /// What this device is called.
    pub(super) fn own_name(&self) -> Result<String, Failure> {
        Ok(crate::account::Settings::load(&self.directory)?.name)
    }

    /// Says something now; programs get events, and what is said at the end.
    pub(super) fn say(&self, sentence: &str) {
        self.write(&[Line::text(sentence)]);
    }

    pub(super) fn write(&self, lines: &[Line]) {
        if !self.output.json {
            self.output.event(&serde_json::Value::Null, lines);
        }
    }

    /// Passes an event on to programs.
    pub(super) fn pass_on(&self, told: &Told) {
        if self.output.json {
            self.output.event(&told.value, &[]);
        }
    }

    /// From here on what happens is heard, and looked for often.
    pub(super) async fn follow(&mut self) -> Result<(), Failure> {
        if self.follower.is_none() {
            self.follower = Some(self.device.follow(true).await?);
        }
        Ok(())
    }

    /// Looks at the store. What happens is for the report, unless it is followed.
    pub(super) async fn look(&mut self, report: &mut Report) -> Result<(), Failure> {
        let mut interrupted = self.interrupted.clone();
        tokio::select! {
            biased;
            looked = self.device.look(LOOK, report) => looked,
            _ = interrupted.wait_for(|interrupted| *interrupted) => Err(interrupt()),
        }
    }

    /// The next thing that happens, until then.
    pub(super) async fn next(&mut self, until: Option<Instant>) -> Result<Happening, Failure> {
        loop {
            self.follow().await?;
            let Some(follower) = &mut self.follower else { continue };
            let late = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = self.interrupted.wait_for(|interrupted| *interrupted) => return Err(interrupt()),
                told = follower.next() => match told {
                    Some(told) => return Ok(Happening::News(told)),
                    None => {
                        self.follower = None;
                        self.device.reach_again().await?;
                        // What happened in between shows in the state.
                        return Ok(Happening::Late);
                    }
                },
                () = late => return Ok(Happening::Late),
            }
        }
    }

    /// Lets go of the device. What it was interrupted in goes on another time.
    pub(super) async fn close(self, result: Result<(), Failure>) -> Result<(), Failure> {
        if let (Err(failure), Some(stop)) = (&result, self.device.stop())
            && failure.code() == INTERRUPTED
        {
            stop.now();
        }
        self.device.close().await;
        result
    }
}

/// As shells report a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn interrupt() -> Failure {
    let why = "interrupted; nothing is lost, and the same command goes on from here".to_owned();
    Failure::known("interrupted", INTERRUPTED, why)
}
