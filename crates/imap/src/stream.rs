//! Commands out, whole responses in. A server that sends more than it may costs the connection, and no memory.

use std::fmt;

use sma_core::Secret;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{
    frame::{Framer, Limits},
    response::{self, Heard},
};

/// What is read from the wire at once, in octets.
const READ_BYTES: usize = 16 << 10;

/// What a connection runs over.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug> Wire for T {}

/// What a command is known by in its answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Tag(String);

impl Tag {
    /// Whether an answer is to this command.
    pub(crate) fn is(&self, answered: &[u8]) -> bool {
        self.0.as_bytes() == answered
    }
}

/// A connection as commands and responses. After an `Err` it is out of step and of no more use; each says why, for people.
#[derive(Debug)]
pub(crate) struct Stream {
    wire: Box<dyn Wire>,
    framer: Framer,
    /// What was read and belongs to later responses, from `start` on.
    read: Vec<u8>,
    start: usize,
    limits: Limits,
    /// How many commands were sent.
    commands: u32,
}

impl Stream {
    pub(crate) fn new(wire: Box<dyn Wire>, limits: Limits) -> Self {
        Self {
            wire,
            framer: Framer::default(),
            read: Vec::with_capacity(READ_BYTES),
            start: 0,
            limits,
            commands: 0,
        }
    }

    /// From here on so much may arrive.
    pub(crate) fn allow(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Sends a command under a tag of its own.
    pub(crate) async fn command(&mut self, command: &[u8]) -> Result<Tag, String> {
        let tag = Tag(format!("A{:04}", self.commands));
        self.commands += 1;
        self.send(&[tag.0.as_bytes(), b" ", command]).await?;
        Ok(tag)
    }

    /// Sends what a command goes on with.
    pub(crate) async fn continuation(&mut self, octets: &str) -> Result<(), String> {
        self.send(&[octets.as_bytes()]).await
    }

    /// One write for a whole line: the wire sends what it gets at once. It may hold the password, and is wiped.
    async fn send(&mut self, parts: &[&[u8]]) -> Result<(), String> {
        let mut line = Vec::with_capacity(parts.iter().map(|part| part.len()).sum::<usize>() + 2);
        parts.iter().for_each(|part| line.extend_from_slice(part));
        line.extend_from_slice(b"\r\n");
        let line = Secret::new(line);
        self.wire.write_all(line.expose()).await.map_err(|error| error.to_string())?;
        self.wire.flush().await.map_err(|error| error.to_string())
    }

    /// The next response. Nothing is lost if this is dropped before it is ready.
    pub(crate) async fn next(&mut self) -> Result<Heard<'_>, String> {
        if self.framer.whole().is_some() {
            self.framer.clear();
        }
        while !self.has_whole()? {
            self.fill().await?;
        }
        let response = self.framer.whole().unwrap_or_default();
        response::read(response).map_err(|malformed| malformed.to_string())
    }

    fn has_whole(&mut self) -> Result<bool, String> {
        let octets = &self.read[self.start..];
        self.start += self.framer.take(octets, &mut self.limits).map_err(|excess| excess.to_string())?;
        Ok(self.framer.whole().is_some())
    }

    /// Reads what has arrived, at least one octet.
    async fn fill(&mut self) -> Result<(), String> {
        self.read.clear();
        self.start = 0;
        match self.wire.read_buf(&mut self.read).await {
            Ok(0) => Err("the server closed the connection".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}
