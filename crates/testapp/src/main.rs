//! What runs in the containers of the node tests.
//!
//! ```text
//! testapp pause                    does nothing, for ever
//! testapp work SECONDS             ends successfully after that time
//! testapp serve PORT               answers every HTTP request with 200
//! testapp ask MILLISECONDS         asks 169.254.169.254 for a token at this interval, each on a new connection
//! wget -qO- HOST:PORT/PATH         what the documented checks use of wget, where it is called by that name
//! ```

use std::env;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

const METADATA: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), 80);
const TOKEN_REQUEST: &str = "GET /metadata/identity/oauth2/token?api-version=2018-02-01\
    &resource=https://management.azure.com/ HTTP/1.1\r\n\
    Host: 169.254.169.254\r\nMetadata: true\r\nConnection: close\r\n\r\n";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let arguments = match arguments.as_slice() {
        [program, "-qO-", url] if program.ends_with("wget") => return wget(url),
        [_, rest @ ..] => rest,
        [] => &[],
    };
    let number = |text: &str| text.parse::<u64>().unwrap_or(1);
    match arguments {
        ["pause"] => loop {
            sleep(Duration::from_secs(3600));
        },
        ["work", seconds] => sleep(Duration::from_secs(number(seconds))),
        ["serve", port] => serve(port.parse().unwrap_or(8080)),
        ["ask", interval] => ask(Duration::from_millis(number(interval))),
        other => {
            eprintln!("usage: testapp pause | work SECONDS | serve PORT | ask MILLISECONDS, not {other:?}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Prints the body behind `url`; fails unless the status is a success.
fn wget(url: &str) -> ExitCode {
    let (host, path) = url.split_once('/').unwrap_or((url, ""));
    let fetch = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(host)?;
        write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    match fetch() {
        Ok(answer) if answer.starts_with("HTTP/1.1 2") => {
            print!("{}", answer.split_once("\r\n\r\n").unwrap_or_default().1);
            ExitCode::SUCCESS
        }
        Ok(answer) => {
            eprintln!("wget: {}", answer.lines().next().unwrap_or_default());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("wget: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Asks for tokens for ever; says how each request ended when that is news.
fn ask(interval: Duration) {
    let mut last = String::new();
    loop {
        let start = Instant::now();
        let outcome = match request() {
            Ok(status) => status,
            Err(error) => error.to_string(),
        };
        if outcome != last {
            println!("{outcome}");
            last = outcome;
        }
        sleep(interval.saturating_sub(start.elapsed()));
    }
}

/// The first line of the answer.
fn request() -> std::io::Result<String> {
    let limit = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&METADATA, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(TOKEN_REQUEST.as_bytes())?;
    let mut answer = [0; 64];
    let length = stream.read(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

/// Answers for ever, one client after the other.
fn serve(port: u16) {
    let Ok(listener) = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) else { return };
    for stream in listener.incoming() {
        // A client that went away is none of our business.
        let _ = stream.and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            let _ = stream.read(&mut [0; 1024])?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        });
    }
}
