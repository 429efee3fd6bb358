//! The page: it refers to nothing outside itself.

use super::{Report, picture};
use crate::check::Verdict;
use std::fmt::Write;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:1120px;margin:2em auto;padding:0 1em;color:#1b1f24}\
h1{margin-bottom:0}h2{margin-top:2em}table{border-collapse:collapse;width:100%}\
td,th{text-align:left;padding:.25em .8em .25em 0;border-bottom:1px solid #ddd;vertical-align:top}\
pre{background:#f5f6f8;padding:.8em;overflow-x:auto;font-size:13px}\
.ok{color:#1a7f37;font-weight:600}.no{color:#cf222e;font-weight:600}\
svg{font:11px system-ui,sans-serif}.bar{fill:#8b9bb4}.fault{fill:#f2a65a;fill-opacity:.28}.name{fill:#8a4b08}\
.title{font-weight:600}.axis{fill:#666}.end{text-anchor:end}\
rect.good{fill:#2da44e}rect.bad{fill:#cf222e}line.good{stroke:#2da44e;stroke-width:3}line.bad{stroke:#cf222e;stroke-width:3}";

/// The page.
pub(super) fn page(report: &Report) -> String {
    let plan = &report.head.plan;
    let name = escape(&plan.name);
    let verdict = if report.is_good() {
        "<span class=\"ok\">everything holds</span>".to_owned()
    } else {
        let breached = report.verdicts.iter().filter(|verdict| verdict.breached > 0).count();
        format!("<span class=\"no\">{breached} of {} checks are breached</span>", report.verdicts.len())
    };
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{name}, seed {seed}</title><style>{STYLE}</style></head>\
         <body><h1>{name}: {verdict}</h1><p>{about}</p>",
        seed = report.head.seed,
        about = escape(&plan.about)
    );
    summary(&mut page, report);
    page.push_str("<h2>Over time</h2>");
    page.push_str(&picture::svg(report));
    recoveries(&mut page, report);
    page.push_str("<h2>What was checked</h2><table><tr><th>check</th><th></th><th>promise</th><th>looked at</th></tr>");
    for Verdict { check, promise, looked_at, breached, .. } in &report.verdicts {
        let said = match (*breached, *looked_at) {
            (0, 0) => "<span>nothing to look at</span>".to_owned(),
            (0, _) => "<span class=\"ok\">holds</span>".to_owned(),
            (count, _) => format!("<span class=\"no\">breached {count} times</span>"),
        };
        let (check, promise) = (escape(check), escape(promise));
        let _ = write!(page, "<tr><td>{check}</td><td>{said}</td><td>{promise}</td><td>{looked_at}</td></tr>");
    }
    page.push_str("</table>");
    for verdict in report.verdicts.iter().filter(|verdict| verdict.breached > 0) {
        let _ = write!(page, "<h3>{}</h3>", escape(&verdict.check));
        for breach in &verdict.breaches {
            let _ = write!(page, "<p>{}</p>", escape(&breach.what));
            if !breach.evidence.is_empty() {
                let _ = write!(page, "<pre>{}</pre>", escape(&breach.evidence.join("\n")));
            }
        }
        if verdict.breached > verdict.breaches.len() {
            let _ = write!(page, "<p>and {} more</p>", verdict.breached - verdict.breaches.len());
        }
    }
    calls(&mut page, report);
    let _ = write!(page, "<h2>Again</h2><pre>{}</pre>", escape(&report.again()));
    page.push_str("</body></html>\n");
    page
}

fn summary(page: &mut String, report: &Report) {
    let runs: Vec<String> = report.runs.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let versions: Vec<String> = report.head.versions.iter().map(|(of, version)| format!("{of} {version}")).collect();
    let good = report.service.windows.iter().filter(|window| window.is_good).count();
    let available =
        format!("{:.1} % ({good} of {} windows)", report.service.availability_percent, report.service.windows.len());
    let figures = &report.figures;
    page.push_str("<table>");
    for (what, value) in [
        ("seed", report.head.seed.to_string()),
        ("begun", report.head.wall.clone()),
        ("all over after", format!("{:.1} s", report.took)),
        (
            "cluster",
            match &report.head.plan.attached {
                Some(attached) => format!("{} at {}", attached.cluster, attached.addresses.join(", ")),
                None => format!("{} nodes of its own", report.head.plan.cluster.nodes),
            },
        ),
        ("available", available),
        ("in a second", format!("{:.1} runs submitted, {:.1} results", figures.offered, figures.done)),
        ("submission to result", format!("{} ms (p50), {} ms (p99)", figures.p50_ms, figures.p99_ms)),
        ("tasks at the same time", format!("{} at the most", figures.at_once)),
        ("runs", runs.join(", ")),
        ("the suite stood still", format!("{:.1} s at the longest", report.stood_still)),
        ("lines of the ledger", report.ledger_lines.to_string()),
        ("versions", versions.join(", ")),
    ] {
        let _ = write!(page, "<tr><th>{what}</th><td>{}</td></tr>", escape(&value));
    }
    page.push_str("</table>");
}

fn recoveries(page: &mut String, report: &Report) {
    if report.service.recoveries.is_empty() {
        page.push_str("<p>Nothing was done to the cluster.</p>");
        return;
    }
    page.push_str("<h2>Faults</h2><table><tr><th>from</th><th>for</th><th>what</th><th>felt behind it</th></tr>");
    for of in &report.service.recoveries {
        let felt = match (&of.error, of.recovery) {
            (Some(error), _) if of.is_untried => format!("could not be tried: {error}"),
            (Some(error), _) => format!("could not be done: {error}"),
            (None, Some(took)) => format!("{took:.2} s"),
            (None, None) => "to the end".to_owned(),
        };
        let (fault, felt, lasted) = (escape(&of.fault), escape(&felt), of.end - of.begin);
        let said =
            if of.said.is_empty() { String::new() } else { format!("<pre>{}</pre>", escape(&of.said.join("\n"))) };
        let _ = write!(
            page,
            "<tr><td>{:.1} s</td><td>{lasted:.1} s</td><td>{fault}{said}</td><td>{felt}</td></tr>",
            of.begin
        );
    }
    page.push_str("</table><p>A fault is felt from its end (that of a node's kill: from the kill) until a probe that begins then is good, and the next one is, too. Probes begin each second.</p>");
}

fn calls(page: &mut String, report: &Report) {
    page.push_str("<h2>What clients were told</h2><table><tr><th></th><th>ok</th><th>failed</th><th>unknown</th></tr>");
    for (op, outcomes) in &report.calls {
        let of = |outcome: &str| outcomes.get(outcome).copied().unwrap_or_default();
        let (ok, failed, unknown) = (of("ok"), of("failed"), of("unknown"));
        let _ = write!(page, "<tr><td>{op}</td><td>{ok}</td><td>{failed}</td><td>{unknown}</td></tr>");
    }
    page.push_str("</table>");
}

/// Text as a part of the page.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
