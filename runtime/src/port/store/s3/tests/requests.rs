//! What goes over the wire: how many requests, and over how many pages.

use bytes::Bytes;

use super::server::{Operation, Server, Settings};
use super::{options, store};
use crate::port::store::s3::{S3Options, S3Store};
use crate::port::store::{Create, Error, Store};

#[tokio::test]
async fn an_operation_is_one_request() {
    let server = Server::start().await;
    let store = store(&server).await;
    let before = server.count_all();
    assert_eq!(store.create("a", Bytes::from_static(b"a")).await.unwrap(), Create::Created);
    assert_eq!(store.create("a", Bytes::from_static(b"b")).await.unwrap(), Create::Exists);
    assert_eq!(store.get("a").await.unwrap().as_deref(), Some(&b"a"[..]));
    assert_eq!(store.get("b").await.unwrap(), None);
    assert_eq!(store.list("", "").await.unwrap(), ["a"]);
    store.delete("a").await.unwrap();
    store.delete("a").await.unwrap();
    assert_eq!(server.count_all() - before, 7);
}

#[tokio::test]
async fn a_list_follows_every_page() {
    let server = Server::with(Settings { page_keys: 3, ..Settings::default() }).await;
    let store = store(&server).await;
    let names: Vec<String> = (0..10).map(|number| format!("log/{number:02}")).collect();
    names.iter().for_each(|name| server.put(&format!("some/prefix/{name}"), ""));
    // Beside the prefix, and below it, but none of ours.
    for key in ["some/prefix", "some/prefix/", "some/prefix/log/05 copy", "some/prefix-2/log/00", "zzz"] {
        server.put(key, "");
    }
    let before = server.count(Operation::List);
    assert_eq!(store.list("log/", "").await.unwrap(), names);
    assert_eq!(server.count(Operation::List) - before, 4);
    assert_eq!(store.list("", "log/06").await.unwrap(), names[7..]);
    assert_eq!(store.list("", "").await.unwrap(), names);
}

#[tokio::test]
async fn a_list_out_of_order_is_refused() {
    let server = Server::with(Settings { descending: true, ..Settings::default() }).await;
    let store = store(&server).await;
    server.put("some/prefix/a", "");
    server.put("some/prefix/b", "");
    let refused = store.list("", "").await.unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }), "{refused}");
    assert!(refused.to_string().contains("is not in the order of bytes"), "{refused}");
}

#[tokio::test]
async fn what_is_too_large_is_refused_both_ways() {
    let server = Server::start().await;
    let store = S3Store::connect(S3Options { object_bytes_max: 4, ..options(&server) }).await.unwrap();
    assert_eq!(store.create("a", Bytes::from_static(b"1234")).await.unwrap(), Create::Created);
    let before = server.count_all();
    let refused = store.create("b", Bytes::from_static(b"12345")).await.unwrap_err();
    assert_eq!(refused.to_string(), "the store refused: an object of 5 bytes is larger than the limit of 4");
    assert_eq!(server.count_all(), before);
    server.put("some/prefix/c", "12345");
    assert!(matches!(store.get("c").await, Err(Error::Refused { .. })));
}
