//! Which addresses are out in the world.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is a public one, by the special-purpose registries of IANA (RFC 6890, as of 2024). What is not
/// known to be public is not.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    match address.octets() {
        [0 | 10 | 127 | 224..=255, ..] => false, // this network, private, loopback, multicast and reserved
        [100, 64..=127, ..] => false,            // shared by carriers
        [169, 254, ..] => false,                 // link-local: the metadata of clouds
        [172, 16..=31, ..] | [192, 168, ..] => false, // private
        [192, 0, 0 | 2, _] | [192, 88, 99, _] => false, // protocol assignments, documentation, relays
        [198, 18 | 19, ..] => false,             // benchmarks
        [198, 51, 100, _] | [203, 0, 113, _] => false, // documentation
        _ => true,
    }
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        [0, 0, 0, 0, 0, 0xffff, high, low] => embedded(high, low), // IPv4, mapped
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low), // IPv4 behind NAT64
        [0x2002, high, low, ..] => embedded(high, low),            // IPv4 by 6to4
        [0x2001, 0..=0x1ff, ..] => false,                          // protocol assignments, Teredo among them
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,    // documentation
        [0x2000..=0x3fff, ..] => true,
        _ => false, // loopback, local, link-local, multicast, and all that is not assigned
    }
}
