//! The colours of classes.

/// What is marked, and then colours that people with any eyesight tell apart (Okabe and Ito, 2008).
const COLOURS: [[u8; 3]; 7] =
    [[255, 40, 40], [86, 180, 233], [0, 158, 115], [240, 228, 66], [0, 114, 178], [230, 159, 0], [204, 121, 167]];

/// The colour of a class. Class 0 is what lies between the others: black, and nothing where a mask lies over an image.
///
/// Further classes take the same colours again, darker.
pub(crate) fn colour(class: u8) -> [u8; 3] {
    let Some(place) = usize::from(class).checked_sub(1) else { return [0; 3] };
    let rounds = (place / COLOURS.len()) as u16;
    COLOURS[place % COLOURS.len()].map(|value| (u16::from(value) * 3 / (3 + rounds)) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn thirty_classes_differ() {
        assert_eq!((0..30).map(colour).collect::<BTreeSet<_>>().len(), 30);
    }
}
