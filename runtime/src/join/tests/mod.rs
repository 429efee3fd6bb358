//! Tests of joins, votes and combined answers: in words, and against naive oracles.

mod aggregate;
mod answer;
mod ballot;
mod tally;
