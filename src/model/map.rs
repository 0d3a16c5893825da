//! An ordered map that clones in constant time, and takes no more room than its entries while it is
//! small, as nearly all of them are: the grants of a role, the roles of a user.

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;

/// A map with more entries is a tree, whose changes copy little of it.
const FEW: usize = 128;

/// A persistent ordered map.
#[derive(Clone)]
pub struct Map<K, V>(Form<K, V>);

/// A set is a map to nothing.
pub type Set<K> = Map<K, ()>;

#[derive(Clone)]
enum Form<K, V> {
    /// In order.
    Few(Arc<[(K, V)]>),
    Many(OrdMap<K, V>),
}

impl<K: Ord + Clone, V: Clone> Map<K, V> {
    /// The number of entries.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Few(entries) => entries.len(),
            Form::Many(tree) => tree.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of `key`.
    pub fn get(&self, key: &K) -> Option<&V> {
        match &self.0 {
            Form::Few(entries) => {
                let at = entries.binary_search_by(|(k, _)| k.cmp(key)).ok()?;
                entries.get(at).map(|(_, value)| value)
            }
            Form::Many(tree) => tree.get(key),
        }
    }

    /// Whether `key` has a value.
    pub fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// All entries in order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let (few, many) = match &self.0 {
            Form::Few(entries) => (&**entries, None),
            Form::Many(tree) => (&[][..], Some(tree.iter())),
        };
        few.iter().map(|(key, value)| (key, value)).chain(many.into_iter().flatten())
    }

    /// All keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// The entries from `first` on.
    pub fn from<'a>(&'a self, first: &K) -> impl Iterator<Item = (&'a K, &'a V)> + use<'a, K, V> {
        let (few, many) = match &self.0 {
            Form::Few(entries) => {
                let at = entries.partition_point(|(key, _)| key < first);
                (entries.get(at..).unwrap_or_default(), None)
            }
            Form::Many(tree) => {
                (&[][..], Some(tree.range::<_, K>((Bound::Included(first), Bound::Unbounded))))
            }
        };
        few.iter().map(|(key, value)| (key, value)).chain(many.into_iter().flatten())
    }

    /// Adds an entry or replaces its value; returns whether it is new.
    pub fn insert(&mut self, key: K, value: V) -> bool {
        match &mut self.0 {
            Form::Few(entries) => {
                let found = entries.binary_search_by(|(k, _)| k.cmp(&key));
                let at = found.unwrap_or_else(|at| at);
                let (before, from) = entries.split_at(at);
                let after = from.iter().skip(usize::from(found.is_ok()));
                let all = before.iter().cloned().chain([(key, value)]).chain(after.cloned());
                self.0 = if entries.len() < FEW {
                    Form::Few(all.collect())
                } else {
                    Form::Many(all.collect())
                };
                found.is_err()
            }
            Form::Many(tree) => tree.insert(key, value).is_none(),
        }
    }

    /// Removes an entry; returns whether it was there.
    pub fn remove(&mut self, key: &K) -> bool {
        match &mut self.0 {
            Form::Few(entries) => {
                let found = entries.binary_search_by(|(k, _)| k.cmp(key));
                if let Ok(at) = found {
                    let (before, from) = entries.split_at(at);
                    *entries = before.iter().chain(from.iter().skip(1)).cloned().collect();
                }
                found.is_ok()
            }
            Form::Many(tree) => {
                let found = tree.remove(key).is_some();
                // Well below the limit, or a map near it would change its form all the time.
                if tree.len() < FEW / 2 {
                    self.0 = Form::Few(std::mem::take(tree).into_iter().collect());
                }
                found
            }
        }
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self(Form::Few(Arc::default()))
    }
}

/// Of entries with the same key the last one counts.
impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        entries.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        Self(if entries.len() <= FEW {
            Form::Few(entries.into())
        } else {
            Form::Many(entries.into_iter().collect())
        })
    }
}

impl<K: Ord + Clone> FromIterator<K> for Set<K> {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        keys.into_iter().map(|key| (key, ())).collect()
    }
}

impl<K: Ord + Clone, V: Clone + PartialEq> PartialEq for Map<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<K: Ord + Clone, V: Clone + Eq> Eq for Map<K, V> {}

impl<K: fmt::Debug + Ord + Clone, V: fmt::Debug + Clone> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Through both forms and back.
        #[test]
        fn it_does_as_the_standard_map(ops in prop::collection::vec((0..400u16, 0..3u8), 1..2000)) {
            let (mut map, mut expected) = (Map::default(), BTreeMap::new());
            for (step, (key, op)) in ops.into_iter().enumerate() {
                // Grows at first, then shrinks.
                if op == 0 || (op == 1 && step < 1000) {
                    prop_assert_eq!(map.insert(key, step), expected.insert(key, step).is_none());
                } else {
                    prop_assert_eq!(map.remove(&key), expected.remove(&key).is_some());
                }
                prop_assert_eq!(map.get(&key), expected.get(&key));
                prop_assert!(map.from(&key).eq(expected.range(key..)));
            }
            prop_assert_eq!(map.len(), expected.len());
            prop_assert!(map.iter().eq(expected.iter()));
            prop_assert_eq!(map, expected.into_iter().collect());
        }
    }
}
