# runnel-gdb.py - goroutines in gdb: of a process, or of a core file.   SPDX-License-Identifier: MIT
#
#   (gdb) source runnel-gdb.py
#   (gdb) rn goroutines [TEXT]     all of them, or those in whose line TEXT is
#   (gdb) rn bt N                  the stack of goroutine N; "rn bt all"
#   (gdb) rn gcore FILE            writes a core file that has their stacks in it
#   (gdb) rn goroutine N           makes it the one that bt, up, frame, info locals speak of; "rn goroutine off" ends that
#
# A goroutine that does not run has its registers on its stack (ctx_*.S).  Nothing is written to the process for it, so that
# a core file will do as well: an unwinder tells gdb that the selected thread's innermost frame, #0, was called by the
# goroutine, whose frames are #1 and so on.  Needs the debugging information of librunnel.

import bisect
import re
import struct
import time

import gdb
from gdb.unwinder import Unwinder, register_unwinder

WHYS = {
    "SEND": "chan send", "RECV": "chan receive", "GROUP": "group wait", "FOREVER": "for ever",
    "RLOCK": "rwmutex (read)", "WLOCK": "rwmutex (write)", "COND": "condition",
    "WAITGROUP": "wait group", "SEM": "semaphore", "BOUND": "bound chan", "BLOCK": "rn_block",
}
RUNNABLE, RUNNING, WAITING = 0, 1, 2
FRAMES_MAX = 64
PAGE = 4096

# Where rn__ctx_switch() has put the registers, from the stack pointer that it saved on; the pc; and how much of the stack
# its frame is.
LAYOUTS = {
    "i386:x86-64": ({"r15": 8, "r14": 16, "r13": 24, "r12": 32, "rbx": 40, "rbp": 48}, "rip", 56, "rsp", 64, 48),
    "aarch64": ({"x%d" % (19 + i): 16 + 8 * i for i in range(10)} | {"x29": 0}, "pc", 8, "sp", 176, 0),
}


def layout(arch):
    found = LAYOUTS.get(arch.name())
    if found is None:
        raise gdb.GdbError("rn: no goroutines on " + arch.name())
    return found


def sched():
    try:
        return gdb.parse_and_eval("rn__sched")
    except gdb.error:
        raise gdb.GdbError("rn: there is no runnel here, or its debugging information is missing")


def word(address):
    return int(gdb.Value(address).cast(gdb.lookup_type("unsigned long").pointer()).dereference())


class Goroutine:
    def __init__(self, g):
        self.g = g
        self.id = int(g["id"])
        self.name = g["name"].string(errors="replace")
        self.low = int(g["stack"]["low"])
        self.high = self.low + int(g["stack"]["size"])
        self.state = int(g["state"])
        self.since_ns = int(g["since_ns"])
        self.sp = int(g["ctx"]["sp"])

    def why(self):
        for field in gdb.lookup_type("enum rn__why").fields():
            if field.enumval == int(self.g["why"]):
                name = field.name.replace("RN__WHY_", "", 1)
                return WHYS.get(name, name.lower())
        return "waiting"

    # The thread that is on its stack, or None.
    def thread(self):
        selected = gdb.selected_thread()
        found = None
        for thread in gdb.selected_inferior().threads():
            thread.switch()
            if self.low <= int(gdb.newest_frame().read_register("sp")) < self.high:
                found = thread
                break
        if selected is not None:
            selected.switch()
        return found

    # Return addresses, by frame pointers: quicker than gdb's own way, and only for the list.
    def addresses(self):
        _, _, pc, _, _, fp = layout(gdb.selected_inferior().architecture())
        yield word(self.sp + pc)
        at = word(self.sp + fp)
        for _ in range(FRAMES_MAX):
            if not self.low <= at <= self.high - 16:
                return
            yield word(at + 8)
            above = word(at)
            if above <= at:
                return
            at = above

    # The first function that is not the runtime's.
    def where(self):
        for pc in self.addresses():
            sal = gdb.find_pc_line(pc - 1)
            block = gdb.block_for_pc(pc - 1)
            while block is not None and block.function is None:
                block = block.superblock
            if block is None or sal.symtab is None or "runtime/" in sal.symtab.filename:
                continue
            return "%s at %s:%d" % (block.function.name, sal.symtab.filename.rsplit("/", 1)[-1], sal.line)
        return function(self.g["fn"])

    def doing(self, at):
        if self.state == RUNNING:
            return "running"
        if self.state == RUNNABLE:
            return "runnable"
        text = self.why()
        item = int(self.g["object"])
        if text == "fd":
            text += " %d" % item
        elif item != 0:
            text += " 0x%x" % item
        return "%s, %s%s" % (text, age(at[0] - self.since_ns), at[1])

    def line(self, at):
        name = ' "%s"' % self.name if self.name else ""
        system = " (system)" if self.g["system"] else ""
        where = self.where() if self.state != RUNNING else function(self.g["fn"])
        return "%5d%s%s [%s] %s" % (self.id, name, system, self.doing(at), where)


def function(pointer):
    text = re.search(r"<(.*)>", pointer.format_string(symbols=True))
    return text.group(1) if text else hex(int(pointer))


def age(ns):
    ms = max(ns, 0) // 1000000
    return "%d.%03d s" % (ms // 1000, ms % 1000) if ms >= 1000 else "%d ms" % ms


# The stack number `index` of a region, with the record of its goroutine above it (stack_place() in region.c): at the high
# end, but not quite, for they are spread over the cache.
def stack_at(region, index):
    kind = gdb.lookup_type("struct rn__stack")
    record = gdb.lookup_type("struct rn__g")
    high = int(region["base"]) + (index + 1) * int(region["stride"]) - kind.sizeof - record.sizeof
    for colour in [index % 16] + list(range(64)):
        at = gdb.Value((high - colour * 64) & ~63).cast(kind.pointer())
        if int(at["region"]) == int(region) and int(at["index"]) == index:
            return (at + 1).cast(record.pointer()).dereference()
    return None


def goroutines():
    found = []
    sched()
    region = gdb.parse_and_eval("'runtime/region.c'::regions")["all"]
    while int(region) != 0:
        for index in range(int(region["carved"])):
            g = stack_at(region, index) if int(region["life"][index]) != 0 else None
            if g is not None:
                found.append(Goroutine(g))
        region = region["next"]
    return sorted(found, key=lambda g: g.id)


def goroutine(text):
    for g in goroutines():
        if str(g.id) == text:
            return g
    raise gdb.GdbError("rn: there is no goroutine " + text)


# The time, and what to say after an age.  A simulation has a clock of its own; a core file has none: then it is as late as
# the last thing that is known to have happened, or later.
def now(all_of_them):
    connection = gdb.selected_inferior().connection
    try:
        sim = gdb.parse_and_eval("'runtime/sim.c'::sim")
        if sim["active"]:
            return int(sim["now"]), ""
    except gdb.error:
        pass
    if connection is not None and connection.type == "native":
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC), ""
    return max((g.since_ns for g in all_of_them), default=0), " or more"


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


# Makes a goroutine the caller of the selected thread's innermost frame.
class Elsewhere(Unwinder):
    def __init__(self):
        super().__init__("runnel-goroutine")
        self.sp = None
        self.thread = None

    def set(self, sp):
        self.sp = sp
        self.thread = gdb.selected_thread().global_num if sp is not None else None
        gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if self.sp is None or pending.level() != 0 or gdb.selected_thread().global_num != self.thread:
            return None
        saved, pc_name, pc, sp_name, size, _ = layout(pending.architecture())
        # Where this frame is said to be: below the goroutine's, or gdb would take the stack for spoilt.
        number = gdb.lookup_type("unsigned long")
        here = FrameId(gdb.Value(self.sp - 16).cast(number), pending.read_register("pc").cast(number))
        info = pending.create_unwind_info(here)
        for register, offset in saved.items():
            info.add_saved_register(register, gdb.Value(word(self.sp + offset)).cast(number))
        info.add_saved_register(pc_name, gdb.Value(word(self.sp + pc)).cast(number))
        info.add_saved_register(sp_name, gdb.Value(self.sp + size).cast(number))
        return info


elsewhere = Elsewhere()
register_unwinder(None, elsewhere, replace=True)


def forget(_):
    if elsewhere.sp is not None:
        elsewhere.set(None)


gdb.events.cont.connect(forget)
gdb.events.exited.connect(forget)


# The goroutine's frames become those of the selected thread; true: it runs, on this thread, and they are so anyway.
def go_to(g):
    elsewhere.set(None)
    thread = g.thread()
    if thread is not None:
        thread.switch()
        return True
    elsewhere.set(g.sp)
    gdb.newest_frame().older().select()
    return False


# What bt says, without the thread's own frame.
def backtrace(g):
    runs = go_to(g)
    text = gdb.execute("backtrace %d" % FRAMES_MAX, to_string=True)
    return text if runs else text[text.index("#1 "):]


class Rn(gdb.Command):
    """Goroutines of Runnel: rn goroutines, rn goroutine N, rn bt N."""

    def __init__(self):
        super().__init__("rn", gdb.COMMAND_STACK, prefix=True)


class RnGoroutines(gdb.Command):
    """List goroutines: rn goroutines [TEXT], those in whose line TEXT is.
A line is: number, "name", [what it does or waits for, how long], where."""

    def __init__(self):
        super().__init__("rn goroutines", gdb.COMMAND_STACK)

    def invoke(self, arg, from_tty):
        found = goroutines()
        at = now(found)
        for g in found:
            line = g.line(at)
            if arg in line:
                print(line)


class RnGoroutine(gdb.Command):
    """Select a goroutine: rn goroutine N.  bt, up, frame and info locals speak of it until the program goes on.
Frame 0 stays that of the thread; those of the goroutine begin with 1.  rn goroutine off: back to the thread."""

    def __init__(self):
        super().__init__("rn goroutine", gdb.COMMAND_STACK)

    def invoke(self, arg, from_tty):
        if arg == "off":
            elsewhere.set(None)
            return
        found = goroutine(arg)
        print(found.line(now(goroutines())))
        go_to(found)
        gdb.execute("frame")


class RnBt(gdb.Command):
    """The stack of a goroutine: rn bt N; of all: rn bt all."""

    def __init__(self):
        super().__init__("rn bt", gdb.COMMAND_STACK)

    def invoke(self, arg, from_tty):
        found = goroutines()
        at = now(found)
        thread, sp = gdb.selected_thread(), elsewhere.sp
        for g in found if arg == "all" else [goroutine(arg)]:
            print("goroutine" + g.line(at))
            print(backtrace(g))
        elsewhere.set(None)
        thread.switch()
        if sp is not None:
            elsewhere.set(sp)


# Where in a core file the memory at each address is: (address, size, offset) of what is to be loaded.
def segments(core):
    header = core.read(64)
    offset, size, count = struct.unpack_from("=Q", header, 0x20) + struct.unpack_from("=HH", header, 0x36)
    if count == 0xFFFF:  # more than fit: the first section says how many
        core.seek(struct.unpack_from("=Q", header, 0x28)[0] + 44)
        count = struct.unpack("=I", core.read(4))[0]
    core.seek(offset)
    for entry in struct.iter_unpack("=IIQQQQQQ", core.read(size * count)):
        if entry[0] == 1:
            yield entry[3], entry[5], entry[2]


class RnGcore(gdb.Command):
    """Write a core file of the process that has the stacks of goroutines in it: rn gcore FILE.
gcore itself leaves out each mapping that has a guard page somewhere."""

    def __init__(self):
        super().__init__("rn gcore", gdb.COMMAND_FILES)

    def invoke(self, arg, from_tty):
        gdb.execute("generate-core-file " + arg, to_string=True)
        with open(arg, "r+b") as core:
            found = sorted(segments(core))
            starts = [segment[0] for segment in found]
            for g in goroutines():
                for page in range(g.low & -PAGE, g.high, PAGE):
                    start, size, offset = found[bisect.bisect(starts, page) - 1]
                    if page - start < size:
                        core.seek(offset + page - start)
                        core.write(gdb.selected_inferior().read_memory(page, PAGE))
        print("Saved corefile " + arg)


Rn()
RnGoroutines()
RnGoroutine()
RnBt()
RnGcore()
