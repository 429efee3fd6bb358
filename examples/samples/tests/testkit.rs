use callboard::test::TestRuntime;
use samples::*;
#[tokio::test(start_paused = true)] // six durable hours cost no wall time
async fn ships_once_despite_a_crash() {
    let rt = TestRuntime::new()
        .agent(Releaser::default)
        .stub(|b: Build| Ok(format!("img:{}", b.rev))) // replace a capability by a closure
        .stub(|_: RunSuite| Ok(true))
        .crash_after("call:vcs.build") // die right after this journal entry, once
        .start()
        .await;
    let task = rt.submit(Ship { rev: "r7".into() }).await.unwrap();
    task.approve().await.unwrap();
    assert_eq!(task.await.unwrap(), "v1.7");
    assert_eq!(rt.losses::<Ship>(), 1); // the crash spent no retry
    assert_eq!((rt.attempts::<Ship>(), rt.step_runs("tag"), rt.attempts::<Build>()), (1, 1, 1));
    assert!(!rt.call(Ship { rev: "oops".into() }).await.unwrap_err().is_retryable());
}
