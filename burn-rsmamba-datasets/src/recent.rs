//! What was used last, within a limit of memory.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Values by key, with the bytes each takes; the ones that were not used for longest make room for others.
pub(crate) struct Recent<K, V> {
    most_bytes: usize,
    bytes: usize,
    clock: u64,
    values: HashMap<K, Entry<V>>,
    by_age: BTreeMap<u64, K>,
}

struct Entry<V> {
    used: u64,
    bytes: usize,
    value: V,
}

impl<K: Clone + Eq + Hash, V: Clone> Recent<K, V> {
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self { most_bytes, bytes: 0, clock: 0, values: HashMap::new(), by_age: BTreeMap::new() }
    }

    /// The limit, which only a single larger value exceeds.
    pub(crate) fn most_bytes(&self) -> usize {
        self.most_bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        let entry = self.values.get_mut(key)?;
        self.by_age.remove(&entry.used);
        self.clock += 1;
        entry.used = self.clock;
        self.by_age.insert(self.clock, key.clone());
        Some(entry.value.clone())
    }

    /// Keeps a value of a key that is not there, and as many of the others as fit beside it.
    pub(crate) fn insert(&mut self, key: K, value: V, bytes: usize) {
        self.bytes += bytes;
        self.clock += 1;
        self.values.insert(key.clone(), Entry { used: self.clock, bytes, value });
        self.by_age.insert(self.clock, key);
        while self.bytes > self.most_bytes && self.values.len() > 1 {
            let Some((_, oldest)) = self.by_age.pop_first() else { break };
            if let Some(entry) = self.values.remove(&oldest) {
                self.bytes -= entry.bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let mut recent = Recent::new(10);
        recent.insert("a", 1, 4);
        recent.insert("b", 2, 4);
        assert_eq!(recent.get(&"a"), Some(1));
        recent.insert("c", 3, 4);
        assert_eq!([recent.get(&"a"), recent.get(&"b"), recent.get(&"c")], [Some(1), None, Some(3)]);
        recent.insert("large", 4, 20);
        assert_eq!([recent.get(&"a"), recent.get(&"c"), recent.get(&"large")], [None, None, Some(4)]);
        assert_eq!(recent.bytes, 20);
    }
}
