//! As much of HTTP/1.1 as the bench needs: one connection that is kept, forms, bodies with a known length.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Nothing that is measured takes nearly as long.
const PATIENCE: Duration = Duration::from_secs(300);
/// Divides the parts of a form; not in what is sent, as that is base64 or compressed noise.
const BOUNDARY: &str = "belljar-bench-4f1d9c1e7a6b4d0f";

/// A connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    ///
    /// Nobody listens.
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::with_capacity(64 << 10, stream), host: address.to_string() })
    }

    /// How long to wait for the next bytes of an answer.
    ///
    /// # Errors
    ///
    /// The connection is broken.
    pub(crate) fn set_patience(&mut self, patience: Duration) -> Result<()> {
        Ok(self.stream.get_mut().set_read_timeout(Some(patience))?)
    }

    /// The status of a GET; the body is dropped.
    ///
    /// # Errors
    ///
    /// No answer comes.
    pub(crate) fn status(&mut self, path: &str) -> Result<u16> {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host))?;
        let (status, length) = self.head()?;
        self.body(length, &mut io::sink())?;
        Ok(status)
    }

    /// Writes the body of a GET to somewhere, and tells its length.
    ///
    /// # Errors
    ///
    /// Another answer than 200.
    pub(crate) fn download(&mut self, path: &str, to: &mut impl Write) -> Result<u64> {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host))?;
        let (status, length) = self.head()?;
        ensure!(status == 200, "GET {path} was answered with {status}");
        self.body(length, to)?;
        Ok(length)
    }

    /// Executes a configuration without an upload.
    ///
    /// # Errors
    ///
    /// Another answer than 200, or one that is not JSON.
    pub(crate) fn execute(&mut self, config: &Value) -> Result<Value> {
        self.execute_form(&execute_form(config))
    }

    /// Sends a form made by [`execute_form`].
    ///
    /// # Errors
    ///
    /// As [`Client::execute`].
    pub(crate) fn execute_form(&mut self, form: &str) -> Result<Value> {
        self.post("/execute/", "application/x-www-form-urlencoded", form)
    }

    /// Sends a body of this type.
    ///
    /// # Errors
    ///
    /// As [`Client::execute`].
    pub(crate) fn post(&mut self, path: &str, content_type: &str, body: &str) -> Result<Value> {
        self.send_body(path, content_type, body)?;
        self.answer()
    }

    /// Sends a body of this type: status and body of whatever is answered.
    ///
    /// # Errors
    ///
    /// No answer comes.
    pub(crate) fn exchange(&mut self, path: &str, content_type: &str, body: &str) -> Result<(u16, Vec<u8>)> {
        self.send_body(path, content_type, body)?;
        let (status, length) = self.head()?;
        let mut body = Vec::new();
        self.body(length, &mut body)?;
        Ok((status, body))
    }

    fn send_body(&mut self, path: &str, content_type: &str, body: &str) -> Result<()> {
        let (host, length) = (&self.host, body.len());
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {content_type}\r\nContent-Length: \
             {length}\r\n\r\n{body}"
        ))
    }

    /// Executes a configuration with an uploaded archive, which is passed on as it is read.
    ///
    /// # Errors
    ///
    /// As [`Client::execute`].
    pub(crate) fn execute_with(&mut self, config: &Value, archive: &mut impl Read, length: u64) -> Result<Value> {
        let before = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"config\"\r\n\r\n{config}\r\n--{BOUNDARY}\r\n\
             Content-Disposition: form-data; name=\"environment\"; filename=\"environment.tgz\"\r\n\
             Content-Type: application/gzip\r\n\r\n"
        );
        let after = format!("\r\n--{BOUNDARY}--\r\n");
        let whole = u64::try_from(before.len() + after.len())? + length;
        self.send(&format!(
            "POST /execute/ HTTP/1.1\r\nHost: {}\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n\
             Content-Length: {whole}\r\n\r\n{before}",
            self.host
        ))?;
        let copied = io::copy(&mut archive.take(length), self.stream.get_mut()).context("the upload broke off")?;
        ensure!(copied == length, "the archive is shorter than {length} bytes");
        self.send(&after)?;
        self.answer()
    }

    fn send(&mut self, text: &str) -> Result<()> {
        self.stream.get_mut().write_all(text.as_bytes()).context("the connection broke")
    }

    fn answer(&mut self) -> Result<Value> {
        let (status, length) = self.head()?;
        let mut body = Vec::new();
        self.body(length, &mut body)?;
        ensure!(status == 200, "answered with {status}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).context("the answer is not JSON")
    }

    /// Status and length of the body.
    fn head(&mut self) -> Result<(u16, u64)> {
        let mut line = String::new();
        self.stream.read_line(&mut line).context("no answer came")?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let Some(status) = status else { bail!("this is no answer: {line:?}") };
        let mut length = None;
        loop {
            line.clear();
            self.stream.read_line(&mut line).context("the answer broke off")?;
            match line.trim_end().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().ok()
                }
                Some(_) => {}
                None if line.trim_end().is_empty() => break,
                None => bail!("this is no header: {line:?}"),
            }
        }
        Ok((status, length.context("the answer does not tell its length")?))
    }

    fn body(&mut self, length: u64, to: &mut impl Write) -> Result<()> {
        let copied = io::copy(&mut (&mut self.stream).take(length), to).context("the answer broke off")?;
        ensure!(copied == length, "the answer broke off");
        Ok(())
    }
}

/// The body of a request without an upload.
pub(crate) fn execute_form(config: &Value) -> String {
    let mut form = "config=".to_owned();
    for byte in config.to_string().bytes() {
        if byte.is_ascii_alphanumeric() {
            form.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(form, "%{byte:02X}");
        }
    }
    form
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use serde_json::json;

    use super::*;

    /// What a request sends, and what is made of an answer.
    fn exchange(answer: &'static [u8], call: impl FnOnce(&mut Client) -> Result<Value>) -> (String, Result<Value>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            loop {
                let read = stream.read(&mut buffer).expect("bytes");
                request.extend_from_slice(&buffer[..read]);
                let text = String::from_utf8_lossy(&request).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
                if body.len() >= length.map_or(0, |length| length.parse().expect("a number")) {
                    stream.write_all(answer).expect("written");
                    return text;
                }
            }
        });
        let result = call(&mut Client::connect(address).expect("connected"));
        (server.join().expect("ended"), result)
    }

    #[test]
    fn forms_are_sent_and_answers_read() {
        let config = json!({"commands": ["echo é"]});
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\nx: y\r\n\r\n{\"status\":0}";
        let (request, result) = exchange(answer, |client| client.execute(&config));
        assert!(request.ends_with("config=%7B%22commands%22%3A%5B%22echo%20%C3%A9%22%5D%7D"), "{request}");
        assert_eq!(result.expect("an answer"), json!({"status": 0}));

        let archive = b"archive";
        let (request, _) = exchange(answer, |client| client.execute_with(&config, &mut &archive[..], 7));
        assert!(request.contains("filename=\"environment.tgz\""), "{request}");
        assert!(request.contains(&format!("\r\n\r\narchive\r\n--{BOUNDARY}--\r\n")), "{request}");
    }

    #[test]
    fn other_answers_are_errors() {
        let config = json!({});
        for answer in [
            &b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\n\r\n{}",
            b"nonsense\r\n",
            b"",
        ] {
            let (_, result) = exchange(answer, |client| client.execute(&config));
            assert!(result.is_err(), "{}", String::from_utf8_lossy(answer));
        }
    }
}
