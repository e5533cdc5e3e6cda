//! An HTTP/1 answer, from bytes.
//!
//! Strict where leniency would guess (line ends, lengths that contradict each other), since an answer that
//! is not understood counts as *not guarded* and must never be taken for a good one.

use std::fmt;

/// The most bytes read of one answer, head and body together. NMI's answers are under 250 bytes.
pub const LIMIT: usize = 4096;

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
    /// The answer is longer than [`LIMIT`].
    TooLong,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotHttp => "it does not begin with HTTP/1",
            Self::StatusLine => "the status line is malformed",
            Self::Header => "a header is malformed",
            Self::Length => "the length of the body is unclear",
            Self::Chunk => "a chunk is malformed",
            Self::CutShort => "it ends before it is whole",
            Self::TooLong => "it is over 4096 bytes",
        })
    }
}

impl Response {
    /// Reads an answer from the bytes received so far. `ended` says that the peer has closed the
    /// connection, which ends a body that has no length of its own.
    ///
    /// # Errors
    /// [`Malformed`] as soon as no further bytes could make an answer of these; `Ok(None)` while they could.
    pub fn parse(bytes: &[u8], ended: bool) -> Result<Option<Self>, Malformed> {
        if !bytes.iter().zip(b"HTTP/1.").all(|(got, wanted)| got == wanted) {
            return Err(Malformed::NotHttp);
        }
        let Some((head, rest)) = split_once(bytes, b"\r\n\r\n") else { return Ok(None) };
        let (status_line, header_lines) = split_once(head, b"\r\n").unwrap_or((head, b""));
        let status = parse_status(status_line)?;
        let headers = parse_headers(header_lines)?;
        let body = match Framing::of(&headers)? {
            Framing::Length(length) if length > LIMIT => return Err(Malformed::TooLong),
            Framing::Length(length) => rest.get(..length).map(<[u8]>::to_vec),
            Framing::Chunked => unchunk(rest)?,
            Framing::UntilClose => ended.then(|| rest.to_vec()),
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

fn parse_headers(lines: &[u8]) -> Result<Vec<(String, String)>, Malformed> {
    let mut headers = Vec::new();
    let mut rest = lines;
    while !rest.is_empty() {
        let (line, after) = split_once(rest, b"\r\n").unwrap_or((rest, b""));
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
    fn of(headers: &[(String, String)]) -> Result<Self, Malformed> {
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
            _ => Err(Malformed::Length),
        }
    }
}

/// Digits only: the number parsers of std take a sign as well. A number too large to count is as large as
/// can be, hence over [`LIMIT`].
fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(str::from_utf8(digits).ok()?.parse().unwrap_or(usize::MAX))
}

/// The body of a chunked answer, RFC 9112 section 7.1, or `None` while its last chunk is not there.
fn unchunk(mut rest: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    let mut body = Vec::new();
    loop {
        let Some((line, after)) = split_once(rest, b"\r\n") else { return Ok(None) };
        let size = chunk_size(line)?;
        if size == 0 {
            return Ok(trailers_end(after).then_some(body));
        }
        let (Some(data), Some(end)) = (after.get(..size), after.get(size..size + 2)) else { return Ok(None) };
        if end != b"\r\n" {
            return Err(Malformed::Chunk);
        }
        body.extend_from_slice(data);
        rest = after.get(size + 2..).unwrap_or_default();
    }
}

fn chunk_size(line: &[u8]) -> Result<usize, Malformed> {
    let digits = split_once(line, b";").map_or(line, |(size, _extensions)| size).trim_ascii_end();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Malformed::Chunk);
    }
    let size = str::from_utf8(digits).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
    size.filter(|&size| size <= LIMIT).ok_or(Malformed::TooLong)
}

/// Whether the trailer section, which may be empty, is there up to its empty line.
fn trailers_end(rest: &[u8]) -> bool {
    rest.starts_with(b"\r\n") || split_once(rest, b"\r\n\r\n").is_some()
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
