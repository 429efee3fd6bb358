//! TOML with places.

use super::fault::Fault;
use super::lines::Lines;
use super::tree::{Budget, DEPTH_MAX, Key, Located, Member, Value, cut, decimal, too_deep};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Reads a TOML document, or says what is wrong with its form.
pub(super) fn read(text: &str) -> Result<Located, Vec<Fault>> {
    let lines = Lines::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let place = |error: &toml::de::Error| lines.place(error.span().map_or(0, |span| span.start));
        return Err(errors.iter().map(|error| Fault::at(place(error), error.message())).collect());
    }
    let mut reader = Reader { lines, budget: Budget::new() };
    let place = reader.lines.place(0);
    let members = reader.members(table.get_ref(), 0).map_err(|fault| vec![fault])?;
    Ok(Located { value: Value::Map(members), place })
}

struct Reader<'a> {
    lines: Lines<'a>,
    budget: Budget,
}

impl Reader<'_> {
    fn value(&mut self, spanned: &Spanned<DeValue<'_>>, depth: usize) -> Result<Located, Fault> {
        let place = self.lines.place(spanned.span().start);
        let fault = |message| Fault::at(place, message);
        if depth > DEPTH_MAX {
            return Err(fault(too_deep()));
        }
        let bytes = match spanned.get_ref() {
            DeValue::Array(_) | DeValue::Table(_) => 0,
            _ => spanned.span().len(),
        };
        self.budget.spend(bytes).map_err(fault)?;
        let value = match spanned.get_ref() {
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Integer(number) => integer(number.as_str(), number.radix()),
            DeValue::Float(number) => decimal(number.as_str())
                .map_or_else(|| Value::Refused(format!("{} has no JSON form", cut(number.as_str()))), Value::Number),
            DeValue::Datetime(date) => {
                Value::Refused(format!("a date has no JSON form; write it as a text, \"{date}\""))
            }
            DeValue::Array(items) => {
                Value::List(items.iter().map(|item| self.value(item, depth + 1)).collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => Value::Map(self.members(table, depth)?),
        };
        Ok(Located { value, place })
    }

    /// The members of a table in the order of the text; the parser has sorted them by name.
    fn members(&mut self, table: &DeTable<'_>, depth: usize) -> Result<Vec<Member>, Fault> {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let member = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let name: &std::borrow::Cow<'_, str> = key.get_ref();
            let place = self.lines.place(key.span().start);
            self.budget.spend(name.len()).map_err(|limit| Fault::at(place, limit))?;
            let key = Key { name: name.clone().into_owned(), place, refused: None };
            Ok(Member { key, value: self.value(value, depth + 1)? })
        };
        entries.into_iter().map(member).collect()
    }
}

/// An integer as JSON writes it: in decimal.
fn integer(text: &str, radix: u32) -> Value {
    let decimal = if radix == 10 {
        decimal(text)
    } else {
        u128::from_str_radix(text, radix).ok().map(|number| number.to_string())
    };
    decimal.map_or_else(
        || Value::Refused(format!("{} is too large for a number in base {radix}; write it in decimal", cut(text))),
        Value::Number,
    )
}
