# test_client.py - the client against a broker, and against the programs in C.   SPDX-License-Identifier: MIT
"""Run by client.sh, which has started a broker.  Everything waits for a condition, at most until DEADLINE."""
import os
import re
import socket
import subprocess
import threading
import time
import unittest
from urllib.parse import urlsplit

import runnel
import runnel_pb2 as pb

URL = os.environ["RUNNEL_URL"]
DEADLINE = 60.0


class Relay:
    """TCP between node and broker, that can be cut."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "tcp://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.pairs, self.open = [], threading.Event()
        self.open.set()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            ours = self.listener.accept()[0]
            self.open.wait()
            theirs = socket.create_connection((urlsplit(URL).hostname, urlsplit(URL).port))
            self.pairs.append((ours, theirs))
            threading.Thread(target=self.carry, args=(ours, theirs), daemon=True).start()
            threading.Thread(target=self.carry, args=(theirs, ours), daemon=True).start()

    def carry(self, source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        source.close()
        target.close()

    def cut(self):
        """Breaks every connection; what was on its way is lost."""
        for pair in self.pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it was broken already
        self.pairs = []


def command(*words, **more):
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def says(*words, **more):
    return subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE, **more).stdout


def all_of(receiver):
    got = []
    try:
        while True:
            got.append(receiver.recv(DEADLINE).data)
    except runnel.Closed as end:
        return got, end


def column(channel, title):
    head, *rows = (line.split() for line in says("runnel", "ls").splitlines())
    return {row[0]: row[head.index(title)] for row in rows if len(row) == len(head)}.get(channel)


class Client(unittest.TestCase):
    def node(self, **options):
        node = runnel.Node(options.pop("url", URL), timeout=DEADLINE, **options)
        self.addCleanup(node.close)
        return node

    def test_what_python_sends_runnel_receives(self):
        sender = self.node().bind("to.c", pb.OUT, DEADLINE)
        receiver = command("runnel", "recv", "to.c")
        for i in range(20000):
            sender.send(b"%d" % i, DEADLINE)
        sender.close()
        self.assertEqual(receiver.communicate(timeout=DEADLINE)[0].split(), [str(i) for i in range(20000)])
        self.assertEqual(receiver.returncode, 0)

    def test_what_runnel_sends_python_receives(self):
        receiver = self.node().bind("from.c", pb.IN, DEADLINE)
        sender = command("runnel", "send", "from.c", "--close")
        threading.Thread(target=sender.communicate, args=("".join("%d\n" % i for i in range(20000)),)).start()
        got, end = all_of(receiver)
        self.assertEqual(got, [b"%d" % i for i in range(20000)])
        self.assertEqual(end.code, pb.CLOSED)
        self.assertEqual(sender.wait(DEADLINE), 0)

    def test_a_full_channel_parks_the_sender(self):
        sender = self.node().bind("one", pb.OUT, DEADLINE, capacity=1)
        receiver = self.node().bind("one", pb.IN, DEADLINE)
        sender.send(b"0", DEADLINE)
        with self.assertRaises(TimeoutError):
            sender.send(b"not sent", 0.05)
        sent = []
        thread = threading.Thread(target=lambda: [(sender.send(b"%d" % i, DEADLINE), sent.append(i)) for i in range(1, 200)])
        thread.start()
        for i in range(200):
            self.assertLessEqual(len(sent), i)  # i were received, the first was sent before: there is never room for two
            self.assertEqual(receiver.recv(DEADLINE).data, b"%d" % i)
        thread.join()
        sender.close()
        self.assertEqual(all_of(receiver)[0], [])

    def test_elements_of_all_sizes_come_as_they_were(self):
        sender = self.node().bind("sizes", pb.OUT, DEADLINE, capacity_bytes=4 << 20)
        receiver = self.node().bind("sizes", pb.IN, DEADLINE)
        elements = [os.urandom(n) for n in (0, 1, 127, 128, 16384, 61439, 61440, 61441, 262144, 262145, 3 << 20, 4 << 20, 7)] * 3
        thread = threading.Thread(target=lambda: [sender.send(e, DEADLINE) for e in elements] + [sender.close()])
        thread.start()
        self.assertEqual(all_of(receiver)[0], elements)
        thread.join()
        with self.assertRaises(runnel.Error) as caught:
            sender.send(bytes((4 << 20) + 1))
        self.assertEqual(caught.exception.code, pb.TOO_LARGE)

    def test_a_close_comes_after_the_last_element_to_every_receiver(self):
        receivers = [self.node().bind("shared", pb.IN, DEADLINE, prefetch=3) for _ in range(3)]
        got = [[] for _ in receivers]
        threads = [threading.Thread(target=lambda r=r, g=g: g.append(all_of(r))) for r, g in zip(receivers, got)]
        for thread in threads:
            thread.start()
        senders = [self.node().bind("shared", pb.OUT, DEADLINE, capacity=10) for _ in range(2)]
        for i in range(500):
            senders[i % 2].send(b"%d" % i, DEADLINE)
        senders[0].close()
        for thread in threads:
            thread.join(DEADLINE)
        self.assertEqual(sorted(int(e) for g in got for e in g[0][0]), list(range(500)))
        self.assertEqual([g[0][1].code for g in got], [pb.CLOSED] * 3)
        with self.assertRaises(runnel.Closed):
            while True:  # another's close is told as soon as its news is here
                senders[1].send(b"late", DEADLINE)

    def test_a_failure_tells_its_reason_and_a_cancellation_reaches_the_sender(self):
        sender, receiver = self.node().bind("failed", pb.OUT, DEADLINE), self.node().bind("failed", pb.IN, DEADLINE)
        sender.send(b"before", DEADLINE)
        sender.close(reason=-5)
        got, end = all_of(receiver)
        self.assertEqual((got, end.code, end.reason), ([b"before"], pb.FAILED, -5))
        sender, receiver = self.node().bind("tired", pb.OUT, DEADLINE, capacity=2), self.node().bind("tired", pb.IN, DEADLINE)
        receiver.close(reason=-7)
        with self.assertRaises(runnel.Closed) as caught:
            while True:
                sender.send(b"more", DEADLINE)
        self.assertEqual((caught.exception.code, caught.exception.reason), (pb.CANCELLED, -7))

    def test_by_hand_ack_nack_reject(self):
        sender = self.node().bind("jobs", pb.OUT, DEADLINE)
        receiver = self.node().bind("jobs", pb.IN, DEADLINE, manual_ack=True)
        for word in (b"good", b"later", b"bad", b"worse"):
            sender.send(word, DEADLINE)
        good, later, bad, worse = (receiver.recv(DEADLINE) for _ in range(4))
        self.assertEqual([m.position for m in (good, later, bad, worse)], list(range(good.position, good.position + 4)))
        worse.reject("nobody can do this")
        bad.reject()
        later.nack(0.01)
        good.ack()
        again = receiver.recv(DEADLINE)
        self.assertEqual((again.data, again.deliveries, again.position), (b"later", 2, later.position))
        self.assertEqual(column("jobs", "TAKEN"), "1")
        sender.close()
        with self.assertRaises(TimeoutError):
            receiver.recv(0.05)  # closed, but not drained: it may come again
        again.ack()
        self.assertEqual(all_of(receiver)[0], [])
        grave = self.node().bind("jobs.dead", pb.IN, DEADLINE, manual_ack=True)
        dead = {m.data: m for m in (grave.recv(DEADLINE), grave.recv(DEADLINE))}
        self.assertEqual(set(dead), {b"bad", b"worse"})
        story = dead[b"worse"].dead
        self.assertEqual((story.cause, story.why, story.channel, story.position, story.deliveries),
                         (pb.REJECTED_BY_HAND, "nobody can do this", "jobs", worse.position, 1))
        for message in dead.values():
            message.ack()
        grave.unbind(DEADLINE)
        with self.assertRaises(runnel.Error):
            dead[b"bad"].ack()
        self.assertEqual(column("jobs.dead", "BUFFERED") or "0", "0")

    def test_what_a_closed_node_has_not_acknowledged_comes_to_another(self):
        sender, first = self.node().bind("heirs", pb.OUT, DEADLINE), runnel.Node(URL, timeout=DEADLINE)
        for i in range(10):
            sender.send(b"%d" % i, DEADLINE)
        receiver = first.bind("heirs", pb.IN, DEADLINE, manual_ack=True)
        messages = [receiver.recv(DEADLINE) for _ in range(6)]
        messages[1].ack()
        messages[4].ack()
        first.close()
        sender.close()
        got, _ = all_of(self.node().bind("heirs", pb.IN, DEADLINE))
        self.assertEqual(got, [b"%d" % i for i in (0, 2, 3, 5, 6, 7, 8, 9)])

    def test_a_header_is_told_and_is_no_part_of_the_element(self):
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        receiver = self.node().bind("traced", pb.IN, DEADLINE, manual_ack=True)
        says("runnel", "send", "traced", "--traceparent", trace, input="with\n")
        says("runnel", "send", "traced", input="without\n")
        first, second = receiver.recv(DEADLINE), receiver.recv(DEADLINE)
        self.assertEqual((first.data, first.header.traceparent, second.data, second.header), (b"with", trace, b"without", None))
        first.reject()
        dead = self.node().bind("traced.dead", pb.IN, DEADLINE).recv(DEADLINE)
        self.assertEqual((dead.data, dead.header.traceparent, dead.dead.channel), (b"with", trace, "traced"))

    def test_each_receiver_of_a_fanout_gets_all(self):
        receivers = [self.node().bind("news", pb.IN, DEADLINE, kind=pb.FANOUT, manual_ack=hand) for hand in (False, True)]
        other = command("runnel", "recv", "news")
        self.eventually(lambda: column("news", "RECEIVERS") == "3")
        sender = self.node().bind("news", pb.OUT, DEADLINE, capacity=10)
        thread = threading.Thread(target=lambda: [sender.send(b"%d" % i, DEADLINE) for i in range(500)] + [sender.close()])
        thread.start()
        got = []
        reader = threading.Thread(target=lambda: got.append(all_of(receivers[0])))
        reader.start()
        for i in range(500):
            message = receivers[1].recv(DEADLINE)
            self.assertEqual(message.data, b"%d" % i)
            message.ack()
        self.assertEqual(other.communicate(timeout=DEADLINE)[0].split(), [str(i) for i in range(500)])
        reader.join(DEADLINE)
        self.assertEqual(got[0][0], [b"%d" % i for i in range(500)])
        thread.join()

    def test_who_is_slow_loses_the_oldest_or_is_cut_off_and_knows(self):
        slow = self.node().bind("dropping", pb.IN, DEADLINE, slow=pb.SLOW_DROP_OLDEST)
        sender = self.node().bind("dropping", pb.OUT, DEADLINE, capacity=8)
        for i in range(1000):
            sender.send(b"%d" % i, DEADLINE)
        sender.close()
        got, _ = all_of(slow)
        self.assertEqual(len(got) + slow.lost, 1000)
        self.assertGreater(slow.lost, 0)
        self.assertEqual(got, sorted(got, key=int))
        slow = self.node().bind("cutting", pb.IN, DEADLINE, slow=pb.SLOW_CUT)
        sender = self.node().bind("cutting", pb.OUT, DEADLINE, capacity=8)
        for i in range(1000):
            sender.send(b"%d" % i, DEADLINE)
        with self.assertRaises(runnel.Error) as caught:
            while True:
                slow.recv(DEADLINE)
        self.assertEqual(caught.exception.code, pb.SLOW)

    def test_what_has_expired_comes_to_nobody(self):
        sender = self.node().bind("fresh", pb.OUT, DEADLINE, ttl_ms=300)
        receiver = self.node().bind("fresh", pb.IN, DEADLINE)
        sender.send(b"soon stale", DEADLINE)
        self.eventually(lambda: self.expired("fresh") == 1)  # in the receiver's hands, or at the home
        sender.send(b"fresh", DEADLINE)
        self.assertEqual(receiver.recv(DEADLINE).data, b"fresh")
        sender.close()
        self.assertEqual(all_of(receiver)[0], [])

    def expired(self, channel):
        found = re.search(r"([0-9]+) expired|expired ([0-9]+)", says("runnel", "audit", channel))
        return int(found[1] or found[2]) if found else 0

    def eventually(self, condition):
        until = time.monotonic() + DEADLINE
        while not condition():
            self.assertLess(time.monotonic(), until, "it never came true")

    def test_nothing_is_lost_or_doubled_when_connections_break(self):
        relays = Relay(), Relay()
        sender = self.node(url=relays[0].url, lease=8.0).bind("cut", pb.OUT, DEADLINE, capacity=50)
        receiver = self.node(url=relays[1].url, lease=8.0).bind("cut", pb.IN, DEADLINE)
        sessions = sender.node.session.id, receiver.node.session.id
        thread = threading.Thread(target=lambda: [sender.send(b"%d" % i, DEADLINE) for i in range(6000)] + [sender.close()])
        thread.start()
        got = []
        for i in range(6000):
            if i % 1500 == 700:
                relays[i // 1500 % 2].cut()
            got.append(receiver.recv(DEADLINE).data)
        self.assertEqual(got, [b"%d" % i for i in range(6000)])
        self.assertEqual(all_of(receiver)[0], [])
        thread.join()
        self.assertEqual((sender.node.session.id, receiver.node.session.id), sessions)

    def test_an_idle_session_lives_and_a_cut_off_one_ends_with_its_lease(self):
        relay = Relay()
        idle, lost = self.node(lease=0.5), self.node(url=relay.url, lease=0.5)
        mine = lost.bind("leases", pb.IN, DEADLINE, manual_ack=True)
        sender = self.node().bind("leases", pb.OUT, DEADLINE)
        sender.send(b"x", DEADLINE)
        message = mine.recv(DEADLINE)
        receiver, session = idle.bind("leases", pb.IN, DEADLINE), idle.session.id
        relay.open.clear()
        relay.cut()
        with self.assertRaises(runnel.SessionOver):
            mine.recv(DEADLINE)
        with self.assertRaises(runnel.SessionOver):
            message.ack()
        again = receiver.recv(DEADLINE)
        self.assertEqual((again.data, again.deliveries), (b"x", 2))
        self.assertEqual(idle.session.id, session)  # for longer than its lease
        relay.open.set()
        lost.bind("leases", pb.OUT, DEADLINE).send(b"y", DEADLINE)  # under a new session
        self.assertEqual(receiver.recv(DEADLINE).data, b"y")

    def test_what_a_killed_broker_had_is_lost_and_the_next_one_is_found(self):
        def broker(url):
            process = command("runnel-broker", "--listen", url)
            self.addCleanup(process.communicate)
            self.addCleanup(process.kill)
            return process, process.stdout.readline().split()[-1]

        first, url = broker("tcp://127.0.0.1:0")
        node = self.node(url=url)
        sender, receiver = node.bind("frail", pb.OUT, DEADLINE), node.bind("frail", pb.IN, DEADLINE)
        sender.send(b"lost", DEADLINE)
        sender.unbind(DEADLINE)
        first.kill()
        first.wait()
        broker(url)
        with self.assertRaises(runnel.SessionOver) as caught:
            while True:
                receiver.recv(DEADLINE)
        self.assertEqual(caught.exception.code, pb.HOME_LOST)
        node.bind("frail", pb.OUT, DEADLINE).send(b"again", DEADLINE)
        self.assertEqual(node.bind("frail", pb.IN, DEADLINE).recv(DEADLINE).data, b"again")
        node.close()

    def test_a_bind_that_is_refused_says_why(self):
        self.node().bind("typed", pb.OUT, DEADLINE, capacity=7, type="acme.Order")
        with self.assertRaises(runnel.Error) as caught:
            self.node().bind("typed", pb.IN, DEADLINE, type="acme.Bill")
        self.assertEqual(caught.exception.code, pb.MISMATCH)
        self.assertRegex(str(caught.exception), "typed.*type.*acme.Order.*acme.Bill")
        with self.assertRaises(runnel.Error) as caught:
            self.node().bind("a name", pb.OUT, DEADLINE)
        self.assertEqual(caught.exception.code, pb.BAD_NAME)

    def test_a_broker_that_is_not_there_is_named(self):
        with self.assertRaisesRegex(TimeoutError, "127.0.0.1:1$"):
            runnel.Node("tcp://127.0.0.1:1", timeout=0.1)

    def test_a_rendezvous_is_left_alone(self):
        receiver = self.node().bind("meeting", pb.IN, DEADLINE)  # which may still become anything
        with self.assertRaises(runnel.Error) as caught:
            self.node().bind("meeting", pb.OUT, DEADLINE, capacity=-1)
        self.assertEqual(caught.exception.code, pb.UNSUPPORTED)
        with self.assertRaises(runnel.Error) as caught:
            receiver.recv(DEADLINE)
        self.assertEqual(caught.exception.code, pb.UNSUPPORTED)

    def test_the_last_sender_that_asks_for_it_closes(self):
        nodes = self.node(), self.node()
        senders = [node.bind("auto", pb.OUT, DEADLINE, autoclose=True) for node in nodes]
        receiver = self.node().bind("auto", pb.IN, DEADLINE)
        for sender in senders:
            sender.send(b"one", DEADLINE)
            sender.unbind(DEADLINE)
        got, end = all_of(receiver)
        self.assertEqual((got, end.code), ([b"one", b"one"], pb.CLOSED))

    def test_runnel_why_is_answered(self):
        receiver = self.node(name="asked").bind("why", pb.IN, DEADLINE)
        answer = says("runnel", "why", "why")
        self.assertIn("asked", answer)
        self.assertNotRegex(answer, "no answer|silent")
        receiver.unbind(DEADLINE)


if __name__ == "__main__":
    unittest.main()
