use super::load::rows;
use super::row::{Kind, Raw};
use super::{BreakerSettings, RetrySettings, Settings, StoreSettings, units};
use crate::{ErrorKind, Result};
use callboard_core::{Limits, Retry};
use std::time::Duration;

/// Settings of a file's text, an environment and flags.
fn load(text: &str, variables: &[(&str, &str)], flags: &[&str]) -> Result<Settings> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("callboard.toml");
    std::fs::write(&file, text).expect("a file");
    let layers = Settings::layers().file(&file).environment(variables.iter().copied());
    layers.overrides(flags.iter().copied()).load()
}

/// Every fault, without the folder of the file.
#[track_caller]
fn check(text: &str, variables: &[(&str, &str)], flags: &[&str], expected: &[&str]) {
    let error = load(text, variables, flags).expect_err("a fault");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let said: Vec<&str> =
        error.causes().map(|fault| fault.find("callboard.toml:").map_or(fault, |at| &fault[at..])).collect();
    assert_eq!(said, expected);
    assert!(error.message().contains(&format!(" {} fault", expected.len())), "{error}");
}

#[test]
fn the_annotated_file_the_table_and_the_defaults_say_the_same() {
    let text = include_str!("../../../config/callboard.toml");
    for (said, is) in text.lines().zip(Settings::annotated().lines()) {
        assert_eq!(said, is, "UPDATE=1 writes config/callboard.toml from the table");
    }
    assert_eq!(text.len(), Settings::annotated().len());
    assert_eq!(load(text, &[], &[]).expect("good settings"), Settings::default());
    let lines = |text: &str| text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count();
    assert_eq!(lines(text), rows().len() + 9, "each setting once, and nine tables");
}

#[test]
fn every_row_is_whole() {
    for row in rows() {
        let default = row.read(Raw::Word(row.default)).unwrap_or_else(|reason| panic!("{}: {reason}", row.key));
        assert_eq!(row.kind.write(&default).trim_matches('"'), row.default, "{}", row.key);
        let ends_well = |text: &str| text.trim().ends_with('.');
        assert!(ends_well(row.meaning) && ends_well(row.worse), "{}: sentences end with a full stop", row.key);
        // Both ends of a range are in it, and can be read.
        if matches!(row.kind, Kind::Time | Kind::Bytes | Kind::Count | Kind::Factor) {
            row.range.iter().for_each(|end| drop(row.read(Raw::Word(end)).expect(row.key)));
        }
    }
    assert_eq!(Settings::default().faults(), [""; 0]);
}

/// The core has defaults of its own, for those who use it alone.
#[test]
fn the_core_has_the_same_defaults() {
    let said = |limits: Limits| format!("{limits:?}");
    assert_eq!(said(Settings::default().limits()), said(Limits::default()));
    assert_eq!(RetrySettings::default().policy(), Retry::default());
}

#[test]
fn each_layer_is_over_the_one_before() {
    let variables = [
        ("CALLBOARD_LEASE", "10s"),
        ("CALLBOARD_PARTITIONS", "4"),
        ("CALLBOARD_NAMESPACE", "2026"),
        ("CALLBOARD_STORE__URL", "file:///var/lib/callboard"),
        ("CALLBOARD_RETRY__BASE", "1s"),
        ("CALLBOARD_ADDR", "127.0.0.1:1"),
        ("CALLBOARD_TOKEN", "secret"),
        ("HOME", "/root"),
    ];
    let text = "lease = \"1m\"\nlosses_max = 0x10\nretry = { retries = 1_0, factor = 3 }\n[store]\nurl = \"memory:\"";
    let settings = load(text, &variables, &["partitions=8", "retry.base = 3s"]).expect("good settings");
    assert_eq!((settings.lease, settings.losses_max), (Duration::from_secs(10), 16));
    assert_eq!((settings.partitions, settings.namespace.as_str()), (8, "2026"));
    assert_eq!(settings.store, StoreSettings::Folder("/var/lib/callboard".into()));
    assert_eq!((settings.retry.retries, settings.retry.factor), (10, 3.0));
    assert_eq!(settings.retry.base, Duration::from_secs(3));
    assert_eq!(settings.retry.policy().factor_permille, 3_000);
}

#[test]
fn the_environment_names_the_file_unless_somebody_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a file");
        folder.path().join(name)
    };
    let (named, given) = (file("named", "partitions = 2"), file("given", "partitions = 3"));
    let layers = || Settings::layers().environment([("CALLBOARD_CONFIG", named.as_os_str())]);
    assert_eq!(layers().load().expect("good").partitions, 2);
    assert_eq!(layers().file(given).load().expect("good").partitions, 3);
    let absent = layers().file(folder.path().join("absent")).load().expect_err("no such file");
    assert!(format!("{absent:#}").contains("absent can not be read"), "{absent:#}");
}

#[test]
fn faults_of_all_layers_are_told_at_once_with_where_they_were_seen() {
    check(
        "partitons = 4\nlease = \"soon\"\n\n[retry]\nbase = 3\nretires = 2\n[rety]\ncap = \"1s\"\n",
        &[
            ("CALLBOARD_LAESE", "4"),
            ("CALLBOARD_STORE__ULR", "x"),
            ("CALLBOARD_PARTITIONS", "2000"),
            ("CALLBOARD_BUS__URL", "x"),
        ],
        &["losses_max=-1", "drain", "retries=4", "lease.x=1s", "nothing.like.it=1"],
        &[
            "callboard.toml:1: there is no setting \"partitons\"; the closest is \"partitions\"",
            "callboard.toml:2: lease: \"soon\" is no duration such as \"30s\": expected number at 0",
            "callboard.toml:5: retry.base: a duration with its unit, such as \"30s\", is wanted, not a TOML integer",
            "callboard.toml:6: there is no setting \"retry.retires\"; the closest is \"retry.retries\"",
            "callboard.toml:8: there is no setting \"rety.cap\"; the closest is \"retry.cap\"",
            "CALLBOARD_LAESE: there is no setting \"laese\"; the closest is CALLBOARD_LEASE",
            "CALLBOARD_STORE__ULR: there is no setting \"store.ulr\"; the closest is CALLBOARD_STORE__URL",
            "CALLBOARD_PARTITIONS: partitions is 0 to 1024, not 2000",
            "CALLBOARD_BUS__URL: bus.url: a bus is \"memory:\" or \"amqp://HOST\", not \"x\"",
            "the flag \"losses_max\": losses_max: \"-1\" is no whole number: invalid digit found in string",
            "the flag \"drain\" is not of the form key=value",
            "the flag \"retries\": there is no setting \"retries\"; the closest is \"retry.retries\"",
            "the flag \"lease.x\": there is no setting \"lease.x\"; the closest is \"lease\"",
            "the flag \"nothing.like.it\": there is no setting \"nothing.like.it\"",
        ],
    );
}

#[test]
fn values_say_what_was_seen() {
    let one = |text: &str, expected: &str| check(text, &[], &[], &[&format!("callboard.toml:1: {expected}")]);
    one(
        "payload_bytes_max = \"big\"",
        "payload_bytes_max: \"big\" is no size such as \"8MiB\": couldn't parse \"big\" into a ByteSize, cannot parse float from empty string",
    );
    one(
        "payload_bytes_max = 4",
        "payload_bytes_max: a size with its unit, such as \"8MiB\", is wanted, not a TOML integer",
    );
    one("namespace = 4", "namespace: a text is wanted, not a TOML integer");
    one("namespace = \"a/b\"", "namespace is 1 to 64 of A-Z a-z 0-9 _ -, not \"a/b\"");
    one("partitions = \"4\"", "partitions: a whole number is wanted, not a TOML string");
    one("partitions = 99999", "partitions is 0 to 1024, not 99999");
    one("lease = \"1ms\"", "lease is 10ms to 1h, not 1ms");
    one("lease = { x = 1 }", "lease: a duration with its unit, such as \"30s\", is wanted, not a TOML table");
    one(
        "retry = 3",
        "\"retry\" is a table, not a value; in it there are \"retry.retries\", \"retry.base\", \"retry.factor\", \"retry.cap\"",
    );
    one("retry.factor = nan", "retry.factor: \"nan\" is no number");
    one("retry.factor = 1001", "retry.factor is 0.0 to 1000.0, not 1001.0");
    one(
        "store = { url = \"ftp://x:pass@y/z?key=1\" }",
        "store.url: a store is \"file://FOLDER\", \"memory:\" or \"s3://BUCKET\", not \"ftp://x:***@y/z?***\"",
    );
    one("store.url = \"file://\"", "store.url: a store's folder is written \"file://FOLDER\"");
    check(
        "lease = \nlease = \"1s\"",
        &[],
        &[],
        &["callboard.toml:1: string values must be quoted, expected literal string", "callboard.toml:2: duplicate key"],
    );
}

#[test]
fn settings_that_contradict_one_another_are_told_together() {
    check(
        "payload_inline_max = \"1GiB\"\ngraph_tasks_max = 1000\nlive_tasks_max = 999\nagent_heartbeat = \"3s\"",
        &[],
        &[],
        &[
            "callboard.toml:1: payload_inline_max (1073741824) is at most payload_bytes_max (16777216)",
            "callboard.toml:2: graph_tasks_max (1000) is at most live_tasks_max (999)",
            "callboard.toml:4: agent_heartbeat (3s) is at most half of agent_life (5s)",
        ],
    );
    let sooner = "callboard.toml:1: history_kept (5m) is at least closed_for (10m)";
    check("history_kept = \"5m\"", &[], &[], &[sooner]);
    check(
        "history_kept = \"59s\"\nclosed_for = \"1s\"",
        &[],
        &[],
        &["callboard.toml:1: history_kept is 1m to 3650d, not 59s"],
    );
    load("history_kept = \"5m\"\nclosed_for = \"5m\"", &[], &[]).expect("good settings");
    // What a program has set is held to the same ranges.
    let settings = Settings { garbage_late: Duration::from_millis(1), namespace: String::new(), ..Settings::default() };
    let faults = ["namespace is 1 to 64 of A-Z a-z 0-9 _ -, not \"\"", "garbage_late is 1s to 365d, or 0s, not 1ms"];
    assert_eq!(settings.faults(), faults);
}

#[test]
fn a_secret_comes_from_a_file_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let (secret, absent) = (folder.path().join("secret"), folder.path().join("absent"));
    std::fs::write(&secret, "file://from-a-secret\n").expect("a file");
    let text = |path: &std::path::Path| path.to_str().expect("a name").to_owned();
    let settings = load("", &[("CALLBOARD_STORE__URL_FILE", &text(&secret))], &[]).expect("good settings");
    assert_eq!(settings.store, StoreSettings::Folder("from-a-secret".into()));
    let absent = text(&absent);
    let error = load("", &[("CALLBOARD_STORE__URL_FILE", &absent)], &[]).expect_err("no such file");
    assert!(format!("{error:#}").contains("CALLBOARD_STORE__URL_FILE: the file "), "{error:#}");
    check(
        "",
        &[("CALLBOARD_LEASE_FILE", &absent), ("CALLBOARD_FILE", "x")],
        &[],
        &[
            "CALLBOARD_LEASE_FILE: only what may hold a secret is read from a file of its own: store.url, store.endpoint, bus.url, directory.url, http.tokens",
            "CALLBOARD_FILE: there is no setting \"file\"",
        ],
    );
}

#[test]
fn what_is_no_place_is_refused_without_its_secrets() {
    check(
        "directory = { url = \"redis://:geheim@cache:0\" }",
        &[],
        &["http.listen=localhost"],
        &[
            "callboard.toml:1: directory.url: a directory is \"memory:\" or \"redis://HOST\", not \"redis://:***@cache:0\": the port of redis:// is 1 to 65535",
            "the flag \"http.listen\": http.listen: an address is an IP address and a port, such as \"127.0.0.1:7420\", not \"localhost\"",
        ],
    );
}

/// Of settings of which each is good.
#[track_caller]
fn contradictions(text: &str) -> Vec<String> {
    let said = super::load::text_alone(text).expect("each is good").contradictions();
    said.into_iter().map(|fault| fault.reason).collect()
}

#[test]
fn an_address_that_others_reach_needs_tokens() {
    let refused = contradictions("http.listen = \"0.0.0.0:7420\"");
    assert!(refused.len() == 1 && refused[0].starts_with("http.listen is 0.0.0.0:7420"), "{refused:?}");
    let tokens = "http.tokens = [\"ann:admin:geheim-geheim-geheim\"]";
    assert_eq!(contradictions(&format!("http.listen = \"[::]:7420\"\n{tokens}")), [""; 0]);
    assert_eq!(contradictions("http.listen = \"127.9.9.9:1\""), [""; 0]);
    check(
        "http.tokens = \"geheim\"\n",
        &[("CALLBOARD_HTTP__LISTEN", "10.0.0.1:80")],
        &["http.tokens=a:viewer:geheim"],
        &[
            "callboard.toml:1: http.tokens: a token is NAME:ROLE:SECRET, not \"***\"",
            "the flag \"http.tokens\": http.tokens: the secret of token \"a\" is 16 to 512 printable ASCII characters without blanks, and 6 bytes were seen",
            "CALLBOARD_HTTP__LISTEN: http.listen is 10.0.0.1:80, which others may reach, and http.tokens names nobody who may ask: set http.tokens = \"NAME:admin:SECRET\", or listen on 127.0.0.1",
        ],
    );
    let settings = load(tokens, &[], &[]).expect("good settings");
    assert!(!format!("{settings:?} {}", settings.to_toml()).contains("geheim"), "a secret is shown");
}

#[test]
fn half_a_cluster_is_refused() {
    assert_eq!(contradictions(""), [""; 0]);
    assert_eq!(contradictions("bus.url = \"amqp://mq\"\ndirectory.url = \"redis://cache\""), [""; 0]);
    let whole = "bus.url = \"amqp://mq\"\ndirectory.url = \"redis://cache\"\nstore.url = \"s3://bucket\"";
    assert_eq!(contradictions(whole), [""; 0]);
    let check = |text: &str, start: &str| {
        let found = contradictions(text);
        assert!(found.len() == 1 && found[0].starts_with(start), "{found:?}");
    };
    check("bus.url = \"amqp://mq\"", "bus.url names a broker and directory.url no server");
    check(
        "bus.url = \"amqp://mq\"\ndirectory.url = \"redis://cache\"\nstore.url = \"memory:\"",
        "bus.url names a broker and store.url is \"memory:\"",
    );
    let both = contradictions("bus.url = \"amqp://mq\"\nstore.url = \"memory:\"");
    assert_eq!(both.len(), 2, "all of it is said at once: {both:?}");
    check("store.url = \"s3://bucket\"", "store.url is a bucket, which several processes may open");
}

#[test]
fn what_this_build_has_no_adapter_for_is_refused_without_its_secrets() {
    let text =
        "bus.url = \"amqp://u:geheim@mq:5672/v\"\ndirectory.url = \"rediss://:geheim@[::1]/0\"\nstore.url = \"s3://b\"";
    let settings = super::load::text_alone(text).expect("each is good");
    let said: Vec<String> = settings.lacking().into_iter().map(|fault| fault.reason).collect();
    let expected = |lacking: bool, key: &str, url: &str, what: &str, feature: &str| {
        lacking.then(|| format!("{key} is {url:?}, and this build has no adapter for {what}: leave {key} out, or build with the feature {feature:?} of the crate callboard (\"cluster\" has all three)"))
    };
    let expected = [
        expected(cfg!(not(feature = "rabbitmq")), "bus.url", "amqp://u:***@mq:5672/v", "RabbitMQ", "rabbitmq"),
        expected(cfg!(not(feature = "redis")), "directory.url", "rediss://:***@[::1]/0", "Redis", "redis"),
        expected(cfg!(not(feature = "s3")), "store.url", "s3://b", "S3", "s3"),
    ];
    assert_eq!(said, expected.into_iter().flatten().collect::<Vec<_>>());
}

#[test]
fn a_cluster_has_more_partitions_and_keeps_garbage_longer_unless_somebody_says_otherwise() {
    let of = |text: &str| {
        let settings = super::load::text_alone(text).expect("good settings");
        (settings.partitions_of(false), settings.partitions_of(true))
    };
    assert_eq!(of(""), (1, 16));
    assert_eq!(of("partitions = 3"), (3, 3));
    let late = |text: &str| {
        let settings = super::load::text_alone(text).expect("good settings");
        (settings.garbage_late_of(false).as_secs(), settings.garbage_late_of(true).as_secs())
    };
    assert_eq!(late(""), (60, 3600));
    assert_eq!(late("garbage_late = \"5m\""), (300, 300));
}

#[test]
fn each_setting_is_shown_with_its_origin_and_without_its_secrets() {
    let variables = [("CALLBOARD_BUS__URL", "amqp://u:geheim@mq"), ("CALLBOARD_LEASE", "soon")];
    let layers = Settings::layers().environment(variables).overrides(["partitions=4"]);
    let effective = layers.flag("--listen", "http.listen", "127.0.0.1:0").read();
    let shown = |key: &str| effective.shown().into_iter().find(|shown| shown.key == key).expect("it is shown");
    let check = |key, value: &str, origin: &str| {
        assert_eq!((shown(key).value.as_str(), shown(key).origin.as_str()), (value, origin), "{key}");
    };
    check("bus.url", "\"amqp://u:***@mq\"", "environment CALLBOARD_BUS__URL");
    check("lease", "\"6s\"", "default");
    check("partitions", "4", "flag partitions");
    check("http.listen", "\"127.0.0.1:0\"", "flag --listen");
    assert_eq!(effective.shown().len(), rows().len());
    assert!(effective.faults().len() >= 2, "the lease, and half a cluster");
    assert!(!format!("{effective:?}").contains("geheim"), "not even when it is debugged");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_a_fault_and_that_of_others_is_not() {
    use std::os::unix::ffi::OsStringExt;
    let odd = || std::ffi::OsString::from_vec(vec![0xff]);
    let load =
        |name: &str| Settings::layers().environment([(name.into(), odd())] as [(std::ffi::OsString, _); 1]).load();
    assert_eq!(load("OTHER").expect("not ours"), Settings::default());
    assert!(
        format!("{:#}", load("CALLBOARD_LEASE").expect_err("a fault"))
            .contains("CALLBOARD_LEASE: its value is no UTF-8")
    );
}

#[test]
fn a_breaker_of_a_name_differs_in_what_is_said_of_it() {
    let text =
        "[breaker.of.\"capability:text.review\"]\nfailures = 2\n[breaker.of.\"llm:groq\"]\n[breaker]\nopen = \"5s\"";
    let settings = load(text, &[], &["breaker.ramp=1s", "breaker.of.llm:groq.slow=30s"]).expect("good settings");
    let all = BreakerSettings { open: Duration::from_secs(5), ramp: Duration::from_secs(1), ..Default::default() };
    let expected = [
        ("capability:text.review", BreakerSettings { failures: 2, ..all.clone() }),
        ("llm:groq", BreakerSettings { slow: Duration::from_secs(30), ..all.clone() }),
    ];
    assert_eq!(settings.breaker, all);
    assert_eq!(settings.breaker_of, expected.map(|(name, said)| (name.to_owned(), said)).into());
    assert_eq!(load(&settings.to_toml(), &[], &[]).expect("good settings"), settings);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("callboard.toml");
    std::fs::write(&file, text).expect("a file");
    let shown = Settings::layers().file(&file).read().shown();
    let one =
        shown.iter().find(|shown| shown.key == "breaker.of.capability:text.review.failures").expect("it is shown");
    assert!(one.value == "2" && one.origin.ends_with("callboard.toml:2"), "{one:?}");
    check(
        "[breaker.of.\"port:bus\"]\nopen = \"1s\"\n[breaker.of.\"a b\"]\nopen = \"soon\"\nramps = \"1s\"\nramp = \"2d\"\nslow = \"1s\"",
        &[("CALLBOARD_BREAKER__OF__X__FAILURES", "3")],
        &["breaker.of=3", "breaker.of.x=1", "breaker.of.x.y=1"],
        &[
            "callboard.toml:4: of \"a b\": breaker.open: \"soon\" is no duration such as \"30s\": expected number at 0",
            "callboard.toml:5: a breaker has no setting \"ramps\"; the closest is \"ramp\"",
            "callboard.toml:6: of \"a b\": breaker.ramp is 0s to 1d, not 2d",
            "CALLBOARD_BREAKER__OF__X__FAILURES: breakers are named in the file or by a flag: a variable has no colons and small letters",
            "the flag \"breaker.of\": \"breaker.of\" is a table of breakers by name, such as [breaker.of.\"llm:groq\"], not a value",
            "the flag \"breaker.of.x\": \"breaker.of.x\" is a table of breakers by name, such as [breaker.of.\"llm:groq\"], not a value",
            "the flag \"breaker.of.x.y\": a breaker has no setting \"y\"; there are failures, open, slow, slow_percent, slow_calls, ramp",
            "breaker.of: a name is 1 to 200 of A-Z a-z 0-9 . _ : = -, not \"a b\"",
            "breaker.of: \"port:bus\" goes by rules of its own, which no settings change",
        ],
    );
}

#[test]
fn settings_are_written_as_they_are_read() {
    let mut settings = Settings::default();
    (settings.lease, settings.closed_for) = (Duration::from_micros(10_500), Duration::from_secs(5_400));
    (settings.payload_bytes_max, settings.retry.factor) = (1_000_001, 1.5);
    settings.store = StoreSettings::Folder("a \"quoted\"\\folder\u{7f}".into());
    let written = settings.to_toml();
    assert_eq!(load(&written, &[], &[]).expect("good settings"), settings, "{written}");
    assert!(written.contains("closed_for = \"90m\"\n") && written.contains("payload_bytes_max = \"1000001B\"\n"));
}

#[test]
fn locations_are_written_without_their_secrets() {
    let shown = |url: &str| units::without_secrets(url);
    assert_eq!(shown("amqp://user:pass@host:5672/v"), "amqp://user:***@host:5672/v");
    assert_eq!(shown("redis://:p@ss@host/0"), "redis://:***@host/0");
    assert_eq!(shown("s3://bucket/a@b?secret=1"), "s3://bucket/a@b?***");
    assert_eq!(shown("file://.callboard"), "file://.callboard");
    assert_eq!(shown("memory:"), "memory:");
    // What has no proper form loses more rather than less.
    assert_eq!(shown("amqp://user:p/a?ss@host"), "amqp://user:p/a?***");
    assert_eq!(shown("amqp://user:p/ss@host"), "amqp://user:***@host");
    assert_eq!(shown("amqp:user:pass@host"), "***@host");
}

#[test]
fn the_schema_has_every_setting_with_its_default() {
    let schema: serde_json::Value = serde_json::from_str(Settings::schema().as_str()).expect("JSON");
    for row in rows() {
        let path = format!("/properties/{}", row.key.replace('.', "/properties/"));
        let said = schema.pointer(&path).unwrap_or_else(|| panic!("{path} in {schema}"));
        assert!(said["description"].is_string() && !said["default"].is_null(), "{said}");
    }
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["retry"]["properties"]["retries"]["maximum"], 1_000_000);
    assert_eq!(schema["properties"]["retry"]["additionalProperties"], false);
}

/// `UPDATE=1 cargo test -p callboard settings` writes the annotated file after a change of the table.
#[test]
fn the_annotated_file_is_written_on_request() {
    if std::env::var_os("UPDATE").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/callboard.toml");
        std::fs::write(file, Settings::annotated()).expect("the file");
    }
}
