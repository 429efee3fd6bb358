//! What the codes of errors mean.

use crate::failure::{Failure, Result};
use crate::output::{Output, member};
use callboard::{Code, closest};
use serde_json::{Value, json};

pub(crate) fn explain(wanted: Option<&str>, output: Output) -> Result<()> {
    let Some(wanted) = wanted else {
        let page = json!({ "items": Code::ALL.iter().map(about).collect::<Vec<_>>(), "next": null });
        return output.show(
            &page.to_string(),
            &[
                ("CODE", |item| member(item, "code")),
                ("EXIT", |item| member(item, "exit")),
                ("HTTP", |item| member(item, "status")),
                ("TITLE", |item| member(item, "title")),
            ],
        );
    };
    let written = wanted.to_ascii_uppercase();
    match Code::ALL.iter().find(|code| code.as_str() == written) {
        Some(code) => output.show(&about(code).to_string(), &[]),
        None => {
            let failure = Failure::new(Code::Usage, format!("there is no code {wanted:?}"));
            Err(match closest(&written, Code::ALL.iter().map(|code| code.as_str())) {
                Some(code) => failure.seen(format!("the closest is {code}")).next(format!("callboard explain {code}")),
                None => failure.next("callboard explain"),
            })
        }
    }
}

fn about(code: &Code) -> Value {
    json!({
        "code": code.as_str(),
        "title": code.title(),
        "meaning": code.meaning().trim(),
        "try": code.next(),
        "exit": code.exit(),
        "status": code.status(),
    })
}
