//! x
use burn_rsmamba_kernels::cpu::layers::*;
use std::time::Instant;
fn t(name: &str, r: usize, c: usize, streams: f64, mut f: impl FnMut()) {
    for _ in 0..3 {
        f();
    }
    let mut v: Vec<f64> = (0..15)
        .map(|_| {
            let s = Instant::now();
            f();
            s.elapsed().as_secs_f64()
        })
        .collect();
    v.sort_by(f64::total_cmp);
    let (best, med) = (v[0], v[7]);
    println!(
        "{name:22} {r:6}x{c:4} {:9.1} us (median {:9.1})  {:6.1} GB/s",
        best * 1e6,
        med * 1e6,
        streams * 4.0 * (r * c) as f64 / best / 1e9
    );
}
#[test]
#[ignore]
fn bench() {
    let filter = std::env::var("F").unwrap_or_default();
    for (r, c) in [
        (4096, 96),
        (4096, 192),
        (1024, 384),
        (256, 768),
        (64, 3072),
        (4096, 16),
        (65536, 96),
        (65536, 48),
        (16384, 384),
    ] {
        let n = r * c;
        let x: Vec<f32> = (0..n).map(|i| ((i * 7919) % 10007) as f32 / 2500.0 - 2.0).collect();
        let dy: Vec<f32> = (0..n).map(|i| ((i * 104729) % 10009) as f32 / 5000.0 - 1.0).collect();
        let gate = dy.clone();
        let mut dgate = dy.clone();
        let (scale, shift) = (vec![1.1f32; c], vec![0.1f32; c]);
        let a = Affine { scale: &scale, shift: &shift, epsilon: 1e-5 };
        let rows = Rows::new(&x, c);
        let (m, v) = batch_statistics(rows);
        let run = |n: &str| filter.is_empty() || n.contains(&filter);
        macro_rules! b {
            ($n:expr, $s:expr, $e:expr) => {
                if run($n) {
                    t($n, r, c, $s, || {
                        std::hint::black_box($e);
                    });
                }
            };
        }
        b!("copy", 2.0, x.to_vec());
        let mut y = x.clone();
        b!("copy in place", 2.0, y.copy_from_slice(&dy));
        b!("layer_norm", 2.0, layer_norm(rows, a, false));
        b!("layer_norm gelu", 2.0, layer_norm(rows, a, true));
        b!("layer_norm_bw", 3.0, layer_norm_backward(rows, a, false, &dy));
        b!("layer_norm_bw gelu", 3.0, layer_norm_backward(rows, a, true, &dy));
        b!("gated_norm", 3.0, gated_norm(rows, a, Rows::new(&gate, c)));
        b!("gated_norm_bw", 6.0, gated_norm_backward(rows, a, Rows::new(&gate, c), &dy, RowsMut::new(&mut dgate, c)));
        b!("gelu", 2.0, gelu(&x));
        b!("gelu_in_place", 2.0, gelu_in_place(&mut y));
        let mut d = dy.clone();
        b!("gelu_backward", 3.0, gelu_backward(&x, &mut d, None));
        b!("gelu_backward y", 4.0, gelu_backward(&x, &mut d, Some(&mut y)));
        b!("add_bias", 2.0, add_bias(&mut y, &shift));
        b!("sum_rows", 1.0, sum_rows(rows));
        b!("repeat_row", 1.0, repeat_row(&shift, r));
        b!("batch_statistics", 1.0, batch_statistics(rows));
        b!("batch_norm", 2.0, batch_norm(&x, &m, &v, a, true));
        b!("batch_norm_bw", 5.0, batch_norm_backward(&x, &m, &v, a, true, &dy));
    }
}
