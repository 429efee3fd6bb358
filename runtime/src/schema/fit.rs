//! Whether what is known of an input fits a schema.

use super::place::{Input, Place};
use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};

/// What does not fit, in words with its place; `told_max` faults at most.
pub(super) fn faults(validator: &Validator, input: &Input, told_max: usize) -> Vec<String> {
    let errors = validator.iter_errors(&input.value).filter(|error| is_certain(error, input));
    errors.take(told_max).map(|error| tell(&error)).collect()
}

/// Whether an error stands whatever the outputs will be that the input waits for.
fn is_certain(error: &ValidationError<'_>, input: &Input) -> bool {
    use ValidationErrorKind as Kind;
    let place = error.instance_path().as_str();
    if input.is_open(place) {
        return false;
    }
    // Which of the two applies may hang on a value that is not known yet.
    let conditional = ["/then", "/else"].iter().any(|key| error.evaluation_path().as_str().contains(key));
    if conditional && input.has_open("") {
        return false;
    }
    match error.kind() {
        // No branch fits: certain if that is certain of each.
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            !input.has_open(place) || context.iter().all(|branch| branch.iter().any(|error| is_certain(error, input)))
        }
        // These speak of the value as it is.
        Kind::Type { .. }
        | Kind::Required { .. }
        | Kind::AdditionalProperties { .. }
        | Kind::AdditionalItems { .. }
        | Kind::MinItems { .. }
        | Kind::MaxItems { .. }
        | Kind::MinProperties { .. }
        | Kind::MaxProperties { .. }
        | Kind::PropertyNames { .. }
        | Kind::FalseSchema => true,
        // All others of what stands below it, too.
        _ => !input.has_open(place),
    }
}

fn tell(error: &ValidationError<'_>) -> String {
    let place = Place(error.instance_path().as_str().to_owned());
    // A person wants the reason, not the value again, which may be large.
    let said: String = error.masked().to_string().chars().take(300).collect();
    format!("{}: {said}", place.shown())
}
