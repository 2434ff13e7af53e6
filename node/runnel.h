/* runnel.h - local channels bound to named network channels.   SPDX-License-Identifier: MIT
 *
 * Installed as <runnel/runnel.h>; the conventions (results, deadlines, who may block) are those of rn.h.
 * Link with `pkg-config --libs runnel`.
 *
 * A named channel lives at a broker.  rn_bind() turns a local channel into a handle on it: after that
 * every rn_chan_send, rn_chan_recv and rn_select on the handle is an operation on the named channel.
 * There is no pump in between: a send completes with a slot of the named channel in hand, and an element
 * counts as received when a receive or a select has taken it. */
/* clang-format off */
#ifndef RUNNEL_H
#define RUNNEL_H

#include <runnel/rn.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RN_EUNKNOWN   (-4110)       /* this one operation is in doubt: perhaps sent, taken from you */
#define RN_EDENIED    (-4111)       /* the broker does not let this node in: its key, or that a link is encrypted or not */
#define RN_EMISMATCH  (-4112)       /* what the bind states differs from how the channel is */
#define RN_EHOMELOST  (-4113)       /* the broker that held the channel is gone, and the channel with it; or
                                       somebody has removed the channel (runnel rm --force) */
#define RN_ESTALE     (-4114)       /* this delivery is not yours any more: its session is over */
#define RN_ESLOW      (-4115)       /* cut off a fanout channel for being slow, as it was declared */
#define RN_ESESSION   (-4116)       /* the session is over; nothing happened; bind a fresh channel */

#define RN_NAME_MAX 256             /* a channel's name with its terminating zero */

/* ---- a node: this process, connected to its brokers -------------------- */
typedef struct rn_node rn_node;

typedef struct rn_node_opts {
    const char *name;               /* shown to operators; NULL: host name and pid */
    const char *brokers;            /* "tcp://a:7400,tcp://b:7400", tried in turn until one answers; NULL or "":
                                       $RUNNEL_URL, else tcp://127.0.0.1:7400 */
    const char *keyfile;            /* CURVE key pair of this node, a file that `runnel keygen` has made; NULL:
                                       $RUNNEL_KEY; neither, or "": a fresh one, which no broker's list has */
    const char *broker_key;         /* CURVE public key of the brokers, 40 characters: with it all links are encrypted;
                                       NULL: $RUNNEL_BROKER_KEY; neither, or "": none is, and a keyfile is an error */
    int64_t     lease_ns;           /* how long a broken link may take to resume; 0: $RUNNEL_LEASE ("500ms",
                                       "2s", "2"), else 10 s.  The broker may shorten it */
} rn_node_opts;

/* Connects: waits until a broker has answered, at most until deadline.  opts NULL: all defaults; the strings are
 * copied.  On success *node is yours; close it with rn_node_close().  0; -EINVAL, at once (a URL that cannot be one,
 * $RUNNEL_LEASE, what is wrong with a key or its file); -ENOTSUP: keys, and a libzmq without CURVE; RN_ETIMEDOUT: no broker
 * answered; RN_EDENIED: one did, and does not know this node's key, or has another key, or one of the two does not encrypt;
 * RN_ECANCELED; -EPROTO: no common protocol version; -ENOMEM; -ESHUTDOWN without the scheduler, and in a child of fork.
 * On error *node is untouched, and rn_node_last_error(NULL, ...) says what there is to say.  Any goroutine or thread. */
int rn_node_open_v(rn_node **node, const rn_node_opts *opts, size_t opts_size, rn_time deadline);
static inline int rn_node_open(rn_node **node, const rn_node_opts *opts, rn_time deadline)
{
    return rn_node_open_v(node, opts, sizeof *opts, deadline);
}

/* Ends every operation on the node's handles with -ESHUTDOWN, waits until what was sent is accepted by
 * the broker and what was received is acknowledged, at most until deadline (a cancellation of the caller
 * counts as a deadline of now), then closes and takes node; in the end it may take another second for the
 * socket to linger.  The handles stay yours to unref; they give -ESHUTDOWN.  0, or RN_ETIMEDOUT with the
 * number of sends that gave 0 and were not confirmed in *unsent (may be NULL; 0 on success).  Call it
 * once, from one goroutine or thread; leaving the program without it is a crash to the broker. */
int rn_node_close(rn_node *node, rn_time deadline, uint64_t *unsent);

/* The newest refusal on this node, as the broker put it ("channel 'orders': capacity is 16, not 8"), or why the two
 * cannot connect ("the broker refuses this node's key: it is not in its list of clients"), copied into buf and always
 * terminated; "" when there was none.  node NULL: that of the newest rn_node_open of this process that failed.  Returns
 * its length, as snprintf.  Any goroutine or thread, never blocks. */
int rn_node_last_error(rn_node *node, char *buf, size_t size);

/* ---- codecs: elements <-> bytes ----------------------------------------
 * encode runs on the sender's stack, borrows *elem, may be called again, must not block; when the send has
 * succeeded the node calls drop (if not NULL) on the sender's stack.  decode runs on the taker's stack, once
 * for each element taken, in the order of taking; it writes into memory of the node that is copied to the
 * caller's element afterwards; what it made is handed to drop if the receive fails all the same. */
typedef struct rn_bytes {
    uint8_t *data;
    size_t   len;
} rn_bytes;                                                          /* owned; free with rn_bytes_free */
int  rn_bytes_new(rn_bytes *b, const void *data, size_t len);        /* a copy; data NULL: uninitialised; 0, or
                                       -ENOMEM and *b is untouched */
void rn_bytes_free(rn_bytes *b);                                     /* leaves it empty; NULL is fine */

typedef struct rn_buf rn_buf;
int  rn_buf_append(rn_buf *out, const void *data, size_t len);       /* a copy; 0, -ENOMEM, -EMSGSIZE (1 GiB) */

typedef struct rn_codec {
    const char *type;               /* compared at bind: "int64", "acme.Order"; NULL: raw, agrees with every type */
    size_t      elemsize;           /* must equal the channel's, else rn_bind gives -EINVAL */
    const void *ctx;                /* handed to the three below; must outlive the handle */
    int  (*encode)(const void *ctx, const void *elem, rn_buf *out);  /* < 0: the send's result; OUT needs it */
    /* < 0: the bytes are not such an element.  It goes to NAME.dead, and the receive goes on as if it had never been there.
     * Only -ENOMEM, and any error on dead letters, is the receive's result: the handle fails with it for good, and the element
     * goes back to the channel, first in line for other receivers; nothing is lost.  IN needs it. */
    int  (*decode)(const void *ctx, const uint8_t *bytes, size_t len, void *elem);
    void (*drop)(const void *ctx, void *elem);
} rn_codec;

extern const rn_codec rn_codec_int64;        /* int64_t, little-endian on the wire */
extern const rn_codec rn_codec_double;       /* double, IEEE 754, little-endian */
/* Elements are `size` bytes as they lie in memory: structs without pointers.  The cheapest there are, with the numbers, for
 * nothing is called for each.  Bytes of another size are no such element; that both ends lay it out alike is yours to see to. */
rn_codec rn_codec_struct(const char *type, size_t size);
extern const rn_codec rn_codec_bytes;        /* rn_bytes; type "bytes" */
extern const rn_codec rn_codec_msg;          /* rn_msg: raw bytes with their delivery; to acknowledge by hand */
struct ProtobufCMessageDescriptor;
/* Elements are pointers to unpacked protobuf-c messages of this type; its full protobuf name is the type.
 * A send takes the message (protobuf_c_message_free_unpacked), a receive gives one. */
rn_codec rn_codec_protobuf(const struct ProtobufCMessageDescriptor *type);

/* ---- binding ------------------------------------------------------------ */
enum rn_dir  { RN_IN, RN_OUT };     /* network -> this program; this program -> network */
enum rn_kind { RN_KIND_ANY, RN_QUEUE, RN_FANOUT };   /* each element to one receiver (as in Go); to every one */
enum rn_keep { RN_KEEP_ANY, RN_MEMORY, RN_DISK, RN_QUORUM };   /* what an accepted element survives: nothing; kill -9
                                       and power loss of its broker; the loss of a broker */
enum rn_slow { RN_SLOW_ANY, RN_SLOW_BLOCK, RN_SLOW_DROP_OLDEST, RN_SLOW_CUT };   /* fanout: what a receiver that is slow
                                       does: its senders wait (default); it loses its oldest; it is cut off */
#define RN_RENDEZVOUS (-1)

/* An attribute left zero agrees with whatever the channel is.  Each is fixed by the first bind that states it, and
 * the rest to their defaults when the first sender is bound.
 *
 * RN_FANOUT: each element goes to every handle that was bound IN before it was accepted, to each in the channel's order, and
 * each takes or acknowledges it for itself; who binds later gets what is accepted from then on.  While nobody is bound IN sends
 * wait with RN_SLOW_BLOCK; else they are dropped.  RN_SLOW_DROP_OLDEST and RN_SLOW_CUT state RN_FANOUT (-EINVAL with a stated
 * RN_QUEUE): sends do not wait for receivers.  A handle on which more than prefetch elements lie untaken (0: the channel's
 * capacity) loses its oldest, or, cut, loses them all and fails with RN_ESLOW; so it does when its link does not keep up.
 * rn_chan_lost() counts them.  manual_ack states RN_SLOW_BLOCK; a rendezvous cannot be a fanout (-EINVAL, RN_EMISMATCH).
 * Each window has its own time to live; what is delayed goes to those that are bound when it is due.
 *
 * Today a channel is kept in RN_MEMORY.  A bind that states RN_DISK or RN_QUORUM is refused with -ENOTSUP. */
typedef struct rn_bind_opts {
    enum rn_kind kind;
    enum rn_keep keep;
    enum rn_slow slow;
    int64_t  capacity;              /* elements in the whole cluster between send and receive, at most 2^31; 0: any
                                       (default 16384) */
    uint64_t capacity_bytes;        /* their bytes; 0: any (default 64 MiB); no element may be larger, nor than 1 GiB */
    uint32_t max_deliveries;        /* by hand: after so many it goes to NAME.dead; 0: any (default 16) */
    bool     must_exist;            /* do not create: -ENOENT */
    bool     confirm;               /* OUT: a send returns only when the home has accepted it */
    bool     autoclose;             /* OUT: the channel closes when its last sender that asked for this has gone */
    uint32_t senders_min;           /* OUT, with autoclose: not before so many have been; 0: 1 */
    bool     manual_ack;            /* IN, rn_codec_msg: an element is done when rn_msg_ack says so; not on a
                                       rendezvous (-EINVAL, RN_EMISMATCH) */
    uint32_t prefetch;              /* IN: elements sent ahead to this process, with manual_ack also those that are
                                       not acknowledged; 0: chosen */
    int64_t  ttl_ns;                /* an element that nobody has received for so long, from when it is to be had, is
                                       dropped; in ms, rounded up; RN_FOREVER: none is; 0: any (default RN_FOREVER); not
                                       on a rendezvous (-EINVAL, RN_EMISMATCH) */
} rn_bind_opts;

/* Turns local into a handle on the network channel of that name: from then on each operation on it, by
 * goroutines and plain threads, is an operation on the named channel (rn_chan_cap gives the named one's; rn_chan_len what
 * lies here: bound IN the prefetch, else what is sent and not accepted).
 * local must be open and empty with no operation waiting in it, else -EBUSY.  One handle may be bound OUT
 * and IN to the same name, one bind after the other; the same direction twice or a second name is -EBUSY,
 * an operation in a direction not bound is -EBADF.  Many handles may bind one name.  Keeps a reference to
 * local until unbind or node close; copies name, codec and opts.  On error local is as it was, and nothing
 * of the bind counts at the home.  While the node is between two sessions the bind waits for the next.
 * 0, RN_EDENIED, RN_EMISMATCH, -ENOENT, -EINVAL (bad name, attribute, codec), -ENOTSUP, -EBUSY,
 * RN_ETIMEDOUT, RN_ECANCELED, -ENOMEM, -ESHUTDOWN (the node is closed); rn_node_last_error() has the sentence.
 *
 * On a bound channel: send gives 0 when the element holds a slot and is queued on the link (with confirm: when
 * the home says so; with RN_NOWAIT a confirm send acts as without); RN_ETIMEDOUT/RN_ECANCELED: it was
 * withdrawn, nothing was sent; RN_EUNKNOWN: the link is down and nobody can tell; also RN_EDENIED,
 * -EMSGSIZE, the codec's error.  When its session is over the handle fails for good: rn_chan_err and every
 * later operation give RN_ESESSION (RN_EHOMELOST if the channel is gone too), having done nothing; bind a
 * fresh channel to go on.  close on either end is a barrier at the home: all that was sent before is
 * received first.  rn_chan_fail on an IN handle cancels: untaken elements are dropped and counted, later
 * sends get the reason.  When a sender failed the channel, receivers get RN_ECLOSED and rn_chan_err says
 * why, as on a local one.
 *
 * A sender goes by rn_unbind or rn_node_close, or it dies: its session ends without either.  When the last one with
 * autoclose goes the channel closes as by rn_chan_close - once as many as the largest senders_min (if that is 2 or more)
 * have gone without dying, however many died.  If any died it is failed: receivers get RN_ECLOSED after the last element
 * that was accepted, and rn_chan_err gives RN_ESESSION, though their own session lives.  A bind that failed does not
 * count, nor does a sender without autoclose, which a close ends as any other.  senders_min without autoclose is -EINVAL. */
int rn_bind_v(rn_node *node, const char *name, enum rn_dir dir, rn_chan *local,
              const rn_codec *codec, size_t codec_size, const rn_bind_opts *opts, size_t opts_size,
              rn_time deadline);
static inline int rn_bind(rn_node *node, const char *name, enum rn_dir dir, rn_chan *local,
                          const rn_codec *codec, const rn_bind_opts *opts, rn_time deadline)
{
    return rn_bind_v(node, name, dir, local, codec, sizeof *codec, opts, sizeof *opts, deadline);
}

/* How an element is sent, where that differs from rn_chan_send. */
#define RN_TRACE_MAX 56             /* a traceparent with its terminating zero */
typedef struct rn_send_opts {
    const char *traceparent;        /* its trace context, see below; NULL: that of who sends; "": none */
    int64_t     ttl_ns;             /* so long it may wait to be received, from when it is to be had; then it is dropped, and
                                       counted.  If its channel has a ttl_ns, the shorter.  0 or RN_FOREVER: for ever */
    int64_t     delay_ns;           /* it is accepted, and nobody gets it before so long; then it is the last in its channel.  A
                                       close ends that.  0: at once */
    int64_t     at;                 /* the same, not before then: ns since 1970, UTC, by its sender's clock when it leaves that
                                       process; 0: at once */
} rn_send_opts;

/* As rn_chan_send, with what opts (NULL: nothing) says of this element.  What travels with it counts in the channel's
 * capacity_bytes, for a trace context 58 bytes.  Times are in ms, rounded up, and count from when the home accepts the element: it
 * holds its slot from then on, and a send with confirm returns then, however long the delay.  Also -EBADF: the channel is not
 * bound; -EINVAL: that is no traceparent; a time is negative; delay_ns and at together; times on a rendezvous.
 * A send in an rn_select is as rn_chan_send: it has no options, only the channel's time to live counts. */
int rn_send_with_v(rn_chan *bound, const void *elem, const rn_send_opts *opts, size_t opts_size,
                   rn_time deadline);
static inline int rn_send_with(rn_chan *bound, const void *elem, const rn_send_opts *opts,
                               rn_time deadline)
{
    return rn_send_with_v(bound, elem, opts, sizeof *opts, deadline);
}

/* Undoes a bind, both directions: waits until what was sent is accepted (sends queue meanwhile), gives back what
 * nobody took; from then on local's operations give -ESHUTDOWN.  0; -EBADF: not bound; RN_ETIMEDOUT,
 * RN_ECANCELED: still bound, repeat it; when the session is over (or the node was closed meanwhile), its error
 * (-ESHUTDOWN) if sends of this handle are in doubt, else 0, and unbound either way. */
int rn_unbind(rn_chan *bound, rn_time deadline);

/* Waits until everything sent on this handle so far is accepted, and kept as its channel promises.  0, -EBADF
 * (not bound OUT), RN_ETIMEDOUT, RN_ECANCELED, or the error that the handle failed with before it was. */
int rn_flush(rn_chan *bound, rn_time deadline);

uint64_t rn_chan_unsent(const rn_chan *bound);       /* sends that gave 0 and were not confirmed: so far, or when
                                       the session is over, ever; 0 if it is not bound.  Never blocks */
uint64_t rn_chan_lost(const rn_chan *bound);         /* fanout IN: elements dropped for being slow here, by this
                                       process or on the way to it: so far, or ever.  Never blocks */

/* ---- trace contexts -----------------------------------------------------
 * Which story something belongs to, in the words of W3C Trace Context: "00-<32 hex digits>-<16 hex digits>-<2 hex digits>", in
 * small letters, neither of the long ones all zero.  A goroutine (a plain thread, too) has one of its own, or none: set by hand, or
 * that which its starter had at that moment.  When it receives an element from a bound channel that came with one, that counts
 * instead, until it receives one that came without.  All that it sends on bound channels carries the one that counts, as it is. */
int rn_trace_set(const char *traceparent);           /* its own from now on, and the one that counts; NULL or "": none.  0,
                                                        -EINVAL, -ENOMEM */
int rn_trace_get(char traceparent[RN_TRACE_MAX]);    /* the one that counts: 0; "" and -ENOENT: none */

/* ---- deliveries acknowledged by hand ------------------------------------
 * Bound IN with manual_ack and rn_codec_msg, a receive gives an element that holds its slot until the program has said what
 * is to become of it: rn_msg_ack, rn_msg_nack or rn_msg_reject, in any order, from any goroutine or thread, as late as it likes,
 * after rn_unbind and rn_node_close too.  Each takes the message: the bytes are freed whatever the result.  Nothing blocks.
 *
 * The delivery is yours for as long as its session lives; nothing needs to be extended.  0: the home will be told.  RN_ESTALE:
 * the session is over, the handle is unbound or the channel was cancelled; the element is with others, or will be.
 * A message that is never given back costs its slot while the session lives, and some memory for ever.
 * When the session ends before the home has heard what gave 0, the element comes again, too.  (-ESHUTDOWN in a child of fork.)
 *
 * A receive into NULL acknowledges at once.  Without manual_ack an rn_msg is done when it was received: rn_msg_ack gives 0,
 * the others RN_ESTALE, and rn_bytes_free(&m.bytes) is enough.  Sending one (bound OUT) takes its bytes, not its delivery. */
typedef struct rn_msg {
    rn_bytes bytes;
    uint64_t seq;                   /* position in its channel */
    uint32_t deliveries;            /* 1 the first time; + 1 for each nack, and for each session that ended while it held it */
    void    *delivery;              /* opaque */
} rn_msg;

int rn_msg_ack(rn_msg *m);                           /* done.  0 or RN_ESTALE */
int rn_msg_nack(rn_msg *m, int64_t delay_ns);        /* again, to any receiver; not before delay, but a close ends that */
int rn_msg_reject(rn_msg *m, const char *why);       /* to NAME.dead, now; why (at most 255 bytes of it) may be NULL */
/* The trace context that it came with; NULL: none.  Lives as long as the message is yours (its bytes, without manual_ack). */
const char *rn_msg_traceparent(const rn_msg *m);
/* Sends it on, with all that it came with: its own trace context, and whom a request is to be replied to - who serves it in the end
 * replies to who asked first.  Takes the bytes as rn_chan_send with rn_codec_msg does, which out must be bound with (-EINVAL),
 * and not the delivery: acknowledge that afterwards. */
int rn_msg_forward(rn_chan *out, rn_msg *m, rn_time deadline);
/* Its bytes as another codec has them, into *elem; the message stays yours.  0 or the codec's error. */
int rn_msg_decode(const rn_msg *m, const rn_codec *codec, void *elem);

/* The channel NAME.dead has what was rejected, what a codec has refused, and what came back from receivers by hand after
 * max_deliveries.  It is bound IN only, like any other channel: its elements are as they were, and any codec may have them (it is
 * raw).  In it nothing dies: a reject is a nack.  By hand rn_msg_dead tells what became of one before it died. */
#define RN_WHY_MAX 256
enum rn_dead_cause { RN_DEAD_DELIVERIES, RN_DEAD_REJECTED, RN_DEAD_REFUSED };
typedef struct rn_dead {
    enum rn_dead_cause cause;
    char     why[RN_WHY_MAX];       /* as rn_msg_reject was told, or the codec's error in words; "" */
    char     channel[RN_NAME_MAX];  /* where it was ... */
    uint64_t seq;                   /* ... at this position */
    uint32_t deliveries;            /* so often it was delivered there */
    int64_t  died_ns;               /* since 1970, by the broker's clock */
} rn_dead;
int rn_msg_dead(const rn_msg *m, rn_dead *dead);     /* 0; -ENOENT: it is no dead letter, or not received by hand */

/* ---- reply channels: channels travel over channels ----------------------
 * Makes a channel with a name that nobody else has - "reply:" and 128 random bits - and binds local to it, as rn_bind does, waiting
 * as long as it takes.  The name, which is written to `name`, may be sent to anybody, in an element or otherwise; who has it binds
 * it like any channel, in either direction.  Nobody makes one by that: a name whose channel is gone, or never was, is -ENOENT.
 * Its attributes are the defaults, all fixed; it is raw, or of the codec's type.
 *
 * The channel ends when local is unbound or its session is over.  What is in it is dropped then; who has it bound OUT gets
 * -EPIPE from every send, who receives from it RN_ECLOSED, and rn_chan_err -EPIPE.  But if local sends, was closed by rn_chan_close
 * and is unbound (or its node closed) in order, those who receive by then still get all that it had sent, and a plain end.  What is
 * rejected there, or refused by a codec, is dropped: it has no dead letters.
 * 0, RN_ECANCELED, -EINVAL, -EBUSY, -ENOMEM, -ESHUTDOWN; on error nothing was made. */
int rn_reply_channel(rn_node *node, enum rn_dir dir, rn_chan *local, const rn_codec *codec,
                     char name[RN_NAME_MAX]);

/* ---- request and reply --------------------------------------------------
 * Sends the bytes to the channel of that name, as any send, and waits for the one reply.  0, and *reply is yours.  All goroutines
 * may call at once; none gets the reply of another, nor one that comes when its own call has given up.
 *
 * RN_ETIMEDOUT, RN_ECANCELED: no reply came, and the request may have been sent, and be served, all the same.  When nobody serves
 * the name that is how it ends; what nobody has received by the deadline, or soon after it, expires (not in a
 * rendezvous).  RN_ESESSION, RN_EHOMELOST: the session ended while it waited, and its reply channel with it; RN_EUNKNOWN: whether
 * it was sent is in doubt (only on a rendezvous, see rn_bind), or somebody has closed the reply channel: in all three perhaps it
 * was served, and nobody can tell.  Other errors mean that nothing was sent: those of rn_bind, and of a send: RN_ECLOSED,
 * -EMSGSIZE.
 *
 * The node binds the name OUT (without stating anything: who serves it should bind first if it is to have other attributes
 * than the defaults) and keeps it bound until it was not used for 10 s or more; so with the one reply channel that it has for all
 * calls. */
int rn_call(rn_node *node, const char *name, const void *bytes, size_t len, rn_bytes *reply, rn_time deadline);

/* Replies to a request that was received as an rn_msg, which stays yours: acknowledge or free it as any other.  Of several replies
 * to one request - it was delivered to two who served it - the first counts.  0: the reply is sent as by rn_chan_send; -ENOENT: who
 * asked has gone; -EINVAL: that is no request; RN_ETIMEDOUT, RN_ECANCELED, -EMSGSIZE, -ENOMEM, -ESHUTDOWN.  Acknowledge by
 * hand, after the reply, what must be served even if you are killed: another gets it then, and the caller waits on. */
int rn_reply(rn_node *node, const rn_msg *request, const void *bytes, size_t len, rn_time deadline);

/* ---- modules: what runnel-node runs ------------------------------------- */
/* A module is a shared object that defines this; it runs as a goroutine, on a node that is runnel-node's to close.
 * argv[0] is the module's path, then come the arguments behind "--".  What it returns, 0 to 255, is the exit status of
 * runnel-node; an error < 0 is told, and the status is 1; after RN_ESESSION or RN_EHOMELOST it is called again.  A signal
 * cancels its group; what it has sent is delivered before the program ends. */
int runnel_module(rn_node *node, int argc, char **argv);

#ifdef __cplusplus
}
#endif

#endif /* RUNNEL_H */
