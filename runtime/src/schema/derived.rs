//! The schemas that types bring along.

use callboard_core::Json;
use schemars::{JsonSchema, SchemaGenerator};
use std::marker::PhantomData;

/// The schema of a type. What it refers to stands in its own `$defs`.
pub fn schema_of<T: JsonSchema>() -> Json {
    schema_by::<T>(SchemaGenerator::default())
}

/// The schema of a type as this generator makes it.
pub(crate) fn schema_by<T: JsonSchema>(generator: SchemaGenerator) -> Json {
    let schema = generator.into_root_schema_for::<T>();
    Json::of(schema.as_value()).expect("a schema is a JSON value, and that has a JSON form")
}

/// Asks for the schema of a type that may have none. Of the two traits a method call on a reference finds
/// [`SomeSchema`] first, if it applies.
#[derive(Debug)]
pub struct SchemaOf<T>(PhantomData<fn() -> T>);

impl<T> SchemaOf<T> {
    /// The question.
    #[expect(clippy::new_without_default, reason = "only generated code makes one")]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

/// The answer for a type with a schema.
pub trait SomeSchema {
    /// The schema.
    fn schema(&self) -> Option<Json>;
}

impl<T: JsonSchema> SomeSchema for SchemaOf<T> {
    fn schema(&self) -> Option<Json> {
        Some(schema_of::<T>())
    }
}

/// The answer for every type.
pub trait NoSchema {
    /// None.
    fn schema(&self) -> Option<Json>;
}

impl<T> NoSchema for &SchemaOf<T> {
    fn schema(&self) -> Option<Json> {
        None
    }
}
