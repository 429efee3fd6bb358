//! JSON with places.

use super::fault::Fault;
use super::lines::Lines;
use super::tree::{Budget, DEPTH_MAX, Key, Located, Member, Value, too_deep};

/// Reads one JSON value, or says what is wrong with its form.
pub(super) fn read(text: &str) -> Result<Located, Fault> {
    let mut reader = Reader { text, at: 0, lines: Lines::new(text), budget: Budget::new() };
    let value = reader.value(0)?;
    reader.blanks();
    match reader.text[reader.at..].chars().next() {
        None => Ok(value),
        Some(seen) => Err(reader.fault(format!("wanted the end of the document, not {seen:?}"))),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    lines: Lines<'a>,
    budget: Budget,
}

impl<'a> Reader<'a> {
    fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::at(self.lines.place(self.at), message)
    }

    fn wanted(&self, what: &str) -> Fault {
        self.fault(match self.text[self.at..].chars().next() {
            Some(seen) => format!("wanted {what}, not {seen:?}"),
            None => format!("wanted {what}, not the end of the document"),
        })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Located, Fault> {
        self.blanks();
        let (from, place) = (self.at, self.lines.place(self.at));
        if depth > DEPTH_MAX {
            return Err(self.fault(too_deep()));
        }
        let value = match self.peek() {
            Some(b'{') => Value::Map(self.members(depth)?),
            Some(b'[') => Value::List(self.items(depth)?),
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            Some(b'a'..=b'z') => self.word()?,
            _ => return Err(self.wanted("a value")),
        };
        let bytes = if matches!(value, Value::Map(_) | Value::List(_)) { 0 } else { self.at - from };
        self.budget.spend(bytes).map_err(|limit| Fault::at(place, limit))?;
        Ok(Located { value, place })
    }

    fn members(&mut self, depth: usize) -> Result<Vec<Member>, Fault> {
        let mut members = Vec::new();
        self.at += 1;
        self.blanks();
        if self.skip(b'}') {
            return Ok(members);
        }
        loop {
            self.blanks();
            let place = self.lines.place(self.at);
            if self.peek() != Some(b'"') {
                return Err(self.wanted("a key in double quotes"));
            }
            let key = Key { name: self.string()?, place, refused: None };
            self.budget.spend(key.name.len()).map_err(|limit| Fault::at(place, limit))?;
            self.blanks();
            if !self.skip(b':') {
                return Err(self.wanted("a colon"));
            }
            members.push(Member { key, value: self.value(depth + 1)? });
            self.blanks();
            if self.skip(b'}') {
                return Ok(members);
            }
            if !self.skip(b',') {
                return Err(self.wanted("a comma or a closing brace"));
            }
        }
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Located>, Fault> {
        let mut items = Vec::new();
        self.at += 1;
        self.blanks();
        if self.skip(b']') {
            return Ok(items);
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blanks();
            if self.skip(b']') {
                return Ok(items);
            }
            if !self.skip(b',') {
                return Err(self.wanted("a comma or a closing bracket"));
            }
        }
    }

    fn skip(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn string(&mut self) -> Result<String, Fault> {
        let from = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => {
                    self.at = from;
                    return Err(self.fault("this text has no closing quote"));
                }
            }
        }
        self.at += 1;
        // The quotes are ASCII, so both ends are boundaries of characters.
        self.parsed(from, "is no JSON text")
    }

    fn number(&mut self) -> Result<String, Fault> {
        let from = self.at;
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        let _raw: &serde_json::value::RawValue = self.parsed(from, "is no JSON number")?;
        Ok(self.text[from..self.at].to_owned())
    }

    fn word(&mut self) -> Result<Value, Fault> {
        let from = self.at;
        while matches!(self.peek(), Some(byte) if byte.is_ascii_alphanumeric()) {
            self.at += 1;
        }
        match &self.text[from..self.at] {
            "null" => Ok(Value::Null),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            word => {
                let message = format!("{:?} is no JSON value; a text stands in double quotes", super::tree::cut(word));
                Err(Fault::at(self.lines.place(from), message))
            }
        }
    }

    /// What serde_json makes of the text from `from` to here.
    fn parsed<T: serde::Deserialize<'a>>(&self, from: usize, not: &str) -> Result<T, Fault> {
        let text: &'a str = &self.text[from..self.at];
        serde_json::from_str(text)
            .map_err(|_| Fault::at(self.lines.place(from), format!("{} {not}", super::tree::cut(text))))
    }
}
