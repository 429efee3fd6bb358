//! RabbitMQ and Redis, stopped, killed, wiped and flushed in the middle of runs.

use super::kit::*;
use super::number;
use callboard::prelude::*;
use callboard_chaos::servers::Alarm;

/// What is done to the servers. Whatever it is, they are whole when it has been done.
#[derive(Clone, Copy, Debug)]
enum Blow {
    RabbitStops,
    RabbitIsKilled,
    RabbitIsWiped,
    RabbitClosesConnections,
    RabbitIsShortOfMemory,
    RedisStops,
    RedisIsKilled,
    RedisIsFlushed,
    BothAreKilled,
    BothAreWiped,
}

/// Each of them, in this order, in each round.
const BLOWS: [Blow; 10] = [
    Blow::RabbitStops,
    Blow::RedisIsFlushed,
    Blow::RabbitIsKilled,
    Blow::RedisStops,
    Blow::RabbitIsWiped,
    Blow::RedisIsKilled,
    Blow::RabbitClosesConnections,
    Blow::BothAreKilled,
    Blow::RabbitIsShortOfMemory,
    Blow::BothAreWiped,
];

async fn strike(servers: &mut Servers, blow: Blow) {
    let (rabbitmq, redis) = (&mut servers.rabbitmq, &mut servers.redis);
    match blow {
        Blow::RabbitStops => {
            rabbitmq.stop().await;
            rabbitmq.start_again().await.unwrap();
        }
        Blow::RabbitIsKilled => {
            rabbitmq.kill();
            rabbitmq.start_again().await.unwrap();
        }
        Blow::RabbitIsWiped => rabbitmq.wipe().await.unwrap(),
        Blow::RabbitClosesConnections => rabbitmq.close_connections().await.unwrap(),
        Blow::RabbitIsShortOfMemory => {
            rabbitmq.raise(Alarm::Memory).await.unwrap();
            tokio::time::sleep(Duration::from_secs(3)).await; // the fault lasts so long
            rabbitmq.clear(Alarm::Memory).await.unwrap();
        }
        Blow::RedisStops => {
            redis.stop().await;
            redis.start_again().await.unwrap();
        }
        Blow::RedisIsKilled => {
            redis.kill();
            redis.start_again().await.unwrap();
        }
        Blow::RedisIsFlushed => redis.flush().await.unwrap(),
        Blow::BothAreKilled => {
            rabbitmq.kill();
            redis.kill();
            redis.start_again().await.unwrap();
            rabbitmq.start_again().await.unwrap();
        }
        Blow::BothAreWiped => {
            redis.flush().await.unwrap();
            rabbitmq.wipe().await.unwrap();
        }
    }
}

/// `TEST_NODE_ROUNDS` rounds of all of them (1 by default), each followed by a call that has to come through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_and_directories_that_are_stopped_killed_and_wiped_lose_nothing() {
    let rounds = number("TEST_NODE_ROUNDS", 1);
    let mut servers = servers().await;
    let town = Town::on(&servers).await;
    let nodes = [town.node(0).await, town.node(32).await, town.node(32).await];
    let client = town.client().await;
    settled(&client, 3).await;
    let (mut load, mut wrong) = (Load::begin(&client, 60 * rounds, 20, 10), Vec::new());
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        for blow in BLOWS {
            load.progress(3, &mut wrong).await;
            strike(&mut servers, blow).await;
            let took = traffic(&client).await;
            println!("{round}: {blow:?}: traffic after {took:?}");
            slowest = slowest.max(took);
        }
    }
    load.finish(&town, wrong).await;
    assert!(slowest < RETURN_MAX, "{slowest:?}");
    client.shutdown().await.unwrap();
    for node in nodes {
        node.stop().await;
    }
}
