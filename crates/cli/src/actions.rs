//! What the commands do that connect.

use std::{
    io::{self, BufRead, IsTerminal, Read},
    path::Path,
    time::Duration,
};

use sma_autocrypt::Address;
use sma_core::{Command, Event, Form, Phase, check_name};
use sma_imap::{Driver, Settled, StateFile, check_login};
use sma_openpgp::OpenPgp;

use crate::{
    account::Settings,
    args::{Device, Pair, Setup},
    asked,
    failure::{Failure, advice},
    output::Output,
    report::Report,
    words,
};

/// The longest line that is read, in octets; a link has some 200.
const LINE_MAX: u64 = 4096;

/// How long a command other than `sync` may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// Stores the account's settings after a login that worked.
pub(crate) async fn setup(
    directory: &Path,
    setup: &Setup,
    password_command: Option<String>,
    report: &mut Report,
) -> Result<(), Failure> {
    if !is_mail_address(&setup.address) {
        return Err(Failure::Failed(format!("{} is no mail address: write anna@example.org", setup.address)));
    }
    setup.name.as_deref().map_or(Ok(()), check_name)?;
    let _state = StateFile::open(directory)?;
    let before = Settings::find(directory)?;
    let is_other = |before: &&Settings| Address::parse(&before.address) != Address::parse(&setup.address);
    if let Some(other) = before.as_ref().filter(is_other) {
        let why =
            format!("{} belongs to {}: give another --state directory", directory.display(), other.address);
        return Err(Failure::Failed(why));
    }
    let name = setup.name.clone().or(before.map(|before| before.name)).unwrap_or_else(|| "sma".to_owned());
    let settings = Settings {
        address: setup.address.clone(),
        imap: setup.imap.clone(),
        name,
        insecure: setup.insecure,
        password_command,
    };
    check_login(&settings.account(None)?).await?;
    settings.save(directory)?;
    report.set("address", settings.address.as_str());
    report.say(format!("{} is set up, and the login works. Now run sma sync.", settings.address));
    Ok(())
}

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
    let mut driver = open(directory, password_command)?;
    let result = settle(&mut driver, limit, report).await;
    report.standing(driver.muaa());
    let phase = driver.muaa().phase();
    asked::join(driver.muaa(), report);
    let is_asked = driver.muaa().join_question().is_some();
    driver.close().await;
    result?;
    // An event may have said so before others.
    let standing = format!("This device is {}.", words::phase_words(phase));
    report.say_last(&standing);
    match phase {
        Phase::Suspended | Phase::Removed | Phase::Left => {
            let sentence = format!("this device takes no part: {}", advice(phase));
            Err(Failure::NeedsPerson(sentence))
        }
        Phase::Unpaired | Phase::Requesting if !is_asked => {
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
    let mut driver = open(directory, password_command)?;
    driver.set_poll(poll);
    let mut phase = driver.muaa().phase();
    let tell = |event: Event| {
        if let Event::PhaseChanged(next) = &event {
            phase = *next;
        }
        let (value, lines) = words::event(&event, words::has_group(phase), sma_imap::now());
        output.event(&value, &lines);
    };
    let interrupt = async {
        // A system without signals stays until it is ended.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let result = driver.watch(tell, interrupt).await;
    driver.close().await;
    Ok(result?)
}

/// One step of a pairing; each looks at the store before and after.
pub(crate) async fn pair(
    directory: &Path,
    password_command: Option<&str>,
    mut pair: Pair,
    report: &mut Report,
) -> Result<(), Failure> {
    pair.code = pair.code.map(code).transpose()?;
    let mut driver = open(directory, password_command)?;
    let result = step(&mut driver, pair, report).await;
    report.standing(driver.muaa());
    asked::join(driver.muaa(), report);
    driver.close().await;
    result
}

/// The code or link that was given; for `-` a line of the standard input, which no list of processes shows.
fn code(given: String) -> Result<String, Failure> {
    if given != "-" {
        return Ok(given);
    }
    let failed = |error| Failure::Failed(format!("no code or link on the standard input: {error}"));
    if io::stdin().is_terminal() {
        return rpassword::prompt_password("Code or link: ").map_err(failed);
    }
    let mut line = String::new();
    io::stdin().lock().take(LINE_MAX).read_line(&mut line).map_err(failed)?;
    Ok(line.trim().to_owned())
}

/// A change to a device; the store is looked at before and after.
pub(crate) async fn device(
    directory: &Path,
    password_command: Option<&str>,
    device: Device,
    report: &mut Report,
) -> Result<(), Failure> {
    let (command, then) = match device {
        Device::Remove { id } => {
            (Command::Remove { id }, "The device was removed, and the account has a new key.")
        }
        Device::Acknowledge { id } => {
            (Command::Acknowledge { id }, "The device is yours: sma status does not name it as new any more.")
        }
        Device::Leave => (Command::Leave, "This device has left. Its state may be deleted."),
        Device::Return => (Command::Return, "This device is back."),
        Device::StartApart => (Command::StartApart, "This device has begun with keys of its own."),
        Device::Rename { name } => (Command::Rename { name }, "This device has a new name."),
    };
    alter(directory, password_command, command, then, report).await
}

/// One command, with what follows from it.
pub(crate) async fn alter(
    directory: &Path,
    password_command: Option<&str>,
    command: Command,
    then: &str,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut driver = open(directory, password_command)?;
    let result = change(&mut driver, command, then, report).await;
    report.standing(driver.muaa());
    driver.close().await;
    result
}

async fn change(
    driver: &mut Driver<OpenPgp>,
    command: Command,
    then: &str,
    report: &mut Report,
) -> Result<(), Failure> {
    // What a person saw is meant, and not what comes in meanwhile.
    let is_answer =
        matches!(command, Command::Acknowledge { .. } | Command::DeclineJoin | Command::Veto { .. });
    if !is_answer {
        settle(driver, LIMIT, report).await?;
    }
    driver.command(command)?;
    settle(driver, LIMIT, report).await?;
    if !then.is_empty() {
        report.say(then);
    }
    Ok(())
}

/// Goes over to the group that the person has seen; one that this very command finds is shown first.
async fn confirm(driver: &mut Driver<OpenPgp>, report: &mut Report) -> Result<(), Failure> {
    let seen = driver.muaa().join_question();
    settle(driver, LIMIT, report).await?;
    let question = driver.muaa().join_question();
    if question.is_some() && question != seen {
        let why = "this device was let into another group only now: look whose it is, then run sma pair --confirm again";
        return Err(Failure::NeedsPerson(why.to_owned()));
    }
    driver.command(Command::ConfirmJoin)?;
    settle(driver, LIMIT, report).await?;
    // Whoever has others in its group waits for them.
    if driver.muaa().group() == question.map(|question| question.group) {
        report.say("This device went over. Now run sma sync on the other one, then here, until both have the same keys.");
    }
    Ok(())
}

async fn step(driver: &mut Driver<OpenPgp>, pair: Pair, report: &mut Report) -> Result<(), Failure> {
    if pair.confirm {
        return confirm(driver, report).await;
    }
    if let Some(id) = pair.replaces {
        let then = "Whoever lets this device in removes the other one, if that is silent by then.";
        change(driver, Command::Replace { id: Some(id) }, then, report).await?;
    }
    let (command, then) = if let Some(offered) = pair.offer {
        (Command::Offer { to: offered.0, form: Form::Code }, "")
    } else if let Some(offered) = pair.link {
        (Command::Offer { to: offered.0, form: Form::Link }, "")
    } else if let Some(code) = pair.code {
        let then = "It was used. Now run sma sync on the device that showed it, then here, until this one is paired. If it has keys \
                    or a group already, you are asked before it goes there.";
        (Command::EnterCode { code: code.into(), from: pair.from, key: pair.key }, then)
    } else if pair.decline {
        (Command::DeclineJoin, "This device does not go there; whoever let it in hears that it left.")
    } else if let Some(merge) = pair.veto {
        let then = "It was vetoed: this group stays. If it was not you who wanted it, remove the device that did, with \
                    sma device remove ID.";
        (Command::Veto { merge }, then)
    } else if let Some(id) = pair.reject {
        (Command::Reject { id }, "The device was turned away.")
    } else {
        return Ok(());
    };
    change(driver, command, then, report).await
}

pub(crate) fn open(directory: &Path, password_command: Option<&str>) -> Result<Driver<OpenPgp>, Failure> {
    let settings = Settings::load(directory)?;
    let state = StateFile::open(directory)?;
    let account = settings.account(password_command)?;
    Ok(Driver::open(state, account, settings.config(), OpenPgp::new())?)
}

/// What happened is reported also when it ends badly: a code that was made is to be seen.
pub(crate) async fn settle(
    driver: &mut Driver<OpenPgp>,
    limit: Duration,
    report: &mut Report,
) -> Result<(), Failure> {
    let before = driver.muaa().phase();
    let settled = driver.settle(limit).await;
    report.events(before, &driver.take_events());
    match settled? {
        Settled::Idle => Ok(()),
        Settled::Busy => {
            let why =
                format!("there is more to do than fitted into {} seconds: run it again", limit.as_secs());
            Err(Failure::Failed(why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_mail_address_is_refused() {
        assert!(is_mail_address("anna@example.org") && is_mail_address("änna@exämple.org"));
        for text in ["", "anna", "@example.org", "anna@", "a b@example.org", "<a@example.org>", "a@b@c"] {
            assert!(!is_mail_address(text), "{text}");
        }
    }
}
