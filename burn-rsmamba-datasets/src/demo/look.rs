//! How a scene is lit and sensed at one date: everything that changes without being a change.

use super::dice::Dice;
use super::geometry::Direction;
use super::noise::Noise;
use super::plan::Colour;

/// Light, season and sensor of one date.
pub(super) struct Look {
    /// Where shadows fall.
    pub(super) shadow: Direction,
    /// Their length, as a share of a building's height.
    pub(super) reach: f32,
    /// What is left of the light in them.
    pub(super) shade: f32,
    /// What the season adds to green.
    pub(super) season: Colour,
    gain: Colour,
    contrast: f32,
    haze: f32,
    clouds: Noise,
    grain: f32,
}

impl Look {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let brightness = dice.between(0.78, 1.2);
        Self {
            shadow: Direction::upward(dice, 0.8),
            reach: dice.between(0.7, 1.15),
            shade: dice.between(0.42, 0.58),
            season: [dice.between(-12.0, 48.0), dice.between(-8.0, 22.0), dice.between(-10.0, 16.0)],
            gain: std::array::from_fn(|_| brightness * dice.between(0.93, 1.07)),
            contrast: dice.between(0.82, 1.18),
            haze: dice.between(-8.0, 16.0),
            clouds: Noise::new(dice.bits()),
            grain: dice.between(4.0, 7.0),
        }
    }

    /// What the sensor writes for a colour of the ground.
    pub(super) fn sense(&self, dice: &mut Dice, colour: Colour, x: f32, y: f32) -> [u8; 3] {
        let light = 0.9 + 0.2 * self.clouds.at(x, y, 90.0, 1);
        std::array::from_fn(|band| {
            let lit = colour[band] * light * self.gain[band];
            let value = 110.0 + (lit - 110.0) * self.contrast + self.haze + self.grain * dice.normal();
            // A scene keeps clear of 0 and 255, which mean blank.
            (value.clamp(1.0, 254.0) + 0.5) as u8
        })
    }
}
