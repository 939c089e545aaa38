//! One device of the demonstration: each of its commands is this program again.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, ChildStdout, Command},
};

use super::{PASSWORD, Stage};
use crate::failure::Failure;

/// So much of what a command writes to its standard error is read, in octets.
const ERRORS_MAX: u64 = 64 << 10;

#[derive(Debug)]
pub(super) struct Device<'a> {
    stage: &'a Stage,
    name: &'static str,
}

impl<'a> Device<'a> {
    pub(super) fn new(stage: &'a Stage, name: &'static str) -> Self {
        Self { stage, name }
    }

    pub(super) fn directory(&self) -> String {
        self.stage.directory.join(self.name).display().to_string()
    }

    /// Runs a command that works, up to its end.
    pub(super) async fn does(&self, words: &[impl AsRef<str>]) -> Result<(), Failure> {
        self.begins(words).await?.ends().await
    }

    /// Runs a command that does not.
    pub(super) async fn fails(&self, words: &[impl AsRef<str>]) -> Result<(), Failure> {
        let running = self.begins(words).await?;
        running.ended().await.map(|_| ())
    }

    /// Begins a command that stays.
    pub(super) async fn begins(&self, words: &[impl AsRef<str>]) -> Result<Running<'a>, Failure> {
        let words: Vec<_> = words.iter().map(|word| word.as_ref().to_owned()).collect();
        let typed = format!("sma {}", words.join(" "));
        self.stage.say("");
        self.stage.say(&format!("{}$ {typed}", self.name));
        self.stage.commands.borrow_mut().push(format!("{}: {typed}", self.name));
        let program = std::env::current_exe().map_err(|error| cannot(&typed, &error))?;
        let mut command = Command::new(program);
        command.arg("--state").arg(self.directory()).args(&words).env("SMA_PASSWORD", PASSWORD);
        command.env_remove("SMA_LOG").kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().map_err(|error| cannot(&typed, &error))?;
        let output = process.stdout.take().map(BufReader::new);
        let Some(output) = output else { return Err(cannot(&typed, &"it has no output")) };
        let running = Running { stage: self.stage, name: self.name, typed, process, output };
        if words.first().is_some_and(|word| word == "watch") {
            running.serves(&self.directory()).await?;
        }
        Ok(running)
    }
}

fn cannot(typed: &str, why: &dyn std::fmt::Display) -> Failure {
    Failure::Failed(format!("{typed} could not be run: {why}"))
}

/// A command that has not ended. It is ended when this is dropped.
#[derive(Debug)]
pub(super) struct Running<'a> {
    stage: &'a Stage,
    name: &'static str,
    typed: String,
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Running<'_> {
    /// Waits until it has the device and is there for others.
    async fn serves(&self, directory: &str) -> Result<(), Failure> {
        let socket = std::path::Path::new(directory).join("control");
        for _ in 0..200 {
            if socket.exists() || cfg!(not(unix)) {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Err(cannot(&self.typed, &"it does not begin to serve"))
    }

    /// Shows what it says up to a line that has this in it.
    pub(super) async fn says_until(&mut self, part: &str) -> Result<String, Failure> {
        loop {
            let Some(line) = self.line().await? else {
                return Err(cannot(&self.typed, &format!("it ended before it said {part}")));
            };
            if line.contains(part) {
                return Ok(line);
            }
        }
    }

    async fn line(&mut self) -> Result<Option<String>, Failure> {
        let mut line = String::new();
        let octets = self.output.read_line(&mut line).await.map_err(|error| cannot(&self.typed, &error))?;
        if octets == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_owned();
        self.stage.say(format!("{} │ {line}", self.name).trim_end());
        Ok(Some(line))
    }

    /// Ctrl-C, as a person presses it in its terminal.
    pub(super) async fn interrupt(mut self) -> Result<(), Failure> {
        self.process.kill().await.map_err(|error| cannot(&self.typed, &error))
    }

    pub(super) async fn ends(self) -> Result<(), Failure> {
        let typed = self.typed.clone();
        match self.ended().await? {
            0 => Ok(()),
            code => Err(cannot(&typed, &format!("it ended with {code}"))),
        }
    }

    /// Shows the rest of what it says; its exit code.
    pub(super) async fn ended(mut self) -> Result<i32, Failure> {
        while self.line().await?.is_some() {}
        let mut errors = String::new();
        if let Some(stream) = self.process.stderr.take() {
            let read = stream.take(ERRORS_MAX).read_to_string(&mut errors).await;
            read.map_err(|error| cannot(&self.typed, &error))?;
        }
        for line in errors.lines() {
            self.stage.say(&format!("{} │ {line}", self.name));
        }
        let ended = self.process.wait().await.map_err(|error| cannot(&self.typed, &error))?;
        Ok(ended.code().unwrap_or(-1))
    }
}
