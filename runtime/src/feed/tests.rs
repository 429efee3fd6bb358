use super::FeedPosition;
use super::position::Spot;
use callboard_core::Millis;

#[test]
fn a_position_is_read_as_it_is_written() {
    let mut position = FeedPosition::default();
    assert_eq!(position.to_string(), "start");
    position.set(3, Spot { whole: 7, parts: 2, at: Millis(1_790_000_000_123) });
    position.set(0, Spot { whole: 12, parts: 0, at: Millis(-5) });
    position.set(1, Spot::default());
    assert_eq!(position.to_string(), "0-12--5_3-7.2-1790000000123");
    for text in ["start", "0-12--5_3-7.2-1790000000123", "0-1-0"] {
        let read: FeedPosition = text.parse().expect(text);
        assert_eq!(read.to_string(), text);
    }
    assert_eq!(position.to_string().parse::<FeedPosition>().expect("a position"), position);
    for wrong in ["", "now", "0", "0-1", "0-1-x", "0-1-0_0-2-0", "70000-1-0", "0-1.x-0", "0-1-0_", "12.3"] {
        let error = wrong.parse::<FeedPosition>().expect_err(wrong);
        assert!(error.message().starts_with("not a position among the events of all runs: "), "{error}");
    }
}
