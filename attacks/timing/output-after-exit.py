# attack: write after the end
# tries: leaves a daemon (double fork, setsid, all signals ignored) that goes on writing to the standard output of its dead parent
# source: test 3 of execution-sandboxes (minijail and firejail wait 47 s for such a daemon); cron's oldest trick
# expect: the run ends with its program, at once, and the daemon with it; what it writes later reaches nobody
# stopped-by: pid_namespace
# flags: --wall-time 20s
# timeout: 8
# control: plain
import os, signal, sys, time

sys.stdout.write("held: its output ended with it\n")
sys.stdout.flush()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        time.sleep(1)
        # Whoever still reads hears that.
        for _ in range(3):
            os.write(1, b"broke: written a second after the end\n")
        time.sleep(3600)
    os._exit(0)
os.wait()
if os.environ.get("HOME", "").startswith("/tmp/work"):
    time.sleep(2)
os._exit(0)
