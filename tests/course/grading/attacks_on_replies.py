"""Still more hostile answers to 06.2: on replies and their limits, on what ends a process, on what the kernel offers.

They are tried as root by ``test_hostile`` and as a plain user by ``test_unprivileged``.
"""

from __future__ import annotations

from .attacks import RIGHT, Attack
from .attacks_on_limits import SEEN, beside

ATTACKS = [
    Attack(
        "a million names of library calls",
        beside("""
        import dsrl_lab.course.grading.worker as worker
        worker.Session.called = lambda self: ["x"] * 10**6
        """),
        says="no message",
        harms_itself=True,
    ),
    Attack(
        "names of library calls that are no names",
        beside("""
        import dsrl_lab.course.grading.worker as worker
        worker.Session.called = lambda self: ["<script>LEAK</script>"]
        """),
        points=4,
    ),
    Attack("returns itself", "def affinity(features):\n    return affinity", says="not a number"),
    Attack(
        "a class in place of a function",
        "class affinity:\n    def __new__(cls, features):\n"
        "        x = F.normalize(features.flatten(2), dim=1, eps=1e-8)\n        return x.mT @ x",
        points=4,
    ),
    Attack(
        "a tensor that tells its size wrongly",
        """
        class Small(torch.Tensor):
            def detach(self):
                return self
            def to(self, *a, **k):
                return self
            def numel(self):
                return 1
        def affinity(features):
            return torch.zeros(10**6).as_subclass(Small)
        """,
        says="ended without an answer",
    ),
    Attack("a sparse tensor", "def affinity(features):\n    return torch.eye(9).to_sparse()"),
    Attack("a tensor without numbers", "def affinity(features):\n    return torch.ones(9, device='meta')"),
    Attack("a number of 400 digits", "def affinity(features):\n    return 10**400"),
    Attack(
        "lists within lists",
        "def affinity(features):\n    x = []\n    for _ in range(10**5):\n        x = [x]\n    return x",
    ),
    Attack(
        "a text that is not what it seems",
        """
        class Text(str):
            def __str__(self):
                return self
            def __getitem__(self, part):
                raise SystemExit
        def affinity(features):
            raise ValueError(Text("x"))
        """,
        says="ValueError",
    ),
    Attack(
        "sends open files along the line",
        """
        import array, os, socket
        for descriptor in range(3, 64):
            try:
                line = socket.socket(fileno=os.dup(descriptor))
                line.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
            except OSError:
                pass
        """
        + "\n".join(f"        {line}" for line in RIGHT.splitlines()),
        says="no message",
    ),
    Attack(
        "closes one half of the line",
        """
        import os, socket
        def affinity(features):
            for descriptor in range(3, 64):
                try:
                    socket.socket(fileno=os.dup(descriptor)).shutdown(socket.SHUT_WR)
                except OSError:
                    pass
            return 0
        """,
        says="It was stopped",
    ),
    Attack(
        "leaves hidden inputs for its next process",
        SEEN
        + """
import os
if os.path.exists("/tmp/found"):
    print("LEAK")
def affinity(features):
    if hidden(features):
        open("/tmp/found", "w").write(str(seen))
        os._exit(0)
    x = F.normalize(features.flatten(2), dim=1, eps=1e-8)
    return x.mT @ x
""",
        points=2,
        says="Right for the inputs of the check",
    ),
    Attack(
        "opens files without end",
        "def affinity(features):\n    files = []\n    while True:\n        files.append(open('/dev/null'))",
        says="Too many open files",
        harms_itself=True,
    ),
    Attack("ends its whole group", "import os\ndef affinity(features):\n    os.killpg(0, 9)", says="without an answer"),
    Attack("stops itself", "import os\ndef affinity(features):\n    os.kill(os.getpid(), 19)", says="waited for more"),
    Attack("aborts", "import os\ndef affinity(features):\n    os.abort()", says="without an answer"),
    Attack(
        "reads where no memory is", "import ctypes\ndef affinity(features):\n    ctypes.string_at(0)", says="without an"
    ),
    Attack(
        "a pattern without end",
        "import re\ndef affinity(features):\n    return re.match('(a+)+$', 'a' * 60 + 'b')",
        says="CPU time",
    ),
    Attack(
        "a power without end",
        "def affinity(features):\n    return 7 ** (7 ** (7 ** (7 ** len(features))))",
        says="CPU time",
    ),
    Attack(
        "an end without end",
        """
        class Ends:
            def __del__(self):
                while True:
                    pass
        def affinity(features):
            Ends()
        """,
        says="CPU time",
    ),
    Attack(
        "sockets of other families",
        beside("""
        import socket
        for family in range(17, 46):
            try:
                socket.socket(family, socket.SOCK_STREAM if family == 40 else socket.SOCK_RAW)
                print("ALLOWED", family)
            except OSError:
                pass
        """),
        points=4,
    ),
    Attack(
        "makes devices and hard links",
        beside("""
        import os, stat
        for make in (
            lambda: os.mknod("/tmp/disk", stat.S_IFBLK | 0o600, os.makedev(8, 0)),
            lambda: os.mknod("/tmp/memory", stat.S_IFCHR | 0o600, os.makedev(1, 1)),
            lambda: os.link("/kit/README.md", "/kit/x"),
        ):
            try:
                make()
                print("ALLOWED")
            except OSError:
                pass
        """),
        points=4,
    ),
    Attack(
        "programs that run as root",
        beside("""
        import subprocess
        for command in (["su", "-c", "id -u"], ["sudo", "-n", "id", "-u"], ["mount"], ["passwd", "-d", "root"]):
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=2, stdin=subprocess.DEVNULL)
                print("ALLOWED" if done.returncode == 0 and command != ["mount"] else "refused", command)
            except (OSError, subprocess.TimeoutExpired):
                print("refused", command)
        """),
        points=4,
    ),
    Attack(
        "takes a higher priority",
        beside("""
        import os
        for take in (
            lambda: os.setpriority(os.PRIO_PROCESS, 0, -20),
            lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)),
            lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1)),
        ):
            try:
                take()
                print("ALLOWED")
            except OSError:
                pass
        """),
        points=4,
    ),
]
