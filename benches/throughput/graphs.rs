//! Small graphs, one at a time: what dependencies cost.

use crate::fleet::{Fleet, Next, Place, Sum, nothing};
use crate::measure::{self, Latencies, Row};
use crate::{Plan, fresh_folder};
use callboard::prelude::*;
use tokio::time::Instant;

/// The shape of a graph.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// Three tasks, each behind the last.
    Chain,
    /// A hundred tasks, and one behind them all.
    Fan,
}

const WIDTH: usize = 100;

impl Shape {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Shape::Chain => "chain of 3",
            Shape::Fan => "fan of 100 and join",
        }
    }

    fn tasks(self) -> usize {
        match self {
            Shape::Chain => 3,
            Shape::Fan => WIDTH + 1,
        }
    }

    fn graphs(self) -> usize {
        match self {
            Shape::Chain => 500,
            Shape::Fan => 100,
        }
    }

    /// The graph, its last task, and what that has to say.
    fn graph(self, number: usize) -> (Workflow, Node<u64>, u64) {
        let workflow = Workflow::new(self.name());
        match self {
            Shape::Chain => {
                let first = workflow.task("first", nothing(number));
                let second = workflow.task("second", Next { of: first.out() });
                let third = workflow.task("third", Next { of: second.out() });
                (workflow, third, number as u64 + 2)
            }
            Shape::Fan => {
                let parts = workflow.map("part", (number..number + WIDTH).map(nothing));
                let sum = workflow.task("sum", Sum { of: parts.gather() });
                (workflow, sum, (number..number + WIDTH).sum::<usize>() as u64)
            }
        }
    }
}

/// One row: graphs of one shape, one at a time. Per task are the figures per task, not per graph.
pub(crate) async fn measure(plan: &Plan, name: &str, place: Place, shape: Shape) -> Result<Row> {
    let mut rows = Vec::new();
    for _ in 0..plan.repetitions {
        let folder = fresh_folder(&plan.folder)?;
        let fleet = Fleet::start(place, folder.path()).await?;
        let graphs = (shape.graphs() / plan.divisor).max(10);
        for number in 0..graphs / 10 {
            run(&fleet, shape, number).await?;
        }
        let (before, mut latencies) = (fleet.reading(), Vec::with_capacity(graphs));
        for number in 0..graphs {
            latencies.push(run(&fleet, shape, number).await?);
        }
        let latencies = Latencies::of(latencies);
        rows.push(Row::new(name, graphs * shape.tasks(), &latencies, before, fleet.reading()));
        fleet.shutdown().await?;
    }
    Ok(measure::median(rows))
}

async fn run(fleet: &Fleet, shape: Shape, number: usize) -> Result<Duration> {
    let begun = Instant::now();
    let (workflow, last, expected) = shape.graph(number);
    let run = fleet.board.start(workflow).await?;
    let output = run.output(&last).await?;
    let latency = begun.elapsed();
    assert_eq!(output, expected, "the result of run {}", run.id());
    Ok(latency)
}
