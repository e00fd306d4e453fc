//! What a program sees of itself and of the machine.

use belljar_sandbox::{Command, Layer, Policy, Strictness, User};

use crate::bench::{Bench, shown, text};

pub(crate) async fn nothing_of_the_host_shows(bench: &Bench) {
    // A file that only the host has, readable by everybody.
    let marked = bench.temporary();
    std::fs::write(marked.path().join("secret"), "x").unwrap();
    let mut cell = bench.cell(Policy::default()).await;
    let hidden = [
        marked.path().to_str().unwrap(),
        "/boot",
        "/media",
        "/work",
        "/home/user",
        "/var/log",
        "/var/spool",
        "/var/cache",
        "/var/lib/apt",
        "/etc/shadow",
        "/etc/gshadow",
        "/etc/sudoers",
        "/etc/ssh",
        "/etc/crontab",
        "/etc/machine-id",
        "/etc/fstab",
        "/etc/ssl/private",
        "/etc/resolv.conf",
        "/run/docker.sock",
        "/run/systemd",
        "/var/run/docker.sock",
        "/sys/kernel",
        "/sys/fs/cgroup",
        "/dev/mem",
        "/dev/kmsg",
        "/dev/sda",
        "/dev/vda",
        "/dev/kvm",
        "/dev/fuse",
        "/dev/net",
        "/dev/console",
        "/dev/loop0",
    ];
    for path in hidden {
        let outcome = cell.run(Command::new(["ls", "-d", path])).await.unwrap();
        assert!(!outcome.success(), "{path} shows: {}", text(&outcome.stdout));
    }
    let exact = [
        ("ls -A /root /mnt /opt /srv /run /tmp /var/tmp /dev/shm /dev/mqueue ~ | grep -v -e '^$' -e ':$' || :", ""),
        ("ls -A /home", "student\n"),
        ("cat /etc/passwd | cut -d: -f1,3 | tr '\\n' ' '", "root:0 student:1000 nobody:65534 "),
        ("cat /etc/hostname; hostname; uname -n", "belljar\nbelljar\nbelljar\n"),
        ("ls -A /dev | tr '\\n' ' '", "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero "),
        ("ls -A /dev/pts", "ptmx\n"),
        ("ls -A /var | tr '\\n' ' '", "lib tmp "),
    ];
    for (script, expected) in exact {
        assert_eq!(cell.say(script).await, expected, "{script}");
    }
    let root = cell.say("ls -A / | grep -v -x -e bin -e sbin -e 'lib.*' -e usr | tr '\\n' ' '").await;
    assert_eq!(root, "dev etc home mnt opt proc root run srv tmp var ");
    // Of the host's mounts only file systems that carry programs, and no path of ours, are named.
    let mounts = cell.say("cat /proc/self/mountinfo").await;
    for word in ["/work/", "belljar-test", "cgroup", "sysfs", "debugfs", "securityfs"] {
        assert!(!mounts.contains(word), "{word} in\n{mounts}");
    }
    assert!(cell.say("cat /proc/self/cgroup").await.lines().all(|line| line.ends_with(":/")), "group paths are hidden");
    assert_eq!(cell.say("cat /proc/self/environ | tr '\\0' '\\n' | grep -i -e cargo -e belljar || :").await, "");
    cell.close().await;
}

pub(crate) async fn the_program_sees_only_itself(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    let groups = "uid=1000(student) gid=1000(student) groups=1000(student)\n";
    let said = cell.say("id").await;
    // Without privileges the groups of the server's user cannot be given up; they are nobody's inside.
    assert!(said == groups || (!bench.privileged && said.contains("65534")), "{said}");
    let status = cell.say("cat /proc/self/status").await;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("{name}")).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(name), "0000000000000000", "{name}");
    }
    assert_eq!(field("NoNewPrivs"), "1");
    assert_eq!(field("Seccomp"), "2");
    assert_eq!(field("Uid"), "1000 1000 1000 1000");
    assert_eq!(field("Gid"), "1000 1000 1000 1000");
    assert_eq!(field("TracerPid"), "0");
    for mask in ["SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"] {
        assert_eq!(field(mask), "0000000000000000", "{mask}: nothing is inherited from us");
    }
    // Processes of ours do not show, in any way.
    assert_eq!(cell.say("ls -d /proc/1 /proc/2 2>&1 | grep -c 'No such file'").await, "2\n");
    assert_eq!(cell.say("set -- /proc/[0-9]*; echo $#; read -r name < $1/comm; echo $name").await, "1\nbash\n");
    let caps = cell.say("cat /proc/*/status | grep -e ^Cap -e ^NoNew -e ^Seccomp: | sort -u").await;
    assert_eq!(caps.lines().count(), 7, "no process in sight has more than its program: {caps}");
    assert_eq!(cell.say("ps ax -o comm= | sort | tr '\\n' ' '").await, "bash ps sort tr ");
    // A session and a process group of its own, no terminal.
    assert_eq!(
        cell.say("p=$$; read -r _ _ _ _ g s t _ < /proc/self/stat; echo $((p == g)) $((p == s)) $t").await,
        "1 1 0\n"
    );
    // Whoever is started with less of the processors gets no more of them.
    let nice = rustix::process::getpriority_process(None).unwrap();
    assert_eq!(cell.say("umask; ulimit -c; nice; pwd").await, format!("0022\n0\n{nice}\n/home/student\n"));
    assert_eq!(cell.say("cat /proc/self/oom_score_adj").await, "1000\n", "whoever runs out of memory is killed");
    cell.close().await;
}

pub(crate) async fn the_environment_is_the_policys(bench: &Bench) {
    let policy = Policy::default();
    let outcome = bench.run(policy.clone(), Command::new(["env"])).await;
    let mut said: Vec<String> = text(&outcome.stdout).lines().map(str::to_owned).collect();
    said.sort();
    let expected: Vec<String> = policy.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(said, expected);
    let mut bare = policy;
    bare.environment.clear();
    assert_eq!(text(&bench.run(bare, Command::new(["env"])).await.stdout), "");
}

pub(crate) async fn three_descriptors_are_open(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    for _ in 0..2 {
        assert_eq!(
            cell.run(Command::new(["ls", "/proc/self/fd"])).await.map(|outcome| text(&outcome.stdout)).unwrap(),
            "0\n1\n2\n3\n"
        );
        cell.settle().await.unwrap();
    }
    let targets = cell.say("readlink /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 | sed 's/[0-9]//g'").await;
    assert_eq!(targets, "/dev/null\npipe:[]\npipe:[]\n");
    // Writing to where one reads, or the other way, is no way out; /dev/null is the sandbox's or the host's, which is the same.
    assert_eq!(cell.say("echo x >&0 && head -c 1 <&0 | wc -c").await, "0\n");
    cell.close().await;
}

pub(crate) async fn loopback_is_the_only_network(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    assert_eq!(cell.say("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '").await, "lo\n");
    assert_eq!(cell.say("tail -n +2 /proc/net/route").await, "", "no route leaves");
    let outcome = cell
        .python(
            "import socket, errno
for family, address in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1')):
  for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    try: a = socket.socket(family, kind)
    except OSError as e: print(family.name, 'absent'); continue
    a.bind((address, 0))
    b = socket.socket(family, kind)
    if kind == socket.SOCK_STREAM:
      a.listen(); b.connect(a.getsockname()); c, _ = a.accept(); b.send(b'x'); assert c.recv(1) == b'x'
    else:
      b.sendto(b'x', a.getsockname()); assert a.recv(1) == b'x'
print('loopback')
# Addresses for documentation (RFC 5737); the kernel answers at once, because there is no way there.
for address in ('192.0.2.1', '198.51.100.1', '169.254.169.254', '10.0.0.1'):
  s = socket.socket(); s.settimeout(2)
  try: s.connect((address, 80)); print('connected', address)
  except OSError as e: print(errno.errorcode[e.errno])
",
        )
        .await;
    let said = text(&outcome.stdout);
    assert!(outcome.success(), "{}", shown(&outcome));
    assert!(said.ends_with("loopback\nENETUNREACH\nENETUNREACH\nENETUNREACH\nENETUNREACH\n"), "{said}");
    assert_eq!(cell.say("tail -n +2 /proc/net/unix | awk 'NF > 7'").await, "", "no socket of the host");
    cell.close().await;
}

pub(crate) async fn dangerous_files_of_proc_are_masked(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    let empty = [
        "kcore",
        "keys",
        "key-users",
        "kallsyms",
        "kmsg",
        "kpagecount",
        "modules",
        "sched_debug",
        "slabinfo",
        "sysrq-trigger",
        "timer_list",
        "vmallocinfo",
    ];
    for name in empty {
        let outcome =
            cell.shell(&format!("[ ! -e /proc/{name} ] || head -c 10 /proc/{name} | wc -c | grep -qx 0")).await;
        assert!(outcome.success(), "/proc/{name} says something: {}", shown(&outcome));
    }
    for name in ["acpi", "asound", "scsi"] {
        assert_eq!(cell.say(&format!("ls -A /proc/{name} 2>/dev/null || :")).await, "", "/proc/{name}");
    }
    let written = [
        "sys/kernel/core_pattern",
        "sys/kernel/ns_last_pid",
        "sys/kernel/hostname",
        "sys/vm/drop_caches",
        "sysrq-trigger",
        "sys/net/ipv4/ip_forward",
        "self/oom_score_adj",
        "self/uid_map",
        "self/attr/current",
        "self/mem",
        "pressure/memory",
        "irq/default_smp_affinity",
        "self/timens_offsets",
    ];
    for name in written {
        let outcome = cell.shell(&format!("echo 1 > /proc/{name}")).await;
        assert!(!outcome.success(), "/proc/{name} can be written");
    }
    cell.close().await;
}

pub(crate) async fn the_tree_is_writable_only_where_it_should_be(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    let script = "for d in /tmp /var/tmp /dev/shm /run /dev/mqueue ~ /proc /dev /usr /usr/bin /etc /root /mnt /opt /srv /home; do touch $d/x 2>/dev/null && echo $d; rm -f $d/x 2>/dev/null; done; :";
    assert_eq!(cell.say(script).await, "/tmp\n/var/tmp\n/dev/shm\n/run\n/home/student\n");
    let refused = [
        "echo x >> /etc/passwd",
        "echo x > /usr/bin/x",
        "rm -f /usr/bin/true",
        "chmod 777 /etc",
        "ln -s x /x",
        "mkdir /x",
        "mv /etc /tmp/etc",
        "mknod /tmp/sda b 8 0",
        "mknod /tmp/null c 1 3",
        "mknod ~/kmsg c 1 11",
        "rmdir /srv",
        "rm -rf /dev/null",
        "chown root ~",
        "chown 0:0 ~",
        "touch /dev/null2",
        "echo > /dev/stdout/x",
        "rm -r /home/student",
    ];
    for script in refused {
        assert!(!cell.shell(script).await.success(), "{script}");
    }
    // Device files that somebody else left could not be opened either: nodev.
    let mounts = cell.say("cut -d' ' -f5,6 /proc/self/mountinfo").await;
    for line in mounts.lines() {
        let (place, options) = line.split_once(' ').unwrap();
        let options: Vec<&str> = options.split(',').collect();
        assert!(options.contains(&"nosuid"), "{line}");
        let device =
            place.starts_with("/dev/") && !["/dev/shm", "/dev/mqueue"].contains(&place) || place.starts_with("/proc/");
        assert!(device || options.contains(&"nodev"), "{line}");
        let writable = ["/tmp", "/var/tmp", "/dev/shm", "/run", "/dev/mqueue", "/home/student", "/proc", "/dev/pts"]
            .contains(&place);
        assert!(writable || options.contains(&"ro"), "{line}");
    }
    cell.close().await;
}

pub(crate) async fn setuid_programs_gain_nothing(bench: &Bench) {
    for user in [User::ORDINARY, User::ROOT] {
        let mut cell = bench.cell(Policy { user, ..Policy::default() }).await;
        let before = cell.say("id -u; grep -e ^Cap -e ^Uid /proc/self/status").await;
        let after = cell.say("cp /usr/bin/bash /tmp/b; chmod 6755 /tmp/b; /tmp/b -p -c 'id -u; grep -e ^Cap -e ^Uid /proc/self/status'").await;
        assert_eq!(before, after);
        let outcome = cell.shell("for p in /usr/bin/su /usr/bin/chfn /usr/bin/passwd; do [ -u $p ] && echo | $p 2>/dev/null && echo $p; done; :").await;
        assert_eq!(text(&outcome.stdout).matches("/usr").count(), 0, "{}", shown(&outcome));
        cell.close().await;
    }
}

pub(crate) async fn a_policy_without_the_walls_is_refused(bench: &Bench) {
    // Without one of these the set-up itself would act on the host: its mounts, its processes.
    for layer in [Layer::UserNamespace, Layer::PidNamespace, Layer::MountNamespace] {
        let mut policy = Policy::default();
        policy.layers.insert(layer, Strictness::Off);
        let reason = bench.refusal(policy).await;
        assert!(reason.contains(layer.name()), "{reason}");
    }
}

/// Seen from outside: what of ours lives inside.
pub(crate) async fn what_is_ours_inside_has_no_privileges(bench: &Bench) {
    for user in [User::ORDINARY, User::ROOT] {
        without_privileges(bench, user).await;
    }
}

async fn without_privileges(bench: &Bench, user: User) {
    let mut cell = bench.cell(Policy { user, ..Policy::default() }).await;
    let launcher = bench.launcher.process_id().await.unwrap();
    let status = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().split_whitespace().next().unwrap_or_default().to_owned()
    };
    let look = async {
        let mut below = Default::default();
        crate::bench::until("the program runs", async || {
            below = crate::leaks::descendants(launcher);
            below.values().any(|name| name == "sleep")
        })
        .await;
        for (pid, name) in below {
            let status = status(pid);
            let is_init = field(&status, "PPid") == launcher.to_string();
            assert_eq!(field(&status, "NoNewPrivs"), "1", "{name}: {status}");
            for set in ["CapBnd", "CapAmb", "CapInh"] {
                assert_eq!(field(&status, set), "0000000000000000", "{name}: {status}");
            }
            // The init keeps those of its own user namespace, where it renews what a run has; no program can reach it.
            for set in ["CapEff", "CapPrm"] {
                assert!(is_init || field(&status, set) == "0000000000000000", "{name}: {status}");
            }
            // The init's filter only reports.
            assert_eq!(field(&status, "Seccomp"), "2", "{name}: {status}");
            assert_eq!(field(&status, "Seccomp_filters"), if is_init { "1" } else { "2" }, "{name}: {status}");
            if bench.privileged {
                assert!(field(&status, "Uid").parse::<u32>().unwrap() >= 0x7000_0000, "{name}: {status}");
                assert_eq!(field(&status, "Groups"), "", "{name}: {status}");
            }
            // Not dumpable: an ordinary user cannot look, which is as it should be.
            let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd"));
            for descriptor in descriptors.into_iter().flatten().flatten() {
                let target = std::fs::read_link(descriptor.path()).unwrap_or_default();
                let target = target.to_string_lossy();
                // The init holds its control group's counters, mounts, and namespaces of the sandbox.
                let harmless = ["/dev/null", "/null", "pipe:", "socket:", "anon_inode:[signalfd]"];
                assert!(is_init || harmless.iter().any(|prefix| target.starts_with(prefix)), "{name}: {target}");
            }
        }
    };
    tokio::select! { outcome = cell.shell("sleep 60") => panic!("{outcome:?}"), () = look => {} }
    cell.close().await;
}

pub(crate) async fn nobody_escapes_the_out_of_memory_killer(bench: &Bench) {
    // Landlock refuses these files too: without it file modes and the kernel's own rule must do.
    let mut policy = Policy::default();
    policy.layers.insert(Layer::Landlock, Strictness::Off);
    policy.limits.memory = 64 << 20;
    let mut cell = bench.cell(policy).await;
    let script = "echo -1000 > /proc/self/oom_score_adj; cat /proc/self/oom_score_adj";
    let outcome = cell.shell(script).await;
    assert_ne!(text(&outcome.stdout).trim(), "-1000", "{}", shown(&outcome));
    cell.close().await;
}
