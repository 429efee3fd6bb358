//! A store whose every answer is scripted, and a driver that plays a trace of the model on the real journal.
use bytes::Bytes;
use callboard::port::store::{Create, Error, Store};
use futures::future::BoxFuture;
use tokio::sync::{mpsc::UnboundedSender, oneshot};

use crate::model::trace::Actor;

mod actors;
pub mod driver;

tokio::task_local! {
    /// Who is running: each actor is one task.
    static ACTOR: Actor;
}

/// What a call asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A create of this name with these bytes.
    Create(String, Bytes),
    /// A get of this name.
    Get(String),
    /// A list of what starts with the first and sorts after the second.
    List(String, String),
}

/// What a call is answered.
#[derive(Clone, Debug)]
pub enum Answered {
    /// To a create.
    Create(Create),
    /// To a get.
    Get(Option<Bytes>),
    /// To a list.
    List(Vec<String>),
    /// To any of them.
    Unclear,
}

/// A call that waits for its answer.
#[derive(Debug)]
pub struct Request {
    /// Whose call it is.
    pub by: Actor,
    /// What it asks for.
    pub asked: Asked,
    /// Where the answer goes; dropped, the call never ends.
    pub answer: oneshot::Sender<Answered>,
}

/// A store that decides nothing: each call waits until somebody else answers it.
#[derive(Debug)]
pub struct ScriptedStore {
    requests: UnboundedSender<Request>,
}

impl ScriptedStore {
    /// A store that hands its calls to `requests`. One call at a time comes from an actor, so there are never more
    /// waiting than actors.
    pub fn new(requests: UnboundedSender<Request>) -> Self {
        Self { requests }
    }

    async fn ask(&self, asked: Asked) -> Answered {
        let (answer, answered) = oneshot::channel();
        let request = Request { by: ACTOR.get(), asked, answer };
        if self.requests.send(request).is_ok()
            && let Ok(answered) = answered.await
        {
            return answered;
        }
        std::future::pending().await
    }
}

fn unclear() -> Error {
    Error::Unclear { reason: "so says the script".into() }
}

impl Store for ScriptedStore {
    fn create<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Create, Error>> {
        Box::pin(async move {
            match self.ask(Asked::Create(name.into(), bytes)).await {
                Answered::Create(create) => Ok(create),
                _ => Err(unclear()),
            }
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        Box::pin(async move {
            match self.ask(Asked::Get(name.into())).await {
                Answered::Get(bytes) => Ok(bytes),
                _ => Err(unclear()),
            }
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        Box::pin(async move {
            match self.ask(Asked::List(prefix.into(), after.into())).await {
                Answered::List(names) => Ok(names),
                _ => Err(unclear()),
            }
        })
    }

    /// A trace deletes by itself; nobody whom it drives collects garbage.
    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { Err(Error::Refused { reason: format!("the script has no delete of {name}") }) })
    }
}
