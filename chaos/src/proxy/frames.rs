//! AMQP 0-9-1 as a broker says it, frame by frame: what it delivers to consumers can be left out.
//!
//! In the place of a delivery comes a heartbeat: a broker that says something sends none, and its client would see by that that the
//! connection is no good.

use std::collections::BTreeSet;

/// What stands before the payload of a frame: its type, its channel, and how many bytes the payload has.
const HEAD: usize = 7;
/// What stands before the arguments of a method: its class and its number.
const METHOD: usize = 4;
/// `basic.deliver`, by its class and its number.
const DELIVER: [u8; METHOD] = [0, 60, 0, 60];

/// A heartbeat.
const HEARTBEAT: [u8; HEAD + 1] = [8, 0, 0, 0, 0, 0, 0, 0xCE];

/// The bytes of one connection from a broker, in whatever pieces they come.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The beginning of a frame, as long as it is not known what that is.
    begun: Vec<u8>,
    /// Bytes of the frame that are still to come.
    left: usize,
    /// Whether they are left out.
    is_dropped: bool,
    /// The channels of which a delivery was left out, and so its header and its body.
    dropping: BTreeSet<[u8; 2]>,
    /// Whether it is something else than AMQP, and passes.
    is_strange: bool,
}

impl Frames {
    /// What is to arrive in the place of these bytes. With `is_deaf`, no delivery that begins in them does.
    pub(super) fn pass(&mut self, bytes: &[u8], is_deaf: bool) -> Vec<u8> {
        let (mut rest, mut passed) = (bytes, Vec::with_capacity(bytes.len()));
        while let Some((first, others)) = rest.split_first() {
            if self.is_strange {
                passed.extend_from_slice(rest);
                break;
            }
            if self.left > 0 {
                let (of_frame, others) = rest.split_at(self.left.min(rest.len()));
                if !self.is_dropped {
                    passed.extend_from_slice(of_frame);
                }
                self.left -= of_frame.len();
                rest = others;
                continue;
            }
            self.begun.push(*first);
            rest = others;
            if let Some(size) = self.known() {
                self.decide(size, is_deaf);
                if !self.is_dropped {
                    passed.append(&mut self.begun);
                } else if self.begun[0] == 1 {
                    passed.extend_from_slice(&HEARTBEAT);
                }
                self.begun.clear();
            }
        }
        passed
    }

    /// How many bytes the frame has behind what there is of it, if that says what it is.
    fn known(&mut self) -> Option<usize> {
        // A method, a header, a body, a heartbeat.
        if !matches!(self.begun[0], 1 | 2 | 3 | 8) {
            self.is_strange = true;
            return Some(0);
        }
        let head = self.begun.get(..HEAD)?;
        let payload = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize;
        let is_method = head[0] == 1 && payload >= METHOD;
        // Behind the payload is one byte more.
        let whole = HEAD + payload + 1;
        let needed = if is_method { HEAD + METHOD } else { HEAD };
        (self.begun.len() >= needed).then(|| whole - self.begun.len())
    }

    fn decide(&mut self, left: usize, is_deaf: bool) {
        self.left = left;
        if self.is_strange {
            self.is_dropped = false;
            return;
        }
        let channel = [self.begun[1], self.begun[2]];
        self.is_dropped = match self.begun[0] {
            1 if is_deaf && self.begun.get(HEAD..) == Some(&DELIVER) => {
                self.dropping.insert(channel);
                true
            }
            1 => {
                self.dropping.remove(&channel);
                false
            }
            2 | 3 => self.dropping.contains(&channel),
            _ => false,
        };
    }
}
