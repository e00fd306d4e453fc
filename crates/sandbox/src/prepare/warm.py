"""The zygote of a warm interpreter. ARCHITECTURE.md, "Warm interpreters", tells how it fits in.

A Python interpreter imports this as `usercustomize`: the last thing that it does before it runs what its command line says. It stays
in here, and forks. A fork confines itself, waits for a run, and leaves; the interpreter then goes on with a command line that was
exchanged for the run's. So what happens from there on to the exit code is what happens in any interpreter, by the same code, without
a frame of ours on the stack.

Nothing in here has seen a program's bytes before the fork that becomes this program.
"""

import sys

MAKE, SWEEP, LOOK, MOVE = 1, 2, 3, 4
VIA_SHELL = 4
DECLINED = 255
WORD = 8


class Declined(Exception):
    """This run is not for us: it would see a difference. It is started in the ordinary way."""


def serve():
    """Forks for the init until it goes away. Returns only in the fork that becomes a program."""
    import os

    directory, _, _ = __file__.rpartition("/")
    with open(directory + "/plan") as file:
        plan = eval(file.read(), {"__builtins__": {}})
    # From here on the interpreter is as if it had been started without us.
    sys.path.remove(directory)
    sys.path_importer_cache.pop(directory, None)
    usual = frozenset(sys.modules) - {"usercustomize"}
    finders = frozenset(sys.path_importer_cache)
    kept = []

    def forget():
        # What was imported ahead need not be taken apart at the end: it would touch, and so copy, every page of it. Registered
        # first, called last.
        for name in kept:
            sys.modules.pop(name, None)

    set_environment(os, [one.partition(b"=")[::2] for one in plan["environment"]])
    import atexit

    atexit.register(forget)
    tools = Tools(plan)
    hidden = [sys.modules.pop(name) for name in frozenset(sys.modules) - usual - {"usercustomize"}]
    for entry in frozenset(sys.path_importer_cache) - finders:
        del sys.path_importer_cache[entry]
    for name in plan["imports"]:
        try:
            __import__(name)
        except Exception:
            # The program that imports it is told.
            pass
    kept.extend(name for name in sys.modules if name not in usual and name != "usercustomize")
    tools.leak([hidden, [sys.modules[name] for name in kept]])
    modules = Modules(usual, kept)
    tools.shut_the_ears()
    tools.gc.collect()
    tools.gc.freeze()
    tools.memory = tools.writable()
    # Libraries with threads of their own end them before a fork, and none may be left: a fork has only one.
    fork(os, lambda: os._exit(0))
    if len(os.listdir("/proc/self/task")) != 1:
        os._exit(1)
    control = tools.socket(plan["socket"])
    control.send(b"\1")
    while True:
        message, passed = tools.receive(control, 1)
        if not message:
            os._exit(0)
        if message[0] == MOVE:
            # The init made a new network, because a program had left traces in the one before.
            socket, network = passed
            tools.set_namespace(network, plan["owns"]["net"])
            os.dup2(socket, control.fileno(), False)
            os.close(socket)
            os.close(network)
            control.send(b"\1")
            continue
        if message[0] != MAKE:
            # Everybody but this process and process 1.
            try:
                os.kill(-1, 9 if message[0] == SWEEP else 0)
                alone = False
            except ProcessLookupError:
                alone = True
            control.send(b"\1" if alone or message[0] == SWEEP else b"\0")
            continue
        mine, mounts, ipc = passed
        if fork(os, None):
            control.detach()
            Fork(plan, tools, modules, mine).become(mounts, ipc)
            return
        for descriptor in passed:
            os.close(descriptor)
        control.send(b"\1")


def fork(os, action):
    """True in a fork that belongs to the init: its parent has ended, and is reaped here."""
    between = os.fork()
    if between == 0:
        try:
            if os.fork():
                os._exit(0)
        except OSError:
            os._exit(1)
        if action:
            action()
        return True
    os.waitpid(between, 0)
    return False


class Tools:
    """System calls, and what of the interpreter's own memory has to be known."""

    def __init__(self, plan):
        import _socket
        import ctypes
        import gc

        self.ctypes, self.gc, self._socket = ctypes, gc, _socket
        self.numbers = plan["calls"]
        library = ctypes.CDLL(None, use_errno=True)
        self.raw = library.syscall
        self.raw.restype = ctypes.c_long
        self.python = ctypes.pythonapi
        self.call("prctl", plan["set_dumpable"], 0, 0, 0, 0)
        self.steps = [
            (layer, required, [(number, [self.argument(one) for one in arguments], into) for number, arguments, into in calls])
            for layer, required, calls in plan["drop"]
        ]
        self.dispositions = {}
        self.find_command_line(plan["placeholder"])

    def call(self, name, *arguments):
        arguments = [self.ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
        result = self.raw(self.ctypes.c_long(self.numbers[name]), *arguments)
        if result == -1:
            raise OSError(self.ctypes.get_errno(), name)
        return result

    def set_namespace(self, descriptor, kind):
        self.call("setns", descriptor, kind)

    def socket(self, descriptor):
        return self._socket.socket(fileno=descriptor)

    def receive(self, socket, length):
        room = self._socket.CMSG_SPACE(4 * 4)
        message, control, _, _ = socket.recvmsg(length, room, self._socket.MSG_CMSG_CLOEXEC)
        passed = []
        for _, _, descriptors in control:
            passed.extend(memoryview(descriptors[: len(descriptors) // 4 * 4]).cast("i"))
        return message, passed

    def leak(self, objects):
        self.python.Py_IncRef(self.ctypes.py_object(objects))

    def argument(self, written):
        """An argument of a system call as the plan writes it: a number, bytes to point to, a slot, a structure to point to."""
        if isinstance(written, int):
            return self.ctypes.c_long(written)
        if isinstance(written, bytes):
            return self.ctypes.create_string_buffer(written, len(written))
        kind, parts = written
        if kind == "slot":
            return Slot(parts)
        content, patches, pointed = b"", [], []
        for part in parts:
            if isinstance(part, bytes):
                content += part
                continue
            what, value = part
            if what == "slot":
                patches.append((len(content), value))
                content += bytes(4)
            else:
                pointed.append(self.ctypes.create_string_buffer(value, len(value)))
                content += self.ctypes.addressof(pointed[-1]).to_bytes(WORD, sys.byteorder)
        return Structure(self.ctypes.create_string_buffer(content, len(content)), patches, pointed)

    def confine(self):
        """Carries the plan out, as `plan::execute` does. The layers that could not be put on, one bit each."""
        ctypes, slots, missing = self.ctypes, {}, 0
        for layer, required, calls in self.steps:
            bit = 1 << layer if layer < 64 else 0
            if not required and missing & bit:
                continue
            for number, arguments, into in calls:
                values = [one.value_with(ctypes, slots) if isinstance(one, (Slot, Structure)) else one for one in arguments]
                result = self.raw(ctypes.c_long(number), *values)
                if result == -1:
                    if required:
                        raise OSError(ctypes.get_errno(), "step")
                    missing |= bit
                    break
                if into is not None:
                    slots[into] = result
        return missing

    def shut_the_ears(self):
        """Ignores every signal, and lets them come: one that is blocked would wait here from run to run."""
        ctypes = self.ctypes
        ignore = (ctypes.c_ulong * 4)(1)
        for signal in range(1, 65):
            # SIGKILL and SIGSTOP cannot be; SIGCHLD is to make us wait for our children.
            if signal in (9, 17, 19):
                continue
            former = (ctypes.c_ulong * 4)()
            self.call("rt_sigaction", signal, ignore, former, WORD)
            self.dispositions[signal] = former
        self.block_signals(False)

    def block_signals(self, all_of_them):
        set_mask = 2
        mask = (self.ctypes.c_ulong * 1)(-1 if all_of_them else 0)
        self.call("rt_sigprocmask", set_mask, mask, 0, WORD)

    def open_the_ears(self):
        """Makes signals do again what they do in any interpreter, once they are let through."""
        self.block_signals(True)
        for signal, former in self.dispositions.items():
            self.call("rt_sigaction", signal, former, 0, WORD)

    def writable(self):
        """The ranges of our memory that can be written to, but for the stack."""
        with open("/proc/self/maps") as file:
            fields = [line.split(None, 2) for line in file if "[stack]" not in line]
        return [tuple(int(end, 16) for end in span.split("-")) for span, mode, _ in fields if mode.startswith("rw-p")]

    def touch(self, advice):
        """Makes a fork's memory its own ahead of the run, which would else do it page by page."""
        for low, high in self.memory:
            # A kernel that does not know how leaves it to the run.
            self.raw(self.ctypes.c_long(self.numbers["madvise"]), self.ctypes.c_long(low), self.ctypes.c_long(high - low), advice)

    def find_command_line(self, placeholder):
        """Finds in the interpreter's configuration what its main program is told by the command line.

        The structure differs from version to version. It is known by its content, which is ours: `-c PLACEHOLDER ARGUMENT`.
        """
        ctypes = self.ctypes
        self.python._Py_GetConfig.restype = ctypes.c_void_p
        self.python.PyMem_RawMalloc.restype = ctypes.c_void_p
        start = self.python._Py_GetConfig()
        ranges = self.writable()

        def readable(address, length):
            return any(low <= address and address + length <= high for low, high in ranges)

        def text(address, expected):
            expected = bytes(ctypes.create_unicode_buffer(expected))
            return readable(address, len(expected)) and ctypes.string_at(address, len(expected)) == expected

        count = 160
        while not readable(start, count * WORD):
            count -= 1
        words = (ctypes.c_size_t * count).from_address(start)
        commands = [at for at in range(count - 2) if text(words[at], placeholder + "\n") and not words[at + 1] | words[at + 2]]
        lists = []
        for at in range(count - 1):
            if words[at] == 2 and words[at + 1] % WORD == 0 and readable(words[at + 1], 2 * WORD):
                items = (ctypes.c_size_t * 2).from_address(words[at + 1])
                if text(items[0], "-c") and text(items[1], placeholder):
                    lists.append(at)
        (self.command,), (self.arguments,) = commands, lists
        self.words = words

    def own(self, content):
        """Memory of the interpreter's kind with this content."""
        size = self.ctypes.sizeof(content)
        address = self.python.PyMem_RawMalloc(self.ctypes.c_size_t(size))
        self.ctypes.memmove(address, content, size)
        return address

    def set_command_line(self, command, module, file, arguments):
        ctypes, words = self.ctypes, self.words

        def text(string):
            return 0 if string is None else self.own(ctypes.create_unicode_buffer(string))

        words[self.command], words[self.command + 1], words[self.command + 2] = text(command), text(module), text(file)
        words[self.arguments] = len(arguments)
        words[self.arguments + 1] = self.own((ctypes.c_size_t * len(arguments))(*map(text, arguments)))


class Slot:
    def __init__(self, name):
        self.name = name

    def value_with(self, ctypes, slots):
        return ctypes.c_long(slots[self.name])


class Structure:
    def __init__(self, buffer, patches, pointed):
        self.buffer, self.patches, self.pointed = buffer, patches, pointed

    def value_with(self, ctypes, slots):
        for offset, name in self.patches:
            ctypes.c_int32.from_buffer(self.buffer, offset).value = slots[name]
        return self.buffer


class Modules:
    """Which files of a program would have been imported instead of what was imported ahead."""

    def __init__(self, usual, kept):
        self.ahead = self.places(kept)
        self.usual = self.places(usual)
        self.kept = frozenset(kept)

    def places(self, names):
        """Directory by first part of a name, for modules that a directory of a program could hide."""
        found = {}
        for name in names:
            module = sys.modules[name]
            file = getattr(getattr(module, "__spec__", None), "origin", None)
            if "." in name or file is None or "/" not in file:
                continue
            directory, _, _ = file.rpartition("/")
            if hasattr(module, "__path__"):
                directory, _, _ = directory.rpartition("/")
            found[name] = directory
        return found

    def check(self, os, script_directory):
        own = sys.prefix + "/lib/"
        foreign = [entry for entry in sys.path if not entry.startswith(own)]
        customized = {"sitecustomize": None, "usercustomize": None}
        for directory in foreign:
            self.check_directory(os, directory, {**customized, **self.usual, **self.ahead})
        if not getattr(sys.flags, "safe_path", False):
            self.check_directory(os, script_directory, self.ahead)
        for entry, finder in list(sys.path_importer_cache.items()):
            if entry.startswith(own):
                continue
            if finder is None:
                # It may be there now.
                del sys.path_importer_cache[entry]
            else:
                finder.invalidate_caches()

    def check_directory(self, os, directory, known):
        try:
            names = os.listdir(directory or ".")
        except OSError:
            return
        for name in names:
            stem, _, _ = name.partition(".")
            if stem in known and known[stem] != directory.rstrip("/"):
                raise Declined

    def check_module(self, name):
        # `runpy` warns of a module that is there before it is run.
        if name + ".__main__" in self.kept or ("." in name and name in self.kept):
            raise Declined


class Fork:
    """A fork on its way to be a program."""

    def __init__(self, plan, tools, modules, control):
        import os

        self.os, self.plan, self.tools, self.modules = os, plan, tools, modules
        self.control = tools.socket(control)

    def become(self, mounts, ipc):
        os, control = self.os, self.control
        problem, missing = 0, 0
        try:
            self.tools.set_namespace(mounts, self.plan["owns"]["mounts"])
            if self.plan["owns"]["ipc"]:
                self.tools.set_namespace(ipc, self.plan["owns"]["ipc"])
            missing = self.tools.confine()
            self.close_all_above_two(control.fileno())
            self.tools.open_the_ears()
        except OSError as error:
            problem = error.errno or 1
        self.tools.touch(self.plan["populate"])
        pack = int.to_bytes
        control.send(pack(missing, 8, sys.byteorder) + pack(os.getpid(), 4, sys.byteorder) + pack(problem, 4, sys.byteorder))
        if problem:
            os._exit(1)
        message, passed = self.tools.receive(control, self.plan["max_packet"])
        if len(passed) != 3:
            os._exit(0)
        try:
            self.take(Request(os, message), passed)
        except (Declined, OSError):
            self.answer(0, DECLINED)
            os._exit(0)
        self.answer(os.getpid(), 0)
        control.close()

    def close_all_above_two(self, but):
        if but > 3:
            self.tools.call("close_range", 3, but - 1, 0)
        self.tools.call("close_range", but + 1, 0xFFFFFFFF, 0)

    def answer(self, pid, failed):
        pack = int.to_bytes
        self.control.send(b"".join(pack(one, 4, sys.byteorder) for one in (pid, failed, 0)))

    def take(self, request, streams):
        """Becomes the program, as far as that can be told before it runs."""
        os, tools = self.os, self.tools
        if request.directory:
            os.chdir(request.directory)
        request.check_program(os, os.fsdecode(self.plan["program"]))
        request.check_user_site(os)
        command, module, file, arguments = request.main_program(os, self.modules)
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
        self.close_all_above_two(self.control.fileno())
        if request.cpu_seconds:
            limits = (tools.ctypes.c_ulong * 2)(request.cpu_seconds, request.cpu_seconds + 1)
            tools.call("prlimit64", 0, self.plan["limit_cpu"], limits, 0)
        request.set_environment(os, self.plan["program"])
        # The collector does not see what was there when it was told not to copy it: programs' objects are to be found at the end.
        former = sys.modules["__main__"]
        sys.modules["__main__"] = type(sys)("__main__")
        vars(sys.modules["__main__"]).update(vars(former))
        sys.argv[:], sys.orig_argv[:] = arguments, request.command_line
        tools.set_command_line(command, module, file, arguments)
        open_streams()
        if "numpy.random" in sys.modules:
            # The one generator that is known to be seeded at import and not at a fork.
            sys.modules["numpy.random"].seed()
        threading = sys.modules.get("threading")
        if hasattr(threading, "main_thread") and hasattr(threading.main_thread(), "_set_native_id"):
            threading.main_thread()._set_native_id()
        tools.block_signals(False)
        tools.call("prctl", self.plan["set_dumpable"], 1, 0, 0, 0)


class Request:
    """`wire::Request`, read for us."""

    def __init__(self, os, message):
        words = memoryview(message[: 9 * WORD]).cast("Q")
        strings = message[9 * WORD : -1].split(b"\0")
        arguments, variables = words[5], words[6]
        self.flags, cpu_ns = words[1], words[3]
        self.cpu_seconds = -(-cpu_ns // 1_000_000_000) + 1 if cpu_ns else 0
        self.directory = strings[0]
        self.variables = [one.partition(b"=")[::2] for one in strings[1 + arguments : 1 + arguments + variables]]
        self.command_line = [os.fsdecode(one) for one in strings[1 + arguments + variables :]]

    def check_program(self, os, program):
        """The file that `execvp` would find must be the interpreter, by the name that it was started with."""
        name = self.command_line[0]
        if "/" in name:
            candidates = [name]
        else:
            path = dict(self.variables).get(b"PATH", b"/usr/local/bin:/usr/bin:/bin")
            candidates = [(entry or ".") + "/" + name for entry in os.fsdecode(path).split(":")]
        found = next((one for one in candidates if os.path.lexists(one)), None)
        if found != program:
            raise Declined

    def check_user_site(self, os):
        site = sys.modules["site"]
        if site.ENABLE_USER_SITE and os.path.isdir(site.USER_SITE) != (site.USER_SITE in sys.path):
            raise Declined

    def main_program(self, os, modules):
        """What the configuration says of it: command, module, file, and `sys.argv`."""
        rest = self.command_line[1:]
        command = module = file = None
        directory = ""
        if not rest:
            rest = [""]
        elif rest[0] == "-c" and len(rest) > 1:
            command, rest = rest[1] + "\n", ["-c", *rest[2:]]
        elif rest[0] == "-m" and len(rest) > 1:
            module, rest = rest[1], ["-m", *rest[2:]]
            modules.check_module(module)
        elif rest[0] == "-":
            pass
        elif rest[0].startswith("-") or not rest[0]:
            raise Declined
        else:
            file = rest[0]
            # A link's directory is that of its target; a directory is a program of its own kind.
            if os.path.islink(file) or not os.path.isfile(file):
                raise Declined
            directory, _, _ = file.rpartition("/")
            if file.startswith("/"):
                directory = directory or "/"
            else:
                file = os.getcwd() + "/" + file
        modules.check(os, directory)
        return command, module, file, rest

    def set_environment(self, os, program):
        variables = self.variables
        if self.flags & VIA_SHELL:
            # What a shell sets before it executes its last command.
            known = dict(variables)
            directory = os.fsencode(os.getcwd())
            variables = [*known.items(), (b"PWD", directory), (b"SHLVL", b"0"), (b"_", program)]
        set_environment(os, variables)


def set_environment(os, variables):
    """Sets the variables, in this order, for Python and C."""
    known = list(os.environb.items())
    if variables[: len(known)] == known:
        # As nearly always: those of all runs, and then some.
        variables = variables[len(known) :]
    else:
        os.environ.clear()
    for name, value in variables:
        os.environb[name] = value


def open_streams():
    """`sys.stdin` and the others, as `create_stdio` of CPython makes them."""
    io = sys.modules["_io"]
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        former = getattr(sys, name)
        # `-u` is not among the flags that can be seen.
        through = former.write_through
        unbuffered = through and mode == "w"
        binary = io.open(descriptor, mode + "b", 0 if unbuffered else -1, closefd=False)
        raw = binary if unbuffered else binary.raw
        raw.name = "<" + name + ">"
        by_line = not through and (raw.isatty() or descriptor == 2)
        stream = io.TextIOWrapper(binary, former.encoding, former.errors, "\n", by_line, through)
        stream.mode = mode
        setattr(sys, name, stream)
        setattr(sys, "__" + name + "__", stream)


def main():
    try:
        serve()
    except BaseException:
        # Never on to a main program by accident: it would keep what has not been given up.
        import os

        os._exit(1)


main()
# As if there were no such module: the interpreter expects that, and goes on.
raise ImportError(name="usercustomize")
