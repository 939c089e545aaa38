//! The stories in `transcripts/`: each line says what people do and what goes wrong, and below it stands all that the devices
//! do. `REWRITE=1` writes them anew; rewrite only what you can explain.

use std::time::Duration;

use datadriven::TestCase;
use sma_core::{Class, Command, Envelope, Folder, MuaaId, Op, OpError, Timestamp, Token};
use sma_sim::{
    lab::Fate,
    mail::{Key, Mail, address},
    person,
    stage::{Mishap, Stage},
    store::Kept,
};

#[test]
fn every_story_goes_as_it_is_written() {
    datadriven::walk("transcripts", |file| {
        let mut story = Story { stage: Stage::new(), said: 0 };
        let name = file.filename.clone();
        file.run(|case| {
            story.play(case).unwrap_or_else(|why| panic!("{name}: {} cannot be: {why}", case.directive))
        });
    });
}

struct Story {
    stage: Stage,
    said: u64,
}

impl Story {
    fn play(&mut self, case: &mut TestCase) -> Result<String, String> {
        let answer = match case.directive.as_str() {
            "muaa" => self.muaa(case)?,
            "do" => self.wish(case)?,
            "settle" => {
                self.stage.settle();
                String::new()
            }
            "advance" => {
                self.stage.advance(duration(&word(case, |w| w.ends_with(['s', 'm', 'h', 'd']))?)?);
                String::new()
            }
            "crash" => {
                let at = self.who(case)?;
                self.stage.crash(at);
                String::new()
            }
            "restart" => {
                let at = self.who(case)?;
                self.stage.lab.start(at);
                String::new()
            }
            "cut" => {
                let at = self.who(case)?;
                self.stage.cut.insert(at);
                String::new()
            }
            "heal" => {
                let at = self.who(case)?;
                self.stage.cut.remove(&at);
                String::new()
            }
            "fail" => self.fail(case)?,
            "inject" => self.inject(case)?,
            "rm-folder" => {
                let name = word(case, |w| w.starts_with('_'))?;
                self.stage.delete_folder(Folder::parse(&name).ok_or("no folder of the archive")?);
                String::new()
            }
            "mk-folder" => {
                let name = word(case, |w| w.starts_with('_'))?;
                let folder = Folder::parse(&name).ok_or("no folder of the archive")?;
                let made = self.stage.lab.store.apply(&Op::CreateFolder(folder), self.stage.lab.now);
                made.map(|_| String::new()).map_err(|error| error.to_string())?
            }
            "renumber" => {
                let name = word(case, |w| w.starts_with('_'))?;
                let folder = Folder::parse(&name).ok_or("no folder of the archive")?;
                self.stage.lab.truth.forget_foreign(folder);
                self.stage.lab.store.change_validity(folder);
                String::new()
            }
            "quota" => {
                self.stage.lab.store.quota = word(case, |w| w.parse::<u64>().is_ok())?.parse().unwrap_or(0);
                String::new()
            }
            "store" => self.store(),
            "state" => self.state(),
            "recommend" => self.recommend(&word(case, |_| true)?)?,
            "check" => self.stage.broken().unwrap_or_else(|| "every invariant holds".to_owned()),
            other => return Err(format!("no story knows the word {other}")),
        };
        case.expect_empty().map_err(|error| error.to_string())?;
        let mut lines = self.stage.lab.trace.take();
        if let Some(violation) = &self.stage.lab.violation {
            return Err(format!("{}: {}\n{}", violation.invariant, violation.sentence, lines.join("\n")));
        }
        lines.extend(answer.lines().map(str::to_owned));
        Ok(if lines.is_empty() { String::new() } else { lines.join("\n") + "\n" })
    }

    fn muaa(&mut self, case: &mut TestCase) -> Result<String, String> {
        let id = word(case, |w| w.parse::<u64>().is_ok())?.parse().map_err(|_| "no id")?;
        let at = self.stage.add(id);
        if let Some(name) = taken(case, "called") {
            self.stage.lab.machines[at].name = name;
        }
        Ok(String::new())
    }

    /// `do 27 offer to=1`: the answer is the complaint, if there is one.
    fn wish(&mut self, case: &mut TestCase) -> Result<String, String> {
        let at = self.who(case)?;
        let other = |story: &Self, case: &mut TestCase, key: &str| match taken(case, key) {
            Some(name) => story.named(&name).map(Some),
            None => Ok(None),
        };
        let verb = word(case, |_| true)?;
        let to = other(self, case, "to")?;
        let of = other(self, case, "of")?;
        let id = |story: &Self, at: Option<usize>| at.and_then(|at| story.stage.id(at));
        let command = match verb.as_str() {
            "poll" => Command::Poll,
            "offer" => Command::Offer { to: id(self, to) },
            "code" => return Ok(complaint(self.stage.type_code(of.ok_or("of whom?")?, at))),
            "wrong-code" | "mistyped-code" => {
                let of = of.ok_or("of whom?")?;
                let shown = self.stage.lab.machines[of].shown.clone().ok_or("no code is shown")?;
                let other = person::other_code(&shown.code);
                let code = if verb == "wrong-code" { other } else { swap_last(&shown.code) };
                Command::EnterCode { code, from: id(self, Some(of)) }
            }
            "reject" => Command::Reject { id: id(self, of).ok_or("whom?")? },
            "remove" => {
                let target = of.and_then(|of| self.stage.lab.machines[of].muaa.as_ref());
                let target = target.map(sma_core::Muaa::fingerprint);
                self.stage.lab.truth.removed.extend(target);
                Command::Remove { id: id(self, of).ok_or("whom?")? }
            }
            "leave" => Command::Leave,
            "return" => Command::Return,
            "mail" => self.mail(case)?.read(),
            "gossip" => {
                let mail = Mail { key: None, ..self.mail(case)? };
                let about = taken(case, "about").ok_or("about whom?")?;
                mail.decrypted(&about, &key(case)?.ok_or("which key?")?)
            }
            "forget" => {
                let peer = taken(case, "peer").and_then(|name| address(&name)).ok_or("whom?")?;
                Command::DeletePeer { address: peer.to_string(), date: self.dated(case)? }
            }
            "start-apart" => Command::StartApart,
            "prefer" => Command::SetPreferEncrypt { mutual: true },
            "rename" => Command::Rename { name: taken(case, "name").ok_or("to which name?")? },
            other => return Err(format!("nobody can {other}")),
        };
        Ok(complaint(self.stage.command(at, command)))
    }

    /// `do 1 mail from=bob date=3d key=k1 mutual`: a mail that was dated three days ago and arrives just now. `date=year-3000`
    /// is a forged one.
    fn mail(&mut self, case: &mut TestCase) -> Result<Mail, String> {
        let date = self.dated(case)?;
        let from = taken(case, "from").ok_or("from whom?")?;
        // Gossip has its key behind `about`.
        let key = if case.args.contains_key("about") { None } else { key(case)? };
        Ok(Mail { from, date, received: self.stage.lab.now, key })
    }

    fn dated(&self, case: &mut TestCase) -> Result<Timestamp, String> {
        let now = self.stage.lab.now;
        Ok(match taken(case, "date").as_deref() {
            None => now,
            Some("year-3000") => Timestamp::from_secs(32_503_680_000),
            Some(ago) => Timestamp(now.0.saturating_sub(duration(ago)?.as_millis() as u64)),
        })
    }

    /// What each device recommends for a mail to somebody, and with which key.
    fn recommend(&self, name: &str) -> Result<String, String> {
        let peer = address(name).ok_or("no name")?;
        let lines = self.stage.lab.machines.iter().filter_map(|machine| {
            let advice = machine.muaa.as_ref()?.recommendation([&peer], false, |_| true);
            let key = advice.keys.get(&peer).map(|key| format!(" with {}", String::from_utf8_lossy(key)));
            let word = format!("{:?}", advice.recommendation).to_lowercase();
            Some(format!("{}: {word}{}", machine.name, key.unwrap_or_default()))
        });
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }

    /// `fail 27 on=accept how=refused`, with `crash` if the program dies as well.
    fn fail(&mut self, case: &mut TestCase) -> Result<String, String> {
        let at = self.who(case)?;
        let on = taken(case, "on").ok_or("on what?")?;
        let how = taken(case, "how").ok_or("how?")?;
        let fate = match how.as_str() {
            "refused" => Fate::Refused(OpError::Denied),
            "full" => Fate::Refused(OpError::OverQuota),
            "unknown-done" => Fate::UnknownDone,
            "unknown-lost" => Fate::UnknownLost,
            "fine" => Fate::Fine,
            other => return Err(format!("nothing fails {other}")),
        };
        let crash = case.take_flag("crash").map_err(|error| error.to_string())?;
        self.stage.mishaps.push(Mishap { at, on, fate, crash });
        Ok(String::new())
    }

    /// `inject _Autocrypt_SMA_27 foreign`: `foreign`, `huge`, `garbage`, or `replay` of the last message there was.
    fn inject(&mut self, case: &mut TestCase) -> Result<String, String> {
        let name = word(case, |w| w.starts_with('_'))?;
        let folder = Folder::parse(&name).ok_or("no folder of the archive")?;
        let what = word(case, |_| true)?;
        self.said += 1;
        let kept = match what.as_str() {
            "foreign" => Kept::Foreign(b"a mail that a filter filed here"[..].into()),
            "huge" => Kept::Huge(100 << 20),
            "garbage" => Kept::Envelope(Envelope {
                sender: MuaaId(666),
                token: Token([self.said as u8; 16]),
                class: Class::Request,
                date: self.stage.lab.now.hour(),
                body: b"garbage"[..].into(),
            }),
            other => return Err(format!("nobody injects {other}")),
        };
        let uid = self.stage.lab.store.put(folder, kept.clone(), true, self.stage.lab.now);
        let uid = uid.ok_or("there is no such folder")?;
        if let Kept::Foreign(octets) = kept {
            self.stage.lab.truth.foreign.push((folder, uid, octets));
        }
        for at in 0..self.stage.lab.machines.len() {
            self.stage.lab.notice(at, folder);
        }
        Ok(format!("uid {}", uid.0))
    }

    fn store(&mut self) -> String {
        let mut lines = Vec::new();
        for (folder, mailbox) in self.stage.lab.store.folders.clone() {
            let names = &mut self.stage.lab.trace.names;
            let messages: Vec<_> = mailbox
                .messages
                .iter()
                .map(|(uid, stored)| match &stored.kept {
                    Kept::Envelope(envelope) => format!("uid {} {}", uid.0, names.envelope(envelope)),
                    Kept::Foreign(_) => format!("uid {} foreign", uid.0),
                    Kept::Huge(_) => format!("uid {} too large", uid.0),
                })
                .collect();
            let content = if messages.is_empty() { "empty".to_owned() } else { messages.join(", ") };
            lines.push(format!("{}: {content}", names.folder(folder)));
        }
        lines.join("\n")
    }

    fn state(&mut self) -> String {
        let mut lines = Vec::new();
        let mut account_keys = Vec::new();
        for machine in &self.stage.lab.machines {
            let Some(muaa) = &machine.muaa else {
                lines.push(format!("{}: off", machine.name));
                continue;
            };
            let names = &mut self.stage.lab.trace.names;
            let mut line = format!("{}: {}", machine.name, muaa.phase().name());
            if let Some(group) = muaa.group() {
                let members: Vec<_> = muaa.members().into_iter().map(|id| names.id(id)).collect();
                line += &format!(", {} of {}", names.group(group), members.join(" "));
            }
            let account = muaa.account();
            if let Some(current) = account.current {
                let at = account_keys.iter().position(|key| *key == current).unwrap_or(account_keys.len());
                account_keys.extend((at == account_keys.len()).then_some(current));
                line += &format!(", account key {} of {}", at + 1, account.keys.len());
            }
            lines.push(line);
        }
        lines.join("\n")
    }

    fn who(&self, case: &mut TestCase) -> Result<usize, String> {
        let names: Vec<_> = self.stage.lab.machines.iter().map(|machine| machine.name.clone()).collect();
        let name = word(case, |w| names.iter().any(|name| name == w))?;
        self.named(&name)
    }

    fn named(&self, name: &str) -> Result<usize, String> {
        let found = self.stage.lab.machines.iter().position(|machine| machine.name == name);
        found.ok_or_else(|| format!("there is no device {name}"))
    }
}

fn key(case: &mut TestCase) -> Result<Option<Key>, String> {
    let mutual = case.take_flag("mutual").map_err(|error| error.to_string())?;
    Ok(taken(case, "key").map(|name| Key { octets: name.into(), mutual }))
}

fn complaint(done: Result<(), String>) -> String {
    done.err().map(|why| format!("no: {why}")).unwrap_or_default()
}

/// Takes the word that fits; arguments come in no order.
#[allow(clippy::disallowed_methods, reason = "what the map gives is sorted")]
fn word(case: &mut TestCase, fits: impl Fn(&str) -> bool) -> Result<String, String> {
    let mut words: Vec<_> = case.args.iter().filter(|(key, values)| values.is_empty() && fits(key)).collect();
    words.sort();
    let word = words.first().map(|(key, _)| (*key).clone()).ok_or("a word is missing")?;
    case.args.remove(&word);
    Ok(word)
}

fn taken(case: &mut TestCase, key: &str) -> Option<String> {
    case.args.remove(key).and_then(|values| values.into_iter().next())
}

/// The last two digits exchanged: what the check digit is there for. Equal ones are counted up instead.
fn swap_last(code: &str) -> String {
    let mut digits: Vec<char> = code.chars().filter(char::is_ascii_digit).collect();
    let last = digits.len() - 1;
    if digits[last] == digits[last - 1] {
        digits[last] = char::from_digit((digits[last].to_digit(10).unwrap_or(0) + 1) % 10, 10).unwrap_or('0');
    } else {
        digits.swap(last, last - 1);
    }
    digits.into_iter().collect()
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.len() - 1);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(format!("{text} is no time")),
    };
    let number: u64 = number.parse().map_err(|_| format!("{text} is no time"))?;
    Ok(Duration::from_secs(number * seconds))
}
