//! A Dovecot of its own for a test: without root, without the system's configuration, on a free port of this machine.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

const PROGRAM: &str = "/usr/sbin/dovecot";
/// The password of every user.
pub const PASSWORD: &str = "correct-horse-battery";
/// How many servers this process has started.
static STARTED: AtomicU32 = AtomicU32::new(0);

/// A running server; it ends, and its files go, when this is dropped. Any login name works, with [`PASSWORD`], and has its
/// own mail.
#[derive(Debug)]
pub struct Dovecot {
    directory: PathBuf,
    process: Child,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
}

/// Whether Dovecot is installed.
///
/// # Panics
/// If it is not, and the variable `SMA_WITHOUT_SERVERS` does not say that this is meant: a test that needs it must not pass
/// without having run.
#[must_use]
pub fn is_there() -> bool {
    let there = Path::new(PROGRAM).exists();
    let left_out = std::env::var("SMA_WITHOUT_SERVERS").is_ok_and(|value| value == "1");
    assert!(
        there || left_out,
        "{PROGRAM} is missing: run tests/run, or set SMA_WITHOUT_SERVERS=1 to leave this test out"
    );
    there
}

impl Dovecot {
    /// Starts a server and waits until it takes connections.
    ///
    /// # Panics
    /// If it does not start; its log is in the message.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with("", "")
    }

    /// As [`Dovecot::start`], announcing no extension of IMAP4rev1.
    ///
    /// # Panics
    /// As [`Dovecot::start`].
    #[must_use]
    pub fn plain() -> Self {
        Self::start_with("", "imap_capability = IMAP4rev1")
    }

    /// As [`Dovecot::start`], with all folders under a prefix such as `INBOX.`, and none beside it.
    ///
    /// # Panics
    /// As [`Dovecot::start`].
    #[must_use]
    pub fn with_prefix(prefix: &str) -> Self {
        Self::start_with(prefix, "")
    }

    /// As [`Dovecot::start`], with more lines of configuration.
    ///
    /// # Panics
    /// As [`Dovecot::start`].
    #[must_use]
    pub fn configured(more: &str) -> Self {
        Self::start_with("", more)
    }

    /// Where the mail of a login name is; there once it has logged in.
    #[must_use]
    pub fn mail_of(&self, login: &str) -> PathBuf {
        self.directory.join("home").join(login).join("Maildir")
    }

    fn start_with(prefix: &str, more: &str) -> Self {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("sma-dovecot-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory for the server");
        let user = User::current();
        // The port may be taken again before Dovecot binds it; then it does not start, and the next one is tried.
        for _ in 0..5 {
            let port = free_port();
            fs::write(directory.join("dovecot.conf"), configuration(&directory, port, &user, prefix) + more)
                .expect("a configuration");
            user.owns(&directory);
            let mut process = user.command(PROGRAM);
            process.arg("-F").arg("-c").arg(directory.join("dovecot.conf"));
            process.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            let mut process = process.spawn().expect("Dovecot starts");
            if listens(&mut process, port) {
                return Self { directory, process, port };
            }
            end(&mut process);
        }
        panic!("Dovecot does not start: {}", fs::read_to_string(directory.join("log")).unwrap_or_default());
    }

    /// The address of a login name at this server.
    #[must_use]
    pub fn url(&self, login: &str) -> String {
        format!("imap://{login}@127.0.0.1:{}", self.port)
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        end(&mut self.process);
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Asks the process to end, as its children need it to, and waits.
fn end(process: &mut Child) {
    let pid = process.id().to_string();
    if process.try_wait().is_ok_and(|status| status.is_none()) {
        let _ = Command::new("kill").arg(&pid).status();
    }
    let _ = process.wait();
}

/// A port of this machine that nobody uses.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Whether the server greets on its port; `false` if it ended.
fn listens(process: &mut Child, port: u16) -> bool {
    while process.try_wait().is_ok_and(|status| status.is_none()) {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            let mut greeting = String::new();
            let read = BufReader::new(stream).read_line(&mut greeting);
            return read.is_ok() && greeting.starts_with("* OK");
        }
        std::thread::yield_now();
    }
    false
}

/// Who the server runs as: Dovecot refuses to serve mail as root.
struct User {
    name: String,
    group: String,
    root: bool,
}

impl User {
    fn current() -> Self {
        let ask = |option| {
            let output = Command::new("id").arg(option).output().expect("id is there");
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        if ask("-u") == "0" {
            return Self { name: "nobody".to_owned(), group: "nogroup".to_owned(), root: true };
        }
        Self { name: ask("-un"), group: ask("-gn"), root: false }
    }

    fn command(&self, program: &str) -> Command {
        if !self.root {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command.arg(format!("--reuid={}", self.name)).arg(format!("--regid={}", self.group));
        command.arg("--clear-groups").arg(program);
        command
    }

    fn owns(&self, directory: &Path) {
        let owner = format!("{}:{}", self.name, self.group);
        let status = Command::new("chown").arg("-R").arg(owner).arg(directory).status();
        assert!(status.is_ok_and(|status| status.success()), "the server's directory gets its owner");
    }
}

fn configuration(directory: &Path, port: u16, user: &User, prefix: &str) -> String {
    let User { name, group, .. } = user;
    let directory = directory.display();
    format!(
        "base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_internal_user = {name}
default_internal_group = {group}
default_login_user = {name}
mail_location = maildir:~/Maildir
first_valid_uid = 1
first_valid_gid = 1
mail_uid = {name}
mail_gid = {group}
auth_mechanisms = plain login
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={name} gid={group} home={directory}/home/%u
}}
namespace inbox {{
  inbox = yes
  prefix = {prefix}
  separator = .
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"
    )
}
