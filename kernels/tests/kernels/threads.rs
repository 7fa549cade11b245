use super::{
    close::with_threads,
    problem::{ALL_ON, Omni, Plain, omni_shape},
};
use burn_rsmamba_kernels::{OmniNeeds, ScanNeeds, ScanShape, cpu};

#[test]
fn results_are_bit_identical_at_any_thread_count() {
    let shape = ScanShape { batch: 2, groups: 2, channels: 40, states: 8, length: 100 };
    let plain = Plain::random(shape, ALL_ON, 1).to_f32();
    // many channels; so few that the directions are shared out over two and four maps; so many that their parameters are too
    let maps = [
        omni_shape(2, 9, 12, 40, 8),
        omni_shape(2, 9, 12, 100, 8),
        omni_shape(1, 7, 5, 9, 4),
        omni_shape(2, 1, 1, 1024, 16),
    ];
    let omnis = maps.map(|map| Omni::random(map, ALL_ON, 2).to_f32());
    let run = |threads| {
        with_threads(threads, || {
            let (y, last) = cpu::selective_scan(shape, &plain.inputs()).expect("fits");
            let g = cpu::selective_scan_backward(shape, &plain.inputs(), &plain.dy, ScanNeeds::ALL).expect("fits");
            let mut all = vec![Some(y), Some(last), g.u, g.delta, g.a, g.b, g.c, g.skip, g.delta_bias];
            for omni in &omnis {
                let z = cpu::omni_selective_scan(omni.shape, &omni.inputs()).expect("fits");
                let o = cpu::omni_selective_scan_backward(omni.shape, &omni.inputs(), &omni.dy, OmniNeeds::ALL);
                let o = o.expect("fits");
                all.extend([Some(z), o.u, o.projection, o.dt_weight, o.a, o.skip, o.delta_bias]);
            }
            all.into_iter().map(|values| values.expect("wanted")).collect::<Vec<_>>()
        })
    };
    let one = run(1);
    for threads in [2, 3, 5] {
        for (index, (one, many)) in one.iter().zip(run(threads)).enumerate() {
            let same = one.iter().zip(&many).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "output {index} differs with {threads} threads");
        }
    }
}
