#![allow(clippy::unwrap_used)]

use super::*;

const CHUNKED: &[u8] =
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;note=x\r\nAct\r\n3\r\nive\r\n0\r\nTrailer: y\r\n\r\n";
const COUNTED: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type:  text/plain \r\nContent-Length: 6\r\n\r\nActive";
const OPEN: &[u8] = b"HTTP/1.0 200 OK\r\nserver: IMDS/1\r\n\r\nActive";

fn body(bytes: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    Response::parse(bytes, false).map(|response| response.map(|response| response.body))
}

fn with_headers(headers: &str, rest: &str) -> Result<Option<Vec<u8>>, Malformed> {
    body(format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n{rest}").as_bytes())
}

#[test]
fn status_headers_and_body_are_read() {
    let response = Response::parse(COUNTED, false).unwrap().unwrap();
    assert_eq!(response.status, 400);
    assert_eq!(response.header("content-type"), Some("text/plain"));
    assert_eq!(response.header("server"), None);
    assert_eq!(response.body, b"Active");
}

#[test]
fn a_counted_body_ends_at_its_length() {
    assert_eq!(with_headers("Content-Length: 6", "Activ"), Ok(None));
    assert_eq!(with_headers("Content-Length: 6", "Active and more"), Ok(Some(b"Active".to_vec())));
    assert_eq!(with_headers("Content-Length: 0", ""), Ok(Some(Vec::new())));
    assert_eq!(
        with_headers("Content-Length: 6\r\nContent-Length: 6", "Active"),
        Ok(Some(b"Active".to_vec()))
    );
}

#[test]
fn a_body_without_a_length_ends_with_the_connection() {
    assert_eq!(Response::parse(OPEN, false), Ok(None));
    let response = Response::parse(OPEN, true).unwrap().unwrap();
    assert_eq!((response.body.as_slice(), response.header("server")), (&b"Active"[..], Some("IMDS/1")));
}

#[test]
fn a_chunked_body_is_put_together() {
    assert_eq!(body(CHUNKED), Ok(Some(b"Active".to_vec())));
    let empty = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(body(empty), Ok(Some(Vec::new())));
}

#[test]
fn wrong_chunks_are_refused() {
    let chunks = |rest| with_headers("Transfer-Encoding: chunked", rest);
    for wrong in
        ["x\r\n", "\r\n", "-1\r\n", "0x6\r\nActive\r\n", "3\r\nActive\r\n0\r\n\r\n", " 6\r\nActive\r\n"]
    {
        assert_eq!(chunks(wrong), Err(Malformed::Chunk), "{wrong:?}");
    }
    assert_eq!(chunks("1001\r\n"), Err(Malformed::TooLong(4096)));
}

#[test]
fn lengths_that_are_unclear_are_refused() {
    for headers in [
        "Content-Length: six",
        "Content-Length: -6",
        "Content-Length: +6",
        "Content-Length:",
        "Content-Length: 6, 6",
        "Content-Length: 6\r\nContent-Length: 7",
        "Content-Length: 6\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ] {
        assert_eq!(with_headers(headers, "Active"), Err(Malformed::Length), "{headers:?}");
    }
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_the_body_comes() {
    for length in ["4097", "18446744073709551616", "99999999999999999999999999"] {
        let headers = format!("Content-Length: {length}");
        assert_eq!(with_headers(&headers, ""), Err(Malformed::TooLong(4096)), "{length}");
    }
}

#[test]
fn what_is_no_http_is_refused_at_the_first_wrong_byte() {
    for bytes in
        [&b"S"[..], b"SSH-2.0-OpenSSH", b"\x15\x03\x01", b"HTTP/2 200 OK\r\n\r\n", b"http/1.1", b"HTX"]
    {
        assert_eq!(body(bytes), Err(Malformed::NotHttp), "{bytes:?}");
    }
}

#[test]
fn wrong_status_lines_are_refused() {
    for line in [
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 20",
        "HTTP/1.1 2000",
        "HTTP/1.1 +20",
        "HTTP/1.1  200 OK",
        "HTTP/1.x 200",
        "HTTP/1.10 200",
    ] {
        let bytes = format!("{line}\r\n\r\n");
        assert_eq!(body(bytes.as_bytes()), Err(Malformed::StatusLine), "{line:?}");
    }
    for line in ["HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.0 200 All is well"] {
        assert!(Response::parse(format!("{line}\r\n\r\n").as_bytes(), true).unwrap().is_some(), "{line:?}");
    }
}

#[test]
fn wrong_header_lines_are_refused() {
    for headers in ["no colon", ": no name", "a b: c", "A: b\r\n folded", "A: b\r\nc", "Content-Length : 6"] {
        assert_eq!(with_headers(headers, "Active"), Err(Malformed::Header), "{headers:?}");
    }
}

#[test]
fn of_a_truncated_answer_nothing_is_made() {
    for whole in [CHUNKED, COUNTED] {
        for length in 0..whole.len() {
            for ended in [false, true] {
                let parsed = Response::parse(whole.get(..length).unwrap(), ended);
                assert_eq!(parsed, Ok(None), "{length} bytes, ended: {ended}");
            }
        }
    }
}

#[test]
fn no_mutation_makes_the_parser_panic_or_invent_bytes() {
    for whole in [CHUNKED, COUNTED, OPEN] {
        for at in 0..whole.len() {
            for byte in 0..=u8::MAX {
                let mut mutated = whole.to_vec();
                *mutated.get_mut(at).unwrap() = byte;
                for length in [at + 1, mutated.len()] {
                    let bytes = mutated.get(..length).unwrap();
                    if let Ok(Some(response)) = Response::parse(bytes, true) {
                        assert!(response.body.len() < bytes.len());
                        assert!((0..=999).contains(&response.status));
                    }
                }
            }
        }
    }
}

fn original(bytes: &[u8]) -> Result<Option<u16>, Malformed> {
    Response::read(bytes, false, ORIGINAL).map(|response| response.map(|response| response.status))
}

#[test]
fn a_wrapped_probes_answer_may_have_bare_line_ends_and_interim_answers() {
    assert_eq!(original(b"HTTP/1.1 200 OK\nA: b\nContent-Length: 0\n\n"), Ok(Some(200)));
    assert_eq!(original(b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\nHTTP/1.1\r\n\r\n"), Ok(Some(200)));
    let early = b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(original(early), Ok(Some(500)));
    // As many as fit in: no stack may run out over them.
    assert_eq!(original(&b"HTTP/1.1 100\n\n".repeat(1170)), Ok(None));
    let both = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(original(both), Ok(Some(200)));
    assert_eq!(body(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"), Ok(None), "by the strict rules");
}

#[test]
fn of_a_wrapped_probes_body_the_start_is_enough() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    assert_eq!(original(format!("{head}{}", "x".repeat(10_239)).as_bytes()), Ok(None));
    assert_eq!(original(format!("{head}{}", "x".repeat(10_240)).as_bytes()), Ok(Some(200)));
    let long = format!("HTTP/1.1 200 OK\r\nA: {}\r\nContent-Length: 1000000\r\n\r\n", "y".repeat(16_000));
    assert_eq!(original(long.as_bytes()), Ok(None));
    assert_eq!(original(format!("{long}{:x<384}", "").as_bytes()), Ok(Some(200)));
}

#[test]
fn answers_that_never_have_a_body_are_whole_without_one() {
    for status in [204, 304] {
        let bytes = format!("HTTP/1.1 {status} X\r\n\r\n");
        assert_eq!(body(bytes.as_bytes()), Ok(Some(Vec::new())), "{status}");
    }
}

#[test]
fn a_chunks_size_cannot_overflow() {
    for rules in [STRICT, ORIGINAL] {
        for size in ["ffffffffffffffff", "fffffffffffffffe", "10000000000000000"] {
            let bytes = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\nabc");
            assert!(!matches!(Response::read(bytes.as_bytes(), true, rules), Ok(Some(_))), "{size}");
        }
    }
}
