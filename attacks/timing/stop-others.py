# attack: stop everything else, the supervisor first
# tries: SIGSTOP to process 1, to the parent, and to everything that it may signal, again and again from several processes
# source: test 5 and 9 of execution-sandboxes; supervisors that share a user with what they supervise
# expect: the wall-clock limit ends it all the same
# stopped-by: pid_namespace
# flags: --wall-time 1s
# ends: wall_time
# control: host-unsafe: without a process-id namespace it would stop what the runner itself runs
import os, signal

for _ in range(4):
    if os.fork() == 0:
        os.setsid()
        break
while True:
    for target in (1, os.getppid(), -1, 2, 3):
        for number in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTOU, signal.SIGCONT):
            try:
                os.kill(target, number)
            except OSError:
                pass
