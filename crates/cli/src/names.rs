//! What devices are called on screen, and which device a person means.

use std::collections::BTreeMap;

use sma_core::{Crypto, Muaa, MuaaId, Sibling};

use crate::{failure::Failure, history::History};

/// So many digits of an ID are shown at least.
const DIGITS_MIN: usize = 4;

/// The devices that this one knows, itself included: its own name it has from the account's settings, others' from the group.
#[derive(Clone, Default, Debug)]
pub(crate) struct Names {
    known: BTreeMap<MuaaId, Option<String>>,
    former: History,
}

impl Names {
    pub(crate) fn of<C: Crypto>(muaa: &Muaa<C>, own: &str, history: &History) -> Self {
        let own = muaa.id().into_iter().map(|id| (id, Some(own.to_owned())));
        let name = |sibling: &Sibling| {
            // Whoever is out was called something; a stranger says what it likes.
            let former = history.name(sibling.id).filter(|_| muaa.is_out(&sibling.fingerprint));
            sibling.name.clone().or_else(|| former.map(str::to_owned))
        };
        let others = muaa.siblings().into_iter().map(|sibling| (sibling.id, name(&sibling)));
        let mut known: BTreeMap<_, _> = own.collect();
        for (id, name) in others {
            // Of two that announce one ID the member has a name.
            let entry = known.entry(id).or_default();
            *entry = entry.take().or(name);
        }
        Self { known, former: history.clone() }
    }

    #[cfg(test)]
    pub(crate) fn from(pairs: &[(u64, &str)]) -> Self {
        let known = pairs.iter().map(|(id, name)| (MuaaId(*id), Some((*name).to_owned())));
        Self { known: known.collect(), former: History::default() }
    }

    /// `"phone" (1262)`, or `1262` for one without a name, as an object of a sentence.
    pub(crate) fn of_id(&self, id: MuaaId) -> String {
        let short = self.short(id);
        let known = self.known.get(&id);
        // Of one that is known no more, as of one that has left.
        let former = self.former.name(id).filter(|_| known.is_none());
        match known.and_then(Option::as_deref).or(former) {
            Some(name) => format!("\"{name}\" ({short})"),
            None => short,
        }
    }

    /// What a device is called, if that is known.
    pub(crate) fn name(&self, id: MuaaId) -> Option<&str> {
        self.known.get(&id)?.as_deref()
    }

    /// The devices beside the own one that have a name.
    pub(crate) fn others(&self, own: Option<MuaaId>) -> impl Iterator<Item = (MuaaId, &str)> {
        let others = self.known.iter().filter(move |(id, _)| own != Some(**id));
        others.filter_map(|(id, name)| Some((*id, name.as_deref()?)))
    }

    /// As few first digits of an ID as tell it from all others.
    pub(crate) fn short(&self, id: MuaaId) -> String {
        let text = id.to_string();
        let is_other = |other: &&MuaaId| **other != id;
        let others: Vec<_> = self.known.keys().filter(is_other).map(ToString::to_string).collect();
        let clear = (DIGITS_MIN..text.len()).find(|digits| {
            let head = &text[..*digits];
            !others.iter().any(|other| other.starts_with(head))
        });
        text[..clear.unwrap_or(text.len())].to_owned()
    }

    /// The device that a person means by its name, its ID, or the first digits of that.
    ///
    /// # Errors
    /// None or several are called so; the sentence lists what there is.
    pub(crate) fn find(&self, typed: &str) -> Result<MuaaId, Failure> {
        let whole = MuaaId::parse(typed).filter(|id| self.known.contains_key(id));
        if let Some(id) = whole {
            return Ok(id);
        }
        let called = |name: &Option<String>| name.as_deref() == Some(typed);
        let begins = |id: &MuaaId| !typed.is_empty() && id.to_string().starts_with(typed);
        let by_name = self.known.iter().filter(|(_, name)| called(name)).map(|(id, _)| *id);
        let by_digits = self.known.keys().filter(|id| begins(id)).copied();
        let mut meant: Vec<_> = by_name.chain(by_digits).collect();
        meant.sort_unstable();
        meant.dedup();
        let list = |ids: &[MuaaId]| ids.iter().map(|id| self.of_id(*id)).collect::<Vec<_>>().join(", ");
        match meant[..] {
            [id] => Ok(id),
            [] => {
                let all: Vec<_> = self.known.keys().copied().collect();
                let known = if all.is_empty() { "none".to_owned() } else { list(&all) };
                let why = format!("no device is called {typed}; known are: {known}");
                Err(Failure::known("no-such-device", 3, why))
            }
            _ => {
                let why = format!("{typed} may be one of several: {}; type the digits of one", list(&meant));
                Err(Failure::known("which-device", 3, why))
            }
        }
    }

    /// What the device of this view is called.
    pub(crate) fn of_sibling(&self, sibling: &Sibling) -> String {
        self.of_id(sibling.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let mut names = Names::from(&[(126_244, "phone"), (126_399, "tablet"), (77_711, "phone"), (5, "27")]);
        names.known.insert(MuaaId(888_888), None);
        names
    }

    #[test]
    fn a_device_is_shown_by_its_name_and_as_few_digits_as_tell_it_from_others() {
        let shown = |id| names().of_id(MuaaId(id));
        assert_eq!(shown(126_244), "\"phone\" (1262)");
        assert_eq!(shown(888_888), "8888");
        assert_eq!(shown(5), "\"27\" (5)");
        let close = Names::from(&[(123_456, "a"), (123_457, "b"), (12_345, "c")]);
        assert_eq!([123_456, 12_345].map(|id| close.short(MuaaId(id))), ["123456", "12345"]);
    }

    #[test]
    fn a_name_or_the_first_digits_mean_a_device_and_what_means_two_is_asked_about() {
        let find = |typed| names().find(typed);
        assert_eq!(find("tablet"), Ok(MuaaId(126_399)));
        assert_eq!(find("1262"), Ok(MuaaId(126_244)));
        assert_eq!(find("126399"), Ok(MuaaId(126_399)));
        assert_eq!(find("27"), Ok(MuaaId(5)));
        let error = find("phone").unwrap_err();
        assert!(error.sentence().contains("\"phone\" (7771), \"phone\" (1262)"), "{}", error.sentence());
        assert_eq!((error.word(), error.code()), ("which-device", 3));
        for none in ["", "fridge", "9"] {
            let error = find(none).unwrap_err();
            assert!(error.sentence().contains("\"tablet\" (1263)"), "{}", error.sentence());
        }
    }
}
