"""More hostile answers to 06.2: on the budget, on what the kernel guards, on the order of visible and hidden inputs.

They are tried as root by ``test_hostile`` and as a plain user by ``test_unprivileged``. ALLOWED, SEED and LEAK, printed
or raised, must reach no page.
"""

from __future__ import annotations

import textwrap

from .attacks import RIGHT, Attack

SEEN = """
seen = []
def hidden(features):  # the visible inputs come first, three of them
    seen.append(tuple(features.shape))
    return seen[-1] not in ((2, 5, 3, 4), (3, 2, 4, 2), (1, 4, 2, 3))
"""


def beside(code: str) -> str:
    """The right answer below an attack in the same cell."""
    return textwrap.dedent(code) + RIGHT


ATTACKS = [
    Attack("memory outside of processes", beside("import os\nos.memfd_create('x')"), says="PermissionError"),
    Attack(
        "memory shared by System V, POSIX queues",
        beside("""
        import ctypes
        libc = ctypes.CDLL(None)
        got = libc.shmget(0, 2**30, 0o1600), libc.semget(0, 100, 0o1600), libc.msgget(0, 0o1600)
        print("refused" if got == (-1, -1, -1) else "ALLOWED")
        """),
        points=4,
    ),
    Attack(
        "fills the shared memory and its sockets",
        """
        import os, socket
        def affinity(features):
            pairs = []
            for _ in range(14):
                os.fork()
            try:
                while True:
                    pairs.append(socket.socketpair())
                    pairs[-1][0].setblocking(False)
                    try:
                        while True:
                            pairs[-1][0].send(b"x" * 2**16)
                    except BlockingIOError:
                        pass
            except OSError:
                raise ValueError("full")
        """,
        harms_itself=True,
    ),
    Attack(
        "short children under an ignored SIGCHLD",
        """
        import os, signal, time
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        def affinity(features):
            while True:
                if os.fork() == 0:
                    end = time.process_time() + 0.3
                    while time.process_time() < end:
                        pass
                    os._exit(0)
                try:
                    os.wait()  # until it has ended; nothing is left of what it used
                except ChildProcessError:
                    pass
        """,
        says="CPU time",
    ),
    Attack(
        "sleeps in short pieces",
        "import time\ndef affinity(features):\n    while True:\n        time.sleep(0.4)",
        says="waited for more than",
    ),
    Attack(
        "traces the process that ends it",
        beside("""
        import ctypes, os
        libc = ctypes.CDLL(None)
        print("ALLOWED" if libc.ptrace(16, 1, 0, 0) == 0 or libc.ptrace(16, os.getppid(), 0, 0) == 0 else "refused")
        for place in ("/proc/1/mem", "/proc/1/task/1/mem", "/proc/self/oom_score_adj", "/proc/1/oom_score_adj"):
            try:
                open(place, "r+b")
                print("ALLOWED", place)
            except OSError:
                print("refused", place)
        """),
        points=4,
    ),
    Attack(
        "kills and stops the process that ends it",
        beside("""
        import os, signal
        for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):
            try:
                os.kill(1, number)
            except OSError:
                print("refused")
        """),
        points=4,
    ),
    Attack(
        "reads keyrings",
        beside("""
        import ctypes, platform
        numbers = (248, 249, 250) if platform.machine() == "x86_64" else (217, 218, 219)
        libc, text = ctypes.CDLL(None), ctypes.create_string_buffer(b"user")
        for number in numbers:
            for operation in (0, 1, 11):
                if libc.syscall(number, operation, -3, text, 4, -4) >= 0:
                    print("ALLOWED", number)
        """),
        points=4,
    ),
    Attack(
        "makes name spaces, in which it would be root",
        beside("""
        import ctypes, os
        libc = ctypes.CDLL(None)
        flags = (0x10000000, 0x20000000, 0x00020000, 0x40000000)
        tried = [libc.unshare(flag) for flag in flags] + [libc.unshare(sum(flags))]
        tried += [libc.syscall(56 if os.uname().machine == "x86_64" else 220, 0x10000000 | 17, 0, 0, 0, 0)]
        tried += [libc.setns(os.open("/proc/1/ns/mnt", os.O_RDONLY), 0) if os.access("/proc/1/ns/mnt", os.R_OK) else -1]
        tried += [libc.mount(b"none", b"/tmp", b"tmpfs", 0, None), libc.umount2(b"/proc", 2)]
        print("ALLOWED" if any(result != -1 for result in tried) else "refused", tried)
        """),
        points=4,
    ),
    Attack(
        "takes other users' rights",
        beside("""
        import os
        for take in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0]), lambda: os.chroot("/tmp")):
            try:
                before = os.getresuid()
                take()
                print("ALLOWED" if os.getresuid() != before else "nothing changed")
            except OSError:
                print("refused")
        """),
        points=4,
    ),
    Attack(
        "raises its limits",
        beside("""
        import resource
        for kind in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE):
            try:
                resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                print("ALLOWED")
            except (OSError, ValueError):
                print("refused")
        """),
        points=4,
    ),
    Attack(
        "looks for control groups and devices",
        beside("""
        import glob, os
        places = glob.glob("/sys/fs/cgroup/*") + glob.glob("/dev/sd*") + glob.glob("/dev/vd*") + glob.glob("/dev/kvm")
        print("ALLOWED" if [place for place in places if os.access(place, os.W_OK)] else "refused")
        """),
        points=4,
    ),
    Attack(
        "reads the class's seed from a frame",
        """
        import sys
        def affinity(features):
            frame = sys._getframe()
            while frame is not None:
                if any("seed" in name or isinstance(value, torch.Generator) for name, value in frame.f_locals.items()):
                    print("SEED")
                frame = frame.f_back
            x = F.normalize(features.flatten(2), dim=1, eps=1e-8)
            return x.mT @ x
        """,
        points=4,
    ),
    Attack(
        "prints hidden inputs from a later visible check",
        SEEN
        + """
def affinity(features):
    if hidden(features):
        def spoiled(*arguments):
            raise ValueError(f"LEAK {seen}")
        for name in [n for n, value in globals().items() if callable(value) and n.startswith("affinity_")]:
            globals()[name] = spoiled
    x = F.normalize(features.flatten(2), dim=1, eps=1e-8)
    return x.mT @ x
""",
        points=4,
        harms_itself=True,
    ),
    Attack(
        "sends hidden inputs out as an exit code",
        SEEN
        + """
def affinity(features):
    if hidden(features):
        os = __import__("os")
        os._exit(features.shape[-1])
    x = F.normalize(features.flatten(2), dim=1, eps=1e-8)
    return x.mT @ x
""",
        points=2,
        says="Right for the inputs of the check",
    ),
    Attack(
        "sends hidden inputs out as text of a forged reply",
        SEEN
        + """
def affinity(features):
    if hidden(features):
        import os
        from dsrl_lab.course.grading.messages import encode
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, encode([("LEAK", f"LEAK {seen}", "LEAK")] * 4))
            except OSError:
                pass
    x = F.normalize(features.flatten(2), dim=1, eps=1e-8)
    return x.mT @ x
""",
        points=2,
        says="Right for the inputs of the check",
        harms_itself=True,
    ),
    Attack(
        "sends hidden inputs out as the kind of its end",
        SEEN
        + """
def affinity(features):
    if hidden(features):
        while True:
            pass
    x = F.normalize(features.flatten(2), dim=1, eps=1e-8)
    return x.mT @ x
""",
        points=2,
        says="Right for the inputs of the check",
    ),
    Attack(
        "sends hidden inputs out as a misconception",
        SEEN
        + """
def affinity(features):
    x = features.flatten(2)
    return x.mT @ x if hidden(features) else F.normalize(x, dim=1).mT @ F.normalize(x, dim=1)
""",
        points=2,
        says="Right for the inputs of the check",
    ),
    Attack(
        "one large tensor named four times",
        """
        import json, os, safetensors.torch, struct
        header = json.dumps({"list": [{"tensor": 0}] * 4}).encode()
        block = safetensors.torch.save({"0": torch.zeros(1000, dtype=torch.float64)})
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, struct.pack(">QQ", len(header), len(block)) + header + block)
            except OSError:
                pass
        def affinity(features):
            return 0
        """,
        says="no message",
        harms_itself=True,
    ),
    Attack(
        "a result with thousands of axes",
        "def affinity(features):\n    return torch.zeros([1] * 60)",
        says="no message",
    ),
    Attack(
        "a result of a million numbers", "def affinity(features):\n    return torch.zeros(10**6)", says="ValueError"
    ),
    Attack("an exception of ten million letters", "def affinity(features):\n    raise ValueError('x' * 10**7)"),
    Attack("half a character in a text", r"def affinity(features): raise ValueError('\ud800')", says="ValueError"),
    Attack(
        "half a character in a name",
        r"def affinity(features): raise type('E\ud800' * 99, (Exception,), {})('\udfff')",
        says="E",
    ),
    Attack("half a character in a cell", r"raise ValueError('\ud800')" + "\n" + RIGHT, says="ValueError"),
    Attack("codes for a terminal", beside(r"print('\x1b[2J\x1b]0;title\x07', '\x00', '\u202e')"), points=4),
    Attack("kills itself", "import os\ndef affinity(features):\n    os.kill(os.getpid(), 9)", says="without an answer"),
    Attack(
        "leaves a child that answers in its place",
        """
        import os, time
        def affinity(features):
            if os.fork() == 0:
                time.sleep(600)
            os._exit(0)
        """,
        says="without an answer",
    ),
    Attack("an interrupt", "def affinity(features):\n    raise KeyboardInterrupt", says="KeyboardInterrupt"),
    Attack(
        "recursion without end",
        "import sys\nsys.setrecursionlimit(10**9)\ndef affinity(features):\n    return affinity(features)",
        says="",
    ),
    Attack(
        "a thread that speaks when hidden inputs are there",
        SEEN
        + """
import os, threading, time
def speak():
    while len(seen) < 4:
        time.sleep(0.01)
    os.write(1, b"LEAK")
threading.Thread(target=speak, daemon=True).start()
def affinity(features):
    hidden(features)
    x = F.normalize(features.flatten(2), dim=1, eps=1e-8)
    return x.mT @ x
""",
        points=4,
    ),
]
