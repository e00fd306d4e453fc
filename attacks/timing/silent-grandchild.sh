# attack: hold the output open and say nothing
# tries: a grandchild in a session of its own keeps copies of standard output and error in a hundred descriptors, and sleeps
# source: test 3 of execution-sandboxes; the classic hang of subprocess.communicate() and of CI runners
# expect: the run ends with its program, not with the last holder of the pipe
# stopped-by: pid_namespace
# flags: --wall-time 20s
# timeout: 6
# control: plain
echo "held: nobody waited for the grandchild"
setsid bash -c 'trap "" HUP INT TERM; for n in $(seq 10 100); do eval "exec $n>&1"; done; sleep 1; sleep 3600' &
sleep 0.2
# In the control it is still there when its parent has gone.
case $HOME in /tmp/work*) (trap "" TERM; sleep 0.5; pgrep -f 'sleep 3600' >/dev/null || true; [ -e /proc/$!/fd/50 ] && echo "broke: it holds the pipe after its parent's end") ;; esac
exit 0
