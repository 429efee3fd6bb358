use super::turn::Listen;
use super::*;
use crate::clock::Clock;
use crate::closing_time::{Bell, ClosingTime};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use std::time::Duration;

const LIMITS: Limits = Limits { body_bytes_max: 1_024, inbox_max: 100, inbox_bytes_max: 2_000 };
const SECOND: Duration = Duration::from_secs(1);

/// What there is on one node, without the way to others: nothing in it waits.
impl Mailroom {
    fn tell(&self, from: Option<&Arc<Name>>, to: &str, message: Message) -> Result<()> {
        self.tell_anywhere(from, to, message).now_or_never().expect("an inbox of this node is at hand")
    }

    async fn ask(&self, from: Option<&Arc<Name>>, to: &str, message: Message, limit: Duration) -> Result<Message> {
        self.ask_anywhere(from, to, message, limit).await
    }

    fn broadcast(&self, from: Option<&Arc<Name>>, message: Message) -> Result<Broadcast> {
        self.broadcast_anywhere(from, message).now_or_never().expect("the inboxes of this node are at hand")
    }
}

fn mailroom() -> Arc<Mailroom> {
    Arc::new(Mailroom::new("node-1".into(), Clock::system(), LIMITS))
}

fn on(topic: &str) -> Message {
    Message::new(topic, &topic).unwrap()
}

/// The topics that wait, in order.
fn topics(inbox: &mut Inbox) -> Vec<String> {
    std::iter::from_fn(|| inbox.try_next()).map(|message| message.topic().to_owned()).collect()
}

fn ctx(mailroom: &Arc<Mailroom>, place: &Arc<Place>) -> MessageCtx {
    MessageCtx::new(Voice::new(mailroom.clone(), Home::default(), place.clone()))
}

/// An agent that does what the topic says.
#[derive(Default)]
struct Obeys(Vec<String>);

impl Listen for Obeys {
    fn listen<'a>(&'a mut self, ctx: &'a MessageCtx, message: &'a Message) -> BoxFuture<'a, Result<Reply>> {
        async move {
            self.0.push(message.topic().to_owned());
            match message.topic() {
                "answer" => Reply::of(&format!("{} to {}", message.parse::<String>()?, ctx.instance())),
                "none" => Ok(Reply::none()),
                "fail" => Err(Error::terminal("no paper").context("printing")),
                "panic" => panic!("no hands"),
                "hang" => std::future::pending().await,
                _ => Ok(Reply::declined()),
            }
        }
        .boxed()
    }
}

fn open() -> (Bell, ClosingTime) {
    Bell::new()
}

/// Lets the agent handle what waits.
async fn turn(mailroom: &Arc<Mailroom>, place: &Arc<Place>, agent: &mut Obeys, closing: &ClosingTime) -> Turn {
    take_turn(agent, &ctx(mailroom, place), place, closing).await
}

#[test]
fn a_topic_and_a_body_have_limits() {
    for bad in ["", "a b", "ä", &"x".repeat(129)] {
        let error = Message::new(bad, &()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{bad:?}");
    }
    assert!(Message::new("x".repeat(128), &()).is_ok());
    let mailroom = mailroom();
    mailroom.open(&"a".into(), 1);
    let error = mailroom.tell(None, "a", Message::new("big", &"x".repeat(1_023)).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.message(),
        "the body of a message on \"big\" takes 1025 bytes, more than the limit of 1024 (payload_bytes_max)"
    );
    assert!(mailroom.tell(None, "a", Message::new("big", &"x".repeat(1_022)).unwrap()).is_ok());
}

#[test]
fn a_message_is_stamped_when_it_is_sent() {
    let mailroom = mailroom();
    let (ann, bob) = (mailroom.open(&"ann".into(), 1), mailroom.open(&"bob".into(), 2));
    let draft = Message::new("hello", &7).unwrap().correlated("order-42");
    assert_eq!((draft.from(), draft.to(), draft.sent_at()), (None, None, Millis(0)));
    mailroom.tell(Some(&ann.name), "bob", draft.clone()).unwrap();
    mailroom.tell(None, "bob#2", draft).unwrap();
    let mut inbox = bob.inbox();
    let (first, second) = (inbox.try_next().unwrap(), inbox.try_next().unwrap());
    assert_eq!((first.from(), first.from_instance()), (Some("ann"), Some("node-1/ann#1")));
    assert_eq!((first.to(), first.to_instance()), (Some("bob"), Some("node-1/bob#2")));
    assert_eq!(first.correlation().to_string(), "order-42");
    assert_eq!(first.parse::<u8>().unwrap(), 7);
    assert_eq!(first.parse::<String>().unwrap_err().kind(), ErrorKind::Invalid);
    assert!(first.sent_at() > Millis(0) && !first.is_ask());
    assert_eq!((second.from(), second.from_instance()), (None, None));
    assert_ne!(first.id(), second.id());
}

#[test]
fn an_unknown_address_is_refused_with_the_closest() {
    let mailroom = mailroom();
    mailroom.open(&"reviewer".into(), 1);
    mailroom.open(&"writer".into(), 1);
    for (to, words) in [
        ("reviewr", "no agent has the id \"reviewr\"; the closest is \"reviewer\""),
        ("x", "no agent has the id \"x\""),
        ("writer#3", "agent \"writer\" has no instance \"writer#3\"; it has 1"),
        ("node-2/writer#1", "\"node-2/writer#1\" is on another node than this one, \"node-1\""),
        ("writer#one", "no agent has the id \"writer#one\""),
    ] {
        let error = mailroom.tell(None, to, on("t")).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::NotFound, words));
    }
    assert!(mailroom.tell(None, "node-1/writer#1", on("t")).is_ok());
}

#[test]
fn messages_of_one_sender_stay_in_order() {
    let mailroom = mailroom();
    let place = mailroom.open(&"a".into(), 1);
    let sent: Vec<String> = (0..100).map(|n| format!("t{n}")).collect();
    sent.iter().for_each(|topic| mailroom.tell(None, "a", on(topic)).unwrap());
    assert_eq!(topics(&mut place.inbox()), sent);
}

#[test]
fn who_is_not_there_any_more_because_the_node_stops_was_not_misspelt() {
    let mailroom = mailroom();
    mailroom.open(&"a".into(), 1);
    assert_eq!(mailroom.tell(None, "b", on("t")).unwrap_err().kind(), ErrorKind::NotFound);
    mailroom.stop();
    mailroom.remove("a");
    let error = mailroom.tell(None, "a", on("t")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.message(), "\"a\" takes no more messages: the node stops, or has stopped");
}

#[test]
fn a_full_inbox_refuses_and_names_the_limit() {
    let mailroom = mailroom();
    let place = mailroom.open(&"a".into(), 1);
    (0..LIMITS.inbox_max).for_each(|_| mailroom.tell(None, "a", on("t")).unwrap());
    let error = mailroom.tell(None, "a", on("t")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("a#1 is full: at most 100 messages (inbox_max) and 2000 bytes"), "{error}");
    place.inbox().try_next().unwrap();
    mailroom.tell(None, "a", on("t")).unwrap();
    assert_eq!(topics(&mut place.inbox()).len(), LIMITS.inbox_max);
    let counters = mailroom.counters();
    assert_eq!((counters.delivered, counters.full), (LIMITS.inbox_max as u64 + 1, 1));
}

#[test]
fn bodies_that_wait_have_a_limit_together() {
    let mailroom = Mailroom::new("node-1".into(), Clock::system(), Limits { inbox_bytes_max: 10, ..LIMITS });
    let place = mailroom.open(&"a".into(), 1);
    mailroom.tell(None, "a", Message::new("t", "123456789").unwrap()).unwrap(); // alone, it is taken
    assert_eq!(mailroom.tell(None, "a", on("t")).unwrap_err().kind(), ErrorKind::Unavailable);
    place.inbox().try_next().unwrap();
    (0..3).for_each(|_| mailroom.tell(None, "a", on("t")).unwrap());
    assert_eq!(mailroom.tell(None, "a", on("t")).unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn an_idle_instance_is_preferred_and_equal_ones_take_turns() {
    let mailroom = mailroom();
    let places: Vec<_> = (1..=3).map(|n| mailroom.open(&"a".into(), n)).collect();
    let _busy = (places[0].lend(), places[2].busy());
    mailroom.tell(None, "a", on("t")).unwrap();
    assert_eq!(topics(&mut places[1].inbox()).len(), 1, "the idle one gets it");
    let _busy = places[1].busy();
    (0..30).for_each(|_| mailroom.tell(None, "a", on("t")).unwrap());
    let waiting: Vec<_> = places.iter().map(|place| topics(&mut place.inbox()).len()).collect();
    assert_eq!(waiting, [10, 10, 10]);
    (0..3 * LIMITS.inbox_max).for_each(|_| mailroom.tell(None, "a", on("t")).unwrap());
    assert_eq!(mailroom.tell(None, "a", on("t")).unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn an_ask_gets_its_answer() {
    let (mailroom, (_bell, closing), mut agent) = (mailroom(), open(), Obeys::default());
    let place = mailroom.open(&"a".into(), 1);
    let ask = mailroom.ask(None, "a", on("answer").correlated("order-42"), SECOND);
    let (answer, ended) = tokio::join!(ask, turn(&mailroom, &place, &mut agent, &closing));
    let answer = answer.unwrap();
    assert_eq!(ended, Turn::Over);
    assert_eq!(answer.parse::<String>().unwrap(), "answer to node-1/a#1");
    assert_eq!((answer.from(), answer.to(), answer.is_answer()), (Some("a"), None, true));
    assert_eq!(answer.correlation().to_string(), "order-42");
    let ask = mailroom.ask(None, "a", on("none"), SECOND);
    let (answer, _) = tokio::join!(ask, turn(&mailroom, &place, &mut agent, &closing));
    answer.unwrap().parse::<()>().unwrap();
    assert_eq!(mailroom.counters().answered, 2);
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_hears_why_there_is_no_answer() {
    let (mailroom, (_bell, closing), mut agent) = (mailroom(), open(), Obeys::default());
    let place = mailroom.open(&"a".into(), 1);
    for (topic, ended, kind, words) in [
        ("fail", Turn::Over, ErrorKind::Failed, "the handler failed: printing: no paper"),
        ("panic", Turn::Panicked, ErrorKind::Failed, "the handler panicked: no hands"),
        ("other", Turn::Over, ErrorKind::Invalid, "the agent does not take such messages"),
    ] {
        let ask = mailroom.ask(None, "a", on(topic), SECOND);
        let (answer, turned) = tokio::join!(ask, turn(&mailroom, &place, &mut agent, &closing));
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), turned), (kind, ended), "{topic}");
        assert_eq!(format!("{error:#}"), format!("a#1 did not answer the ask {topic:?}: {words}"));
    }
    let counters = mailroom.counters();
    assert_eq!((counters.failed, counters.declined), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn an_ask_ends_with_its_time_and_says_whether_it_was_taken() {
    let (mailroom, (_bell, closing), mut agent) = (mailroom(), open(), Obeys::default());
    let place = mailroom.open(&"a".into(), 1);
    let error = mailroom.ask(None, "a", on("answer"), SECOND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(format!("{error:#}").contains("the time of 1s passed before the message was handled"), "{error:#}");
    turn(&mailroom, &place, &mut agent, &closing).await;
    assert!(agent.0.is_empty(), "an ask that nobody waits for is not handled");
    let hanging = turn(&mailroom, &place, &mut agent, &closing);
    let ask = mailroom.ask(None, "a", on("hang"), SECOND);
    let error = tokio::select! { biased; answer = ask => answer.unwrap_err(), _ = hanging => panic!("it hangs") };
    assert_eq!(error.kind(), ErrorKind::Unknown);
    assert!(format!("{error:#}").contains("taken, and no answer came in the time of 1s"), "{error:#}");
    assert_eq!(mailroom.counters().expired, 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_dropped_and_counted() {
    let mailroom = mailroom();
    let place = mailroom.open(&"a".into(), 1);
    let mut ask = Box::pin(mailroom.ask(None, "a", on("answer"), SECOND));
    assert!(ask.as_mut().now_or_never().is_none());
    let taken = place.inbox().try_next().unwrap();
    assert_eq!(ask.await.unwrap_err().kind(), ErrorKind::Unknown);
    taken.reply(&1).unwrap();
    let counters = mailroom.counters();
    assert_eq!((counters.late, counters.answered), (1, 0));
    // One that is dropped unanswered is told apart from one that takes long, and one that nobody waits for goes.
    let mut ask = Box::pin(mailroom.ask(None, "a", on("answer"), SECOND));
    assert!(ask.as_mut().now_or_never().is_none());
    drop(place.inbox().try_next().unwrap());
    let error = ask.now_or_never().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown);
    assert!(format!("{error:#}").contains("ended without an answer"), "{error:#}");
    let mut ask = Box::pin(mailroom.ask(None, "a", on("answer"), SECOND));
    assert!(ask.as_mut().now_or_never().is_none());
    drop(ask);
    assert!(place.is_idle() && mailroom.counters().expired == 1);
}

#[tokio::test(start_paused = true)]
async fn what_waits_outlives_a_panic() {
    let (mailroom, (_bell, closing), mut agent) = (mailroom(), open(), Obeys::default());
    let place = mailroom.open(&"a".into(), 1);
    for topic in ["none", "panic", "none", "none"] {
        mailroom.tell(None, "a", on(topic)).unwrap();
    }
    assert_eq!(turn(&mailroom, &place, &mut agent, &closing).await, Turn::Panicked);
    let mut next = Obeys::default();
    assert_eq!(turn(&mailroom, &place, &mut next, &closing).await, Turn::Over);
    assert_eq!(next.0, ["none", "none"]);
}

#[tokio::test(start_paused = true)]
async fn a_turn_is_bounded_and_ends_when_the_node_closes() {
    let (mailroom, (bell, closing), mut agent) = (mailroom(), open(), Obeys::default());
    let place = mailroom.open(&"a".into(), 1);
    (0..TURN_MAX + 2).for_each(|_| mailroom.tell(None, "a", on("none")).unwrap());
    assert_eq!(turn(&mailroom, &place, &mut agent, &closing).await, Turn::Over);
    assert_eq!(agent.0.len(), TURN_MAX);
    mailroom.tell(None, "a", on("hang")).unwrap();
    let ring = async { bell.ring(SECOND, SECOND) };
    let (ended, ()) = tokio::join!(turn(&mailroom, &place, &mut agent, &closing), ring);
    assert_eq!(ended, Turn::Closing);
    assert_eq!(agent.0.last().unwrap(), "hang", "what is at hand has until the handlers' time is over");
    assert_eq!(turn(&mailroom, &place, &mut agent, &closing).await, Turn::Closing);
    assert_eq!(agent.0.len(), TURN_MAX + 3, "nothing new is begun");
}

#[tokio::test(start_paused = true)]
async fn a_removed_instance_answers_everybody_at_once() {
    let mailroom = mailroom();
    let (one, two) = (mailroom.open(&"a".into(), 1), mailroom.open(&"a".into(), 2));
    let mut ask = Box::pin(mailroom.ask(None, "a#1", on("answer"), SECOND));
    assert!(ask.as_mut().now_or_never().is_none());
    mailroom.tell(None, "a#1", on("none")).unwrap();
    mailroom.close(&one);
    let error = ask.now_or_never().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(format!("{error:#}").contains("the inbox was closed before the message was handled"), "{error:#}");
    assert_eq!(mailroom.counters().lost, 1);
    assert_eq!(mailroom.tell(None, "a#1", on("none")).unwrap_err().kind(), ErrorKind::NotFound);
    mailroom.tell(None, "a", on("none")).unwrap();
    assert!(one.inbox().next().await.is_none());
    assert_eq!(topics(&mut two.inbox()).len(), 1);
    mailroom.close(&two);
    assert_eq!(mailroom.tell(None, "a", on("none")).unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_loan_ends_with_its_task() {
    let mailroom = mailroom();
    let place = mailroom.open(&"a".into(), 1);
    let loan = place.lend();
    let mut lent = loan.inbox();
    assert!(lent.next().now_or_never().is_none());
    mailroom.tell(None, "a", on("first")).unwrap();
    mailroom.tell(None, "a", on("second")).unwrap();
    assert_eq!(lent.next().await.unwrap().topic(), "first");
    let mut kept = lent.clone();
    assert_eq!(lent.next().await.unwrap().topic(), "second");
    let mut waits = Box::pin(lent.next());
    assert!(waits.as_mut().now_or_never().is_none());
    drop(loan);
    assert!(waits.now_or_never().unwrap().is_none(), "whoever waits is told");
    mailroom.tell(None, "a", on("third")).unwrap();
    assert!(kept.try_next().is_none() && kept.next().await.is_none());
    assert_eq!(topics(&mut place.inbox()), ["third"]);
}

#[tokio::test]
async fn a_broadcast_reaches_everybody_else_once() {
    let mailroom = mailroom();
    let places: Vec<_> = [("a", 1), ("a", 2), ("b", 1), ("c", 1)].map(|(id, n)| mailroom.open(&id.into(), n)).into();
    (0..LIMITS.inbox_max).for_each(|_| mailroom.tell(None, "c", on("t")).unwrap());
    let told = mailroom.broadcast(Some(&places[0].name), on("fire")).unwrap();
    assert_eq!((told.delivered, &*told.full), (2, &["c#1".into()][..]));
    for (place, expected) in places.iter().zip([0, 1, 1, 0]) {
        let fires = topics(&mut place.inbox()).iter().filter(|topic| *topic == "fire").count();
        assert_eq!(fires, expected, "{}", place.name.short);
    }
    assert_eq!(mailroom.broadcast(None, on("fire")).unwrap().delivered, 4);
}

#[tokio::test]
async fn a_subscription_sees_what_passes_its_filter() {
    let mailroom = mailroom();
    let (ann, bob) = (mailroom.open(&"ann".into(), 1), mailroom.open(&"bob".into(), 1));
    let filters = [
        Filter::all(),
        Filter::all().topic("stock.low"),
        Filter::all().topic_prefix("stock."),
        Filter::all().from("ann"),
        Filter::all().to("bob#1"),
        Filter::all().broadcasts(),
        Filter::all().from("ann").to("bob").topic("stock.low"),
    ];
    let seen = filters.map(|filter| mailroom.subscribe(filter));
    mailroom.tell(Some(&ann.name), "bob", on("stock.low")).unwrap();
    mailroom.tell(Some(&bob.name), "ann", on("stock.new")).unwrap();
    mailroom.broadcast(Some(&ann.name), on("fire")).unwrap();
    mailroom.tell(None, "nobody", on("stock.low")).unwrap_err();
    let mut ask = Box::pin(mailroom.ask(None, "bob", on("price"), SECOND));
    assert!(ask.as_mut().now_or_never().is_none());
    bob.inbox().try_next().unwrap();
    bob.inbox().try_next().unwrap();
    bob.inbox().try_next().unwrap().reply(&7).unwrap();
    ask.await.unwrap();
    mailroom.close_all();
    let mut topics = Vec::new();
    for stream in seen {
        let seen: Vec<Observed> = stream.collect().await;
        topics.push(
            seen.iter()
                .map(|seen| match seen {
                    Observed::Message(message) => message.topic().to_owned(),
                    Observed::Missed(_) => panic!("nothing is missed"),
                })
                .collect::<Vec<_>>()
                .join(" "),
        );
    }
    assert_eq!(
        topics,
        [
            "stock.low stock.new fire price price",
            "stock.low",
            "stock.low stock.new",
            "stock.low fire",
            "stock.low price",
            "fire",
            "stock.low",
        ]
    );
    assert_eq!(mailroom.subscribe(Filter::all()).count().await, 0, "one that comes too late ends");
}

#[tokio::test]
async fn a_slow_subscription_loses_the_oldest_and_is_told() {
    let mailroom = mailroom();
    let place = mailroom.open(&"a".into(), 1);
    let mut stream = mailroom.subscribe(Filter::all());
    for n in 0..LIMITS.inbox_max + 5 {
        mailroom.tell(None, "a", on(&format!("t{n}"))).unwrap();
        place.inbox().try_next().unwrap();
    }
    let first = stream.next().await.unwrap();
    assert!(matches!(first, Observed::Missed(5)), "{first:?}");
    let Some(Observed::Message(next)) = stream.next().await else { panic!("a message") };
    assert_eq!(next.topic(), "t5");
    drop(stream);
    assert!(mailroom.subscribe(Filter::all()).next().now_or_never().is_none());
    assert!(!mailroom.is_observed());
}
