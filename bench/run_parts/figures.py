"""What the kernel says of a process that is measured."""

import re
import shutil
import signal
import subprocess
import time
from pathlib import Path


class Usage:
    """CPU time and context switches of all threads of a process, so far."""

    def __init__(self, pid):
        self.user = self.system = self.cpu = self.voluntary = self.involuntary = 0
        for task in Path(f"/proc/{pid}/task").iterdir():
            words = (task / "stat").read_text().rpartition(")")[2].split()
            self.user += int(words[11])
            self.system += int(words[12])
            # Nanoseconds, where ticks are of 10 ms.
            self.cpu += int((task / "schedstat").read_text().split()[0])
            status = (task / "status").read_text()
            self.voluntary += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status, re.M)[1])
            self.involuntary += int(re.search(r"^nonvoluntary_ctxt_switches:\s*(\d+)", status, re.M)[1])


def per_transaction(before, after, transactions):
    ticks = (after.user - before.user) + (after.system - before.system)
    return {"cpu_us": (after.cpu - before.cpu) / 1e3 / transactions,
            "kernel_share": (after.system - before.system) / ticks if ticks else None,
            "switches": (after.voluntary + after.involuntary - before.voluntary - before.involuntary) / transactions}


def pss(pid):
    """Bytes."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s*(\d+) kB", rollup, re.M)[1]) * 1024


def machine_busy():
    """Ticks of all cores that were not idle, and all ticks."""
    words = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return sum(words) - words[3] - words[4], sum(words)


def allocations(profile):
    """How often memory was allocated, by what callgrind wrote."""
    names, called, count = {}, "", 0
    with profile.open() as lines:
        for line in lines:
            if line.startswith("calls="):
                if called in ("malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"):
                    count += int(line[6:].split()[0])
                continue
            found = re.match(r"c?fn=(\(\d+\))(?: (\S+))?", line)
            if found:
                called = names.setdefault(found[1], found[2])
    return count


def system_calls(pid, counts, work):
    """How many system calls the process makes while `work` runs, and what `work` returned; None without strace.
    The process is slow under it, so nothing else may be measured meanwhile. `counts`: a file to use."""
    if shutil.which("strace") is None:
        return None
    tracer = subprocess.Popen(["strace", "-c", "-f", "-U", "calls,name", "-o", str(counts), "-p", str(pid)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        # It says so once it is attached.
        if "attached" not in tracer.stderr.readline():
            return None
        time.sleep(0.1)
        done = work()
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate()
    calls = 0
    for line in counts.read_text().splitlines():
        words = line.split()
        if len(words) == 2 and words[0].isdigit() and words[1] != "total":
            calls += int(words[0])
    return calls, done
