//! f64 computes in f64; f16 and bf16 keep an f32 state.

use super::problem::{ALL_ON, Implementation, PlainShape, plain, run_plain};
use burn::{
    Tensor,
    tensor::{DType, FloatDType},
};
use burn_rsmamba::{ScanOptions, selective_scan};
use burn_rsmamba_tests::{
    compare::{Failures, values},
    device,
};

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
    let half = FloatDType::BF16;
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
    assert_eq!(y.dtype(), DType::BF16);
    assert_eq!(values(y), [2.0, 3.0, 4.0, 5.0, 2.0, 3.0, 4.0, 5.0]);
}
