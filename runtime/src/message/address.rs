//! Whom a message is for: `agent`, one of its instances `agent#2`, or the same with its node, `node/agent#2`.

/// An address, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address<'a> {
    /// The node, if the address names one.
    pub(super) node: Option<&'a str>,
    pub(super) agent: &'a str,
    /// The number of the instance, from 1; `None` for any.
    pub(super) instance: Option<usize>,
}

impl<'a> Address<'a> {
    /// Takes `text` apart. What follows a `#` and is no number stays part of the agent's id, which nobody has.
    pub(super) fn of(text: &'a str) -> Self {
        let (node, rest) = text.split_once('/').map_or((None, text), |(node, rest)| (Some(node), rest));
        let numbered = rest.rsplit_once('#').and_then(|(agent, number)| Some((agent, number.parse().ok()?)));
        match numbered {
            Some((agent, instance)) => Self { node, agent, instance: Some(instance) },
            None => Self { node, agent: rest, instance: None },
        }
    }
}
