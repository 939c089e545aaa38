//! GnuPG as another program on the computer.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

/// A GnuPG of its own, in its own directory; its agent ends with it.
pub(crate) struct Gpg {
    pub(crate) home: PathBuf,
}

impl Gpg {
    /// `None` if the person who runs the tests said that there is no GnuPG.
    pub(crate) fn new(name: &str) -> Option<Self> {
        if std::env::var_os("SMA_WITHOUT_SERVERS").is_some_and(|value| value == "1") {
            return None;
        }
        let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(&home).unwrap();
        #[cfg(unix)]
        fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        Some(Self { home })
    }

    /// What gpg wrote, and what it told on its status lines.
    pub(crate) fn run(&self, password: &str, arguments: &[&str], input: &[u8]) -> (Vec<u8>, String) {
        let status = self.home.join("status");
        let mut child = Command::new("gpg")
            .env("GNUPGHOME", &self.home)
            .args(["--batch", "--yes", "--quiet", "--pinentry-mode", "loopback", "--trust-model", "always"])
            .args(["--passphrase", password, "--status-file"])
            .arg(&status)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("gpg starts");
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gpg {arguments:?}: {errors}");
        (output.stdout, fs::read_to_string(status).unwrap())
    }

    pub(crate) fn generate(&self, password: &str, kind: &str) {
        self.run(password, &["--quick-generate-key", "Bob <bob@example.org>", kind, "default", "never"], b"");
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").env("GNUPGHOME", &self.home).args(["--kill", "all"]).status();
    }
}
