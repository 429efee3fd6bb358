//! Reads a file.

use super::FileSettings;
use super::input::{Content, Form, Read};
use super::place::{Missing, Place, Root};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use callboard::{Error, Result};
use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use std::fs;
use std::io::Read as _;
use std::os::fd::AsFd;

/// The content of the file, as text or as base64.
pub(super) fn read(root: &Root, settings: &FileSettings, asked: Read) -> Result<Content> {
    let place = Place::parse(&asked.path)?;
    let (name, folders) = place.file()?;
    let folder = root.folder(folders, Missing::Fail).map_err(|errno| place.error("read", errno))?;
    let content = bytes(&folder, name, settings.file_bytes_max).map_err(|trouble| match trouble {
        Trouble::Errno(errno) => place.error("read", errno),
        Trouble::NoFile => Error::terminal(format!("cannot read {:?}: it is no regular file", asked.path)),
        Trouble::TooLong => {
            let max = settings.file_bytes_max;
            Error::terminal(format!("cannot read {:?}: it is longer than file_max, {max} bytes", asked.path))
        }
    })?;
    let bytes = content.len();
    let (text, base64) = match (asked.form, String::from_utf8(content)) {
        (None | Some(Form::Text), Ok(text)) => (Some(text), None),
        (Some(Form::Text), Err(_)) => return Err(Error::terminal(format!("{:?} is not UTF-8", asked.path))),
        (Some(Form::Base64), Ok(text)) => (None, Some(STANDARD.encode(text))),
        (None | Some(Form::Base64), Err(binary)) => (None, Some(STANDARD.encode(binary.into_bytes()))),
    };
    Ok(Content { path: asked.path, bytes, text, base64 })
}

pub(super) enum Trouble {
    Errno(Errno),
    NoFile,
    TooLong,
}

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// All bytes of a regular file. Nothing else is waited for: a pipe or a device is no file.
pub(super) fn bytes(folder: impl AsFd, name: &str, bytes_max: usize) -> Result<Vec<u8>, Trouble> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(folder, name, flags, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(Trouble::NoFile);
    }
    let mut content = Vec::new();
    let read = fs::File::from(file).take(bytes_max as u64 + 1).read_to_end(&mut content);
    read.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    if content.len() > bytes_max { Err(Trouble::TooLong) } else { Ok(content) }
}
