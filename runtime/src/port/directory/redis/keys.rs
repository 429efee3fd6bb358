//! The names of keys.

/// The kinds of registrations whose keys have names of their own, up to their first colon.
const NAMED: [&str; 4] = ["agent", "agent_status", "capability", "node"];

/// The keys of a name space. They share one hash tag, so that in a cluster they are on one server, where a script may
/// change several.
///
/// | key | what it is |
/// |---|---|
/// | `{cb:NS}:node`, `{cb:NS}:agent`, `{cb:NS}:capability:NAME` | ids of a kind, a sorted set scored by expiry in ms |
/// | `{cb:NS}:kind:KIND` | the same, of any other kind |
/// | `{cb:NS}:limit:POOL` | what each holder has and wants of a pool, and until when, a hash |
/// | one of these and `/values` | what was registered, a hash by id |
/// | `{cb:NS}:lease:NAME` | the holder of a lease, a string that expires |
///
/// No two things share a key: a kind has no slash, and none of the named ones is `kind`, `lease` or `limit`.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    tag: String,
}

impl Keys {
    pub(super) fn new(namespace: &str) -> Self {
        Self { tag: format!("{{cb:{namespace}}}") }
    }

    /// The index of a kind, and its values.
    pub(super) fn of_kind(&self, kind: &str) -> [String; 2] {
        let first = kind.split(':').next().unwrap_or_default();
        let between = if NAMED.contains(&first) { "" } else { "kind:" };
        let index = format!("{}:{between}{kind}", self.tag);
        let values = format!("{index}/values");
        [index, values]
    }

    pub(super) fn lease(&self, name: &str) -> String {
        format!("{}:lease:{name}", self.tag)
    }

    pub(super) fn pool(&self, name: &str) -> String {
        format!("{}:limit:{name}", self.tag)
    }

    /// What is written to see whether writes are taken.
    pub(super) fn probe(&self) -> String {
        format!("{}:probe", self.tag)
    }
}
