//! The outer form of slots, snapshots and archive pages.
//!
//! ```text
//! zstd skippable frame   4 bytes magic 50 2A 4D 18, 4 bytes length (little endian), then two lines:
//!                          callboard <kind> <format> <blake3 of every byte after this line>
//!                          <header as one line of JSON>
//! zstd frames            the lines; none, one or several
//! ```
//!
//! zstd's tools skip the first frame, so `zstdcat FILE | jq` reads any of these objects, and `head -2` shows its
//! header. The format stands before everything that may change with it.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::digest::Digest;

/// The format this code writes, and the newest it reads.
pub(crate) const FORMAT: u32 = 1;

/// The most bytes of lines one zstd frame may hold when decoded: 64 MiB, a bound on memory and not a target.
pub(crate) const FRAME_BYTES_MAX: usize = 64 << 20;

/// Below this, lines are stored as they are: a zstd context costs more than it saves.
const STORED_BELOW: usize = 4 << 10;

const SKIPPABLE: [u8; 4] = 0x184D_2A50_u32.to_le_bytes();
const FRAME: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

/// Why bytes are not an envelope that this code can open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// Damaged, truncated or not ours.
    #[error("{0}")]
    Malformed(String),
    /// Written by a newer release.
    #[error("format {found} is newer than {FORMAT}, the newest this release reads")]
    Newer {
        /// The format it says.
        found: u32,
    },
}

fn malformed(reason: impl std::fmt::Display) -> Error {
    Error::Malformed(reason.to_string())
}

/// Puts `header` and the encoded `frames` into an envelope of `kind`.
pub(super) fn close(kind: &str, header: &impl Serialize, frames: &[u8]) -> Result<Bytes, serde_json::Error> {
    let mut header = serde_json::to_vec(header)?;
    header.push(b'\n');
    Ok(assemble(kind, &header, frames))
}

/// The bytes of an envelope; `header` is a line.
pub(super) fn assemble(kind: &str, header: &[u8], frames: &[u8]) -> Bytes {
    let checksum = Digest::of_parts(&[header, frames]);
    let first = format!("callboard {kind} {FORMAT} {checksum}\n");
    // Headers are a few hundred bytes: owners' names are bounded.
    let length = u32::try_from(first.len() + header.len()).unwrap_or(u32::MAX);
    [&SKIPPABLE[..], &length.to_le_bytes(), first.as_bytes(), header, frames].concat().into()
}

/// Opens an envelope of `kind`: its header and its encoded frames, both covered by the checksum.
pub(super) fn open<'a, H: DeserializeOwned>(kind: &str, bytes: &'a [u8]) -> Result<(H, &'a [u8]), Error> {
    let (magic, rest) = bytes.split_first_chunk::<4>().ok_or_else(|| malformed("shorter than its magic"))?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(|| malformed("shorter than its length"))?;
    if *magic != SKIPPABLE {
        return Err(malformed("does not begin with a skippable frame"));
    }
    let length = u32::from_le_bytes(*length) as usize;
    let (head, frames) = rest.split_at_checked(length).ok_or_else(|| malformed("truncated in its header"))?;
    let end = head.iter().position(|&byte| byte == b'\n').ok_or_else(|| malformed("no first line"))?;
    let (first, header) = head.split_at(end + 1);
    let checksum = first_line(kind, first)?;
    if Digest::of_parts(&[header, frames]) != checksum {
        return Err(malformed("its checksum does not match"));
    }
    let header = serde_json::from_slice(header).map_err(|error| malformed(format!("header: {error}")))?;
    Ok((header, frames))
}

/// The checksum that the first line names, if the line is of `kind` and of a format we read.
fn first_line(kind: &str, line: &[u8]) -> Result<Digest, Error> {
    let line = std::str::from_utf8(line).map_err(|_| malformed("its first line is not text"))?;
    let words: Vec<&str> = line.trim_end_matches('\n').splitn(4, ' ').collect();
    let ["callboard", found, format, checksum] = words[..] else {
        return Err(malformed("its first line is not ours"));
    };
    let format: u32 = format.parse().map_err(|_| malformed("its format is not a number"))?;
    if format > FORMAT {
        return Err(Error::Newer { found: format });
    }
    if found != kind {
        return Err(malformed(format!("is a {found}, not a {kind}")));
    }
    checksum.parse().map_err(|_| malformed("its checksum is not a hash"))
}

/// One zstd frame that decodes to `lines`, which are at most [`FRAME_BYTES_MAX`].
pub(super) fn compress(lines: &[u8], level: i32) -> std::io::Result<Vec<u8>> {
    if lines.len() < STORED_BELOW {
        return Ok(stored(lines));
    }
    zstd::bulk::compress(lines, level)
}

/// A zstd frame of one raw block (RFC 8878, 3.1.1): single segment, a content size of four bytes, no checksum.
fn stored(lines: &[u8]) -> Vec<u8> {
    let size = lines.len() as u32;
    let last_raw_block = (size << 3) | 1;
    [&FRAME[..], &[0xA0], &size.to_le_bytes(), &last_raw_block.to_le_bytes()[..3], lines].concat()
}

/// The lines of a frame that [`stored`] wrote, and what follows it; saves making a context to copy a few bytes.
fn unstored(frames: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = frames.strip_prefix(&FRAME)?.strip_prefix(&[0xA0])?;
    let (size, rest) = rest.split_first_chunk::<4>()?;
    let (block, rest) = rest.split_first_chunk::<3>()?;
    let size = u32::from_le_bytes(*size);
    let last_raw_block = u32::from_le_bytes([block[0], block[1], block[2], 0]);
    let ours = (size as usize) < STORED_BELOW && last_raw_block == (size << 3) | 1;
    rest.split_at_checked(size as usize).filter(|_| ours)
}

/// Takes the next zstd frame off `frames` and decodes it; `None` at the end.
///
/// Allocates no more than the frame says it holds, and that is at most [`FRAME_BYTES_MAX`].
pub(super) fn next_frame(frames: &mut &[u8]) -> Result<Option<Vec<u8>>, Error> {
    if frames.is_empty() {
        return Ok(None);
    }
    let (lines, rest) = match unstored(frames) {
        Some((lines, rest)) => (lines.to_vec(), rest),
        None => decompress(frames)?,
    };
    if lines.last().is_some_and(|&byte| byte != b'\n') {
        return Err(malformed("a zstd frame does not hold whole lines"));
    }
    *frames = rest;
    Ok(Some(lines))
}

/// The content of the first of `frames`, and the others.
fn decompress(frames: &[u8]) -> Result<(Vec<u8>, &[u8]), Error> {
    let size = zstd::zstd_safe::find_frame_compressed_size(frames)
        .map_err(|code| malformed(zstd::zstd_safe::get_error_name(code)))?;
    let (frame, rest) = frames.split_at_checked(size).ok_or_else(|| malformed("truncated zstd frame"))?;
    let holds = zstd::zstd_safe::get_frame_content_size(frame)
        .ok()
        .flatten()
        .and_then(|size| usize::try_from(size).ok())
        .filter(|size| *size <= FRAME_BYTES_MAX)
        .ok_or_else(|| malformed(format!("a zstd frame says no size, or more than {FRAME_BYTES_MAX} bytes")))?;
    let lines = zstd::bulk::decompress(frame, holds).map_err(|error| malformed(format!("zstd: {error}")))?;
    if lines.len() != holds {
        return Err(malformed("a zstd frame does not hold what it says"));
    }
    Ok((lines, rest))
}

/// How many lines `lines` holds, if each ends with a line feed.
pub(super) fn count_lines(lines: &[u8]) -> Option<u64> {
    let whole = lines.last().is_none_or(|&byte| byte == b'\n');
    whole.then(|| lines.iter().filter(|&&byte| byte == b'\n').count() as u64)
}
