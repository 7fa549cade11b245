//! f64 computes in f64; f16 and bf16 keep an f32 state.

use super::problem::{ALL_ON, Implementation, PlainShape, plain, run_plain};
use burn::{
    Tensor,
    tensor::{DType, Device, FloatDType},
};
use burn_rsmamba::{ScanOptions, scan::supports_dtype, selective_scan};
use burn_rsmamba_tests::{
    compare::{Failures, values},
    device,
    fixtures::skip,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Whether the device computes in this dtype; says that it is skipped where it does not.
fn supported(device: &Device, dtype: FloatDType) -> bool {
    let supported = supports_dtype(device, dtype);
    if !supported {
        skip(&format!("{dtype:?}, in which {device:?} cannot compute"));
    }
    supported
}

#[test]
fn a_dtype_that_the_device_cannot_compute_in_is_refused() {
    let device = device();
    for dtype in [FloatDType::F64, FloatDType::F16, FloatDType::BF16] {
        if supports_dtype(&device, dtype) {
            skip(&format!("the refusal of {dtype:?}, in which {device:?} computes"));
            continue;
        }
        let zeros = |sizes: [usize; 3]| Tensor::<3>::zeros(sizes, (&device, DType::from(dtype)));
        let Ok(u) = catch_unwind(AssertUnwindSafe(|| zeros([1, 2, 3]))) else {
            skip(&format!("{dtype:?}, of which {device:?} has no tensors"));
            continue;
        };
        let b = zeros([1, 2, 3]).unsqueeze::<4>();
        let a = zeros([1, 2, 2]).squeeze_dim::<2>(0);
        let run =
            AssertUnwindSafe(|| selective_scan(u.clone(), u, a, b.clone(), b, None, None, ScanOptions::default()));
        let panic = catch_unwind(run).expect_err("refused");
        let text = panic.downcast_ref::<String>().expect("a formatted message");
        assert_eq!(
            *text,
            format!("selective_scan: `u` is {:?}, which {device:?} cannot compute in", DType::from(dtype))
        );
    }
}

#[test]
fn half_and_double_inputs_give_their_own_dtype_and_close_values() {
    let shape = PlainShape { batch: 1, groups: 2, channels: 4, states: 8, length: 64 };
    let (operands, dy) = plain(shape, ALL_ON, 13);
    let device = device().autodiff();
    let single = run_plain(Implementation::Op, &operands, &dy, true, &device, &|_| true);
    let find = |name: &str| operands.iter().find(|operand| operand.name == name).expect("an operand");
    let mut failures = Failures::default();
    for (dtype, expected, tolerance) in [
        (FloatDType::F64, DType::F64, 1e-5),
        (FloatDType::F16, DType::F16, 4e-3),
        (FloatDType::BF16, DType::BF16, 3e-2),
    ] {
        if !supported(&device, dtype) {
            continue;
        }
        let u = find("u").tensor::<3>(&device).cast(dtype).require_grad();
        let c = find("c").tensor::<4>(&device).cast(dtype).require_grad();
        let y = selective_scan(
            u.clone(),
            find("delta").tensor::<3>(&device).cast(dtype),
            find("a").tensor::<2>(&device).cast(dtype),
            find("b").tensor::<4>(&device).cast(dtype),
            c.clone(),
            Some(find("skip").tensor::<1>(&device).cast(dtype)),
            Some(find("delta_bias").tensor::<1>(&device).cast(dtype)),
            ScanOptions { delta_softplus: true },
        );
        assert_eq!(y.dtype(), expected);
        let grads = (y.clone() * dy.tensor::<3>(&device).cast(dtype)).sum().backward();
        failures.relative(&format!("{dtype:?} y"), &values(y), &single.y, tolerance);
        let (du, dc) = (u.grad(&grads).expect("tracked"), c.grad(&grads).expect("tracked"));
        assert_eq!((du.dtype(), dc.dtype()), (expected, expected));
        let of = |name: &str| &single.gradients.iter().find(|(n, _)| *n == name).expect("tracked").1;
        failures.relative(&format!("{dtype:?} du"), &values(du), of("u"), tolerance);
        failures.relative(&format!("{dtype:?} dc"), &values(dc), of("c"), tolerance);
    }
    failures.finish();
}

#[test]
fn a_half_precision_sum_does_not_stall() {
    // 4096 additions of one: an f16 state would stop at 2048
    let device = device();
    let half = FloatDType::F16;
    if !supported(&device, half) {
        return;
    }
    let ones = |sizes: [usize; 3]| Tensor::<3>::ones(sizes, &device).cast(half);
    let length = 4096;
    let y = selective_scan(
        ones([1, 1, length]),
        ones([1, 1, length]),
        Tensor::<2>::zeros([1, 1], &device),
        Tensor::<4>::ones([1, 1, 1, length], &device).cast(half),
        Tensor::<4>::ones([1, 1, 1, length], &device).cast(half),
        None,
        None,
        ScanOptions { delta_softplus: false },
    );
    assert_eq!(values(y).last(), Some(&4096.0));
}

#[test]
fn parameters_may_stay_in_f32_beside_half_inputs() {
    let device = device();
    let half = if supported(&device, FloatDType::BF16) { FloatDType::BF16 } else { FloatDType::F16 };
    if !supported(&device, half) {
        return;
    }
    let y = selective_scan(
        Tensor::<3>::ones([1, 2, 4], &device).cast(half),
        Tensor::<3>::ones([1, 2, 4], &device).cast(half),
        Tensor::<2>::zeros([2, 1], &device),
        Tensor::<4>::ones([1, 1, 1, 4], &device).cast(half),
        Tensor::<4>::ones([1, 1, 1, 4], &device).cast(half),
        Some(Tensor::<1>::ones([2], &device)),
        None,
        ScanOptions::default(),
    );
    assert_eq!(y.dtype(), DType::from(half));
    assert_eq!(values(y), [2.0, 3.0, 4.0, 5.0, 2.0, 3.0, 4.0, 5.0]);
}
