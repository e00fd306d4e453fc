//! `--allow` and `execute.network` before an internet that the test makes itself: namespaces with a pair of interfaces between them.
//! No packet leaves them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Done, has_program, has_sandboxes};

/// Makes the internet and runs `$1` beside it, in the directory that holds everything.
///
/// The namespace in which belljar runs has 198.18.0.1 and, behind its only route, another one with hosts that are public
/// (93.184.216.34) and not (10.0.0.5, 169.254.169.254, 198.18.0.2). Who connects there is written to `seen`.
const WORLD: &str = r#"
set -e
trap 'kill $children 2>/dev/null' EXIT
ip link set lo up
unshare -n sleep 600 &
other=$!
children=$other
while [ "$(readlink /proc/$other/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
ip link add name v0 type veth peer name v1 netns $other
ip addr add 198.18.0.1/30 dev v0
ip link set v0 up
nsenter -t $other -n sh -ec '
    ip link set lo up; ip addr add 198.18.0.2/30 dev v1; ip link set v1 up
    for a in 93.184.216.34 10.0.0.5 169.254.169.254; do ip addr add $a/32 dev lo; done'
ip route add default via 198.18.0.2
mount --bind hosts /etc/hosts
mount --bind nsswitch.conf /etc/nsswitch.conf
mount --bind resolv.conf "$(readlink -f /etc/resolv.conf)"
nsenter -t $other -n python3 internet.py internet &
children="$children $!"
python3 internet.py host &
children="$children $!"
while ! [ -e internet.ready ] || ! [ -e host.ready ]; do sleep 0.01; done
sh -c "$1"
"#;

const HOSTS: &str = "\
127.0.0.1 localhost
93.184.216.34 example.org www.example.net
10.0.0.5 inner.example
198.18.0.1 own.example
";

/// Hosts of the internet, or services of the machine that belljar runs on: each says who it is.
const INTERNET: &str = r#"
import socket, sys, threading
def serve(listener, name):
    while True:
        stream, peer = listener.accept()
        open('seen', 'a').write(f'{name}\n')
        def answer(stream=stream):
            heard = b''
            while b'\n' not in heard:
                part = stream.recv(4096)
                if not part: break
                heard += part
                open('heard', 'a').write(f'{name}\n')
            body = name.encode()
            stream.sendall(b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s' % (len(body), body))
            stream.shutdown(socket.SHUT_WR)
            stream.recv(1); stream.close()
        threading.Thread(target=answer, daemon=True).start()
def listen(address, port):
    listener = socket.socket()
    listener.bind((address, port)); listener.listen()
    threading.Thread(target=serve, args=(listener, f'{address}:{port}')).start()
def resolver():
    # Names, and what they mean: one answer after the other, the last one for ever.
    names = {b'dns': ['93.184.216.34'], b'rebind': ['93.184.216.34', '10.0.0.5'], b'trap': ['10.0.0.5', '169.254.169.254']}
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); listener.bind(('198.18.0.2', 53))
    while True:
        query, peer = listener.recvfrom(999)
        end = query.index(b'\0', 12) + 5
        answers = names.get(query[13:13 + query[12]])
        header = query[:2] + (b'\x81\x80' if answers else b'\x81\x83') + b'\0\1\0'
        if answers and query[end - 4:end - 2] == b'\0\1':
            address = answers.pop(0) if len(answers) > 1 else answers[0]
            listener.sendto(header + b'\1\0\0\0\0' + query[12:end] + b'\xc0\x0c\0\1\0\1\0\0\0\0\0\4' + socket.inet_aton(address), peer)
        else:
            listener.sendto(header + b'\0\0\0\0\0' + query[12:end], peer)
if sys.argv[1] == 'internet':
    threading.Thread(target=resolver).start()
    for address in ('93.184.216.34', '10.0.0.5', '169.254.169.254', '198.18.0.2'):
        for port in (80, 443): listen(address, port)
else:
    for address in ('127.0.0.1', '198.18.0.1'): listen(address, 8088)
    listen('127.0.0.1', 80); listen('127.77.1.9', 80)
    abstract = socket.socket(socket.AF_UNIX); abstract.bind('\0belljar-test-host'); abstract.listen()
    threading.Thread(target=serve, args=(abstract, 'abstract')).start()
open(f'{sys.argv[1]}.ready', 'w').close()
"#;

/// What a program inside tries; prints what came of each, as JSON.
const PROBES: &str = r#"
import ctypes, errno, json, os, socket, struct, urllib.request
LIBC = ctypes.CDLL(None, use_errno=True)
def says(stream):
    stream.sendall(b'GET / HTTP/1.0\r\n\r\n')
    heard = b''
    while part := stream.recv(4096): heard += part
    return heard.split(b'\r\n\r\n')[-1].decode()
def tcp(host, port): return says(socket.create_connection((host, port), 3))
def proxied(url): return urllib.request.urlopen(url, timeout=3).read().decode()
def tunnel(place):
    stream = socket.create_connection(('127.77.0.1', 3128), 3)
    stream.sendall(f'CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n'.encode())
    answer = stream.recv(200)
    return says(stream) if b' 200 ' in answer else answer.split()[1].decode()
def socks(host, port):
    stream = socket.create_connection(('127.77.0.1', 1080), 3)
    stream.sendall(b'\5\1\0'); assert stream.recv(2) == b'\5\0'
    stream.sendall(b'\5\1\0\3' + bytes([len(host)]) + host.encode() + struct.pack('>H', port))
    answer = stream.recv(10)
    return says(stream) if answer[1] == 0 else f'socks {answer[1]}'
def udp(host, port):
    stream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); stream.settimeout(0.2)
    stream.sendto(b'x' * 30, (host, port)); return stream.recv(100).decode()
def v6(address):
    stream = socket.socket(socket.AF_INET6); stream.settimeout(3)
    stream.connect((address, 80, 0, 1)); return says(stream)
def raw(family, kind, protocol): socket.socket(family, kind, protocol); return 'a socket'
def abstract():
    stream = socket.socket(socket.AF_UNIX); stream.connect('\0belljar-test-host'); return says(stream)
def route():
    # An interface of one's own would need a capability.
    stream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    import fcntl; fcntl.ioctl(stream, 0x8914, struct.pack('16sh22x', b'lo', 0)); return 'lo is down'
def names(): return socket.gethostbyname('pypi.org')
found = {}
def probe(name, what, *arguments):
    try: found[name] = what(*arguments)
    except urllib.error.HTTPError as e: found[name] = f'{e.code} {e.read().decode().strip()}'
    except OSError as e: found[name] = errno.errorcode.get(e.errno, type(e).__name__ if e.errno is None else str(e.errno))
"#;

/// A directory with belljar and all that the world needs, for everybody to read.
fn place() -> TempDir {
    let place = tempfile::tempdir().expect("a directory");
    fs::copy(env!("CARGO_BIN_EXE_belljar"), place.path().join("belljar")).expect("copied");
    let files = [
        ("hosts", HOSTS),
        ("nsswitch.conf", "hosts: files dns\npasswd: files\n"),
        ("internet.py", INTERNET),
        ("drive.py", DRIVE),
        ("resolv.conf", "nameserver 198.18.0.2\noptions timeout:2 attempts:2\n"),
        ("seen", ""),
        ("heard", ""),
    ];
    for (name, content) in files {
        fs::write(place.path().join(name), content).expect("written");
    }
    for path in ["", "belljar"] {
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(place.path().join(path), mode).expect("it is ours");
    }
    place
}

/// Drives a server with one sandbox through requests that use the network, and prints what came of each.
const DRIVE: &str = r#"
import http.client, json, os, signal, socket, subprocess, sys, time
user = sys.argv[1:]
log = open('log', 'w')
server = subprocess.Popen([*user, './belljar', 'serve', '--listen', '127.0.0.1:0', '--data-dir', os.environ['DATA'],
    '--set', 'execute.pool_size=1', '--set', 'execute.wait_for_sandbox=10s', '--set', 'log.format=json',
    '--set', 'execute.network.access=allow', '--set', 'execute.network.allow=["example.org:80", "dns.example:80"]'],
    stdout=subprocess.PIPE, stderr=log, text=True)
port = int(server.stdout.readline().split('http://127.0.0.1:')[1].split(';')[0])
def ask(method, path, body=None):
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=20)
    connection.request(method, path, body, {'Content-Type': 'application/x-www-form-urlencoded'} if body else {})
    return connection.getresponse().read().decode()
def form(script): return 'config=' + json.dumps({'commands': [script]}).replace('+', '%2B').replace('&', '%26')
def execute(script): return json.loads(ask('POST', '/execute/', form(script)))['execution'][0]['stdout']
GET = """python3 -c "
import socket
s = socket.create_connection(('example.org', 80), 3); s.sendall(b'GET / HTTP/1.0\\n'); b = b''
while p := s.recv(999): b += p
print(b.split()[-1].decode())" """
HOLD = """python3 -c "
import os, socket, time
s = socket.create_connection(('example.org', 80), 3); s.sendall(b'GET\\\\n'); s.recv(1)
if os.fork(): print('left', flush=True); os._exit(0)
os.setsid(); os.close(1); os.close(2); time.sleep(60)" """
STAY = """python3 -c "
import socket, time
s = socket.create_connection(('example.org', 80), 3); s.sendall(b'stale'); time.sleep(60)" """
told = {'get': execute(GET), 'proxy': execute('curl -s http://example.org/') if os.path.exists('/usr/bin/curl') else '93.184.216.34:80'}
told['dns'] = execute(GET.replace('example.org', 'dns.example'))
told['refused'] = execute("""python3 -c "
import urllib.request, urllib.error
try: urllib.request.urlopen('http://evil.example/')
except urllib.error.HTTPError as e: print(e.read().decode())" """)
told['left'] = execute(HOLD)
told['after'] = execute(GET)
# A caller who goes away in the middle of a connection.
with socket.create_connection(('127.0.0.1', port)) as caller:
    body = form(STAY)
    before = open('heard').read().count('93.184.216.34:80')
    caller.sendall(f'POST /execute/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}'.encode())
    deadline = time.monotonic() + 30
    while open('heard').read().count('93.184.216.34:80') == before:
        assert time.monotonic() < deadline, 'the third connection in vain'
        time.sleep(0.01)
told['after a caller left'] = execute(GET)
told['metrics'] = [line for line in ask('GET', '/metrics').splitlines() if line.startswith('belljar_egress_connections') or line.startswith('belljar_sandboxes')]
server.send_signal(signal.SIGTERM); told['code'] = server.wait(20)
log.close()
lines = [json.loads(line) for line in open('log') if '"connection"' in line]
told['log'] = [[line.get(key) for key in ('host', 'port', 'verdict')] for line in lines if line['message'] == 'connection']
told['request'] = all(line.get('span', {}).get('id') for line in lines)
print(json.dumps(told))
"#;

/// Whether worlds can be made here.
fn has_worlds() -> bool {
    has_sandboxes() && ["unshare", "nsenter", "ip", "python3", "setpriv"].into_iter().all(has_program)
}

/// Runs a script in a world of its own. Root makes the world as root, everybody else in a user namespace.
fn in_world(place: &TempDir, script: &str) -> Done {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    // In the same process namespace: control groups are known by the numbers of their owners.
    command.args(["--mount", "--net", "sh", "-c", WORLD, "world"]);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BELLJAR_")) {
        command.env_remove(name);
    }
    let output = command.arg(script).current_dir(place.path()).stdin(Stdio::null()).output();
    output.expect("unshare starts").into()
}

/// Who runs belljar: whoever runs the tests, and an ordinary user.
fn users() -> Vec<&'static str> {
    match rustix::process::geteuid().is_root() {
        true => vec!["", "setpriv --reuid 1000 --regid 1000 --clear-groups"],
        false => vec![""],
    }
}

/// Runs probes in a sandbox with these options; what each found, and the outcome as `--json` tells it.
fn probe(place: &TempDir, user: &str, options: &str, probes: &[&str]) -> (Value, Value) {
    let program = format!("{PROBES}\n{}\nprint(json.dumps(found))", probes.join("\n"));
    fs::write(place.path().join("probe.py"), program).expect("written");
    let done = in_world(place, &format!("{user} ./belljar run --json {options} --stdin probe.py -- python3 -"));
    let outcome: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"));
    let found = serde_json::from_str(outcome["stdout"].as_str().unwrap_or_default());
    (found.unwrap_or_else(|error| panic!("{error}: {outcome:#}\n{}", done.stderr)), outcome)
}

fn seen(place: &TempDir) -> Vec<String> {
    fs::read_to_string(place.path().join("seen")).expect("it is there").lines().map(str::to_owned).collect()
}

#[test]
fn what_is_listed_is_reached_each_way() {
    if !has_worlds() {
        return;
    }
    for user in users() {
        let place = place();
        let options = "--allow example.org:80,443 --allow '*.example.net:80' --allow 10.0.0.0/24:80 --allow inner.example:80 --allow 127.0.0.1:8088 --allow dns.example:80 --allow rebind.example:80";
        let (found, outcome) = probe(
            &place,
            user,
            options,
            &[
                "probe('direct', tcp, 'example.org', 80)",
                "probe('direct, other port', tcp, 'example.org', 443)",
                "probe('proxy', proxied, 'http://example.org/')",
                "probe('proxy, below a star', proxied, 'http://www.example.net/')",
                "probe('tunnel', tunnel, 'www.example.net:80')",
                "probe('socks', socks, 'www.example.net', 80)",
                "probe('socks, address', socks, '10.0.0.5', 80)",
                "probe('private, named', tcp, 'inner.example', 80)",
                "probe('loopback, named', tcp, '127.0.0.1', 8088)",
                "probe('dns', tcp, 'dns.example', 80)",
                "probe('rebinding, first', tcp, 'rebind.example', 80)",
                "probe('rebinding, then', tcp, 'rebind.example', 80)",
            ],
        );
        let expected = serde_json::json!({
            "direct": "93.184.216.34:80",
            "direct, other port": "93.184.216.34:443",
            "proxy": "93.184.216.34:80",
            "proxy, below a star": "93.184.216.34:80",
            "tunnel": "93.184.216.34:80",
            "socks": "93.184.216.34:80",
            "socks, address": "10.0.0.5:80",
            "private, named": "10.0.0.5:80",
            "loopback, named": "127.0.0.1:8088",
            "dns": "93.184.216.34:80",
            "rebinding, first": "93.184.216.34:80",
            "rebinding, then": "93.184.216.34:80",
        });
        assert_eq!(found, expected, "{user}");
        let connections = outcome["connections"].as_array().expect("they are told");
        assert_eq!(connections.len(), 12, "{outcome:#}");
        let first = &connections[0];
        let told = (&first["host"], &first["port"], &first["address"], &first["verdict"], &first["ending"]);
        let expected = ("example.org", 80, "93.184.216.34:80", "allowed", "closed");
        assert_eq!(serde_json::json!(told), serde_json::json!(expected), "{first}");
    }
}

#[test]
fn what_is_not_listed_is_not_reached() {
    if !has_worlds() {
        return;
    }
    for user in users() {
        let place = place();
        let (found, outcome) = probe(
            &place,
            user,
            "--allow inner.example:80 --allow trap.example:80 --allow own.example:8088 --allow '*.example.net:443'",
            &[
                "probe('private', tcp, 'inner.example', 80)",
                "probe('private, by dns', tcp, 'trap.example', 80)",
                "probe('own address', tcp, 'own.example', 8088)",
                "probe('proxy', proxied, 'http://example.org/')",
                "probe('proxy, other port', proxied, 'http://www.example.net/')",
                "probe('proxy, metadata', proxied, 'http://169.254.169.254/')",
                "probe('tunnel, loopback of the host', tunnel, '127.0.0.1:8088')",
                "probe('tunnel, octal', tunnel, '0177.0.0.1:8088')",
                "probe('tunnel, mapped', tunnel, '[::ffff:10.0.0.5]:80')",
                "probe('socks, decimal', socks, '2130706433', 8088)",
                "probe('address', tcp, '93.184.216.34', 80)",
                "probe('metadata', tcp, '169.254.169.254', 80)",
                "probe('gateway', tcp, '198.18.0.2', 80)",
                "probe('loopback of the host', tcp, '127.0.0.1', 8088)",
                "probe('loopback of the host, low port', tcp, '127.0.0.1', 80)",
                "probe('other loopback', tcp, '127.77.1.9', 80)",
                "probe('abstract socket of the host', abstract)",
                "probe('udp', udp, '93.184.216.34', 53)",
                "probe('udp to a door', udp, '127.77.0.1', 3128)",
                "probe('ipv6 link-local', v6, 'fe80::1')",
                "probe('ipv6', v6, '2606:2800:220:1::1')",
                "probe('raw', raw, socket.AF_INET, socket.SOCK_RAW, 1)",
                "probe('ping', raw, socket.AF_INET, socket.SOCK_DGRAM, 1)",
                "probe('packet', raw, 17, socket.SOCK_RAW, 3)",
                "probe('netlink', raw, 16, socket.SOCK_RAW, 0)",
                "probe('vsock', raw, 40, socket.SOCK_STREAM, 0)",
                "probe('interface', route)",
                "probe('dns', names)",
            ],
        );
        let expected = serde_json::json!({
            "private": "ECONNRESET",
            "private, by dns": "ECONNRESET",
            "own address": "ECONNRESET",
            "proxy": "403 belljar: example.org:80: it is not on the list",
            "proxy, other port": "403 belljar: www.example.net:80: it is not on the list",
            "proxy, metadata": "403 belljar: 169.254.169.254:80: it is not on the list",
            "tunnel, loopback of the host": "403",
            "tunnel, octal": "400",
            "tunnel, mapped": "403",
            "socks, decimal": "socks 2",
            "address": "ENETUNREACH",
            "metadata": "ENETUNREACH",
            "gateway": "ENETUNREACH",
            "loopback of the host": "ECONNREFUSED",
            "loopback of the host, low port": "ECONNREFUSED",
            "other loopback": "ECONNREFUSED",
            "abstract socket of the host": "ECONNREFUSED",
            "udp": "ENETUNREACH",
            "udp to a door": "TimeoutError",
            "ipv6 link-local": "ENETUNREACH",
            "ipv6": "ENETUNREACH",
            "raw": "EPERM",
            "ping": "EPROTONOSUPPORT",
            "packet": "EAFNOSUPPORT",
            "netlink": "EAFNOSUPPORT",
            "vsock": "EAFNOSUPPORT",
            "interface": "EPERM",
            "dns": "-2",
        });
        let wrong = |name: &String| (found[name] != expected[name]).then(|| (name.clone(), found[name].clone()));
        let wrong: Vec<_> = expected.as_object().expect("a table").keys().filter_map(wrong).collect();
        assert!(wrong.is_empty(), "{user}: {wrong:?}");
        assert_eq!(seen(&place), Vec::<String>::new(), "nothing came out");
        let verdicts: Vec<_> = outcome["connections"].as_array().expect("told").iter().map(|c| &c["verdict"]).collect();
        assert_eq!(verdicts, ["refused"; 10], "{outcome:#}");
    }
}

#[test]
fn requests_reach_what_is_listed_and_leave_nothing_to_the_next() {
    if !has_worlds() {
        return;
    }
    for user in users() {
        let place = place();
        let data = place.path().join("data");
        fs::create_dir(&data).expect("created");
        fs::set_permissions(&data, fs::Permissions::from_mode(0o777)).expect("it is ours");
        let done = in_world(&place, &format!("DATA=$PWD/data/of-belljar python3 drive.py {user}"));
        let log = fs::read_to_string(place.path().join("log")).unwrap_or_default();
        let told: Value =
            serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error} ({user}): {done:?}\n{log}"));
        for key in ["get", "proxy", "dns", "after", "after a caller left"] {
            assert_eq!(told[key], "93.184.216.34:80", "{key}: {told:#}\n{log}");
        }
        assert_eq!(told["refused"], "belljar: evil.example:80: it is not on the list", "{told:#}");
        assert_eq!(told["left"], "left", "{user}");
        assert_eq!(
            told["log"],
            serde_json::json!([
                ["example.org", 80, "allowed"],
                ["example.org", 80, "allowed"],
                ["dns.example", 80, "allowed"],
                ["evil.example", 80, "refused"],
                ["example.org", 80, "allowed"],
                ["example.org", 80, "allowed"],
                ["example.org", 80, "allowed"],
                ["example.org", 80, "allowed"],
            ]),
            "{log}"
        );
        assert_eq!(told["request"], true, "each line names its request: {log}");
        let metrics = told["metrics"].as_array().expect("lines");
        for line in ["verdict=\"allowed\"} 7", "verdict=\"refused\"} 1"] {
            let expected = format!("belljar_egress_connections_total{{{line}");
            assert!(metrics.iter().any(|found| found == &expected), "{expected}: {metrics:?}");
        }
        assert_eq!(told["code"], 0);
    }
}
