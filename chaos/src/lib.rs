//! Real servers as processes of one's own, and what can be done to them.

pub mod proxy;
pub mod servers;
pub mod store_proxy;
