use super::*;
use crate::journal::digest::Digest;
use crate::journal::payload::{Error, Payloads};

fn payloads(store: &Arc<Scripted>) -> Payloads {
    Payloads::new(store.clone(), "test", &small())
}

#[tokio::test(start_paused = true)]
async fn payloads_are_stored_once_under_their_hash() {
    let store = Arc::new(Scripted::default());
    let payloads = payloads(&store);
    let body = Bytes::from_static(b"a long text");
    let digest = payloads.put(body.clone()).await.unwrap();
    assert_eq!(digest, Digest::of(&body));
    assert_eq!(payloads.put(body.clone()).await.unwrap(), digest);
    assert_eq!(store.names("test/payloads/"), [digest.to_string()]);
    assert_eq!(payloads.get(digest).await.unwrap(), body);
    store.on(Op::Create, "payloads/", Fault::LoseAnswer);
    payloads.put(Bytes::from_static(b"another")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn l23_a_payload_is_verified() {
    let store = Arc::new(Scripted::default());
    let payloads = payloads(&store);
    let body = Bytes::from_static(b"a long text");
    let digest = payloads.put(body.clone()).await.unwrap();
    store.change(|objects| objects.values_mut().for_each(|bytes| *bytes = Bytes::from_static(b"junk")));
    assert!(matches!(payloads.get(digest).await, Err(Error::Corrupt(_))));
    assert!(matches!(payloads.put(body).await, Err(Error::Corrupt(_))), "exists is not success");
    let missing = Digest::of(b"none");
    assert!(matches!(payloads.get(missing).await, Err(Error::Missing { digest }) if digest == missing));
    store.on(Op::Create, "payloads/", Fault::Refuse);
    assert!(matches!(payloads.put(Bytes::from_static(b"new")).await, Err(Error::Refused { .. })));
    for _ in 0..4 {
        store.on(Op::Create, "payloads/", Fault::HangBefore);
    }
    assert!(matches!(payloads.put(Bytes::from_static(b"new")).await, Err(Error::Unknown { .. })));
}
