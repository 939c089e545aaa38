//! The stories in `transcripts/`: each line says what people do and what goes wrong, and below it stands all that the devices
//! do. `REWRITE=1` writes them anew; rewrite only what you can explain. `STORY=name`
//! plays one alone.

#[path = "stories/later.rs"]
mod later;
#[path = "stories/mail.rs"]
mod mail;
#[path = "stories/people.rs"]
mod people;
#[path = "stories/server.rs"]
mod server;
#[path = "stories/show.rs"]
mod show;

use std::{collections::BTreeMap, time::Duration};

use datadriven::TestCase;
use sma_core::Op;
use sma_sim::{stage::Stage, store::Store};

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
            "backup" | "restore" | "copy" => self.backup(case)?,
            "fail" => self.fail(case)?,
            "arrives" => self.arrives(case)?,
            "inject" => self.inject(case)?,
            "later" => self.later(case)?,
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
            "recommend" => self.recommend(case)?,
            "devices" => self.devices(),
            "settings" => self.settings(),
            "comparison" => self.comparison(),
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

    /// `backup 1` keeps what 1 has saved; `restore 1` puts it back; `copy 1` makes a second machine of it, called `1b`.
    fn backup(&mut self, case: &mut TestCase) -> Result<String, String> {
        let at = self.who(case)?;
        let lab = &mut self.stage.lab;
        match case.directive.as_str() {
            "backup" => lab.back_up(at),
            "restore" => {
                lab.restore_backup(at);
                lab.start(at);
            }
            _ => {
                let copy = lab.add_copy(at, [0xc0; 32]);
                lab.machines[copy].name = format!("{}b", lab.machines[at].name);
                lab.start(copy);
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
        }
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
