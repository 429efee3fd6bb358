//! What a partition does when somebody pauses, resumes or cancels a run, or gives a task another life.

use super::message::{Comeback, Refusal, Reply, Room, Wish};
use super::tenant::Tenant;
use callboard_core::{Command, RunId};

impl Tenant {
    pub(super) fn control(&mut self, run: RunId, wish: Wish, reply: Reply) {
        let pages = self.pages_to_check(run, 0);
        if !pages.is_empty() {
            return drop(reply.send(Err(Refusal::Elsewhere(pages))));
        }
        let result = self.step(match wish {
            Wish::Cancel(reason) => Command::Cancel { run, reason },
            Wish::Pause(reason) => Command::Pause { run, reason },
            Wish::Resume => Command::Unpause { run },
        });
        self.answer(reply, result, None);
    }

    /// Puts the command, after the run was taken back from the archive if it is not in memory.
    pub(super) fn retry(
        &mut self,
        run: RunId,
        command: Command,
        comeback: Option<Box<Comeback>>,
        room: Room,
        reply: Reply,
    ) {
        // Whoever has looked at all pages has seen the newest history that there is.
        let checked = comeback.as_ref().map_or(0, |comeback| comeback.checked);
        let pages = self.pages_to_check(run, checked);
        if !pages.is_empty() {
            return drop(reply.send(Err(Refusal::Elsewhere(pages))));
        }
        let mut result = Ok(());
        if let Some(comeback) = comeback.filter(|_| self.state.run(run).is_none()) {
            let Comeback { restored, lines, .. } = *comeback;
            result = self.step(Command::Restore { run, restored });
            if result.is_ok() {
                self.history.restore(run, lines);
            }
        }
        let result = result.and_then(|()| self.step(command));
        self.answer(reply, result, Some(room));
    }
}
