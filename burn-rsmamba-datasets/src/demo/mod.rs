//! Scenes that are drawn instead of downloaded: buildings, roads, fields and trees, seen from above.
//!
//! Segmentation asks for the buildings. Roof colours come from the palette of the ground, so the buildings show by their
//! edges, ridges and shadows only. Change detection asks for the buildings that stand at one of the two dates: light,
//! season, shadows, field colours and cars change as well and do not count.
//!
//! The same options give the same pixels on every machine: the arithmetic is that of IEEE 754 without library functions.

mod dice;
mod geometry;
mod look;
mod noise;
mod plan;
mod render;

use std::sync::Arc;

use rayon::prelude::*;

use self::dice::Dice;
use self::look::Look;
use self::plan::{Building, Plan};
use crate::{Dates, Scene, SceneOrigin, SceneSet, Split};

/// How many scenes are drawn, and how large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoOptions {
    /// Other seeds give other scenes.
    pub seed: u64,
    /// Rows and columns of a scene, at least 32.
    pub size: usize,
    /// Scenes to train on.
    pub train: usize,
    /// Scenes to validate on.
    pub val: usize,
    /// Scenes to test on.
    pub test: usize,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self { seed: 42, size: 192, train: 96, val: 16, test: 24 }
    }
}

/// Draws the scenes of one split; no two splits, tasks or seeds share any.
pub fn scenes(dates: Dates, split: Split, options: &DemoOptions) -> SceneSet {
    let count = match split {
        Split::Train => options.train,
        Split::Val => options.val,
        Split::Test => options.test,
    };
    let size = options.size.max(32);
    let scenes = (0..count).into_par_iter().map(|index| {
        let stream = ((dates.count() as u64) << 48) | ((split as u64) << 40) | index as u64;
        scene(&mut Dice::new(options.seed, stream), format!("{split}_{index:03}"), dates, size)
    });
    SceneSet { layout: "demo", split, scenes: scenes.collect(), warnings: Vec::new() }
}

fn scene(dice: &mut Dice, name: String, dates: Dates, size: usize) -> Scene {
    let plan = Plan::draw(dice, size, dates);
    let images = (0..dates.count())
        .map(|date| {
            let look = Look::draw(dice);
            Arc::new(render::picture(&plan, &look, date, size, dice))
        })
        .collect();
    let is_target: fn(&&Building) -> bool = match dates {
        Dates::One => |_| true,
        Dates::Two => |building| building.changed(),
    };
    let label = Arc::new(render::footprints(plan.buildings.iter().filter(is_target), size));
    Scene { name, source: SceneOrigin::Memory { images, label } }
}
