//! The settings: checked, shown, described.

use crate::args::{Config, Said};
use crate::failure::{Failure, Result};
use crate::output::{Output, member};
use callboard::{Code, Effective, Layers, Settings};
use serde_json::{Value, json};

/// The layers that are said, the environment among them.
pub(crate) fn layers(said: &Said) -> Layers {
    let layers = Settings::layers().environment(std::env::vars_os()).overrides(said.set.iter().cloned());
    match &said.config {
        Some(file) => layers.file(file),
        None => layers,
    }
}

pub(crate) fn config(command: &Config, output: Output) -> Result<()> {
    match command {
        Config::Check(said) => {
            checked(layers(said).read())?;
            eprintln!("the settings are good");
            Ok(())
        }
        Config::Show(said) => {
            let effective = layers(said).read();
            let items = effective.shown().into_iter().map(|shown| {
                let value: Value = serde_json::from_str(&shown.value).unwrap_or(Value::String(shown.value));
                json!({ "key": shown.key, "value": value, "origin": shown.origin })
            });
            let page = json!({ "items": items.collect::<Vec<_>>(), "next": null });
            output.show(
                &page.to_string(),
                &[
                    ("SETTING", |item| member(item, "key")),
                    ("VALUE", |item| member(item, "value")),
                    ("ORIGIN", |item| member(item, "origin")),
                ],
            )?;
            checked(effective).map(drop)
        }
        Config::Schema => output.show_json(Settings::schema().as_str()),
    }
}

/// The settings, if they have no fault.
pub(crate) fn checked(effective: Effective) -> Result<Settings> {
    let faults = effective.faults().to_vec();
    effective.into_settings().map_err(|error| {
        let failure = Failure::new(Code::Settings, error.message()).next("callboard config schema");
        faults.into_iter().fold(failure, Failure::seen)
    })
}
