//! `sma setup`: which account this device is for. It keeps what works, and looks for other devices.

use std::{
    fs,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    time::Duration,
};

use sma_autocrypt::Address;
use sma_core::{Command, Crypto, Muaa, Phase};
use sma_imap::{Error, StateFile, check_login};
use tokio::time::Instant;

use crate::{
    account::Settings,
    actions::LIMIT,
    args::Setup,
    asked,
    control::Device,
    doctor,
    failure::{Failure, advice},
    history::History,
    identity,
    names::Names,
    naming, output,
    pending::Pending,
    question,
    report::Report,
    status, words,
};

/// A server that goes on refusing for so long is tried out, and what it says is told.
const PATIENCE: Duration = Duration::from_secs(8);

/// Stores the account's settings after a login that worked, and looks for other devices.
pub(crate) async fn setup(
    directory: &Path,
    setup: &Setup,
    password_command: Option<String>,
    report: &mut Report,
) -> Result<(), Failure> {
    let address = identity::address(&setup.address)?;
    let name = setup.name.as_deref().map(naming::name).transpose()?;
    sma_imap::Address::parse(&setup.imap, setup.insecure)?;
    let before = Settings::find_or_mend(directory)?;
    let is_other = |before: &&Settings| Address::parse(&before.address).as_ref() != Some(&address);
    if let Some(other) = before.as_ref().filter(is_other) {
        let why =
            format!("{} belongs to {}: give another --state directory", directory.display(), other.address);
        return Err(Failure::Usage(why));
    }
    let known = |of: fn(Settings) -> Option<String>| before.clone().and_then(of);
    let settings = Settings {
        address: address.to_string(),
        imap: setup.imap.clone(),
        name: name.or(known(|before| Some(before.name))).unwrap_or_else(host_name),
        insecure: setup.insecure,
        ca_file: ca_file(setup.ca_file.as_deref())?
            .or(before.as_ref().and_then(|before| before.ca_file.clone())),
        password_command: password_command.or(known(|before| before.password_command)),
    };
    if settings.address != setup.address {
        report.say(format!("Mail programs write the address as {}; so does sma.", settings.address));
    }
    refuse_taken(directory, before.as_ref(), &settings)?;
    let former = former(directory, &settings, setup.anew).await?;
    let account = settings.account(None)?;
    output::progress(&format!("Logging in at {} and looking for other devices…", account.server.shown()));
    check_login(&account).await?;
    // The directory is made as its owner's alone; whoever has it now reads the settings when it starts anew.
    match StateFile::open(directory) {
        Ok(_) | Err(Error::Locked(_)) => settings.save(directory)?,
        Err(error) => return Err(error.into()),
    }
    if let Some(phase) = former {
        put_aside(directory, phase, report)?;
    }
    report.set("address", settings.address.as_str());
    if setup.no_sync {
        report.say(format!("{} is set up, and the login works. Now run sma sync.", settings.address));
        return Ok(());
    }
    let mut device = Device::reach(directory, None).await?;
    let is_own = device.is_own();
    let mut events = Report::default();
    let result = first_sync(&mut device, before.as_ref(), &settings, &mut events).await;
    report.take_events(events);
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

/// The file is found from wherever a later command is run.
pub(crate) fn ca_file(typed: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    let Some(typed) = typed else { return Ok(None) };
    let whole = fs::canonicalize(typed);
    let failed = |error| {
        Failure::known("file", 1, format!("cannot read {}: {error}; name another --ca-file", typed.display()))
    };
    whole.map(Some).map_err(failed)
}

/// A device that is called something else by this takes no name of another one.
fn refuse_taken(directory: &Path, before: Option<&Settings>, settings: &Settings) -> Result<(), Failure> {
    if before.is_none_or(|before| before.name == settings.name) {
        return Ok(());
    }
    // What cannot be read is told by whoever needs it.
    let Some(muaa) = status::saved(directory, settings).ok().flatten() else { return Ok(()) };
    let names = Names::of(&muaa, &settings.name, &History::load(directory));
    naming::refuse_taken(&settings.name, muaa.id(), &names)
}

/// Where a device was that takes no part any more and begins anew, if it is one and the person wants that.
async fn former(directory: &Path, settings: &Settings, anew: bool) -> Result<Option<Phase>, Failure> {
    // What cannot be read is told by whoever needs it.
    let muaa = status::saved(directory, settings).ok().flatten();
    let over = muaa.map(|muaa| muaa.phase()).filter(|phase| matches!(phase, Phase::Removed | Phase::Left));
    let Some(phase) = over else {
        let why = "--anew is for a device that has left or was removed, and this one takes part: sma devices leave takes it out first";
        return if anew { Err(Failure::known("wrong-phase", 3, why.to_owned())) } else { Ok(None) };
    };
    if anew {
        return Ok(Some(phase));
    }
    let why = format!("this device is {}", words::phase_words(phase));
    if !io::stdin().is_terminal() {
        return Err(Failure::known("wrong-phase", 3, format!("{why}: {}", advice(phase))));
    }
    question::confirm(
        &format!("{}. Begin anew here, as a new device that is paired like any other?", capital(&why)),
        false,
    )
    .await?;
    Ok(Some(phase))
}

/// The state of a device that is over is kept, for the keys in it open old mail.
fn put_aside(directory: &Path, phase: Phase, report: &mut Report) -> Result<(), Failure> {
    // Nobody uses it while it moves.
    let _held = StateFile::open(directory)?;
    let free = (1..=1000).map(|number| directory.join(format!("state.{}-{number}", phase.name())));
    let aside = free.into_iter().find(|path| !path.exists());
    let full = || {
        Failure::Failed(format!("too many former states are kept in {}: move them away", directory.display()))
    };
    let aside = aside.ok_or_else(full)?;
    let failed = |error: io::Error| {
        Failure::known(
            "file",
            1,
            format!("cannot move the former state in {} away: {error}", directory.display()),
        )
    };
    fs::rename(directory.join("state"), &aside).map_err(failed)?;
    Pending::change(directory, |pending| *pending = Pending::default())?;
    report.set("former", aside.display().to_string());
    report.say(format!("What this device was is kept in {}.", aside.display()));
    Ok(())
}

async fn first_sync(
    device: &mut Device,
    before: Option<&Settings>,
    settings: &Settings,
    events: &mut Report,
) -> Result<(), Failure> {
    look(device, settings, events).await?;
    let is_renamed = before.is_some_and(|before| before.name != settings.name);
    if is_renamed {
        device.command(Command::Rename { name: settings.name.clone() }, events).await?;
    }
    Ok(())
}

/// Looks for other devices. A server that refuses what this needs is not tried for minutes without a word.
async fn look(device: &mut Device, settings: &Settings, events: &mut Report) -> Result<(), Failure> {
    let end = Instant::now() + LIMIT;
    loop {
        match device.look(PATIENCE, events).await {
            Err(busy) if busy.word() == "busy" && Instant::now() < end => {
                output::progress("The server is slow; still looking…");
            }
            Err(refused) if refused.word() == "server-refused" => {
                output::progress("The server refuses something; trying out what…");
                return Err(doctor::why_refused(settings).await.unwrap_or(refused));
            }
            result => return result,
        }
    }
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
    let name = fs::read_to_string("/etc/hostname").unwrap_or_default();
    naming::name(&name).unwrap_or_else(|_| "sma".to_owned())
}
