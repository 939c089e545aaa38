//! Who has only the account's password files again what devices have said, under other names, in other folders, in another order,
//! or announces keys of its own under their ids. None of it tells anything, moves anybody, or takes anybody's room.

#![expect(clippy::unwrap_used, reason = "all of this is tests, the helpers too")]

#[path = "refiled/everywhere.rs"]
mod everywhere;
#[path = "refiled/forged.rs"]
mod forged;
#[path = "refiled/numbers.rs"]
mod numbers;

use std::time::Duration;

use sma_core::{
    Class, Command, Envelope, Event, Folder, MuaaId, OpError, Phase, Token,
    wire::{self, Kind},
};
use sma_sim::{
    lab::Fate,
    stage::{Mishap, Stage},
    store::Kept,
};
use sma_tests::{
    account::{insider, join},
    insider::Insider,
    outsiders,
};

const DAY: Duration = Duration::from_secs(86_400);

/// A stage, and how many messages were filed on it by hand.
struct Play {
    stage: Stage,
    filed: u128,
}

impl Play {
    /// Devices that are paired, with nothing left to say.
    fn paired(ids: &[u64]) -> Self {
        let mut stage = Stage::new();
        stage.lab.trace.on = false;
        for id in ids {
            let at = stage.add(*id);
            stage.settle();
            assert!(at == 0 || stage.pair(0, at));
        }
        stage.advance(Duration::from_secs(3600));
        Self { stage, filed: 0 }
    }

    /// A member and a device that is not paired.
    fn member_and_newcomer() -> (Self, usize, usize) {
        let mut play = Self::paired(&[1]);
        let newcomer = play.stage.add(27);
        play.stage.settle();
        (play, 0, newcomer)
    }

    fn id(&self, at: usize) -> MuaaId {
        self.stage.id(at).unwrap()
    }

    fn inbox(&self, at: usize) -> Folder {
        Folder::Inbox(self.id(at))
    }

    /// Files a message under a name that none has had.
    fn file(&mut self, folder: Folder, envelope: &Envelope) {
        self.filed += 1;
        let token = Token((self.filed << 64).to_be_bytes());
        self.lay(folder, Envelope { token, ..envelope.clone() });
    }

    fn lay(&mut self, folder: Folder, envelope: Envelope) {
        self.stage.lab.store.put(folder, Kept::Envelope(envelope), true, self.stage.lab.now).unwrap();
        (0..self.stage.lab.machines.len()).for_each(|at| self.stage.lab.notice(at, folder));
    }

    /// The announcement of a device that lies there.
    fn announcement(&self, at: usize) -> Envelope {
        let id = self.id(at);
        let of = |envelope: &Envelope| envelope.sender == id && envelope.class == Class::Announcement;
        let found = self.stage.lab.store.envelopes().filter(|(.., envelope)| of(envelope)).last();
        found.unwrap().2.clone()
    }

    /// Takes what a device announced out of the folder.
    fn hide_announcements_of(&mut self, id: MuaaId) {
        let folder = self.stage.lab.store.folders.get_mut(&Folder::Announcements).unwrap();
        let by = |kept: &Kept| matches!(kept, Kept::Envelope(envelope) if envelope.sender == id);
        std::sync::Arc::make_mut(folder).messages.retain(|_, stored| !by(&stored.kept));
    }

    fn moves(&self) -> usize {
        self.stage.told.iter().filter(|(_, event)| matches!(event, Event::Moved { .. })).count()
    }

    /// How many octets of its state a device has saved.
    fn size(&self, at: usize) -> usize {
        self.stage.lab.machines[at].durable.as_ref().unwrap().encode().expose().len()
    }

    fn lying(&self, folder: Folder) -> usize {
        self.stage.lab.store.folders[&folder].messages.len()
    }

    fn members(&self, at: usize) -> Vec<MuaaId> {
        self.stage.lab.machines[at].muaa.as_ref().unwrap().members()
    }

    fn knows_name(&self, at: usize, of: usize, name: &str) -> bool {
        let siblings = self.stage.lab.machines[at].muaa.as_ref().unwrap().siblings();
        siblings.iter().any(|one| one.id == self.id(of) && one.name.as_deref() == Some(name))
    }

    fn they_understand_each_other(&mut self, one: usize, other: usize, word: &str) {
        for at in [one, other] {
            self.stage.command(at, Command::Rename { name: format!("{word} {at}") }).unwrap();
        }
        self.stage.advance(DAY);
        assert!(self.knows_name(one, other, &format!("{word} {other}")), "{word}");
        assert!(self.knows_name(other, one, &format!("{word} {one}")), "{word}");
    }

    /// Puts the second device back to what it was before the two understood each other, ten days ago. It does not run yet.
    fn put_back_by_ten_days(&mut self) {
        self.stage.lab.back_up(1);
        self.they_understand_each_other(0, 1, "first");
        self.stage.advance(10 * DAY);
        self.stage.lab.restore_backup(1);
    }

    /// Any operation of a device on the store whose line contains this ends so, for as long as this stands.
    fn always(&mut self, at: usize, on: &str, fate: Fate) {
        let mishap = Mishap { at, on: on.to_owned(), fate, crash: false };
        self.stage.mishaps = vec![mishap; 10_000];
    }
}

#[test]
fn an_own_announcement_filed_again_under_another_name_moves_nothing() {
    let mut play = Play::paired(&[1, 27]);
    play.stage.advance(30 * DAY);
    let (before, appended) = (play.size(0), play.stage.lab.counts.appended);
    let known: Vec<_> = play.stage.lab.store.remembered.iter().cloned().collect();
    let own = |(folder, envelope): &&(Folder, Envelope)| {
        *folder == Folder::Announcements && envelope.sender == MuaaId(1)
    };
    let former: Vec<_> = known.iter().filter(own).map(|(_, envelope)| envelope.clone()).collect();
    assert!(former.len() > 3);
    let current = play.announcement(0);
    for envelope in former.iter().chain([&current, &current]) {
        play.file(Folder::Announcements, envelope);
        play.stage.settle();
    }
    assert_eq!(play.moves(), 0, "nobody has a copy of its state");
    assert_eq!(play.announcement(0), current, "its owner takes the others away");
    assert_eq!(play.lying(Folder::Announcements), 2);
    assert_eq!(play.size(0), before);
    assert_eq!(play.stage.lab.counts.appended, appended);
    assert_eq!(play.stage.broken(), None);
}

#[test]
fn a_hundred_and_twenty_refiles_leave_the_log_as_it_was_and_a_removal_still_works() {
    let mut play = Play::paired(&[1, 27]);
    let digest = |play: &Play| play.stage.lab.machines[0].muaa.as_ref().unwrap().digest();
    let before = digest(&play);
    for n in 0..120 {
        let announcement = play.announcement(n % 2);
        play.file(Folder::Announcements, &announcement);
        play.stage.settle();
    }
    assert_eq!(digest(&play), before);
    let third = play.stage.add(33);
    assert!(play.stage.pair(0, third), "there is room for another device");
    let id = play.id(1);
    play.stage.command(0, Command::Remove { id }).unwrap();
    play.stage.advance(DAY);
    assert_eq!(play.members(0), [play.id(0), play.id(third)]);
    assert_eq!(play.stage.lab.machines[1].muaa.as_ref().unwrap().phase(), Phase::Removed);
    assert_eq!(play.stage.broken(), None);
}

#[test]
fn a_newcomer_whose_announcement_is_filed_again_pairs_all_the_same() {
    let (mut play, member, newcomer) = Play::member_and_newcomer();
    for _ in 0..40 {
        let announcement = play.announcement(newcomer);
        play.file(Folder::Announcements, &announcement);
        play.stage.settle();
    }
    assert_eq!(play.id(newcomer), MuaaId(27), "it begins anew for nobody");
    assert_eq!((play.stage.lab.store.folders.len(), play.lying(Folder::Announcements)), (3, 2));
    assert!(play.stage.pair(member, newcomer));
    assert_eq!(play.stage.broken(), None);
}

#[test]
fn a_server_that_says_every_folder_exists_makes_no_row_of_moves() {
    let mut play = Play::paired(&[1, 27]);
    play.put_back_by_ten_days();
    play.stage.lab.start(1);
    play.always(1, "CREATE", Fate::Refused(OpError::AlreadyExists));
    play.stage.advance(2 * DAY);
    assert!((1..=2).contains(&play.moves()), "{} moves", play.moves());
    play.stage.mishaps.clear();
    play.stage.advance(40 * DAY);
    assert!(play.stage.are_paired(&[0, 1]), "it goes on when the server behaves again");
    play.they_understand_each_other(0, 1, "again");
}

#[test]
fn a_newcomer_to_which_every_folder_exists_draws_few_ids() {
    let mut play = Play::paired(&[1]);
    let newcomer = play.stage.add(27);
    play.always(newcomer, "CREATE", Fate::Refused(OpError::AlreadyExists));
    play.stage.lab.trace.on = true;
    play.stage.advance(DAY);
    let creations = play.stage.lab.trace.take().iter().filter(|line| line.contains("CREATE")).count();
    assert!((2..60).contains(&creations), "{creations} in a day");
    play.stage.mishaps.clear();
    play.stage.advance(DAY);
    assert!(play.stage.pair(0, newcomer), "it goes on when the server behaves again");
}

#[test]
fn an_older_announcement_under_its_old_name_is_not_believed() {
    let mut play = Play::paired(&[1, 27]);
    let first = play.announcement(1);
    play.stage.advance(50 * DAY);
    let newest = play.announcement(1);
    // The device is off: it cannot put it right.
    play.stage.crash(1);
    play.hide_announcements_of(newest.sender);
    for token in [newest.token, first.token] {
        play.lay(Folder::Announcements, Envelope { token, ..first.clone() });
        play.stage.command(0, Command::Poll).unwrap();
        play.stage.advance(DAY);
    }
    play.stage.command(0, Command::Rename { name: "later".to_owned() }).unwrap();
    play.stage.advance(Duration::from_secs(60));
    play.stage.lab.start(1);
    let from = play.stage.told.len();
    play.stage.advance(Duration::from_secs(60));
    assert!(play.knows_name(1, 0, "later"));
    let unread = |(at, event): &&(usize, Event)| *at == 1 && matches!(event, Event::Ignored { .. });
    let unread: Vec<_> = play.stage.told[from..].iter().filter(unread).collect();
    assert!(unread.len() <= 1, "what was told is sealed to a subkey that is destroyed: {unread:?}");
    assert_eq!(play.moves(), 0);
}

/// Each costs who files it a kilobyte; it must not cost a member the whole log.
#[test]
fn older_announcements_of_a_member_under_other_names_make_nobody_write_more_than_once_a_day() {
    let mut play = Play::paired(&[1, 27]);
    play.stage.advance(60 * DAY);
    play.stage.command(0, Command::Rename { name: "desk".to_owned() }).unwrap();
    play.stage.settle();
    let known: Vec<_> = play.stage.lab.store.remembered.iter().cloned().collect();
    let older = |(folder, envelope): &&(Folder, Envelope)| {
        *folder == Folder::Announcements && envelope.sender == MuaaId(27)
    };
    let older: Vec<_> = known.iter().filter(older).map(|(_, envelope)| envelope.clone()).collect();
    assert!(older.len() > 5);
    play.stage.crash(1);
    let written = |play: &Play| play.stage.lab.store.folders[&Folder::Inbox(MuaaId(27))].next_uid;
    let before = written(&play);
    for n in 0..30 {
        play.hide_announcements_of(MuaaId(27));
        let envelope = older[n % older.len()].clone();
        play.file(Folder::Announcements, &envelope);
        play.stage.crash(0);
        play.stage.lab.start(0);
        play.stage.settle();
    }
    let times = written(&play) - before;
    assert_eq!(times, 1, "the whole log was written {times} times");
}

#[test]
fn a_message_filed_again_under_another_name_is_taken_away_and_nothing_is_told() {
    let mut play = Play::paired(&[1]);
    play.stage.lab.trace.on = true;
    let newcomer = play.stage.add(27);
    play.stage.settle();
    assert!(play.stage.pair(0, newcomer));
    play.stage.advance(DAY);
    let known: Vec<_> = play.stage.lab.store.remembered.iter().cloned().collect();
    assert!(known.len() >= 5, "request, offer, join, accept and updates");
    let (told, appended) = (play.stage.told.len(), play.stage.lab.counts.appended);
    for (folder, envelope) in
        known.iter().chain(&known).filter(|(folder, _)| *folder != Folder::Announcements)
    {
        play.file(*folder, envelope);
    }
    play.stage.settle();
    assert_eq!(play.stage.told[told..], []);
    assert_eq!(play.stage.lab.counts.appended, appended);
    assert_eq!((play.lying(play.inbox(0)), play.lying(play.inbox(newcomer))), (0, 0));
    assert_eq!(play.stage.broken(), None);
}

#[test]
fn a_request_that_waits_and_is_filed_again_waits_once() {
    let (mut play, member, newcomer) = Play::member_and_newcomer();
    let inbox = play.inbox(member);
    let request = |(folder, _, envelope): &(Folder, sma_core::Uid, &Envelope)| {
        *folder == inbox && envelope.class == Class::Request
    };
    let request = play.stage.lab.store.envelopes().find(request).unwrap().2.clone();
    let told = play.stage.told.len();
    for _ in 0..10 {
        play.file(inbox, &request);
    }
    play.stage.settle();
    assert_eq!(play.stage.told[told..], []);
    assert_eq!(play.lying(inbox), 1);
    play.stage.crash(member);
    play.stage.lab.start(member);
    play.stage.settle();
    let siblings = play.stage.lab.machines[member].muaa.as_ref().unwrap().siblings();
    assert!(siblings.iter().any(|one| one.id == MuaaId(27) && one.requesting), "{siblings:?}");
    assert!(play.stage.pair(member, newcomer));
    assert_eq!(play.stage.broken(), None);
}

/// The name of an announcement tells nothing of what lies there.
#[test]
fn an_older_announcement_in_the_place_and_name_of_the_own_newest_one_is_replaced() {
    let mut play = Play::paired(&[1, 27]);
    let first = play.announcement(0);
    play.stage.advance(15 * DAY);
    let newest = play.announcement(0);
    play.stage.crash(0);
    play.hide_announcements_of(MuaaId(1));
    play.lay(Folder::Announcements, Envelope { token: newest.token, ..first.clone() });
    play.stage.lab.start(0);
    play.stage.advance(DAY);
    let stands = play.announcement(0);
    assert!(stands.body != first.body && stands.token != newest.token);
    assert_eq!((play.lying(Folder::Announcements), play.moves()), (2, 0));
    assert_eq!(play.stage.broken(), None);
}

/// Else a name would keep an update from being said again, as long as what has it lies there.
#[test]
fn what_lies_under_the_name_of_an_update_and_is_none_of_it_does_not_count_as_waiting() {
    let mut play = Play::paired(&[1, 27]);
    play.stage.cut.insert(1);
    play.stage.command(0, Command::Rename { name: "desk".to_owned() }).unwrap();
    play.stage.settle();
    let inbox = play.inbox(1);
    let waits = play.stage.lab.store.envelopes().find(|(folder, ..)| *folder == inbox).unwrap().2.clone();
    let mailbox = play.stage.lab.store.folders.get_mut(&inbox).unwrap();
    std::sync::Arc::make_mut(mailbox).messages.clear();
    play.lay(inbox, Envelope { body: b"junk"[..].into(), ..waits });
    play.stage.advance(3 * DAY);
    play.stage.cut.clear();
    play.stage.advance(Duration::from_secs(3600));
    assert!(play.knows_name(1, 0, "desk"));
}

/// Two devices whose log is as large as they take it.
fn with_a_full_log() -> Play {
    let mut play = Play::paired(&[1, 27]);
    for at in 0..2 {
        play.stage.lab.machines[at].config.log_max = 3;
        play.stage.lab.stop(at);
        play.stage.lab.start(at);
    }
    play.stage.settle();
    play
}

#[test]
fn a_removal_and_a_leave_find_room_in_a_full_log() {
    for (command, phases) in [
        (Command::Remove { id: MuaaId(27) }, [Phase::Alone, Phase::Removed]),
        (Command::Leave, [Phase::Left, Phase::Alone]),
    ] {
        let mut play = with_a_full_log();
        let before = play.stage.lab.machines[0].muaa.as_ref().unwrap().account().current;
        assert_eq!(play.stage.lab.command(0, command), Some(Ok(())));
        play.stage.settle();
        let phase = |at: usize| play.stage.lab.machines[at].muaa.as_ref().unwrap().phase();
        assert_eq!([phase(0), phase(1)], phases);
        let stays = usize::from(phases[1] == Phase::Alone);
        let after = play.stage.lab.machines[stays].muaa.as_ref().unwrap().account().current;
        assert!(after.is_some() && after != before, "and so does a new key");
    }
}

#[test]
fn what_the_log_does_not_take_is_no_success() {
    let mut play = with_a_full_log();
    let old = play.stage.lab.machines[0].muaa.as_ref().unwrap().account().current.unwrap();
    let told = play.stage.told.len();
    let to = Some(MuaaId(33));
    play.stage.add(33);
    play.stage.settle();
    let offer = Command::Offer { to, form: sma_core::Form::Code };
    assert_eq!(play.stage.lab.command(0, offer), Some(Err(sma_core::InputError::LogFull)));
    let adopt = Command::AdoptKey {
        secret: play.stage.lab.machines[0].muaa.as_ref().unwrap().account_secret(&old).unwrap().clone(),
    };
    assert_eq!(play.stage.lab.command(0, adopt), Some(Err(sma_core::InputError::LogFull)));
    play.stage.settle();
    let told = play.stage.told[told..].iter().filter(|(at, _)| *at == 0).map(|(_, event)| event);
    assert!(told.clone().all(|event| matches!(event, Event::MuaaSeen(_) | Event::RequestSeen(_))));
    play.they_understand_each_other(0, 1, "still");
}

/// Of the reserve its part is taken by what devices have made up that it let in.
#[test]
fn a_move_that_the_log_does_not_take_is_not_told_of_and_costs_no_numbers() {
    let mut play = Play::paired(&[1, 27]);
    let by_it = [33, 34].map(|id| join(&mut play.stage, id, Some(1)));
    for (at, made_up) in by_it.into_iter().zip([outsiders::made_up::<23>(), outsiders::made_up()]) {
        let mut stolen = insider(&play.stage, at);
        play.stage.lab.stop(at);
        let add = |of: &Insider| stolen.op(Kind::Add.number(), wire::encode(&of.introduction()));
        let ops: Vec<_> = made_up.iter().map(add).collect();
        [0, 1].into_iter().for_each(|at| outsiders::say(&mut play.stage, &mut stolen, at, &ops));
    }
    play.put_back_by_ten_days();
    for at in 0..2 {
        play.stage.lab.machines[at].config.log_max = 3;
        play.stage.lab.stop(at);
        play.stage.lab.start(at);
    }
    play.stage.advance(100 * DAY);
    assert_eq!(play.moves(), 0);
    let sequence = Insider::of(&play.stage.lab.machines[1]).unwrap().sequence;
    assert!(sequence < 1000, "{sequence}");
    // What it says before it has heard anything may have a number that was used.
    play.stage.command(0, Command::Rename { name: "news".to_owned() }).unwrap();
    play.stage.advance(DAY);
    play.they_understand_each_other(0, 1, "still");
}
