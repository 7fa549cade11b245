//! Smooth random fields.

/// Value noise: random numbers on a lattice, joined smoothly.
#[derive(Clone, Copy)]
pub(super) struct Noise {
    seed: u32,
}

impl Noise {
    pub(super) fn new(seed: u32) -> Self {
        Self { seed }
    }

    /// `octaves` layers in 0..1, the coarsest with lattice cells of `scale` pixels and each next one half of it.
    pub(super) fn at(self, x: f32, y: f32, scale: f32, octaves: u32) -> f32 {
        let (mut sum, mut weight, mut total, mut frequency) = (0.0, 1.0, 0.0, 1.0 / scale);
        for octave in 0..octaves {
            sum += weight * self.layer(octave, x * frequency, y * frequency);
            total += weight;
            weight *= 0.5;
            frequency *= 2.0;
        }
        sum / total
    }

    fn layer(self, octave: u32, x: f32, y: f32) -> f32 {
        // Positions are not negative, so this rounds down; `floor` is a slow call on plain x86-64.
        let (column, row) = (x as u32, y as u32);
        let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
        let (across, down) = (smooth(x - column as f32), smooth(y - row as f32));
        let corner = |dx: u32, dy: u32| self.lattice(octave, column + dx, row + dy);
        let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
        mix(mix(corner(0, 0), corner(1, 0), across), mix(corner(0, 1), corner(1, 1), across), down)
    }

    /// In 0..1, by a hash with good avalanche (the finaliser of `MurmurHash3`).
    fn lattice(self, octave: u32, column: u32, row: u32) -> f32 {
        let mut hash = self.seed.wrapping_add(octave.wrapping_mul(0x27d4_eb2f));
        hash ^= column.wrapping_mul(0x9e37_79b1);
        hash = hash.rotate_left(15) ^ row.wrapping_mul(0x85eb_ca77);
        hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
        hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
        hash ^= hash >> 16;
        (hash >> 8) as f32 * (1.0 / 16_777_216.0)
    }
}
