//! An HTTP/1 answer, from bytes.
//!
//! Strict where leniency would guess (line ends, lengths that contradict each other), since an answer that
//! is not understood counts as *not guarded* and must never be taken for a good one.

use std::fmt;

/// How an answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The most bytes read of one answer, head and body together.
    pub limit: usize,
    /// How much of the body is enough, the rest being nobody's concern; `None` if all of it matters.
    pub enough: Option<usize>,
}

/// How the answers of NMI and IMDS are read: those that are no tokens are well under 4 KiB.
pub const STRICT: Rules = Rules { limit: 4096, enough: None };

/// How the answer to a request for a token is read. Tokens with many groups have some KiB.
pub const TOKEN: Rules = Rules { limit: 16_384, enough: None };

/// How the answer of a wrapped probe is read: as leniently as by the kubelet, which reads 10 KiB of a body
/// (`maxRespBodyLength` in pkg/probe/http/http.go of Kubernetes), and takes lines that end in a bare LF. After
/// a long head fewer are enough: sixteen such answers at once should not need more memory than the rest.
pub const ORIGINAL: Rules = Rules { limit: 16_384, enough: Some(10_240) };

/// One whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case, values without surrounding blanks, in the order received.
    headers: Vec<(String, String)>,
    /// The body, freed of its transfer coding; not trimmed.
    pub body: Vec<u8>,
}

/// Why bytes are no HTTP answer that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// The first bytes are not `HTTP/1.`.
    NotHttp,
    /// The first line is not `HTTP/1.x`, a status of three digits and an optional reason.
    StatusLine,
    /// A header line has no colon or no proper name.
    Header,
    /// `Content-Length` or `Transfer-Encoding` is unreadable, unknown or contradictory.
    Length,
    /// A chunk's size or end is wrong.
    Chunk,
    /// The peer closed the connection before the answer was whole.
    CutShort,
    /// The answer is longer than this many bytes.
    TooLong(usize),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::NotHttp => "it does not begin with HTTP/1",
            Self::StatusLine => "the status line is malformed",
            Self::Header => "a header is malformed",
            Self::Length => "the length of the body is unclear",
            Self::Chunk => "a chunk is malformed",
            Self::CutShort => "it ends before it is whole",
            Self::TooLong(limit) => return write!(f, "it is over {limit} bytes"),
        };
        f.write_str(words)
    }
}

impl Response {
    /// Reads an answer of NMI or IMDS, by [`STRICT`]; else as [`Response::read`].
    ///
    /// # Errors
    /// As [`Response::read`].
    pub fn parse(bytes: &[u8], ended: bool) -> Result<Option<Self>, Malformed> {
        Self::read(bytes, ended, STRICT)
    }

    /// Reads an answer from the bytes received so far, by `rules`. `ended` says that the peer has closed the
    /// connection, which ends a body that has no length of its own.
    ///
    /// # Errors
    /// [`Malformed`] as soon as no further bytes could make an answer of these; `Ok(None)` while they could.
    pub fn read(bytes: &[u8], ended: bool, rules: Rules) -> Result<Option<Self>, Malformed> {
        let is_full = bytes.len() >= rules.limit;
        let mut bytes = bytes;
        let (status, header_lines, rest) = loop {
            if !bytes.iter().zip(b"HTTP/1.").all(|(got, wanted)| got == wanted) {
                return Err(Malformed::NotHttp);
            }
            let Some((head, rest)) = split_head(bytes, rules) else { return Ok(None) };
            let (status_line, header_lines) = split_line(head, rules);
            let status = parse_status(status_line)?;
            // An interim answer: the final one follows. NMI and IMDS give none.
            if !(100..200).contains(&status) || rules.enough.is_none() {
                break (status, header_lines, rest);
            }
            bytes = rest;
        };
        let headers = parse_headers(header_lines, rules)?;
        let body = if rules.enough.is_some_and(|enough| rest.len() >= enough || is_full) {
            Some(Vec::new())
        } else {
            read_body(Framing::of(status, &headers, rules)?, rest, ended, rules)?
        };
        Ok(body.map(|body| Self { status, headers, body }))
    }

    /// The first value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        values(&self.headers, name).next()
    }
}

fn values<'a>(headers: &'a [(String, String)], name: &str) -> impl Iterator<Item = &'a str> {
    headers.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
}

fn read_body(framing: Framing, rest: &[u8], ended: bool, rules: Rules) -> Result<Option<Vec<u8>>, Malformed> {
    match framing {
        Framing::Length(length) if length > rules.limit && rules.enough.is_none() => {
            Err(Malformed::TooLong(rules.limit))
        }
        Framing::Length(length) => Ok(rest.get(..length).map(<[u8]>::to_vec)),
        Framing::Chunked => unchunk(rest, rules),
        Framing::UntilClose => Ok(ended.then(|| rest.to_vec())),
    }
}

/// The head without its empty line, and what follows it.
fn split_head(bytes: &[u8], rules: Rules) -> Option<(&[u8], &[u8])> {
    if rules.enough.is_none() {
        return split_once(bytes, b"\r\n\r\n");
    }
    let crlf = split_once(bytes, b"\n\r\n");
    let lf = split_once(bytes, b"\n\n");
    match (crlf, lf) {
        (Some(crlf), Some(lf)) => Some(if crlf.0.len() < lf.0.len() { crlf } else { lf }),
        (one, other) => one.or(other),
    }
}

/// The first line without its end, and the lines that follow it.
fn split_line(lines: &[u8], rules: Rules) -> (&[u8], &[u8]) {
    if rules.enough.is_none() {
        return split_once(lines, b"\r\n").unwrap_or((lines, b""));
    }
    let (line, rest) = split_once(lines, b"\n").unwrap_or((lines, b""));
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

fn split_once<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some((bytes.get(..at)?, bytes.get(at + mark.len()..)?))
}

/// `HTTP/1.x SP status [SP reason]`, RFC 9112 section 4.
fn parse_status(line: &[u8]) -> Result<u16, Malformed> {
    let status = match line.strip_prefix(b"HTTP/1.") {
        Some([minor, b' ', a, b, c] | [minor, b' ', a, b, c, b' ', ..]) if minor.is_ascii_digit() => {
            number(&[*a, *b, *c])
        }
        _ => None,
    };
    status.and_then(|status| u16::try_from(status).ok()).ok_or(Malformed::StatusLine)
}

fn parse_headers(lines: &[u8], rules: Rules) -> Result<Vec<(String, String)>, Malformed> {
    let mut headers = Vec::new();
    let mut rest = lines;
    while !rest.is_empty() {
        let (line, after) = split_line(rest, rules);
        let (name, value) = split_once(line, b":").ok_or(Malformed::Header)?;
        // Also refuses folded lines (RFC 9112 section 5.2), which begin with a blank.
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return Err(Malformed::Header);
        }
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        headers.push((name, String::from_utf8_lossy(value.trim_ascii()).into_owned()));
        rest = after;
    }
    Ok(headers)
}

/// How the end of the body is told, RFC 9112 section 6.3.
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

impl Framing {
    fn of(status: u16, headers: &[(String, String)], rules: Rules) -> Result<Self, Malformed> {
        if matches!(status, 204 | 304) {
            return Ok(Self::Length(0));
        }
        let mut codings = values(headers, "transfer-encoding");
        let mut lengths = values(headers, "content-length");
        match (codings.next(), lengths.next()) {
            (None, None) => Ok(Self::UntilClose),
            (None, Some(length)) if lengths.all(|other| other == length) => {
                number(length.as_bytes()).map(Self::Length).ok_or(Malformed::Length)
            }
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") && codings.next().is_none() => {
                Ok(Self::Chunked)
            }
            // The kubelet's client takes the coding for the truth.
            (Some(coding), Some(_)) if rules.enough.is_some() && coding.eq_ignore_ascii_case("chunked") => {
                Ok(Self::Chunked)
            }
            _ => Err(Malformed::Length),
        }
    }
}

/// Digits only: the number parsers of std take a sign as well. A number too large to count is as large as
/// can be, hence over any limit.
fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(str::from_utf8(digits).ok()?.parse().unwrap_or(usize::MAX))
}

/// The body of a chunked answer, RFC 9112 section 7.1, or `None` while its last chunk is not there.
fn unchunk(mut rest: &[u8], rules: Rules) -> Result<Option<Vec<u8>>, Malformed> {
    let mut body = Vec::new();
    loop {
        let Some((line, after)) = split_once(rest, b"\r\n") else { return Ok(None) };
        let size = chunk_size(line, rules)?;
        if size == 0 {
            return Ok(trailers_end(after).then_some(body));
        }
        let Some((data, after)) = after.split_at_checked(size) else { return Ok(None) };
        let Some((end, after)) = after.split_at_checked(2) else { return Ok(None) };
        if end != b"\r\n" {
            return Err(Malformed::Chunk);
        }
        body.extend_from_slice(data);
        rest = after;
    }
}

fn chunk_size(line: &[u8], rules: Rules) -> Result<usize, Malformed> {
    let digits = split_once(line, b";").map_or(line, |(size, _extensions)| size).trim_ascii_end();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Malformed::Chunk);
    }
    let size = str::from_utf8(digits).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
    size.filter(|&size| size <= rules.limit || rules.enough.is_some()).ok_or(Malformed::TooLong(rules.limit))
}

/// Whether the trailer section, which may be empty, is there up to its empty line.
fn trailers_end(rest: &[u8]) -> bool {
    rest.starts_with(b"\r\n") || split_once(rest, b"\r\n\r\n").is_some()
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
