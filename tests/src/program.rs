//! The program `sma` as people run it: one process for each command, one directory for each device.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
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
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", package]);
    // Build scripts that look at what cargo tells of the test's own package would run anew, and all that hangs on them.
    for (name, _) in std::env::vars_os() {
        let is_of_package =
            |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(is_of_package) {
            command.env_remove(&name);
        }
    }
    let status = command.status();
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

impl Device {
    /// Starts `sma` with JSON output and does not wait for its end; what it logs is not kept.
    ///
    /// # Panics
    /// If the program cannot be run.
    #[must_use]
    pub fn start(&self, words: &[&str]) -> Running {
        self.start_saying(&[&["--json"], words].concat())
    }

    /// As [`Device::start`], with sentences for people.
    ///
    /// # Panics
    /// As [`Device::start`].
    #[must_use]
    pub fn start_saying(&self, words: &[&str]) -> Running {
        let mut command = Command::new(sma());
        command.arg("--state").arg(&self.directory).args(words).env("SMA_PASSWORD", &self.password);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("sma runs");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        Running { process, output }
    }
}

/// A run of the program that has not ended. Killed when dropped.
#[derive(Debug)]
pub struct Running {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    /// Waits for the next line that the program writes which has this in it.
    ///
    /// # Panics
    /// If the program ends before.
    #[must_use]
    pub fn line_with(&mut self, part: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            let octets = self.output.read_line(&mut line).expect("text");
            assert!(octets > 0, "it ended before it said {part}: {seen}{}", self.errors());
            if line.contains(part) {
                return line;
            }
            seen += &line;
        }
    }

    /// Presses Ctrl-C.
    ///
    /// # Panics
    /// If there is no `kill`.
    pub fn interrupt(&self) {
        let status = Command::new("kill").arg("-INT").arg(self.process.id().to_string()).status();
        assert!(status.is_ok_and(|status| status.success()), "the process is there");
    }

    /// Waits for its end; the output is what was not read before.
    ///
    /// # Panics
    /// If it writes what is no text.
    #[must_use]
    pub fn end(mut self) -> Ran {
        let mut output = String::new();
        self.output.read_to_string(&mut output).expect("text");
        let errors = self.errors();
        let code = self.process.wait().expect("it ends").code().unwrap_or(-1);
        Ran { code, output, errors }
    }

    fn errors(&mut self) -> String {
        let mut errors = String::new();
        if let Some(mut stream) = self.process.stderr.take() {
            let _ = stream.read_to_string(&mut errors);
        }
        errors
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}
