//! Documents of several nodes.

use super::kit::*;
use futures::future::join_all;

/// Each node reads what the other has just written, and what both write at the same time is all there.
#[tokio::test(start_paused = true)]
async fn a_document_is_the_same_on_all_nodes_and_loses_no_update_of_any() {
    let town = Town::of(4);
    let (one, two) = (Mortal::of(&town, |builder| builder).await, Mortal::of(&town, |builder| builder).await);
    let documents = [one.state::<u64>("count"), two.state::<u64>("count")];
    for n in 1..=10 {
        let [writer, reader] = if n % 2 == 0 { [0, 1] } else { [1, 0] }.map(|at: usize| &documents[at]);
        assert_eq!(writer.update(|count| *count += 1).await.unwrap().number, n);
        assert_eq!(reader.load().await.unwrap().unwrap().value, n);
    }
    let adding = documents.iter().cycle().take(20).map(|document| async move {
        for _ in 0..10 {
            document.update(|count| *count += 1).await.unwrap();
        }
    });
    join_all(adding).await;
    let counted = documents[0].load().await.unwrap().unwrap();
    assert_eq!(counted.value, 210);
    assert!(counted.number < 210, "updates of one node share a version: {}", counted.number);
    for board in [one, two] {
        board.board.shutdown().await.unwrap();
    }
}
