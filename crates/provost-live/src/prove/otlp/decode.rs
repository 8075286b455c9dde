//! Messages of OTLP (opentelemetry-proto 1.3: `trace/v1/trace.proto`, `collector/*/v1`), by protobuf and
//! by JSON. Fields that are not looked at are skipped, whatever they are. Names are whole: whoever shows
//! them looks for what is secret first, and cuts them then.

use goformats::protobuf::{Fields, Malformed, Value};
use provost_check::facts::proof::telemetry::{Kind, Span};
use provost_check::model::semconv::NAMESPACES;
use serde_json::Value as Json;

/// Spans of one message that are kept.
const MOST_SPANS: usize = 20_000;
/// Names of services that are kept.
const MOST_NAMES: usize = 16;

/// What a message says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Spans, metrics or log records.
    pub items: u64,
    /// Of the spans those that are kept; the times of arrival are not known here.
    pub spans: Vec<Span>,
    /// Values of `service.name`, each once.
    pub services: Vec<String>,
}

impl Message {
    fn serve(&mut self, name: &str) {
        if self.services.len() < MOST_NAMES && !self.services.iter().any(|known| known == name) {
            self.services.push(name.to_owned());
        }
    }

    fn add(&mut self, span: Span) {
        self.items += 1;
        if self.spans.len() < MOST_SPANS {
            self.spans.push(span);
        }
    }
}

fn empty() -> Span {
    Span {
        at_us: 0,
        trace: String::new(),
        id: String::new(),
        parent: String::new(),
        name: String::new(),
        kind: 0,
        status: 0,
        http_status: None,
        attributes: Some(Vec::new()),
    }
}

/// Names of attributes of a span that are kept, and letters of each.
const MOST_ATTRIBUTES: usize = 48;
const MOST_NAME: usize = 60;

/// Keeps the name of an attribute by which it is told what a span is of.
fn note(span: &mut Span, key: &str) {
    let names = span.attributes.get_or_insert_default();
    let is_told = NAMESPACES.iter().any(|start| key.starts_with(start));
    if is_told && names.len() < MOST_ATTRIBUTES && key.len() <= MOST_NAME {
        names.push(key.to_owned());
    }
}

/// An export request as protobuf. All three kinds have the same outline: what belongs to a resource (1),
/// which has the resource (1) and what belongs to a scope (2), which has the items (2).
///
/// # Errors
/// When it is none.
pub fn protobuf(kind: Kind, bytes: &[u8]) -> Result<Message, Malformed> {
    let mut message = Message::default();
    for field in Fields::of(bytes) {
        let (1, of_resource) = field? else { continue };
        for field in Fields::of(of_resource.bytes()?) {
            match field? {
                (1, resource) => {
                    for field in Fields::of(resource.bytes()?) {
                        let (1, attribute) = field? else { continue };
                        let (key, value) = attribute_of(attribute.bytes()?)?;
                        if let (b"service.name", Some(Value::Bytes(name))) = (key, value) {
                            message.serve(&String::from_utf8_lossy(name));
                        }
                    }
                }
                (2, of_scope) => {
                    for field in Fields::of(of_scope.bytes()?) {
                        match (field?, kind) {
                            ((2, span), Kind::Traces) => message.add(span_of(span.bytes()?)?),
                            ((2, item), _) => {
                                item.bytes()?;
                                message.items += 1;
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
    }
    Ok(message)
}

fn span_of(bytes: &[u8]) -> Result<Span, Malformed> {
    let mut span = empty();
    for field in Fields::of(bytes) {
        match field? {
            (1, id) => span.trace = hex(id.bytes()?, 16),
            (2, id) => span.id = hex(id.bytes()?, 8),
            (4, id) => span.parent = hex(id.bytes()?, 8),
            (5, name) => span.name = String::from_utf8_lossy(name.bytes()?).into_owned(),
            (6, kind) => span.kind = u32::try_from(kind.number()?).unwrap_or(0),
            (9, attribute) => {
                let (key, value) = attribute_of(attribute.bytes()?)?;
                let key = String::from_utf8_lossy(key);
                note(&mut span, &key);
                if is_status(&key)
                    && let Some(Value::Varint(status)) = value
                {
                    span.http_status = u16::try_from(status).ok();
                }
            }
            (15, status) => {
                for field in Fields::of(status.bytes()?) {
                    if let (3, code) = field? {
                        span.status = u32::try_from(code.number()?).unwrap_or(0);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(span)
}

/// `KeyValue` with an `AnyValue`: a text (1), a number (3); others are not looked into.
fn attribute_of(bytes: &[u8]) -> Result<(&[u8], Option<Value<'_>>), Malformed> {
    let (mut key, mut value) = (&[][..], None);
    for field in Fields::of(bytes) {
        match field? {
            (1, name) => key = name.bytes()?,
            (2, any) => {
                for field in Fields::of(any.bytes()?) {
                    if let (1 | 3, of_it) = field? {
                        value = Some(of_it);
                    }
                }
            }
            _ => {}
        }
    }
    Ok((key, value))
}

/// An export request as JSON: the names of fields in lowerCamelCase, ids in hexadecimal, numbers of 64
/// bits as texts (OTLP, section JSON Protobuf Encoding).
///
/// # Errors
/// When it is none.
pub fn json(kind: Kind, bytes: &[u8]) -> Result<Message, Malformed> {
    let json: Json = serde_json::from_slice(bytes).map_err(|_| Malformed)?;
    let (resources, scopes, items) = match kind {
        Kind::Traces => ("resourceSpans", "scopeSpans", "spans"),
        Kind::Metrics => ("resourceMetrics", "scopeMetrics", "metrics"),
        Kind::Logs => ("resourceLogs", "scopeLogs", "logRecords"),
    };
    let mut message = Message::default();
    if !json.is_object() {
        return Err(Malformed);
    }
    for of_resource in list(&json, resources)? {
        for attribute in list(of_resource.get("resource").unwrap_or(&Json::Null), "attributes")? {
            let value = attribute.pointer("/value/stringValue").and_then(Json::as_str);
            if let (Some("service.name"), Some(name)) = (attribute["key"].as_str(), value) {
                message.serve(name);
            }
        }
        for of_scope in list(of_resource, scopes)? {
            for item in list(of_scope, items)? {
                match kind {
                    Kind::Traces => message.add(span_of_json(item)?),
                    Kind::Metrics | Kind::Logs => message.items += 1,
                }
            }
        }
    }
    Ok(message)
}

fn span_of_json(json: &Json) -> Result<Span, Malformed> {
    let text = |name: &str| json[name].as_str().unwrap_or_default();
    let id = |name: &str, bytes: usize| {
        let id = text(name).to_ascii_lowercase();
        let whole = id.len() == bytes * 2 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if whole { id } else { String::new() }
    };
    let mut span = Span {
        trace: id("traceId", 16),
        id: id("spanId", 8),
        parent: id("parentSpanId", 8),
        name: text("name").to_owned(),
        kind: number(&json["kind"], "SPAN_KIND_", KINDS),
        status: number(&json["status"]["code"], "STATUS_CODE_", STATUSES),
        ..empty()
    };
    for attribute in list(json, "attributes")? {
        let key = attribute["key"].as_str().unwrap_or_default();
        note(&mut span, key);
        if is_status(key) {
            let value = &attribute["value"]["intValue"];
            let status = value.as_u64().or_else(|| value.as_str()?.parse().ok());
            span.http_status = status.and_then(|status| u16::try_from(status).ok());
        }
    }
    Ok(span)
}

const KINDS: &[&str] = &["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
const STATUSES: &[&str] = &["UNSET", "OK", "ERROR"];

/// An enum: as a number, which OTLP asks for, or by its name, which protobuf's own JSON writes.
fn number(json: &Json, prefix: &str, names: &[&str]) -> u32 {
    let named = || {
        let name = json.as_str()?.strip_prefix(prefix)?;
        names.iter().position(|it| *it == name)
    };
    let number = json.as_u64().or_else(|| named().map(|place| place as u64));
    number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}

/// A list that may be missing, and may be nothing else.
fn list<'j>(json: &'j Json, name: &str) -> Result<&'j [Json], Malformed> {
    match json.get(name) {
        None | Some(Json::Null) => Ok(&[]),
        Some(Json::Array(items)) => Ok(items),
        Some(_) => Err(Malformed),
    }
}

fn is_status(key: &str) -> bool {
    matches!(key, "http.response.status_code" | "http.status_code")
}

/// An id of that many bytes; one of another length is none.
fn hex(id: &[u8], bytes: usize) -> String {
    if id.len() != bytes {
        return String::new();
    }
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        assert!(number < 16 && length < 1 << 14);
        let length = [(length & 0x7f) as u8 | 0x80, (length >> 7) as u8];
        [&[number << 3 | 2][..], &length, content].concat()
    }

    fn attribute(key: &str, value: &[u8]) -> Vec<u8> {
        [field(1, key.as_bytes()), field(2, value)].concat()
    }

    fn export() -> Vec<u8> {
        let status = attribute("http.response.status_code", &[0x18, 0x94, 0x03]);
        let span = [
            field(1, &[0xab; 16]),
            field(2, &[1; 8]),
            // Unknown, and known ones that nobody looks at: trace_state, a time, dropped attributes.
            field(3, b"a=b"),
            field(4, &[2; 8]),
            field(5, b"GET /"),
            vec![0x30, 2, 0x39, 0, 0, 0, 0, 0, 0, 0, 1, 0x50, 3],
            field(9, &status),
            field(15, &[0x18, 2]),
        ];
        let resource = field(1, &attribute("service.name", &field(1, b"checkout")));
        let of_scope = [field(1, &field(1, b"scope")), field(2, &span.concat())].concat();
        field(1, &[field(1, &resource), field(2, &of_scope), field(3, b"schema")].concat())
    }

    fn expected() -> Message {
        let span = Span {
            at_us: 0,
            trace: "ab".repeat(16),
            id: "01".repeat(8),
            parent: "02".repeat(8),
            name: "GET /".to_owned(),
            kind: 2,
            status: 2,
            http_status: Some(404),
            attributes: Some(vec!["http.response.status_code".to_owned()]),
        };
        Message { items: 1, spans: vec![span], services: vec!["checkout".to_owned()] }
    }

    #[test]
    fn spans_are_read_and_what_is_unknown_is_skipped() {
        assert_eq!(protobuf(Kind::Traces, &export()), Ok(expected()));
        // The same outline; of other kinds the items are counted.
        let counted = protobuf(Kind::Logs, &export()).unwrap();
        assert_eq!((counted.items, counted.spans.len()), (1, 0));
        for cut in 1..export().len() {
            assert_eq!(protobuf(Kind::Traces, &export()[..cut]), Err(Malformed), "at {cut}");
        }
    }

    #[test]
    fn json_says_the_same() {
        let text = format!(
            r#"{{"resourceSpans": [{{"resource": {{"attributes": [{{"key": "service.name", "value": {{"stringValue": "checkout"}}}}]}},
            "scopeSpans": [{{"spans": [{{"traceId": "{}", "spanId": "{}", "parentSpanId": "{}", "name": "GET /", "kind": 2,
            "startTimeUnixNano": "1", "attributes": [{{"key": "http.response.status_code", "value": {{"intValue": "404"}}}}],
            "status": {{"code": 2}}}}]}}]}}]}}"#,
            "AB".repeat(16),
            "01".repeat(8),
            "02".repeat(8)
        );
        assert_eq!(json(Kind::Traces, text.as_bytes()), Ok(expected()));
        let named = text.replace("\"kind\": 2", "\"kind\": \"SPAN_KIND_SERVER\"");
        let named = named.replace("{\"code\": 2}", "{\"code\": \"STATUS_CODE_ERROR\"}");
        assert_eq!(json(Kind::Traces, named.as_bytes()), Ok(expected()));
        for none in ["[]", "{", "{\"resourceSpans\": 1}"] {
            assert_eq!(json(Kind::Traces, none.as_bytes()), Err(Malformed), "{none}");
        }
        assert_eq!(json(Kind::Traces, b"{}"), Ok(Message::default()));
    }

    #[test]
    fn what_is_small_stays_small() {
        // A span takes two bytes, and what is made of it some hundred.
        let scope: Vec<u8> = [0x12, 0].repeat(8000);
        let message = protobuf(Kind::Traces, &field(1, &field(2, &scope))).unwrap();
        assert_eq!(message.items, 8000);
        let many = (0..5).flat_map(|_| field(1, &field(2, &scope))).collect::<Vec<u8>>();
        let message = protobuf(Kind::Traces, &many).unwrap();
        assert_eq!((message.items, message.spans.len()), (40_000, MOST_SPANS));
    }
}
