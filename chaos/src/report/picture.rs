//! What happened over time, as a picture: faults as bands behind all of it.

use super::Report;
use super::html::escape;
use crate::check::{Recovery, Window};
use std::fmt::Write;

const WIDTH: f64 = 1_080.0;
/// Where time begins, and how much of the width it has.
const LEFT: f64 = 70.0;
const SPAN: f64 = WIDTH - LEFT - 10.0;
/// Of one of the drawings.
const HEIGHT: f64 = 110.0;
const GAP: f64 = 34.0;
/// What a slow probe is drawn at, at the longest, in seconds: above it is as good as never.
const SLOWEST: f64 = 30.0;

/// The picture.
pub(super) fn svg(report: &Report) -> String {
    let service = &report.service;
    let ends = service.windows.iter().map(|window| window.at + window.took.min(SLOWEST));
    let last = ends.chain([service.results_per_second.len() as f64, 1.0]).fold(0.0, f64::max);
    let x = |at: f64| LEFT + SPAN * (at / last).clamp(0.0, 1.0);
    let names_y = 14.0 * service.recoveries.len().min(6) as f64 + 10.0;
    let tops = [names_y, names_y + HEIGHT + GAP, names_y + 2.0 * (HEIGHT + GAP)];
    let height = tops[2] + 30.0 + GAP;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" width=\"100%\" role=\"img\" aria-label=\"throughput, latency and availability over time\">"
    );
    for (n, of) in service.recoveries.iter().enumerate() {
        band(&mut svg, of, x(of.begin), x(of.end), 14.0 * (n % 6) as f64 + 12.0, height - GAP);
    }
    let most = service.results_per_second.iter().copied().max().unwrap_or(0).max(1) as f64;
    title(&mut svg, tops[0], "results in a second", &format!("{most:.0}"));
    for (second, count) in service.results_per_second.iter().enumerate() {
        let (from, to, tall) = (x(second as f64), x(second as f64 + 1.0), HEIGHT * *count as f64 / most);
        let (y, wide) = (tops[0] + HEIGHT - tall, (to - from - 0.5).max(0.5));
        let _ =
            write!(svg, "<rect class=\"bar\" x=\"{from:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{tall:.1}\"/>");
    }
    let slowest = service.windows.iter().map(|window| window.took.min(SLOWEST)).fold(0.1, f64::max);
    title(&mut svg, tops[1], "how long a probe took", &format!("{slowest:.1} s"));
    for window in &service.windows {
        let (tall, class) = (HEIGHT * window.took.min(SLOWEST) / slowest, class(window));
        let (x, y) = (x(window.at), tops[1] + HEIGHT);
        let _ = write!(
            svg,
            "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y:.1}\" y2=\"{:.1}\"><title>{:.1} s: {:.3} s</title></line>",
            y - tall.max(1.0),
            window.at,
            window.took
        );
    }
    title(&mut svg, tops[2], "good windows", "");
    for window in &service.windows {
        let (from, class) = (x(window.at), class(window));
        let (y, wide) = (tops[2], (x(window.at + 1.0) - from - 0.5).max(0.5));
        let _ = write!(svg, "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"30\"/>");
    }
    let step =
        [1.0, 5.0, 10.0, 60.0, 300.0, 600.0, 3_600.0].into_iter().find(|step| last / step <= 20.0).unwrap_or(3_600.0);
    let mut at = 0.0;
    while at <= last {
        let _ = write!(svg, "<text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\">{at:.0} s</text>", x(at), height - 12.0);
        at += step;
    }
    svg.push_str("</svg>");
    svg
}

fn class(window: &Window) -> &'static str {
    if window.is_good { "good" } else { "bad" }
}

fn title(svg: &mut String, top: f64, what: &str, most: &str) {
    let _ = write!(svg, "<text class=\"title\" x=\"{LEFT}\" y=\"{:.1}\">{what}</text>", top - 4.0);
    let _ = write!(svg, "<text class=\"axis end\" x=\"{:.1}\" y=\"{:.1}\">{most}</text>", LEFT - 6.0, top + 8.0);
}

fn band(svg: &mut String, of: &Recovery, from: f64, to: f64, name_y: f64, height: f64) {
    let (wide, name) = ((to - from).max(1.5), escape(&of.fault));
    let _ = write!(
        svg,
        "<rect class=\"fault\" x=\"{from:.1}\" y=\"0\" width=\"{wide:.1}\" height=\"{height:.1}\"><title>{name}</title></rect>\
         <text class=\"name\" x=\"{:.1}\" y=\"{name_y:.1}\">{name}</text>",
        from + 2.0
    );
}
