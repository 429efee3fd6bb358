//! JSON Schemas: derived from types, and held against what a workflow says.

pub(crate) mod derived;

#[cfg(test)]
mod tests;
