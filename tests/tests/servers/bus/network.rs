//! The network between a bus and its broker is cut, in every way.

use super::kit::{connect, limit, message, options, prefetch, queue, receive, shared, soon, there_and_back, until};
use callboard::port::bus::rabbitmq::RabbitMqOptions;
use callboard::port::bus::{Bus, Error};
use callboard_chaos::proxy::{Flow, Proxy, Way};
use futures::future::TryJoinAll;
use std::time::Duration;
use tokio::time::Instant;

/// What becomes of what goes between a bus and its broker.
#[derive(Clone, Copy, Debug)]
enum Network {
    /// What goes to the broker vanishes, and nobody is told.
    DeafBroker,
    /// What comes from the broker vanishes, and nobody is told.
    DeafClient,
    /// Nothing arrives, and nobody is told; no new connection answers either.
    Silent,
    /// Every connection is closed, and no new one is taken.
    Cut,
}

impl Network {
    async fn spoils(self, proxy: &mut Proxy) {
        match self {
            Self::DeafBroker => proxy.set(Way::ToServer, Flow::Swallow),
            Self::DeafClient => proxy.set(Way::ToClient, Flow::Swallow),
            Self::Silent => proxy.set_both(Flow::Swallow),
            Self::Cut => {
                proxy.refuse().await;
                proxy.cut();
            }
        }
    }

    async fn is_whole_again(self, proxy: &mut Proxy) {
        match self {
            Self::DeafBroker | Self::DeafClient | Self::Silent => proxy.set_both(Flow::Pass),
            Self::Cut => proxy.accept().await,
        }
    }
}

/// What happens while the network is like this, and after it is whole again.
async fn is_survived(network: Network) {
    let broker = shared();
    let mut proxy = Proxy::start(broker.port).await.expect("it listens");
    let answer = Duration::from_secs(2);
    let quick = RabbitMqOptions { answer, connect: answer, ..options(format!("amqp://127.0.0.1:{}", proxy.port())) };
    let bus = connect(quick).await;
    let (own, work) = (queue("node.a"), queue("work"));
    soon(bus.declare(&work, limit(10))).await.expect("declared");
    soon(bus.publish(&work, message("held"))).await.expect("published");
    let mut sharing = soon(bus.consume(&work, prefetch(1))).await.expect("consuming");
    let held = soon(sharing.next()).await.expect("delivered");
    let mut alone = soon(bus.consume_own(&own, limit(10), prefetch(1))).await.expect("made");
    let mut heard = soon(bus.subscribe()).await.expect("subscribed");
    there_and_back(&bus, &mut alone, &own, "before").await;

    network.spoils(&mut proxy).await;
    let begun = Instant::now();
    let answered = soon(bus.publish(&own, message("lost"))).await;
    assert!(matches!(answered, Err(Error::Unclear { .. } | Error::Refused { .. })), "{answered:?}");
    assert!(begun.elapsed() < answer + Duration::from_secs(2), "an answer after {:?}", begun.elapsed());
    assert!(soon(alone.next()).await.is_none(), "a deaf consumer ends");
    assert!(soon(sharing.next()).await.is_none(), "a deaf consumer ends");
    assert!(soon(heard.next()).await.is_none(), "a deaf subscription ends");
    println!("{network:?}: known after {:?}", begun.elapsed());
    assert!(matches!(soon(held.ack()).await, Err(Error::Closed { .. })));

    network.is_whole_again(&mut proxy).await;
    let begun = Instant::now();
    let own = queue("node.a2");
    let mut alone = until(async || bus.consume_own(&own, limit(10), prefetch(1)).await).await;
    until(async || bus.publish(&own, message("after")).await).await;
    receive(&mut alone, "after").await;
    println!("{network:?}: traffic {:?} after it is whole", begun.elapsed());
    let mut sharing = until(async || bus.consume(&work, prefetch(1)).await).await;
    receive(&mut sharing, "held").await;
}

/// Two ways to one broker, in the place of two brokers of a cluster, and one that is never there.
#[tokio::test(flavor = "multi_thread")]
async fn when_one_broker_is_lost_the_next_is_connected_to() {
    let broker = shared();
    let mut ways =
        [(); 2].map(|()| Proxy::start(broker.port)).into_iter().collect::<TryJoinAll<_>>().await.expect("they listen");
    let url = format!("amqp://127.0.0.1:1,127.0.0.1:{},127.0.0.1:{}", ways[0].port(), ways[1].port());
    let bus = connect(options(url)).await;
    for (turn, lost) in [0, 1, 0, 1].into_iter().enumerate() {
        Network::Cut.spoils(&mut ways[lost]).await;
        let (own, id) = (queue(&format!("node.{turn}")), format!("over the other, {turn}"));
        let mut alone = until(async || bus.consume_own(&own, limit(10), prefetch(1)).await).await;
        until(async || bus.publish(&own, message(&id)).await).await;
        receive(&mut alone, &id).await;
        Network::Cut.is_whole_again(&mut ways[lost]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_are_made_again() {
    is_survived(Network::Cut).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_loses_what_goes_to_the_broker_is_noticed() {
    is_survived(Network::DeafBroker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_loses_what_comes_from_the_broker_is_noticed() {
    is_survived(Network::DeafClient).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_is_silent_is_noticed() {
    is_survived(Network::Silent).await;
}
