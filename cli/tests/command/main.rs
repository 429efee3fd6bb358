//! The command as its user sees it: the built program, its words and its exit codes.
mod api;
mod budget;
mod complete;
mod config;
mod faults;
mod history;
mod journal;
mod life;
mod newcomer;
mod node;
mod resilience;
mod screens;
mod state;
mod submit;
mod work;
