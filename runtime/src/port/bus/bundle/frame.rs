//! Messages as the body of a bundle: of each the length of its head, its head as JSON, the length of its body, and its body.
//! Lengths are four bytes, the highest first.

use crate::port::bus::{Envelope, Head};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::sync::Arc;

/// A head takes about so much.
const HEAD_BYTES: usize = 256;

/// The body of a bundle.
pub(crate) fn write<'a>(parts: impl Iterator<Item = &'a Envelope> + Clone) -> Bytes {
    let bytes: usize = parts.clone().map(|part| part.body.len() + HEAD_BYTES).sum();
    let mut all = BytesMut::with_capacity(bytes);
    for part in parts {
        let at = all.len();
        all.put_u32(0);
        serde_json::to_writer((&mut all).writer(), &*part.head).expect("a head always has a JSON form");
        let head = all.len() - at - 4;
        all[at..at + 4].copy_from_slice(&(head as u32).to_be_bytes());
        all.put_u32(part.body.len() as u32);
        all.extend_from_slice(&part.body);
    }
    all.freeze()
}

/// The messages in a body; `None` if it is none of a bundle.
pub(crate) fn read(mut body: Bytes) -> Option<Vec<Envelope>> {
    let mut parts = Vec::new();
    while !body.is_empty() {
        let head: Head = serde_json::from_slice(&piece(&mut body)?).ok()?;
        parts.push(Envelope { head: Arc::new(head), body: piece(&mut body)? });
    }
    Some(parts)
}

/// What comes next, without its length.
fn piece(body: &mut Bytes) -> Option<Bytes> {
    let length = body.try_get_u32().ok()?;
    let length = usize::try_from(length).ok().filter(|length| *length <= body.len())?;
    Some(body.split_to(length))
}
