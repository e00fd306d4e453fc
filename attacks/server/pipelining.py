# attack: requests before the answers
# tries: five thousand requests on one connection whose answers are not read, twenty such connections, executions among them, and then closes
# source: HTTP pipelining floods; CVE-2023-44487 (rapid reset) is the same with streams
# expect: the server stops reading from who does not read; its memory is bounded, others are served, and the pool is whole afterwards
# stopped-by: server.write_timeout, and one request at a time for each connection
# control: own
# on: host
import attack, os, threading, time

def naive():
    # Reads as much as there is, and answers it all from memory, in the end.
    import socket
    server = attack.NaiveServer(threads=0)
    kept = []
    def one(connection):
        answers = b""
        connection.settimeout(1)
        try:
            while piece := connection.recv(1 << 16):
                answers += b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" * piece.count(b"\r\n\r\n") + b"x" * 3000 * piece.count(b"\r\n\r\n")
        except OSError:
            kept.append(answers)
    def serve():
        while True:
            connection, _ = server.listener.accept()
            threading.Thread(target=one, args=(connection,), daemon=True).start()
    threading.Thread(target=serve, daemon=True).start()
    return server

server = attack.server(naive)
pid = os.getpid() if attack.CONTROL else int(os.environ["BELLJAR_SERVER_PID"])
body = b"config=%7B%22commands%22%3A%5B%22true%22%5D%7D"
execution = b"POST /execute/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
many = (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 500 + execution) * 10
before = attack.memory(pid)
connections = []
for _ in range(20):
    connection = attack.connect(server, 0.2)
    connections.append(connection)
    try:
        connection.sendall(many)
    except OSError:
        pass
time.sleep(1)
grown = attack.memory(pid) - before
if grown > 64 << 20:
    attack.broke(f"the server has {grown >> 20} MiB more than before")
attack.served(server)
for connection in connections:
    connection.close()
attack.served(server)
attack.held(f"others were served; memory grew by {max(0, grown) >> 10} KiB")
