//! Disjoint sets whose oldest members are forgotten.

use std::collections::VecDeque;

/// Sets of numbered members with a value each. The newest member represents its set, so that old ones can go.
#[derive(Debug)]
pub(super) struct Forest<T> {
    /// The number of the first member that is still known.
    base: usize,
    nodes: VecDeque<(usize, T)>,
}

impl<T> Default for Forest<T> {
    fn default() -> Self {
        Self { base: 0, nodes: VecDeque::new() }
    }
}

impl<T: Default> Forest<T> {
    /// The number that the next member gets.
    pub(super) fn next(&self) -> usize {
        self.base + self.nodes.len()
    }

    /// Adds a set of one member.
    pub(super) fn add(&mut self, value: T) {
        self.nodes.push_back((self.next(), value));
    }

    /// The member that represents the set of this one.
    pub(super) fn root(&mut self, mut member: usize) -> usize {
        loop {
            let parent = self.parent(member);
            if parent == member {
                return member;
            }
            // Paths are halved on the way.
            let above = self.parent(parent);
            self.nodes[member - self.base].0 = above;
            member = above;
        }
    }

    /// The value of a member's set.
    pub(super) fn value(&mut self, member: usize) -> &mut T {
        let root = self.root(member);
        &mut self.nodes[root - self.base].1
    }

    /// Makes two sets one; `merge(into, from)` brings their values together.
    pub(super) fn join(&mut self, first: usize, second: usize, merge: impl FnOnce(&mut T, T)) {
        let (first, second) = (self.root(first), self.root(second));
        let (old, new) = (first.min(second), first.max(second));
        if old < new {
            let node = &mut self.nodes[old - self.base];
            node.0 = new;
            let value = std::mem::take(&mut node.1);
            merge(&mut self.nodes[new - self.base].1, value);
        }
    }

    /// Forgets the members below this number, of which none may be asked for any more.
    pub(super) fn forget(&mut self, below: usize) {
        self.nodes.drain(..below - self.base);
        self.base = below;
    }

    fn parent(&self, member: usize) -> usize {
        self.nodes[member - self.base].0
    }
}
