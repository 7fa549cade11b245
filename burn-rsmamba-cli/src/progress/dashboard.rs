//! The dashboard of `train --tui`: curves and the place in the epoch, below the lines of the log.

use std::io::{Stderr, stderr};
use std::time::{Duration, Instant};

use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Block, Chart, Dataset, Gauge, GraphType, Paragraph, Widget, Wrap};
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};

use super::spell;

/// Rows it takes.
const HEIGHT: u16 = 14;
/// The least time between two pictures of the same work.
const PAUSE: Duration = Duration::from_millis(100);

/// What an epoch gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EpochPoint {
    /// Its number, counted from 1.
    pub(crate) epoch: usize,
    /// The mean loss of its steps; not a number where all were left out.
    pub(crate) train_loss: f64,
    /// Where it was validated: the loss, and the F1.
    pub(crate) validation: Option<(f64, f64)>,
}

/// A part of the terminal that is drawn anew.
pub(super) struct Dashboard<B: Backend = CrosstermBackend<Stderr>> {
    terminal: Terminal<B>,
    view: View,
    drawn: Instant,
}

/// What is shown.
struct View {
    what: String,
    message: String,
    done: usize,
    steps: usize,
    started: Instant,
    points: Vec<EpochPoint>,
}

impl Dashboard {
    /// Takes the last rows of the terminal on stderr.
    pub(super) fn new() -> std::io::Result<Self> {
        Self::on(CrosstermBackend::new(stderr()))
    }
}

impl<B: Backend> Dashboard<B> {
    fn on(backend: B) -> Result<Self, B::Error> {
        let terminal = Terminal::with_options(backend, TerminalOptions { viewport: Viewport::Inline(HEIGHT) })?;
        let started = Instant::now();
        let view = View { what: String::new(), message: String::new(), done: 0, steps: 0, started, points: Vec::new() };
        Ok(Self { terminal, view, drawn: started })
    }

    pub(super) fn start(&mut self, what: String, steps: usize) {
        self.view = View {
            what,
            message: String::new(),
            done: 0,
            steps,
            started: Instant::now(),
            points: std::mem::take(&mut self.view.points),
        };
        self.draw();
    }

    pub(super) fn advance(&mut self, message: String) {
        self.view.done += 1;
        self.view.message = message;
        if self.drawn.elapsed() >= PAUSE {
            self.draw();
        }
    }

    pub(super) fn add(&mut self, point: EpochPoint) {
        self.view.points.push(point);
        self.draw();
    }

    /// Puts a line of the log above.
    pub(super) fn line(&mut self, text: &str) {
        let width = usize::from(self.terminal.get_frame().area().width).max(1);
        let rows = text.chars().count().div_ceil(width).max(1) as u16;
        let line = Paragraph::new(text.to_owned()).wrap(Wrap { trim: false });
        // A terminal that is gone must not end a training run.
        let _ = self.terminal.insert_before(rows, |buffer| line.render(buffer.area, buffer));
        self.draw();
    }

    fn draw(&mut self) {
        self.drawn = Instant::now();
        let view = &self.view;
        let _ = self.terminal.draw(|frame| view.draw(frame));
    }
}

impl<B: Backend> Drop for Dashboard<B> {
    fn drop(&mut self) {
        let _ = self.terminal.clear();
        let _ = self.terminal.show_cursor();
    }
}

impl View {
    fn draw(&self, frame: &mut Frame<'_>) {
        let [curves, bar] = Layout::vertical([Constraint::Min(3), Constraint::Length(1)]).areas(frame.area());
        let [losses, scores] = Layout::horizontal([Constraint::Fill(1); 2]).areas(curves);
        let validated = |pick: fn((f64, f64)) -> f64| -> Vec<(f64, f64)> {
            let points = self.points.iter().filter_map(|point| Some((point.epoch as f64, pick(point.validation?))));
            points.collect()
        };
        let train: Vec<_> = self.points.iter().map(|point| (point.epoch as f64, point.train_loss)).collect();
        let curve = |name, colour, points: Vec<(f64, f64)>| {
            let points = points.into_iter().filter(|point| point.1.is_finite()).collect();
            Curve { name, colour, points }
        };
        let valid = curve("valid", Color::Red, validated(|found| found.0));
        chart(frame, losses, "loss", &[curve("train", Color::Blue, train), valid]);
        chart(frame, scores, "F1 of the validation", &[curve("", Color::Green, validated(|found| found.1))]);

        let left = self.started.elapsed().as_secs_f64() / self.done.max(1) as f64 * (self.steps - self.done) as f64;
        let label = format!("{}  {}/{}  {}  {} left", self.what, self.done, self.steps, self.message, spell(left));
        let ratio = if self.steps == 0 { 0.0 } else { (self.done as f64 / self.steps as f64).min(1.0) };
        let style = Style::new().fg(Color::DarkGray);
        frame.render_widget(Gauge::default().ratio(ratio).label(label).gauge_style(style), bar);
    }
}

/// One line of a chart: epochs and values.
struct Curve {
    name: &'static str,
    colour: Color,
    points: Vec<(f64, f64)>,
}

/// Curves over epochs.
fn chart(frame: &mut Frame<'_>, area: Rect, title: &str, curves: &[Curve]) {
    let span = |pick: fn(&(f64, f64)) -> f64| {
        let values = curves.iter().flat_map(|curve| &curve.points).map(pick);
        let (low, high) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        match (low < high, low.is_finite()) {
            (true, _) => [low, high],
            (false, true) => [low - 0.5, low + 0.5],
            (false, false) => [0.0, 1.0],
        }
    };
    let (across, up) = (span(|point| point.0), span(|point| point.1));
    let datasets = curves.iter().map(|curve| {
        Dataset::default()
            .name(curve.name)
            .marker(Marker::Braille)
            .graph_type(GraphType::Line)
            .style(Style::new().fg(curve.colour))
            .data(&curve.points)
    });
    let chart = Chart::new(datasets.collect())
        .block(Block::bordered().title(title.to_owned()))
        .x_axis(Axis::default().bounds(across).labels(across.map(|epoch| Line::from(format!("{epoch:.0}")))))
        .y_axis(Axis::default().bounds(up).labels(up.map(|value| Line::from(format!("{value:.3}")))));
    frame.render_widget(chart, area);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::backend::TestBackend;

    fn screen(dashboard: &Dashboard<TestBackend>) -> String {
        let buffer = dashboard.terminal.backend().buffer();
        let width = usize::from(buffer.area.width);
        let cells: Vec<&str> = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
        cells.chunks(width).map(|row| row.concat().trim_end().to_owned() + "\n").collect()
    }

    #[test]
    fn curves_place_and_log_are_on_the_screen() {
        let mut dashboard = Dashboard::on(TestBackend::new(80, 20)).expect("a screen");
        dashboard.line("train: 4 scenes");
        dashboard.start("epoch 3/4".into(), 8);
        for (epoch, train_loss, validation) in
            [(1, 0.9, None), (2, 0.5, Some((0.7, 0.25))), (3, f64::NAN, Some((0.6, 0.75)))]
        {
            dashboard.add(EpochPoint { epoch, train_loss, validation });
        }
        dashboard.view.done = 3;
        dashboard.advance("loss 0.400".into());
        dashboard.draw();
        let text = screen(&dashboard);
        for part in ["train: 4 scenes", "loss", "valid", "F1 of the validation", "0.900", "0.250", "0.750"] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(text.contains("epoch 3/4  4/8  loss 0.400"), "{text}");
        assert!(text.chars().any(|dot| ('\u{2801}'..='\u{28ff}').contains(&dot)), "a curve is drawn\n{text}");
    }

    #[test]
    fn nothing_to_show_yet_and_a_small_terminal_are_no_trouble() {
        for (width, height) in [(80, 20), (12, 4), (1, 1)] {
            let mut dashboard = Dashboard::on(TestBackend::new(width, height)).expect("a screen");
            dashboard.line("a line that is longer than the screen is wide, whatever the screen");
            dashboard.start("validating".into(), 0);
            dashboard.add(EpochPoint { epoch: 1, train_loss: 1.0, validation: None });
        }
    }
}
