//! A server of a few lines, for tests: it says what its script says, and fails if it hears something else.

use std::sync::{Arc, Mutex, PoisonError};

use sma_core::Secret;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

use crate::{Account, Address, store::Store};

/// One step: what is awaited, and what is said then. `{tag}` stands for the command's tag.
pub(crate) enum Step {
    /// A command that begins so, without its tag.
    Hear(&'static str, &'static str),
    /// So many octets of a literal with its line break, unseen.
    Literal(&'static str),
    /// The connection is closed.
    Close,
}

/// What the server heard, tags left out.
pub(crate) type Heard = Arc<Mutex<Vec<String>>>;

/// A store that is logged in to a server with a script. The capabilities are the given ones.
pub(crate) async fn store(capabilities: &'static str, script: Vec<Step>) -> (Store, Heard) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let heard = Heard::default();
    tokio::spawn(serve(far, capabilities, script, heard.clone()));
    (logged_in(near).await, heard)
}

/// A store on a server that answers each command for ever, `{tag}` standing for the tag of the last one.
pub(crate) async fn answered(mut answer: impl FnMut(&str) -> String + Send + 'static) -> Store {
    let (near, far) = tokio::io::duplex(1 << 20);
    tokio::spawn(async move {
        let mut stream = BufReader::new(far);
        let (mut line, mut tag) = (String::new(), String::new());
        stream.write_all(b"* OK hello\r\n").await.unwrap();
        while stream.read_line(&mut line).await.is_ok_and(|size| size > 0) {
            let command = match line.trim_end().split_once(' ') {
                Some((of, command)) => {
                    of.clone_into(&mut tag);
                    command
                }
                None => line.trim_end(),
            };
            stream.write_all(answer(command).replace("{tag}", &tag).as_bytes()).await.unwrap();
            line.clear();
        }
    });
    logged_in(near).await
}

async fn logged_in(near: DuplexStream) -> Store {
    let server = Address { host: "127.0.0.1".into(), port: 1, tls: false, login: "anna".into() };
    let account = Account { server, password: Secret::new(b"pass".to_vec()) };
    let connection = crate::connection::Connection::log_in(Box::new(near), &account).await.unwrap();
    let mut store = Store::new(account, "anna@example.org", 2 << 20);
    store.connection = Some(connection);
    store
}

async fn serve(stream: DuplexStream, capabilities: &'static str, script: Vec<Step>, heard: Heard) {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"* OK [ALERT] be careful\r\n* OK hello\r\n").await.unwrap();
    let capability = format!("* CAPABILITY IMAP4rev1 {capabilities}\r\n{{tag}} OK\r\n");
    let login = [("LOGIN", "{tag} OK in\r\n".to_owned()), ("CAPABILITY", capability)];
    for (wanted, answer) in login {
        hear(&mut stream, wanted, &answer, &heard).await;
    }
    for step in script {
        match step {
            Step::Hear(wanted, answer) => {
                if !hear(&mut stream, wanted, answer, &heard).await {
                    return;
                }
            }
            Step::Literal(answer) => {
                let size = announced(&heard);
                let mut literal = vec![0; size + 2];
                stream.read_exact(&mut literal).await.unwrap();
                let answer = answer.replace("{tag}", &tag(&heard));
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            Step::Close => return,
        }
    }
    // Stays silent, as a server does.
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    let rest = String::from_utf8_lossy(&rest).into_owned();
    heard.lock().unwrap_or_else(PoisonError::into_inner).push(format!("unasked: {rest}"));
}

/// `false`, and the connection ends, if something else is heard.
async fn hear(stream: &mut BufReader<DuplexStream>, wanted: &str, answer: &str, heard: &Heard) -> bool {
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    let (tag, command) = line.trim_end().split_once(' ').unwrap_or(("", &line));
    heard.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{tag} {command}"));
    if !command.starts_with(wanted) {
        return false;
    }
    stream.write_all(answer.replace("{tag}", tag).as_bytes()).await.unwrap();
    true
}

fn last(heard: &Heard) -> String {
    heard.lock().unwrap_or_else(PoisonError::into_inner).last().cloned().unwrap_or_default()
}

fn tag(heard: &Heard) -> String {
    last(heard).split(' ').next().unwrap_or_default().to_owned()
}

fn announced(heard: &Heard) -> usize {
    let line = last(heard);
    let size = line.rsplit_once('{').map(|(_, rest)| rest.trim_end_matches(['}', '+']));
    size.and_then(|size| size.parse().ok()).unwrap_or(0)
}

/// The commands after the login, without tags and literals.
pub(crate) fn commands(heard: &Heard) -> Vec<String> {
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    heard
        .iter()
        .skip(2)
        .map(|line| line.split_once(' ').map_or("", |(_, command)| command).to_owned())
        .collect()
}
