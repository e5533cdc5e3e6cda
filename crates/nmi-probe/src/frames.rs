//! Frames of HTTP/2 (RFC 9113), as far as one call of gRPC needs them: pure.

/// What a client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The largest payload that a server may send to a client that has not allowed more.
const LARGEST: usize = 16_384;

/// The only stream there is.
const STREAM: u32 = 1;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;

/// One frame received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// What a frame means to a client that has made one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Data of the answer.
    Data,
    /// Headers or trailers of the answer.
    Headers,
    /// The end of the call, by error.
    Reset,
    /// Settings that want an acknowledgement.
    Settings,
    /// A ping that wants an acknowledgement.
    Ping,
    /// The end of the connection.
    GoAway,
    /// Nothing.
    Other,
}

/// A frame's payload is larger than was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge;

impl Frame {
    /// What it means.
    pub fn kind(&self) -> Kind {
        match (self.kind, self.stream) {
            (DATA, STREAM) => Kind::Data,
            (HEADERS, STREAM) => Kind::Headers,
            (RST_STREAM, STREAM) => Kind::Reset,
            (SETTINGS, 0) if self.flags & ACK == 0 => Kind::Settings,
            (PING, 0) if self.flags & ACK == 0 => Kind::Ping,
            (GOAWAY, 0) => Kind::GoAway,
            _ => Kind::Other,
        }
    }

    /// Whether nothing follows it on its stream. Of data and headers only.
    pub fn ends_stream(&self) -> bool {
        self.flags & END_STREAM != 0
    }

    /// The payload without its padding, or `None` if that is longer than the payload.
    pub fn data(&self) -> Option<&[u8]> {
        if self.flags & PADDED == 0 {
            return Some(&self.payload);
        }
        let (padding, data) = self.payload.split_first()?;
        data.get(..data.len().checked_sub(usize::from(*padding))?)
    }

    /// The error code that stands `at` bytes into the payload; 0, no error, if none does.
    pub fn error_code(&self, at: usize) -> u32 {
        let code = self.payload.get(at..).and_then(<[u8]>::first_chunk);
        code.map_or(0, |code| u32::from_be_bytes(*code))
    }
}

/// Reads the first frame of `bytes`, and how many of them it takes; `None` while it is not whole.
///
/// # Errors
/// [`TooLarge`] before such a frame is there.
pub fn parse(bytes: &[u8]) -> Result<Option<(Frame, usize)>, TooLarge> {
    let Some(([a, b, c, kind, flags, stream @ ..], rest)) = bytes.split_first_chunk::<9>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
    if length > LARGEST {
        return Err(TooLarge);
    }
    let Some(payload) = rest.get(..length) else { return Ok(None) };
    // The highest bit is reserved.
    let stream = u32::from_be_bytes(*stream) & 0x7fff_ffff;
    Ok(Some((Frame { kind: *kind, flags: *flags, stream, payload: payload.to_vec() }, 9 + length)))
}

/// Whether a connection of HTTP/2 can begin with `bytes`: a server's first frame is its settings
/// (section 3.4).
pub fn may_be_http2(bytes: &[u8]) -> bool {
    bytes.get(3).is_none_or(|kind| *kind == SETTINGS)
}

/// All that a client sends to call `Check` of the health service at `authority` with `message`.
pub fn call(authority: &str, message: &[u8]) -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes.extend(frame(HEADERS, END_HEADERS, STREAM, &headers(authority)));
    bytes.extend(frame(DATA, END_STREAM, STREAM, message));
    bytes
}

/// The reply to the server's settings.
pub fn settings_ack() -> Vec<u8> {
    frame(SETTINGS, ACK, 0, &[])
}

/// The reply to a ping with this payload.
pub fn ping_ack(payload: &[u8]) -> Vec<u8> {
    frame(PING, ACK, 0, payload)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = (payload.len() as u32).to_be_bytes();
    let mut bytes = vec![a, b, c, kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// The headers of the call, each a literal that is not indexed, with a new name, not Huffman-coded
/// (RFC 7541 section 6.2.2): the form that needs no table.
fn headers(authority: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", authority),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "kube-probe/nmi-guard"),
    ] {
        block.push(0);
        for text in [name, value] {
            // Shorter than 127, from where lengths take more than a byte: the longest is an address.
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}
