//! The account's settings, `account.json` in the state directory. It holds no password.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sma_core::{Config, Secret};
use sma_imap::{Account, Address, replace_file};

use crate::{failure::Failure, output, shown::Line};

const FILE: &str = "account.json";
const DAMAGED: &str = "account.json.damaged";
const VARIABLE: &str = "SMA_PASSWORD";
const AUTHORITIES: &str = "SSL_CERT_FILE";
/// What every certificate in PEM begins with.
const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Changes wait this long for others to be sent with them.
const GATHER: Duration = Duration::from_millis(500);

/// What `sma setup` was told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The mail address.
    pub(crate) address: String,
    /// The server's URL.
    pub(crate) imap: String,
    /// What this device is called.
    pub(crate) name: String,
    /// Whether the password may travel in clear.
    #[serde(default)]
    pub(crate) insecure: bool,
    /// A file of certificate authorities to trust beside those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The shell command that prints the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password_command: Option<String>,
}

impl Settings {
    /// The settings, or a failure that says to run `sma setup`.
    pub(crate) fn load(directory: &Path) -> Result<Self, Failure> {
        Self::find(directory)?.ok_or_else(|| {
            let why = format!("no account is set up in {}: run sma setup first", directory.display());
            Failure::known("not-set-up", 1, why)
        })
    }

    /// The settings, if there are any that can be read: those of a damaged file are typed anew, and the file is put aside.
    pub(crate) fn find_or_mend(directory: &Path) -> Result<Option<Self>, Failure> {
        let path = directory.join(FILE);
        match Self::find(directory) {
            Err(failure) if failure.word() == "damaged" => {
                let aside = directory.join(DAMAGED);
                fs::rename(&path, &aside).map_err(|error| {
                    Failure::known("file", 1, format!("cannot move {} away: {error}", path.display()))
                })?;
                output::note(&format!("{} was damaged and is kept as {DAMAGED}", path.display()));
                Ok(None)
            }
            result => result,
        }
    }

    /// The settings, if there are any.
    pub(crate) fn find(directory: &Path) -> Result<Option<Self>, Failure> {
        let path = directory.join(FILE);
        match fs::read(&path) {
            Ok(octets) => serde_json::from_slice(&octets).map(Some).map_err(|_| {
                let why = format!(
                    "{} is damaged: run sma setup with the account's address and server; nothing else is lost",
                    path.display()
                );
                Failure::known("damaged", 1, why)
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                let why = format!("cannot read {}: {error}; make it your own and readable", path.display());
                Err(Failure::known("file", 1, why))
            }
        }
    }

    pub(crate) fn save(&self, directory: &Path) -> Result<(), Failure> {
        let octets = serde_json::to_vec_pretty(self).map_err(|error| Failure::Failed(error.to_string()))?;
        Ok(replace_file(directory, FILE, &octets)?)
    }

    pub(crate) fn config(&self) -> Config {
        // A change is on the other devices while a person still looks.
        Config { gather: GATHER, ..Config::new(&self.address, &self.name) }
    }

    /// The server with its password, from the first of: the command, the environment, the person.
    pub(crate) fn account(&self, password_command: Option<&str>) -> Result<Account, Failure> {
        let server = Address::parse(&self.imap, self.insecure)?;
        if server.tls {
            check_authorities(std::env::var_os(AUTHORITIES).map(PathBuf::from).as_deref())?;
            self.ca_file.as_deref().map_or(Ok(()), sma_imap::trust)?;
        }
        let command = password_command.or(self.password_command.as_deref());
        let password = match (command, std::env::var(VARIABLE)) {
            (Some(command), _) => from_command(command)?,
            (None, Ok(password)) => Secret::new(password.into_bytes()),
            (None, Err(_)) => from_person(&server)?,
        };
        Ok(Account { server, password })
    }
}

/// The file of further certificate authorities, if one is named, is there and holds some: else TLS would say that it trusts nobody.
fn check_authorities(file: Option<&Path>) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    let wrong = |why: &str| {
        let why = format!(
            "{AUTHORITIES} names {}, {why}: name a file of certificates in PEM, or unset it",
            file.display()
        );
        Err(Failure::known("file", 1, why))
    };
    match fs::read(file) {
        Err(error) => wrong(&format!("which cannot be read ({error})")),
        Ok(octets) if !octets.windows(PEM.len()).any(|window| window == PEM) => {
            wrong("which holds no certificate")
        }
        Ok(_) => Ok(()),
    }
}

fn from_command(command: &str) -> Result<Secret, Failure> {
    let failed = |why: &str| Failure::Failed(format!("the password command {why}: {command}"));
    let output = Command::new("sh").arg("-c").arg(command).stderr(std::process::Stdio::inherit()).output();
    let output = output.map_err(|error| failed(&format!("cannot be run ({error})")))?;
    let (status, printed) = (output.status, Secret::new(output.stdout));
    if !status.success() {
        return Err(failed("failed"));
    }
    let line = printed.expose().split(|octet| *octet == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(failed("printed no password"));
    }
    Ok(Secret::new(line.to_vec()))
}

fn from_person(server: &Address) -> Result<Secret, Failure> {
    let prompt = Line::text(&format!("Password of {} at {}: ", server.login, server.shown()));
    let typed = rpassword::prompt_password(prompt.as_str()).map_err(|error| {
        Failure::Failed(format!(
            "no password: give --password-command, or set {VARIABLE}, or run this in a terminal ({error})"
        ))
    })?;
    Ok(Secret::new(typed.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_a_command_prints_is_the_password() {
        let password = |command| from_command(command).map(|secret| secret.expose().to_vec());
        assert_eq!(password("printf 'a b\\r\\nsecond\\n'").unwrap(), b"a b");
        assert!(password("exit 1").unwrap_err().sentence().contains("failed"));
        assert!(password("true").unwrap_err().sentence().contains("printed no password"));
    }

    #[test]
    fn a_file_of_authorities_that_cannot_be_used_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        let why = |file: &Path| check_authorities(Some(file)).unwrap_err().sentence().to_owned();
        assert!(why(&file).contains("ca.pem, which cannot be read"), "{}", why(&file));
        fs::write(&file, "no certificate").unwrap();
        assert!(why(&file).contains("holds no certificate"));
        fs::write(&file, "# mine\n-----BEGIN CERTIFICATE-----\n").unwrap();
        assert_eq!((check_authorities(Some(&file)), check_authorities(None)), (Ok(()), Ok(())));
    }

    #[test]
    fn settings_read_back_and_hold_no_password() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Settings::load(directory.path()).unwrap_err().sentence().contains("sma setup"));
        let settings = Settings {
            address: "anna@example.org".into(),
            imap: "imaps://anna@mail.example.org".into(),
            name: "laptop".into(),
            insecure: false,
            ca_file: None,
            password_command: Some("printf secret".into()),
        };
        settings.save(directory.path()).unwrap();
        assert_eq!(Settings::load(directory.path()).unwrap(), settings);
        let account = settings.account(None).unwrap();
        assert_eq!(account.password.expose(), b"secret");
        assert!(!format!("{account:?}").contains("secret"));
        let octets = fs::read_to_string(directory.path().join(FILE)).unwrap();
        assert_eq!(octets.matches("secret").count(), 1, "in the command alone");
    }
}
