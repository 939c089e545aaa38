//! R6: how much of its log an account uses up that nobody attacks.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "all of this is tests, the helpers too")]

use std::time::Duration;

use sma_core::{
    Command, Config, Crypto, Muaa, Phase, Timestamp,
    state::{Entry, LOG_BYTES_MAX, Log},
};
use sma_openpgp::OpenPgp;
use sma_sim::{
    stage::Stage,
    symbolic::{Symbolic, renewed},
};
use sma_tests::insider::Insider;

const DAY: Duration = Duration::from_secs(86_400);
const MONTH: Duration = Duration::from_secs(86_400 * 365 / 12);

/// An account over the years: machines that are members, the oldest first.
struct Account {
    stage: Stage,
    members: Vec<usize>,
    made: u8,
}

impl Account {
    fn new(devices: usize) -> Self {
        let mut stage = Stage::new();
        stage.lab.trace.on = false;
        let mut account = Self { stage, members: Vec::new(), made: 0 };
        (0..devices).for_each(|_| account.buy());
        account
    }

    fn muaa(&self, at: usize) -> &Muaa<Symbolic> {
        self.stage.lab.machines[at].muaa.as_ref().unwrap()
    }

    fn buy(&mut self) {
        let at = self.stage.add(self.stage.lab.machines.len() as u64 + 1);
        // A look at the store every week: notices bring the rest, and ten years go by sooner.
        self.stage.lab.machines[at].config.poll_interval = 7 * DAY;
        self.stage.lab.stop(at);
        self.stage.lab.start(at);
        self.stage.settle();
        if let Some(member) = self.members.last() {
            assert!(self.stage.pair(*member, at), "it is let in");
        }
        self.members.push(at);
    }

    fn sell_the_oldest(&mut self) {
        let oldest = self.members.remove(0);
        let id = self.stage.id(oldest).unwrap();
        self.stage.command(self.members[0], Command::Remove { id }).unwrap();
        self.stage.settle();
        assert_eq!(self.muaa(oldest).phase(), Phase::Removed);
    }

    fn rotate(&mut self) {
        self.made += 1;
        let key = Symbolic.new_account_key("anna@example.org", &[self.made; 32], self.stage.lab.now).unwrap();
        self.stage.command(self.members[0], Command::AdoptKey { secret: key.secret }).unwrap();
        self.stage.settle();
        assert_eq!(self.muaa(self.members[1]).account().current, Some(key.fingerprint));
    }

    /// The account's key gets a later expiry.
    fn renew(&mut self, renewal: u64) {
        let muaa = self.muaa(self.members[0]);
        let secret = muaa.account_secret(&muaa.account().current.unwrap()).unwrap();
        let secret = renewed(secret, renewal);
        let by = self.members[renewal as usize % self.members.len()];
        self.stage.command(by, Command::AdoptKey { secret }).unwrap();
        self.stage.settle();
    }

    fn restore_backup(&mut self, at: usize) {
        let before = self.stage.id(at);
        self.stage.lab.restore_backup(at);
        self.stage.lab.start(at);
        self.stage.advance(2 * DAY);
        assert_ne!(self.stage.id(at), before, "it goes on as another device");
    }

    /// A new device each year, a removal each second one, a key rotation a year, two restored backups; each month what `monthly` does.
    fn lives(&mut self, years: u32, mut monthly: impl FnMut(&mut Self, u64)) {
        for month in 0..years * 12 {
            self.stage.advance(MONTH);
            let (year, of_year) = (month / 12, month % 12);
            let at = self.members[1];
            match of_year {
                1 if year % 5 == 2 => self.stage.lab.back_up(at),
                4 if year % 5 == 2 => self.restore_backup(at),
                2 => self.buy(),
                6 => self.rotate(),
                9 if year % 2 == 1 => self.sell_the_oldest(),
                _ => {}
            }
            monthly(self, u64::from(month));
        }
        self.stage.advance(14 * DAY);
        assert_eq!(self.stage.broken(), None);
        assert!(self.stage.are_paired(&self.members), "all that were kept are members");
    }

    fn log(&self) -> Log {
        Insider::of(&self.stage.lab.machines[self.members[0]]).unwrap().log().clone()
    }
}

/// The octets that the log would have if it were signed with OpenPGP.
fn real_bytes(log: &Log) -> usize {
    let (real, seed, now) = (OpenPgp::new(), [7; 32], Timestamp::from_secs(1_767_225_600));
    let device = real.new_device_key(&seed, now).unwrap();
    let signature = real.sign(&device.secret, "autocrypt-sma-op-v1", &[1; 300], &seed, now).unwrap().len();
    // What stands before each of these in CBOR is at most three octets long, and at least one.
    let header = 2;
    let size = |entry: &Entry| {
        let certificate = entry
            .body
            .introduces()
            .map_or(0, |introduced| header + device.certificate.len() - introduced.certificate.len());
        entry.signed.content.len() + certificate + signature
    };
    log.entries().map(|(_, entry)| size(entry)).sum()
}

fn stays_below_a_tenth(name: &str, account: &Account) {
    let log = account.log();
    let log_max = Config::new("anna@example.org", "any").log_max;
    let (operations, symbolic, real) = (log.len(), log.bytes(), real_bytes(&log));
    println!(
        "{name}: {operations} operations of {log_max}, {real} octets of {LOG_BYTES_MAX} ({symbolic} in symbols)"
    );
    assert!(operations < log_max / 10, "{name}: {operations} operations");
    assert!(real < LOG_BYTES_MAX / 10, "{name}: {real} octets");
}

#[test]
fn r6_the_log_of_an_honest_account_in_ten_years_stays_below_a_tenth_of_its_bound() {
    let mut account = Account::new(3);
    account.lives(10, |_, _| ());
    stays_below_a_tenth("ten years", &account);
}

#[test]
fn r6_so_it_does_when_the_accounts_key_is_renewed_each_month() {
    let mut account = Account::new(3);
    account.lives(10, Account::renew);
    stays_below_a_tenth("ten years of a monthly renewal", &account);
}
