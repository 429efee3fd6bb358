//! Each server starts, answers, is killed, comes back with its data, and leaves nothing behind.

mod kit;
mod rabbitmq;
mod redis;
