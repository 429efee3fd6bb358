use crate::kit;
use callboard_chaos::servers::{Alarm, Certificate, Error, RabbitMq, RabbitMqOptions};
use std::time::Duration;

const DECLARE: &str = r#"element(1, rabbit_amqqueue:declare(rabbit_misc:r(<<"/">>, queue, <<"kept">>), true, false, [], none, <<"test">>))"#;
const QUEUES: &str = "[element(4, amqqueue:get_name(Q)) || Q <- rabbit_amqqueue:list()]";

#[tokio::test]
async fn rabbitmq_comes_back_with_its_data() {
    let folder = kit::folder();
    let mut rabbit = RabbitMq::start(folder.path()).await.unwrap();
    let (port, url) = (rabbit.port(), rabbit.url());
    assert_eq!(url, format!("amqp://guest:guest@127.0.0.1:{port}"));
    assert_eq!(rabbit.evaluate(DECLARE).await.unwrap(), "new");
    // A queue is durable soon after it was declared; a kill may be faster.
    assert_eq!(rabbit.evaluate("mnesia:sync_log()").await.unwrap(), "ok");
    rabbit.kill();
    kit::nothing_is_left(folder.path()).await;
    assert!(matches!(rabbit.evaluate(QUEUES).await, Err(Error::Stopped { .. })));

    rabbit.start_again().await.unwrap();
    assert_eq!((rabbit.port(), rabbit.url()), (port, url));
    assert_eq!(rabbit.evaluate(QUEUES).await.unwrap(), r#"[<<"kept">>]"#);
    rabbit.wipe().await.unwrap();
    assert_eq!(rabbit.evaluate(QUEUES).await.unwrap(), "[]");

    let alarms = "rabbit_alarm:get_alarms()";
    for alarm in [Alarm::Memory, Alarm::Disk] {
        rabbit.raise(alarm).await.unwrap();
        assert!(rabbit.evaluate(alarms).await.unwrap().contains("resource_limit"), "{alarm:?}");
        rabbit.clear(alarm).await.unwrap();
        assert_eq!(rabbit.evaluate(alarms).await.unwrap(), "[]", "{alarm:?}");
    }
    rabbit.close_connections().await.unwrap();
    rabbit.stop().await;
    kit::nothing_is_left(folder.path()).await;
}

#[tokio::test]
async fn two_with_options_do_not_collide() {
    let (here, there) = (kit::folder(), kit::folder());
    let certificate = Certificate::make(&here.path().join("tls")).await.unwrap();
    let place = here.path().join("rabbit");
    let options = RabbitMqOptions {
        user: "u@x".into(),
        vhost: "a/b".into(),
        consumer_timeout: Some(Duration::from_secs(7)),
        tick: Some(Duration::from_secs(1)),
        certificate: Some(certificate),
        ..RabbitMqOptions::default()
    };
    let (one, two) = tokio::join!(RabbitMq::start_with(&place, options), RabbitMq::start(there.path()));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.port(), two.port());
    assert_eq!(one.url(), format!("amqp://u%40x:guest@127.0.0.1:{}/a%2Fb", one.port()));
    assert!(one.tls_url().unwrap().starts_with("amqps://u%40x:guest@localhost:"));
    let set =
        "list_to_tuple([element(2, application:get_env(rabbit, K)) || K <- [consumer_timeout, channel_tick_interval]])";
    assert_eq!(one.evaluate(set).await.unwrap(), "{7000,1000}");
    assert_eq!(two.evaluate(set).await.unwrap(), "{1800000,60000}");
    one.wipe().await.unwrap();
    two.pause();
    assert!(tokio::time::timeout(Duration::from_millis(200), two.evaluate("ok")).await.is_err());
    two.resume();
    assert_eq!(two.evaluate("ok").await.unwrap(), "ok");
    drop((one, two));
    kit::nothing_is_left(here.path()).await;
    kit::nothing_is_left(there.path()).await;
}
