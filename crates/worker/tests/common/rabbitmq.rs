//! RabbitMQ, as Debian packages it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::{PATIENCE, Process, Unavailable, free_port, wait_until};

/// Debian's wrappers in /usr/sbin insist on the directories and the user of the installed service; these do not.
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";

const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// User and password, as vxsandbox has them by default.
pub(crate) const USER: &str = "vumi";

/// Virtual host, as vxsandbox has it by default.
pub(crate) const VHOST: &str = "/develop";

/// A broker of our own, with its own name, cookie, ports and data. Gone when it is dropped.
#[derive(Debug)]
pub(crate) struct RabbitMq {
    // In this order they go: a node before its port mapper, both before their directory.
    node: Option<Process>,
    _epmd: Process,
    directory: TempDir,
    name: String,
    epmd_port: u16,
    node_port: u16,
    port: u16,
}

impl RabbitMq {
    /// Starts a broker and waits until it takes connections: some seconds. Share one where you can.
    pub(crate) fn start() -> Result<Self, Unavailable> {
        if !Path::new(SERVER).exists() {
            return Err(Unavailable::Missing("rabbitmq-server".to_owned()));
        }
        let failed = |error: std::io::Error| Unavailable::Failed(format!("cannot prepare a broker: {error}"));
        let directory = TempDir::with_prefix("belljar-rabbitmq-").map_err(failed)?;
        let (epmd_port, node_port, port) =
            (free_port().map_err(failed)?, free_port().map_err(failed)?, free_port().map_err(failed)?);
        let write = |name: &str, text: String| fs::write(directory.path().join(name), text);
        write(".erlang.cookie", uuid::Uuid::new_v4().simple().to_string()).map_err(failed)?;
        let cookie = directory.path().join(".erlang.cookie");
        fs::set_permissions(cookie, fs::Permissions::from_mode(0o400)).map_err(failed)?;
        write("plugins", "[].\n".to_owned()).map_err(failed)?;
        let configuration = format!(
            "listeners.tcp.1 = 127.0.0.1:{port}\ndefault_user = {USER}\ndefault_pass = {USER}\ndefault_vhost = {VHOST}\n\
             log.console = false\nlog.file.level = info\ndisk_free_limit.absolute = 10MB\n"
        );
        write("rabbitmq.conf", configuration).map_err(failed)?;
        let epmd = Process::start("epmd", |command| {
            let port = epmd_port.to_string();
            command.args(["-port", &port, "-address", "127.0.0.1"]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        })?;
        let name = format!("belljar-test-{}@localhost", uuid::Uuid::new_v4().simple());
        let mut broker = Self { node: None, _epmd: epmd, directory, name, epmd_port, node_port, port };
        broker.start_again()?;
        Ok(broker)
    }

    /// Starts a broker that was killed, with what it had on its disk, at the same port.
    pub(crate) fn start_again(&mut self) -> Result<(), Unavailable> {
        let log = File::create(self.directory.path().join("output"));
        let log = log.map_err(|error| Unavailable::Failed(format!("cannot write a broker's output: {error}")))?;
        let mut node = Process::start(SERVER, |command| {
            self.environment(command);
            // The script becomes the node, instead of staying as its parent, only where input is allowed.
            command.env("RABBITMQ_ALLOW_INPUT", "1");
            let options = "-noinput -kernel inet_dist_use_interface {127,0,0,1}";
            command.env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", options);
            command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
        })?;
        let port = self.port;
        wait_until("a broker takes connections", || {
            if !node.is_alive() {
                return Some(false);
            }
            speaks_amqp(port).then_some(true)
        })?
        .then_some(())
        .ok_or_else(|| Unavailable::Failed(format!("the broker ended: {}", self.output())))?;
        self.node = Some(node);
        Ok(())
    }

    /// SIGKILL: what it has not written is lost, and no connection is closed properly.
    pub(crate) fn kill(&mut self) {
        self.node = None;
    }

    /// Makes it silent, with all its connections open: as a network that loses everything.
    pub(crate) fn freeze(&self) {
        self.node.iter().for_each(|node| node.signal(Signal::STOP));
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.node.iter().for_each(|node| node.signal(Signal::CONT));
    }

    /// Where it listens, on 127.0.0.1.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Where it is, with user, password and virtual host.
    pub(crate) fn url(&self) -> String {
        format!("amqp://{USER}:{USER}@127.0.0.1:{}/{}", self.port, VHOST.replace('/', "%2f"))
    }

    /// What `rabbitmqctl` prints, without the headings. Panics when it fails.
    pub(crate) fn ctl(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(format!("{PROGRAMS}/rabbitmqctl"));
        self.environment(&mut command);
        let output = command.args(["--silent"]).args(arguments).output().expect("rabbitmqctl");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "rabbitmqctl {arguments:?}: {stdout}{stderr}");
        stdout
    }

    /// Variables without which it would be another broker's program.
    fn environment(&self, command: &mut Command) {
        let directory = self.directory.path();
        let in_directory = |name: &str| directory.join(name);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LANG", "C.UTF-8").env("HOME", directory);
        command.env("RABBITMQ_NODENAME", &self.name).env("RABBITMQ_DIST_PORT", self.node_port.to_string());
        command.env("ERL_EPMD_PORT", self.epmd_port.to_string()).env("ERL_EPMD_ADDRESS", "127.0.0.1");
        for (name, file) in [
            ("RABBITMQ_MNESIA_BASE", "data"),
            ("RABBITMQ_LOG_BASE", "log"),
            ("RABBITMQ_CONFIG_FILE", "rabbitmq.conf"),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", "plugins"),
            ("RABBITMQ_PID_FILE", "pid"),
            // Not there, so that none of the installed service's is read.
            ("RABBITMQ_CONF_ENV_FILE", "none"),
            ("RABBITMQ_CONFIG_FILES", "none.d"),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", "none.config"),
        ] {
            command.env(name, in_directory(file));
        }
        command.env("RABBITMQ_CTL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}");
        // Any: many may be run at once.
        command.env("RABBITMQ_CTL_DIST_PORT_MIN", "20000").env("RABBITMQ_CTL_DIST_PORT_MAX", "60000");
        command.current_dir(directory);
    }

    fn output(&self) -> String {
        fs::read_to_string(self.directory.path().join("output")).unwrap_or_default()
    }
}

/// Whether something at the port answers to AMQP 0-9-1: a broker listens only when it is complete, but its port mapper may hand out
/// sockets before.
fn speaks_amqp(port: u16) -> bool {
    let Ok(mut socket) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let mut first = [0];
    let begins = socket.set_read_timeout(Some(PATIENCE.min(Duration::from_secs(5)))).is_ok()
        && socket.write_all(b"AMQP\0\0\x09\x01").is_ok()
        && socket.read_exact(&mut first).is_ok();
    // A method frame: `connection.start`.
    begins && first == [1]
}
