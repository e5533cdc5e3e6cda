//! A way from the machine to the API server in the enclosure: a Unix socket, which lies in a folder and so is the
//! same in all network namespaces, with a TCP port before and after it.

use std::path::Path;

use anyhow::Result;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Inside: connects everyone who comes to the socket at `path` to `address`, for ever.
///
/// # Errors
/// When it cannot listen.
pub async fn from_socket(path: &Path, address: &str) -> Result<()> {
    let listener = UnixListener::bind(path)?;
    loop {
        let (mut near, _) = listener.accept().await?;
        let address = address.to_owned();
        tokio::spawn(async move {
            let mut far = TcpStream::connect(address).await?;
            far.set_nodelay(true)?;
            copy_bidirectional(&mut near, &mut far).await
        });
    }
}

/// Outside: connects everyone who comes to `listener` to the socket at `path`, for ever.
///
/// # Errors
/// When it cannot accept connections any more.
pub async fn to_socket(listener: TcpListener, path: &Path) -> Result<()> {
    loop {
        let (mut near, _) = listener.accept().await?;
        near.set_nodelay(true)?;
        let path = path.to_owned();
        tokio::spawn(async move {
            let mut far = UnixStream::connect(path).await?;
            copy_bidirectional(&mut near, &mut far).await
        });
    }
}
