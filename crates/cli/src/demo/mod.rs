//! `sma demo`: three devices of one account on a mail server in memory, in one terminal. Every command that is shown is run, as a process
//! of its own; nothing of the person's own account is touched.

mod device;
mod server;

use std::{
    fs,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use sma_core::Crypto;
use sma_openpgp::OpenPgp;

use crate::{failure::Failure, output::Output, question, report::Report, shown::Line};
use device::Device;

const LOGIN: &str = "anna";
const ADDRESS: &str = "anna@example.org";
/// It protects nothing: the server knows no mail, and takes connections of this computer alone.
const PASSWORD: &str = "demonstration";

/// Plays it, up to what to try next.
pub(crate) async fn demo(output: Output, report: &mut Report) -> Result<(), Failure> {
    let server = server::start().await?;
    let stage = Stage::new(output, server.port)?;
    let played = tokio::select! {
        played = play(&stage) => played,
        _ = interrupted() => Err(Failure::known("interrupted", 130, "the demonstration was ended; nothing is left of it".to_owned())),
    };
    report.set("commands", stage.commands.take());
    played
}

async fn interrupted() {
    // A system without signals plays it to the end.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Where it is played. Its files go with it.
#[derive(Debug)]
struct Stage {
    directory: PathBuf,
    output: Output,
    port: u16,
    commands: std::cell::RefCell<Vec<String>>,
}

impl Stage {
    fn new(output: Output, port: u16) -> Result<Self, Failure> {
        let directory = std::env::temp_dir().join(format!("sma-demo-{}", std::process::id()));
        let failed = |error: io::Error| {
            Failure::known("file", 1, format!("cannot make {}: {error}", directory.display()))
        };
        // What is there already is somebody else's.
        fs::create_dir(&directory).map_err(failed)?;
        #[cfg(unix)]
        fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .map_err(failed)?;
        Ok(Self { directory, output, port, commands: std::cell::RefCell::default() })
    }

    fn say(&self, sentence: &str) {
        if !self.output.json {
            self.output.event(&serde_json::Value::Null, &[Line::text(sentence)]);
        }
    }

    /// What comes next, and why.
    fn scene(&self, title: &str, sentences: &[&str]) {
        self.say("");
        self.say(&format!("── {title} ──"));
        sentences.iter().for_each(|sentence| self.say(sentence));
    }

    fn device(&self, name: &'static str) -> Device<'_> {
        Device::new(self, name)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

async fn play(stage: &Stage) -> Result<(), Failure> {
    let [laptop, phone, tablet] = ["laptop", "phone", "tablet"].map(|name| stage.device(name));
    let url = format!("imap://{LOGIN}@127.0.0.1:{}", stage.port);
    let setup = |name| ["setup", "--address", ADDRESS, "--imap", &*url, "--name", name].map(str::to_owned);

    stage.say("Three devices of one mail account, on a mail server that is in this program's memory. Every command is run as you see it.");
    stage.scene(
        "A first device, and a second",
        &["The first one finds nobody, and makes the account's key. The second one finds the first."],
    );
    laptop.does(&setup("laptop")).await?;
    phone.does(&setup("phone")).await?;

    stage.scene("They pair", &["One command on each: the laptop shows a code and waits, the phone gets it. The server learns neither code nor key."]);
    pair(&laptop, &phone).await?;
    laptop.does(&["devices"]).await?;

    stage.scene("A key that was there before", &["Anna has a key from another program. The phone, which watches, uses it as soon as the laptop does."]);
    let mut watch = phone.begins(&["watch"]).await?;
    let key = key_file(&stage.directory)?;
    laptop.does(&["keys", "import", &key, "--yes"]).await?;
    watch.says_until("Mail uses the key").await?;
    watch.interrupt().await?;
    phone.does(&["keys"]).await?;

    stage.scene("A third device", &["Any device lets another one in. Those that did not are told, until somebody says that it was right."]);
    tablet.does(&setup("tablet")).await?;
    pair(&phone, &tablet).await?;
    laptop.does(&["sync"]).await?;
    laptop.does(&["devices"]).await?;
    laptop.does(&["devices", "acknowledge", "tablet"]).await?;

    stage.scene(
        "The phone is lost",
        &["It is removed on another device. The account gets a new key, which the phone never sees."],
    );
    laptop.does(&["devices", "remove", "phone", "--yes"]).await?;
    tablet.does(&["sync"]).await?;
    phone.fails(&["sync"]).await?;

    stage.scene("What to try next", &[]);
    stage.say("On your own account: sma doctor --address YOU --imap imaps://LOGIN@HOST tries the server out and changes nothing.");
    stage.say("Then sma setup --address YOU --imap imaps://LOGIN@HOST, here and on another computer; sma pair here, and sma pair CODE there.");
    if !stage.output.json && io::stdin().is_terminal() {
        let laptop = laptop.directory();
        stage.say(&format!("Or go on with these devices, in another terminal: SMA_PASSWORD={PASSWORD} sma --state {laptop} devices"));
        let _ = question::ask("Enter ends the server, and all of this is gone. ").await?;
    }
    Ok(())
}

async fn pair(member: &Device<'_>, newcomer: &Device<'_>) -> Result<(), Failure> {
    let mut showing = member.begins(&["pair"]).await?;
    let line = showing.says_until("    sma pair ").await?;
    let code = line.trim().trim_start_matches("sma pair ").to_owned();
    newcomer.does(&["pair", &code]).await?;
    showing.ends().await
}

/// A secret key as another program would write it.
fn key_file(directory: &Path) -> Result<String, Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::Failed(format!("no key could be made: {why}"));
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| failed(&error))?;
    let key =
        OpenPgp::new().new_account_key(ADDRESS, &seed, sma_imap::now()).map_err(|error| failed(&error))?;
    let file = directory.join("my-key");
    sma_imap::replace_file(directory, "my-key", key.secret.expose())?;
    Ok(file.display().to_string())
}
