//! The end of the node, in an emergency.

use crate::client::Client;
use crate::failure::Result;
use serde_json::json;

/// Asks the node to stop at once. It has begun to when this is answered.
pub(crate) async fn stop(reason: Option<&str>, client: &Client) -> Result<()> {
    let body = json!({ "emergency": true, "reason": reason.unwrap_or("asked for on the command line") }).to_string();
    client.post("/v1/stop").body("application/json", body).text().await?;
    eprintln!("the node stops: what was begun goes on in its next life");
    Ok(())
}
