use super::{labels, read, value};
use crate::output::member;

#[test]
fn a_page_of_prometheus_is_read_with_histograms_as_one() {
    let page = "# HELP callboard_tasks_total Tasks that ended.\n\
        # TYPE callboard_tasks_total counter\n\
        callboard_tasks_total{capability=\"a \\\"b\\\" \\\\n\",status=\"dead\"} 3\n\n\
        # TYPE callboard_ratio gauge\n\
        callboard_ratio 0.123456\n\
        # TYPE callboard_seconds histogram\n\
        callboard_seconds_bucket{c=\"x\",le=\"0.1\"} 9\n\
        callboard_seconds_bucket{c=\"x\",le=\"2.5\"} 10\n\
        callboard_seconds_bucket{c=\"x\",le=\"+Inf\"} 10\n\
        callboard_seconds_sum{c=\"x\"} 2.5\n\
        callboard_seconds_count{c=\"x\"} 10\n\
        callboard_seconds_bucket{c=\"y\",le=\"0.1\"} 0\n\
        callboard_seconds_bucket{c=\"y\",le=\"+Inf\"} 1\n\
        callboard_seconds_sum{c=\"y\"} 4\n\
        callboard_seconds_count{c=\"y\"} 1\n\
        callboard_count 7\n\
        what is this\n";
    let shown: Vec<_> = read(page).iter().map(|it| [member(it, "name"), labels(it), value(it)].join(" | ")).collect();
    let expected = [
        "callboard_tasks_total | capability=a \"b\" \\n status=dead | 3",
        "callboard_ratio |  | 0.1235",
        "callboard_seconds | c=x | 10 of 0.25 on average, 95 % up to 2.5",
        "callboard_seconds | c=y | 1 of 4 on average, 95 % above 0.1",
        "callboard_count |  | 7",
    ];
    assert_eq!(shown, expected);
}
