//! The side that shows a code: it stays until the newcomer is in.

use std::time::Duration;

use serde_json::json;
use sma_core::{Command, Form, MuaaId, SessionId};
use tokio::time::Instant;

use super::vigil::{Happening, Vigil};
use crate::{
    control::{News, Told},
    failure::Failure,
    pending::{CODE_LIFE, Shown},
    qr,
    report::Report,
    words,
};

/// So many codes are shown in turn to somebody who does not come.
const CODES_MAX: usize = 6;
/// How long a newcomer that was let in may take to come, which it does by saying what it is called.
const COMING: Duration = Duration::from_secs(60);
/// After so long a person is told what the newcomer may be waiting for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Shows a code or link, and stays until somebody used it, be it one that was shown before.
pub(super) async fn pair(
    vigil: &mut Vigil,
    form: Form,
    to: Option<MuaaId>,
    no_wait: bool,
    report: &mut Report,
) -> Result<(), Failure> {
    if no_wait {
        take_back(vigil, report).await?;
        return vigil.device.command(Command::Offer { to, form }, report).await;
    }
    report.hush();
    vigil.follow().await?;
    let pending = vigil.pending()?;
    if let Some((id, at)) = pending.let_in() {
        if sma_imap::now().since(at) <= CODE_LIFE {
            return welcome(vigil, id, report).await;
        }
        vigil.see()?;
        let who = vigil.device.names()?.of_id(id);
        vigil.say(&format!("At {} the code that was shown before let in device {who}.", words::minute(at)));
    }
    let same = pending.shown().filter(|shown| to.is_none() && shown.form() == form);
    let mut shown = match same {
        Some(shown) => shown.clone(),
        None => offer(vigil, form, to).await?,
    };
    show(vigil, &shown)?;
    for _ in 1..CODES_MAX {
        match used(vigil, &shown).await? {
            Use::LetIn(id) => return welcome(vigil, id, report).await,
            Use::Over => vigil.say("That code is not good any more; this is a new one."),
            Use::Burnt => vigil.say(
                "Somebody typed a wrong code, which makes this one void. If that was you, type the new one; if it was not, somebody \
                 else is trying to get in.",
            ),
            Use::Locked => {
                let why = "three wrong codes were typed within an hour: no code is made for the rest of it; sma pair --link makes a link";
                return Err(Failure::known("codes-locked", 3, why.to_owned()));
            }
        }
        shown = offer(vigil, form, to).await?;
        show(vigil, &shown)?;
    }
    take_back(vigil, &mut Report::default()).await?;
    let why = "nobody came, and the code is void; run sma pair again when the new device is at hand";
    Err(Failure::known("nobody-came", 3, why.to_owned()))
}

/// One code is shown at a time: the newcomer takes the latest for the right one.
async fn take_back(vigil: &mut Vigil, report: &mut Report) -> Result<(), Failure> {
    let pending = vigil.pending()?;
    let session = pending.shown().and_then(|shown| SessionId::parse(&shown.session));
    let Some(session) = session else { return Ok(()) };
    match vigil.device.command(Command::CancelOffer { session }, report).await {
        Err(failure) if failure.word() == "no-such-offer" => Ok(()),
        result => result,
    }
}

async fn offer(vigil: &mut Vigil, form: Form, to: Option<MuaaId>) -> Result<Shown, Failure> {
    take_back(vigil, &mut Report::default()).await?;
    let mut report = Report::default();
    let offered = vigil.device.command(Command::Offer { to, form }, &mut report).await;
    let shown = report.news(Shown::of);
    offered?;
    shown.ok_or_else(|| Failure::known("internal", 1, "no code was made; please report it".to_owned()))
}

fn show(vigil: &Vigil, shown: &Shown) -> Result<(), Failure> {
    let Shown { session, text, expires, is_link, is_awaited: _ } = shown;
    let word = if *is_link { "link" } else { "code" };
    let value = json!({ "event": word, "session": session, word: text, "expires": expires });
    vigil.pass_on(&Told { value, lines: Vec::new() });
    let muaa = vigil.device.muaa()?;
    let names = vigil.device.names()?;
    let own = muaa.id().map(|id| names.short(id)).unwrap_or_default();
    vigil.say("On the new device, after sma setup, type:");
    vigil.say("");
    vigil.say(&format!("    sma pair {text}"));
    vigil.say("");
    vigil.write(&qr::for_terminal(text));
    let minutes = words::minutes(sma_core::Timestamp::from_secs(*expires), sma_imap::now());
    vigil.say(&format!("The {word} is good for {minutes} and for one device. Tell it to nobody."));
    let name = vigil.own_name()?;
    vigil.say(&format!(
        "\"{name}\" ({own}) is waiting for the new device. Ctrl-C ends the wait; the {word} stays good."
    ));
    Ok(())
}

/// What became of a code.
enum Use {
    LetIn(MuaaId),
    Over,
    Burnt,
    Locked,
}

async fn used(vigil: &mut Vigil, shown: &Shown) -> Result<Use, Failure> {
    let mut is_burnt = false;
    loop {
        // One that burns comes just before the word that no more are made.
        let until = is_burnt.then(|| Instant::now() + Duration::from_millis(200));
        let told = match vigil.next(until).await? {
            Happening::News(told) => told,
            Happening::Late if is_burnt => return Ok(Use::Burnt),
            Happening::Late => {
                let pending = vigil.pending()?;
                match (pending.let_in(), pending.shown()) {
                    (Some((id, _)), _) => return Ok(Use::LetIn(id)),
                    (None, None) => return Ok(Use::Over),
                    (None, Some(_)) => continue,
                }
            }
        };
        vigil.pass_on(&told);
        match told.news() {
            News::Added { id, by } => {
                let own = vigil.device.muaa()?.id().map(|id| id.to_string());
                match MuaaId::parse(&id).filter(|_| Some(by) == own) {
                    Some(id) => return Ok(Use::LetIn(id)),
                    None => vigil.write(&told.lines),
                }
            }
            News::CodeBurnt { session } if session == shown.session => is_burnt = true,
            News::CodesLocked {} => return Ok(Use::Locked),
            News::OfferExpired { session } if session == shown.session => return Ok(Use::Over),
            News::Offline {} | News::Online {} => vigil.write(&told.lines),
            News::Code { .. }
            | News::Link { .. }
            | News::CodeBurnt { .. }
            | News::OfferExpired { .. }
            | News::NotReplaced {}
            | News::Joined { .. }
            | News::JoinAsks {}
            | News::Offer { .. }
            | News::PairingEnded { .. }
            | News::Other => {}
        }
    }
}

/// Stays until the newcomer has come. One with keys of its own asks its person first, who may say no.
async fn welcome(vigil: &mut Vigil, id: MuaaId, report: &mut Report) -> Result<(), Failure> {
    vigil.say(&format!("The code was right: device {} is let in.", short(vigil, id)?));
    let start = Instant::now();
    let mut is_told = false;
    let name = loop {
        let sibling =
            vigil.device.muaa()?.siblings().into_iter().find(|sibling| sibling.id == id && sibling.member);
        let Some(sibling) = sibling else { return Err(went(vigil, id)?) };
        if sibling.name.is_some() || start.elapsed() >= COMING {
            break sibling.name;
        }
        if !is_told && start.elapsed() >= PATIENCE {
            is_told = true;
            vigil.say("It has not come yet: if it has a key of its own, it asks there first, and sma pair there goes on.");
        }
        let until = start + if is_told { COMING } else { PATIENCE };
        if let Happening::News(told) = vigil.next(Some(until)).await? {
            vigil.pass_on(&told);
            if matches!(told.news(), News::NotReplaced {} | News::Offline {} | News::Online {}) {
                vigil.write(&told.lines);
            }
        }
    };
    vigil.see()?;
    report.set("paired", json!({ "id": id.to_string(), "name": name, "has_come": name.is_some() }));
    let shown = vigil.device.names()?.of_id(id);
    match name {
        Some(_) => report.say(format!("{shown} is paired with this device, \"{}\".", vigil.own_name()?)),
        None => report.say(format!(
            "Device {shown} is let in and has not come yet. Look at it: it may be asking whether it is to come with the key that it \
             has, which sma pair there answers."
        )),
    }
    Ok(())
}

/// It said no, or was put out again.
fn went(vigil: &Vigil, id: MuaaId) -> Result<Failure, Failure> {
    vigil.see()?;
    let why =
        format!("device {} was let in and did not come: it declined, or was removed", short(vigil, id)?);
    Ok(Failure::known("did-not-come", 3, why))
}

fn short(vigil: &Vigil, id: MuaaId) -> Result<String, Failure> {
    Ok(vigil.device.names()?.short(id))
}
