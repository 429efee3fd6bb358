//! The log of a node: which lines it writes.

use crate::args::Log;
use crate::client::Client;
use crate::failure::Result;
use crate::output::Output;
use serde_json::json;

pub(crate) async fn log(command: &Log, client: &Client, output: Output) -> Result<()> {
    let asking = match command {
        Log::Show => client.get("/v1/log"),
        Log::Filter { filter } => {
            client.put("/v1/log").body("application/json", json!({ "filter": filter }).to_string())
        }
    };
    output.show(&asking.text().await?, &[])
}
