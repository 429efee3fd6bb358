//! A short list of small numbers in one word, so that states stay cheap to copy and to hash.
use std::fmt;

#[cfg(test)]
mod tests;

const BITS: u32 = 5;
const MASK: u64 = (1 << BITS) - 1;

/// A list of at most twelve numbers below 31.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Sequence(u64);

impl Sequence {
    /// How many numbers there are.
    pub fn len(self) -> u8 {
        let used = u64::BITS - self.0.leading_zeros();
        u8::try_from(used.div_ceil(BITS)).expect("a word has 64 bits")
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Appends `number`.
    ///
    /// # Panics
    /// If the list is full or the number too big: the configuration is too large for the model.
    pub fn push(&mut self, number: u8) {
        let place = u32::from(self.len());
        assert!(place < 12 && u64::from(number) < MASK, "the configuration is too large");
        self.0 |= (u64::from(number) + 1) << (place * BITS);
    }

    /// The first `len` numbers.
    pub fn first(self, len: u8) -> Self {
        Self(self.0 & ((1 << (u32::from(len) * BITS)) - 1))
    }

    /// Whether `other` starts with this list.
    pub fn is_prefix_of(self, other: Self) -> bool {
        other.first(self.len().min(12)) == self
    }

    /// The last number.
    pub fn last(self) -> Option<u8> {
        self.iter().last()
    }

    /// The numbers in order.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..self.len()).map(move |place| {
            let digit = (self.0 >> (u32::from(place) * BITS)) & MASK;
            u8::try_from(digit - 1).expect("a digit has five bits")
        })
    }

    /// The numbers as a set of bits.
    pub fn set(self) -> u32 {
        self.iter().fold(0, |set, number| set | 1 << number)
    }

    /// Whether a number occurs twice.
    pub fn repeats(self) -> bool {
        self.set().count_ones() != u32::from(self.len())
    }
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
