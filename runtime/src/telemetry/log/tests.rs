//! Filters, and the lines themselves.

use super::Filter;
use tracing::Level;

fn enables(filter: &str, target: &str, level: Level) -> bool {
    filter.parse::<Filter>().unwrap().would_enable(target, &level)
}

#[test]
fn libraries_that_carry_payloads_are_heard_only_when_they_are_named() {
    for target in ["lapin::channel", "h2::codec", "aws_sdk_s3::operation", "hyper_util::client"] {
        assert!(!enables("trace", target, Level::INFO), "{target}");
        assert!(enables(&format!("info,{target}=trace"), target, Level::TRACE), "{target}");
    }
    assert!(enables("trace", "redis", Level::WARN) && !enables("warn", "lapin", Level::WARN));
    assert!(enables("info,aws_sdk_s3=debug", "aws_sdk_s3::operation", Level::DEBUG));
    assert!(!enables("info,aws_sdk_s3=debug", "aws_config", Level::WARN));
    assert!(enables("trace,aws=trace", "aws_config::imds", Level::TRACE));
}

#[test]
fn the_more_exact_word_counts() {
    assert!(enables("warn, callboard=debug", "callboard::node", Level::DEBUG));
    assert!(!enables("warn,callboard=debug", "my_agent", Level::INFO));
    assert!(!enables("callboard=info", "my_agent", Level::WARN) && enables("callboard=info", "my_agent", Level::ERROR));
}

#[test]
fn what_is_no_filter_is_told_with_what_is_one() {
    for (text, why) in [
        ("", "\"\" is no filter: it is empty"),
        (" , ", "\" , \" is no filter: it is empty"),
        ("callboard", "\"callboard\" is no filter: \"callboard\" is no level"),
        ("callboard=loud", "\"callboard=loud\" is no filter: \"loud\" is no level"),
        ("warn,callboard=", "\"warn,callboard=\" is no filter: \"\" is no level"),
        ("[span]=debug", "\"[span]=debug\" is no filter: \"[span]\" is no target"),
        ("=debug", "\"=debug\" is no filter: \"\" is no target"),
    ] {
        let error = text.parse::<Filter>().unwrap_err().to_string();
        assert!(error.starts_with(why) && error.ends_with("as warn,callboard=debug"), "{error}");
    }
}
