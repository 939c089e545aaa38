//! The stories in `transcripts/`: each line says what people do and what goes wrong, and below it stands all that the devices
//! do. `REWRITE=1` writes them anew; rewrite only what you can explain. `STORY=name`
//! plays one alone.

#[path = "stories/people.rs"]
mod people;
#[path = "stories/server.rs"]
mod server;
#[path = "stories/show.rs"]
mod show;

use std::{collections::BTreeMap, time::Duration};

use datadriven::TestCase;
<<<<<<< HEAD
use sma_core::{Class, Command, Envelope, Folder, MuaaId, Op, OpError, Timestamp, Token};
use sma_sim::{
    lab::Fate,
    mail::{Key, Mail, address},
    person,
    stage::{Mishap, Stage},
    store::Kept,
};
=======
use sma_core::Op;
use sma_sim::{stage::Stage, store::Store};
>>>>>>> main

#[test]
fn every_story_goes_as_it_is_written() {
    let which = std::env::var("STORY").map(|name| format!("/{name}.txt")).unwrap_or_default();
    datadriven::walk(&format!("transcripts{which}"), |file| {
        let mut story = Story { stage: Stage::new(), said: 0, saved: BTreeMap::new() };
        let name = file.filename.clone();
        file.run(|case| {
            story.play(case).unwrap_or_else(|why| panic!("{name}: {} cannot be: {why}", case.directive))
        });
    });
}

struct Story {
    stage: Stage,
    said: u64,
    saved: BTreeMap<String, Store>,
}

impl Story {
    fn play(&mut self, case: &mut TestCase) -> Result<String, String> {
        let answer = match case.directive.as_str() {
            "muaa" => self.muaa(case)?,
            "paired" => self.paired(case)?,
            "pair" => self.pair(case)?,
            "do" => self.wish(case)?,
            "settle" => {
                self.stage.settle();
                String::new()
            }
            "advance" => self.advance(case)?,
            "crash" | "restart" | "off" | "on" | "cut" | "heal" => self.power(case)?,
            "fail" => self.fail(case)?,
            "inject" => self.inject(case)?,
            "replay" => self.replay(case)?,
            "drop" => self.lose(case)?,
            "rm-folder" | "mk-folder" | "renumber" => self.folder(case)?,
            "quota" => self.quota(case)?,
            "body-max" => self.body_max(case)?,
            "personality" => self.personality(case)?,
            "server" => self.server(case)?,
            "dates" => self.dates(case)?,
            "clock" => self.clock(case)?,
            "store" => self.store(),
            "state" => self.state(),
<<<<<<< HEAD
            "recommend" => self.recommend(&word(case, |_| true)?)?,
=======
            "settings" => self.settings(),
            "comparison" => self.comparison(),
>>>>>>> main
            "check" => self.stage.broken().unwrap_or_else(|| "every invariant holds".to_owned()),
            other => return Err(format!("no story knows the word {other}")),
        };
        let events_only = case.take_flag("quiet").map_err(|error| error.to_string())?;
        case.expect_empty().map_err(|error| error.to_string())?;
        let mut lines = self.stage.lab.trace.take();
        if let Some(violation) = &self.stage.lab.violation {
            return Err(format!("{}: {}\n{}", violation.invariant, violation.sentence, lines.join("\n")));
        }
        lines.retain(|line| !events_only || !line.contains(" -> "));
        lines.extend(answer.lines().map(str::to_owned));
        Ok(if lines.is_empty() { String::new() } else { lines.join("\n") + "\n" })
    }

    /// `advance 3d`: time passes; with `quiet`, which goes with every word, only what devices tell is shown.
    fn advance(&mut self, case: &mut TestCase) -> Result<String, String> {
        let time =
            word(case, |w| w.ends_with(['s', 'm', 'h', 'd']) && w.starts_with(|c: char| c.is_ascii_digit()))?;
        self.stage.advance(Duration::from_millis(milliseconds(&time)?.unsigned_abs()));
        Ok(String::new())
    }

    /// Programs end and begin, all of them or one, and lose and get back their connections.
    fn power(&mut self, case: &mut TestCase) -> Result<String, String> {
        let all = case.take_flag("all").map_err(|error| error.to_string())?;
        let those = if all { (0..self.stage.lab.machines.len()).collect() } else { vec![self.who(case)?] };
        for at in those {
            match case.directive.as_str() {
                "crash" => self.stage.crash(at),
                "off" => self.stage.lab.stop(at),
                "restart" | "on" => self.stage.lab.start(at),
                "cut" => {
                    self.stage.cut.insert(at);
                }
                _ => {
                    self.stage.cut.remove(&at);
                }
            }
        }
        Ok(String::new())
    }

    /// A person deletes or makes a folder; a server gives it another validity.
    fn folder(&mut self, case: &mut TestCase) -> Result<String, String> {
        let all = case.take_flag("all").map_err(|error| error.to_string())?;
        let folders = if all {
            self.stage.lab.store.folders.keys().copied().collect()
        } else {
            vec![server::folder(case)?]
        };
        for folder in folders {
            match case.directive.as_str() {
                "rm-folder" => self.stage.delete_folder(folder),
                "mk-folder" => {
                    let made = self.stage.lab.store.apply(&Op::CreateFolder(folder), self.stage.lab.now);
                    made.map_err(|error| error.to_string())?;
                }
                _ => {
                    self.stage.lab.truth.forget_foreign(folder);
                    self.stage.lab.store.change_validity(folder);
                }
            }
<<<<<<< HEAD
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
=======
        }
>>>>>>> main
        Ok(String::new())
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

/// The numbers among the words, in order of size.
#[allow(clippy::disallowed_methods, reason = "what the map gives is sorted")]
fn numbers(case: &mut TestCase) -> Vec<u64> {
    let mut numbers: Vec<u64> = case.args.keys().filter_map(|key| key.parse().ok()).collect();
    case.args.retain(|key, _| key.parse::<u64>().is_err());
    numbers.sort_unstable();
    numbers
}

/// `3650d`, `10m`.
fn milliseconds(text: &str) -> Result<i64, String> {
    let no_time = || format!("{text} is no time");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(no_time)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(no_time()),
    };
    Ok(number.parse::<i64>().map_err(|_| no_time())? * seconds * 1000)
}
