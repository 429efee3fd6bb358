//! Lists the Rust source files under a folder, with a hash of each.

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Larger files are skipped: nobody writes them by hand.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What is in a folder: never empty, sorted by path, the same for the same content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Listing {
    /// The Rust files, by path.
    pub files: Vec<SourceFile>,
    /// What was left out though one might expect it, by path.
    pub skipped: Vec<Skipped>,
}

/// One Rust file as it was when it was listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceFile {
    /// Its path below the root, with `/` between the parts; its name if it is the root itself.
    pub path: String,
    /// BLAKE3 of its content, in hexadecimal.
    pub hash: String,
    /// How long it is.
    pub bytes: u64,
}

/// An entry that is not reviewed, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// Its path below the root.
    pub path: String,
    /// The reason, to be shown to a person.
    pub reason: String,
}

/// Why there is nothing to review.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The root does not exist.
    #[error("no such file or folder: {}", .0.display())]
    NotFound(PathBuf),
    /// The root is a file, but none of Rust.
    #[error("neither a folder nor a Rust file (.rs): {}", .0.display())]
    NotRust(PathBuf),
    /// The root exists and cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The root.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is not one readable Rust file under the root.
    #[error("no Rust file (.rs) to review in {}{}", root.display(), but(skipped))]
    Empty {
        /// The root.
        root: PathBuf,
        /// What was skipped there.
        skipped: Vec<Skipped>,
    },
}

fn but(skipped: &[Skipped]) -> String {
    match skipped {
        [] => String::new(),
        [one] => format!("; skipped {}: {}", one.path, one.reason),
        [first, rest @ ..] => format!("; skipped {}: {}, and {} more", first.path, first.reason, rest.len()),
    }
}

/// Why a listed file cannot be read any more.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be opened, or is no longer what can be reviewed.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// Its path below the root.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Its content is another than when it was listed.
    #[error("changed since it was listed: {path}")]
    Changed {
        /// Its path below the root.
        path: String,
    },
}

impl SourceFile {
    /// Reads the file again, below the root it was listed under.
    ///
    /// # Errors
    ///
    /// Says so when it cannot be read, and when its content is no longer the one that was listed.
    pub fn read(&self, root: &Path) -> Result<String, ReadError> {
        let path = if root.is_file() { root.to_path_buf() } else { root.join(&self.path) };
        let text = read_text(&path).map_err(|reason| ReadError::Unreadable { path: self.path.clone(), reason })?;
        if hash(&text) != self.hash {
            return Err(ReadError::Changed { path: self.path.clone() });
        }
        Ok(text)
    }
}

impl Listing {
    /// A hash over all paths and contents, and over what was skipped and why, in hexadecimal: another one
    /// means that a review would read differently.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for file in &self.files {
            hasher.update(file.path.as_bytes()).update(&[0]).update(file.hash.as_bytes()).update(b"\n");
        }
        for skipped in &self.skipped {
            hasher.update(skipped.path.as_bytes()).update(&[0]).update(skipped.reason.as_bytes()).update(b"\r");
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// Finds all `.rs` files under `root`, which may also be a single one, and hashes their content.
///
/// Left out without a word are hidden entries and the build folders of Cargo (`target` beside a
/// `Cargo.toml`, or with a `CACHEDIR.TAG`). Symbolic links below the root are not followed, so a
/// loop cannot catch it. They are listed as skipped, and so are entries that cannot be read, files that are
/// not UTF-8, and files above [`FILE_BYTES_MAX`].
///
/// Blocks for as long as reading all files takes.
///
/// # Errors
///
/// When the root is missing, unreadable, or a file of another kind, and when nothing is left to review.
pub fn rust_files(root: &Path) -> Result<Listing, ListError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ListError::NotFound(root.to_path_buf()),
        _ => ListError::Unreadable { path: root.to_path_buf(), source },
    };
    let kind = fs::metadata(root).map_err(unreadable)?.file_type();
    let mut listing = Listing { files: Vec::new(), skipped: Vec::new() };
    if kind.is_dir() {
        fs::read_dir(root).map_err(unreadable)?;
        listing.folder(root);
    } else if kind.is_file() && is_rust(root) {
        let name = root.file_name().map_or_else(|| root.to_string_lossy(), |name| name.to_string_lossy());
        listing.file(root, name.into_owned());
    } else {
        return Err(ListError::NotRust(root.to_path_buf()));
    }
    listing.files.sort_by(|a, b| a.path.cmp(&b.path));
    listing.skipped.sort_by(|a, b| a.path.cmp(&b.path));
    if listing.files.is_empty() {
        return Err(ListError::Empty { root: root.to_path_buf(), skipped: listing.skipped });
    }
    Ok(listing)
}

impl Listing {
    /// Everything under `root`, by a list of folders to do rather than by recursion.
    fn folder(&mut self, root: &Path) {
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    self.skip(below(root, &folder), error.to_string());
                    continue;
                }
            };
            for entry in entries {
                match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
                    Ok((path, kind)) => self.entry(root, path, kind, &mut folders),
                    Err(error) => self.skip(below(root, &folder), error.to_string()),
                }
            }
        }
    }

    fn entry(&mut self, root: &Path, path: PathBuf, kind: FileType, folders: &mut Vec<PathBuf>) {
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden || (kind.is_dir() && is_build_folder(&path)) {
            return;
        }
        if kind.is_dir() {
            folders.push(path);
        } else if kind.is_symlink() && (is_rust(&path) || path.is_dir()) {
            self.skip(below(root, &path), "a symbolic link, not followed".to_string());
        } else if is_rust(&path) && !kind.is_symlink() {
            match below_exactly(root, &path) {
                Some(name) => self.file(&path, name),
                None => self.skip(below(root, &path), "its path is not UTF-8".to_string()),
            }
        }
    }

    fn file(&mut self, path: &Path, name: String) {
        match read_text(path) {
            Ok(text) => self.files.push(SourceFile { path: name, hash: hash(&text), bytes: text.len() as u64 }),
            Err(reason) => self.skip(name, reason),
        }
    }

    fn skip(&mut self, path: String, reason: String) {
        self.skipped.push(Skipped { path, reason });
    }
}

fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// The text of a file, or why it is none that can be reviewed.
fn read_text(path: &Path) -> Result<String, String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    // Opening a pipe waits until somebody writes to it.
    if !metadata.is_file() {
        return Err("not a regular file".to_string());
    }
    let mut bytes = Vec::new();
    // One byte more than allowed: the file may have grown since its length was asked for.
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("larger than {} MiB: {} bytes", FILE_BYTES_MAX >> 20, metadata.len()));
    }
    String::from_utf8(bytes).map_err(|error| format!("not UTF-8 from byte {} on", error.utf8_error().valid_up_to()))
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// A module may be called `target`, too: only what Cargo made is left out.
fn is_build_folder(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "target")
        && (path.with_file_name("Cargo.toml").exists() || path.join("CACHEDIR.TAG").exists())
}

/// The path below the root with `/` between its parts, if it is UTF-8.
fn below_exactly(root: &Path, path: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = path.strip_prefix(root).ok()?.iter().map(|part| part.to_str()).collect();
    Some(parts?.join("/"))
}

/// The same for people; `.` for the root.
fn below(root: &Path, path: &Path) -> String {
    let exact =
        below_exactly(root, path).unwrap_or_else(|| path.strip_prefix(root).unwrap_or(path).display().to_string());
    if exact.is_empty() { ".".to_string() } else { exact }
}
