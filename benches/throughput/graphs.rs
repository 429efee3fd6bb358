//! Graphs: what dependencies cost.

use crate::fleet::{Fleet, Most, Next, Place, Sum, nothing};
use crate::measure::{self, Latencies, Row, millis};
use crate::table::Report;
use crate::{Plan, fresh_folder};
use callboard::prelude::*;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

/// The shape of a graph.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// Three tasks, each behind the last.
    Chain,
    /// A hundred tasks, and one behind them all.
    Fan,
    /// Ten thousand tasks in layers of a hundred, each behind three of the layer before.
    Layers,
    /// Ten tasks: one, eight behind it, one behind those. A thousand such runs are under way at once.
    Diamond,
}

/// All shapes, in the order of the report.
pub(crate) const SHAPES: [Shape; 4] = [Shape::Chain, Shape::Fan, Shape::Layers, Shape::Diamond];

const WIDTH: usize = 100;
const LAYERS: usize = 100;
const FACETS: usize = 8;

impl Shape {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Shape::Chain => "chain of 3",
            Shape::Fan => "fan of 100 and join",
            Shape::Layers => "10,000 in layers of 100",
            Shape::Diamond => "1,000 runs of 10",
        }
    }

    fn tasks(self) -> usize {
        match self {
            Shape::Chain => 3,
            Shape::Fan => WIDTH + 1,
            Shape::Layers => LAYERS * WIDTH,
            Shape::Diamond => FACETS + 2,
        }
    }

    fn graphs(self) -> usize {
        match self {
            Shape::Chain => 500,
            Shape::Fan => 100,
            Shape::Layers => 3,
            Shape::Diamond => 1_000,
        }
    }

    /// How many are under way at once.
    fn at_once(self) -> usize {
        if let Shape::Diamond = self { 1_000 } else { 1 }
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
            Shape::Layers => {
                let first = workflow.map("0", (0..WIDTH).map(|_| nothing(1)));
                let last = (1..LAYERS).fold(first, |layer, depth| {
                    let behind = |n: usize| [0, 1, 2].map(|k| layer[(n + k) % WIDTH].clone()).as_slice().gather();
                    workflow.map(&depth.to_string(), (0..WIDTH).map(|n| Most { of: behind(n) }))
                });
                (workflow, last[number % WIDTH].clone(), LAYERS as u64)
            }
            Shape::Diamond => {
                let first = workflow.task("first", nothing(number));
                let facets = workflow.map("facet", (0..FACETS).map(|_| Next { of: first.out() }));
                let sum = workflow.task("sum", Sum { of: facets.gather() });
                (workflow, sum, (FACETS * (number + 1)) as u64)
            }
        }
    }
}

/// One row: graphs of one shape. Per task are the figures per task, not per graph.
pub(crate) async fn measure(plan: &Plan, name: &str, place: Place, shape: Shape) -> Result<Row> {
    let mut rows = Vec::new();
    for _ in 0..plan.repetitions {
        let folder = fresh_folder(&plan.folder)?;
        let fleet = Fleet::start(place, folder.path()).await?;
        let graphs = (shape.graphs() / plan.divisor).max(10.min(shape.graphs()));
        for number in 0..graphs / 10 {
            run(&fleet, shape, number).await?;
        }
        let before = fleet.reading();
        let runs = stream::iter((0..graphs).map(|number| run(&fleet, shape, number)));
        let latencies = Latencies::of(runs.buffer_unordered(shape.at_once()).try_collect().await?);
        rows.push(Row::new(name, graphs * shape.tasks(), &latencies, before, fleet.reading()));
        fleet.shutdown().await?;
    }
    Ok(measure::median(rows))
}

/// What a chain and a fan take in units of a single task. All three take turns, so that a disk that changes from one
/// second to the next changes all of them alike.
pub(crate) async fn beside_a_single_task(plan: &Plan, report: &mut Report, place: Place) -> Result<()> {
    let folder = fresh_folder(&plan.folder)?;
    let fleet = Fleet::start(place, folder.path()).await?;
    let (rounds, warm) = (1_000 / plan.divisor, 20);
    let (mut single, mut chain, mut fan) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..warm + rounds {
        let took = (
            fleet.fly(round..round + 1, 1).await?.latencies.percentile(50),
            run(&fleet, Shape::Chain, round).await?,
            run(&fleet, Shape::Fan, round).await?,
        );
        if round >= warm {
            single.push(took.0);
            chain.push(took.1);
            fan.push(took.2);
        }
    }
    let p50 = |latencies| millis(Latencies::of(latencies).percentile(50));
    report.beside_a_single_task(&place.name(), p50(single), p50(chain), p50(fan));
    fleet.shutdown().await
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
