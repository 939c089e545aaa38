//! What a machine has saved, read from its octets without the program that wrote them: how much there is of each sort, and the log.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decoder, data::Type, decode::Error};
use sma_core::{MuaaId, state::Log};

use crate::lab::Machine;

/// A saved state.
#[derive(Clone, Debug)]
pub struct Saved {
    /// Of each field of the state: how many things it has, and how many octets.
    fields: BTreeMap<u32, (usize, usize)>,
    /// The octets of the log, and how many operations it has.
    log: Option<(Vec<u8>, usize)>,
    links: BTreeSet<MuaaId>,
}

/// A sort of things that a state keeps; the number is that of the field which holds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Sort {
    /// MUAAs that announced themselves.
    Siblings = 10,
    /// The group with its log.
    Group = 11,
    /// Account keys.
    Keys = 12,
    /// Settings.
    Settings = 13,
    /// What is to be told to siblings.
    Journal = 14,
    /// What each sibling was told.
    Links = 16,
    /// Offers under way.
    Sessions = 17,
    /// Offers of others.
    Offers = 18,
    /// Messages that wait to be appended.
    Posts = 21,
    /// Messages that wait to be removed.
    Removals = 22,
    /// Messages that were taken in.
    Processed = 23,
    /// Requests to others.
    Requested = 24,
    /// Groups that the device was in before.
    Formers = 25,
    /// Own digests.
    Digests = 26,
    /// Last messages to devices that are out.
    Farewells = 32,
    /// People's keys.
    Peers = 40,
    /// Devices that nobody has acknowledged.
    Notices = 61,
}

impl Sort {
    const ALL: [Self; 17] = [
        Self::Siblings,
        Self::Group,
        Self::Keys,
        Self::Settings,
        Self::Journal,
        Self::Links,
        Self::Sessions,
        Self::Offers,
        Self::Posts,
        Self::Removals,
        Self::Processed,
        Self::Requested,
        Self::Formers,
        Self::Digests,
        Self::Farewells,
        Self::Peers,
        Self::Notices,
    ];
}

impl Saved {
    /// What this machine has saved, if it has saved anything.
    #[must_use]
    pub fn of(machine: &Machine) -> Option<Self> {
        let saved = machine.durable.as_ref()?.encode();
        Self::read(saved.expose()).ok()
    }

    fn read(saved: &[u8]) -> Result<Self, Error> {
        let mut d = Decoder::new(saved);
        d.array()?;
        d.u32()?;
        let mut read = Self { fields: BTreeMap::new(), log: None, links: BTreeSet::new() };
        for _ in 0..d.map()?.unwrap_or_default() {
            let field = d.u32()?;
            let begin = d.position();
            let things = match (field, d.datatype()?) {
                (11, Type::Map) => read.read_group(&mut d)?,
                (16, Type::Map) => read.read_links(&mut d)?,
                (_, Type::Map) => {
                    let things = d.probe().map()?;
                    d.skip()?;
                    things.unwrap_or_default()
                }
                (_, Type::Array) => {
                    let things = d.probe().array()?;
                    d.skip()?;
                    things.unwrap_or_default()
                }
                _ => {
                    d.skip()?;
                    1
                }
            };
            read.fields.insert(field, (usize::try_from(things).unwrap_or(usize::MAX), d.position() - begin));
        }
        Ok(read)
    }

    fn read_group(&mut self, d: &mut Decoder<'_>) -> Result<u64, Error> {
        for _ in 0..d.map()?.unwrap_or_default() {
            if d.u32()? != 0 {
                d.skip()?;
                continue;
            }
            let begin = d.position();
            let mut log = d.probe();
            log.array()?;
            log.skip()?;
            let operations = log.array()?.unwrap_or_default();
            d.skip()?;
            let octets = d.input()[begin..d.position()].to_vec();
            self.log = Some((octets, usize::try_from(operations).unwrap_or(usize::MAX)));
        }
        Ok(1)
    }

    fn read_links(&mut self, d: &mut Decoder<'_>) -> Result<u64, Error> {
        let all = d.map()?.unwrap_or_default();
        for _ in 0..all {
            self.links.insert(d.decode()?);
            d.skip()?;
        }
        Ok(all)
    }

    /// How many things of a sort there are.
    #[must_use]
    pub fn count(&self, sort: Sort) -> usize {
        self.fields.get(&(sort as u32)).map_or(0, |(things, _)| *things)
    }

    /// How many octets they have.
    #[must_use]
    pub fn octets(&self, sort: Sort) -> usize {
        self.fields.get(&(sort as u32)).map_or(0, |(_, octets)| *octets)
    }

    /// How many octets all has that is of no [`Sort`].
    #[must_use]
    pub fn rest(&self) -> usize {
        let is_sort = |field: &u32| Sort::ALL.iter().any(|sort| *sort as u32 == *field);
        self.fields.iter().filter(|(field, _)| !is_sort(field)).map(|(_, (_, octets))| octets).sum()
    }

    /// The group's log.
    #[must_use]
    pub fn log(&self) -> Option<Log> {
        let (octets, _) = self.log.as_ref()?;
        minicbor::decode(octets).ok()
    }

    /// How many operations the log has.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.log.as_ref().map_or(0, |(_, operations)| *operations)
    }

    /// The devices to which updates are written.
    #[must_use]
    pub const fn links(&self) -> &BTreeSet<MuaaId> {
        &self.links
    }
}
