//! `data split`: divides scenes into train, val and test, and keeps what shows one place together.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use burn_rsmamba_datasets::{Names, Purpose, Scene, Split, seed};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::place::{Copies, check_text, place_text};
use super::source::{self, file_name, parts};
use crate::cli::SplitArgs;
use crate::error::{Failure, Outcome};
use crate::progress::Progress;

/// The split of every scene.
type Assignment = BTreeMap<String, Split>;

/// Copies the scenes into their splits and writes the lists.
pub(super) fn run(args: &SplitArgs, progress: &mut Progress) -> Outcome {
    let scenes: Vec<Scene> =
        parts(&args.write.source, progress)?.into_iter().flat_map(|part| part.set.scenes).collect();
    let places = places(&scenes, args.place_until.as_deref());
    let (how, assignment) = match (&args.ratio, &args.count, &args.lists) {
        (Some(ratio), ..) => {
            (format!("ratio {ratio:?}"), drawn(&places, by_ratio(*ratio, scenes.len())?, args.draw.seed)?)
        }
        (_, Some(count), _) => {
            (format!("count {count:?}"), drawn(&places, by_count(*count, scenes.len())?, args.draw.seed)?)
        }
        (.., Some(lists)) => (format!("lists of {}", lists.display()), listed(lists, &scenes)?),
        _ => return Err(Failure::usage("say how to split: --ratio 0.7,0.1,0.2, --count 70,10,20 or --lists FOLDER")),
    };
    keeps_places_together(&places, &assignment)?;

    // A split without scenes has neither folders nor a list.
    let (mut copies, mut counts) = (Copies::default(), BTreeMap::new());
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for scene in &scenes {
        let Some(split) = assignment.get(&scene.name).map(ToString::to_string) else { continue };
        for (path, to) in source::copies(scene)? {
            copies.add(path, args.write.out.join(&split).join(to))?;
        }
        *counts.entry(split.clone()).or_insert(0) += 1;
        names.entry(split).or_default().push(file_name(&scene.name));
    }
    if assignment.len() < scenes.len() {
        progress.warn(format!("{} scene(s) are in no list and are left out", scenes.len() - assignment.len()));
    }
    let lists = names.iter().map(|(split, names)| {
        let seed = if args.lists.is_some() { String::new() } else { format!(", seed {}", args.draw.seed) };
        let head = format!("# {split}: {} scenes, {how}{seed}", names.len());
        let lines = std::iter::once(&head).chain(names);
        (args.write.out.join(format!("{split}.txt")), lines.flat_map(|line| [line.as_str(), "\n"]).collect::<String>())
    });
    let lists: Vec<_> = lists.collect();
    let mend = "give the same split and --seed, or choose another --out";
    lists.iter().try_for_each(|(path, text)| check_text(path, text, mend))?;
    let placed = copies.apply(args.write.apply, counts, progress)?;
    if args.write.apply {
        lists.iter().try_for_each(|(path, text)| place_text(path, text, mend))?;
    }
    placed.print(&args.write.out, progress)
}

/// The scenes of each place: tiles that `data tile` cut from one scene, and names that are the same up to a text.
fn places(scenes: &[Scene], until: Option<&str>) -> BTreeMap<String, Vec<String>> {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Scene { name, .. } in scenes {
        let place =
            until.and_then(|text| name.split_once(text)).map_or_else(|| scene_of_tile(name), |(place, _)| place);
        places.entry(place.to_owned()).or_default().push(name.clone());
    }
    places
}

/// The scene in the name of a tile, `SCENE_y00000_x00000`; any other name as it is.
fn scene_of_tile(name: &str) -> &str {
    let without = |name: &str, mark: &str| -> Option<usize> {
        let (scene, digits) = name.rsplit_once(mark)?;
        (digits.len() >= 5 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(scene.len())
    };
    let scene = without(name, "_x").and_then(|end| without(&name[..end], "_y"));
    scene.map_or(name, |end| &name[..end])
}

/// How many scenes each split is to have: at least one where its part is not 0.
fn by_ratio(ratio: [f64; 3], scenes: usize) -> Result<[usize; 3], Failure> {
    let sum: f64 = ratio.iter().sum();
    if (sum - 1.0).abs() > 1e-6 || ratio.iter().any(|part| !(0.0..=1.0).contains(part)) {
        return Err(Failure::usage(format!("--ratio must be three parts of 1, and these add up to {sum}")));
    }
    let least = ratio.map(|part| usize::from(part > 0.0));
    let [_, val, test] =
        std::array::from_fn(|split| ((scenes as f64 * ratio[split]).round() as usize).max(least[split]));
    Ok([scenes.saturating_sub(val + test).max(least[0]), val, test])
}

fn by_count(count: [usize; 3], scenes: usize) -> Result<[usize; 3], Failure> {
    match count.iter().map(|&part| part as u128).sum::<u128>() {
        sum if sum == scenes as u128 => Ok(count),
        sum => Err(Failure::usage(format!("--count adds up to {sum}, but there are {scenes} scenes"))),
    }
}

/// Gives each place to the split that lacks most: the largest first, so that what is wanted can be met, and places of one size in
/// an order drawn by the seed. The last places go to splits that have none yet.
fn drawn(places: &BTreeMap<String, Vec<String>>, wanted: [usize; 3], run: u64) -> Result<Assignment, Failure> {
    let asked = wanted.iter().filter(|&&count| count > 0).count();
    if places.len() < asked {
        let names: Vec<String> = places.keys().cloned().collect();
        return Err(Failure::usage(format!(
            "{asked} splits are asked for, but the scenes show {} place(s), which stay together: {}; ask for fewer splits (0 for \
             one), or name them by --lists",
            places.len(),
            Names(names)
        )));
    }
    let mut order: Vec<&Vec<String>> = places.values().collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed(run, Purpose::Order, 0, 0)));
    order.sort_by_key(|names| std::cmp::Reverse(names.len()));
    let mut lacking = wanted.map(|count| count as i64);
    let mut assignment = Assignment::new();
    for (index, names) in order.iter().enumerate() {
        let without = |split: &usize| wanted[*split] > 0 && lacking[*split] == wanted[*split] as i64;
        let all_for_those = order.len() - index <= (0..3).filter(without).count();
        // The first of equal ones.
        let candidates = (0..3).rev().filter(|split| !all_for_those || without(split));
        let most = candidates.max_by_key(|&split| lacking[split]).unwrap_or(0);
        lacking[most] -= names.len() as i64;
        assignment.extend(names.iter().map(|name| (name.clone(), Split::ALL[most])));
    }
    Ok(assignment)
}

/// What the lists in a folder say: `train.txt`, `val.txt` and `test.txt`, a name without extension a line.
fn listed(folder: &Path, scenes: &[Scene]) -> anyhow::Result<Assignment> {
    let mut assignment = Assignment::new();
    let mut unknown = Vec::new();
    for split in Split::ALL {
        let path = folder.join(format!("{split}.txt"));
        if !path.exists() {
            continue;
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for name in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if !scenes.iter().any(|scene| scene.name == name) {
                unknown.push(name.to_owned());
            } else if assignment.insert(name.to_owned(), split).is_some_and(|other| other != split) {
                bail!("{name} is in two of the lists of {}; remove it from one", folder.display());
            }
        }
    }
    if !unknown.is_empty() {
        bail!("the lists of {} name scenes that are not there: {}; mend the lists", folder.display(), Names(unknown));
    }
    if assignment.is_empty() {
        bail!("{} has no train.txt, val.txt or test.txt with names; write them, one name a line", folder.display());
    }
    Ok(assignment)
}

fn keeps_places_together(places: &BTreeMap<String, Vec<String>>, assignment: &Assignment) -> Result<(), Failure> {
    for (place, names) in places {
        let mut splits = names.iter().filter_map(|name| assignment.get(name));
        if let Some(first) = splits.next()
            && let Some(other) = splits.find(|&split| split != first)
        {
            return Err(Failure::run(format!(
                "tiles of {place} are in {first} and in {other}, where a model would be scored on what it was trained on; \
                 put all of them into one list"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str, tiles: usize) -> (String, Vec<String>) {
        (name.into(), (0..tiles).map(|tile| format!("{name}_{tile}")).collect())
    }

    fn counts(assignment: &Assignment) -> [usize; 3] {
        Split::ALL.map(|split| assignment.values().filter(|&&found| found == split).count())
    }

    #[test]
    fn tiles_are_known_by_their_names() {
        assert_eq!(scene_of_tile("a_b_y00256_x01024"), "a_b");
        for name in ["scene", "train_1_2", "a_x00000", "a_y00000", "a_y0001_x00000", "a_y00000_x0000b", "é_yé"] {
            assert_eq!(scene_of_tile(name), name);
        }
    }

    #[test]
    fn single_scenes_are_split_exactly_and_by_the_seed() {
        let places: BTreeMap<_, _> = (0..100).map(|index| place(&format!("s{index}"), 1)).collect();
        let wanted = by_ratio([0.7, 0.1, 0.2], 100).unwrap();
        assert_eq!(wanted, [70, 10, 20]);
        let first = drawn(&places, wanted, 1).unwrap();
        assert_eq!(counts(&first), [70, 10, 20]);
        assert_eq!(first, drawn(&places, wanted, 1).unwrap());
        assert_ne!(first, drawn(&places, wanted, 2).unwrap());
    }

    #[test]
    fn tiles_of_a_scene_stay_together() {
        let places: BTreeMap<_, _> = (0..20).map(|index| place(&format!("s{index}"), 5)).collect();
        let assignment = drawn(&places, [60, 20, 20], 3).unwrap();
        assert_eq!(counts(&assignment), [60, 20, 20]);
        assert!(keeps_places_together(&places, &assignment).is_ok());
        let mut torn = assignment;
        let first = torn["s0_0"];
        torn.insert("s0_0".into(), if first == Split::Test { Split::Val } else { Split::Test });
        let message = keeps_places_together(&places, &torn).unwrap_err().to_string();
        assert!(message.contains("s0"), "{message}");
    }

    #[test]
    fn no_split_that_is_asked_for_stays_empty() {
        let split = |scenes: usize, tiles: usize, ratio| {
            let places: BTreeMap<_, _> = (0..scenes).map(|index| place(&format!("s{index}"), tiles)).collect();
            drawn(&places, by_ratio(ratio, scenes * tiles)?, 1).map(|assignment| counts(&assignment))
        };
        let thirds = [0.7, 0.1, 0.2];
        assert_eq!(split(3, 20, thirds).unwrap(), [20, 20, 20]);
        assert_eq!(split(5, 20, thirds).unwrap(), [60, 20, 20]);
        assert_eq!(split(4, 1, thirds).unwrap(), [2, 1, 1]);
        assert_eq!(split(2, 20, [0.7, 0.3, 0.0]).unwrap(), [20, 20, 0]);
        let message = split(2, 20, thirds).unwrap_err().to_string();
        assert!(
            message.contains("3 splits") && message.contains("2 place(s)") && message.contains("s0, s1"),
            "{message}"
        );
    }

    #[test]
    fn sums_that_do_not_fit_are_refused() {
        assert!(by_ratio([0.5, 0.1, 0.1], 10).unwrap_err().to_string().contains("0.7"));
        assert!(by_ratio([1.5, -0.5, 0.0], 10).is_err());
        assert_eq!(by_ratio([0.0, 0.5, 0.5], 3).unwrap(), [0, 2, 2]);
        let message = by_count([1, 2, 3], 10).unwrap_err().to_string();
        assert!(message.contains('6') && message.contains("10"), "{message}");
        // Wrapped around, these would add up to 10.
        assert!(by_count([usize::MAX, 1, 10], 10).is_err());
    }
}
