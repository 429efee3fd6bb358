//! Breaking one promise on purpose, to see that the tests notice: a test that finds nothing proves something only if it finds
//! this.
//!
//! Each [`Sabotage`] has one small place in the product, marked by a question to [`is`]. With the feature `sabotage` the
//! answer is what `set` has said for this thread, so that a simulator that runs a whole cluster on one thread breaks one
//! promise for all of it. Without the feature, which is how everything is built that is used for anything, [`is`] is a
//! constant `false`, the compiler removes the places with it, and there is nothing that a setting, a command or an
//! environment could switch on.

/// A promise to be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sabotage {
    /// Callers are answered before what the answer rests on is durable.
    AckBeforeAppend,
    /// An owner whose slot somebody else has sealed or written goes on as if it had committed.
    NoFence,
    /// Whoever speaks of an open task is heard, with any token.
    NoHolderCheck,
    /// A step whose outcome is recorded is run again whenever its handler is played back.
    RecordedStepsIgnored,
    /// The occurrence of a step counts from its first poll and not from its call.
    OccurrenceAtFirstPoll,
    /// What is garbage is deleted at once, up to the newest snapshot and seals included. (At once alone breaks nothing: the
    /// protocol was searched with it.)
    GarbageAtOnce,
    /// A holder may be silent for ever.
    LeaseNeverExpires,
    /// A new owner does not offer what was ready when it took over.
    DispatchForgottenAtTakeover,
    /// Tasks are handed out, and holders stopped, before the events that say so are durable.
    EffectsBeforeDurable,
    /// The least urgent task of a lane is next, and the run that was served last.
    UnfairScheduler,
    /// Timers come half a second before their time.
    TimerEarly,
    /// A create without an answer is taken for one that did not happen.
    LostAnswerMeansFailed,
    /// After a good probe a breaker lets everything through at once.
    ReleaseAllAtOnce,
    /// A breaker that may be probed lets everybody try.
    ProbeByAll,
    /// Each time that a task was parked or lost uses a retry.
    RetrySpentByParking,
    /// A call is let go when what was spent leaves room for it, whatever other calls that are under way may come to cost.
    BudgetNotReserved,
    /// What a dead holder had of a limit is freed twice.
    LimitCountedTwice,
    /// A write of a document that is tried again is not looked for.
    UpdateAgain,
    /// Who holds a lock no more may write what its successor has used.
    NoFenceVersion,
    /// What is remembered of a document counts as fresh, however old it is.
    StaleAsFresh,
    /// What was spooled is gone.
    SpoolDropped,
    /// A node to which the broker delivers nothing any more does not see that nothing comes round: a matter of real
    /// connections, which the chaos suite has.
    DeafConsumer,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::AckBeforeAppend,
        Self::NoFence,
        Self::NoHolderCheck,
        Self::RecordedStepsIgnored,
        Self::OccurrenceAtFirstPoll,
        Self::GarbageAtOnce,
        Self::LeaseNeverExpires,
        Self::DispatchForgottenAtTakeover,
        Self::EffectsBeforeDurable,
        Self::UnfairScheduler,
        Self::TimerEarly,
        Self::LostAnswerMeansFailed,
        Self::ReleaseAllAtOnce,
        Self::ProbeByAll,
        Self::RetrySpentByParking,
        Self::BudgetNotReserved,
        Self::LimitCountedTwice,
        Self::UpdateAgain,
        Self::NoFenceVersion,
        Self::StaleAsFresh,
        Self::SpoolDropped,
        Self::DeafConsumer,
    ];

    /// The word for it in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AckBeforeAppend => "ack_before_append",
            Self::NoFence => "no_fence",
            Self::NoHolderCheck => "no_holder_check",
            Self::RecordedStepsIgnored => "recorded_steps_ignored",
            Self::OccurrenceAtFirstPoll => "occurrence_at_first_poll",
            Self::GarbageAtOnce => "garbage_at_once",
            Self::LeaseNeverExpires => "lease_never_expires",
            Self::DispatchForgottenAtTakeover => "dispatch_forgotten_at_takeover",
            Self::EffectsBeforeDurable => "effects_before_durable",
            Self::UnfairScheduler => "unfair_scheduler",
            Self::TimerEarly => "timer_early",
            Self::LostAnswerMeansFailed => "lost_answer_means_failed",
            Self::ReleaseAllAtOnce => "release_all_at_once",
            Self::ProbeByAll => "probe_by_all",
            Self::RetrySpentByParking => "retry_spent_by_parking",
            Self::BudgetNotReserved => "budget_not_reserved",
            Self::LimitCountedTwice => "limit_counted_twice",
            Self::UpdateAgain => "update_again",
            Self::NoFenceVersion => "no_fence_version",
            Self::StaleAsFresh => "stale_as_fresh",
            Self::SpoolDropped => "spool_dropped",
            Self::DeafConsumer => "deaf_consumer",
        }
    }
}

impl std::fmt::Display for Sabotage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// How much too early a timer comes with [`Sabotage::TimerEarly`].
pub(crate) const EARLY_MS: i64 = 500;

/// Whether this promise is to be broken: never, in this build.
#[cfg(not(feature = "sabotage"))]
pub const fn is(_: Sabotage) -> bool {
    false
}

#[cfg(feature = "sabotage")]
thread_local! {
    static CHOSEN: std::cell::Cell<Option<Sabotage>> = const { std::cell::Cell::new(None) };
}

/// Breaks this promise from now on, on this thread, or none.
#[cfg(feature = "sabotage")]
pub fn set(sabotage: Option<Sabotage>) {
    CHOSEN.set(sabotage);
}

/// Whether this promise is to be broken on this thread.
#[cfg(feature = "sabotage")]
pub fn is(sabotage: Sabotage) -> bool {
    CHOSEN.get() == Some(sabotage)
}
