//! What a person or a script is told of runs.

use std::time::Duration;

use serde::Serialize;

use crate::{
    faults::FaultSet,
    malice::MaliceSet,
    run::Sweep,
    world::{Outcome, Setup},
};

/// One run as an object.
#[derive(Serialize, Debug)]
pub struct RunReport<'a> {
    seed: Option<u64>,
    muaas: usize,
    faults: FaultSet,
    malice: MaliceSet,
    held: bool,
    violation: Option<&'a crate::check::Violation>,
    paired: usize,
    groups: usize,
    joined: &'a [String],
    operations: u64,
    bytes_appended: u64,
    bytes_stored: u64,
    messages_stored: u64,
    restarts: u64,
    virtual_days: u64,
    transcript: Option<&'a str>,
    real_seconds: f64,
}

impl<'a> RunReport<'a> {
    /// The report of a seed's run, or of a tape's if there is no seed.
    #[must_use]
    pub fn new(
        seed: Option<u64>,
        setup: Setup,
        outcome: &'a Outcome,
        transcript: Option<&'a str>,
        took: Duration,
    ) -> Self {
        Self {
            seed,
            muaas: setup.muaas,
            faults: setup.faults,
            malice: setup.malice,
            held: outcome.violation.is_none(),
            violation: outcome.violation.as_ref(),
            paired: outcome.paired,
            groups: outcome.groups,
            joined: &outcome.sentences,
            operations: outcome.operations,
            bytes_appended: outcome.appended,
            bytes_stored: outcome.stored,
            messages_stored: outcome.messages,
            restarts: outcome.restarts,
            virtual_days: outcome.days,
            transcript,
            real_seconds: took.as_secs_f64(),
        }
    }

    /// As sentences. Only the last one differs between two runs of the same choices.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let name = self.seed.map_or_else(|| "the tape".to_owned(), |seed| format!("seed {seed}"));
        let mut lines = vec![format!(
            "{name}: {} on one account, {}",
            count(self.muaas, "device"),
            what(self.faults, self.malice)
        )];
        lines.extend(self.joined.iter().map(|joined| format!("  {joined}")));
        lines.push(format!(
            "at the end {} paired in {}; {} and {} bytes are in the store",
            count(self.paired, "device"),
            count(self.groups, "group"),
            count(self.messages_stored as usize, "message"),
            self.bytes_stored
        ));
        lines.push(format!(
            "{} and {} bytes appended in {}; {}",
            count(self.operations as usize, "operation"),
            self.bytes_appended,
            count(self.virtual_days as usize, "virtual day"),
            count(self.restarts as usize, "restart")
        ));
        lines.push(match self.violation {
            None => "every invariant held".to_owned(),
            Some(violation) => format!("BROKEN: {}: {}", violation.invariant, violation.sentence),
        });
        lines.extend(self.transcript.map(|file| format!("the transcript is in {file}")));
        lines.push(format!("real time {:.3} s", self.real_seconds));
        lines
    }
}

/// Many runs as an object.
#[derive(Serialize, Debug)]
pub struct SweepReport {
    runs: usize,
    faults: FaultSet,
    malice: MaliceSet,
    held: bool,
    failures: Vec<Failure>,
    in_one_group: usize,
    operations: u64,
    bytes_appended: u64,
    bytes_stored_most: u64,
    restarts: u64,
    virtual_days: u64,
    real_seconds: f64,
    runs_per_second: f64,
    operations_per_second: f64,
}

/// A run that broke an invariant.
#[derive(Serialize, Debug)]
pub struct Failure {
    seed: u64,
    violation: crate::check::Violation,
    command: String,
}

impl SweepReport {
    /// The report of a sweep.
    #[must_use]
    pub fn new(sweep: &Sweep, days: u64, outcomes: &[(u64, Outcome)], took: Duration) -> Self {
        let sum = |part: fn(&Outcome) -> u64| outcomes.iter().map(|(_, outcome)| part(outcome)).sum::<u64>();
        let failures: Vec<_> = outcomes
            .iter()
            .filter_map(|(seed, outcome)| {
                let setup = sweep.setup(*seed);
                let faults = faults_word(setup.faults);
                let (muaas, violation) = (setup.muaas, outcome.violation.clone()?);
                let malice =
                    (setup.malice != MaliceSet::None).then(|| format!(" --malice {}", setup.malice.name()));
                let malice = malice.unwrap_or_default();
                let command = format!(
                    "sma-sim run --seed {seed} --muaas {muaas} --days {days} --faults {faults}{malice}"
                );
                Some(Failure { seed: *seed, violation, command })
            })
            .collect();
        let seconds = took.as_secs_f64().max(1e-9);
        let operations = sum(|outcome| outcome.operations);
        Self {
            runs: outcomes.len(),
            faults: sweep.setup.faults,
            malice: sweep.setup.malice,
            held: failures.is_empty(),
            failures,
            in_one_group: outcomes.iter().filter(|(_, outcome)| outcome.groups == 1).count(),
            operations,
            bytes_appended: sum(|outcome| outcome.appended),
            bytes_stored_most: outcomes.iter().map(|(_, outcome)| outcome.stored).max().unwrap_or(0),
            restarts: sum(|outcome| outcome.restarts),
            virtual_days: sum(|outcome| outcome.days),
            real_seconds: seconds,
            runs_per_second: outcomes.len() as f64 / seconds,
            operations_per_second: operations as f64 / seconds,
        }
    }

    /// Whether every invariant held in every run.
    #[must_use]
    pub fn held(&self) -> bool {
        self.held
    }

    /// As sentences.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let mut lines = vec![
            format!("{} in which {}", count(self.runs, "world"), what(self.faults, self.malice)),
            format!(
                "{} ended in one group; {} in {}, {} after crashes and silences",
                self.in_one_group,
                count(self.operations as usize, "operation"),
                count(self.virtual_days as usize, "virtual day"),
                count(self.restarts as usize, "restart")
            ),
            format!("at most {} bytes were left in a store", self.bytes_stored_most),
            format!(
                "real time {:.1} s: {:.0} worlds and {:.0} operations a second",
                self.real_seconds, self.runs_per_second, self.operations_per_second
            ),
        ];
        for failure in &self.failures {
            let Failure { seed, violation, command } = failure;
            lines.push(format!("BROKEN by seed {seed}: {}: {}", violation.invariant, violation.sentence));
            lines.push(format!("  repeat it with: {command}"));
        }
        lines.push(match self.failures.len() {
            0 => "every invariant held in every world".to_owned(),
            broken => format!("{} broke an invariant", count(broken, "world")),
        });
        lines
    }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn what(faults: FaultSet, malice: MaliceSet) -> String {
    let faults = match faults {
        FaultSet::None => "nothing goes wrong",
        FaultSet::All => "anything may go wrong",
    };
    let malice = match malice {
        MaliceSet::None => "",
        MaliceSet::Server => ", on a hostile server",
        MaliceSet::Stranger => ", with a stranger who has the password",
        MaliceSet::Thief => ", with a thief who has a device",
        MaliceSet::All => ", with a thief, a stranger and a hostile server",
    };
    format!("{faults}{malice}")
}

fn faults_word(set: FaultSet) -> &'static str {
    match set {
        FaultSet::None => "none",
        FaultSet::All => "all",
    }
}
