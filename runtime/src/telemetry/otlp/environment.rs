//! What the standard variables `OTEL_*` say: where traces go, and which of them are recorded.
//!
//! What the exporter and its batches read themselves (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_EXPORTER_OTLP_TIMEOUT`,
//! `OTEL_BSP_*`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SPAN_*_LIMIT`) is left to it.

use crate::{Error, ErrorKind, Result};
use opentelemetry_sdk::trace::Sampler;

/// The environment, as far as it is asked.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where traces go.
#[derive(Clone, Debug)]
pub(crate) struct Where {
    /// The address; `None` leaves it to the exporter, which looks into the environment.
    pub(crate) endpoint: Option<String>,
    /// What is spoken there.
    pub(crate) transport: Transport,
    /// Which are recorded.
    pub(crate) sampler: Sampler,
    /// What the program is called, if nobody has said.
    pub(crate) service: Option<&'static str>,
}

/// What OTLP is carried by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Transport {
    Grpc,
    Http,
}

const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const RATIO: &str = "OTEL_TRACES_SAMPLER_ARG";

impl Where {
    /// What the environment says; `None` if traces go nowhere: no endpoint is set, or they are turned off.
    ///
    /// # Errors
    ///
    /// `Invalid` for what is asked for and can not be done.
    pub(crate) fn read(environment: Environment<'_>) -> Result<Option<Self>> {
        let said = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
        let is_off = said("OTEL_SDK_DISABLED").is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
        if is_off || !ENDPOINTS.iter().any(|name| said(name).is_some()) {
            return Ok(None);
        }
        match said("OTEL_TRACES_EXPORTER").as_deref().map(str::trim) {
            None | Some("otlp") => {}
            Some("none") => return Ok(None),
            Some(other) => return Err(refused("OTEL_TRACES_EXPORTER", other, "otlp or none")),
        }
        Self::of(None, transport(environment)?, environment).map(Some)
    }

    /// This address, which speaks HTTP if it has a path and gRPC if it has none; all else as the environment says.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub(crate) fn to(endpoint: String, environment: Environment<'_>) -> Result<Self> {
        let transport = if has_path(&endpoint) { Transport::Http } else { Transport::Grpc };
        Self::of(Some(endpoint), transport, environment)
    }

    fn of(endpoint: Option<String>, transport: Transport, environment: Environment<'_>) -> Result<Self> {
        Ok(Self { endpoint, transport, sampler: sampler(environment)?, service: service(environment) })
    }

    /// So many of all traces whose beginning is ours.
    ///
    /// # Errors
    ///
    /// `Invalid` for a ratio that is none.
    pub(crate) fn ratio(self, ratio: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&ratio) {
            return Err(Error::new(ErrorKind::Invalid, format!("a ratio of traces is 0 to 1, not {ratio}")));
        }
        Ok(Self { sampler: based(Sampler::TraceIdRatioBased(ratio)), ..self })
    }
}

/// Our name, if the program has none.
fn service(environment: Environment<'_>) -> Option<&'static str> {
    let is_named = environment("OTEL_SERVICE_NAME").is_some_and(|name| !name.is_empty())
        || environment("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|all| all.contains("service.name="));
    (!is_named).then_some("callboard")
}

fn has_path(address: &str) -> bool {
    let (_, behind) = address.split_once("://").unwrap_or(("", address));
    behind.split_once('/').is_some_and(|(_, path)| !path.is_empty())
}

/// What is said of traces goes before what is said of everything.
fn transport(environment: Environment<'_>) -> Result<Transport> {
    let said = PROTOCOLS.iter().find_map(|name| {
        let value = environment(name).filter(|value| !value.trim().is_empty())?;
        Some((name, value))
    });
    let Some((name, value)) = said else { return Ok(Transport::Grpc) };
    match value.trim() {
        "grpc" => Ok(Transport::Grpc),
        "http/protobuf" => Ok(Transport::Http),
        other => Err(refused(name, other, "grpc, on port 4317 as a rule, or http/protobuf, on 4318")),
    }
}

fn sampler(environment: Environment<'_>) -> Result<Sampler> {
    let Some(name) = environment(SAMPLER).filter(|name| !name.trim().is_empty()) else {
        return Ok(based(Sampler::AlwaysOn));
    };
    let ratio = || ratio(environment(RATIO).as_deref());
    match name.trim() {
        "always_on" => Ok(Sampler::AlwaysOn),
        "always_off" => Ok(Sampler::AlwaysOff),
        "traceidratio" => ratio(),
        "parentbased_always_on" => Ok(based(Sampler::AlwaysOn)),
        "parentbased_always_off" => Ok(based(Sampler::AlwaysOff)),
        "parentbased_traceidratio" => Ok(based(ratio()?)),
        other => {
            let wants = "always_on, always_off, traceidratio, or one of them with parentbased_ before it";
            Err(refused(SAMPLER, other, wants))
        }
    }
}

/// Of each trace as its beginning was decided; of what has none, as `root` says.
fn based(root: Sampler) -> Sampler {
    Sampler::ParentBased(Box::new(root))
}

/// So many of all traces; all of them, if nothing is said.
fn ratio(said: Option<&str>) -> Result<Sampler> {
    let Some(said) = said.filter(|said| !said.trim().is_empty()) else { return Ok(Sampler::TraceIdRatioBased(1.0)) };
    let ratio = said.trim().parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.map(Sampler::TraceIdRatioBased).ok_or_else(|| refused(RATIO, said, "a number from 0 to 1"))
}

fn refused(name: &str, seen: &str, wants: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("{name} is {seen:?}, and has to be {wants}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(said: &[(&str, &str)]) -> Result<Option<Where>> {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
        let said: Vec<_> = said.iter().copied().chain([endpoint]).collect();
        Where::read(&|name| said.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn what_is_said_of_traces_goes_before_what_is_said_of_everything() {
        let (all, traces) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL");
        let spoken = |said: &[(&str, &str)]| read(said).map(|to| to.expect("an endpoint is set").transport);
        assert_eq!(spoken(&[]).unwrap(), Transport::Grpc);
        assert_eq!(spoken(&[(all, "http/protobuf")]).unwrap(), Transport::Http);
        assert_eq!(spoken(&[(all, "http/protobuf"), (traces, "grpc")]).unwrap(), Transport::Grpc);
        assert_eq!(spoken(&[(all, "grpc"), (traces, " http/protobuf ")]).unwrap(), Transport::Http);
        assert_eq!(spoken(&[(all, "http/protobuf"), (traces, " ")]).unwrap(), Transport::Http);
        let refused = spoken(&[(traces, "http/json")]).unwrap_err();
        assert!(refused.message().contains("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is \"http/json\""), "{refused}");
    }

    #[test]
    fn an_address_of_a_program_speaks_http_if_it_has_a_path() {
        for (address, transport) in [
            ("http://127.0.0.1:4317", Transport::Grpc),
            ("http://127.0.0.1:4317/", Transport::Grpc),
            ("https://traces.example/v1/traces", Transport::Http),
        ] {
            assert_eq!(Where::to(address.to_owned(), &|_| None).unwrap().transport, transport, "{address}");
        }
    }
}
