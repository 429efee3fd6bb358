//! Amounts as people and programs write them.

use super::{Budget, Cost};
use std::time::Duration;

#[test]
fn what_is_written_is_read_again() {
    for text in ["0.5usd, 60000tokens, 12calls, 10m", "0.000001usd", "1token, 1call, 90s", "1000000000usd"] {
        assert_eq!(text.parse::<Budget>().unwrap().to_string(), text);
    }
    let budget = Budget::usd(0.50).tokens(60_000).calls(12).wall(Duration::from_secs(600));
    assert_eq!("0.50usd,60_000 tokens, 12calls,10m".parse(), Ok(budget));
    assert_eq!("1call, 4000tokens, 0.02usd".parse(), Ok(Cost::calls(1).tokens(4_000).usd(0.02)));
    assert_eq!(Cost::calls(0).usd(0.1 + 0.2).to_string(), "0.3usd");
}

#[test]
fn what_is_no_amount_is_refused_in_words() {
    let told = |text: &str| text.parse::<Budget>().unwrap_err().to_string();
    let form = |text: &str| {
        format!(
            "not an amount: {text:?}; write \"0.50usd\", \"60000tokens\", \"12calls\", \"10m\", or several with commas between"
        )
    };
    for text in ["", "12", "usd", "-1usd", "1.5calls", "0.usd", "1e3calls", "5 euros", "1usd 2calls", "1usd,", ".5usd"]
    {
        assert_eq!(told(text), form(text));
    }
    let limit = "the limit is 1000000000000000 calls, tokens, millionths of a dollar or milliseconds";
    for text in ["1000000000000001calls", "99999999999999999999999tokens", "1000000000.000001usd", "99999999999d"] {
        assert_eq!(told(text), format!("{text:?} is too much: {limit}"));
    }
    assert_eq!(told("0.0000001usd"), "\"0.0000001usd\" has more than six places: the smallest amount is 0.000001usd");
    assert_eq!(told("1usd, 2usd"), "\"1usd, 2usd\" says how many usd twice");
    let time = "10m".parse::<Cost>().unwrap_err().to_string();
    assert_eq!(time, "\"10m\" is a time, and a cost has none: write \"0.50usd\", \"60000tokens\" or \"12calls\"");
}

#[test]
fn what_can_not_be_counted_is_told_when_it_is_used() {
    let told = |cost: Cost| cost.said().unwrap_err().message().to_owned();
    for usd in [f64::NAN, f64::INFINITY, -0.01, 1e10] {
        let expected = format!("the cost can not be counted: {usd} US dollars are no amount between 0 and 1000000000");
        assert_eq!(told(Cost::calls(1).usd(usd)), expected);
    }
    let fault = "the cost can not be counted: 18446744073709551615 tokens are more than 1000000000000000";
    assert_eq!(told(Cost::calls(1).tokens(u64::MAX).usd(-1.0)), fault);
    let fault = Budget::new().wall(Duration::MAX).calls(1).said().unwrap_err();
    assert!(fault.message().starts_with("the budget can not be counted: 18446744073709551615 milliseconds"), "{fault}");
}
