//! `sma-sim serve` for a test: the IMAP server in memory, on a free port of this machine.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub struct Served {
    process: Child,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
}

impl Served {
    /// Serves an account with the ways of a server.
    ///
    /// # Panics
    /// If the program cannot be built or does not say where it listens.
    #[must_use]
    pub fn start(user: &str, password: &str, personality: &str, faults: &str) -> Self {
        let mut command = Command::new(program());
        command.args(["serve", "--listen", "127.0.0.1:0", "--user", user, "--password", password]);
        command.args(["--personality", personality, "--faults", faults]);
        let mut process = command.stdout(Stdio::piped()).spawn().expect("sma-sim runs");
        let mut said = String::new();
        let output = process.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut said).expect("it says where it listens");
        let port = said.split("127.0.0.1:").nth(1).and_then(|rest| rest.split(' ').next());
        let port = port.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("no port in {said:?}"));
        Self { process, port }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| crate::program::built("sma-sim", "sma-sim"))
}
