//! Parts of a state that seldom change, shared by its clones until one of these changes them.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use minicbor::{Decode, Encode};

/// A value that clones share until one side changes it (copy on write). Encoded as the value.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Shared<T>(Arc<T>);

impl<T> Shared<T> {
    /// Whether both are the same value and not only equal: nothing was changed since they were one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

impl<C, T: Encode<C>> Encode<C> for Shared<T> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        self.0.encode(e, ctx)
    }
}

impl<'b, C, T: Decode<'b, C>> Decode<'b, C> for Shared<T> {
    fn decode(d: &mut minicbor::Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        T::decode(d, ctx).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_a_value_until_one_side_changes_it() {
        let one = Shared::from(vec![1]);
        let mut other = one.clone();
        assert!(one.is(&other));
        other.push(2);
        assert!(!one.is(&other));
        assert_eq!((&*one, &*other), (&vec![1], &vec![1, 2]));
    }
}
