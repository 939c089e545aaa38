//! What the facts mean, and what a person does about it.

use sma_core::{Folder, OpError, Phase};
use sma_imap::{Probe, Refused};

use super::facts::{Facts, Other, ahead};
use crate::{
    failure::{Failure, advice},
    refusal, words,
};

/// So many seconds two clocks may differ: mail has its time on the way, and servers write whole seconds.
const CLOCK_MAX: i64 = 120;
/// A server that takes less than this takes no account's whole state, in octets.
const MESSAGE_MAX: u64 = 2 << 20;

/// One thing that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Finding {
    /// As docs/json.md lists them.
    pub(super) cause: String,
    /// Whether it keeps this device from its work; else it is good to know.
    pub(super) is_fault: bool,
    /// What is so, without a full stop.
    pub(super) what: String,
    /// What to do, without a full stop.
    pub(super) remedy: String,
}

impl Finding {
    fn fault(cause: &str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { cause: cause.to_owned(), is_fault: true, what: what.into(), remedy: remedy.into() }
    }

    fn note(cause: &str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { is_fault: false, ..Self::fault(cause, what, remedy) }
    }
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    files(facts, &mut findings);
    if let Some((phase, _)) = facts.standing {
        findings.extend(standing(phase));
    }
    match &facts.server_did {
        Some(Err(failure)) => findings.push(server(failure)),
        Some(Ok(probe)) => {
            let folder = facts.standing.and_then(|(phase, folder)| folder.filter(|_| takes_part(phase)));
            tried(probe, folder, &mut findings);
        }
        None => {}
    }
    findings.sort_by_key(|finding| !finding.is_fault);
    findings
}

fn files(facts: &Facts, findings: &mut Vec<Finding>) {
    if let Some(failure) = &facts.settings {
        let remedy = if failure.word() == "not-set-up" {
            "sma doctor --address anna@example.org --imap imaps://anna@mail.example.org tries out what sma setup would be given"
        } else {
            "run sma setup with the account's address and server"
        };
        let cause = if failure.word() == "damaged" { "damaged-settings" } else { failure.word() };
        findings.push(Finding::fault(cause, sentence(failure), remedy));
    }
    if let Some(failure) = &facts.state {
        let cause = if failure.word() == "damaged" { "damaged-state" } else { failure.word() };
        let remedy = "put the file back from a backup; or move it away and run sma setup and sma pair, which begins anew as another \
                      device, and remove this one on another (sma devices remove)";
        findings.push(Finding::fault(cause, sentence(failure), remedy));
    }
    if facts.is_open {
        let remedy = "chmod -R go= on the state directory makes it your own; if others use this computer, treat the keys as known to \
                      them";
        findings.push(Finding::fault(
            "open-files",
            "other users of this computer may read the state with its keys",
            remedy,
        ));
    }
    match facts.other {
        Some(Other::Silent) => findings.push(Finding::fault(
            "second-process",
            "another process has this device and does not serve other commands",
            "wait for it to end, or find it with fuser on the file lock in the state directory, and end it",
        )),
        Some(Other::Serves) => findings.push(Finding::note(
            "served",
            "another sma, as sma watch, has this device and serves the others",
            "nothing is to be done",
        )),
        None => {}
    }
}

fn standing(phase: Phase) -> Option<Finding> {
    match phase {
        Phase::Suspended => Some(Finding::fault(
            "folder-deleted",
            "this device's folder was deleted on the server, so it takes no part",
            "sma devices return makes it again; sma devices leave ends this device",
        )),
        Phase::Removed => Some(Finding::fault(
            "removed",
            "this device was removed from the group, by another one or because it was silent for a year",
            advice(phase),
        )),
        Phase::Left => Some(Finding::fault("left", "this device has left its group", advice(phase))),
        Phase::Unpaired | Phase::Requesting => Some(Finding::note(
            "not-paired",
            "this device is new on the account and not paired with the others",
            advice(phase),
        )),
        Phase::Discovering | Phase::Alone | Phase::Paired => None,
    }
}

fn takes_part(phase: Phase) -> bool {
    match phase {
        Phase::Alone | Phase::Paired | Phase::Unpaired | Phase::Requesting => true,
        Phase::Discovering | Phase::Suspended | Phase::Removed | Phase::Left => false,
    }
}

/// The server was not reached, or let nobody in. The failure says what and what to do in one.
fn server(failure: &Failure) -> Finding {
    let what = sentence(failure);
    let remedy = match failure.word() {
        "login-refused" | "login-not-now" | "append-refused" if advised(failure).is_some() => {
            return Finding::fault(failure.word(), what_alone(&what), advised(failure).unwrap_or_default());
        }
        "login-refused" => {
            "give the right password; some providers want one made for the program, in the account's security settings on the web, or let \
             no program in before IMAP is turned on there"
        }
        "login-not-now" => {
            "wait some minutes; too many programs may be connected at once, or the provider has trouble"
        }
        "no-host" => "sma setup with the right --imap; the provider's help pages name its IMAP server",
        "wrong-port" => "sma setup with the right port in --imap, 993 as a rule",
        "wrong-tls" => {
            "sma setup with imaps:// for a port with TLS, 993 as a rule; imap:// is for this computer alone"
        }
        "unknown-authority" => {
            "sma doctor --ca-file FILE, with the file of the authority, shows whether that is all; sma setup --ca-file FILE keeps it"
        }
        "other-name" => "sma setup with the name in --imap that the certificate is for",
        "certificate-dates" => {
            "look at the date of this computer; if it is right, only the provider can help"
        }
        "offline" => "look whether this computer is on the network, and try again",
        _ => "see what the sentence says",
    };
    Finding::fault(failure.word(), what_alone(&what), remedy)
}

/// What follows is advice, which the remedy gives at length.
fn what_alone(what: &str) -> &str {
    what.rsplit_once("; ").map_or(what, |(what, _)| what)
}

/// What the code in the server's answer asks for; of a wrong password alone more is known here.
fn advised(failure: &Failure) -> Option<&'static str> {
    let (_, said) = failure.sentence().split_once(": ")?;
    refusal::advice(said).filter(|_| !said.starts_with("[AUTHENTICATIONFAILED]"))
}

/// What the server did when it was tried.
fn tried(probe: &Probe, own: Option<Folder>, findings: &mut Vec<Finding>) {
    let refusals =
        [("make a folder", &probe.made, "folder-limit"), ("take a message", &probe.filed, "append-refused")];
    for (what, result, cause) in refusals {
        if let Err(refused) = result {
            findings.push(refusal(what, refused, cause));
        }
    }
    if let Err(Refused { .. }) = &probe.deleted {
        findings.push(Finding::note(
            "delete-refused",
            "the server does not delete folders, so what devices leave behind stays there",
            "delete old folders _Autocrypt_SMA_… by hand in the provider's web mail; no mail is in them",
        ));
    }
    if let Some(own) = own.filter(|own| !probe.folders.contains(own)) {
        findings.push(Finding::fault(
            "folder-deleted",
            format!("this device's folder {} is not on the server: somebody deleted it", own.name()),
            "sma sync looks again, and says what to do; sma devices return makes the folder again",
        ));
    }
    if let Some(ahead) = ahead(probe).filter(|ahead| ahead.abs() > CLOCK_MAX) {
        let way = if ahead > 0 { "ahead of" } else { "behind" };
        findings.push(Finding::fault(
            "clock",
            format!("this computer's clock is {} {way} the server's", duration(ahead.unsigned_abs())),
            "set this computer's clock, by the network if it can; what it says of when things happened is wrong until then",
        ));
    }
    if !probe.can_idle {
        findings.push(Finding::note(
            "no-idle",
            "the server does not tell of news by itself (IDLE), so others are heard at the next look",
            "sma watch looks every 30 seconds; --poll changes that",
        ));
    }
    if !probe.can_expunge_one {
        findings.push(Finding::note(
            "no-uidplus",
            "the server cannot take away one message alone (UIDPLUS), so it takes a little longer",
            "nothing is to be done",
        ));
    }
    if let Some(max) = probe.message_max.filter(|max| *max < MESSAGE_MAX) {
        findings.push(Finding::note(
            "message-limit",
            format!("the server takes messages up to {max} octets, and an account with much in it needs more to pair"),
            "if pairing fails because of it, ask the provider",
        ));
    }
    if !probe.prefix.is_empty() {
        findings.push(Finding::note(
            "prefix",
            format!("the server keeps all folders under \"{}\"", probe.prefix),
            "nothing is to be done; other mail programs show the folders there",
        ));
    }
}

fn refusal(what: &str, refused: &Refused, cause: &str) -> Finding {
    let said = if refused.text.is_empty() { refused.error.to_string() } else { refused.text.clone() };
    if refused.error == OpError::OverQuota {
        let remedy = "delete mail, also in the folders for spam and trash, or have the provider give the account more room";
        return Finding::fault(
            "quota",
            format!("the account is full: the server does not {what} ({said})"),
            remedy,
        );
    }
    let remedy = match cause {
        _ if refusal::advice(&refused.text).is_some() => refusal::advice(&refused.text).unwrap_or_default(),
        "folder-limit" => {
            "delete folders that are not needed, in the provider's web mail: most servers have a limit; if there are few, ask the provider \
             whether programs may make folders"
        }
        _ => "ask the provider; nothing of this computer is in the way",
    };
    Finding::fault(cause, format!("the server does not {what} ({said})"), remedy)
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A failure's sentence, which has no full stop.
fn sentence(failure: &Failure) -> String {
    words::plain(failure.sentence().trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use sma_core::{MuaaId, Timestamp};
    use sma_imap::{Error, Unreachable};

    use super::*;

    const OWN: Folder = Folder::Inbox(MuaaId(27));

    fn healthy() -> Facts {
        let at = Timestamp::from_secs(1_700_000_000);
        let probe = Probe { folders: vec![Folder::Announcements, OWN], times: Some((at, at)), ..probe() };
        Facts { standing: Some((Phase::Paired, Some(OWN))), server_did: Some(Ok(probe)), ..Facts::default() }
    }

    fn probe() -> Probe {
        Probe::good()
    }

    /// The causes that are found, faults first.
    fn causes(facts: &Facts) -> Vec<String> {
        let findings = judge(facts);
        assert!(
            findings.iter().all(|finding| !finding.remedy.ends_with('.') && !finding.what.ends_with('.'))
        );
        findings.into_iter().map(|finding| finding.cause).collect()
    }

    fn fails(error: Error) -> Facts {
        Facts { server_did: Some(Err(error.into())), ..healthy() }
    }

    fn did(change: impl FnOnce(&mut Probe)) -> Facts {
        let mut facts = healthy();
        if let Some(Ok(probe)) = &mut facts.server_did {
            change(probe);
        }
        facts
    }

    fn refused(error: OpError) -> Result<(), Refused> {
        Err(Refused { error, text: "no".into() })
    }

    #[test]
    fn each_thing_that_is_wrong_is_named_and_nothing_else() {
        let unreachable = |why| fails(Error::Unreachable { server: "mail:993".into(), why });
        let login = Error::Login { server: "mail:993".into(), login: "anna".into(), text: "no".into() };
        let busy = Error::Busy { server: "mail:993".into(), text: "no".into() };
        let with = |change: &dyn Fn(&mut Facts)| {
            let mut facts = healthy();
            change(&mut facts);
            facts
        };
        let damaged = || Some(Failure::known("damaged", 1, "damaged".into()));
        for (facts, cause) in [
            (fails(login), "login-refused"),
            (fails(busy), "login-not-now"),
            (unreachable(Unreachable::NoHost), "no-host"),
            (unreachable(Unreachable::Refused), "wrong-port"),
            (unreachable(Unreachable::NoTls), "wrong-tls"),
            (unreachable(Unreachable::NoGreeting), "wrong-tls"),
            (unreachable(Unreachable::UnknownAuthority), "unknown-authority"),
            (unreachable(Unreachable::OtherName), "other-name"),
            (unreachable(Unreachable::Ended), "certificate-dates"),
            (unreachable(Unreachable::Silent), "offline"),
            (did(|probe| probe.times = Some((Timestamp(0), Timestamp::from_secs(121)))), "clock"),
            (did(|probe| probe.times = Some((Timestamp::from_secs(121), Timestamp(0)))), "clock"),
            (did(|probe| probe.made = refused(OpError::OverQuota)), "quota"),
            (did(|probe| probe.filed = refused(OpError::OverQuota)), "quota"),
            (did(|probe| probe.made = refused(OpError::Denied)), "folder-limit"),
            (did(|probe| probe.filed = refused(OpError::Denied)), "append-refused"),
            (did(|probe| probe.folders = vec![Folder::Announcements]), "folder-deleted"),
            (did(|probe| probe.can_idle = false), "no-idle"),
            (did(|probe| probe.can_expunge_one = false), "no-uidplus"),
            (did(|probe| probe.message_max = Some(100_000)), "message-limit"),
            (did(|probe| probe.prefix = "INBOX.".into()), "prefix"),
            (with(&|facts| facts.standing = Some((Phase::Removed, Some(OWN)))), "removed"),
            (with(&|facts| facts.standing = Some((Phase::Suspended, Some(OWN)))), "folder-deleted"),
            (with(&|facts| facts.state = damaged()), "damaged-state"),
            (with(&|facts| facts.settings = damaged()), "damaged-settings"),
            (with(&|facts| facts.is_open = true), "open-files"),
            (with(&|facts| facts.other = Some(Other::Silent)), "second-process"),
            (with(&|facts| facts.other = Some(Other::Serves)), "served"),
        ] {
            assert_eq!(causes(&facts), [cause]);
        }
        assert_eq!(causes(&healthy()), [""; 0]);
        assert_eq!(
            causes(&did(|probe| probe.times = Some((Timestamp(0), Timestamp::from_secs(119))))),
            [""; 0]
        );
    }

    #[test]
    fn what_is_wrong_comes_before_what_is_good_to_know() {
        let mut facts = did(|probe| (probe.can_idle, probe.made) = (false, refused(OpError::Denied)));
        facts.other = Some(Other::Serves);
        assert_eq!(causes(&facts), ["folder-limit", "served", "no-idle"]);
    }
}
