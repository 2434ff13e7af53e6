# runnel.py - a client in Python, the model for clients in other languages.   SPDX-License-Identifier: MIT
"""Sends to, receives from, acknowledges and closes named channels, as docs/PROTOCOL.md and proto/runnel.proto say; runnel_pb2
is made by `protoc -I proto --python_out=. proto/runnel.proto`.  Session outlives connections; Sender and Receiver are what a
program binds; Node has a thread that alone owns the socket, and keeps the lease while the program is busy elsewhere.
All is guarded by Node.lock.  Not here: rendezvous (capacity 0), and questions to the broker."""
import collections, os, socket, struct, threading, time, types
from google.protobuf.internal import decoder, encoder  # for varints
import runnel_pb2 as pb, zmq

HEADER, TIMES = struct.Struct("<IIQQQIIQII"), struct.Struct("<QQ")  # of a section: FRAME in runnel.proto names the fields
DEAD, HEADED, TIMED, PIECE = 4, 8, 16, 32  # its flags
WINDOW_FRAMES, FRAME_BYTES, CONTROLS_BYTES, ELEMENT_BYTES = 16, 60 << 10, 32 << 10, 1 << 30

class Error(Exception):  # what was asked for was not done; code is one of the protocol's
    def __init__(self, code, sentence="", reason=0):
        super().__init__(sentence or pb.Code.Name(code))
        self.code, self.reason = code, reason

class Closed(Error): """The channel was closed and, to a receiver, drained.  code: CLOSED, or FAILED or CANCELLED with a reason."""
class SessionOver(Error): """What was bound is lost: bind anew.  What was not acknowledged comes again, to somebody."""

def split(kind, data):
    """What stands before an element, and the rest."""
    size, at = decoder._DecodeVarint(data, 0)
    return kind.FromString(data[at:at + size]), data[at + size:]

class Session:
    """A reliable, ordered stream of frames in both directions, whatever becomes of connections."""
    def __init__(self):
        self.id, self.lease = 0, 4.0  # seconds; until Welcome says them
        self.sent, self.alive = 0, 0.0  # seq of our newest frame; the broker has heard of us then, or later
        self.kept = collections.deque()  # our frames that no ack covers: (seq, envelope, section, when first sent)
        self.received = self.acked = 0  # seq of the newest of theirs, all before it being here; what we last said of that

    def encode(self, envelope, section=b""):
        envelope.session, envelope.ack = self.id, self.received
        self.acked = self.received
        head = envelope.SerializeToString()
        return struct.pack("<I", len(head)) + head + section

    def number(self, controls, section):
        self.sent += 1
        envelope = pb.Envelope(seq=self.sent, control=controls, sections=1 if section else 0)
        self.kept.append((self.sent, envelope, section, time.monotonic()))
        return self.encode(envelope, section)

    def cover(self, ack):
        while self.kept and self.kept[0][0] <= ack:
            self.alive = max(self.alive, self.kept.popleft()[3])

    def usable(self):
        """In the last quarter of the lease, by our clock, no credit is used and nothing taken: others may have it soon."""
        return self.id != 0 and time.monotonic() < self.alive + self.lease * 3 / 4

class Binding:
    def __init__(self, node, bind):
        self.node, self.bind = node, bind
        self.bound = self.left = self.over = False  # left: Unbind is said; over: the last is said about it
        self.error = None  # why no operation can be done any more
        self.waiters = collections.deque()  # operations, served in the order in which they came
        self.counted = 0  # how many of them the broker counts: what Ask said, less what has come of it

    def perform(self, element, timeout):
        with self.node.lock:
            waiter = types.SimpleNamespace(element=element, done=False)
            self.waiters.append(waiter)
            self.serve()
            self.node.wake()
            try:
                self.node.lock.wait_for(lambda: waiter.done or self.error, timeout)
            finally:
                if not waiter.done: self.waiters.remove(waiter)
            if not waiter.done: raise self.error or TimeoutError()
            return waiter.element

    def close(self, reason=0):
        """A barrier: what was sent before it is received first.  With a reason (< 0) a failure; a receiver's: a cancellation."""
        with self.node.lock:
            if not self.error:
                self.node.say(close=pb.Close(bind=self.bind, reason=reason), behind_data=True)
                if isinstance(self, Sender): self.error = Closed(pb.FAILED if reason else pb.CLOSED, reason=reason)

    def unbind(self, timeout=None):
        """Returns when all that was sent is accepted.  What was not taken, or not acknowledged, goes to others."""
        with self.node.lock:
            self.leave()
            if not self.node.lock.wait_for(lambda: self.over, timeout): raise TimeoutError()

    def leave(self, abandoned=False):
        if not self.over and not self.left:
            self.say_changes(sign_of_life=True)
            self.node.say(unbind=pb.Unbind(bind=self.bind, abandoned=abandoned), behind_data=True)
        self.left = True  # nothing more is said of it, and what comes now has crossed the Unbind
        self.error = self.error or Error(pb.OK, "unbound")

    def say_asking(self, **more):
        """Ask says the whole state, as often as the broker's idea of it is wrong."""
        if self.counted != len(self.waiters):
            self.counted = len(self.waiters)
            self.node.say(ask=pb.Ask(bind=self.bind, waiting=self.counted, **more))

    def give_up(self, error):
        self.error = self.error or error
        self.leave(abandoned=True)

    def end(self, error): self.error, self.over = self.error or error, True

    def on_bound(self, c):
        self.bound, self.incarnation, self.epoch, self.attributes = True, c.incarnation, c.epoch, c.attributes
        self.on_opened(c)
    def on_opened(self, c):
        if c.attributes.capacity < 0: self.give_up(Error(pb.UNSUPPORTED, "it is a rendezvous"))
    def on_refused(self, c): self.end(Error(c.code, c.sentence))
    def on_failed(self, c): self.end(Error(c.code, c.sentence))
    def on_unbound(self, c): self.end(Error(pb.OK, "unbound"))
    def on_closed(self, c): self.error = self.error or Closed(c.code, reason=c.reason)

class Sender(Binding):
    """Credit is slots of the channel, lent to us; it is used by sending an element."""
    credit = credit_bytes = 0
    number = accepted = 0  # of the newest element: sent; accepted by the home

    def send(self, element, timeout=None):
        """Returns when it has a slot in the channel.  It arrives then, unless we die or are cut off for a lease."""
        if len(element) > min(self.attributes.capacity_bytes, ELEMENT_BYTES): raise Error(pb.TOO_LARGE)
        self.perform(bytes(element), timeout)

    def serve(self):
        while self.waiters and not self.error and self.node.session.usable() and self.credit > 0:
            if len(self.waiters[0].element) > self.credit_bytes: break
            waiter = self.waiters.popleft()
            self.number, waiter.done = self.number + 1, True
            self.credit, self.credit_bytes = self.credit - 1, self.credit_bytes - len(waiter.element)
            for at in range(0, max(len(waiter.element), 1), FRAME_BYTES):  # what is larger than a frame goes in pieces
                self.node.ordered.append((self, self.number, waiter.element[at:at + FRAME_BYTES], at, len(waiter.element)))

    def say_changes(self, sign_of_life):
        if sign_of_life: self.node.say(counts=pb.Counts(bind=self.bind, sent=self.number, confirmed=self.accepted,
                                                        queued=self.number - self.accepted))
        sizes = [len(waiter.element) for waiter in self.waiters]
        self.say_asking(first_bytes=sizes[0] if sizes else 0, bytes=sum(sizes))

    def on_credit(self, c):
        self.credit, self.credit_bytes = self.credit + c.elements, self.credit_bytes + c.bytes
        self.counted = max(0, self.counted - c.elements)
        self.serve()
    def on_recall(self, c):
        if c.closing: self.on_closed(c)
        self.node.say(returned=pb.Returned(bind=self.bind, elements=self.credit, bytes=self.credit_bytes))
        self.credit = self.credit_bytes = 0
    def on_accepted(self, c): self.accepted = c.number

class Receiver(Binding):
    delivered = taken = told = lost = 0  # delivery numbers: the newest here, the newest taken, what Taken said; of a fanout: lost

    def __init__(self, node, bind):
        super().__init__(node, bind)
        self.ahead = collections.deque()  # messages that were sent ahead, and that nobody has taken
        self.settles = collections.deque()  # what is still to be said of those that were

    def recv(self, timeout=None):
        """Gives a Message.  Raises Closed when the channel is closed and drained."""
        return self.perform(None, timeout)

    def settle(self, number, **what):
        if self.left or self.over: raise self.error  # too late: it goes to somebody else
        self.settles.append(pb.Settle(bind=self.bind, range=[number - 1, 1], **what))
        self.node.wake()

    def serve(self):
        while self.ahead and self.ahead[0].expires < time.monotonic():
            self.taken = self.ahead.popleft().number
            self.settle(self.taken, verdict=pb.EXPIRED)
        while self.waiters and self.ahead and not self.error and self.node.session.usable():
            waiter = self.waiters.popleft()
            waiter.element, waiter.done = self.ahead.popleft(), True
            self.taken = waiter.element.number

    def say_changes(self, sign_of_life):
        while self.settles:  # one each: it would be shorter to join those of one verdict
            self.node.say(settle=self.settles.popleft())
        if self.told != self.taken:
            self.told = self.taken
            self.node.say(taken=pb.Taken(bind=self.bind, number=self.taken))
        self.say_asking(adjusted=-self.delivered)

    def on_piece(self, begin, part, whole):
        if begin == 0: self.begun = bytearray()  # what was begun before has come to nothing
        self.begun += part
        return [bytes(self.begun)] if len(self.begun) == whole else []
    def on_elements(self, number, position, deliveries, flags, expires, elements):
        self.delivered, self.counted = number + len(elements) - 1, max(0, self.counted - len(elements))
        for i, data in enumerate(elements):
            try:
                dead, data = split(pb.DeadLetter, data) if flags & DEAD else (None, data)
                header, data = split(pb.Header, data) if flags & HEADED else (None, data)
                self.ahead.append(Message(self, data, number + i, position + i, deliveries, expires, header, dead))
            except Exception:
                self.settle(number + i, verdict=pb.REFUSED, why="its header makes no sense")
        self.serve()
    def on_recall(self, c):
        back = []  # the newest, as far as their numbers follow one another
        while self.ahead and len(back) < c.elements and (not back or self.ahead[-1].number == back[-1] - 1):
            back.append(self.ahead.pop().number)
        self.node.say(returned=pb.Returned(bind=self.bind, elements=len(back), first=back[-1] if back else 0))
    def on_lost(self, c):
        self.lost = c.number
        if c.code: self.give_up(Error(c.code, "too slow for this fanout"))

class Message(collections.namedtuple("Message", "receiver data number position deliveries expires header dead")):
    """An element.  Of a Receiver with manual_ack it keeps its slot until ack, nack or reject is called, by any thread."""
    def settle(self, **what):
        with self.receiver.node.lock: self.receiver.settle(self.number, **what)
    def ack(self): self.settle(verdict=pb.DONE)
    def nack(self, delay=0.0): self.settle(verdict=pb.AGAIN, delay_ms=int(delay * 1000))
    def reject(self, why=""): self.settle(verdict=pb.REJECTED, why=why)

class Node:
    def __init__(self, url, name="python", lease=0.0, timeout=5.0, broker_key=os.environ.get("RUNNEL_BROKER_KEY")):
        self.url, self.name, self.lease_ms, self.broker_key = url, name, int(lease * 1000), broker_key
        self.instance = os.urandom(16)  # this process, in all its sessions
        self.lock, self.leaving, self.error, self.bindings, self.last_bind = threading.Condition(), False, None, {}, 0
        self.context, self.socket, self.alarm = zmq.Context(), None, os.eventfd(0)
        self.begin_session()
        self.thread = threading.Thread(target=self.run, name="runnel", daemon=True)
        self.thread.start()
        with self.lock:
            self.lock.wait_for(lambda: self.welcome or self.error, timeout)
            if not self.welcome:
                self.leaving = True
                raise self.error or TimeoutError("no broker at " + url)

    def bind(self, name, direction, timeout=None, manual_ack=False, prefetch=0, autoclose=False, **attributes):
        """Gives a Sender (pb.OUT) or a Receiver (pb.IN).  Attributes must agree with the channel's, else Error MISMATCH."""
        with self.lock:
            self.last_bind += 1
            b = self.bindings[self.last_bind] = (Sender if direction == pb.OUT else Receiver)(self, self.last_bind)
            self.say(bind=pb.Bind(bind=b.bind, name=name, direction=direction, attributes=pb.Attributes(**attributes),
                                  manual_ack=manual_ack, prefetch=prefetch, autoclose=autoclose))
            self.lock.wait_for(lambda: b.bound or b.error, timeout)
            if b.bound and not b.left: return b
            b.give_up(TimeoutError())
            raise b.error

    def close(self, timeout=5.0):
        """Leaves in order.  A node that does not is dead to the broker, when its lease has ended."""
        with self.lock:
            for b in self.bindings.values(): b.leave()
            done = self.lock.wait_for(lambda: not self.bindings, timeout)
            self.leaving = True
            self.say(goodbye=pb.Goodbye(unsent=not done), behind_data=True)
        self.thread.join()

    def wake(self): os.eventfd_write(self.alarm, 1)

    def say(self, behind_data=False, **what):
        (self.ordered if behind_data else self.urgent).append(pb.Control(**what))
        self.wake()

    def run(self):  # the thread; what stands below is for it alone, under the lock
        try:
            while True:
                with self.lock:
                    self.speak()
                    if self.leaving and not (self.welcome and self.ordered): break
                    wait = self.mind_the_time()
                    self.lock.notify_all()
                if self.alarm in zmq.select([self.socket, self.alarm], [], [], wait)[0]:
                    os.eventfd_read(self.alarm)
                with self.lock:
                    for _ in range(WINDOW_FRAMES // 2):  # after half a window an ack is due
                        if self.socket.poll(0): self.hear(self.socket.recv())
        finally:
            self.socket.close(linger=1000)
            self.context.term()
            with self.lock:
                self.begin_session(self.error or Error(pb.OK, "the node is closed"))
                self.lock.notify_all()

    def begin_session(self, error=None):
        """What was bound in the old one is lost with it."""
        self.session, self.urgent, self.ordered = Session(), collections.deque(), collections.deque()
        self.welcome, self.since, self.spoken = False, 0.0, 0.0  # this connection: was dialled or welcome; our last frame
        self.lag = float("inf")  # of our clock behind the home's: the smallest that we have seen
        for b in self.bindings.values(): b.end(error)
        self.bindings = {}

    def dial(self):
        """Each connection is a new DEALER, and begins with Hello.  One that reconnected by itself would not say it."""
        if self.socket: self.socket.close()
        s = self.socket = self.context.socket(zmq.DEALER)
        s.linger, s.reconnect_ivl = 0, -1  # what a dead connection has not sent is sent again by the next
        if self.broker_key: (s.curve_publickey, s.curve_secretkey), s.curve_serverkey = zmq.curve_keypair(), self.broker_key.encode()
        s.connect(self.url)
        self.welcome, self.since = False, time.monotonic()
        self.send(self.session.encode(pb.Envelope(hello=pb.Hello(version=1, instance=self.instance, name=self.name,
            lease_ms=self.lease_ms, resume=self.session.id != 0, received=self.session.received))))

    def mind_the_time(self):
        """Gives up a session after its lease, and a connection after a silence, of which ZeroMQ need not tell."""
        s, now = self.session, time.monotonic()
        if s.id and now > s.alive + s.lease:
            self.begin_session(SessionOver(pb.SESSION_OVER, "nothing was heard of the broker for a lease"))
        due = (self.since if not self.welcome else max(self.since, s.kept[0][3]) if s.kept else now) + s.lease / 4
        if not self.since or now >= due:
            self.dial()
            due = now + s.lease / 4
        return max(0.0, (min(due, self.spoken + s.lease / 8) if self.welcome else due) - now)

    def send(self, frame):
        try:
            self.socket.send(frame, zmq.NOBLOCK)
        except zmq.Again:  # the connection is gone
            self.welcome, self.since = False, 0.0

    def speak(self):
        s = self.session
        sign_of_life = time.monotonic() >= self.spoken + s.lease / 8  # a frame, if need be empty: its ack says that we live
        for b in list(self.bindings.values()) if self.welcome else ():
            b.serve()
            if b.bound and not b.left: b.say_changes(sign_of_life)
        while self.welcome:
            controls, size = [], 0
            while size < CONTROLS_BYTES and (self.urgent or self.ordered and isinstance(self.ordered[0], pb.Control)):
                controls.append((self.urgent or self.ordered).popleft())
                size += controls[-1].ByteSize()
            section = self.section()
            if not controls and not section and not sign_of_life: break
            self.send(s.number(controls, section))
            self.spoken, sign_of_life = time.monotonic(), False
        if self.welcome and s.acked < s.received:
            self.send(s.encode(pb.Envelope()))

    def section(self):
        """Of one sender the next elements in line, or a piece.  The window (16 of our frames) is for these, not for controls."""
        run, room = [], FRAME_BYTES if sum(1 for kept in self.session.kept if kept[2]) < WINDOW_FRAMES else 0
        while room > 0 and self.ordered and not isinstance(self.ordered[0], pb.Control):
            if run and (self.ordered[0][0] is not run[0][0] or self.ordered[0][4] > room): break
            run.append(self.ordered.popleft())
            room -= run[-1][4] + 3
        if not run: return b""
        b, number, part, at, whole = run[0]
        if whole > FRAME_BYTES: body, flags = struct.pack("<Q", at) + part, PIECE
        else: body, flags = b"".join(encoder._VarintBytes(len(one[2])) + one[2] for one in run), 0
        return HEADER.pack(b.bind, len(run), number, 0, b.incarnation, b.epoch, 0, sum(one[4] for one in run), len(body), flags) + body

    def hear(self, frame):
        s, at = self.session, 4 + struct.unpack_from("<I", frame)[0]
        envelope = pb.Envelope.FromString(frame[4:at])
        if envelope.HasField("refusal"):
            self.on_refusal(envelope.refusal)
        elif envelope.HasField("welcome"):
            self.on_welcome(envelope.session, envelope.welcome)
        elif self.welcome and envelope.session == s.id:
            s.cover(envelope.ack)
            if envelope.seq > s.received + 1:  # what was between is lost: as good as a break
                self.dial()
            elif envelope.seq == s.received + 1:
                s.received += 1
                for control in envelope.control: self.on_control(control)
                for _ in range(envelope.sections): at = self.on_section(frame, at)

    def on_welcome(self, session, welcome):
        s = self.session
        s.id, s.lease, s.alive = session, welcome.lease_ms / 1000, max(s.alive, self.since)
        self.welcome, self.since = True, time.monotonic()
        self.lag = min(self.lag, self.since - welcome.clock_ms / 1000)
        s.cover(welcome.received)
        for _, envelope, section, _ in list(s.kept):
            self.send(s.encode(envelope, section))
    def on_refusal(self, refusal):
        error = (SessionOver if self.session.id else Error)(refusal.code, refusal.sentence)
        if refusal.code in (pb.PROTOCOL, pb.VERSION, pb.DENIED):  # time does not mend these
            self.error, self.leaving = error, True
        self.begin_session(error)
    def on_control(self, control):
        kind = control.WhichOneof("what") or "unknown"
        what = getattr(control, kind, None)
        b = self.bindings.get(getattr(what, "bind", 0))
        if kind == "inspect" and not what.end:
            self.say(report=pb.Report(id=what.id, host=socket.gethostname(), pid=os.getpid(), last=True))
        elif b and hasattr(b, "on_" + kind) and not (b.left and kind in ("bound", "credit", "recall", "closed")):
            getattr(b, "on_" + kind)(what)
            if b.over: del self.bindings[b.bind]
    def on_section(self, frame, at):
        bind, _, number, position, _, _, deliveries, whole, size, flags = HEADER.unpack_from(frame, at)
        at, elements, expires = at + HEADER.size, [], float("inf")
        if flags & TIMED:
            clock, left = TIMES.unpack_from(frame, at)  # of the home, ms
            self.lag = min(self.lag, time.monotonic() - clock / 1000)
            at, expires = at + TIMES.size, self.lag + (clock + left) / 1000
        b, end = self.bindings.get(bind), at + size
        if flags & PIECE and b: elements = b.on_piece(struct.unpack_from("<Q", frame, at)[0], frame[at + 8:end], whole)
        while at < end and not flags & PIECE:
            size, at = decoder._DecodeVarint(frame, at)
            elements.append(frame[at:at + size])
            at += size
        if elements and b and not b.left: b.on_elements(number, position, deliveries, flags, expires, elements)
        return end
