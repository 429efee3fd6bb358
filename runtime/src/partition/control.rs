//! What a partition does when somebody pauses, resumes or cancels a run, or gives a task another life.

use super::message::{Comeback, Refusal, Reply, Room, Wish};
use super::tenant::Tenant;
use callboard_core::{Answer, Command, Json, Note, RunId, Speaker, TaskRef, Token};

/// What gives a task another life.
pub(super) struct Retry {
    pub(super) task: TaskRef,
    pub(super) token: Token,
    pub(super) input: Option<Json>,
}

impl Tenant {
    /// Records what a handler has done or wants. How far it is nobody waits for.
    pub(super) fn note(&mut self, speaker: Speaker, note: Note, reply: Reply) {
        if let Note::Progress(_) = note {
            let result = self.decide(Command::Note(speaker, note));
            return drop(reply.send(result.map_err(Refusal::from)));
        }
        let again = matches!(note, Note::Children(_));
        let command = Command::Note(speaker, note);
        let mut result;
        loop {
            let before = self.state.seq();
            result = self.step(command.clone());
            // Where a task had to fail to open a cycle, what was asked for is asked again, until it is there.
            if !again || result.is_err() || self.state.seq() == before {
                break;
            }
        }
        self.answer(reply, result, None);
    }

    /// Gives a run what it waits for, or keeps it until it does.
    pub(super) fn answered(&mut self, run: RunId, answer: Answer, room: Room, reply: Reply) {
        let pages = self.pages_to_check(run, 0);
        if !pages.is_empty() {
            return drop(reply.send(Err(Refusal::Elsewhere(pages))));
        }
        let result = self.step(Command::Answer(run, answer));
        self.answer(reply, result, Some(room));
    }

    pub(super) fn control(&mut self, run: RunId, wish: Wish, reply: Reply) {
        let pages = self.pages_to_check(run, 0);
        if !pages.is_empty() {
            return drop(reply.send(Err(Refusal::Elsewhere(pages))));
        }
        let is_of_a_task = matches!(wish, Wish::CancelTask(..));
        let result = self.step(match wish {
            Wish::Cancel(reason) => Command::Cancel { run, reason },
            Wish::CancelTask(task, reason) => Command::CancelTask { task: TaskRef { run, task }, reason },
            Wish::Pause(reason) => Command::Pause { run, reason },
            Wish::Resume => Command::Unpause { run },
            Wish::TopUp { id, amount, by } => Command::TopUp { id, run, amount, by },
        });
        // Somebody who has cancelled it does not want to see it wait. If this is not durable after all, everything is offered anew.
        if let (true, Ok(()), Some(run)) = (is_of_a_task, &result, self.state.run(run)) {
            let has_ended = |task| run.task(task).is_none_or(|task| task.status().is_ended());
            self.around.backlog.withdraw_ended(run.id, has_ended);
        }
        self.answer(reply, result, None);
    }

    /// Gives a task another life, and takes its run back from the archive with that if it is not in memory.
    pub(super) fn retry(&mut self, retry: Retry, comeback: Option<Box<Comeback>>, room: Room, reply: Reply) {
        let Retry { task, token, input } = retry;
        // Whoever has looked at all pages has seen the newest history that there is.
        let checked = comeback.as_ref().map_or(0, |comeback| comeback.checked);
        let pages = self.pages_to_check(task.run, checked);
        if !pages.is_empty() {
            return drop(reply.send(Err(Refusal::Elsewhere(pages))));
        }
        let result = match comeback.filter(|_| self.state.run(task.run).is_none()) {
            None => self.step(Command::Retry { task, token, input }),
            Some(comeback) => {
                let Comeback { restored, lines, .. } = *comeback;
                self.history.restore(task.run, lines);
                let result = self.step(Command::Comeback { restored, task, token, input });
                if self.state.run(task.run).is_none() {
                    self.history.forget(task.run);
                }
                result
            }
        };
        self.answer(reply, result, Some(room));
    }
}
