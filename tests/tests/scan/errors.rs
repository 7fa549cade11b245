//! Mistakes name the op, the argument, what was expected and what came.

use burn::{Tensor, tensor::FloatDType};
use burn_rsmamba::{Directions, ScanOptions, omni_selective_scan, selective_scan};
use burn_rsmamba_tests::device;
use std::panic::catch_unwind;

fn message(run: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = catch_unwind(run).expect_err("the call must be refused");
    panic.downcast_ref::<String>().cloned().unwrap_or_else(|| panic!("a formatted message"))
}

fn zeros<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::zeros(shape, &device())
}

#[test]
fn every_misshapen_argument_is_listed_at_once() {
    let text = message(|| {
        let options = ScanOptions::default();
        let skip = Some(zeros([5]));
        let _ = selective_scan(
            zeros([2, 6, 10]),
            zeros([2, 6, 11]),
            zeros([6, 4]),
            zeros([2, 3, 4, 10]),
            zeros([2, 3, 5, 10]),
            skip,
            None,
            options,
        );
    });
    assert_eq!(
        text,
        "selective_scan: `delta` must be [B, G * D, L] = [2, 6, 10], got [2, 6, 11]; \
         `c` must be [B, G, N, L] = [2, 3, 4, 10], got [2, 3, 5, 10]; `skip` must be [G * D] = [6], got [5]"
    );
}

#[test]
fn channels_must_divide_into_groups() {
    let text = message(|| {
        let b = zeros([1, 4, 2, 3]);
        let _ = selective_scan(
            zeros([1, 6, 3]),
            zeros([1, 6, 3]),
            zeros([6, 2]),
            b.clone(),
            b,
            None,
            None,
            ScanOptions::default(),
        );
    });
    assert_eq!(text, "selective_scan: `u` has 6 channels, not a multiple of the 4 groups of `b`");
}

#[test]
fn mixed_dtypes_are_refused() {
    let text = message(|| {
        let b = zeros([1, 1, 2, 3]);
        let delta = zeros([1, 2, 3]).cast(FloatDType::F64);
        let _ =
            selective_scan(zeros([1, 2, 3]), delta, zeros([2, 2]), b.clone(), b, None, None, ScanOptions::default());
    });
    assert_eq!(text, "selective_scan: `delta` must be F32 like `u`, got F64");
}

#[test]
fn an_empty_sequence_is_refused() {
    let text = message(|| {
        let b = zeros([1, 1, 2, 0]);
        let _ = selective_scan(
            zeros([1, 2, 0]),
            zeros([1, 2, 0]),
            zeros([2, 2]),
            b.clone(),
            b,
            None,
            None,
            ScanOptions::default(),
        );
    });
    assert_eq!(text, "selective_scan: `u` must not be empty, got [1, 2, 0]");
}

#[test]
fn the_omnidirectional_form_names_its_row() {
    let text = message(|| {
        let _ = omni_selective_scan(
            zeros([1, 3, 4, 6]),
            zeros([1, 3, 4, 8, 9]),
            zeros([8, 6, 2]),
            zeros([48, 4]),
            None,
            None,
            Directions::Eight,
            ScanOptions::default(),
        );
    });
    assert_eq!(
        text,
        "omni_selective_scan: `projection` must be [B, H, W, K, R + 2 N] = [1, 3, 4, 8, 10], got [1, 3, 4, 8, 9]"
    );
}
