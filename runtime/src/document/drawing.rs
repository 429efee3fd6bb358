//! A graph as a drawing: DOT for Graphviz, Mermaid for what renders Markdown.

use callboard_core::{EdgeKind, Graph};
use std::fmt::Write;

/// The graph in DOT. Nodes are `t0`, `t1` and so on in the order of the document, so that equal graphs give equal texts.
pub(super) fn dot(graph: &Graph) -> String {
    let mut out = format!("digraph {} {{\n  rankdir=LR;\n  node [shape=box];\n", dot_text(&[&graph.name]));
    for (n, task) in graph.tasks.iter().enumerate() {
        push(&mut out, format_args!("  t{n} [label={}];\n", dot_text(&[&task.name, &task.capability])));
    }
    for edge in graph.edges() {
        let style = if edge.kind == EdgeKind::Order { " [style=dashed]" } else { "" };
        push(&mut out, format_args!("  t{} -> t{}{style};\n", edge.from, edge.to));
    }
    out.push_str("}\n");
    out
}

/// The graph as a Mermaid flow chart.
pub(super) fn mermaid(graph: &Graph) -> String {
    let mut out = format!("---\ntitle: {}\n---\nflowchart LR\n", yaml_text(&graph.name));
    for (n, task) in graph.tasks.iter().enumerate() {
        let (name, capability) = (mermaid_text(&task.name), mermaid_text(&task.capability));
        push(&mut out, format_args!("  t{n}[\"{name}<br>{capability}\"]\n"));
    }
    for edge in graph.edges() {
        let arrow = if edge.kind == EdgeKind::Order { "-.->" } else { "-->" };
        push(&mut out, format_args!("  t{} {arrow} t{}\n", edge.from, edge.to));
    }
    out
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a text does not fail.
    let _written = out.write_fmt(text);
}

/// Lines as a DOT string. DOT reads `\"` only as an escape there, but Graphviz reads others in labels (`\N`, `\l`).
fn dot_text(lines: &[&str]) -> String {
    let escaped = lines.iter().map(|line| visible(line).replace('\\', "\\\\").replace('"', "\\\""));
    format!("\"{}\"", escaped.collect::<Vec<_>>().join("\\n"))
}

/// A Mermaid label: its entities are written `#code;`, and HTML is HTML.
fn mermaid_text(text: &str) -> String {
    let mut out = String::new();
    for letter in visible(text).chars() {
        if letter.is_alphanumeric() || matches!(letter, ' ' | '.' | '_' | '-' | '/' | ',' | ':' | '(' | ')') {
            out.push(letter);
        } else {
            push(&mut out, format_args!("#{};", u32::from(letter)));
        }
    }
    out
}

/// A text as YAML and JSON both write it.
fn yaml_text(text: &str) -> String {
    format!("\"{}\"", visible(text).replace('\\', "\\\\").replace('"', "\\\""))
}

/// The text without control characters, which names of good graphs do not have.
fn visible(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
