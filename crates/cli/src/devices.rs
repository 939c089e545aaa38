//! The devices of the account: a page like that of any account's settings, in the terminal.

use std::path::Path;

use serde_json::json;
use sma_core::{Command, Muaa, Phase, Sibling, Timestamp};
use sma_openpgp::OpenPgp;

use crate::{
    account::Settings,
    actions::alter,
    args::{Device as Typed, Devices},
    control::Device,
    failure::{Failure, advice},
    history::History,
    names::Names,
    naming, question,
    report::Report,
    status, words,
};

/// Lists the devices, or changes one.
pub(crate) async fn devices(
    directory: &Path,
    password_command: Option<&str>,
    devices: Devices,
    report: &mut Report,
) -> Result<(), Failure> {
    match devices.action.unwrap_or(Typed::List) {
        Typed::List => list(directory, report),
        Typed::Remove { device, yes } => remove(directory, password_command, &device, yes, report).await,
        Typed::Acknowledge { device } => acknowledge(directory, password_command, &device, report).await,
        Typed::Leave { yes } => {
            let question = "This device will be out for good, and keeps the keys it has. Leave?";
            question::confirm(question, yes).await?;
            let then = "This device has left. Its state may be deleted.";
            alter(directory, password_command, Command::Leave, then, report).await
        }
        Typed::Return => {
            alter(directory, password_command, Command::Return, "This device is back.", report).await
        }
        Typed::StartApart { yes } => {
            let question = "This makes another key for the account, which the other devices do not have. Pair instead if any of them \
                            works (sma pair). Begin apart?";
            question::confirm(question, yes).await?;
            let then = "This device has begun with a key of its own.";
            alter(directory, password_command, Command::StartApart, then, report).await
        }
        Typed::Rename { name } => rename(directory, password_command, &name, report).await,
    }
}

/// The name stands in the group's settings for the others, and in this device's own for its status.
async fn rename(
    directory: &Path,
    password_command: Option<&str>,
    typed: &str,
    report: &mut Report,
) -> Result<(), Failure> {
    let name = naming::name(typed)?;
    let device = Device::reach(directory, password_command).await?;
    let free = match (device.muaa(), device.names()) {
        (Ok(muaa), Ok(names)) => naming::refuse_taken(&name, muaa.id(), &names),
        (Err(failure), _) | (_, Err(failure)) => Err(failure),
    };
    device.close().await;
    free?;
    let then = format!("This device is called \"{name}\" now, here and on the others.");
    alter(directory, password_command, Command::Rename { name: name.clone() }, &then, report).await?;
    let settings = Settings { name, ..Settings::load(directory)? };
    settings.save(directory)
}

async fn remove(
    directory: &Path,
    password_command: Option<&str>,
    typed: &str,
    yes: bool,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut device = Device::reach(directory, password_command).await?;
    let result = remove_with(&mut device, typed, yes, report).await;
    if let Ok(muaa) = device.muaa() {
        report.standing(&muaa);
    }
    device.close().await;
    result
}

async fn remove_with(
    device: &mut Device,
    typed: &str,
    yes: bool,
    report: &mut Report,
) -> Result<(), Failure> {
    device.look(crate::actions::LIMIT, report).await?;
    let muaa = device.muaa()?;
    let names = device.names()?;
    let id = names.find(typed)?;
    let shown = names.of_id(id);
    if muaa.id() == Some(id) {
        let why = format!("{shown} is this device: to take it out, run sma devices leave");
        return Err(Failure::known("own-device", 3, why));
    }
    if muaa.siblings().iter().any(|sibling| sibling.id == id && !sibling.member) {
        let why = format!(
            "{shown} is not paired, so there is nothing to remove; to turn it away: sma pair --reject {typed}"
        );
        return Err(Failure::known("not-paired", 3, why));
    }
    let question = format!("{shown} will be out for good, and the account gets a new key. Remove it?");
    question::confirm(&question, yes).await?;
    device.command(Command::Remove { id }, report).await?;
    report.set("removed", id.to_string());
    report.hush();
    let key = device.muaa()?.account().current;
    let key = key.map(|key| format!(", and mail uses the new key {key}")).unwrap_or_default();
    report.say(format!(
        "Device {shown} is out{key}. If it was stolen, change the password of the mail account too."
    ));
    Ok(())
}

async fn acknowledge(
    directory: &Path,
    password_command: Option<&str>,
    typed: &str,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut device = Device::reach(directory, password_command).await?;
    let result = async {
        let names = device.names()?;
        let id = names.find(typed)?;
        // What a person saw is meant, and not what comes in meanwhile.
        device.command(Command::Acknowledge { id }, report).await?;
        report.say(format!("Device {} is yours: it is not named as new any more.", names.of_id(id)));
        Ok(())
    }
    .await;
    if let Ok(muaa) = device.muaa() {
        report.standing(&muaa);
    }
    device.close().await;
    result
}

fn list(directory: &Path, report: &mut Report) -> Result<(), Failure> {
    let settings = Settings::load(directory)?;
    let Some(muaa) = status::saved(directory, &settings)? else {
        report.say(format!("{} is set up and was not synced yet: run sma sync.", settings.address));
        report.set("devices", json!([]));
        return Ok(());
    };
    report.standing(&muaa);
    table(&muaa, &settings.name, &History::load(directory), sma_imap::now(), report);
    if matches!(muaa.phase(), Phase::Removed | Phase::Left | Phase::Suspended) {
        report.say(format!(
            "This device is {}. What can be done: {}.",
            words::phase_words(muaa.phase()),
            advice(muaa.phase())
        ));
    }
    Ok(())
}

/// One line for each device, and below it what a person should know of it.
fn table(muaa: &Muaa<OpenPgp>, own_name: &str, history: &History, now: Timestamp, report: &mut Report) {
    let names = Names::of(muaa, own_name, history);
    let notices = muaa.notices();
    let is_out = |sibling: &Sibling| status::state_word(sibling, muaa) == "out";
    let takes_part = !matches!(muaa.phase(), Phase::Removed | Phase::Left);
    // Who is out knows no more of the others.
    let mut siblings = if takes_part { muaa.siblings() } else { Vec::new() };
    siblings.sort_by_key(|sibling| (!sibling.member, names.name(sibling.id).map(str::to_owned), sibling.id));
    let own = muaa.id();
    let own_state = match muaa.phase() {
        Phase::Paired | Phase::Alone => "this device",
        Phase::Removed => "this device, removed",
        Phase::Left => "this device, left",
        Phase::Suspended => "this device, suspended",
        Phase::Discovering | Phase::Unpaired | Phase::Requesting => "this device, not paired",
    };
    let mut rows = vec![Row {
        name: own_name.to_owned(),
        id: own.map_or_else(|| "-".to_owned(), |id| names.short(id)),
        state: own_state.to_owned(),
        heard: "now".to_owned(),
        by: String::new(),
    }];
    let mut values = vec![json!({
        "id": own.map(|id| id.to_string()),
        "name": own_name,
        "state": "own",
        "fingerprint": muaa.fingerprint().to_string(),
        "last_heard": now.as_secs(),
        "added_by": null,
        "added": own.and_then(|id| history.let_in_at(id)).map(Timestamp::as_secs),
        "new": false,
        "has_come": true,
    })];
    for sibling in &siblings {
        let is_new = notices.iter().any(|(id, _)| *id == sibling.id) && sibling.member;
        rows.push(Row::of(sibling, is_new, is_out(sibling), &names, history, now));
        values.push(json!({
            "id": sibling.id.to_string(),
            "name": sibling.name,
            "state": status::state_word(sibling, muaa),
            "fingerprint": sibling.fingerprint.to_string(),
            "last_heard": sibling.last_heard.map(Timestamp::as_secs),
            "added_by": sibling.added_by.map(|by| by.to_string()),
            "added": history.let_in_at(sibling.id).map(Timestamp::as_secs),
            "new": is_new,
            "has_come": has_come(sibling),
        }));
    }
    report.set("devices", values);
    print(&rows, report);
    for (id, _) in notices {
        let short = names.short(id);
        report.say(format!(
            "{} is new. Was it you? Yes: sma devices acknowledge {short}. No: sma devices remove {short}",
            names.of_id(id)
        ));
    }
}

/// Whether a member has said anything yet. What it says first is what it is called; one with keys of its own asks its person before.
pub(crate) fn has_come(sibling: &Sibling) -> bool {
    sibling.member && sibling.name.is_some()
}

struct Row {
    name: String,
    id: String,
    state: String,
    heard: String,
    by: String,
}

impl Row {
    fn of(
        sibling: &Sibling,
        is_new: bool,
        is_out: bool,
        names: &Names,
        history: &History,
        now: Timestamp,
    ) -> Self {
        let state = match (sibling.member, sibling.silent, sibling.requesting) {
            (false, _, _) if is_out => "out",
            (true, _, _) if !has_come(sibling) => "let in, not come yet",
            (true, _, _) if is_new => "paired, new",
            (true, true, _) => "paired, silent",
            (true, false, _) => "paired",
            (false, _, true) => "asks to be let in",
            (false, _, false) => "not paired",
        };
        let by = sibling.added_by.filter(|by| *by != sibling.id);
        let day =
            history.let_in_at(sibling.id).map(|at| format!(" on {}", words::day(at))).unwrap_or_default();
        let by = by.map(|by| format!("let in by {}{day}", names.of_id(by)));
        Self {
            name: names.name(sibling.id).unwrap_or("-").to_owned(),
            id: names.short(sibling.id),
            state: state.to_owned(),
            heard: words::heard(sibling.last_heard, now),
            by: by.unwrap_or_default(),
        }
    }
}

fn print(rows: &[Row], report: &mut Report) {
    // What others wrote has its length on screen as escapes.
    let length = |text: &str| crate::shown::Line::text(text).as_str().chars().count();
    let width = |of: fn(&Row) -> &str| rows.iter().map(|row| length(of(row))).max().unwrap_or_default();
    let widths =
        [width(|row| &row.name), width(|row| &row.id), width(|row| &row.state), width(|row| &row.heard)];
    let pad = |text: &str, width: usize| format!("{text}{}", " ".repeat(width.saturating_sub(length(text))));
    for row in rows {
        let cells = [&row.name, &row.id, &row.state, &row.heard];
        let cells = cells.iter().zip(widths).map(|(text, width)| pad(text, width)).collect::<Vec<_>>();
        report.say(format!("{}  {}", cells.join("  "), row.by).trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_hides_itself_moves_no_column() {
        let row = |name: &str| Row {
            name: name.to_owned(),
            id: "1262".into(),
            state: "paired".into(),
            heard: "now".into(),
            by: String::new(),
        };
        let mut report = Report::default();
        print(&[row("x\u{1b}[2K\r"), row("laptop")], &mut report);
        let (_, lines) = report.into_parts();
        let columns: Vec<_> = lines.iter().map(|line| line.as_str().find("1262")).collect();
        assert_eq!(columns[0], columns[1]);
        assert!(lines.iter().all(|line| !line.as_str().contains('\u{1b}')));
    }
}
