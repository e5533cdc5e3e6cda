//! gRPC's health protocol, v1, for one call: just enough of HTTP/2 (RFC 9113) to ask and to be answered.
//!
//! The whole request is sent at once, since nothing in it depends on what the server says: a client may
//! send before it has seen the server's settings. Of the answer only data is read; headers are not decoded,
//! because a message that says `SERVING` comes in data, and an answer without data is a refusal whatever
//! its headers say.

use std::net::{SocketAddr, TcpStream};

use crate::deadline::Deadline;
use crate::frames::{self, Frame, Kind};
use crate::http::{self, Failure};

/// The most bytes read of one answer. A health service sends some hundred.
const LIMIT: usize = 32_768;

/// `SERVING` of `grpc.health.v1.HealthCheckResponse.ServingStatus`.
const SERVING: u64 = 1;

/// Why a health check failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection did not come about, or broke.
    Unanswered(Failure),
    /// The peer speaks something else.
    NotHttp2,
    /// The call was answered without a message: there is no health service, or it does not know the service.
    Refused,
    /// The stream was reset with this error code of HTTP/2.
    Reset(u32),
    /// The server closes the connection, with this error code of HTTP/2.
    GoAway(u32),
    /// The message is no `HealthCheckResponse`, or is compressed.
    Message,
    /// The service's status is this, not `SERVING`.
    NotServing(u64),
    /// The server closed the connection too early.
    CutShort,
    /// The answer is longer than 32 KiB.
    TooLong,
}

impl Fault {
    /// The fault as a phrase that names the server's `address`.
    pub(crate) fn describe(self, address: SocketAddr) -> String {
        let what = match self {
            Self::Unanswered(failure) => return failure.describe(address),
            Self::NotHttp2 => "does not speak HTTP/2".to_owned(),
            Self::Refused => {
                "refuses the health check: it has no health service, or not this service".to_owned()
            }
            Self::Reset(code) => format!("resets the health check (HTTP/2 error {code})"),
            Self::GoAway(code) => format!("closes the connection (HTTP/2 error {code})"),
            Self::Message => "answers the health check with a message that is not understood".to_owned(),
            Self::NotServing(status) => {
                let name = match status {
                    0 => "UNKNOWN",
                    2 => "NOT_SERVING",
                    3 => "SERVICE_UNKNOWN",
                    _ => "unknown to us",
                };
                format!("has health status {name} ({status}), not SERVING")
            }
            Self::CutShort => "closes the connection before the health check is answered".to_owned(),
            Self::TooLong => format!("answers the health check with over {LIMIT} bytes"),
        };
        format!("{address} {what}")
    }
}

/// Asks the server at `address` for the health of `service`, which is empty for the server as a whole.
///
/// # Errors
/// [`Fault`] unless the server says `SERVING` by `deadline`.
pub fn check(address: SocketAddr, service: &str, deadline: Deadline) -> Result<(), Fault> {
    let mut stream = http::connect(address, deadline).map_err(Fault::Unanswered)?;
    let request = frames::call(&address.to_string(), &message(service));
    http::send(&mut stream, &request, deadline).map_err(Fault::Unanswered)?;
    let mut answer = Answer::default();
    let mut reader =
        FrameReader { stream: &mut stream, deadline, buffer: vec![0; LIMIT], filled: 0, taken: 0 };
    while !answer.is_whole()? {
        let frame = reader.next()?;
        if let Some(reply) = answer.take(&frame)? {
            http::send(reader.stream, &reply, deadline).map_err(Fault::Unanswered)?;
        }
    }
    answer.judge()
}

/// A `HealthCheckRequest` as a message of gRPC: not compressed, its length, the field `service`.
fn message(service: &str) -> Vec<u8> {
    let mut request = Vec::new();
    if !service.is_empty() {
        request.push(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            request.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        request.push(length as u8);
        request.extend_from_slice(service.as_bytes());
    }
    let mut message = vec![0];
    message.extend_from_slice(&(request.len() as u32).to_be_bytes());
    message.append(&mut request);
    message
}

/// Frames from a connection, within a limit on all of them together.
struct FrameReader<'a> {
    stream: &'a mut TcpStream,
    deadline: Deadline,
    buffer: Vec<u8>,
    filled: usize,
    taken: usize,
}

impl FrameReader<'_> {
    fn next(&mut self) -> Result<Frame, Fault> {
        loop {
            let received = self.buffer.get(self.taken..self.filled).unwrap_or_default();
            let is_first = self.taken == 0;
            if is_first && !frames::may_be_http2(received) {
                return Err(Fault::NotHttp2);
            }
            if let Some((frame, length)) = frames::parse(received).map_err(|_too_large| Fault::TooLong)? {
                self.taken += length;
                return Ok(frame);
            }
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            if room.is_empty() {
                return Err(Fault::TooLong);
            }
            match http::receive_some(self.stream, room, self.deadline).map_err(Fault::Unanswered)? {
                0 => return Err(Fault::CutShort),
                count => self.filled += count,
            }
        }
    }
}

/// What has come of the answer.
#[derive(Debug, Default)]
struct Answer {
    data: Vec<u8>,
    has_ended: bool,
}

impl Answer {
    /// Takes a frame, and returns what is to be sent in reply.
    fn take(&mut self, frame: &Frame) -> Result<Option<Vec<u8>>, Fault> {
        match frame.kind() {
            Kind::Settings => return Ok(Some(frames::settings_ack())),
            Kind::Ping => return Ok(Some(frames::ping_ack(&frame.payload))),
            Kind::Data => {
                self.data.extend_from_slice(frame.data().ok_or(Fault::NotHttp2)?);
                self.has_ended |= frame.ends_stream();
            }
            Kind::Headers => self.has_ended |= frame.ends_stream(),
            Kind::Reset => return Err(Fault::Reset(frame.error_code(0))),
            Kind::GoAway => return Err(Fault::GoAway(frame.error_code(4))),
            Kind::Other => {}
        }
        Ok(None)
    }

    /// Whether the one message is there.
    fn is_whole(&self) -> Result<bool, Fault> {
        let whole = self.message()?.is_some();
        if !whole && self.has_ended {
            return Err(if self.data.is_empty() { Fault::Refused } else { Fault::CutShort });
        }
        Ok(whole)
    }

    fn message(&self) -> Result<Option<&[u8]>, Fault> {
        let Some((prefix, rest)) = self.data.split_first_chunk::<5>() else { return Ok(None) };
        let [compressed, length @ ..] = *prefix;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        match (compressed, length) {
            (0, ..=LIMIT) => Ok(rest.get(..length)),
            (0, _) => Err(Fault::TooLong),
            _ => Err(Fault::Message),
        }
    }

    fn judge(&self) -> Result<(), Fault> {
        let message = self.message()?.ok_or(Fault::CutShort)?;
        match status(message).ok_or(Fault::Message)? {
            SERVING => Ok(()),
            other => Err(Fault::NotServing(other)),
        }
    }
}

/// The field `status`, number 1, of a `HealthCheckResponse`: the last one counts, and one that is not there
/// is 0 (the rules of Protocol Buffers). `None` if the message is malformed.
fn status(mut message: &[u8]) -> Option<u64> {
    let mut status = 0;
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let skipped = match tag & 7 {
            0 => {
                let value = varint(&mut message)?;
                status = if tag >> 3 == 1 { value } else { status };
                0
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)?).ok()?,
            5 => 4,
            _ => return None,
        };
        message = message.get(skipped..)?;
    }
    Some(status)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
#[path = "grpc_tests.rs"]
mod tests;
