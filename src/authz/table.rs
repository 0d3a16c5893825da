//! A hash table that clones in constant time, of which a change copies a leaf and the way to it.
//!
//! Its leaves are arrays without gaps, in the order of the hashes. Hashes are spread evenly, so an
//! entry is looked for where its hash says it should be, and found a step or two from there.

use std::fmt;
use std::sync::Arc;

/// The largest leaf.
const LEAF: usize = 64;
/// The hash's bits that choose among the children of a branch.
const BITS: u32 = 4;

/// What a table holds.
pub(super) trait Entry: Clone {
    /// What is known of many entries together.
    type Summary: fmt::Debug + Copy + Default;

    /// The hash of the entry's key; the same for equal keys.
    fn hash(&self) -> u64;

    /// What one entry adds to the summary of all.
    fn summary(&self) -> Self::Summary;

    /// Two summaries in one.
    fn join(a: Self::Summary, b: Self::Summary) -> Self::Summary;
}

/// A persistent hash table.
#[derive(Debug, Clone)]
pub(super) struct Table<T: Entry> {
    summary: T::Summary,
    node: Node<T>,
}

#[derive(Debug, Clone)]
enum Node<T: Entry> {
    Leaf(Arc<[T]>),
    Branch(Arc<[Table<T>; 1 << BITS]>),
}

impl<T: Entry> Default for Table<T> {
    fn default() -> Self {
        Self { summary: T::Summary::default(), node: Node::Leaf(Arc::default()) }
    }
}

impl<T: Entry> Table<T> {
    /// The summary of all entries.
    pub(super) fn summary(&self) -> T::Summary {
        self.summary
    }

    /// Whether there is no entry.
    pub(super) fn is_empty(&self) -> bool {
        // A branch holds more than a leaf could.
        matches!(&self.node, Node::Leaf(entries) if entries.is_empty())
    }

    /// The entry of that hash that is the one meant.
    pub(super) fn get(&self, hash: u64, is: impl Fn(&T) -> bool) -> Option<&T> {
        let (mut table, mut rest) = (self, hash);
        loop {
            match &table.node {
                Node::Leaf(entries) => {
                    let same = entries.get(first(entries, hash, rest)..)?.iter();
                    return same.take_while(|e| e.hash() == hash).find(|e| is(e));
                }
                Node::Branch(children) => {
                    table = children.get(child(rest))?;
                    rest <<= BITS;
                }
            }
        }
    }

    /// Puts what `change` makes of the entry meant in its place; none means that there is none.
    pub(super) fn update(
        &mut self,
        hash: u64,
        is: impl Fn(&T) -> bool,
        change: impl FnOnce(Option<&T>) -> Option<T>,
    ) {
        self.update_below(hash, 0, &is, change);
    }

    fn update_below(
        &mut self,
        hash: u64,
        depth: u32,
        is: &impl Fn(&T) -> bool,
        change: impl FnOnce(Option<&T>) -> Option<T>,
    ) {
        let rest = below(hash, depth);
        match &mut self.node {
            Node::Leaf(entries) => {
                let (before, from) = entries.split_at(first(entries, hash, rest));
                let same = from.iter().take_while(|e| e.hash() == hash);
                let (other, found) = match same.clone().position(is) {
                    Some(at) => (at, from.get(at)),
                    None => (same.count(), None),
                };
                let (other, after) = from.split_at(other);
                let after = after.iter().skip(usize::from(found.is_some()));
                let left = before.iter().chain(other).cloned();
                *self =
                    Self::below(left.chain(change(found)).chain(after.cloned()).collect(), depth);
            }
            Node::Branch(children) => {
                let children = Arc::make_mut(children);
                if let Some(child) = children.get_mut(child(rest)) {
                    child.update_below(hash, depth + 1, is, change);
                }
                // Well below the limit, or a table near it would change its form all the time.
                match few(children) {
                    Some(entries) => *self = Self::below(entries, depth),
                    None => self.summary = joined::<T>(children.iter().map(Self::summary)),
                }
            }
        }
    }

    /// A table of entries in the order of their hashes.
    pub(super) fn of(entries: Arc<[T]>) -> Self {
        Self::below(entries, 0)
    }

    fn below(entries: Arc<[T]>, depth: u32) -> Self {
        // Below the last bits nothing tells the entries apart.
        if entries.len() <= LEAF || depth * BITS >= u64::BITS {
            let summary = joined::<T>(entries.iter().map(T::summary));
            return Self { summary, node: Node::Leaf(entries) };
        }
        let mut rest = &*entries;
        let children = std::array::from_fn(|index| {
            let of_child = |e: &T| child(below(e.hash(), depth)) <= index;
            let (own, others) = rest.split_at(rest.partition_point(of_child));
            rest = others;
            Self::below(own.into(), depth + 1)
        });
        let summary = joined::<T>(children.iter().map(Self::summary));
        Self { summary, node: Node::Branch(Arc::new(children)) }
    }
}

/// Where entries of that hash begin, or would. `rest` are the bits that vary within the leaf.
fn first<T: Entry>(entries: &[T], hash: u64, rest: u64) -> usize {
    let guess = usize::try_from(((rest >> 32) * entries.len() as u64) >> 32).unwrap_or_default();
    let (before, from) = entries.split_at(guess);
    match from.iter().take_while(|e| e.hash() < hash).count() {
        0 => guess - before.iter().rev().take_while(|e| e.hash() >= hash).count(),
        smaller => guess + smaller,
    }
}

/// The bits of a hash that vary at that depth, at the left.
fn below(hash: u64, depth: u32) -> u64 {
    hash.checked_shl(depth * BITS).unwrap_or_default()
}

fn child(rest: u64) -> usize {
    usize::try_from(rest >> (u64::BITS - BITS)).unwrap_or_default()
}

fn joined<T: Entry>(summaries: impl Iterator<Item = T::Summary>) -> T::Summary {
    summaries.fold(T::Summary::default(), T::join)
}

/// The entries of all children, if one leaf holds them easily.
fn few<T: Entry>(children: &[Table<T>]) -> Option<Arc<[T]>> {
    let leaves = || {
        children.iter().map(|child| match &child.node {
            Node::Leaf(entries) => Some(entries),
            Node::Branch(_) => None,
        })
    };
    let count = leaves().try_fold(0, |count, leaf| leaf.map(|entries| count + entries.len()))?;
    if count > LEAF / 2 {
        return None;
    }
    Some(leaves().flatten().flat_map(|entries| entries.iter()).cloned().collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Number(u64, u64);

    impl Entry for Number {
        type Summary = u64;

        fn hash(&self) -> u64 {
            self.0
        }

        fn summary(&self) -> u64 {
            1 << (self.1 % 64)
        }

        fn join(a: u64, b: u64) -> u64 {
            a | b
        }
    }

    fn entries(table: &Table<Number>) -> Vec<Number> {
        match &table.node {
            Node::Leaf(entries) => entries.to_vec(),
            Node::Branch(children) => children.iter().flat_map(entries).collect(),
        }
    }

    proptest! {
        /// With hashes that meet, fully or for some bits, and through both forms and back.
        #[test]
        fn it_does_as_the_standard_map(
            ops in prop::collection::vec((0..300u64, 0..3u8), 1..1500),
            spread in prop::sample::select(vec![0u64, 1, 0x100, 0x9e37_79b9_7f4a_7c15]),
        ) {
            let mut table = Table::default();
            let mut expected = BTreeMap::new();
            let mut before = None;
            for (step, (key, op)) in ops.into_iter().enumerate() {
                let hash = (key % 250).wrapping_mul(spread);
                let add = op == 0 || (op == 1 && step < 750);
                let held = expected.contains_key(&key);
                table.update(hash, |e: &Number| e.1 == key, |found| {
                    assert_eq!(found.is_some(), held);
                    add.then_some(Number(hash, key))
                });
                if add {
                    expected.insert(key, hash);
                } else {
                    expected.remove(&key);
                }
                prop_assert_eq!(table.get(hash, |e: &Number| e.1 == key).is_some(), add);
                if step == 500 {
                    before = Some((table.clone(), entries(&table)));
                }
            }
            let mut all: Vec<_> = entries(&table).into_iter().map(|e| (e.1, e.0)).collect();
            all.sort_unstable();
            prop_assert!(all.iter().copied().eq(expected.iter().map(|(k, v)| (*k, *v))));
            let summary = expected.keys().fold(0, |bits, key| bits | 1 << (key % 64));
            prop_assert_eq!(table.summary(), summary);
            prop_assert_eq!(table.is_empty(), expected.is_empty());
            if let Some((table, then)) = before {
                prop_assert_eq!(entries(&table), then);
            }
        }
    }
}
