//! The side at which a code is typed: it stays until this device is in.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use serde_json::json;
use sma_core::{Command, Fingerprint, JoinQuestion, Muaa, Phase, Timestamp};
use sma_openpgp::OpenPgp;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{
    steps,
    vigil::{Happening, Vigil},
};
use crate::{
    args::Pair,
    asked,
    control::News,
    failure::{Failure, in_phase},
    link,
    pending::CODE_LIFE,
    question,
    report::Report,
    words,
};

/// How long the device that shows the code may take to be seen.
const ARRIVAL: Duration = Duration::from_secs(60);
/// How often it is looked for.
const PAUSE: Duration = Duration::from_secs(2);
/// How long an answer may be on its way that was given in time.
const GRACE: Duration = Duration::from_secs(60);

/// Types a code or hands in a link, and stays until this device is in.
pub(super) async fn pair(
    vigil: &mut Vigil,
    typed: &str,
    pair: &Pair,
    report: &mut Report,
) -> Result<(), Failure> {
    refuse_own(vigil, typed)?;
    if !pair.no_wait {
        vigil.follow().await?;
    }
    vigil.look(report).await?;
    let muaa = vigil.device.muaa()?;
    if !matches!(muaa.phase(), Phase::Unpaired | Phase::Requesting | Phase::Alone | Phase::Paired) {
        return Err(in_phase(muaa.phase()));
    }
    if let Some(question) = muaa.join_question().filter(|_| !pair.no_wait) {
        vigil.say("A code was typed here already, and let this device in.");
        report.hush();
        return answer(vigil, &question, report).await;
    }
    refuse_late(vigil, &muaa, pair.key)?;
    let from = pair.from.as_deref().map(|from| vigil.device.names()?.find(from)).transpose()?;
    if from.is_some() && from == muaa.id() {
        let why = "--from names this device itself: name the one that shows the code";
        return Err(Failure::known("own-device", 3, why.to_owned()));
    }
    let command = Command::EnterCode { code: typed.to_owned().into(), from, key: pair.key };
    if pair.no_wait {
        vigil.device.command(command, report).await?;
        report.say("The code was typed. sma pair waits for the answer; sma sync and sma watch take it too.");
        return Ok(());
    }
    report.hush();
    if !words::has_group(muaa.phase()) && vigil.pending()?.brings_key() {
        vigil.say("This device has a key of its own: once it is let in, you are asked before it goes there with it.");
    }
    match hand_in(vigil, &command).await? {
        true => wait(vigil, report).await,
        false => done(vigil, report),
    }
}

/// A code was typed before, and its answer was not waited for, or not seen.
pub(super) async fn again(vigil: &mut Vigil, report: &mut Report) -> Result<(), Failure> {
    vigil.say("A code was typed here already.");
    vigil.follow().await?;
    vigil.look(report).await?;
    report.hush();
    wait(vigil, report).await
}

/// No code was given at a device that is new.
pub(super) async fn asked(vigil: &mut Vigil, args: &Pair, report: &mut Report) -> Result<(), Failure> {
    let why = format!("this device is new on this account: {}", crate::failure::advice(Phase::Unpaired));
    if args.no_wait || !io::stdin().is_terminal() {
        return Err(Failure::known("wrong-side", 3, why));
    }
    vigil.say("This device is new on this account. Run sma pair on a device that you used before.");
    let typed = question::ask("Then type the code that appears there: ").await?;
    pair(vigil, &Zeroizing::new(link::from_typed(&typed)), args, report).await
}

fn refuse_own(vigil: &Vigil, typed: &str) -> Result<(), Failure> {
    let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    let pending = vigil.pending()?;
    let is_own = |text: &str| plain(&link::from_typed(text)) == plain(typed);
    if pending.shown().is_some_and(|shown| is_own(&shown.text)) {
        let why = "this device shows that code itself: type it on the new device, with sma pair and the code";
        return Err(Failure::known("wrong-side", 3, why.to_owned()));
    }
    Ok(())
}

/// All codes that are shown were seen so long ago that they are over: typing one would only wait in vain.
fn refuse_late(vigil: &Vigil, muaa: &Muaa<OpenPgp>, key: Option<Fingerprint>) -> Result<(), Failure> {
    let (pending, now) = (vigil.pending()?, sma_imap::now());
    let offers: Vec<_> =
        muaa.offers().into_iter().filter(|offer| key.is_none_or(|key| key == offer.key)).collect();
    if !offers.is_empty() && offers.iter().all(|offer| pending.is_over(offer.session, now)) {
        let why = "that code is more than ten minutes old and not good any more: run sma pair on the other device, and type the new code \
                   here";
        return Err(Failure::known("code-expired", 3, why.to_owned()));
    }
    Ok(())
}

/// Whether it was handed in and is to be answered; `false` if this device is in already.
async fn hand_in(vigil: &mut Vigil, command: &Command) -> Result<bool, Failure> {
    let end = Instant::now() + ARRIVAL;
    let mut is_told = false;
    loop {
        let refused = match vigil.device.command(command.clone(), &mut Report::default()).await {
            Ok(()) => return Ok(true),
            Err(refused) => refused,
        };
        let is_waiting = vigil.pending()?.typed_at().is_some();
        match refused.word() {
            "code-used" if is_waiting => {
                vigil.say("This code was typed here before.");
                return Ok(true);
            }
            "code-used" if vigil.device.muaa()?.phase() == Phase::Paired => return Ok(false),
            "no-offer" if words::has_group(vigil.device.muaa()?.phase()) => return Err(wrong_side(vigil)?),
            "no-offer" if Instant::now() >= end => return Err(nobody(is_waiting)),
            "no-offer" if !is_told => {
                is_told = true;
                vigil.say("Looking for the device that shows this code…");
            }
            "no-offer" => {}
            _ => return Err(refused),
        }
        if let Happening::News(told) = vigil.next(Some(Instant::now() + PAUSE)).await? {
            vigil.pass_on(&told);
        }
        vigil.look(&mut Report::default()).await?;
    }
}

/// A device that is in use shows codes. It takes one only of devices that are in no group of its own.
fn wrong_side(vigil: &Vigil) -> Result<Failure, Failure> {
    let why = format!(
        "codes are typed on the new device, and \"{}\" is in use already: show a code here, with sma pair, and type it there. No \
         device that this one could go over to shows a code now",
        vigil.own_name()?
    );
    Ok(Failure::known("wrong-side", 3, why))
}

fn nobody(is_waiting: bool) -> Failure {
    let why = if is_waiting {
        "no device shows another code; the one that was typed here before is still being waited for, with sma pair"
    } else {
        "no device of this account shows a code now: run sma pair on one that you used before, and look that it is set up for the \
         same account and has a connection"
    };
    Failure::known("no-offer", 3, why.to_owned())
}

/// Stays until this device is in, asks, or knows that it does not get in.
async fn wait(vigil: &mut Vigil, report: &mut Report) -> Result<(), Failure> {
    vigil.say("Waiting for the device that shows the code. Ctrl-C ends the wait, and not the pairing.");
    let before = vigil.device.muaa()?;
    let group = before.group();
    loop {
        let (muaa, pending) = (vigil.device.muaa()?, vigil.pending()?);
        if let Some(question) = muaa.join_question() {
            return answer(vigil, &question, report).await;
        }
        if muaa.phase() == Phase::Paired && (muaa.group() != group || pending.typed_at().is_none()) {
            // What this device has to say at once, as its name.
            vigil.look(&mut Report::default()).await?;
            return done(vigil, report);
        }
        let Some(typed) = pending.typed_at() else {
            return Err(ended(pending.ended().unwrap_or("the code that was typed here came to nothing")));
        };
        let waited = sma_imap::now().since(typed);
        if waited > CODE_LIFE + GRACE {
            return Err(too_late(typed));
        }
        let end = Instant::now() + (CODE_LIFE + GRACE).saturating_sub(waited) + Duration::from_secs(1);
        let Happening::News(told) = vigil.next(Some(end)).await? else { continue };
        vigil.pass_on(&told);
        if matches!(told.news(), News::Offline {} | News::Online {}) {
            vigil.write(&told.lines);
        }
    }
}

fn too_late(typed: Timestamp) -> Failure {
    let why = format!(
        "the code that was typed here at {} was not answered while it was good: the device that shows it had no connection, or its \
         sma pair had ended; run sma pair there again, and type the new code here",
        words::minute(typed)
    );
    Failure::known("code-expired", 3, why)
}

fn ended(why: &str) -> Failure {
    let then = "; the other device shows a new one while its sma pair runs: type that here, with sma pair and the code";
    let then = if why == "the code was wrong" {
        then
    } else {
        "; run sma pair on the other device again, and type the new code here"
    };
    Failure::known("pairing-ended", 3, format!("{why}{then}"))
}

/// A device with keys or a group is asked before it goes over to another one; whose that is is shown first.
pub(super) async fn answer(
    vigil: &mut Vigil,
    question: &JoinQuestion,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut shown = Report::default();
    asked::join(&vigil.device.muaa()?, &vigil.device.names()?, &mut shown);
    let (value, lines) = shown.into_parts();
    report.set("join", value["join"].clone());
    vigil.write(&lines);
    if question.goes_at.is_some() {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        let why = "this device has keys of its own: sma pair --confirm takes it there with them, sma pair --decline does not";
        return Err(Failure::known("join-pending", 3, why.to_owned()));
    }
    if question::confirm("Go there, with all keys and all devices of this one's group?", false).await.is_err()
    {
        return steps::step(vigil, steps::Step::Decline, report).await;
    }
    steps::confirm(vigil, Some(question), report).await?;
    if vigil.device.muaa()?.phase() == Phase::Paired { done(vigil, report) } else { Ok(()) }
}

/// Says where this device is now.
fn done(vigil: &Vigil, report: &mut Report) -> Result<(), Failure> {
    let muaa = vigil.device.muaa()?;
    let names = vigil.device.names()?;
    let mut members: Vec<_> = muaa.siblings().into_iter().filter(|sibling| sibling.member).collect();
    members.sort_by_key(|sibling| (sibling.name.clone(), sibling.id));
    let value = |sibling: &sma_core::Sibling| json!({ "id": sibling.id.to_string(), "name": sibling.name });
    report.set("paired_with", members.iter().map(value).collect::<Vec<_>>());
    let beside: Vec<_> = members.iter().map(|sibling| names.of_sibling(sibling)).collect();
    report.say(format!("This device, \"{}\", is paired with {}.", vigil.own_name()?, beside.join(", ")));
    if let Some(key) = muaa.account().current {
        report.say(format!("Mail uses the key {key}."));
    }
    Ok(())
}
