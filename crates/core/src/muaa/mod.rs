//! The state machine of one MUAA.
//!
//! Durable state stands in `persistent`; what one life of the process knows of the store stands in `storage`. Each input
//! changes state, then `plan` derives from the state alone what to ask of the store next. So a restored machine goes on
//! where the lost one stood, whatever was under way.

mod accepting;
mod announcing;
mod clock;
mod commands;
mod entering;
mod group;
mod keys;
mod life;
mod limits;
mod member;
mod merging;
mod moving;
mod newcomer;
mod peers;
mod persistent;
mod reading;
mod saying;
mod shown;
mod siblings;
mod storage;
mod subkey;
mod sync;
mod versions;
mod views;

use std::{collections::VecDeque, sync::Arc};

use persistent::{Durable, Life};
pub use persistent::{RestoreError, Snapshot};
pub use views::OfferView;

use crate::{
    Config, Crypto, DeviceKey, Event, Folder, Input, InputError, Output, Phase, Timestamp, config::canonical,
    random::Random, shared::Shared, state::Membership,
};

/// One mail program on one account.
///
/// # Contract
/// 1. Feed an input; then poll outputs until `None`. Outputs are one ordered stream; what [`Output::Persist`] brings must be
///    durable before the next poll.
/// 2. Every [`Output::Request`] gets exactly one [`Input::Done`] in one life of the process; several may be outstanding.
///    After a restart the old ids are void, and [`Muaa::restore`] derives what to do by reading the store.
/// 3. Wrong octets in the store never give an `Err`: they become [`Event::Ignored`]. `Err` means that the caller broke the
///    contract or that a command cannot be done now. A panic means that this crate is wrong.
/// 4. A `now` that is earlier than the latest one by less than a minute is taken for the latest one. One that is earlier still says
///    that the clock was put right: it is the present from then on, and what waits for a later time waits no longer than it would
///    have from now on.
/// 5. The same configuration, seed, snapshot and inputs give the same outputs, octet by octet.
///
/// A seed must be fresh randomness in each life of the process.
///
/// ```
/// # fn drive<C: sma_core::Crypto>(crypto: C, seed: [u8; 32], now: sma_core::Timestamp) {
/// use sma_core::{Config, Muaa, Output};
/// let mut muaa = Muaa::new(Config::new("anna@example.org", "laptop"), crypto, seed, now);
/// while let Some(output) = muaa.poll_output() {
///     match output {
///         Output::Persist(snapshot) => { /* write snapshot.encode() by atomic rename */ }
///         Output::Request { id, op } => { /* start it; hand in Input::Done { id, result } when it ended */ }
///         Output::Event(event) => { /* show it */ }
///     }
/// }
/// let wake_at = muaa.poll_timeout(); // call handle_timeout then
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Muaa<C> {
    config: Config,
    crypto: C,
    random: Random,
    now: Timestamp,
    state: Hidden<Durable>,
    /// What was last handed out to be made durable.
    saved: Cached<Arc<Durable>>,
    view: Shared<Membership>,
    digested: Cached<Arc<group::Digested>>,
    io: storage::Io,
    events: VecDeque<Event>,
    phase_told: Option<Phase>,
}

/// Keeps secrets out of `Debug`, and knows whether somebody may have changed the value: there is no other way to it.
#[derive(Clone)]
struct Hidden<T> {
    value: T,
    touched: bool,
}

impl<T: PartialEq> PartialEq for Hidden<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Hidden<T> {}

impl<T: std::hash::Hash> std::hash::Hash for Hidden<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

impl<T> std::fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl<T> std::ops::Deref for Hidden<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> std::ops::DerefMut for Hidden<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.touched = true;
        &mut self.value
    }
}

/// What was computed from the rest and may be computed anew: it makes no difference between two machines.
#[derive(Clone)]
struct Cached<T>(Option<T>);

impl<T> PartialEq for Cached<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Cached<T> {}

impl<T> std::hash::Hash for Cached<T> {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl<T> std::fmt::Debug for Cached<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl<C: Crypto> Muaa<C> {
    /// A MUAA that has never run before.
    ///
    /// # Panics
    /// If the crypto cannot make a device key.
    #[must_use]
    pub fn new(config: Config, crypto: C, seed: [u8; 32], now: Timestamp) -> Self {
        let mut random = Random::new(seed);
        let device = crypto.new_device_key(&random.seed(), now).expect("a device key can be made");
        Self::with_random(config, crypto, random, device, now)
    }

    /// As [`Muaa::new`], with the first device key given, for programs and tests that choose it.
    #[must_use]
    pub fn with_device(config: Config, crypto: C, seed: [u8; 32], device: DeviceKey, now: Timestamp) -> Self {
        Self::with_random(config, crypto, Random::new(seed), device, now)
    }

    fn with_random(config: Config, crypto: C, mut random: Random, device: DeviceKey, now: Timestamp) -> Self {
        let incarnation = random.number();
        let state = Durable::new(&config, device, incarnation, now);
        Self::start(config, crypto, random, (state, Shared::default()), now, None)
    }

    /// Takes up where a snapshot stands.
    ///
    /// # Errors
    /// [`RestoreError::OtherAccount`] if the snapshot was made for another address, not only for one spelt in other letters.
    pub fn restore(
        config: Config,
        crypto: C,
        seed: [u8; 32],
        from: &Snapshot,
        now: Timestamp,
    ) -> Result<Self, RestoreError> {
        let mut state = Durable::clone(&from.durable);
        if state.address != config.address && canonical(&state.address) != canonical(&config.address) {
            return Err(RestoreError::OtherAccount);
        }
        state.address.clone_from(&config.address);
        peers::bound(&mut state.peers, config.peers_max, now);
        state.forget_the_future(now);
        keys::read_what_was_not_read(&mut state, &crypto);
        let view = from.view.0.clone().unwrap_or_else(|| state.membership());
        let mut muaa = Self::start(config, crypto, Random::new(seed), (state, view), now, Some(from));
        muaa.phase_told = Some(muaa.phase());
        Ok(muaa)
    }

    fn start(
        config: Config,
        crypto: C,
        random: Random,
        (state, view): (Durable, Shared<Membership>),
        now: Timestamp,
        from: Option<&Snapshot>,
    ) -> Self {
        let mut muaa = Self {
            config,
            crypto,
            random,
            now,
            state: Hidden { value: state, touched: true },
            saved: Cached(from.map(|from| from.durable.clone())),
            view,
            digested: from.map_or(Cached(None), |from| from.digested.clone()),
            io: storage::Io::default(),
            events: VecDeque::new(),
            phase_told: None,
        };
        muaa.phase_told = Some(muaa.phase());
        muaa.io.removals_due = true;
        muaa.look();
        muaa.plan();
        muaa
    }

    /// Takes an input, however late.
    ///
    /// # Errors
    /// [`InputError`]; each says what it did to the state.
    pub fn handle_input(&mut self, input: Input, now: Timestamp) -> Result<(), InputError> {
        self.tell_time(now);
        tracing::trace!(target: "sma", input = %shown::Shown(&input), "in");
        let result = match input {
            Input::Command(command) => self.command(command),
            Input::Done { id, result } => self.done(id, result),
            Input::Changed(folder) => {
                self.io.read_soon(folder);
                Ok(())
            }
        };
        self.plan();
        result
    }

    /// Lets time pass: does what has become due. A call too early does nothing.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.tell_time(now);
        self.plan();
    }

    /// The next output; drain after every `handle_…`.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = if let Some(snapshot) = self.take_unsaved() {
            Some(Output::Persist(snapshot))
        } else if let Some(event) = self.events.pop_front() {
            Some(Output::Event(event))
        } else {
            self.io.requests.pop_front().map(|(id, op)| Output::Request { id, op })
        };
        if let Some(output) = &output {
            tracing::trace!(target: "sma", output = %shown::ShownOutput(output), "out");
        }
        output
    }

    /// What is to be made durable, if it differs from what was last handed out. Parts that are still shared with that are equal without
    /// being looked at.
    fn take_unsaved(&mut self) -> Option<Snapshot> {
        let touched = std::mem::take(&mut self.state.touched);
        if !touched || self.saved.0.as_deref() == Some(&*self.state) {
            return None;
        }
        let durable = Arc::new(self.state.value.clone());
        self.saved = Cached(Some(durable.clone()));
        Some(Snapshot { durable, view: Cached(Some(self.view.clone())), digested: self.digested.clone() })
    }

    /// Whether this is all that would be made durable now. It is so for the last snapshot as soon as all outputs were polled.
    #[must_use]
    pub fn is_saved_as(&self, snapshot: &Snapshot) -> bool {
        *snapshot.durable == *self.state
    }

    /// When [`Muaa::handle_timeout`] is due, and for what.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Timestamp, &'static str)> {
        if matches!(self.state.life, Life::Removed | Life::Left) && self.is_idle() {
            return None;
        }
        let deadlines = [
            Some((self.io.next_poll, "poll")),
            self.storage_deadlines().min(),
            self.life_deadlines().min(),
            self.pairing_deadlines().min(),
            self.join_deadline().filter(|at| *at > self.now).map(|at| (at, "veto")),
            self.wipe_deadline().map(|at| (at, "wipe")),
            self.sync_deadlines().min(),
        ];
        deadlines.into_iter().flatten().min().map(|(at, why)| (at.max(self.now), why))
    }

    fn plan(&mut self) {
        self.poll_if_due();
        self.live();
        self.wipe_destroyed_keys();
        self.tend_sessions();
        self.synchronise();
        self.start_tasks();
        let phase = self.phase();
        if self.phase_told != Some(phase) {
            self.phase_told = Some(phase);
            self.tell(Event::PhaseChanged(phase));
        }
    }

    fn tell(&mut self, event: Event) {
        self.events.push_back(event);
    }

    fn own_inbox(&self) -> Folder {
        Folder::Inbox(self.state.id())
    }

    /// Says that the durable state was changed, which writing to it notes by itself.
    fn changed(&mut self) {
        self.state.touched = true;
    }
}
