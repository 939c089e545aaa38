//! The control socket: how another process of the same owner is served. It lies in the state directory and is its owner's alone.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use sma_core::Secret;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use super::{
    Order, Stop, Told,
    host::{Answer, Demand, NEWS_MAX},
    wire::{FRAME_MAX, Opening, Reply, VERSION, read, written},
};
use crate::failure::Failure;

const FILE: &str = "control";
/// A caller that says nothing for so long is let go.
const SPEAK: Duration = Duration::from_secs(10);
/// How many callers are served at once; others wait to be taken.
const CALLERS_MAX: usize = 64;

/// Serves until it is closed.
#[derive(Debug)]
pub(super) struct Server {
    path: PathBuf,
    task: Option<JoinHandle<()>>,
}

impl Server {
    /// Takes no more callers. Those that were taken have their answers.
    pub(super) async fn close(self) {
        if let Some(task) = self.task {
            // It is gone before the lock is: who comes then takes the device.
            let _ = fs::remove_file(&self.path);
            let _ = task.await;
        }
    }
}

/// Begins to serve. Where there can be no socket, others wait until the device is free.
pub(super) fn serve(directory: &Path, demands: mpsc::Sender<Demand>, stop: Stop) -> Server {
    let path = directory.join(FILE);
    let task = match listen(&path) {
        Ok(listener) => Some(tokio::spawn(take_callers(listener, demands, stop))),
        Err(error) => {
            tracing::warn!(target: "sma", %error, "no control socket: others wait until this ends");
            None
        }
    };
    Server { path, task }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    // The lock is held: whatever is there belongs to nobody.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn take_callers(listener: UnixListener, demands: mpsc::Sender<Demand>, stop: Stop) {
    let owner = listener.local_addr().ok().and_then(|address| {
        let path = address.as_pathname()?;
        fs::metadata(path).ok().map(|metadata| metadata.uid())
    });
    let mut callers = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.stopped() => break,
            () = demands.closed() => break,
            _ = callers.join_next(), if !callers.is_empty() => {}
            taken = listener.accept(), if callers.len() < CALLERS_MAX => {
                let Ok((stream, _)) = taken else { continue };
                // Before its mode was set, the socket may have been open to others.
                let is_owner = stream.peer_cred().is_ok_and(|peer| Some(peer.uid()) == owner);
                if is_owner {
                    callers.spawn(serve_one(stream, demands.clone(), stop.clone()));
                }
            }
        }
    }
    drop((listener, demands));
    while callers.join_next().await.is_some() {}
}

async fn serve_one(mut stream: UnixStream, demands: mpsc::Sender<Demand>, stop: Stop) {
    let octets = tokio::select! {
        biased;
        octets = timeout(SPEAK, receive(&mut stream)) => octets,
        // Who has not spoken yet speaks to the next host.
        () = stop.stopped() => return,
        () = demands.closed() => return,
    };
    let Ok(Some(octets)) = octets else { return };
    let opening: Option<Opening> = read(octets.expose());
    let Some(opening) = opening else { return };
    let (Opening::Order(version, ..) | Opening::Follow(version, _)) = &opening;
    if version != VERSION {
        let _ = send(&mut stream, &Reply::OtherVersion(VERSION.to_owned())).await;
        return;
    }
    match opening {
        Opening::Order(_, looks, wired) => {
            let Some(order) = wired.order(looks) else { return };
            let (sender, answer) = oneshot::channel();
            if demands.send(Demand::Do(order, sender)).await.is_err() {
                return;
            }
            drop(demands);
            let Ok(Answer { events, result }) = answer.await else { return };
            let failure = result.as_ref().err().map(Into::into);
            let _ = send(&mut stream, &Reply::Done(events.iter().map(Into::into).collect(), failure)).await;
        }
        Opening::Follow(_, hurried) => {
            let (sender, mut news) = mpsc::channel(NEWS_MAX);
            if demands.send(Demand::Follow(sender, hurried)).await.is_err() {
                return;
            }
            drop(demands);
            let mut octet = [0];
            loop {
                tokio::select! {
                    told = news.recv() => {
                        let Some(told) = told else { return };
                        if send(&mut stream, &Reply::News((&told).into())).await.is_err() {
                            return;
                        }
                    }
                    // It says no more: it has gone.
                    _ = stream.read(&mut octet) => return,
                    () = stop.stopped() => return,
                }
            }
        }
    }
}

/// A frame; `None` if the other side has gone, or sends none of ours.
async fn receive(stream: &mut UnixStream) -> Option<Secret> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await.ok()?;
    let length = usize::try_from(u32::from_be_bytes(length)).ok().filter(|length| *length <= FRAME_MAX)?;
    let mut octets = Vec::new();
    // Room for what has come, not for what was announced.
    let taken = stream.take(length as u64).read_to_end(&mut octets).await;
    let octets = Secret::new(octets);
    (taken.is_ok() && octets.expose().len() == length).then_some(octets)
}

async fn send(stream: &mut UnixStream, value: &impl minicbor::Encode<()>) -> io::Result<()> {
    let octets = written(value);
    stream.write_all(octets.expose()).await
}

/// Whether somebody serves there.
pub(super) async fn is_served(directory: &Path) -> bool {
    UnixStream::connect(directory.join(FILE)).await.is_ok()
}

/// Gives an order to who has the device; `None` if nobody serves there any more.
pub(super) async fn ask(directory: &Path, order: &Order) -> Result<Option<Answer>, Failure> {
    let Ok(mut stream) = UnixStream::connect(directory.join(FILE)).await else { return Ok(None) };
    let opening = written(&Opening::ordering(order));
    if opening.expose().len() > FRAME_MAX {
        return Err(Failure::Failed(
            "this is too large to be handed to the sma that has this device".to_owned(),
        ));
    }
    if stream.write_all(opening.expose()).await.is_err() {
        return Ok(None);
    }
    let Some(octets) = receive(&mut stream).await else { return Ok(None) };
    match read(octets.expose()) {
        Some(Reply::Done(events, failure)) => {
            let result = failure.map_or(Ok(()), |failure| Err(failure.into()));
            Ok(Some(Answer { events: events.into_iter().map(Told::from).collect(), result }))
        }
        Some(Reply::OtherVersion(version)) => Err(other_version(&version)),
        Some(Reply::News(_)) | None => Ok(None),
    }
}

/// Follows what happens at who has the device; `None` if nobody serves there any more.
pub(super) async fn follow(directory: &Path, hurried: bool) -> Result<Option<Stream>, Failure> {
    let Ok(mut stream) = UnixStream::connect(directory.join(FILE)).await else { return Ok(None) };
    let sent = send(&mut stream, &Opening::Follow(VERSION.to_owned(), hurried)).await;
    Ok(sent.is_ok().then_some(Stream { stream, read: Vec::new() }))
}

fn other_version(version: &str) -> Failure {
    let why =
        format!("a sma of version {version} has this device, and this one is {VERSION}: start that one anew");
    Failure::known("other-version", 1, why)
}

/// What happens at another process.
#[derive(Debug)]
pub(crate) struct Stream {
    stream: UnixStream,
    /// What has come of the next frame.
    read: Vec<u8>,
}

impl Stream {
    /// `None` when the other process is gone. Nothing is lost if this is dropped before it is ready.
    pub(super) async fn news(&mut self) -> Option<Told> {
        loop {
            if let Some(octets) = self.whole()? {
                return match read(&octets) {
                    Some(Reply::News(told)) => Some(told.into()),
                    Some(Reply::Done(..) | Reply::OtherVersion(_)) | None => None,
                };
            }
            if self.stream.read_buf(&mut self.read).await.ok()? == 0 {
                return None;
            }
        }
    }

    /// The next frame, if all of it has come; `None` if it is none of ours.
    #[expect(clippy::option_option, reason = "nothing whole yet is not the end")]
    fn whole(&mut self) -> Option<Option<Vec<u8>>> {
        let Some((length, rest)) = self.read.split_first_chunk::<4>() else { return Some(None) };
        let length =
            usize::try_from(u32::from_be_bytes(*length)).ok().filter(|length| *length <= FRAME_MAX)?;
        if rest.len() < length {
            return Some(None);
        }
        let octets = rest[..length].to_vec();
        self.read.drain(..length + 4);
        Some(Some(octets))
    }
}
