//! The snapshot of an owner, beside its appends (J7).
use super::{Process, claim, conclude};
use crate::model::{
    log::{Log, Manifest, State},
    register::{Client, Next, Role, Verdict},
    store::{Answer, Call, Name, Object},
};

impl Log {
    /// The calls of a snapshot. It begins with its object, which fixes the state; nobody else sees the object before a
    /// manifest names it, so its create is always answered.
    pub(super) fn snapshot_calls(&self, state: &State, index: u8, out: &mut Vec<Call>) {
        let process = &state.processes[usize::from(index)];
        match process.snapshot {
            Some(client) => client.calls(&state.chain, self.rules, out),
            None if self.may_snapshot(state, process) => out.push(Call::Create {
                name: Name::Snapshot(claim(index) + 1 + process.snapshots),
                object: Object::State,
                answer: Answer::Created,
            }),
            None => {}
        }
    }

    fn may_snapshot(&self, state: &State, process: &Process) -> bool {
        process.serving
            && process.snapshots < self.snapshots
            && process.at.epoch() == process.epoch
            && process.at > state.manifests.of(process.write).snapshot_at
    }

    /// Makes a call of the snapshot.
    pub(super) fn snapshot(&self, state: &mut State, index: u8, call: Call) {
        let own = usize::from(index);
        let process = state.processes[own];
        let write = claim(index) + 1 + process.snapshots;
        let Some(client) = process.snapshot else {
            let snapshot_at = process.at;
            let snapshot_len = process.state.len();
            state.chain.prepare(write, process.write);
            state.manifests.set(write, Manifest { epoch: process.epoch, snapshot_at, snapshot_len });
            state.processes[own].snapshot = Some(Client::Try(process.version + 1, write));
            return;
        };
        match client.take(call, &mut state.chain, self.rules, Role::Writer) {
            Next::Go(Client::Try(version, _)) => {
                state.processes[own].snapshot = Some(Client::Try(version, write));
            }
            Next::Go(client) => state.processes[own].snapshot = Some(client),
            Next::Read(..) => {}
            Next::Done(verdict) => {
                let version = process.version + 1;
                let process = &mut state.processes[own];
                process.snapshot = None;
                match verdict {
                    Verdict::Advanced => {
                        (process.version, process.write) = (version, write);
                        process.snapshots += 1;
                    }
                    Verdict::Superseded | Verdict::Moved | Verdict::Unknown => process.deposed_by_snapshot(),
                }
                conclude(state, version, write, verdict);
            }
        }
    }
}
