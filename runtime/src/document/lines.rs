//! From a position in a text to a line and a column.

use super::tree::Place;

/// Where the lines of a text begin. A place costs the same wherever it is, also in one long line.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    text: &'a [u8],
    starts: Vec<usize>,
    /// Characters before each `MARK`-th byte.
    marks: Vec<usize>,
}

const MARK: usize = 64;

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let text = text.as_bytes();
        let breaks = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(breaks).collect();
        let mut marks = vec![0];
        for chunk in text.chunks(MARK) {
            marks.push(marks[marks.len() - 1] + characters(chunk));
        }
        Self { text, starts, marks }
    }

    /// The place of a byte; of the end, if it lies beyond.
    pub(super) fn place(&self, offset: usize) -> Place {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= offset);
        let column = self.before(offset) - self.before(self.starts[line - 1]) + 1;
        Place { line, column }
    }

    /// Characters before a byte.
    fn before(&self, offset: usize) -> usize {
        let mark = offset / MARK;
        self.marks[mark] + characters(&self.text[mark * MARK..offset])
    }
}

/// Characters that begin in these bytes of UTF-8.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte & 0xC0) != 0x80).count()
}
