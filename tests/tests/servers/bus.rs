//! The bus on RabbitMQ: its contract on a real broker, and what it makes of all that a broker and a network do.

mod alarm;
mod contract;
mod ends;
mod kit;
mod load;
mod network;
mod restart;
mod strangers;
mod words;
