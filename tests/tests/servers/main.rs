//! What needs real servers: RabbitMQ, Redis and radosgw. A missing server is a failure; `make services` starts them.

mod alerts;
mod bus;
mod directory;
mod promtool;
mod store;
