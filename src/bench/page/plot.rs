//! A plot of lines as SVG.

use super::escape::escaped;

const WIDTH: f64 = 820.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 30.0;
/// One for each line; they differ for color-blind readers too.
const COLORS: [&str; 4] = ["#0969da", "#bc4c00", "#1a7f37", "#8250df"];
const LEGEND_STEP: f64 = 195.0;
/// So many rounds have a label each.
const LABELLED_ROUNDS_MAX: u32 = 20;
/// Labels on an axis of ratios.
const RATIO_STEPS: u32 = 4;

/// A line with its name.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// A place on an axis with a label.
#[derive(Clone)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
}

/// What an axis spans.
pub(super) struct Axis {
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) ticks: Vec<Tick>,
}

impl Axis {
    /// Powers of ten around the values of some lines, which are logarithms.
    pub(super) fn of_powers(series: &[Series], unit: &str) -> Self {
        let (least, greatest) = bounds(series);
        let (min, max) = (least.floor(), greatest.ceil().max(least.floor() + 1.0));
        let mut ticks = Vec::new();
        let mut at = min;
        while at <= max {
            ticks.push(Tick { at, label: format!("{} {unit}", 10_f64.powf(at)) });
            at += 1.0;
        }
        Self { min, max, ticks }
    }

    /// The numbers of rounds.
    pub(super) fn of_rounds(count: usize) -> Self {
        let count = u32::try_from(count).unwrap_or(u32::MAX).max(2);
        let step = count.div_ceil(LABELLED_ROUNDS_MAX);
        let rounds = (1..=count).step_by(usize::try_from(step).unwrap_or(1));
        let ticks = rounds.map(|round| Tick { at: round.into(), label: round.to_string() });
        Self { min: 1.0, max: f64::from(count), ticks: ticks.collect() }
    }

    /// The values of some lines, from 0 on, with 1 among them.
    pub(super) fn of_ratios(series: &[Series]) -> Self {
        let (_, greatest) = bounds(series);
        let max = greatest.max(1.0) * 1.1;
        let step = max / f64::from(RATIO_STEPS);
        let ticks = (0..=RATIO_STEPS).map(|number| {
            let at = step * f64::from(number);
            Tick { at, label: format!("{at:.2}") }
        });
        Self { min: 0.0, max, ticks: ticks.collect() }
    }
}

/// The least and the greatest value of some lines.
fn bounds(series: &[Series]) -> (f64, f64) {
    let values = || series.iter().flat_map(|line| &line.points).map(|(_, y)| *y);
    let least = values().fold(f64::INFINITY, f64::min);
    let greatest = values().fold(f64::NEG_INFINITY, f64::max);
    if least.is_finite() { (least, greatest) } else { (0.0, 1.0) }
}

/// The plot of some lines.
pub(super) fn plot(series: &[Series], across: &Axis, up: &Axis) -> String {
    let x = |value: f64| {
        LEFT + (value - across.min) / (across.max - across.min) * (WIDTH - LEFT - RIGHT)
    };
    let y = |value: f64| {
        HEIGHT - BOTTOM - (value - up.min) / (up.max - up.min) * (HEIGHT - TOP - BOTTOM)
    };
    let mut svg = String::new();
    let mut line = |text: String| {
        svg.push_str(&text);
        svg.push('\n');
    };

    line(format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">"));
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for tick in &up.ticks {
        let at = y(tick.at);
        line(format!(
            "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#d0d7de\"/>"
        ));
        let (x, y) = (LEFT - 8.0, at + 4.0);
        line(format!(
            "<text x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\" fill=\"#57606a\">{}</text>",
            tick.label
        ));
    }
    for tick in &across.ticks {
        let (at, y) = (x(tick.at), bottom + 18.0);
        line(format!(
            "<text x=\"{at:.1}\" y=\"{y}\" text-anchor=\"middle\" fill=\"#57606a\">{}</text>",
            tick.label
        ));
    }

    for (place, (of, color)) in series.iter().zip(COLORS.iter().cycle()).enumerate() {
        let points =
            of.points.iter().map(|(across, up)| format!("{:.1},{:.1}", x(*across), y(*up)));
        let points = points.collect::<Vec<_>>().join(" ");
        line(format!(
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>"
        ));
        let start = LEFT + LEGEND_STEP * f64::from(u32::try_from(place).unwrap_or_default());
        let (end, text) = (start + 18.0, start + 24.0);
        line(format!(
            "<line x1=\"{start}\" x2=\"{end}\" y1=\"16\" y2=\"16\" stroke=\"{color}\" stroke-width=\"3\"/>"
        ));
        line(format!("<text x=\"{text}\" y=\"20\" fill=\"#1f2328\">{}</text>", escaped(&of.name)));
    }
    line("</svg>".to_owned());
    svg
}
