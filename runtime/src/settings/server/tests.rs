use super::ServerUrl;

const SCHEMES: [&str; 4] = ["redis", "redis+sentinel", "redis+cluster", "amqp"];

#[test]
fn schemes_with_a_plus_and_that_of_rabbitmq_have_several_hosts() {
    let good = |url: &str| assert_eq!(ServerUrl::read(url, &SCHEMES).unwrap().with_secrets(), url);
    good("redis+sentinel://a,b:26380,[::1]:1/board/2");
    good("redis+cluster://u:p,w@a,b:7001");
    good("redis+cluster://a");
    good("amqp://u:p@a:5672,b,[::1]:1/v");
    let shown = ServerUrl::read("redis+cluster://u:geheim@a,b:7001/0", &SCHEMES).unwrap();
    assert_eq!(shown.to_string(), "redis+cluster://u:***@a,b:7001/0");
    assert!(shown.with_secrets().starts_with("redis+cluster:"));
}

#[test]
fn each_of_several_hosts_is_looked_at() {
    let bad = |url: &str, reason: &str| assert_eq!(ServerUrl::read(url, &SCHEMES), Err(reason.to_owned()), "{url}");
    bad("redis+cluster://a,,b", "redis+cluster:// is followed by a host, and by no blanks");
    bad("redis+cluster://a, b", "redis+cluster:// is followed by a host, and by no blanks");
    bad("redis+sentinel://u:p@/board", "redis+sentinel:// is followed by a host, and by no blanks");
    bad("redis+sentinel://a,b:0/board", "the port of redis+sentinel:// is 1 to 65535");
    bad("amqp://a,,b", "amqp:// is followed by a host, and by no blanks");
    bad("redis://a:7000,b", "the port of redis:// is 1 to 65535");
    bad("amqp+cluster://a,b", "it has another form");
}
