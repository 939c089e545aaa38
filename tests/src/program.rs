//! The program `sma` as people run it: one process for each command, one directory for each device.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// How many devices this process has made.
static MADE: AtomicU32 = AtomicU32::new(0);

/// Builds the program once and says where it is.
///
/// # Panics
/// If it cannot be built.
#[must_use]
pub fn sma() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| built("sma", "sma"))
}

/// Builds a program of a package, and says where it is.
pub(crate) fn built(package: &str, program: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).args(["build", "--quiet", "--package", package]).status();
    assert!(status.is_ok_and(|status| status.success()), "the program {program} builds");
    // A test runs from target/PROFILE/deps.
    let test = std::env::current_exe().expect("the test has a path");
    let target = test.ancestors().nth(3).expect("the test is in the target directory");
    target.join("debug").join(program)
}

/// How one run of the program ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// The standard output.
    pub output: String,
    /// The standard error.
    pub errors: String,
}

/// A device: a state directory. Removed when dropped.
#[derive(Debug)]
pub struct Device {
    /// The state directory.
    pub directory: PathBuf,
    password: String,
}

impl Device {
    /// A device that was never used, with the account's password in its environment.
    #[must_use]
    pub fn new(name: &str, password: &str) -> Self {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let directory = format!("sma-device-{}-{number}-{name}", std::process::id());
        let directory = std::env::temp_dir().join(directory);
        let _ = fs::remove_dir_all(&directory);
        Self { directory, password: password.to_owned() }
    }

    /// Runs `sma` with JSON output, logging all there is to log.
    ///
    /// # Panics
    /// If the program cannot be run.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Ran {
        self.run_with(words, &[], "")
    }

    /// As [`Device::run`], with more variables in the environment and something on the standard input.
    ///
    /// # Panics
    /// As [`Device::run`].
    #[must_use]
    pub fn run_with(&self, words: &[&str], variables: &[(&str, &str)], input: &str) -> Ran {
        let mut command = Command::new(sma());
        command.arg("--json").arg("--state").arg(&self.directory).args(words);
        command.env("SMA_PASSWORD", &self.password).env("SMA_LOG", "trace").envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("sma runs");
        // A command that asks nothing may end before it is written.
        let _ = process.stdin.take().expect("a pipe").write_all(input.as_bytes());
        let output = process.wait_with_output().expect("sma ends");
        Ran {
            code: output.status.code().unwrap_or(-1),
            output: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}
