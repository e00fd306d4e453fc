# attack: burn CPU in slices between SIGSTOP and SIGCONT
# tries: two workers burn CPU, a third process stops and continues them in turns at the pace of a sampler, so that each looks
#   asleep whenever somebody samples it
# source: test 11 and 12 of execution-sandboxes; cheating a scheduler's sampling (Tsafrir, Etsion, Feitelson, USENIX Security 2007)
# expect: the CPU time of all together is counted, and the limit ends them
# stopped-by: cpu_accounting
# flags: --cpu-time 700ms --wall-time 8s
# ends: cpu_time
# control: plain
import os, signal, time

START = time.monotonic()
workers = []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        while True:
            pass
    workers.append(pid)
used = lambda: sum(sum(int(word) for word in open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1].split()[11:13]) for pid in workers) / os.sysconf("SC_CLK_TCK")
turn = 0
while time.monotonic() - START < 6:
    turn += 1
    os.kill(workers[turn % 2], signal.SIGSTOP)
    os.kill(workers[(turn + 1) % 2], signal.SIGCONT)
    time.sleep(0.004)
    if used() > 2:
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        print("broke: two workers used 2 s of CPU", flush=True)
        os._exit(99)
# A machine so busy that it gave them less than their limit shows nothing.
print(f"it had {used():.2f} s only")
