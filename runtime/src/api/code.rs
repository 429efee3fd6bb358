//! The codes of errors: one table for HTTP and the command line.

use std::fmt;

/// Writes the codes and their table.
macro_rules! codes {
    ($(
        $(#[doc = $meaning:literal])+
        $name:ident = $text:literal, $status:literal, $exit:literal, $title:literal, $next:literal;
    )*) => {
        /// What went wrong, as a person looks it up: `callboard explain CB2001`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(
                #[doc = concat!("`", $text, "`: ", $title, ".")]
                ///
                $(#[doc = $meaning])+
                $name,
            )*
        }

        impl Code {
            /// All of them, ascending.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// `CB` and four digits.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The status of an answer by HTTP; of what only the command line says, the one that comes closest.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// With what the command ends.
            pub const fn exit(self) -> u8 {
                match self { $(Self::$name => $exit,)* }
            }

            /// What it is, in a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// What it means, in sentences.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($meaning),+),)* }
            }

            /// What to do next: a command, as a rule.
            pub const fn next(self) -> &'static str {
                match self { $(Self::$name => $next,)* }
            }
        }
    };
}

codes! {
    /// A flag, an argument, a parameter or the body of a request has a form that was not expected. Nothing has happened.
    Usage = "CB1001", 400, 2, "malformed request", "callboard help";
    /// The workflow can not be read, or has faults: a cycle, an unknown reference, an input that does not fit. All of
    /// them are told, and nothing was submitted.
    Workflow = "CB1002", 422, 2, "faulty workflow", "mend the document and submit it again";
    /// The settings have faults; all of them are told, each with where it was seen. Nothing was started.
    Settings = "CB1003", 422, 2, "faulty settings", "callboard config check";
    /// The body of the request is longer than `http.body_bytes_max`, or the value of a document than the 16 MiB that it may
    /// have.
    TooLarge = "CB1004", 413, 7, "body too large", "callboard config show";
    /// A workflow is sent as `application/json`, `application/yaml` or `application/toml`; all else as
    /// `application/json`.
    MediaType = "CB1005", 415, 2, "unknown media type", "send the header content-type";
    /// The agents have faults, or the files that describe them; all of them are told. Nothing was started.
    Agents = "CB1006", 422, 2, "faulty agents", "mend the files that describe the agents";
    /// Who writes a document says on which version that rests, so that nobody's write is lost unseen: `if-match: "3"`, or
    /// `if-none-match: *` for a new one. Whatever is there is overwritten by `?overwrite=true` alone.
    NoExpectation = "CB1007", 428, 2, "no version is expected", "callboard state show KEY";
    /// What is at this path is asked for in another way; the header `allow` says in which.
    Method = "CB1008", 405, 2, "no such method", "GET /v1/openapi.json";
    /// The workflow asks for a capability that no agent offers at present, and the submission was strict. Without that it
    /// is accepted, and the task waits until such an agent comes.
    NoAgent = "CB1042", 422, 7, "no agent offers the capability", "callboard agent list";
    /// There is no such run, task, agent or document in this name space.
    NotFound = "CB2001", 404, 3, "not found", "callboard run list";
    /// Things stand in a way that does not admit this: the run has ended, the key belongs to another workflow, the
    /// approval has its answer.
    Conflict = "CB2002", 409, 6, "conflict", "callboard run show ID";
    /// The document is not at the version that was expected: somebody else has written meanwhile. Load it, and decide again.
    OtherVersion = "CB2003", 412, 6, "another version is there", "callboard state show KEY";
    /// A task of the run failed or is dead, or the run took too long.
    Failed = "CB2010", 409, 10, "the run failed", "callboard run show ID";
    /// The run was cancelled, in whole or in part.
    Cancelled = "CB2011", 409, 11, "the run was cancelled", "callboard run show ID";
    /// The time to wait is over. The run goes on.
    WaitedTooLong = "CB2012", 504, 12, "not ended in time", "callboard run show ID --watch";
    /// Down, full or stopping: nothing has happened, try again later.
    Unavailable = "CB3001", 503, 7, "unavailable", "try again later";
    /// It may have happened or not: look before you repeat it. A submission under a key may always be repeated.
    Unknown = "CB3002", 504, 1, "outcome unknown", "callboard run list";
    /// Stored bytes break an invariant. Nothing mends itself here: keep a copy of the store, and look at the log.
    Corrupt = "CB3003", 500, 1, "corrupt data", "look at the log of the node";
    /// Nobody answers at the address of the node.
    NoConnection = "CB3004", 503, 4, "cannot connect", "callboard dev";
    /// The request is not allowed: it comes from a page in a browser, or its token has a lesser role than it takes.
    Denied = "CB3005", 403, 5, "denied", "callboard help";
    /// Another process listens on the port.
    PortTaken = "CB3006", 409, 6, "the port is taken", "listen on another port with --listen 127.0.0.1:0";
    /// The address to listen on does not belong to this machine, or may not be used.
    NoListener = "CB3007", 503, 5, "cannot listen", "listen on another address with --listen 127.0.0.1:0";
    /// Another process has the data folder. A folder is owned by one process at a time.
    FolderHeld = "CB3008", 409, 6, "the folder is in use", "stop that process, or choose another folder with --data DIR (state.spool, if it is the spool)";
    /// The data folder can not be made, read or written.
    FolderRefused = "CB3009", 403, 5, "the folder cannot be used", "choose another folder with --data DIR (state.spool, if it is the spool)";
    /// As many clients follow events as may.
    TooManyStreams = "CB3010", 503, 7, "too many streams", "try again later";
    /// Something had to be cut short when the node stopped. What was acknowledged is durable all the same.
    CutShort = "CB3011", 500, 1, "the node did not stop cleanly", "start it again: it goes on where it was";
    /// A server that the settings name does not answer as it should: RabbitMQ, Redis or S3.
    NoServer = "CB3012", 503, 4, "no answer from a server", "start it, or look at its address with callboard config show";
    /// Something that a node can not do without has stopped too often, or its store does not keep its contract; the node has
    /// ended in order. What was acknowledged is durable.
    EndedByItself = "CB3013", 500, 1, "the node has ended by itself", "look at its log, and start it again: it goes on where it was";
    /// The node has tokens, and the request shows none of them: `authorization: Bearer SECRET`. The command sends what
    /// CALLBOARD_TOKEN says, or the file that CALLBOARD_TOKEN_FILE names.
    NoToken = "CB3014", 401, 5, "no token", "set CALLBOARD_TOKEN to the secret of a token of http.tokens";
    /// A bug of ours.
    Internal = "CB9001", 500, 1, "internal error", "tell us what you did";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
