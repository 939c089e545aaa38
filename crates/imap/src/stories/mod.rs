//! Two devices on the IMAP server in memory, on one thread, with time that passes only when nothing else is to be done: pairing and an
//! update, on servers of many ways, and cut after their octets.

mod account;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use account::{Cut, Direction, Hub, LOGIN, PASSWORD};
use sma_core::{Code, Command, Config, Event, Form, MuaaId, Phase, Secret};
use sma_imap_server::{Extension, Faults, Personality, Stored, Trouble, Validity};
use sma_sim::symbolic::Symbolic;
use tempfile::TempDir;

use crate::{Account, Address, Driver, Error, StateFile, clock};

/// What one visit at the server may take.
const VISIT: Duration = Duration::from_secs(120);
/// More visits than any story needs.
const VISITS_MAX: usize = 40;

/// One device: its state on disk, and its way to the server.
struct Device {
    number: usize,
    directory: TempDir,
    driver: Option<Driver<Symbolic>>,
    code: Option<Code>,
}

struct World {
    hub: Arc<Hub>,
    devices: Vec<Device>,
    /// What was there before, as a person's other mail, by mailbox.
    foreign: BTreeMap<String, Vec<Stored>>,
    /// Whether the server gives messages other UIDs now and then.
    renumbers: bool,
    /// Whether each device's program ends after each visit.
    restarts: bool,
}

impl Device {
    fn new(number: usize, hub: &Arc<Hub>) -> Self {
        let directory = tempfile::tempdir_in(quick_directory()).expect("a directory");
        let mut device = Self { number, directory, driver: None, code: None };
        device.start(hub);
        device
    }

    /// The program starts, from what it has saved.
    fn start(&mut self, hub: &Arc<Hub>) {
        self.driver = None;
        let server = Address { host: "memory".into(), port: 143, tls: false, login: LOGIN.into() };
        let account = Account { server, password: Secret::new(PASSWORD.into()) };
        let config = Config::new("anna@example.org", ["laptop", "phone"][self.number]);
        let state = StateFile::open(self.directory.path()).expect("nobody else has it");
        let mut driver = Driver::open(state, account, config, Symbolic).expect("a state that can be read");
        driver.connect_by(hub.dialer(self.number));
        self.driver = Some(driver);
    }

    fn driver(&mut self) -> &mut Driver<Symbolic> {
        self.driver.as_mut().expect("it runs")
    }

    fn phase(&mut self) -> Phase {
        self.driver().muaa().phase()
    }

    /// Does what there is to do; trouble with the server is part of the stories.
    async fn visit(&mut self) -> Result<(), Error> {
        // A person comes back later.
        tokio::time::sleep(Duration::from_secs(60)).await;
        let _ = self.driver().command(Command::Poll);
        let settled = self.driver().settle(VISIT).await.map(|_| ());
        for event in self.driver().take_events() {
            if let Event::ShowCode { code, .. } = event {
                self.code = Some(code);
            }
        }
        settled
    }
}

/// Where a file is as good as in memory.
fn quick_directory() -> std::path::PathBuf {
    let memory = std::path::PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}

impl World {
    fn new(personality: Personality, faults: Faults, seed: u64, cut: Option<Cut>) -> Self {
        clock::begin();
        let (prefix, renumbers) = (personality.prefix, personality.validity == Validity::Jumping);
        // A plain EXPUNGE would take it along, so ours would have to stay.
        let expunges_exactly = personality.extensions.contains(&Extension::UidPlus);
        let hub = Hub::new(personality, seed, cut);
        let foreign = foreign(&hub, prefix, expunges_exactly);
        hub.server().set_faults(faults);
        let devices = (0..2).map(|number| Device::new(number, &hub)).collect();
        Self { hub, devices, foreign, renumbers, restarts: false }
    }

    async fn visit_all(&mut self) {
        for device in &mut self.devices {
            if self.restarts {
                device.start(&self.hub);
            }
            // What went wrong is tried again.
            let _ = device.visit().await;
        }
    }

    /// Pairing, an update, and some visits after it; whether the devices paired.
    async fn play(&mut self) -> bool {
        let paired = self.pair().await;
        if paired {
            self.update().await;
            // What went wrong on the way is made up for when nothing does any more.
            self.hub.server().set_faults(Faults::default());
            for _ in 0..4 {
                self.visit_all().await;
            }
        }
        paired
    }

    /// As people do it who try again when something went wrong; whether it worked.
    async fn pair(&mut self) -> bool {
        for _ in 0..VISITS_MAX {
            self.visit_all().await;
            if self.are_paired() {
                return true;
            }
            // Who came first to the server made the group; a cut may have kept the other one from it.
            let asks = self.devices.iter_mut().position(|device| device.phase() == Phase::Requesting);
            let Some(newcomer) = asks else { continue };
            let member = 1 - newcomer;
            if !self.offer(member, newcomer).await {
                continue;
            }
            let from = self.devices[member].driver().muaa().id();
            let Some(code) = self.devices[member].code.take() else { continue };
            let _ = self.devices[newcomer].visit().await;
            // Refused if the offer has not come through.
            let typed = Command::EnterCode { code: code.shown().into(), from, key: None };
            let _ = self.devices[newcomer].driver().command(typed);
            let _ = self.devices[newcomer].visit().await;
        }
        false
    }

    /// Whether a code is shown.
    async fn offer(&mut self, member: usize, newcomer: usize) -> bool {
        let to = self.devices[newcomer].driver().muaa().id();
        let member = &mut self.devices[member];
        if member.driver().command(Command::Offer { to, form: Form::Code }).is_err() {
            return false;
        }
        let _ = member.visit().await;
        member.code.is_some()
    }

    fn are_paired(&mut self) -> bool {
        let phases: Vec<Phase> = self.devices.iter_mut().map(Device::phase).collect();
        let groups: Vec<_> = self.devices.iter_mut().map(|device| device.driver().muaa().group()).collect();
        phases.iter().all(|phase| *phase == Phase::Paired) && groups[0] == groups[1]
    }

    /// A person gives a device another name, which the other one hears.
    async fn update(&mut self) {
        let command = Command::Rename { name: "desk".to_owned() };
        self.devices[0].driver().command(command).expect("a good name");
        for _ in 0..3 {
            self.visit_all().await;
        }
    }

    /// What must hold when all is done, whatever happened on the way.
    fn check(&mut self) {
        let [one, other] = &mut self.devices[..] else { panic!("two devices") };
        let (one, other) = (one.driver().muaa(), other.driver().muaa());
        assert_eq!(one.members(), other.members());
        assert_eq!(one.members().len(), 2);
        assert_eq!(one.comparison(), other.comparison(), "the same group");
        assert!(one.account_keys().eq(other.account_keys()), "the same keys");
        let ids: Vec<MuaaId> = [one, other].into_iter().filter_map(|muaa| muaa.id()).collect();
        let server = self.hub.server();
        for mailbox in server.mailboxes(LOGIN) {
            let messages = server.messages(LOGIN, &mailbox).expect("it is there");
            // There everything stays, whoever expunges it.
            if mailbox.starts_with("[Gmail]") {
                continue;
            }
            let mut theirs = self.foreign.get(&mailbox).cloned().unwrap_or_default();
            let (foreign, ours): (Vec<Stored>, Vec<Stored>) =
                messages.into_iter().partition(|message| text(message).contains("foreign"));
            if self.renumbers {
                theirs.iter_mut().zip(&foreign).for_each(|(known, now)| known.uid = now.uid);
            }
            assert_eq!(foreign, theirs, "nothing foreign is touched in {mailbox}");
            for message in &ours {
                let deleted = message.flags.iter().any(|flag| flag == "\\Deleted");
                assert!(!deleted, "nothing is left that is marked as deleted: {mailbox}: {}", text(message));
            }
            let is_announcements = mailbox.ends_with("_Autocrypt_SMA");
            let wanted = if is_announcements { ids.len() } else { 0 };
            assert_eq!(ours.len(), wanted, "nothing is there twice or left behind in {mailbox}");
            for id in ids.iter().filter(|_| is_announcements) {
                let by = format!("from={id}");
                assert_eq!(ours.iter().filter(|message| text(message).contains(&by)).count(), 1, "{by}");
            }
        }
    }
}

fn text(message: &Stored) -> String {
    String::from_utf8_lossy(&message.octets).into_owned()
}

/// Other mail, in INBOX and where the devices will have theirs; some of it is marked as deleted and not yet gone.
fn foreign(hub: &Hub, prefix: &str, with_deleted: bool) -> BTreeMap<String, Vec<Stored>> {
    let announcements = format!("{prefix}_Autocrypt_SMA");
    let append = |mailbox: &str, flags: &str| {
        let mail = "Subject: foreign\r\nMessage-ID: <foreign@example.org>\r\n\r\nleave it alone\r\n";
        format!("APPEND \"{mailbox}\" ({flags}) {{{}}}\r\n{mail}", mail.len())
    };
    hub.by_hand(&[
        format!("CREATE \"{announcements}\""),
        append("INBOX", ""),
        append(&announcements, "\\Seen"),
    ]);
    if with_deleted {
        hub.by_hand(&[append(&announcements, "\\Deleted")]);
    }
    let server = hub.server();
    let of = |mailbox: &str| (mailbox.to_owned(), server.messages(LOGIN, mailbox).expect("it was made"));
    [of("INBOX"), of(&announcements)].into()
}

/// Pairing and an update. Gives the world when all is done.
async fn story(personality: Personality, faults: Faults, seed: u64, cut: Option<Cut>) -> World {
    let name = personality.name;
    let mut world = World::new(personality, faults, seed, cut);
    assert!(world.play().await, "{name} {seed} {cut:?}: the devices pair");
    world
}

fn named(name: &str) -> Personality {
    Personality::named(name).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn two_devices_pair_and_hear_of_an_update_on_servers_of_many_ways() {
    for name in Personality::NAMES.iter().filter(|name| !LEFT_OUT.contains(name)) {
        story(named(name), Faults::default(), 1, None).await.check();
    }
}

/// What the adapter does not know yet: a namespace beside INBOX (RFC 2342), and to say who it is (RFC 2971). A server that strips headers takes away
/// what tells our messages apart.
const LEFT_OUT: [&str; 3] = ["mail-prefix", "netease", "stripped"];

/// Which octets of a recorded story a device is cut after. `SMA_CUTS=1` takes each, else one in [`STEP`].
fn cuts(all: u64) -> impl Iterator<Item = u64> {
    let step = std::env::var("SMA_CUTS").ok().and_then(|step| step.parse().ok()).unwrap_or(STEP);
    (1..=all).step_by(step)
}

/// A prime, so that every place of a line comes up.
const STEP: usize = 211;

/// A story is recorded on a server; then it is played again for octets of it, cut after each.
async fn cut_everywhere(name: &str) {
    let mut recorded = story(named(name), Faults::default(), 1, None).await;
    recorded.check();
    for device in [0, 1] {
        for direction in [Direction::ToServer, Direction::ToClient] {
            for octet in cuts(recorded.hub.octets(device, direction)) {
                let cut = Cut { device, direction, octet };
                story(named(name), Faults::default(), 1, Some(cut)).await.check();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_cut_after_any_octet_loses_nothing_and_leaves_nothing_behind() {
    cut_everywhere("honest").await;
}

/// Commands of the adapter, each time one of them is run on the way: refused, or cut off before or after its effect.
#[tokio::test(start_paused = true)]
async fn a_command_that_is_refused_or_cut_off_on_either_side_of_its_effect_is_made_up_for() {
    let commands = [
        "LOGIN",
        "CAPABILITY",
        "LIST",
        "CREATE",
        "SELECT",
        "UID FETCH",
        "APPEND",
        "UID STORE",
        "UID EXPUNGE",
        "NOOP",
        "DELETE",
    ];
    for trouble in [Trouble::Refused("UNAVAILABLE"), Trouble::CutBefore, Trouble::CutAfter] {
        for command in commands {
            for after in 0.. {
                let mut world = World::new(named("honest"), Faults::default(), 1, None);
                world.hub.server().plan(command, after, trouble);
                assert!(world.play().await, "{command} {after} {trouble:?}: the devices pair");
                world.check();
                // So often it was not run.
                if world.hub.server().planned() > 0 {
                    break;
                }
            }
        }
    }
}

/// `SMA_SEEDS=1000` takes so many.
#[tokio::test(start_paused = true)]
async fn lines_that_are_cut_or_stall_and_commands_that_fail_by_chance_are_made_up_for() {
    let seeds = std::env::var("SMA_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(20);
    for seed in 0..seeds {
        let faults = Faults { lines: 100_000, commands: 20_000, malice: 0 };
        let personality = named(Personality::NAMES[seed as usize % 5]);
        story(personality, faults, seed, None).await.check();
    }
}

#[tokio::test(start_paused = true)]
async fn two_runs_of_a_seed_have_equal_octets_on_every_wire() {
    let run = |seed| async move {
        let faults = Faults { lines: 100_000, commands: 20_000, malice: 0 };
        let world = story(named("dovecot"), faults, seed, None).await;
        // The lock ends before the world does.
        std::mem::take(&mut *world.hub.all_octets())
    };
    let (first, again, other) = (run(3).await, run(3).await, run(4).await);
    assert!(first == again);
    assert!(first != other);
}

/// `SMA_SEEDS=1000` takes so many.
#[tokio::test(start_paused = true)]
async fn what_a_lying_server_kept_from_two_devices_is_made_up_for_when_it_is_said_again() {
    let seeds = std::env::var("SMA_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(20);
    for seed in 0..seeds {
        let faults = Faults { malice: 50_000, ..Faults::default() };
        let mut world = World::new(named("honest"), faults, seed, None);
        // Whatever comes of it.
        let _ = world.pair().await;
        world.hub.server().set_faults(Faults::default());
        // What a server said it took and did not is noticed when it is time to say it again.
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(40 * 86_400)).await;
            world.visit_all().await;
        }
        let paired = world.pair().await;
        // Who was shown an empty account has a group of its own; a person has to bring two groups together.
        let apart = world.devices.iter_mut().all(|device| device.phase() == Phase::Alone);
        let phases: Vec<Phase> = world.devices.iter_mut().map(Device::phase).collect();
        assert!(paired || apart, "{seed}: {phases:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_watches_hears_of_an_update_however_the_server_tells_of_news() {
    // What a server tells is heard between two polls, which are 30 seconds apart; else the next poll hears it.
    let told = ["honest", "dovecot", "talkative", "cyrus-inbox"].map(|name| (name, 70));
    for (name, seconds) in told.into_iter().chain([("courier", 600), ("slow", 600)]) {
        let mut world = World::new(named(name), Faults::default(), 1, None);
        assert!(world.pair().await, "{name}");
        let [one, other] = &mut world.devices[..] else { panic!("two devices") };
        let id = one.driver().muaa().id();
        one.driver().command(Command::Rename { name: "desk".to_owned() }).expect("a good name");
        let end = tokio::time::sleep(Duration::from_secs(seconds));
        let (watched, renamed) = tokio::join!(other.driver().watch(|_| {}, end), one.visit());
        assert!(watched.is_ok() && renamed.is_ok(), "{name}");
        let siblings = other.driver().muaa().siblings();
        let known = siblings.iter().find(|sibling| Some(sibling.id) == id);
        assert_eq!(known.and_then(|sibling| sibling.name.as_deref()), Some("desk"), "{name}");
        // What was under way when watching ended is found out about by the next life of the program.
        let hub = world.hub.clone();
        world.devices[1].start(&hub);
        for _ in 0..4 {
            world.visit_all().await;
        }
        world.check();
    }
}

/// A person marks other mail in a device's folder, where a plain EXPUNGE would take it along.
#[tokio::test(start_paused = true)]
async fn without_uidplus_nothing_foreign_is_expunged_that_a_person_only_marked() {
    let mut world = World::new(named("plain"), Faults::default(), 1, None);
    assert!(world.pair().await);
    let folders: Vec<String> = world.hub.server().mailboxes(LOGIN);
    let mail = "Subject: foreign\r\n\r\nleave it alone\r\n";
    for folder in &folders {
        world.hub.by_hand(&[format!("APPEND \"{folder}\" (\\Deleted) {{{}}}\r\n{mail}", mail.len())]);
    }
    world.update().await;
    for folder in &folders {
        let stored = world.hub.server().messages(LOGIN, folder).expect("it is there");
        assert!(stored.iter().any(|message| text(message) == mail), "{folder}");
    }
    assert!(world.are_paired());
}

#[tokio::test(start_paused = true)]
async fn a_program_that_is_started_anew_for_each_visit_goes_on_from_what_it_has_saved() {
    for name in ["honest", "courier", "validity-any"] {
        let mut world = World::new(named(name), Faults::default(), 1, None);
        world.restarts = true;
        assert!(world.play().await, "{name}");
        world.check();
    }
}
