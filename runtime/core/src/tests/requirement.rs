//! What a task may require, in words.

use crate::{Amount, Requirement, Requirements, Traits};

fn traits() -> Traits {
    let amount = |text: &str| text.parse::<Amount>().unwrap();
    Traits {
        labels: [("zone", "eu"), ("gpu", "a100")].map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        constraints: [("tokens", amount("200000")), ("price", amount("0.25"))]
            .map(|(key, n)| (key.to_owned(), n))
            .into(),
        tools: ["git".to_owned()].into(),
    }
}

#[test]
fn a_requirement_is_met_or_says_what_is_amiss() {
    let unmet = |text: &str| text.parse::<Requirement>().unwrap().unmet(&traits());
    for met in [
        "gpu",
        "price",
        "zone=eu",
        "zone != us",
        "cost!=1",
        "tokens>=200000",
        "tokens >= 1.5",
        "price<=0.25",
        "tool:git",
    ] {
        assert_eq!(unmet(met), None, "{met}");
    }
    for (text, said) in [
        ("tpu", "tpu (it has none)"),
        ("zone=us", "zone=us (it is \"eu\")"),
        ("zone!=eu", "zone!=eu (it is \"eu\")"),
        ("tokens>=200000.000001", "tokens>=200000.000001 (it is 200000)"),
        ("price<=0.2", "price<=0.2 (it is 0.25)"),
        ("price>=-1", ""),
        ("zone>=1", "zone>=1 (it is \"eu\")"),
        ("tool:svn", "tool:svn (it has none)"),
    ] {
        assert_eq!(unmet(text).unwrap_or_default(), said, "{text}");
    }
}

#[test]
fn all_of_them_have_to_be_met() {
    let met = |texts: &[&str]| {
        let all: Requirements = texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Requirement>>().into();
        all.are_met_by(&traits())
    };
    assert!(met(&[]) && met(&["gpu"]) && met(&["gpu", "zone=eu"]));
    assert!(!met(&["tpu"]) && !met(&["gpu", "zone=us"]));
}

#[test]
fn what_is_no_requirement_is_refused_with_the_forms() {
    for text in [
        "",
        "=eu",
        "zone=",
        "zone==eu",
        "a b",
        "tokens>=many",
        "tokens>=1.1234567",
        "tokens>=99999999999999",
        "tool:",
        "x>=.5",
        "x>=5.",
    ] {
        let error = text.parse::<Requirement>().expect_err(text).to_string();
        assert!(error.starts_with("not a "), "{error}");
    }
    let long = format!("zone={}", "x".repeat(257));
    assert!(long.parse::<Requirement>().is_err());
}

#[test]
fn amounts_and_requirements_read_back_what_they_write() {
    for text in ["0", "-1", "1.5", "-0.000001", "9000000000000", "0.25"] {
        assert_eq!(text.parse::<Amount>().unwrap().to_string(), text);
    }
    assert_eq!("1.50".parse::<Amount>().unwrap().to_string(), "1.5");
    assert_eq!([Amount::from(7_u32), Amount::from(-7_i32)].map(|amount| amount.to_string()), ["7", "-7"]);
    assert_eq!([7, i64::MAX].map(Amount::new), [Some(Amount::from(7_u32)), None]);
    let all: Vec<Requirement> = ["tool:git", "gpu", "a<=1", "gpu"].map(|text| text.parse().unwrap()).into();
    let requirements = Requirements::from(all);
    assert_eq!(requirements.to_string(), "a<=1, tool:git, gpu");
    let json = serde_json::to_string(&requirements).unwrap();
    assert_eq!(json, r#"["a<=1","tool:git","gpu"]"#);
    assert_eq!(serde_json::from_str::<Requirements>(&json).unwrap(), requirements);
    assert!(Requirements::default().is_empty() && serde_json::from_str::<Requirements>("[]").unwrap().is_empty());
}
