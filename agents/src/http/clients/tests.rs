use super::*;

#[test]
fn of_what_a_name_resolves_to_only_public_addresses_are_left() {
    let found = ["10.0.0.1:0", "93.184.215.14:0", "[::1]:0"].map(|address| address.parse().unwrap()).to_vec();
    assert_eq!(reachable(Reach::Public, "x", found.clone()).unwrap(), [found[1]]);
    assert!(reachable(Reach::Public, "x", vec![found[0]]).is_err());
    assert_eq!(reachable(Reach::Everything, "x", found.clone()).unwrap(), found);
}
