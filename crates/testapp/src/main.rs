//! What runs in the containers of the node tests.
//!
//! ```text
//! testapp nothing                  ends at once
//! testapp pause                    does nothing, for ever
//! testapp work SECONDS             ends successfully after that time
//! testapp serve PORT               answers every HTTP request with 200
//! testapp forward PORT TARGET      answers /app-health/CONTAINER/readyz and livez as 127.0.0.1:TARGET does /ready and /live
//! testapp ask MILLISECONDS         asks 169.254.169.254 for a token at this interval, each on a new connection
//! testapp health nmi|token PORT    answers 200 while NMI's healthz does, or while it gets a token; else 503
//! wget -qO- HOST:PORT/PATH         what the documented checks use of wget, where it is called by that name
//! curl 'http://HOST/PATH' -H Metadata:true --fail -s
//!                                  what they use of curl
//! az login --identity              a stand-in for the Azure CLI: works if it gets a token, whose owner must have subscriptions
//!   [--allow-no-subscriptions]     unless this is given; here, a node's own identity has none
//! ```

use std::env;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

const METADATA: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), 80);
/// Without the slash that it begins with.
const TOKEN_PATH: &str =
    "metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let arguments = match arguments.as_slice() {
        [program, "-qO-", url] if program.ends_with("wget") => return wget(url),
        [program, url, ..] if program.ends_with("curl") => return curl(url),
        [program, "login", "--identity", flags @ ..] if program.ends_with("az") => return log_in(flags),
        [_, rest @ ..] => rest,
        [] => &[],
    };
    let number = |text: &str| text.parse::<u64>().unwrap_or(1);
    match arguments {
        ["nothing"] => {}
        ["pause"] => loop {
            sleep(Duration::from_secs(3600));
        },
        ["work", seconds] => sleep(Duration::from_secs(number(seconds))),
        ["serve", port] => serve(port.parse().unwrap_or(8080), |_| "200 OK".to_owned()),
        ["forward", port, target] => {
            let target = target.parse().unwrap_or(8080);
            serve(port.parse().unwrap_or(8080), |path| forward(path, target));
        }
        ["health", "nmi", port] => serve(port.parse().unwrap_or(8080), |_| health(nmi_is_healthy())),
        ["health", "token", port] => serve(port.parse().unwrap_or(8080), |_| health(is_success(request()))),
        ["ask", interval] => ask(Duration::from_millis(number(interval))),
        other => {
            eprintln!("not one of those that the source tells: {other:?}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Prints the body behind `url`; fails unless the status is a success.
fn wget(url: &str) -> ExitCode {
    let (host, path) = url.split_once('/').unwrap_or((url, ""));
    shown("wget", get(host, path))
}

/// The same with the header that metadata requests need.
fn curl(url: &str) -> ExitCode {
    let (host, path) = url.trim_start_matches("http://").split_once('/').unwrap_or((url, ""));
    shown("curl", get(&format!("{host}:80"), path))
}

fn shown(program: &str, answer: std::io::Result<String>) -> ExitCode {
    match answer {
        Ok(answer) if answer.starts_with("HTTP/1.1 2") => {
            print!("{}", answer.split_once("\r\n\r\n").unwrap_or_default().1);
            ExitCode::SUCCESS
        }
        Ok(answer) => {
            eprintln!("{program}: {}", answer.lines().next().unwrap_or_default());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{program}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The whole answer of `host` (with a port) to a GET of /`path`.
fn get(host: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let head = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nMetadata: true\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn log_in(flags: &[&str]) -> ExitCode {
    let token = get(&METADATA.to_string(), TOKEN_PATH).unwrap_or_else(|error| error.to_string());
    let has_no_subscriptions = token.contains("\"client_id\":\"system\"");
    if !token.starts_with("HTTP/1.1 200") {
        eprintln!("ERROR: no token: {}", token.lines().next().unwrap_or_default());
    } else if has_no_subscriptions && !flags.contains(&"--allow-no-subscriptions") {
        eprintln!(
            "ERROR: No access was configured for the managed identity, hence no subscriptions were found."
        );
    } else {
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

fn health(is_well: bool) -> String {
    if is_well { "200 OK" } else { "503 Service Unavailable" }.to_owned()
}

fn nmi_is_healthy() -> bool {
    let host = env::var("HOST_IP").unwrap_or_default();
    is_success(get(&format!("{host}:8085"), "healthz"))
}

fn is_success(answer: std::io::Result<String>) -> bool {
    answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 2"))
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
    let head = format!(
        "GET /{TOKEN_PATH} HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    let mut answer = [0; 64];
    let length = stream.read(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

/// Answers for ever, one client after the other, with the status that `answer` has for the path.
fn serve(port: u16, answer: impl Fn(&str) -> String) {
    let Ok(listener) = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) else { return };
    for stream in listener.incoming() {
        // A client that went away is none of our business.
        let _ = stream.and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            let mut head = [0; 1024];
            let length = stream.read(&mut head)?;
            let head = String::from_utf8_lossy(&head[..length]);
            let status = answer(head.split(' ').nth(1).unwrap_or_default());
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        });
    }
}

/// The status that the server at `target`, in the same Pod, has for a probe that a mesh sends elsewhere.
fn forward(path: &str, target: u16) -> String {
    let asked = match path.rsplit('/').next() {
        Some("readyz") => "ready",
        Some("livez") => "live",
        _ => return "404 Not Found".to_owned(),
    };
    match get(&format!("127.0.0.1:{target}"), asked) {
        Ok(answer) => answer.lines().next().unwrap_or_default().trim_start_matches("HTTP/1.1 ").to_owned(),
        Err(error) => format!("502 {error}"),
    }
}
