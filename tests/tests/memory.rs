//! Peak memory of a training step through the scan, by a counting allocator. A program of its own, with one test, so that
//! nothing else allocates meanwhile.

use burn::{
    Tensor,
    tensor::{Device, Distribution},
};
use burn_rsmamba::{Directions, ScanOptions, omni_selective_scan, selective_scan};
use burn_rsmamba_tests::autodiff_devices;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grow(size: usize) {
    let live = LIVE.fetch_add(size, Ordering::Relaxed) + size;
    PEAK.fetch_max(live, Ordering::Relaxed);
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller's layout, as asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's pointer and layout, which came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes allocated at the peak of `run`, above what was live before.
fn peak(run: impl FnOnce()) -> usize {
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    run();
    PEAK.load(Ordering::Relaxed) - before
}

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), device).require_grad()
}

#[test]
fn training_through_the_scan_never_holds_the_states_of_every_step() {
    let options = ScanOptions { delta_softplus: true };
    for (mode, device) in autodiff_devices() {
        let (channels, states, length) = (256, 64, 2048);
        let (u, delta) = (random([1, channels, length], &device), random([1, channels, length], &device));
        let a = random([channels, states], &device).abs().neg();
        let (b, c) = (random([1, 1, states, length], &device), random([1, 1, states, length], &device));
        let used = peak(|| {
            let y = selective_scan(u.clone(), delta.clone(), a.clone(), b.clone(), c.clone(), None, None, options);
            let grads = y.sum().backward();
            assert!(u.grad(&grads).is_some() && b.grad(&grads).is_some());
        });
        let all_states = channels * length * states * 4;
        println!("{mode}, plain: peak {used} bytes, all states {all_states} bytes");
        assert!(used < all_states / 4, "{mode}: {used} bytes against {all_states} of all states");

        let (size, channels, states, rank) = (32, 96, 16, 6);
        let u = random([1, size, size, channels], &device);
        let projection = random([1, size, size, 8, rank + 2 * states], &device);
        let dt_weight = random([8, channels, rank], &device);
        let a = random([8 * channels, states], &device).abs().neg();
        let used = peak(|| {
            let (u, projection) = (u.clone(), projection.clone());
            let y = omni_selective_scan(u, projection, dt_weight.clone(), a, None, None, Directions::Eight, options);
            let grads = y.sum().backward();
            assert!(dt_weight.grad(&grads).is_some());
        });
        let all_states = 8 * channels * size * size * states * 4;
        println!("{mode}, omnidirectional: peak {used} bytes, all states {all_states} bytes");
        assert!(used < all_states / 4, "{mode}: {used} bytes against {all_states} of all states");
    }
}
