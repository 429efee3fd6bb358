//! The command as its user sees it: the built program, its words and its exit codes.
mod api;
mod budget;
mod chaos;
mod complete;
mod config;
mod faults;
mod history;
mod journal;
mod life;
mod newcomer;
mod node;
#[path = "../../../tests/tests/telemetry/receiver.rs"]
mod receiver;
mod resilience;
mod screens;
mod state;
mod submit;
mod telemetry;
mod tokens;
mod work;
