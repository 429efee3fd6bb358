//! A reader: a page of one partition after the other, each from where it is there.

use super::called::{Known, mentioned};
use super::position::{FeedPosition, Spot};
use super::{FeedEvent, FeedRequest, Filter, From};
use crate::partition::follow::When;
use crate::partition::handle::Partitions;
use crate::partition::message::FeedPage;
use crate::run_event::Called;
use crate::{Error, ErrorKind, Result};
use callboard_core::{Event, EventKind, Millis, RunId, TaskIndex};
use futures::stream::{self, BoxStream, SelectAll, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Events that are taken out of the archive at a time.
const EVENTS_MAX: usize = 256;

/// Reads the events of all runs.
pub(crate) struct Reader {
    partitions: Partitions,
    filter: Filter,
    position: FeedPosition,
    pages: SelectAll<BoxStream<'static, (u16, Result<Vec<Told>>)>>,
}

/// An event, and how far a reader is in its partition that has dealt with it; or only that.
struct Told {
    event: Option<Box<Happened>>,
    spot: Spot,
}

struct Happened {
    run: RunId,
    capability: Option<Arc<str>>,
    event: crate::RunEvent,
}

/// Reads one partition.
struct PartReader {
    partitions: Partitions,
    number: u16,
    spot: Spot,
}

/// A line without what is in it.
#[derive(Deserialize)]
struct Numbered {
    seq: u64,
}

impl Reader {
    /// Begins where the request says; if that is now, when this returns.
    pub(super) async fn open(request: FeedRequest) -> Result<Self> {
        request.check()?;
        let FeedRequest { node, filter, from } = request;
        let partitions = node.partitions.clone();
        let count = u16::try_from(partitions.count()).unwrap_or(u16::MAX);
        let wanted: Vec<u16> = match filter.run {
            Some(run) => vec![run.partition(count)],
            None => (0..count).collect(),
        };
        let position = match from {
            From::Start => FeedPosition::default(),
            From::Behind(position) => position,
            From::Now => {
                let mut position = FeedPosition::default();
                for number in &wanted {
                    let stands = partitions.feed((*number).into(), None, Millis::default(), When::Now).await?;
                    position.set(*number, Spot { whole: stands.until, parts: 0, at: Millis::default() });
                }
                position
            }
        };
        if let Some(highest) = position.highest().filter(|highest| *highest >= count) {
            let message = format!("this position knows a partition {highest}, and there are {count}: it is another's");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let mut pages = SelectAll::new();
        for number in wanted {
            let spot = position.of(number);
            let reader = PartReader { partitions: partitions.clone(), number, spot };
            let told = stream::unfold(Some(reader), move |reader| async move {
                let mut reader = reader?;
                match reader.next(When::Soon).await {
                    Ok(told) => Some(((number, Ok(told)), Some(reader))),
                    Err(error) => Some(((number, Err(error)), None)),
                }
            });
            pages.push(told.boxed());
        }
        Ok(Self { partitions, filter, position, pages })
    }

    /// Where it is.
    pub(crate) fn position(&self) -> &FeedPosition {
        &self.position
    }

    /// Some events, or none, if there were only others; where it is has changed. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Vec<FeedEvent>> {
        match self.pages.next().await {
            None => Err(Error::new(ErrorKind::Unavailable, "nothing is left to read")),
            Some((_, Err(error))) => Err(error),
            Some((number, Ok(told))) => {
                let mut events = Vec::new();
                for told in told {
                    events.extend(self.take(number, told));
                }
                Ok(events)
            }
        }
    }

    /// The events that there are by now, so many at most.
    pub(super) async fn so_far(&mut self, limit: usize) -> Result<Vec<FeedEvent>> {
        let count = u16::try_from(self.partitions.count()).unwrap_or(u16::MAX);
        let wanted = (0..count).filter(|number| self.filter.run.is_none_or(|run| run.partition(count) == *number));
        let mut events = Vec::new();
        for number in wanted.collect::<Vec<_>>() {
            let (partitions, spot) = (self.partitions.clone(), self.position.of(number));
            let mut reader = PartReader { partitions, number, spot };
            // What comes while it is read is for the next page.
            let stands = self.partitions.feed(number.into(), None, Millis::default(), When::Now).await?.until;
            while reader.spot.whole < stands {
                for told in reader.next(When::Now).await? {
                    events.extend(self.take(number, told));
                    if events.len() == limit {
                        return Ok(events);
                    }
                }
            }
        }
        Ok(events)
    }

    /// Takes over how far it is, and gives the event if it is wanted.
    fn take(&mut self, number: u16, Told { event, spot }: Told) -> Option<FeedEvent> {
        self.position.set(number, spot);
        let Happened { run, capability, event } = *event?;
        let event = FeedEvent { position: FeedPosition::default(), run, capability, event };
        self.filter.admits(&event).then(|| FeedEvent { position: self.position.clone(), ..event })
    }
}

impl PartReader {
    /// What comes next.
    async fn next(&mut self, when: When) -> Result<Vec<Told>> {
        let Spot { whole, at, .. } = self.spot;
        let page = self.partitions.feed(self.number.into(), Some(whole), at, when).await?;
        let FeedPage { lines, until, pages, .. } = page;
        let mut events = BTreeMap::new();
        for line in &lines {
            let event = Event::decode(line).map_err(|error| self.corrupt(&error))?;
            events.insert(event.seq, event);
        }
        let mut known = BTreeMap::new();
        let here: BTreeSet<RunId> = events.values().filter_map(|event| event.run).collect();
        let until = self.archived(&pages, until, &mut events, &mut known).await?;
        // One that came back may have become more than the archive knows.
        known.retain(|run, _| !here.contains(run));
        events.retain(|seq, _| *seq <= until);
        self.name(&events, &mut known).await?;
        let mut told = Vec::new();
        for (seq, event) in events {
            self.tell(seq, &event, &mut known, &mut told);
        }
        if until > self.spot.whole {
            self.spot = Spot { whole: until, parts: 0, ..self.spot };
            told.push(Told { event: None, spot: self.spot });
        }
        Ok(told)
    }

    /// Adds the events up to `until` of runs that are on these pages, if they are too many the first; says up to which event
    /// there are no others. Learns what those runs are called.
    async fn archived(
        &self,
        pages: &[u64],
        mut until: u64,
        events: &mut BTreeMap<u64, Event>,
        known: &mut BTreeMap<RunId, Known>,
    ) -> Result<u64> {
        let whole = self.spot.whole;
        for page in pages {
            let range = self.partitions.range_of(self.number.into(), *page);
            if range.is_some_and(|(first, last)| last <= whole || first > until) {
                continue;
            }
            // What is forgotten is told to nobody any more.
            let Some(records) = self.partitions.archived_page(self.number.into(), *page).await? else { continue };
            let (mut first, mut last) = (u64::MAX, 0);
            for record in records.iter() {
                let lines: Vec<&RawValue> =
                    serde_json::from_slice(&record.line).map_err(|error| self.corrupt(&error))?;
                let mut of_run = Known::default();
                let mut is_wanted = false;
                let numbers: Result<Vec<u64>, _> =
                    lines.iter().map(|line| serde_json::from_str(line.get()).map(|Numbered { seq }| seq)).collect();
                let numbers = numbers.map_err(|error| self.corrupt(&error))?;
                first = first.min(numbers.first().copied().unwrap_or(u64::MAX));
                last = last.max(numbers.last().copied().unwrap_or(0));
                if !numbers.iter().any(|seq| *seq > whole && *seq <= until) {
                    continue;
                }
                for line in lines {
                    let event = Event::decode(line.get().as_bytes()).map_err(|error| self.corrupt(&error))?;
                    of_run.learn(&event);
                    if event.seq > whole && event.seq <= until {
                        is_wanted = true;
                        events.insert(event.seq, event);
                    }
                }
                if is_wanted {
                    known.insert(RunId::new(record.id), of_run);
                }
                while events.len() > EVENTS_MAX {
                    events.pop_last();
                    until = events.last_key_value().map_or(until, |(seq, _)| *seq);
                }
            }
            self.partitions.learn_range(self.number.into(), *page, (first, last));
        }
        let left: BTreeSet<RunId> = events.values().filter_map(|event| event.run).collect();
        known.retain(|run, _| left.contains(run));
        Ok(until)
    }

    /// Asks what runs and tasks are called that are not known.
    async fn name(&self, events: &BTreeMap<u64, Event>, known: &mut BTreeMap<RunId, Known>) -> Result<()> {
        let mut wanted: BTreeMap<RunId, BTreeSet<TaskIndex>> = BTreeMap::new();
        for (run, event) in events.values().filter_map(|event| Some((event.run?, event))) {
            if !known.contains_key(&run) {
                wanted.entry(run).or_default().extend(mentioned(event));
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let asked = wanted.iter().map(|(run, tasks)| (*run, tasks.iter().copied().collect())).collect();
        for called in self.partitions.called(self.number.into(), asked).await? {
            wanted.remove(&called.run);
            known.insert(called.run, Known::new(called.workflow, called.tasks));
        }
        // They went to the archive a moment ago.
        for run in wanted.into_keys() {
            let mut of_run = Known::default();
            let mut read = 0;
            loop {
                match self.partitions.events(run, read).await {
                    Ok(Some(page)) => {
                        page.iter().for_each(|event| of_run.learn(event));
                        read = page.last().map_or(u64::MAX, |event| event.seq);
                    }
                    Ok(None) => break,
                    // What is kept no longer has no names.
                    Err(error) if error.kind() == ErrorKind::NotFound => break,
                    Err(error) => return Err(error),
                }
            }
            known.insert(run, of_run);
        }
        Ok(())
    }

    /// Tells an event, but for what of it was told already.
    fn tell(&mut self, seq: u64, event: &Event, known: &mut BTreeMap<RunId, Known>, told: &mut Vec<Told>) {
        let Some(run) = event.run else { return };
        let of_run = known.entry(run).or_default();
        match &event.kind {
            EventKind::RunSubmitted(_) => of_run.learn(event),
            _ => of_run.learn_capabilities(event),
        }
        let parts_told = if self.spot.whole.checked_add(1) == Some(seq) { self.spot.parts } else { 0 };
        let events = of_run.told(event);
        let parts = u32::try_from(events.len()).unwrap_or(u32::MAX);
        for (part, event) in (1..).zip(events).filter(|(part, _)| *part > parts_told) {
            let at = event.at;
            let spot = match part == parts {
                true => Spot { whole: seq, parts: 0, at },
                false => Spot { whole: seq - 1, parts: part, at: self.spot.at },
            };
            self.spot = spot;
            let capability = of_run.capability(event.task.as_ref());
            told.push(Told { event: Some(Box::new(Happened { run, capability, event })), spot });
        }
    }

    fn corrupt(&self, error: &dyn std::fmt::Display) -> Error {
        let message = format!("the events of partition {} can not be read", self.number);
        Error::new(ErrorKind::Corrupt, message).because(error)
    }
}
