//! What a step of an optimiser computes, against its definition in f64.

use super::{
    checks::Checks,
    device::upload,
    layers::{MATRICES, values},
    problem::Random,
};
use burn_rsmamba_kernels::gpu::layers;

#[test]
fn steps_of_an_optimiser_are_those_of_the_cpu() {
    Checks::run("steps_of_an_optimiser_are_those_of_the_cpu", |checks| {
        let client = checks.client().clone();
        for [rows, columns] in MATRICES {
            let elements = rows * columns;
            let mut random = Random((rows * 1000 + columns) as u64);
            let name = format!("{elements}");
            checks.problem();

            let x = values(&mut random, elements, 1.0);
            for count in [1, layers::TENSORS] {
                // tensors of different lengths, one of them empty, in memory that is longer
                let lens: Vec<_> = (0..count).map(|index| index * elements / layers::TENSORS).collect();
                let tensors: Vec<_> = lens.iter().map(|&len| (upload(&client, &x), len)).collect();
                let squares = |len: &usize| x[..*len].iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() as f32;
                let sums = layers::sum_squares(&client, &tensors).expect("launched");
                checks.like(&name, "sums of squares", sums, &lens.iter().map(squares).collect::<Vec<_>>());
                layers::scale_tensors(&client, &tensors, -0.25).expect("launched");
                for ((handle, _), len) in tensors.into_iter().zip(lens) {
                    let scaled = |(index, &x): (usize, &f32)| if index < len { -0.25 * x } else { x };
                    checks.like(&name, "scaled", handle, &x.iter().enumerate().map(scaled).collect::<Vec<_>>());
                }
            }

            // by the definition, in f64
            let factors = |time| layers::AdamWFactors {
                beta_1: 0.8,
                beta_2: 0.95,
                epsilon: 1e-3,
                learning_rate: 0.1,
                weight_decay: 0.5,
                time,
            };
            let mut want: Vec<[f64; 3]> = x.iter().map(|&x| [f64::from(x), 0.0, 0.0]).collect();
            let [parameter, moment_1, moment_2] =
                [x.clone(), vec![f32::NAN; elements], vec![f32::NAN; elements]].map(|values| upload(&client, &values));
            for time in 1..=3 {
                let gradient = values(&mut random, elements, 1.0);
                let written = [&parameter, &moment_1, &moment_2];
                layers::adamw_step(&client, &upload(&client, &gradient), written, elements, factors(time))
                    .expect("launched");
                let layers::AdamWFactors { beta_1, beta_2, epsilon, learning_rate, weight_decay, .. } = factors(time);
                let [beta_1, beta_2, epsilon, weight_decay] = [beta_1, beta_2, epsilon, weight_decay].map(f64::from);
                for ([parameter, mean, square], &gradient) in want.iter_mut().zip(&gradient) {
                    let gradient = f64::from(gradient);
                    *mean = beta_1 * *mean + (1.0 - beta_1) * gradient;
                    *square = beta_2 * *square + (1.0 - beta_2) * gradient * gradient;
                    let unbiased = |moment: f64, beta: f64| moment / (1.0 - beta.powi(time as i32));
                    let step = unbiased(*mean, beta_1) / (unbiased(*square, beta_2).sqrt() + epsilon);
                    *parameter -= learning_rate * (weight_decay * *parameter + step);
                }
            }
            for (index, handle) in [parameter, moment_1, moment_2].into_iter().enumerate() {
                let field = ["parameter", "first moment", "second moment"][index];
                checks.like(&name, field, handle, &want.iter().map(|step| step[index] as f32).collect::<Vec<_>>());
            }
        }
    });
}
