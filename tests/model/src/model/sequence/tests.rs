use super::Sequence;

fn sequence(numbers: &[u8]) -> Sequence {
    let mut sequence = Sequence::default();
    numbers.iter().for_each(|number| sequence.push(*number));
    sequence
}

#[test]
fn holds_what_was_pushed() {
    let full = sequence(&[0, 30, 0, 7, 1, 2, 3, 4, 5, 6, 8, 9]);
    assert_eq!(full.iter().collect::<Vec<_>>(), [0, 30, 0, 7, 1, 2, 3, 4, 5, 6, 8, 9]);
    assert_eq!((full.len(), full.last()), (12, Some(9)));
    assert_eq!((Sequence::default().len(), Sequence::default().last()), (0, None));
}

#[test]
fn knows_prefixes_and_repetitions() {
    let long = sequence(&[0, 0, 5]);
    assert!(sequence(&[0, 0]).is_prefix_of(long) && long.is_prefix_of(long));
    assert!(!sequence(&[0]).is_prefix_of(Sequence::default()) && !sequence(&[5]).is_prefix_of(long));
    assert!(long.repeats() && !sequence(&[0, 5]).repeats());
    assert_eq!(long.first(2), sequence(&[0, 0]));
}
