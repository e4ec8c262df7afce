//! The trace that a job belongs to, as its producer's telemetry wrote it into the job. Pure.
//!
//! BullMQ keeps an OpenTelemetry carrier, a JSON object with the W3C `traceparent`
//! (<https://www.w3.org/TR/trace-context/#traceparent-header>), in `opts.tm`.

/// A producer's `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceContext<'a> {
    /// 32 hexadecimal digits.
    pub(crate) trace: &'a str,
    /// The producer's span: 16 hexadecimal digits.
    pub(crate) span: &'a str,
}

/// The context in a job's telemetry; none when it holds none that is valid.
pub(crate) fn parse(traceparent: &str) -> Option<TraceContext<'_>> {
    let mut parts = traceparent.split('-');
    let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, digits: usize| {
        text.len() == digits
            && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            && text.bytes().any(|b| b != b'0')
    };
    let known = version.len() == 2 && version != "ff";
    (known && hex(trace, 32) && hex(span, 16)).then_some(TraceContext { trace, span })
}

/// The `traceparent` of a carrier.
pub(crate) fn traceparent(telemetry: &str) -> Option<String> {
    let carrier: serde_json::Value = serde_json::from_str(telemetry).ok()?;
    carrier.get("traceparent")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn only_a_valid_context_is_taken() {
        let context = Some(TraceContext { trace: TRACE, span: SPAN });
        let zeros = "0".repeat(32);
        for (text, expected) in [
            (format!("00-{TRACE}-{SPAN}-01"), context),
            (format!("01-{TRACE}-{SPAN}-01-more"), context),
            (format!("ff-{TRACE}-{SPAN}-01"), None),
            (format!("00-{zeros}-{SPAN}-01"), None),
            (format!("00-{}-{SPAN}-01", TRACE.to_uppercase()), None),
            (format!("00-{TRACE}"), None),
            (String::new(), None),
        ] {
            assert_eq!(parse(&text), expected, "{text}");
        }
    }

    #[test]
    fn a_carrier_holds_it_beside_others() {
        let carrier = format!(r#"{{"tracestate":"x=y","traceparent":"00-{TRACE}-{SPAN}-00"}}"#);
        assert_eq!(traceparent(&carrier), Some(format!("00-{TRACE}-{SPAN}-00")));
        assert_eq!(traceparent("{}"), None);
        assert_eq!(traceparent("no JSON"), None);
    }
}
