//! Whatever is said and answered comes through the wire unchanged, and nothing that comes out of it does harm.

mod answers;
mod form;
mod hostile;
mod passage;
mod samples;

use super::join::Answering;
use super::{Answered, Request};
use crate::partition::message::{Message, Room};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Room for one command.
fn room() -> Room {
    let permits = || Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    Room { _bytes: permits(), _commands: permits() }
}

fn written(request: &Request) -> Vec<u8> {
    serde_json::to_vec(request).unwrap()
}

fn read(bytes: &[u8]) -> Request {
    serde_json::from_slice(bytes).unwrap()
}

async fn joined(request: Request) -> Result<(Message, Answering), Answered> {
    let room = request.room().map(|_| room());
    request.join(room, |_| ()).await
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}
