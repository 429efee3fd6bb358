use super::*;

fn of_source(body: &str) -> Option<Fingerprint> {
    of(&syn::parse_str(&format!("{{ {body} }}")).expect("a block"))
}

const BODY: &str = "let mut sum = 0; for item in items.iter() { if item.weight > limits::low + 3 { sum += item.weight; } \
                    else { log::warn!(\"light\"); } } Total::new(sum, items.len())";

#[track_caller]
fn alike(from: &str, to: &str, expected: bool) {
    let changed = BODY.replace(from, to);
    assert_ne!(changed, BODY, "{from:?} is in the body");
    assert_eq!(of_source(BODY) == of_source(&changed), expected, "{from:?} by {to:?}");
}

#[test]
fn names_of_locals_and_values_do_not_matter() {
    assert!(of_source(BODY).is_some());
    alike("sum", "total", true);
    alike("item", "thing", true);
    alike("3", "1_000", true);
    alike("\"light\"", "\"/* heavy */\"", true);
    alike("; for", "; // a comment\n for", true);
}

#[test]
fn what_is_called_and_how_it_is_wired_does_matter() {
    alike("item.weight >", "item.height >", false);
    alike("limits::low", "limits::high", false);
    alike("items.len()", "items.count()", false);
    alike("Total", "Sum", false);
    alike("Total::new", "Total::of", false);
    alike("log::warn", "log::info", false);
    alike("3", "'3'", false);
    alike("sum += item.weight", "item += sum.weight", false);
    alike(">", ">=", false);
}

#[test]
fn short_bodies_have_none() {
    assert_eq!(of_source("self.items.push(item); self.len()"), None);
    let tokens = of_source(BODY).map(|found| found.tokens);
    assert!(tokens.is_some_and(|tokens| tokens >= TOKENS_MIN), "{tokens:?}");
}
