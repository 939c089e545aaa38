//! What the commands do that connect.

use std::{path::Path, time::Duration};

use sma_core::{Command, Phase};

use crate::{
    asked,
    control::{Device, Told},
    failure::{Failure, advice, in_phase},
    output::Output,
    report::Report,
    words,
};

/// How long a command other than `sync` may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

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
            report.unsay(&standing);
            Err(in_phase(phase))
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
