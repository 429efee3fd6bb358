mod server;

use super::address::is_public;
use super::*;
use callboard::ErrorClass;
use server::{Server, answer};
use std::time::Duration;

const JSON: &str = "content-type: application/json; charset=utf-8\r\nx-secret: 1\r\n";

fn settings(server: &Server) -> HttpSettings {
    let mut settings = HttpSettings::of([]);
    settings.private_hosts = vec![server.url("").parse().unwrap()];
    settings
}

async fn told(settings: HttpSettings, input: &str) -> String {
    match Http::new(settings).unwrap().run(&Json::parse(input).unwrap()).await {
        Ok(output) => output.as_str().to_owned(),
        Err(error) => match error.class() {
            ErrorClass::Terminal => format!("terminal: {error:#}"),
            ErrorClass::Retryable { after: Some(after) } => format!("after {}: {error:#}", after.as_secs()),
            _ => format!("retryable: {error:#}"),
        },
    }
}

/// The answer to a GET of `path`, with the port left out.
async fn get(server: &Server, path: &str) -> String {
    let seen = told(settings(server), &format!(r#"{{"url":"{}"}}"#, server.url(path))).await;
    seen.replace(&server.address.to_string(), "SERVER")
}

#[tokio::test]
async fn an_answer_is_json_text_or_nothing() {
    let server = Server::start(|head| match head.split(' ').nth(1).unwrap() {
        "/json" => answer("200 OK", JSON, r#"{"a": 1}"#),
        "/problem" => answer("201 Created", "content-type: application/problem+json\r\n", "[1]"),
        "/text" => answer("200 OK", "content-type: text/plain\r\n", "grüß"),
        "/liar" => answer("200 OK", JSON, "no"),
        _ => answer("204 No Content", "", ""),
    })
    .await;
    let kind = r#"{"content-type":"application/json; charset=utf-8"}"#;
    assert_eq!(get(&server, "/json").await, format!(r#"{{"status":200,"headers":{kind},"body":{{"a": 1}}}}"#));
    let problem = r#"{"status":201,"headers":{"content-type":"application/problem+json"},"body":[1]}"#;
    assert_eq!(get(&server, "/problem").await, problem);
    let text = r#"{"status":200,"headers":{"content-type":"text/plain"},"body":"grüß"}"#;
    assert_eq!(get(&server, "/text").await, text);
    assert_eq!(get(&server, "/none").await, r#"{"status":204,"headers":{},"body":null}"#);
    let liar = get(&server, "/liar").await;
    assert!(liar.starts_with("terminal: the answer of http://SERVER says that it is JSON, and is not"), "{liar}");
}

#[tokio::test]
async fn the_request_carries_what_is_allowed() {
    let server = Server::start(|_| answer("200 OK", "", "")).await;
    let mut settings = settings(&server);
    settings.methods.insert("POST".to_owned());
    settings.fixed_headers.insert("x-key".to_owned(), HeaderValue::Fixed("k".to_owned()));
    settings.request_headers.insert("x-key".to_owned());
    let url = server.url("/a?b=c");
    let input =
        format!(r#"{{"url":"{url}","method":"POST","json":{{"x":1}},"headers":{{"Accept":"a/b","X-Key":"z"}}}}"#);
    told(settings.clone(), &input).await;
    let asked = server.asked().remove(0);
    assert!(asked.starts_with("POST /a?b=c HTTP/1.1\r\n") && asked.ends_with(r#"{"x":1}"#), "{asked}");
    for line in ["accept: a/b", "content-type: application/json", "x-key: k"] {
        assert!(asked.contains(&format!("{line}\r\n")), "{line} is not in {asked}");
    }
    for (input, expected) in [
        (r#"{"url":"URL","method":"DELETE"}"#, r#"the method "DELETE" is not allowed, only GET, HEAD, POST"#),
        (r#"{"url":"URL","headers":{"Cookie":"a"}}"#, r#"the header "cookie" is not allowed"#),
        (r#"{"url":"URL","json":1,"text":"a"}"#, "a request has json or text, not both"),
        (r#"{"url":"http://me:pw@HOST/"}"#, "a url holds no user and no password"),
        (r#"{"url":"/relative"}"#, "url is none: relative URL without a base"),
        (r#"{"url":"URL","body":1}"#, "the input does not fit"),
    ] {
        let input = input.replace("URL", &url).replace("HOST", &server.address.to_string());
        let seen = told(settings.clone(), &input).await;
        assert!(seen.starts_with(&format!("terminal: {expected}")), "{input}: {seen}");
    }
    settings.request_bytes_max = 3;
    let seen = told(settings, &format!(r#"{{"url":"{url}","text":"1234"}}"#)).await;
    assert_eq!(seen, "terminal: the body has 4 bytes, more than request_max, 3 bytes");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn the_status_says_whether_another_attempt_helps() {
    let server = Server::start(|head| {
        let path = head.split(' ').nth(1).unwrap();
        let dates = "date: Fri, 20 Nov 2026 13:00:00 GMT\r\nretry-after: Fri, 20 Nov 2026 13:01:30 GMT\r\n";
        match path {
            "/seconds" => answer("429 Too Many Requests", "retry-after: 7\r\n", "slow down"),
            "/date" => answer("503 Service Unavailable", dates, ""),
            "/years" => answer("503 Service Unavailable", "retry-after: 99999999\r\n", ""),
            "/long" => answer("404 Not Found", "", &"x".repeat(5_000)),
            path => answer(&format!("{} Told", &path[1..]), "retry-after: soon\r\n", ""),
        }
    })
    .await;
    assert_eq!(get(&server, "/seconds").await, "after 7: http://SERVER answered 429 Too Many Requests: slow down");
    assert_eq!(get(&server, "/date").await, "after 90: http://SERVER answered 503 Service Unavailable");
    assert_eq!(get(&server, "/years").await, "after 3600: http://SERVER answered 503 Service Unavailable");
    assert!(get(&server, "/long").await.len() < 1_200);
    for (statuses, class) in [
        (["429", "503", "500", "502", "408", "425"], "retryable"),
        (["400", "401", "403", "404", "410", "422"], "terminal"),
    ] {
        for status in statuses {
            let seen = get(&server, &format!("/{status}")).await;
            assert!(seen.starts_with(&format!("{class}: http://SERVER answered {status}")), "{seen}");
        }
    }
    let accepting = HttpSettings { accept: [404].into(), ..settings(&server) };
    let seen = told(accepting, &format!(r#"{{"url":"{}"}}"#, server.url("/404"))).await;
    assert!(seen.starts_with(r#"{"status":404"#), "{seen}");
}

#[tokio::test]
async fn redirects_stay_within_the_allowed_hosts() {
    let other = Server::start(|_| answer("200 OK", "", "other")).await;
    let to = other.url("/there");
    let server = Server::start(move |head| match head.split(' ').nth(1).unwrap() {
        "/here" => answer("302 Found", "location: /there\r\n", ""),
        "/there" => answer("200 OK", "", "there"),
        "/away" => answer("307 Temporary Redirect", &format!("location: {to}\r\n"), ""),
        "/inside" => answer("302 Found", "location: http://169.254.169.254/latest/meta-data\r\n", ""),
        "/nowhere" => answer("302 Found", "location: http://[\r\n", ""),
        _ => answer("302 Found", "location: /loop\r\n", ""),
    })
    .await;
    assert!(get(&server, "/here").await.contains(r#""body":"there""#));
    let away = get(&server, "/away").await.replace(&other.address.to_string(), "OTHER");
    assert_eq!(away, "terminal: http://OTHER is none of the allowed hosts");
    assert_eq!(other.asked().len(), 0);
    let inside = get(&server, "/inside").await;
    assert_eq!(inside, "terminal: http://169.254.169.254 is none of the allowed hosts");
    assert_eq!(get(&server, "/nowhere").await, "terminal: http://SERVER redirects to what is no URL");
    assert_eq!(get(&server, "/loop").await, "terminal: more redirects than redirects_max, 5");

    // A host that is allowed gets the request, with its body, but not what is fixed for the first.
    let mut both = settings(&server);
    both.private_hosts.push(other.url("").parse().unwrap());
    both.methods.insert("POST".to_owned());
    both.fixed_headers.insert("x-key".to_owned(), HeaderValue::Fixed("k".to_owned()));
    let input = format!(r#"{{"url":"{}","method":"POST","text":"body"}}"#, server.url("/away"));
    assert!(told(both, &input).await.contains(r#""body":"other""#));
    let asked = other.asked().remove(0);
    assert!(asked.starts_with("POST /there") && asked.ends_with("body") && !asked.contains("x-key"), "{asked}");
    assert!(server.asked().last().unwrap().contains("x-key: k\r\n"));
}

#[tokio::test]
async fn a_private_address_is_refused_however_it_is_named() {
    let server = Server::start(|_| answer("200 OK", "", "")).await;
    let port = server.address.port();
    for host in ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433", "169.254.169.254"] {
        let url = format!("http://{host}:{port}");
        let settings = HttpSettings::of([url.parse().unwrap()]);
        let seen = told(settings, &format!(r#"{{"url":"{url}"}}"#)).await;
        assert!(seen.starts_with("terminal: ") && seen.contains("has no public address"), "{url}: {seen}");
    }
    assert_eq!(server.asked().len(), 0);
    let url = format!("http://localhost:{port}");
    let settings = HttpSettings { private_hosts: vec![url.parse().unwrap()], ..HttpSettings::of([]) };
    assert!(told(settings, &format!(r#"{{"url":"{url}"}}"#)).await.starts_with(r#"{"status":200"#));
}

#[tokio::test]
async fn an_answer_that_is_too_long_or_too_late_or_none_is_an_error() {
    let server = Server::start(|head| match head.split(' ').nth(1).unwrap() {
        "/never" => String::new(),
        "/cut" => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n123".to_owned(),
        _ => answer("200 OK", "", "12345"),
    })
    .await;
    let short = |max| HttpSettings { response_bytes_max: max, ..settings(&server) };
    let input = format!(r#"{{"url":"{}"}}"#, server.url("/"));
    assert!(told(short(5), &input).await.contains("12345"));
    assert!(told(short(4), &input).await.ends_with("has more than response_max, 4 bytes"));
    let cut = get(&server, "/cut").await;
    assert!(cut.starts_with("retryable: http://SERVER did not answer"), "{cut}");
    let hasty = HttpSettings { timeout: Duration::from_millis(50), ..settings(&server) };
    let seen = told(hasty, &format!(r#"{{"url":"{}"}}"#, server.url("/never"))).await;
    assert_eq!(seen, "retryable: no answer within timeout, 50ms");
    let settings = settings(&server);
    drop(server);
    let seen = told(settings, &input).await;
    assert!(seen.starts_with("retryable: ") && seen.contains("did not answer"), "{seen}");
}

#[test]
fn hosts_are_compared_by_scheme_name_and_port() {
    let check = |host: &str, url: &str, expected: bool| {
        let host: Host = host.parse().unwrap();
        assert_eq!(host.allows(&url.parse().unwrap()), expected, "{host} {url}");
    };
    check("https://a.example.com", "https://a.example.com/x?y", true);
    check("https://a.example.com", "https://A.Example.com:443", true);
    check("https://a.example.com", "https://a.example.com:444", false);
    check("https://a.example.com", "http://a.example.com:443", false);
    check("https://a.example.com", "https://b.a.example.com", false);
    check("https://a.example.com", "https://a.example.com.evil.org", false);
    check("https://*.example.com", "https://a.b.example.com", true);
    check("https://*.example.com", "https://example.com", false);
    check("https://*.example.com", "https://.example.com", false);
    check("https://*.example.com", "https://evilexample.com", false);
    check("http://*.example.com:81", "http://a.example.com:81", true);
    check("http://[::1]:80", "http://[0:0::1]", true);
    for wrong in [
        "example.com",
        "ftp://a.b",
        "https://a/b",
        "https://a/",
        "https://u@a",
        "https://*.com",
        "https://*.1.2.3.4",
        "https://a.*.b",
        "https://*",
        "",
    ] {
        assert!(wrong.parse::<Host>().is_err(), "{wrong:?}");
    }
}

#[test]
fn what_is_not_known_to_be_public_is_not() {
    let public = [
        "1.1.1.1",
        "93.184.215.14",
        "172.32.0.1",
        "100.128.0.1",
        "2606:4700::1111",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
    ];
    let private = [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.2.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001::1",
        "2001:db8::1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "ff02::1",
    ];
    for (addresses, expected) in [(&public[..], true), (&private[..], false)] {
        for address in addresses {
            assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
        }
    }
}

#[test]
fn every_fault_of_the_settings_is_told() {
    let mut settings = HttpSettings::of([]);
    settings.methods = ["TRACE".to_owned()].into();
    settings.request_headers = ["Accept".to_owned(), "host".to_owned()].into();
    settings.response_headers = ["a b".to_owned()].into();
    settings.fixed_headers.insert("x".to_owned(), HeaderValue::Environment("THERE_IS_NO_SUCH_VARIABLE".to_owned()));
    settings.fixed_headers.insert("y".to_owned(), HeaderValue::Fixed("\n".to_owned()));
    settings.accept = [200].into();
    settings.timeout = Duration::ZERO;
    settings.redirects_max = 21;
    settings.request_bytes_max = usize::MAX;
    settings.response_bytes_max = usize::MAX;
    let faults = Http::new(settings).unwrap_err();
    let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
    let expected = [
        "hosts",
        "methods",
        "request_headers",
        "response_headers",
        "request_headers",
        "accept",
        "timeout",
        "redirects_max",
        "request_max",
        "response_max",
        "fixed_headers.x",
        "fixed_headers.y",
    ];
    assert_eq!(keys, expected, "{faults:?}");
    let below = HttpSettings { private_hosts: vec!["http://*.a.b".parse().unwrap()], ..HttpSettings::of([]) };
    assert_eq!(Http::new(below).unwrap_err()[0].key, "private_hosts");
}
