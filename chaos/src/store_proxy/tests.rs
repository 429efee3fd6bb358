use super::*;
use std::collections::BTreeSet;

/// A store that takes each name once, and what it holds.
struct Names {
    address: SocketAddr,
    taken: Arc<Mutex<BTreeSet<String>>>,
    _serving: JoinSet<()>,
}

async fn names() -> Names {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (address, taken) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(BTreeSet::new())));
    let (mut serving, of_all) = (JoinSet::new(), taken.clone());
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let taken = of_all.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let (name, mut taken) = (request.uri().path().to_owned(), taken.lock().unwrap());
                let is_good = match *request.method() {
                    Method::PUT => taken.insert(name),
                    Method::DELETE => taken.remove(&name),
                    _ => true,
                };
                let mut response = Response::new(Full::new(Bytes::new()));
                *response.status_mut() = if is_good { StatusCode::OK } else { StatusCode::PRECONDITION_FAILED };
                std::future::ready(Ok::<_, io::Error>(response))
            });
            let serve = hyper::server::conn::http1::Builder::new();
            connections.spawn(async move { drop(serve.serve_connection(TokioIo::new(stream), service).await) });
        }
    });
    Names { address, taken, _serving: serving }
}

/// The answers to creates of the names `from` to `to`, and which of them took effect.
async fn create(proxy: &StoreProxy, names: &Names, count: u64) -> Vec<(u16, bool)> {
    let mut answers = Vec::new();
    for n in 0..count {
        let name = format!("/object-{n}");
        let status = send(proxy, Method::PUT, &name, true).await;
        answers.push((status, names.taken.lock().unwrap().contains(&name)));
    }
    answers
}

async fn send(proxy: &StoreProxy, method: Method, path: &str, has_condition: bool) -> u16 {
    let mut line = connect(proxy.address).await.unwrap();
    let mut request = Request::builder().method(method).uri(path).header("host", "store");
    if has_condition {
        request = request.header(IF_NONE_MATCH, "*");
    }
    let answer = line.sender.send_request(request.body(Full::new(Bytes::from_static(b"body"))).unwrap()).await;
    answer.unwrap().status().as_u16()
}

async fn set_up(sickness: Sickness) -> (Names, StoreProxy) {
    let names = names().await;
    let proxy = StoreProxy::start(names.address).await.unwrap();
    proxy.set(sickness);
    (names, proxy)
}

#[tokio::test]
async fn of_some_creates_it_is_drawn_whether_they_take_effect_before_they_fail() {
    for status in [409, 500, 503] {
        let (names, proxy) = set_up(Sickness::Errs { status, one_in: 2, seed: 1 }).await;
        let answers = create(&proxy, &names, 24).await;
        assert!(answers.iter().step_by(2).all(|answer| *answer == (200, true)), "{status}: {answers:?}");
        let failed: BTreeSet<_> = answers.iter().skip(1).step_by(2).collect();
        assert_eq!(failed, BTreeSet::from([&(status, false), &(status, true)]), "{answers:?}");
        assert_eq!(proxy.traffic().spoiled, 12);
        let (names, again) = set_up(Sickness::Errs { status, one_in: 2, seed: 1 }).await;
        assert_eq!(create(&again, &names, 24).await, answers, "the same seed draws the same");
    }
}

#[tokio::test]
async fn who_is_told_that_a_name_is_taken_may_have_taken_it() {
    let (names, proxy) = set_up(Sickness::Errs { status: 412, one_in: 3, seed: 1 }).await;
    let answers = create(&proxy, &names, 9).await;
    assert_eq!(answers.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [200, 200, 412].repeat(3));
    assert!(answers.iter().all(|(_, took_effect)| *took_effect));
}

#[tokio::test]
async fn conflicts_are_of_creates_and_other_failures_of_all_requests() {
    for (status, expected) in [(409, 200), (412, 200), (500, 500), (503, 503)] {
        let (_names, proxy) = set_up(Sickness::Errs { status, one_in: 1, seed: 1 }).await;
        assert_eq!(send(&proxy, Method::GET, "/object", false).await, expected, "{status}");
    }
}

#[tokio::test]
async fn a_full_store_takes_no_object_and_gives_and_deletes_all() {
    for status in [403, 507] {
        let (names, proxy) = set_up(Sickness::None).await;
        assert_eq!(create(&proxy, &names, 1).await, [(200, true)]);
        proxy.set(Sickness::Full(status));
        assert_eq!(send(&proxy, Method::PUT, "/other", true).await, status);
        assert_eq!(send(&proxy, Method::POST, "/other?uploads", false).await, status);
        assert!(!names.taken.lock().unwrap().contains("/other"));
        assert_eq!(send(&proxy, Method::GET, "/object-0", false).await, 200);
        assert_eq!(send(&proxy, Method::POST, "/?delete", false).await, 200);
        assert_eq!(send(&proxy, Method::DELETE, "/object-0", false).await, 200);
        assert!(names.taken.lock().unwrap().is_empty());
    }
}
