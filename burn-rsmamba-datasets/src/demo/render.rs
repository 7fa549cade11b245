//! Drawing a plan as it looks at one date.

use super::dice::Dice;
use super::geometry::Slab;
use super::look::Look;
use super::noise::Noise;
use super::plan::{Building, Colour, Plan};
use crate::{Mask, Pixels, Raster};

/// The picture of a plan at a date (0 or 1).
pub(super) fn picture(plan: &Plan, look: &Look, date: usize, size: usize, dice: &mut Dice) -> Raster {
    let mut canvas = Canvas { size, colours: vec![[0.0; 3]; size * size] };
    let buildings: Vec<_> = plan.buildings.iter().filter(|building| building.stands[date]).collect();
    canvas.ground(plan, look);
    canvas.land_use(plan, date);
    canvas.vehicles(plan, dice);
    canvas.shadows(plan, &buildings, look);
    canvas.trees(plan, look);
    for building in buildings {
        canvas.roof(building, look, plan.seed, dice.between(0.94, 1.06));
    }
    let pixels = canvas
        .colours
        .iter()
        .enumerate()
        .flat_map(|(index, &colour)| look.sense(dice, colour, (index % size) as f32, (index / size) as f32));
    Raster { width: size, height: size, bands: 3, pixels: Pixels::U8(pixels.collect()) }
}

/// The footprints of some buildings.
pub(super) fn footprints<'a>(buildings: impl Iterator<Item = &'a Building>, size: usize) -> Mask {
    let mut data = vec![0; size * size];
    for building in buildings {
        each_pixel(size, building.slab.x, building.slab.y, building.slab.reach(), |index, x, y| {
            if building.slab.depth(x, y) >= 0.0 {
                data[index] = 1;
            }
        });
    }
    Mask { width: size, height: size, data }
}

/// Visits the pixels of a square around a point, with their index and position.
fn each_pixel(size: usize, x: f32, y: f32, reach: f32, mut visit: impl FnMut(usize, f32, f32)) {
    let range = |centre: f32| {
        let low = (centre - reach).floor().clamp(0.0, size as f32) as usize;
        let high = (centre + reach + 2.0).floor().clamp(0.0, size as f32) as usize;
        low..high
    };
    for row in range(y) {
        for column in range(x) {
            visit(row * size + column, column as f32, row as f32);
        }
    }
}

struct Canvas {
    size: usize,
    colours: Vec<Colour>,
}

impl Canvas {
    /// Blends a rectangle in, in the colour that `colour` gives for what is below and the position in it.
    fn slab(&mut self, slab: &Slab, colour: impl Fn(f32, f32) -> Colour) {
        let reach = slab.reach().min(2.0 * self.size as f32);
        each_pixel(self.size, slab.x, slab.y, reach, |index, x, y| {
            let coverage = slab.coverage(x, y);
            if coverage > 0.0 {
                let below = self.colours[index];
                self.colours[index] = mixed(below, colour(x, y), coverage);
            }
        });
    }

    fn ground(&mut self, plan: &Plan, look: &Look) {
        let [kind, wet, rough] = [0, 1, 2].map(|layer| Noise::new(plan.seed.wrapping_add(layer)));
        let [grass, second, third] = plan.ground;
        let grass = added(grass, look.season);
        let size = self.size;
        for (index, colour) in self.colours.iter_mut().enumerate() {
            let (x, y) = ((index % size) as f32, (index / size) as f32);
            let edge = |value: f32, at: f32| ((value - at) * 12.0 + 0.5).clamp(0.0, 1.0);
            let base = mixed(grass, second, edge(kind.at(x, y, 60.0, 3), 0.56));
            let base = mixed(base, third, edge(wet.at(x, y, 48.0, 3), 0.64));
            *colour = scaled(base, 0.7 + 0.6 * rough.at(x, y, 14.0, 4));
        }
    }

    fn land_use(&mut self, plan: &Plan, date: usize) {
        let rough = Noise::new(plan.seed.wrapping_add(3));
        for field in &plan.fields {
            self.slab(&field.slab, |x, y| {
                let (_, across) = field.slab.local(x, y);
                let phase = across / field.furrow;
                let ridge = ((phase - phase.floor()) - 0.5).abs();
                scaled(field.colours[date], 0.82 + 0.36 * ridge + 0.2 * rough.at(x, y, 16.0, 2))
            });
        }
        for (slab, colour) in &plan.lots {
            self.slab(slab, |x, y| scaled(*colour, 0.9 + 0.2 * rough.at(x, y, 10.0, 3)));
        }
        for (road, colour) in &plan.roads {
            self.slab(road, |x, y| {
                let (along, across) = road.local(x, y);
                let dash = across.abs() < 0.6 && (along / 8.0) - (along / 8.0).floor() < 0.5;
                if dash { [200.0, 198.0, 190.0] } else { scaled(*colour, 0.94 + 0.12 * rough.at(x, y, 6.0, 2)) }
            });
        }
    }

    /// Cars on roads and lots; they are elsewhere at the other date.
    fn vehicles(&mut self, plan: &Plan, dice: &mut Dice) {
        for (place, _) in plan.roads.iter().chain(&plan.lots) {
            for _ in 0..dice.whole(2, 6) {
                let along = dice.between(-1.0, 1.0) * place.half_length.min(self.size as f32 * 0.6);
                let across = dice.between(-0.7, 0.7) * place.half_width;
                let turned = place.axis.turned();
                let car = Slab {
                    x: place.x + along * place.axis.x + across * turned.x,
                    y: place.y + along * place.axis.y + across * turned.y,
                    half_length: dice.between(1.8, 2.8),
                    half_width: 1.1,
                    axis: place.axis,
                };
                let brightness = dice.between(40.0, 235.0);
                let colour = [brightness + dice.between(-30.0, 30.0), brightness, brightness];
                self.slab(&car, |_, _| colour);
            }
        }
    }

    fn shadows(&mut self, plan: &Plan, buildings: &[&Building], look: &Look) {
        let mut light = vec![1.0_f32; self.size * self.size];
        for building in buildings {
            let length = building.height * look.reach;
            let steps = length.ceil().max(1.0) as usize;
            for step in 1..=steps {
                let far = length * step as f32 / steps as f32;
                let (x, y) = (building.slab.x + far * look.shadow.x, building.slab.y + far * look.shadow.y);
                let cast = Slab { x, y, ..building.slab };
                each_pixel(self.size, x, y, cast.reach(), |index, x, y| {
                    light[index] = light[index].min(1.0 - cast.coverage(x, y) * (1.0 - look.shade));
                });
            }
        }
        for tree in &plan.trees {
            let (x, y) = (tree.x + 0.7 * tree.radius * look.shadow.x, tree.y + 0.7 * tree.radius * look.shadow.y);
            each_pixel(self.size, x, y, tree.radius, |index, px, py| {
                let cover = disc(px - x, py - y, tree.radius);
                light[index] = light[index].min(1.0 - cover * (1.0 - look.shade));
            });
        }
        for (colour, light) in self.colours.iter_mut().zip(light) {
            *colour = scaled(*colour, light);
        }
    }

    fn trees(&mut self, plan: &Plan, look: &Look) {
        let leaves = Noise::new(plan.seed.wrapping_add(4));
        for tree in &plan.trees {
            let crown = added([58.0, 78.0, 48.0], look.season.map(|value| 0.5 * value));
            each_pixel(self.size, tree.x, tree.y, tree.radius, |index, x, y| {
                let (dx, dy) = (x - tree.x, y - tree.y);
                let cover = disc(dx, dy, tree.radius);
                let lit = 0.85 - 0.25 * look.shadow.dot(dx, dy) / tree.radius + 0.3 * leaves.at(x, y, 3.0, 1);
                self.colours[index] = mixed(self.colours[index], scaled(crown, lit), cover);
            });
        }
    }

    fn roof(&mut self, building: &Building, look: &Look, seed: u32, brightness: f32) {
        let worn = Noise::new(seed.wrapping_add(5));
        let slab = &building.slab;
        let base = scaled(building.colour, brightness);
        // The side that looks away from the shadow is the lit one.
        let lit = -look.shadow.dot(slab.axis.turned().x, slab.axis.turned().y);
        self.slab(slab, |x, y| {
            let (_, across) = slab.local(x, y);
            let depth = slab.depth(x, y);
            let shade = if building.gabled {
                let side = if across > 0.0 { lit } else { -lit };
                let ridge = if across.abs() < 0.7 { 0.14 } else { 0.0 };
                let eaves = if depth < 1.0 { -0.1 } else { 0.0 };
                1.0 + 0.2 * side + ridge + eaves
            } else if depth < 1.6 {
                1.16
            } else {
                0.98
            };
            scaled(base, shade + 0.06 * (worn.at(x, y, 8.0, 2) - 0.5))
        });
    }
}

fn mixed(below: Colour, above: Colour, share: f32) -> Colour {
    std::array::from_fn(|band| below[band] + (above[band] - below[band]) * share)
}

fn added(left: Colour, right: Colour) -> Colour {
    std::array::from_fn(|band| left[band] + right[band])
}

fn scaled(colour: Colour, factor: f32) -> Colour {
    colour.map(|value| value * factor)
}

/// How much of a pixel at (dx, dy) from the centre a disc covers.
fn disc(dx: f32, dy: f32, radius: f32) -> f32 {
    (radius - (dx * dx + dy * dy).sqrt() + 0.5).clamp(0.0, 1.0)
}
