//! One client of a register: the verified read (R2) and the advance (R3 to R7), call by call.
use super::{
    control::Broken,
    store::{Answer, Call, Chain, Name, Object, Rules},
};

/// Where a client stands: which call it makes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Client {
    /// Verified read: the first list.
    #[default]
    List,
    /// Verified read with a cached version: the one list that proves it current (R2).
    Cached(u8, u8),
    /// Verified read: the get of the last version.
    Get(u8),
    /// Verified read: the second list.
    ListAgain(u8, u8),
    /// Advance: the create of this version by this write.
    Try(u8, u8),
    /// Advance: the create was answered *Created*; the list that proves it (R4).
    Confirm(u8, u8),
    /// Advance: somebody is ahead; the get of the version after (R5).
    Ahead(u8, u8),
    /// Advance: the answer was unclear; the get of the own version (R6).
    Look(u8, u8),
    /// Advance: the list after that get, which found this.
    Judge(u8, u8, Sight),
}

/// Whose version was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sight {
    /// The client's own.
    Mine,
    /// Another's.
    Foreign,
    /// None.
    Absent,
}

/// What a call leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another call.
    Go(Client),
    /// The verified read is done: version and write, both 0 for the empty register.
    Read(u8, u8),
    /// The advance is done.
    Done(Verdict),
}

/// What an advance came to (R7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It was the newest, and nobody was seen after it.
    Advanced,
    /// It was the newest, and is already superseded.
    Superseded,
    /// It never was, and never will be.
    Moved,
    /// Either.
    Unknown,
}

/// Who reads; the controls break R2 for one of them alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A writer or an owner.
    Writer,
    /// A plain reader.
    Reader,
}

impl Client {
    /// The calls this client may make now, with every answer they may get.
    pub fn calls(self, chain: &Chain, rules: Rules, out: &mut Vec<Call>) {
        if rules.all_answers && !matches!(self, Self::Try(..)) {
            out.push(Call::Lost);
        }
        match self {
            Self::List | Self::Cached(..) | Self::ListAgain(..) | Self::Confirm(..) | Self::Judge(..) => {
                out.extend(chain.lists(rules).map(|last| Call::List { last }));
            }
            Self::Get(version) | Self::Look(version, _) => gets(chain, version, rules, out),
            Self::Ahead(version, _) => gets(chain, version + 1, rules, out),
            Self::Try(version, write) => {
                let (name, object) = (Name::Version(version), Object::Write(write));
                let answers = chain.answers(version, rules);
                out.extend(answers.map(|answer| Call::Create { name, object, answer }));
                if chain.sent(write) != 0 && !rules.broken(Broken::ExistsIsForeign) {
                    out.push(Call::GiveUp);
                }
            }
        }
    }

    /// Makes the call.
    pub fn take(self, call: Call, chain: &mut Chain, rules: Rules, role: Role) -> Next {
        match (self, call) {
            (Self::ListAgain(..), Call::Lost) => Next::Go(Self::List),
            (Self::Judge(version, write, _), Call::Lost) => Next::Go(Self::Look(version, write)),
            (Self::Cached(..) | Self::Confirm(..) | Self::Ahead(..) | Self::Look(..), Call::Lost) => Next::Go(self),
            (Self::Cached(version, write), Call::List { last }) if last == version => Next::Read(version, write),
            (Self::List | Self::Cached(..), Call::List { last: 0 }) => Next::Read(0, 0),
            (Self::List | Self::Cached(..), Call::List { last }) => Next::Go(Self::Get(last)),
            (Self::Get(version), Call::Get { found: Some(Object::Write(write)), .. }) => {
                let skip = rules.broken(Broken::NoSecondList)
                    || role == Role::Reader && rules.broken(Broken::ReaderNoSecondList);
                if skip { Next::Read(version, write) } else { Next::Go(Self::ListAgain(version, write)) }
            }
            (Self::Get(_), _) => Next::Go(Self::List),
            (Self::ListAgain(version, write), Call::List { last }) if last == version => Next::Read(version, write),
            (Self::ListAgain(..), _) => Next::Go(Self::List),
            (Self::Try(version, write), Call::Create { answer, .. }) => {
                chain.create(version, write, answer);
                tried(version, write, answer, rules)
            }
            (Self::Try(..), _) => Next::Done(Verdict::Unknown),
            (Self::Confirm(version, write), Call::List { last }) => {
                if last > version {
                    ahead(version, write, rules)
                } else {
                    Next::Done(Verdict::Advanced)
                }
            }
            (Self::Ahead(_, write), Call::Get { found, .. }) => Next::Done(match found {
                Some(Object::Write(successor)) if chain.predecessor(successor) == write => Verdict::Superseded,
                None if !rules.broken(Broken::PrunedSuccessorIsMoved) => Verdict::Unknown,
                _ => Verdict::Moved,
            }),
            (Self::Look(version, write), Call::Get { found, .. }) => {
                let sight = match found {
                    Some(Object::Write(other)) if other == write => Sight::Mine,
                    Some(_) => Sight::Foreign,
                    None => Sight::Absent,
                };
                Next::Go(Self::Judge(version, write, sight))
            }
            (Self::Judge(version, write, sight), Call::List { last }) => judge(version, write, sight, last, rules),
            (_, _) => Next::Go(self),
        }
    }

    /// Whether a verified read is about to return a version that never was the newest, or an own create
    /// was answered *Created* on a pruned name: the surprises that R2 and R4 are for.
    pub fn sees_recreated(self, chain: &Chain) -> bool {
        match self {
            Self::ListAgain(version, write) | Self::Confirm(version, write) => chain.history(version) != write,
            _ => false,
        }
    }
}

fn gets(chain: &Chain, version: u8, rules: Rules, out: &mut Vec<Call>) {
    let name = Name::Version(version);
    out.extend(chain.shows(version, rules).map(|found| Call::Get { name, found: found.map(Object::Write) }));
}

fn tried(version: u8, write: u8, answer: Answer, rules: Rules) -> Next {
    match answer {
        Answer::Created if rules.broken(Broken::NoListAfterCreated) => Next::Done(Verdict::Advanced),
        Answer::Created => Next::Go(Client::Confirm(version, write)),
        Answer::Exists if rules.broken(Broken::ExistsIsForeign) => Next::Done(Verdict::Moved),
        Answer::Unclear if rules.broken(Broken::ExistsIsForeign) => Next::Go(Client::Try(version, write)),
        Answer::Exists | Answer::Unclear => Next::Go(Client::Look(version, write)),
    }
}

fn ahead(version: u8, write: u8, rules: Rules) -> Next {
    if rules.broken(Broken::AheadIsMoved) {
        return Next::Done(Verdict::Moved);
    }
    Next::Go(Client::Ahead(version, write))
}

fn judge(version: u8, write: u8, sight: Sight, last: u8, rules: Rules) -> Next {
    if last > version {
        return ahead(version, write, rules);
    }
    if last < version {
        return match rules.broken {
            Some(Broken::AbsentIsFailed) => Next::Done(Verdict::Moved),
            Some(Broken::OtherBytes) => Next::Go(Client::Try(version, write + 1)),
            _ => Next::Go(Client::Try(version, write)),
        };
    }
    match sight {
        Sight::Mine => Next::Done(Verdict::Advanced),
        Sight::Foreign => Next::Done(Verdict::Moved),
        Sight::Absent => Next::Go(Client::Look(version, write)),
    }
}
