//! Another life for a task that has ended without a result.

use crate::event::TaskResumed;
use crate::input::{BadReference, Compiled, Input};
use crate::task::EditedInput;
use crate::{Json, Millis, Run, Status, TaskIndex, TaskState};
use std::collections::{BTreeMap, HashMap};

/// How many faults and names a refusal tells.
const TOLD_MAX: usize = 20;

impl Run {
    /// The first of a task's needs that has ended without a result: as long as there is one, it can not run.
    pub(crate) fn spoilt_need(&self, index: TaskIndex) -> Option<TaskIndex> {
        let mut needs = self.needs(index).iter();
        needs.find(|need| self.has_no_result(**need)).copied()
    }

    fn has_no_result(&self, index: TaskIndex) -> bool {
        self.task(index).is_some_and(|task| task.status().is_without_result())
    }

    fn is_skipped(&self, index: TaskIndex) -> bool {
        self.task(index).is_some_and(|task| task.status() == Status::Skipped)
    }

    /// Whether a task is skipped and no other task has asked for it: whoever did was told, and asks again or does not.
    fn is_reopenable(&self, index: TaskIndex) -> bool {
        self.is_skipped(index) && self.task(index).is_some_and(|task| task.parent.is_none())
    }

    /// The skipped tasks that can run again once `index` is open, ascending. Whatever was recorded as the cause of
    /// their being skipped, it is their needs that count.
    pub(crate) fn reopened_by(&self, index: TaskIndex) -> Vec<TaskIndex> {
        // How many needs of a skipped task are still without a result.
        let mut spoilt: HashMap<TaskIndex, usize> = HashMap::new();
        let mut reopened = Vec::new();
        let mut todo = vec![index];
        while let Some(open) = todo.pop() {
            for dependent in self.dependents(open).filter(|task| self.is_reopenable(*task)) {
                let count = || self.needs(dependent).iter().filter(|need| self.has_no_result(**need)).count();
                let left = spoilt.entry(dependent).or_insert_with(count);
                *left = left.saturating_sub(1);
                if *left == 0 {
                    todo.push(dependent);
                    reopened.push(dependent);
                }
            }
        }
        reopened.sort_unstable();
        reopened
    }

    /// Compiles another input for a task. No edge is added, so there is no new cycle.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub(crate) fn compile_edited(&self, index: TaskIndex, json: &Json) -> Result<Input, Vec<String>> {
        let needs = self.needs(index);
        let name = |task: &TaskIndex| self.tasks[task.at()].spec.name.as_str();
        let named: BTreeMap<&str, TaskIndex> = needs.iter().map(|need| (name(need), *need)).collect();
        let Compiled { input, faults } = Input::compile(json, &|name| named.get(name).copied());
        if faults.is_empty() {
            return Ok(input);
        }
        let told: Vec<&str> = needs.iter().take(TOLD_MAX).map(name).collect();
        let may = match (told.len(), needs.len()) {
            (0, _) => "it needs none".to_owned(),
            (told_len, all) if told_len < all => format!("it needs {} and {} more", told.join(", "), all - told_len),
            _ => format!("it needs {}", told.join(", ")),
        };
        let in_words = |fault| match fault {
            BadReference::Unknown(name) => {
                let name: String = name.chars().take(160).collect();
                format!("it refers to {name:?}, but may refer only to what the task needs already, and {may}")
            }
            BadReference::Form(reason) => reason,
        };
        Err(faults.into_iter().take(TOLD_MAX).map(in_words).collect())
    }

    /// Folds the event; `None` if it does not fit.
    pub(crate) fn resumed(&mut self, at: Millis, event: &TaskResumed) -> Option<()> {
        let task = self.task(event.task)?;
        (task.status().is_resumable() && event.token == task.token.next_attempt()).then_some(())?;
        event.reopened.iter().all(|task| self.is_reopenable(*task)).then_some(())?;
        let compiled = event.input.as_ref().map(|json| self.compile_edited(event.task, json));
        let compiled = compiled.transpose().ok()?;

        let task = &mut self.tasks[event.task.at()];
        if let (Some(json), Some(compiled)) = (event.input.clone(), compiled) {
            task.edited = Some(Box::new(EditedInput { json, compiled }));
        }
        task.token = event.token;
        task.first_attempt = event.token.attempt;
        task.losses = 0;
        self.next_attempt(event.task);
        let all = || std::iter::once(&event.task).chain(&event.reopened);
        for &index in all() {
            self.tasks[index.at()].ended_at = None;
            self.put(index, TaskState::Blocked { waiting: 0 });
        }
        for &index in all() {
            let waiting = self.waiting(index)?;
            let ready = TaskState::ready(at);
            self.put(index, if waiting == 0 { ready } else { TaskState::Blocked { waiting } });
        }
        // What undoes an effect waits for its turn, also in another life.
        if self.task(event.task)?.undoes.is_some() && self.next_undo() != Some(event.task) {
            self.put(event.task, TaskState::Blocked { waiting: 1 });
        }
        self.correct_causes();
        if self.ended.take().is_some() {
            self.reopened_at = Some(at);
        }
        Some(())
    }

    /// How many of a task's needs are open; `None` if one has ended without a result.
    fn waiting(&self, index: TaskIndex) -> Option<u32> {
        let mut waiting = 0;
        for &need in self.needs(index) {
            let status = self.task(need)?.status();
            (!status.is_without_result()).then_some(())?;
            waiting += u32::from(!status.is_ended());
        }
        Some(waiting)
    }

    /// Names another cause for the tasks that stay skipped although the one that was named has another life: the first
    /// task in the order of the graph that is without a result for a reason of its own and that they can be led back to.
    fn correct_causes(&mut self) {
        let is_root = |run: &Self, index: TaskIndex| run.task(index).is_some_and(|task| task.status().is_resumable());
        let is_wrong = |run: &Self, index: TaskIndex| match run.tasks[index.at()].state {
            TaskState::Skipped { cause } => !is_root(run, cause),
            _ => false,
        };
        let all = || (0..self.tasks.len() as u32).map(TaskIndex);
        if self.counts.of(Status::Skipped) == 0 || !all().any(|index| is_wrong(self, index)) {
            return;
        }
        let mut seen = vec![false; self.tasks.len()];
        let roots: Vec<TaskIndex> = all().filter(|&index| is_root(self, index)).collect();
        for root in roots {
            let mut todo = vec![root];
            while let Some(spoilt) = todo.pop() {
                let dependents: Vec<TaskIndex> = self.dependents(spoilt).collect();
                for dependent in dependents {
                    if self.is_skipped(dependent) && !std::mem::replace(&mut seen[dependent.at()], true) {
                        todo.push(dependent);
                        if is_wrong(self, dependent) {
                            self.put(dependent, TaskState::Skipped { cause: root });
                        }
                    }
                }
            }
        }
    }
}
