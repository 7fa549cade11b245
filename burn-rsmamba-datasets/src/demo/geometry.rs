//! Rotated rectangles and unit vectors, without trigonometry: its last digits differ between machines.

use super::dice::Dice;

/// A direction of length 1.
#[derive(Clone, Copy)]
pub(super) struct Direction {
    pub(super) x: f32,
    pub(super) y: f32,
}

impl Direction {
    /// A direction within a quarter turn of straight up: the rational points of the circle.
    pub(super) fn upward(dice: &mut Dice, spread: f32) -> Self {
        let t = dice.between(-spread, spread);
        let scale = 1.0 / (1.0 + t * t);
        Self { x: 2.0 * t * scale, y: -(1.0 - t * t) * scale }
    }

    pub(super) fn turned(self) -> Self {
        Self { x: -self.y, y: self.x }
    }

    /// This direction, nudged sideways by a small amount.
    pub(super) fn nudged(self, amount: f32) -> Self {
        let (x, y) = (self.x - amount * self.y, self.y + amount * self.x);
        let scale = 1.0 / (x * x + y * y).sqrt();
        Self { x: x * scale, y: y * scale }
    }

    pub(super) fn dot(self, x: f32, y: f32) -> f32 {
        self.x * x + self.y * y
    }
}

/// A rotated rectangle.
#[derive(Clone, Copy)]
pub(super) struct Slab {
    pub(super) x: f32,
    pub(super) y: f32,
    /// The direction of the long side.
    pub(super) axis: Direction,
    pub(super) half_length: f32,
    pub(super) half_width: f32,
}

impl Slab {
    /// A point seen from the centre: along the axis, and across it.
    pub(super) fn local(&self, x: f32, y: f32) -> (f32, f32) {
        let (dx, dy) = (x - self.x, y - self.y);
        (self.axis.dot(dx, dy), self.axis.turned().dot(dx, dy))
    }

    /// How far a point lies inside, in pixels; negative outside.
    pub(super) fn depth(&self, x: f32, y: f32) -> f32 {
        let (along, across) = self.local(x, y);
        (self.half_length - along.abs()).min(self.half_width - across.abs())
    }

    /// How much of the pixel around a point is covered, 0..1.
    pub(super) fn coverage(&self, x: f32, y: f32) -> f32 {
        (self.depth(x, y) + 0.5).clamp(0.0, 1.0)
    }

    pub(super) fn area(&self) -> f32 {
        4.0 * self.half_length * self.half_width
    }

    /// Half the diagonal, or a little more.
    pub(super) fn reach(&self) -> f32 {
        self.half_length + self.half_width
    }

    /// Whether two rectangles come closer than `gap`: no side of either separates them.
    pub(super) fn meets(&self, other: &Self, gap: f32) -> bool {
        let (dx, dy) = (other.x - self.x, other.y - self.y);
        [self, other].into_iter().all(|slab| {
            [slab.axis, slab.axis.turned()].into_iter().all(|axis| {
                let distance = axis.dot(dx, dy).abs();
                distance < self.extent(axis) + other.extent(axis) + gap
            })
        })
    }

    /// Half the length of the shadow on an axis.
    fn extent(&self, onto: Direction) -> f32 {
        let (along, across) = (self.axis, self.axis.turned());
        self.half_length * onto.dot(along.x, along.y).abs() + self.half_width * onto.dot(across.x, across.y).abs()
    }
}
