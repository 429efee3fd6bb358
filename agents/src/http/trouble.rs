//! What goes wrong between here and a server, as an error of the runtime.

use super::clients::PrivateAddress;
use callboard::Error;
use reqwest::Url;
use std::error::Error as StdError;
use std::iter::successors;

/// The origin of a URL: its path and query may hold secrets.
pub(super) fn shown(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The error of a request that got no answer.
pub(super) fn sending(url: &Url, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let mut causes = successors(Some(&error as &(dyn StdError + 'static)), |error| (**error).source());
    if let Some(refused) = causes.find_map(|cause| cause.downcast_ref::<PrivateAddress>()) {
        return Error::terminal(refused);
    }
    if error.is_builder() {
        return Error::terminal(format!("the request to {} cannot be made: {error}", shown(url)));
    }
    let is_timeout = error.is_timeout();
    let error = Error::from(error).context(format!("{} did not answer", shown(url)));
    if is_timeout { error.causes().fold(Error::timeout(&error), Error::because) } else { error }
}
