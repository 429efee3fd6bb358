use super::{Kind, METRICS, Metric};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

#[test]
fn every_metric_is_well_named_and_described() {
    let names: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), METRICS.len());
    for Metric { name, kind, labels, what } in METRICS {
        assert!(name.starts_with("callboard_") && !what.is_empty() && !what.ends_with('.'), "{name}");
        match kind {
            Kind::Counter => assert!(name.ends_with("_total"), "{name}"),
            Kind::Gauge => assert!(!name.ends_with("_total"), "{name}"),
            Kind::Histogram(bounds) => {
                assert!(bounds.is_sorted_by(|a, b| a < b) && (10..20).contains(&bounds.len()), "{name}");
                assert!(["_seconds", "_events"].iter().any(|unit| name.ends_with(unit)), "{name}");
            }
        }
        let ids = ["run", "task", "id", "correlation_id", "agent", "node"];
        assert!(labels.iter().all(|label| !ids.contains(label)), "{name} has a label that is no closed set");
    }
}

/// The table of the documentation is this one, word by word, and says more.
#[test]
fn the_documentation_has_every_metric_and_no_other() {
    let text = include_str!("../../../docs/metrics.md");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `callboard_")).collect();
    assert_eq!(rows.len(), METRICS.len());
    for (Metric { name, kind, labels, what }, row) in METRICS.iter().zip(rows) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        assert!(row.starts_with(&format!("| `{name}` | {kind} | {what}")), "{name}: {row}");
        let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        let told = last.split("; ").filter(|label| label.starts_with('`')).filter_map(|label| label.split('`').nth(1));
        assert_eq!(told.collect::<Vec<_>>(), *labels, "{name}");
    }
}

/// What may stand in a selector beside the labels of a metric: what Prometheus adds.
const ADDED: [&str; 3] = ["job", "instance", "le"];

/// What is asked for, with its labels: metrics, and what rules record.
#[derive(Default)]
struct Known(BTreeMap<String, BTreeSet<String>>);

impl Known {
    fn metrics() -> Self {
        let mut known = BTreeMap::new();
        for Metric { name, kind, labels, .. } in METRICS {
            let names = match kind {
                Kind::Histogram(_) => vec![format!("{name}_bucket"), format!("{name}_sum"), format!("{name}_count")],
                Kind::Counter | Kind::Gauge => vec![name.to_owned()],
            };
            let labels: BTreeSet<String> = labels.iter().map(|label| (*label).to_owned()).collect();
            known.extend(names.into_iter().map(|name| (name, labels.clone())));
        }
        Self(known)
    }

    /// The labels that the metrics of a query have, if all of them are known and have what is asked of them.
    fn check(&self, query: &str) -> Result<BTreeSet<String>, String> {
        let mut labels: BTreeSet<String> = ADDED.map(str::to_owned).into();
        for (at, _) in query.match_indices("callboard") {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
            if query[..at].ends_with(is_name) || query[..at].ends_with(['"', '-', '/', '.']) {
                continue; // within a name that was looked at, or no metric
            }
            let name: String = query[at..].chars().take_while(|c| is_name(*c)).collect();
            if !name[9..].starts_with(['_', ':']) {
                continue; // the command, say
            }
            let has = self.0.get(&name).ok_or_else(|| format!("there is no {name}: {query}"))?;
            labels.extend(has.iter().cloned());
            let rest = &query[at + name.len()..];
            let selector = rest.strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or_default();
            for matcher in selector.split(',').filter(|matcher| !matcher.trim().is_empty()) {
                let label: String = matcher.trim().chars().take_while(|c| is_name(*c)).collect();
                if !has.contains(&label) && !ADDED.contains(&label.as_str()) {
                    return Err(format!("{name} has no label {label}: {query}"));
                }
            }
        }
        for by in grouped(query) {
            if !labels.contains(&by) {
                return Err(format!("nothing has the label {by}: {query}"));
            }
        }
        Ok(labels)
    }
}

/// The labels that a query groups or matches by.
fn grouped(query: &str) -> BTreeSet<String> {
    let lists = ["by (", "on (", "without (", "group_left ("].iter().flat_map(|word| query.split(*word).skip(1));
    let labels = lists.flat_map(|rest| rest.split(')').next().unwrap_or_default().split(','));
    labels.map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()).collect()
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rules of a file, each from its name to the next one's.
fn rules(path: &str) -> Vec<(String, String)> {
    let text = read(path);
    let begins = |line: &str| {
        let name = line.trim_start().strip_prefix("- alert: ").or_else(|| line.trim_start().strip_prefix("- record: "));
        name.map(|name| name.trim().to_owned())
    };
    let mut rules: Vec<(String, String)> = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        if let Some(name) = begins(line) {
            rules.push((name, String::new()));
        } else if let Some((_, body)) = rules.last_mut() {
            *body = format!("{body}{line}\n");
        }
    }
    rules
}

/// The metrics, and what the recording rules make of them.
fn known() -> Result<Known, String> {
    let mut known = Known::metrics();
    for (name, body) in rules("prometheus/recording.rules.yml") {
        known.check(&body)?;
        known.0.insert(name, grouped(&body));
    }
    Ok(known)
}

#[test]
fn every_rule_asks_for_what_there_is() -> Result<(), String> {
    let known = known()?;
    let alerts = rules("prometheus/alerts.rules.yml");
    let tested = read("prometheus/tests/alerts.yml");
    assert!(alerts.len() >= 9);
    for (name, body) in &alerts {
        let labels = known.check(body)?;
        let told: BTreeSet<&str> = body.split("$labels.").skip(1).map(word).collect();
        assert!(told.iter().all(|label| labels.contains(*label)), "{name}: {told:?}");
        let page = format!("docs/runbooks/{name}.md");
        assert!(body.contains(&page), "{name} names {page}");
        let page = read(&format!("../{page}"));
        assert!(page.starts_with(&format!("# {name}\n")), "{name}");
        for part in ["## What it means", "## What to look at", "## What to do"] {
            assert!(page.contains(part), "{name}: {part}");
        }
        let fires = format!("alertname: {name}\n");
        assert!(
            tested
                .split(&fires)
                .skip(1)
                .any(|case| case.lines().next().is_some_and(|line| line.trim() == "exp_alerts:")),
            "{name} is made to fire"
        );
    }
    known.check(&tested).map(drop)
}

fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default()
}

#[test]
fn every_panel_asks_for_what_there_is() -> Result<(), String> {
    let known = known()?;
    for name in ["overview", "agents", "journal-and-ports"] {
        let board: Value = serde_json::from_str(&read(&format!("grafana/{name}.json"))).map_err(|e| e.to_string())?;
        assert_eq!(board["uid"], format!("callboard-{name}"));
        let panels = board["panels"].as_array().expect("a list");
        let mut queries = 0;
        for target in panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten()) {
            let query = target["expr"].as_str().expect("a query");
            let labels = known.check(query)?;
            let legend = target["legendFormat"].as_str().expect("a legend");
            for label in legend.split("{{").skip(1).map(|rest| word(rest.trim_start())) {
                let stays = grouped(query).contains(label) || !query.contains(" by (");
                assert!(labels.contains(label) && stays, "{name}: {legend} of {query}");
            }
            queries += 1;
        }
        assert!(queries >= 8 && queries >= panels.iter().filter(|panel| panel["type"] != "row").count(), "{name}");
        for variable in board["templating"]["list"].as_array().into_iter().flatten() {
            if let Some(query) = variable["definition"].as_str() {
                known.check(query)?;
            }
        }
    }
    Ok(())
}
