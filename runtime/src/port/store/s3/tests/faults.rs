//! Every fault with every operation: what the caller is told, what has happened, how many requests it took.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;

use super::options;
use super::server::{Fault, Operation, Server};
use crate::port::store::s3::{S3Options, S3Store};
use crate::port::store::{Create, Error, Store};

const KEY: &str = "some/prefix/a/name";
const NAME: &str = "a/name";
/// For tests in which this limit is met.
const SHORT: Duration = Duration::from_millis(1_500);

/// What the caller was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Created, the bytes, the names, deleted.
    Done,
    Exists,
    Refused,
    Unclear,
}
use Fault::{
    AfterAll, CutAfter, CutBefore, CutBody, CutBodyUnsaid, Hang, HangInHead, Html, Instead, LateBody, Nothing, Pass,
};
use Told::{Done, Exists, Refused, Unclear};

/// Whether a create or a delete has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Yes,
    No,
}
use Effect::{No, Yes};

/// A fault that meets one request and its four outcomes: create and delete with their effect, get and list; and how many
/// requests each takes.
struct Row {
    fault: Fault,
    create: (Told, Effect, usize),
    delete: (Told, Effect, usize),
    get: (Told, usize),
    list: (Told, usize),
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row { fault: Pass, create: (Done, Yes, 1), delete: (Done, Yes, 1), get: (Done, 1), list: (Done, 1) },
    Row { fault: LateBody, create: (Done, Yes, 1), delete: (Done, Yes, 1), get: (Done, 1), list: (Done, 1) },
    Row { fault: CutBefore, create: (Unclear, No, 1), delete: (Unclear, No, 1), get: (Done, 2), list: (Done, 2) },
    Row { fault: CutAfter, create: (Unclear, Yes, 1), delete: (Unclear, Yes, 1), get: (Done, 2), list: (Done, 2) },
    Row { fault: Hang, create: (Unclear, No, 1), delete: (Unclear, No, 1), get: (Done, 2), list: (Done, 2) },
    Row { fault: HangInHead, create: (Unclear, Yes, 1), delete: (Unclear, Yes, 1), get: (Done, 2), list: (Done, 2) },
    Row { fault: CutBody, create: (Unclear, Yes, 1), delete: (Unclear, Yes, 1), get: (Unclear, 1), list: (Done, 2) },
    Row { fault: CutBodyUnsaid, create: (Done, Yes, 1), delete: (Done, Yes, 1), get: (Unclear, 1), list: (Unclear, 1) },
    Row { fault: Html, create: (Unclear, No, 1), delete: (Done, No, 1), get: (Unclear, 1), list: (Unclear, 1) },
    Row { fault: Nothing, create: (Unclear, No, 1), delete: (Done, No, 1), get: (Unclear, 1), list: (Unclear, 1) },
    Row { fault: Instead(500, "InternalError"), create: (Unclear, No, 1), delete: (Unclear, No, 1), get: (Done, 2), list: (Done, 2) },
    Row { fault: Instead(503, "SlowDown"), create: (Unclear, No, 1), delete: (Unclear, No, 1), get: (Done, 2), list: (Done, 2) },
    Row { fault: Instead(502, ""), create: (Unclear, No, 1), delete: (Unclear, No, 1), get: (Done, 2), list: (Done, 2) },
    Row { fault: AfterAll(500, "InternalError"), create: (Unclear, Yes, 1), delete: (Unclear, Yes, 1), get: (Done, 2), list: (Done, 2) },
    Row { fault: AfterAll(503, "SlowDown"), create: (Unclear, Yes, 1), delete: (Unclear, Yes, 1), get: (Done, 2), list: (Done, 2) },
    Row { fault: Instead(409, "ConditionalRequestConflict"), create: (Done, Yes, 2), delete: (Unclear, No, 1), get: (Unclear, 1), list: (Unclear, 1) },
    Row { fault: AfterAll(409, "OperationAborted"), create: (Exists, Yes, 2), delete: (Unclear, Yes, 1), get: (Unclear, 1), list: (Unclear, 1) },
    Row { fault: Instead(412, "PreconditionFailed"), create: (Exists, No, 1), delete: (Unclear, No, 1), get: (Unclear, 1), list: (Unclear, 1) },
    Row { fault: AfterAll(412, "PreconditionFailed"), create: (Exists, Yes, 1), delete: (Unclear, Yes, 1), get: (Unclear, 1), list: (Unclear, 1) },
    Row { fault: Instead(403, "AccessDenied"), create: (Refused, No, 1), delete: (Refused, No, 1), get: (Refused, 1), list: (Refused, 1) },
    Row { fault: Instead(404, "NoSuchBucket"), create: (Refused, No, 1), delete: (Refused, No, 1), get: (Refused, 1), list: (Refused, 1) },
    Row { fault: Instead(404, ""), create: (Unclear, No, 1), delete: (Unclear, No, 1), get: (Unclear, 1), list: (Unclear, 1) },
    Row { fault: Instead(301, "PermanentRedirect"), create: (Refused, No, 1), delete: (Refused, No, 1), get: (Refused, 1), list: (Refused, 1) },
    Row { fault: Instead(400, "InvalidArgument"), create: (Refused, No, 1), delete: (Refused, No, 1), get: (Refused, 1), list: (Refused, 1) },
    Row { fault: Instead(400, ""), create: (Unclear, No, 1), delete: (Unclear, No, 1), get: (Unclear, 1), list: (Unclear, 1) },
    Row { fault: Instead(400, "RequestTimeout"), create: (Unclear, No, 1), delete: (Unclear, No, 1), get: (Done, 2), list: (Done, 2) },
    Row { fault: Instead(501, "NotImplemented"), create: (Unclear, No, 1), delete: (Unclear, No, 1), get: (Unclear, 1), list: (Unclear, 1) },
];

/// The same faults on every request. Creates that conflict for ever are given up after five, reads after three.
#[rustfmt::skip]
const FOR_EVER: &[(Fault, Operation, Told, usize)] = &[
    (Instead(409, "ConditionalRequestConflict"), Operation::Create, Unclear, 5),
    (AfterAll(409, "ConditionalRequestConflict"), Operation::Create, Unclear, 5),
    (Instead(412, "PreconditionFailed"), Operation::Create, Exists, 1),
    (CutBefore, Operation::Get, Unclear, 3),
    (CutBefore, Operation::List, Unclear, 3),
    (Instead(500, "InternalError"), Operation::Get, Unclear, 3),
    (Instead(500, "InternalError"), Operation::List, Unclear, 3),
    (Instead(503, "SlowDown"), Operation::Get, Unclear, 3),
    (Instead(503, "SlowDown"), Operation::List, Unclear, 3),
    (CutBody, Operation::List, Unclear, 3),
];

fn limits(fault: Fault, options: S3Options) -> S3Options {
    match fault {
        Hang | HangInHead => S3Options { write_timeout: SHORT, read_attempt_timeout: SHORT, ..options },
        _ => options,
    }
}

fn told<T>(answer: &Result<T, Error>) -> Told {
    match answer {
        Ok(_) => Done,
        Err(Error::Refused { .. }) => Refused,
        Err(Error::Unclear { .. }) => Unclear,
    }
}

/// Carries out one operation, in a bucket that has the object unless it is to be created.
async fn tell(server: &Server, operation: Operation, store: &S3Store) -> Told {
    if operation != Operation::Create {
        server.put(KEY, "bytes");
    }
    match operation {
        Operation::Create => match store.create(NAME, Bytes::from_static(b"bytes")).await {
            Ok(Create::Exists) => Exists,
            answer => told(&answer),
        },
        Operation::Get => {
            let answer = store.get(NAME).await;
            assert!(answer.is_err() || answer.as_ref().unwrap().as_deref() == Some(b"bytes"), "{answer:?}");
            told(&answer)
        }
        Operation::List => {
            let answer = store.list("", "").await;
            assert!(answer.is_err() || answer.as_deref().unwrap() == [NAME], "{answer:?}");
            told(&answer)
        }
        _ => told(&store.delete(NAME).await),
    }
}

/// Asserts what is told, what has happened (to creates and deletes), and how many requests came.
async fn check(fault: Fault, operation: Operation, expected: (Told, Option<Effect>, usize)) {
    let server = Server::start().await;
    let store = S3Store::connect(limits(fault, options(&server))).await.unwrap();
    let before = server.count(operation);
    server.script(operation, [fault]);
    let told = tell(&server, operation, &store).await;
    let there = server.holds(KEY).is_some();
    let effect = match operation {
        Operation::Create => Some(if there { Yes } else { No }),
        Operation::Delete => Some(if there { No } else { Yes }),
        _ => None,
    };
    let requests = server.count(operation) - before;
    assert_eq!((told, effect, requests), expected, "{operation:?} with {fault:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_with_every_operation() {
    let checks = ROWS.iter().flat_map(|row| {
        let of_effect = |(told, effect, requests)| (told, Some(effect), requests);
        let of_look = |(told, requests)| (told, None, requests);
        [
            (row.fault, Operation::Create, of_effect(row.create)),
            (row.fault, Operation::Delete, of_effect(row.delete)),
            (row.fault, Operation::Get, of_look(row.get)),
            (row.fault, Operation::List, of_look(row.list)),
        ]
    });
    join_all(checks.map(|(fault, operation, expected)| check(fault, operation, expected))).await;
}

#[tokio::test]
async fn faults_for_ever_come_to_an_end() {
    for &(fault, operation, expected, requests) in FOR_EVER {
        let server = Server::start().await;
        let store = S3Store::connect(options(&server)).await.unwrap();
        let before = server.count(operation);
        server.always(operation, fault);
        let told = tell(&server, operation, &store).await;
        assert_eq!((told, server.count(operation) - before), (expected, requests), "{operation:?} with {fault:?}");
    }
}

#[tokio::test]
async fn a_refusal_behind_a_conflict_is_unclear() {
    let server = Server::start().await;
    let store = S3Store::connect(options(&server)).await.unwrap();
    server.script(Operation::Create, [AfterAll(409, "ConditionalRequestConflict"), Instead(403, "AccessDenied")]);
    assert_eq!(tell(&server, Operation::Create, &store).await, Unclear);
    assert!(server.holds(KEY).is_some());
}

/// Each operation on a server that hangs for ever ends by its limit.
#[tokio::test]
async fn no_operation_outlives_its_limit() {
    for operation in [Operation::Create, Operation::Get, Operation::List, Operation::Delete] {
        let server = Server::start().await;
        let short = Duration::from_millis(100);
        let store = S3Options { write_timeout: short, read_timeout: short, ..options(&server) };
        let store = S3Store::connect(store).await.unwrap();
        server.always(operation, Hang);
        let told = tokio::time::timeout(super::GENEROUS / 2, tell(&server, operation, &store)).await;
        assert_eq!(told, Ok(Unclear), "{operation:?}");
    }
}
