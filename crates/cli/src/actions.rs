//! What the commands do that connect.

use std::{path::Path, time::Duration};

use sma_autocrypt::Address;
use sma_core::{Command, Crypto, Muaa, Phase, check_name};
use sma_imap::{Error, StateFile, check_login};

use crate::{
    account::Settings,
    args::Setup,
    asked,
    control::{Device, Told},
    failure::{Failure, advice},
    output::{self, Output},
    report::Report,
    words,
};

/// How long a command other than `sync` may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// Stores the account's settings after a login that worked, and looks for other devices.
pub(crate) async fn setup(
    directory: &Path,
    setup: &Setup,
    password_command: Option<String>,
    report: &mut Report,
) -> Result<(), Failure> {
    if !is_mail_address(&setup.address) {
        return Err(Failure::Usage(format!("{} is no mail address: write anna@example.org", setup.address)));
    }
    setup.name.as_deref().map_or(Ok(()), check_name)?;
    sma_imap::Address::parse(&setup.imap, setup.insecure)?;
    let before = Settings::find_or_mend(directory)?;
    let is_other = |before: &&Settings| Address::parse(&before.address) != Address::parse(&setup.address);
    if let Some(other) = before.as_ref().filter(is_other) {
        let why =
            format!("{} belongs to {}: give another --state directory", directory.display(), other.address);
        return Err(Failure::Usage(why));
    }
    let known = |of: fn(Settings) -> Option<String>| before.clone().and_then(of);
    let settings = Settings {
        address: setup.address.clone(),
        imap: setup.imap.clone(),
        name: setup.name.clone().or(known(|before| Some(before.name))).unwrap_or_else(host_name),
        insecure: setup.insecure,
        password_command: password_command.or(known(|before| before.password_command)),
    };
    let account = settings.account(None)?;
    output::progress(&format!("Logging in at {} and looking for other devices…", account.server.shown()));
    check_login(&account).await?;
    // The directory is made as its owner's alone; whoever has it now reads the settings when it starts anew.
    match StateFile::open(directory) {
        Ok(_) | Err(Error::Locked(_)) => settings.save(directory)?,
        Err(error) => return Err(error.into()),
    }
    report.set("address", settings.address.as_str());
    if setup.no_sync {
        report.say(format!("{} is set up, and the login works. Now run sma sync.", settings.address));
        return Ok(());
    }
    let mut device = Device::reach(directory, None).await?;
    let is_own = device.is_own();
    let result = first_sync(&mut device, before.as_ref(), &settings, report).await;
    let (muaa, names) = (device.muaa(), device.names());
    device.close().await;
    result?;
    let muaa = muaa?;
    report.standing(&muaa);
    asked::join(&muaa, &names?, report);
    report.say(format!("{} is set up on this device, \"{}\".", settings.address, settings.name));
    report.say(next_step(&muaa));
    if !is_own {
        report.say("The sma that is running takes the server and the password when it is started anew.");
    }
    Ok(())
}

async fn first_sync(
    device: &mut Device,
    before: Option<&Settings>,
    settings: &Settings,
    report: &mut Report,
) -> Result<(), Failure> {
    device.look(LIMIT, report).await?;
    report.hush();
    let is_renamed = before.is_some_and(|before| before.name != settings.name);
    if is_renamed {
        device.command(Command::Rename { name: settings.name.clone() }, report).await?;
        report.hush();
    }
    Ok(())
}

/// What a person does next.
fn next_step<C: Crypto>(muaa: &Muaa<C>) -> String {
    match muaa.phase() {
        Phase::Unpaired | Phase::Requesting => {
            format!("Other devices use this account already. To pair this one, {}.", advice(Phase::Unpaired))
        }
        Phase::Alone => {
            let key = muaa.account().current.map(|key| format!(" Its key is {key}.")).unwrap_or_default();
            format!("It is the first device of the account.{key} {}.", capital(advice(Phase::Alone)))
        }
        Phase::Paired => format!("It is paired. {}.", capital(advice(Phase::Paired))),
        phase @ (Phase::Discovering | Phase::Suspended | Phase::Removed | Phase::Left) => {
            format!("{}.", capital(advice(phase)))
        }
    }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// What this computer is called, for a device that nobody gave a name.
fn host_name() -> String {
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() || name.len() > 64 || check_name(name).is_err() {
        "sma".to_owned()
    } else {
        name.to_owned()
    }
}

/// Also one of another alphabet: the domain goes by IDNA.
fn is_mail_address(text: &str) -> bool {
    Address::parse(text).is_some()
}

/// Does all there is to do.
pub(crate) async fn sync(
    directory: &Path,
    password_command: Option<&str>,
    limit: Duration,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut device = Device::reach(directory, password_command).await?;
    let result = device.look(limit, report).await;
    let (muaa, names) = (device.muaa(), device.names());
    device.close().await;
    if let (Ok(muaa), Ok(names)) = (&muaa, &names) {
        report.standing(muaa);
        asked::join(muaa, names, report);
    }
    result?;
    let muaa = muaa?;
    let phase = muaa.phase();
    // An event may have said so before others.
    let standing = format!("This device is {}.", words::phase_words(phase));
    report.say_last(&standing);
    match phase {
        Phase::Suspended | Phase::Removed | Phase::Left => {
            let sentence = format!("this device takes no part: {}", advice(phase));
            Err(Failure::known("wrong-phase", 3, sentence))
        }
        Phase::Unpaired | Phase::Requesting if muaa.join_question().is_none() => {
            report.say(format!("To pair it, {}.", advice(phase)));
            Ok(())
        }
        Phase::Unpaired | Phase::Requesting | Phase::Discovering | Phase::Alone | Phase::Paired => Ok(()),
    }
}

/// Stays until Ctrl-C.
pub(crate) async fn watch(
    directory: &Path,
    password_command: Option<&str>,
    poll: Duration,
    output: Output,
) -> Result<(), Failure> {
    let mut device = Device::reach_polling(directory, password_command, poll).await?;
    let Some(stop) = device.stop() else {
        device.close().await;
        let why = format!("another sma watches over {} already", directory.display());
        return Err(Failure::known("locked", 1, why));
    };
    let mut follower = device.follow(false).await?;
    tell_service_manager();
    let tell = async {
        while let Some(told) = follower.next().await {
            output.event(&told.value, &stamped(&told));
        }
    };
    let interrupt = async {
        // A system without signals stays until it is ended.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = interrupt => stop.now(),
        // The host has ended by itself, and says why.
        () = tell => {}
    }
    device.ended().await.map_err(|failure| match failure.word() {
        // A service manager does not start it again, which could lock the account.
        "login-refused" => Failure::known("login-refused", 3, failure.sentence().to_owned()),
        _ => failure,
    })
}

/// Says that others can be served. Where no service manager waits for it, nothing hears it.
fn tell_service_manager() {
    #[cfg(target_os = "linux")]
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
}

/// Lines of something that lasts say when they were written.
fn stamped(told: &Told) -> Vec<crate::shown::Line> {
    let now = words::time_of_day(sma_imap::now());
    told.lines.iter().map(|line| crate::shown::Line::text(&format!("{now}  {}", line.as_str()))).collect()
}

/// One command, with what follows from it; the store is looked at before.
pub(crate) async fn alter(
    directory: &Path,
    password_command: Option<&str>,
    command: Command,
    then: &str,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut device = Device::reach(directory, password_command).await?;
    let result = device.fresh(command, report).await;
    if let Ok(muaa) = device.muaa() {
        report.standing(&muaa);
    }
    device.close().await;
    result?;
    report.say(then);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_mail_address_is_refused() {
        for text in ["anna@example.org", "änna@exämple.org", "anna+x@example.org"] {
            assert!(is_mail_address(text), "{text}");
        }
        for text in ["", "anna", "@example.org", "anna@", "a b@example.org", "<a@example.org>", "a@b@c"] {
            assert!(!is_mail_address(text), "{text}");
        }
    }
}
