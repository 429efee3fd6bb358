//! Out, over, in, and back again.

use super::super::{Back, Request};
use super::samples::{Bits, bits, every, maybe};
use super::{block_on, joined, read, room, written};
use crate::partition::follow::Records;
use crate::partition::message::{FeedPage, Message, Page, Progress, Refusal, Target, Verdict};
use crate::partition::question::{ArchivePage, CalledRun, Found, Piece, Question, TaskPiece};
use crate::query::filter::RunTaskFilter;
use crate::query::{PendingItem, PendingKind, RunInfo, RunTask};
use crate::schedule::ScheduleInfo;
use callboard_core::{Command, Limits, Millis, RunId, State, TaskIndex, Token, decide};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::sync::oneshot::{self, Sender};

/// Something that a partition answers.
trait Said: Debug + Sized {
    /// The way back to whoever waits for such an answer.
    fn way(back: Back) -> Option<Sender<Self>>;
}

macro_rules! said {
    ($($back:pat => $reply:ident: $type:ty;)*) => {
        $(impl Said for $type {
            fn way(back: Back) -> Option<Sender<Self>> {
                if let $back = back { Some($reply) } else { None }
            }
        })*
    };
}

said! {
    Back::Done(reply, _) => reply: Result<(), Refusal>;
    Back::Records(reply) => reply: Records;
    Back::Verdict(reply) => reply: Verdict;
    Back::Performed(reply) => reply: Result<Verdict, Refusal>;
    Back::Page(reply) => reply: Page;
    Back::Feed(reply) => reply: FeedPage;
    Back::Progress(reply) => reply: Option<Progress>;
    Back::Run(reply) => reply: Found<Option<RunInfo>>;
    Back::Task(reply) => reply: Found<Option<(TaskIndex, Token)>>;
    Back::Runs(reply) => reply: Piece<RunInfo>;
    Back::Tasks(reply) => reply: Found<TaskPiece>;
    Back::RunTasks(reply) => reply: Piece<RunTask>;
    Back::Pending(reply) => reply: Piece<Vec<PendingItem>>;
    Back::Pages(reply) => reply: Vec<ArchivePage>;
    Back::Called(reply) => reply: Vec<CalledRun>;
    Back::InMemory(reply) => reply: (Vec<RunId>, Millis);
    Back::Schedule(reply) => reply: Option<ScheduleInfo>;
    Back::Schedules(reply) => reply: (Vec<ScheduleInfo>, Option<Arc<str>>);
}

type FoundRun = Found<Option<RunInfo>>;

/// What has passed, by name.
#[derive(Default)]
pub(super) struct Passed {
    names: BTreeSet<&'static str>,
    /// The bodies of the requests, and with each what an answer to it looks like.
    pub(super) bodies: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Passed {
    /// Sends a message to a partition that gives this answer.
    fn through<T: Said>(&mut self, message: impl FnOnce(Sender<T>) -> Message, answer: T) {
        block_on(async {
            let (reply, caller) = oneshot::channel();
            let message = message(reply);
            self.names.extend(name(&message));
            let sent = format!("{message:?}");
            let (request, back) = message.split().unwrap();
            let request_body = written(&request);
            let (arrived, answering) = joined(read(&request_body)).await.unwrap();
            assert_eq!(format!("{arrived:?}"), sent);
            let (again, partition) = arrived.split().unwrap();
            assert_eq!(written(&again), request_body);

            let given = format!("{answer:?}");
            T::way(partition).unwrap().send(answer).unwrap();
            let body = answering.await.unwrap();
            assert!(!back.is_closed());
            back.answer(&body).unwrap();
            assert_eq!(format!("{:?}", caller.await.unwrap()), given);
            self.bodies.push((request_body, body));
        });
    }

    /// Everything that can be said and answered.
    pub(super) fn everything(bits: &Bits) -> Self {
        let mut passed = Self::default();
        bits.commands().into_iter().for_each(|command| passed.through(command, Ok(())));
        for done in bits.done() {
            passed.through(|reply| (bits.commands().swap_remove(0))(reply), done);
        }
        passed.holders(bits);
        passed.watchers(bits);
        passed.performed(bits);
        passed.of_runs(bits);
        passed.lists(bits);
        passed.of_schedules(bits);
        passed
    }

    fn holders(&mut self, bits: &Bits) {
        let (speaker, after) = (bits.speaker(), bits.size());
        for (records, when) in bits.records().into_iter().zip(Bits::whens().into_iter().cycle()) {
            self.through(|reply| Message::Follow { speaker: speaker.clone(), after, when, reply }, records);
        }
    }

    fn watchers(&mut self, bits: &Bits) {
        let (run, after) = (bits.run(), bits.number);
        for (verdict, target) in bits.verdicts().into_iter().zip(bits.targets().into_iter().cycle()) {
            self.through(|reply| Message::Await { run, target, reply }, verdict);
        }
        bits.pages().into_iter().for_each(|page| self.through(|reply| Message::Events { run, after, reply }, page));
        let (until, pages, since) = (bits.number, vec![bits.number], Millis(bits.moment));
        let lines =
            bits.pages().into_iter().find_map(|page| if let Page::Lines(lines) = page { Some(lines) } else { None });
        let page = FeedPage { lines: lines.unwrap_or_default(), until, pages, full: Some(bits.size()) };
        for (when, after) in Bits::whens().into_iter().zip(maybe(after).into_iter().cycle()) {
            self.through(|reply| Message::Feed { after, since, when, reply }, page.clone());
        }
        for progress in bits.progress() {
            self.through(|reply| Message::Progress { run, reply }, progress);
        }
    }

    /// What is asked in one request is two messages to the partition: the second when the first was answered.
    fn performed(&mut self, bits: &Bits) {
        let refusals = bits.done().into_iter().filter_map(Result::err).map(Err);
        let answers = bits.verdicts().into_iter().map(Ok).chain(refusals);
        let (targets, keys) = (bits.targets().into_iter().cycle(), maybe(bits.text.clone()).into_iter().cycle());
        for ((answer, target), key) in answers.zip(targets).zip(keys) {
            let graph = bits.graph().json().clone();
            let request =
                Request::Perform { run: bits.run(), graph, key, checked: bits.number, target: target.clone() };
            let request_body = written(&request);
            let given = format!("{answer:?}");
            let body = block_on(performed(read(&request_body), target, answer));
            let (reply, caller) = oneshot::channel();
            Back::Performed(reply).answer(&body).unwrap();
            assert_eq!(format!("{:?}", block_on(caller).unwrap()), given);
            self.bodies.push((request_body, body));
        }
    }

    fn of_runs(&mut self, bits: &Bits) {
        let (run, limit) = (bits.run(), bits.size());
        let infos = bits.run_infos().into_iter().map(|info| Found::Here(Some(info)));
        let rest = [Found::Here(None), Found::Elsewhere(bits.summaries())];
        let found = every!(infos.chain(rest).collect::<Vec<_>>(), FoundRun: Here Elsewhere);
        for (found, filter) in found.into_iter().zip(bits.run_filters().into_iter().cycle()) {
            self.through(|reply| Message::Ask(Question::Run { run, filter, reply }), found);
        }
        let found = bits.found().map(Found::Here).into_iter().chain([Found::Elsewhere(bits.summaries())]);
        for found in found {
            let name = bits.text.clone();
            self.through(|reply| Message::Ask(Question::Task { run, name, reply }), found);
        }
        let pieces = maybe(bits.index()).map(|next| Found::Here((bits.task_infos(), next)));
        let pieces = pieces.into_iter().chain([Found::Elsewhere(bits.summaries())]);
        let afters = maybe(bits.index()).into_iter().cycle();
        for ((piece, filter), after) in pieces.zip(bits.task_filters().into_iter().cycle()).zip(afters) {
            self.through(|reply| Message::Ask(Question::Tasks { run, filter, after, limit, reply }), piece);
        }
    }

    fn lists(&mut self, bits: &Bits) {
        let limit = bits.size();
        for ((after, runs), tasks) in bits.nexts().into_iter().zip(bits.run_filters()).zip(bits.task_filters()) {
            let filter = RunTaskFilter { runs: runs.clone(), tasks };
            let piece = Piece { items: bits.placed(bits.run_infos()), next: after };
            self.through(|reply| Message::Ask(Question::Runs { filter: runs, after, limit, reply }), piece);
            let piece = Piece { items: bits.placed(bits.letters()), next: after };
            self.through(|reply| Message::Ask(Question::RunTasks { filter, after, limit, reply }), piece);
        }
        let kinds = every!([PendingKind::Approvals, PendingKind::Effects], PendingKind: Approvals Effects);
        for (after, kind) in bits.nexts().into_iter().zip(kinds) {
            let piece = Piece { items: bits.placed(vec![bits.pending(), Vec::new()]), next: after };
            self.through(|reply| Message::Ask(Question::Pending { kind, after, limit, reply }), piece);
        }
        self.through(|reply| Message::Ask(Question::Pages { reply }), bits.archive_pages());
        let (tasks, of_run) = (vec![(bits.index(), bits.arc(), bits.arc())], vec![(bits.run(), vec![bits.index()])]);
        let called = CalledRun { run: bits.run(), workflow: bits.arc(), tasks };
        self.through(|reply| Message::Ask(Question::Called { tasks: of_run, reply }), vec![called]);
        let runs = vec![bits.run(), RunId::from_key("default", "another")];
        self.through(|reply| Message::Ask(Question::InMemory { runs, reply }), bits.in_memory());
    }

    fn of_schedules(&mut self, bits: &Bits) {
        let infos = bits.schedule_infos().into_iter().map(Some).chain([None]);
        for info in infos {
            let name = bits.arc();
            self.through(|reply| Message::Ask(Question::Schedule { name, reply }), info);
        }
        for after in maybe(bits.arc()) {
            let next = after.clone();
            self.through(|reply| Message::Ask(Question::Schedules { after, reply }), (bits.schedule_infos(), next));
        }
    }
}

/// The body of the answer, where the partition answers this.
async fn performed(request: Request, target: Target, answer: Result<Verdict, Refusal>) -> Vec<u8> {
    let request_body = written(&request);
    assert!(request.room().is_some_and(|bytes| bytes > 0));
    let (tell, mut told) = mpsc::unbounded_channel();
    let (message, answering) = request.join(Some(room()), move |message| drop(tell.send(message))).await.unwrap();
    assert!(told.try_recv().is_err(), "nothing is asked about what is not submitted");
    let Message::Submit { run, graph, key, checked, reply, .. } = message else { panic!("{message:?}") };
    let again = Request::Perform { run, graph: graph.json().clone(), key, checked, target: target.clone() };
    assert_eq!(written(&again), request_body);
    let partition = async {
        match answer {
            Err(refusal) => {
                reply.send(Err(refusal)).unwrap();
                assert!(told.recv().await.is_none(), "what is refused is not waited for");
            }
            Ok(verdict) => {
                reply.send(Ok(())).unwrap();
                let Some(Message::Await { run: of, target: asked, reply }) = told.recv().await else { panic!() };
                assert_eq!((of, asked), (run, target));
                reply.send(verdict).unwrap();
            }
        }
    };
    let (body, ()) = tokio::join!(answering, partition);
    body.unwrap()
}

/// The name of what travels. What is new here wants a place in [`Passed::everything`] and in [`NAMES`].
fn name(message: &Message) -> Option<&'static str> {
    Some(match message {
        Message::Submit { .. } => "submit",
        Message::Speak { .. } => "speak",
        Message::Heartbeat { .. } => "heartbeat",
        Message::Follow { .. } => "follow",
        Message::Answer { .. } => "answer",
        Message::Control { .. } => "control",
        Message::Retry { .. } => "retry",
        Message::Ask(question) => match question {
            Question::Run { .. } => "run",
            Question::Task { .. } => "task",
            Question::Runs { .. } => "runs",
            Question::Tasks { .. } => "tasks",
            Question::RunTasks { .. } => "run_tasks",
            Question::Pending { .. } => "pending",
            Question::Pages { .. } => "pages",
            Question::Called { .. } => "called",
            Question::InMemory { .. } => "in_memory",
            Question::Schedule { .. } => "ask_schedule",
            Question::Schedules { .. } => "schedules",
        },
        Message::Await { .. } => "await",
        Message::Events { .. } => "events",
        Message::Feed { .. } => "feed",
        Message::Progress { .. } => "progress",
        Message::Schedule { .. } => "schedule",
        Message::HandOut(_)
        | Message::NotDelivered(..)
        | Message::NodeIsGone(_)
        | Message::Missed { .. }
        | Message::Appended(_)
        | Message::Looked(..)
        | Message::Doubted
        | Message::Snapshotted(_)
        | Message::Archived { .. }
        | Message::Tick => return None,
    })
}

const NAMES: &str = "answer ask_schedule await called control events feed follow heartbeat in_memory pages pending progress \
    retry run run_tasks runs schedule schedules speak submit task tasks";

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_comes_through_unchanged(bits in bits()) {
        let passed = Passed::everything(&bits);
        prop_assert_eq!(passed.names, NAMES.split_whitespace().collect());
    }
}

#[test]
fn what_is_said_within_a_node_stays_there() {
    let archived = Message::Archived { runs: Vec::new(), page: Err("full".into()) };
    for local in [Message::Tick, Message::Doubted, Message::Snapshotted(Ok(())), archived] {
        let shown = format!("{local:?}");
        assert_eq!(format!("{:?}", local.split().unwrap_err()), shown);
    }
}

/// A partition takes what came back from the archive over the wire as it takes what was folded beside it.
#[test]
fn a_history_is_folded_again_where_it_arrives() {
    let bits = Bits::plain();
    let (reply, _caller) = oneshot::channel();
    let (task, token) = (callboard_core::TaskRef { task: TaskIndex(0), ..bits.task() }, Token::FIRST);
    let comeback = Some(Box::new(bits.past()));
    let retry = Message::Retry { task, token, input: None, comeback, room: room(), reply };
    let (request, _back) = retry.split().unwrap();
    let (arrived, _answering) = block_on(joined(read(&written(&request)))).unwrap();
    let Message::Retry { comeback: Some(arrived), .. } = arrived else { panic!("{arrived:?}") };
    let of = |restored| {
        let command = Command::Comeback { restored, task, token, input: None };
        decide(&State::new(Limits::default()), Millis(bits.moment), command).unwrap().events
    };
    assert_eq!(of(arrived.restored), of(bits.past().restored));
}
