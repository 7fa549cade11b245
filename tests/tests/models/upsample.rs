use burn::{
    Tensor,
    tensor::{
        Device, Distribution,
        module::interpolate,
        ops::{InterpolateMode, InterpolateOptions},
    },
};
use burn_rsmamba::layers;
use burn_rsmamba::modules::{upsample_bilinear2x, upsample_nearest2x};
use burn_rsmamba_tests::{compare::Failures, compare::values, device, flex};

#[test]
fn upsampling_is_burns_interpolation_forward_and_backward() {
    let mut failures = Failures::default();
    for (height, width) in [(1, 1), (2, 3), (5, 4), (8, 8), (1, 6)] {
        // Burn's own has no bilinear backward on every backend, so it runs on Flex.
        let random = |sizes| Tensor::<4>::random(sizes, Distribution::Uniform(-1.0, 1.0), &flex()).into_data();
        let input = random([2, 3, height, width]);
        let weights = random([2, 3, 2 * height, 2 * width]);
        let run = |device: Device, up: &dyn Fn(Tensor<4>) -> Tensor<4>| {
            let device = device.autodiff();
            let x = Tensor::<4>::from_data(input.clone(), &device).require_grad();
            let y = up(x.clone());
            let grads = (y.clone() * Tensor::from_data(weights.clone(), &device)).sum().backward();
            (values(y), values(x.grad(&grads).expect("tracked")))
        };
        let bilinear = |x: Tensor<4>| upsample_bilinear2x(x.permute([0, 2, 3, 1])).permute([0, 3, 1, 2]);
        for (name, mode, device, ours) in [
            ("native", InterpolateMode::Bilinear, flex(), &bilinear as &dyn Fn(Tensor<4>) -> Tensor<4>),
            ("composed", InterpolateMode::Bilinear, device(), &|x| layers::composed(|| bilinear(x))),
            ("composed", InterpolateMode::Nearest, device(), &upsample_nearest2x),
        ] {
            let options = InterpolateOptions::new(mode.clone())
                .with_align_corners(true)
                .with_output_size([2 * height, 2 * width]);
            let (y, dx) = run(flex(), &|x| interpolate(x, options.clone()));
            let (own_y, own_dx) = run(device, ours);
            let label = format!("{name} {mode:?} {height}x{width}");
            failures.absolute(&format!("{label} y"), &own_y, &y, 1e-5);
            failures.absolute(&format!("{label} dx"), &own_dx, &dx, 1e-4);
        }
    }
    failures.finish();
}
