//! What stands where in a scene, before anything is drawn.

use super::dice::Dice;
use super::geometry::{Direction, Slab};
use crate::Dates;

pub(super) type Colour = [f32; 3];

/// Colours of ground and of roofs alike, so that a colour alone says little.
pub(super) const GRASS: Colour = [92.0, 112.0, 68.0];
const SOIL: Colour = [142.0, 112.0, 88.0];
const DRY: Colour = [172.0, 156.0, 122.0];
const DARK: Colour = [66.0, 76.0, 78.0];
const PAVED: Colour = [136.0, 134.0, 130.0];
const PALETTE: [Colour; 5] = [GRASS, SOIL, DRY, DARK, PAVED];

/// Everything that can be seen from above.
pub(super) struct Plan {
    pub(super) seed: u32,
    /// The colours of the natural ground.
    pub(super) ground: [Colour; 3],
    pub(super) fields: Vec<Field>,
    pub(super) lots: Vec<(Slab, Colour)>,
    pub(super) roads: Vec<(Slab, Colour)>,
    pub(super) trees: Vec<Tree>,
    pub(super) buildings: Vec<Building>,
}

/// A crop field; its colour is another one at each date.
pub(super) struct Field {
    pub(super) slab: Slab,
    pub(super) colours: [Colour; 2],
    /// The distance of its furrows.
    pub(super) furrow: f32,
}

pub(super) struct Tree {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) radius: f32,
}

/// A building, at the dates it stands.
pub(super) struct Building {
    pub(super) slab: Slab,
    /// In pixels of shadow.
    pub(super) height: f32,
    pub(super) colour: Colour,
    pub(super) gabled: bool,
    /// Which dates see it.
    pub(super) stands: [bool; 2],
}

impl Building {
    pub(super) fn changed(&self) -> bool {
        self.stands[0] != self.stands[1]
    }
}

impl Plan {
    pub(super) fn draw(dice: &mut Dice, size: usize, dates: Dates) -> Self {
        let side = size as f32;
        let street = Direction::upward(dice, 1.0);
        let roads = roads(dice, side, street);
        let mut plan = Self {
            seed: dice.bits(),
            ground: [jittered(dice, GRASS, 14.0), any_colour(dice), any_colour(dice)],
            fields: Vec::new(),
            lots: Vec::new(),
            roads,
            trees: Vec::new(),
            buildings: Vec::new(),
        };
        for _ in 0..scaled(dice.whole(2, 4), side) {
            let slab = slab(dice, side, street, (22.0, 44.0), (14.0, 30.0));
            let colours = [any_colour(dice), any_colour(dice)];
            plan.fields.push(Field { slab, colours, furrow: dice.between(3.0, 6.0) });
        }
        for _ in 0..scaled(dice.whole(1, 3), side) {
            let lot = slab(dice, side, street, (9.0, 18.0), (6.0, 12.0));
            plan.lots.push((lot, any_colour(dice)));
        }
        plan.build(dice, side, street, dates);
        plan.plant(dice, side);
        plan
    }

    fn build(&mut self, dice: &mut Dice, side: f32, street: Direction, dates: Dates) {
        let (covered, changed) = match dates {
            Dates::One => (dice.between(0.14, 0.24), 0.0),
            Dates::Two => (dice.between(0.20, 0.27), dice.between(0.09, 0.15)),
        };
        let (mut covered, mut changed) = (covered * side * side, changed * side * side);
        for _ in 0..600 {
            if covered <= 0.0 {
                break;
            }
            let slab = slab(dice, side, street, (8.0, 18.0), (7.0, 12.0));
            let blocked = self.roads.iter().any(|(road, _)| slab.meets(road, 2.0))
                || self.buildings.iter().any(|other| slab.meets(&other.slab, 5.0));
            if blocked {
                continue;
            }
            covered -= slab.area();
            let stands = if changed > 0.0 {
                changed -= slab.area();
                if dice.chance(0.6) { [false, true] } else { [true, false] }
            } else {
                [true, true]
            };
            let (height, colour, gabled) = (dice.between(3.0, 8.0), any_colour(dice), dice.chance(0.65));
            self.buildings.push(Building { slab, height, colour, gabled, stands });
        }
    }

    fn plant(&mut self, dice: &mut Dice, side: f32) {
        for _ in 0..scaled(dice.whole(10, 40), side) {
            let (x, y, radius) = (dice.between(0.0, side), dice.between(0.0, side), dice.between(2.0, 5.0));
            let clear = |slab: &Slab, gap: f32| slab.depth(x, y) < -(radius + gap);
            let free = self.buildings.iter().all(|building| clear(&building.slab, 0.0))
                && self.roads.iter().all(|(road, _)| clear(road, -1.0));
            if free {
                self.trees.push(Tree { x, y, radius });
            }
        }
    }
}

/// A number of things for scenes of another size than the default.
fn scaled(count: usize, side: f32) -> usize {
    let share = side * side / (192.0 * 192.0);
    ((count as f32 * share).round() as usize).max(1)
}

fn roads(dice: &mut Dice, side: f32, street: Direction) -> Vec<(Slab, Colour)> {
    let colour = jittered(dice, PAVED, 20.0);
    let count = dice.whole(1, 2);
    (0..count)
        .map(|index| {
            let axis = if index % 2 == 0 { street } else { street.turned() };
            let (x, y) = (dice.between(0.2, 0.8) * side, dice.between(0.2, 0.8) * side);
            let half_width = dice.between(3.5, 5.0);
            (Slab { x, y, axis, half_length: 2.0 * side, half_width }, colour)
        })
        .collect()
}

/// A rectangle along the streets, somewhere.
fn slab(dice: &mut Dice, side: f32, street: Direction, length: (f32, f32), width: (f32, f32)) -> Slab {
    let axis = if dice.chance(0.5) { street } else { street.turned() };
    let half_length = dice.between(length.0, length.1);
    let half_width = dice.between(width.0, width.1).min(half_length);
    Slab {
        x: dice.between(0.0, side),
        y: dice.between(0.0, side),
        axis: axis.nudged(dice.between(-0.08, 0.08)),
        half_length,
        half_width,
    }
}

fn any_colour(dice: &mut Dice) -> Colour {
    let colour = PALETTE[dice.below(PALETTE.len())];
    jittered(dice, colour, 16.0)
}

fn jittered(dice: &mut Dice, colour: Colour, amount: f32) -> Colour {
    let brighter = dice.between(-amount, amount);
    colour.map(|value| value + brighter + dice.between(-0.4, 0.4) * amount)
}
