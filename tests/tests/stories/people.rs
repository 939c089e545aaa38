//! What people do in a story.

use datadriven::TestCase;
use sma_core::{Command, Crypto, Form, Muaa};
use sma_sim::{
    lab::Machine,
    person,
    symbolic::{Symbolic, renewed},
};

use super::{Story, complaint, numbers, server::offset, taken, word};

impl Story {
    pub(super) fn muaa(&mut self, case: &mut TestCase) -> Result<String, String> {
        let id = word(case, |w| w.parse::<u64>().is_ok())?.parse().map_err(|_| "no id")?;
        let at = self.stage.add(id);
        let clock = offset(case)?;
        if clock != 0 {
            self.stage.lab.stop(at);
            self.stage.lab.machines[at].set_clock(clock);
            self.stage.lab.start(at);
        }
        if let Some(name) = taken(case, "called") {
            self.stage.lab.machines[at].name = name;
        }
        Ok(String::new())
    }

    /// `paired 1 2 3`: devices, made if they are not there, are one group; the first founds it or has one. Nothing of this is
    /// shown.
    pub(super) fn paired(&mut self, case: &mut TestCase) -> Result<String, String> {
        let apart = case.take_flag("apart").map_err(|error| error.to_string())?;
        let mut devices = Vec::new();
        for id in numbers(case) {
            let name = id.to_string();
            let there = self.named(&name);
            let at = there.unwrap_or_else(|_| self.stage.add(id));
            self.stage.settle();
            if apart && devices.is_empty() && self.has_no_group(at) {
                self.stage.command(at, Command::StartApart)?;
            }
            if let Some(first) = devices.first()
                && !self.stage.pair(*first, at)
            {
                return Err(format!("{name} does not pair"));
            }
            devices.push(at);
        }
        self.stage.settle();
        self.stage.lab.trace.take();
        Ok(String::new())
    }

    fn has_no_group(&self, at: usize) -> bool {
        self.stage.lab.machines[at].muaa.as_ref().is_some_and(|muaa| muaa.group().is_none())
    }

    /// `pair 1 with=3`: 1 shows a code that is typed at 3.
    pub(super) fn pair(&mut self, case: &mut TestCase) -> Result<String, String> {
        let newcomer = self.named(&taken(case, "with").ok_or("with whom?")?)?;
        let member = self.who(case)?;
        self.stage.settle();
        self.stage.offer(member, newcomer)?;
        self.stage.settle();
        self.stage.type_code(member, newcomer)?;
        self.stage.settle();
        Ok(String::new())
    }

    /// `do 27 offer to=1`, with `link` if a link is to be shown: the answer is the complaint, if there is one.
    pub(super) fn wish(&mut self, case: &mut TestCase) -> Result<String, String> {
        let at = self.who(case)?;
        let other = |story: &Self, case: &mut TestCase, key: &str| match taken(case, key) {
            Some(name) => story.named(&name).map(Some),
            None => Ok(None),
        };
        let link = case.take_flag("link").map_err(|error| error.to_string())?;
        let verb = word(case, |_| true)?;
        let to = other(self, case, "to")?;
        let of = other(self, case, "of")?;
        let id =
            |story: &Self, at: Option<usize>| at.and_then(|at| running(&story.stage.lab.machines[at])?.id());
        let command = match verb.as_str() {
            "poll" => Command::Poll,
            "offer" => Command::Offer { to: id(self, to), form: if link { Form::Link } else { Form::Code } },
            "code" => return Ok(complaint(self.stage.type_code(of.ok_or("of whom?")?, at))),
            "link-of-another-account" => {
                let of = of.ok_or("of whom?")?;
                let shown = self.stage.lab.machines[of].shown.clone().ok_or("no link is shown")?;
                let code = shown.code.replace("anna", "berta");
                Command::EnterCode { code: code.into(), from: None, key: None }
            }
            "wrong-code" | "mistyped-code" => {
                let of = of.ok_or("of whom?")?;
                let shown = self.stage.lab.machines[of].shown.clone().ok_or("no code is shown")?;
                let other = person::other_code(&shown.code);
                let code = if verb == "wrong-code" { other } else { swap_last(&shown.code) };
                Command::EnterCode { code: code.into(), from: id(self, Some(of)), key: None }
            }
            "replace" => Command::Replace { id: id(self, of) },
            "reject" => Command::Reject { id: id(self, of).ok_or("whom?")? },
            "remove" => {
                let target = of.and_then(|of| running(&self.stage.lab.machines[of]));
                let by = running(&self.stage.lab.machines[at]);
                if let Some((by, target)) = by.zip(target) {
                    self.stage.lab.truth.remove(by.fingerprint(), target.fingerprint());
                }
                Command::Remove { id: id(self, of).ok_or("whom?")? }
            }
            "leave" => Command::Leave,
            "return" => Command::Return,
            "start-apart" => Command::StartApart,
            "cancel" => {
                let shown = self.stage.lab.machines[at].shown.take().ok_or("no code is shown")?;
                Command::CancelOffer { session: shown.session }
            }
            "prefer-encrypt" => Command::SetPreferEncrypt {
                mutual: taken(case, "value").is_some_and(|value| value == "mutual"),
            },
            "mail" | "gossip" | "forget" | "wrote" => match self.letter(case, &verb) {
                Ok(command) => command,
                Err(why) => return Ok(complaint(Err(why))),
            },
            "renew" | "adopt" | "adopt-old" | "destroy" | "destroy-current" => self.key(case, at, &verb)?,
            "rename" => Command::Rename { name: taken(case, "name").ok_or("to which name?")? },
            other => return Err(format!("nobody can {other}")),
        };
        Ok(complaint(self.stage.command(at, command)))
    }
}

impl Story {
    /// `do 1 renew n=3`: the current key gets other octets; `do 1 adopt n=3`: another key; `do 1 destroy`: the oldest that is not in
    /// use.
    fn key(&self, case: &mut TestCase, at: usize, verb: &str) -> Result<Command, String> {
        let n = taken(case, "n").and_then(|n| n.parse().ok()).unwrap_or(0_u64);
        let muaa = running(&self.stage.lab.machines[at]).ok_or("it does not run")?;
        let account = muaa.account();
        let current = account.current.ok_or("it has no key")?;
        let created = |key: &sma_core::Fingerprint| {
            Symbolic.read_account_key(muaa.account_secret(key)?).ok().map(|key| key.created)
        };
        let old = account.keys.iter().copied().filter(|key| *key != current).min_by_key(created);
        Ok(match verb {
            "renew" => {
                let secret = muaa.account_secret(&current).ok_or("it has no key")?;
                Command::AdoptKey { secret: renewed(secret, n) }
            }
            "adopt" => {
                let seed = [n as u8; 32];
                let key = Symbolic.new_account_key("anna@example.org", &seed, self.stage.lab.now);
                Command::AdoptKey { secret: key.map_err(|error| error.to_string())?.secret }
            }
            "adopt-old" => {
                let secret = old.and_then(|old| muaa.account_secret(&old)).ok_or("there is no old key")?;
                Command::AdoptKey { secret: secret.clone() }
            }
            "destroy" => Command::DestroyKey { fingerprint: old.ok_or("there is no old key")? },
            _ => Command::DestroyKey { fingerprint: current },
        })
    }
}

/// A device's program, or what it would be if it were started.
fn running(machine: &Machine) -> Option<Muaa<Symbolic>> {
    machine.muaa.clone().or_else(|| machine.as_saved())
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
