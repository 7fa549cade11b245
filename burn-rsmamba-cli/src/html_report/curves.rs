//! Metrics over epochs as SVG.

use maud::{Markup, html};
use serde_json::{Map, Value};

/// The size of a chart, and what its axes take of it.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 32.0;
const BOTTOM: f64 = 28.0;
/// Told apart also by those who see fewer colours.
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

/// What is drawn: a title, keys of the metrics, and whether the axis is logarithmic.
const CHARTS: [(&str, &[&str], bool); 3] = [
    ("loss", &["train_loss", "valid_loss"], false),
    ("validation scores", &["f1", "iou", "precision", "recall"], false),
    ("learning rate", &["lr"], true),
];

/// A line of a chart.
struct Series {
    key: &'static str,
    colour: &'static str,
    /// Epoch and value.
    points: Vec<(f64, f64)>,
}

/// All charts, one below the other; those without any number are left out.
pub(super) fn draw(epochs: &[Map<String, Value>]) -> Markup {
    let charts: Vec<_> = CHARTS
        .iter()
        .map(|(title, keys, log)| (*title, series(epochs, keys), *log))
        .filter(|(_, series, _)| !series.is_empty())
        .collect();
    let height = HEIGHT * charts.len() as f64;
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (WIDTH) " " (height) } font-family="sans-serif"
            font-size="12" fill="currentColor" role="img" aria-label="metrics over epochs" {
            @for (index, (title, series, log)) in charts.iter().enumerate() {
                g transform={ "translate(0 " (HEIGHT * index as f64) ")" } { (chart(title, series, *log)) }
            }
        }
    }
}

fn series(epochs: &[Map<String, Value>], keys: &[&'static str]) -> Vec<Series> {
    let lines = keys.iter().zip(COLOURS).map(|(&key, colour)| {
        let point = |row: &Map<String, Value>| Some((row.get("epoch")?.as_f64()?, row.get(key)?.as_f64()?));
        Series { key, colour, points: epochs.iter().filter_map(point).collect() }
    });
    lines.filter(|series| !series.points.is_empty()).collect()
}

fn chart(title: &str, series: &[Series], log: bool) -> Markup {
    let points = || series.iter().flat_map(|series| &series.points);
    let scale = |value: f64| if log { value.max(f64::MIN_POSITIVE).log10() } else { value };
    let across = Axis::over(points().map(|point| point.0), LEFT, WIDTH - RIGHT);
    let up = Axis::over(points().map(|point| scale(point.1)), HEIGHT - BOTTOM, TOP);
    let written = |tick: f64| if log { format!("{:.1e}", 10f64.powf(tick)) } else { number(tick) };
    html! {
        text x=(LEFT) y="18" font-weight="bold" { (title) }
        @for (index, line) in series.iter().enumerate() {
            text x=(WIDTH - RIGHT - 90.0 * (series.len() - 1 - index) as f64) y="18" text-anchor="end" fill=(line.colour) {
                (line.key)
            }
        }
        @for tick in up.ticks() {
            line x1=(LEFT) x2=(WIDTH - RIGHT) y1=(place(up.at(tick))) y2=(place(up.at(tick))) stroke="currentColor"
                stroke-opacity="0.15" {}
            text x=(LEFT - 6.0) y=(place(up.at(tick) + 4.0)) text-anchor="end" { (written(tick)) }
        }
        @for tick in across.ticks().into_iter().filter(|tick| tick.fract() == 0.0) {
            text x=(place(across.at(tick))) y=(HEIGHT - BOTTOM + 18.0) text-anchor="middle" { (number(tick)) }
        }
        @for line in series {
            polyline fill="none" stroke=(line.colour) stroke-width="1.5" points=(path(line, &across, &up, scale)) {}
            @if let [(epoch, value)] = line.points[..] {
                circle cx=(place(across.at(epoch))) cy=(place(up.at(scale(value)))) r="2.5" fill=(line.colour) {}
            }
        }
    }
}

fn path(line: &Series, across: &Axis, up: &Axis, scale: impl Fn(f64) -> f64) -> String {
    let point = |&(epoch, value): &(f64, f64)| format!("{},{}", place(across.at(epoch)), place(up.at(scale(value))));
    line.points.iter().map(point).collect::<Vec<_>>().join(" ")
}

/// Values along one side of a chart.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low < high {
            Self { low, high, from, to }
        } else if low.is_finite() {
            // One value stands in the middle.
            Self { low: low - 1.0, high: low + 1.0, from, to }
        } else {
            Self { low: 0.0, high: 1.0, from, to }
        }
    }

    fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Round numbers, about five.
    fn ticks(&self) -> Vec<f64> {
        let rough = (self.high - self.low) / 5.0;
        let magnitude = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|nice| nice * magnitude).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        // What rounding takes from the ends is given back.
        let (first, last) = ((self.low / step - 1e-9).ceil() as i64, (self.high / step + 1e-9).floor() as i64);
        (first..=last).map(|index| index as f64 * step).collect()
    }
}

/// A coordinate, to a tenth of a pixel.
fn place(coordinate: f64) -> f64 {
    (coordinate * 10.0).round() / 10.0
}

/// A number of a tick without the noise of its last digits.
fn number(value: f64) -> String {
    ((value * 1e6).round() / 1e6).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_lie_on_the_axis() {
        let ticks = |low: f64, high: f64| -> Vec<String> {
            Axis { low, high, from: 0.0, to: 100.0 }.ticks().into_iter().map(number).collect()
        };
        assert_eq!(ticks(0.0, 1.0), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(ticks(3.0, 31.0), ["10", "20", "30"]);
        assert_eq!(ticks(0.26, 0.29), ["0.26", "0.27", "0.28", "0.29"]);
    }

    #[test]
    fn values_go_to_their_places_and_gaps_are_left_out() {
        let row =
            |epoch: u64, loss: Value| Map::from_iter([("epoch".into(), epoch.into()), ("train_loss".into(), loss)]);
        let epochs = [row(1, 2.0.into()), row(2, Value::Null), row(3, 1.0.into())];
        let svg = draw(&epochs).into_string();
        let (left, right, top, bottom) = (LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM);
        assert!(svg.contains(&format!("points=\"{left},{top} {right},{bottom}\"")), "{svg}");
        assert!(svg.contains("train_loss") && !svg.contains("valid_loss") && !svg.contains("learning rate"), "{svg}");
    }

    #[test]
    fn one_epoch_and_none_are_drawn_too() {
        assert!(!draw(&[]).into_string().contains("NaN"));
        let one = Map::from_iter([("epoch".into(), 1.into()), ("lr".into(), 0.001.into())]);
        let svg = draw(&[one]).into_string();
        assert!(svg.contains("<circle") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
