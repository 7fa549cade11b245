use burn::{
    Tensor,
    tensor::{
        Distribution,
        module::interpolate,
        ops::{InterpolateMode, InterpolateOptions},
    },
};
use burn_rsmamba::layers;
use burn_rsmamba::modules::{upsample_bilinear2x, upsample_nearest2x};
use burn_rsmamba_tests::{compare::Failures, compare::values, device};

#[test]
fn both_ways_upsample_as_burns_interpolation_does_forward_and_backward() {
    let mut failures = Failures::default();
    let device = device().autodiff();
    for (height, width) in [(1, 1), (2, 3), (5, 4), (8, 8), (1, 6)] {
        let input = Tensor::<4>::random([2, 3, height, width], Distribution::Uniform(-1.0, 1.0), &device);
        let weights = Tensor::<4>::random([2, 3, 2 * height, 2 * width], Distribution::Uniform(-1.0, 1.0), &device);
        let run = |up: &dyn Fn(Tensor<4>) -> Tensor<4>| {
            let x = input.clone().detach().require_grad();
            let y = up(x.clone());
            let grads = (y.clone() * weights.clone()).sum().backward();
            (values(y), values(x.grad(&grads).expect("tracked")))
        };
        let bilinear = |x: Tensor<4>| upsample_bilinear2x(x.permute([0, 2, 3, 1])).permute([0, 3, 1, 2]);
        for (name, mode, ours) in [
            ("native", InterpolateMode::Bilinear, &bilinear as &dyn Fn(Tensor<4>) -> Tensor<4>),
            ("composed", InterpolateMode::Bilinear, &|x| layers::composed(|| bilinear(x))),
            ("composed", InterpolateMode::Nearest, &upsample_nearest2x),
        ] {
            let options = InterpolateOptions::new(mode.clone())
                .with_align_corners(true)
                .with_output_size([2 * height, 2 * width]);
            let (y, dx) = run(&|x| interpolate(x, options.clone()));
            let (own_y, own_dx) = run(ours);
            let label = format!("{name} {mode:?} {height}x{width}");
            failures.absolute(&format!("{label} y"), &own_y, &y, 1e-5);
            failures.absolute(&format!("{label} dx"), &own_dx, &dx, 1e-4);
        }
    }
    failures.finish();
}
