//! Decoded strips and tiles of a file, shared by all that read it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::Pixels;
use crate::recent::Recent;
use crate::sync::locked;

/// A block that is decoded, or that somebody is at.
type Block = Arc<Mutex<Option<Arc<Pixels>>>>;

/// The blocks that were used last, within a limit of memory. Each is decoded by the first who asks for it, while others who ask for
/// the same one wait.
pub(super) struct Blocks {
    kept: Mutex<Recent<u32, Block>>,
    decoded: AtomicUsize,
}

impl Blocks {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { kept: Mutex::new(Recent::new(most_bytes)), decoded: AtomicUsize::new(0) }
    }

    /// The limit, which only a single larger block exceeds.
    pub(super) fn most_bytes(&self) -> usize {
        locked(&self.kept).most_bytes()
    }

    /// How many blocks were decoded so far.
    pub(super) fn decoded(&self) -> usize {
        self.decoded.load(Ordering::Relaxed)
    }

    /// A block, which takes so many bytes, decoded if it is not there.
    pub(super) fn get<E>(
        &self,
        index: u32,
        bytes: usize,
        decode: impl FnOnce() -> Result<Pixels, E>,
    ) -> Result<Arc<Pixels>, E> {
        let block = {
            let mut kept = locked(&self.kept);
            kept.get(&index).unwrap_or_else(|| {
                let block = Block::default();
                kept.insert(index, block.clone(), bytes);
                block
            })
        };
        let mut block = locked(&block);
        if let Some(pixels) = &*block {
            return Ok(pixels.clone());
        }
        // Where this fails, the next one tries anew.
        let pixels = Arc::new(decode()?);
        self.decoded.fetch_add(1, Ordering::Relaxed);
        *block = Some(pixels.clone());
        Ok(pixels)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn many_who_ask_for_a_block_have_it_decoded_once() {
        let blocks = Blocks::new(1000);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let blocks = &blocks;
                scope.spawn(move || {
                    for index in 0..4 {
                        let index = (index + thread) % 4;
                        let decode = || {
                            std::thread::sleep(Duration::from_millis(5));
                            Ok::<_, ()>(Pixels::U8(vec![index as u8]))
                        };
                        assert_eq!(*blocks.get(index, 1, decode).unwrap(), Pixels::U8(vec![index as u8]));
                    }
                });
            }
        });
        assert_eq!(blocks.decoded(), 4);
    }

    #[test]
    fn a_block_that_failed_is_tried_again() {
        let blocks = Blocks::new(1000);
        assert_eq!(blocks.get(7, 1, || Err("damaged")).unwrap_err(), "damaged");
        assert_eq!(*blocks.get(7, 1, || Ok::<_, ()>(Pixels::U8(vec![7]))).unwrap(), Pixels::U8(vec![7]));
        assert_eq!(blocks.decoded(), 1);
    }
}
