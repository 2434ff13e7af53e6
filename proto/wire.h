/* wire.h - what proto/runnel.proto says, as C structs.   SPDX-License-Identifier: MIT
 *
 * The vocabulary of broker/core and node: they read and write these, never bytes.  Strings are
 * NUL-terminated, never NULL, and borrowed: in a decoded frame they live as long as it does, in a
 * struct that is handed to an encoder as long as the call.  The numbers are those of the .proto. */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_VERSION 1

enum wire_code {
    WIRE_OK,
    WIRE_CLOSED,
    WIRE_PROTOCOL,
    WIRE_VERSION_UNKNOWN,
    WIRE_SESSION_OVER,
    WIRE_MISMATCH,
    WIRE_NOT_FOUND,
    WIRE_BAD_NAME,
    WIRE_BAD_ATTRIBUTE,
    WIRE_UNSUPPORTED,
    WIRE_DENIED,
    WIRE_HOME_LOST,
    WIRE_NO_MEMORY,
    WIRE_TOO_LARGE,
    WIRE_CANCELLED,
    WIRE_SHUTDOWN,
    WIRE_FAILED,
    WIRE_SLOW,
    WIRE_REMOVED = 18,
    WIRE_BUSY,
    WIRE_CODE_LAST = WIRE_BUSY
};

enum wire_direction { WIRE_IN, WIRE_OUT };
enum wire_kind { WIRE_KIND_ANY, WIRE_QUEUE, WIRE_FANOUT };
enum wire_keep { WIRE_KEEP_ANY, WIRE_MEMORY, WIRE_DISK, WIRE_QUORUM };
enum wire_slow { WIRE_SLOW_ANY, WIRE_SLOW_BLOCK, WIRE_SLOW_DROP_OLDEST, WIRE_SLOW_CUT };

#define WIRE_RENDEZVOUS INT64_C(-1)
#define WIRE_NO_TTL     INT64_C(-1)

struct wire_attributes { /* zero or "": not stated */
    enum wire_kind kind;
    enum wire_keep keep;
    enum wire_slow slow;
    int64_t capacity; /* elements; WIRE_RENDEZVOUS: none */
    uint64_t capacity_bytes;
    uint32_t max_deliveries;
    int64_t ttl_ms; /* WIRE_NO_TTL: nothing expires */
    const char *type;
};

/* The tags of Control.what. */
enum wire_what {
    WIRE_BIND = 1,
    WIRE_UNBIND,
    WIRE_BOUND,
    WIRE_REFUSED,
    WIRE_UNBOUND,
    WIRE_ASK,
    WIRE_CREDIT,
    WIRE_RECALL,
    WIRE_RETURNED,
    WIRE_ACCEPTED,
    WIRE_TAKEN,
    WIRE_CLOSE,
    WIRE_CLOSED_, /* the message Closed; WIRE_CLOSED is the code */
    WIRE_FAILED_, /* the message Failed */
    WIRE_COUNTS,
    WIRE_QUERY,
    WIRE_ANSWER,
    WIRE_OPENED,
    WIRE_GOODBYE, /* has no members; bind is 0 */
    WIRE_INSPECT,
    WIRE_REPORT,
    WIRE_SETTLE,
    WIRE_LOST_, /* the message Lost; WIRE_LOST is the verdict */
    WIRE_CLAIM = 30,
    WIRE_CLAIMED,
    WIRE_REFUSE,
    WIRE_COMMIT,
    WIRE_ABORT,
    WIRE_WITHDRAW,
    WIRE_PEEK = 40,
    WIRE_PURGE,
    WIRE_REMOVE,
    WIRE_TAP,
};

/* Flags of a section. */
#define WIRE_OFFER   1u  /* a rendezvous: one element that is offered, or was committed */
#define WIRE_PATIENT 2u  /* its operation has no other case: the home may keep the offer */
#define WIRE_DEAD    4u  /* dead letters; see dead.h */
#define WIRE_HEADED  8u  /* elements with a Header; see header.h */
#define WIRE_TIMED   16u /* its elements have a delay, or expire; its header is longer */
#define WIRE_PIECE   32u /* a piece of one element; see piece.h */

/* Those that a node chooses for its elements, and that the home hands on with them. */
#define WIRE_MANNER WIRE_HEADED

/* One operation of one process, the same in all its sessions and at every home; see RENDEZVOUS in the .proto. */
struct wire_operation {
    uint8_t instance[16];
    uint64_t number;
};

enum wire_verdict {
    WIRE_DONE,
    WIRE_AGAIN,
    WIRE_REJECTED,
    WIRE_UNREADABLE, /* REFUSED */
    WIRE_EXPIRED,
    WIRE_LOST
};

/* Why something is a dead letter. */
enum wire_cause {
    WIRE_CAUSE_DELIVERIES,
    WIRE_CAUSE_REJECTED,
    WIRE_CAUSE_REFUSED,
    WIRE_CAUSE_LAST = WIRE_CAUSE_REFUSED
};

struct wire_range { /* of delivery numbers */
    uint64_t first, count;
};

struct wire_counts {
    uint64_t sent, confirmed, queued, unknown; /* sent = confirmed + queued + unknown */
};

struct wire_binding_info {
    const char *node;
    enum wire_direction direction;
    uint64_t accepted;
    struct wire_counts counts;
    uint64_t lent, delivered, taken;
    uint32_t waiting;
    uint64_t buffered, delayed, lost, dead, expired; /* IN, of a fanout */
};

struct wire_tap_info {
    const char *node;
    uint32_t rate;
    uint64_t tapped, skipped;
};

struct wire_channel_info {
    const char *name;
    uint64_t incarnation;
    uint32_t epoch;
    struct wire_attributes attributes;
    uint32_t senders, receivers;
    bool closed;
    uint64_t accepted, taken, buffered, delivered, delayed, expired;
    uint64_t dropped_cancelled, dropped_purged, dropped_slow, dropped_nobody, dead;
    uint64_t redelivered, lent, bytes;
    uint64_t copied, dropped_left, parked; /* of a fanout */
    uint64_t age_ms;
    const struct wire_tap_info *taps;
    uint32_t n_taps;
    const struct wire_binding_info *bindings;
    uint32_t n_bindings;
};

/* Where an element is. */
enum wire_place {
    WIRE_BUFFERED,
    WIRE_DELAYED,
    WIRE_DELIVERED,
    WIRE_IN_HAND,
    WIRE_DYING,
    WIRE_PLACE_LAST = WIRE_DYING
};

struct wire_element {
    uint64_t position;
    uint32_t deliveries; /* so far */
    enum wire_place place;
    const char *node;
    uint64_t age_ms, due_ms;
    uint32_t flags;
    uint64_t size, offset;
    uint64_t skipped;
    const uint8_t *bytes; /* len of them, from offset on */
    size_t len;
};

enum wire_want { WIRE_CHANNELS, WIRE_WHY, WIRE_DUMP };

enum wire_doing { WIRE_RUNNING, WIRE_RUNNABLE, WIRE_WAITING, WIRE_ENDED, WIRE_OUTSIDE };

struct wire_wait {
    const char *channel;
    enum wire_direction direction;
};

struct wire_goroutine {
    uint64_t id;
    const char *name;
    enum wire_doing doing;
    bool system;
    const char *why;
    uint64_t waited_ms;
    const struct wire_wait *waits;
    uint32_t n_waits;
    bool sends, receives;
    const char *stack; /* lines */
};

enum wire_voice { WIRE_ANSWERED, WIRE_SILENT, WIRE_LEFT };

struct wire_node_info {
    const char *name;
    uint64_t session;
    const char *host;
    uint32_t pid;
    enum wire_voice voice;
    uint64_t heard_ms;
    bool connected, sends, receives;
    const struct wire_goroutine *goroutines;
    uint32_t n_goroutines;
    bool last;
};

/* One control.  Which members mean something depends on what; see the .proto. */
struct wire_control {
    enum wire_what what;
    uint32_t bind; /* Query, Answer, Inspect, Report, Peek to Tap: their id */
    union {
        struct {
            const char *name;
            enum wire_direction direction;
            struct wire_attributes attributes;
            bool must_exist;
            uint32_t prefetch;
            bool autoclose;
            uint32_t senders_min;
            bool manual_ack;
            bool reply;
        } bind_; /* Bind */
        struct {
            bool abandoned;
        } unbind;
        struct {
            bool unsent;
        } goodbye;
        struct {
            uint64_t incarnation;
            uint32_t epoch;
            struct wire_attributes attributes;
        } bound; /* Bound; Opened uses the attributes only */
        struct {
            enum wire_code code;
            const char *sentence;
        } refused; /* Refused, Failed */
        struct {
            uint32_t waiting;
            uint64_t first_bytes, bytes;
            bool weak;
            int64_t adjusted;
            uint64_t sole; /* 0: none */
        } ask;
        struct {
            uint32_t elements;
            uint64_t bytes, first;
            uint64_t but; /* 0: none */
        } credit;         /* Credit, Returned */
        struct {
            uint32_t elements;
            bool closing;
            enum wire_code code;
            int32_t reason;
        } recall;        /* Recall; Close uses reason, Closed code and reason */
        uint64_t number; /* Accepted, Taken, Withdraw */
        struct {
            uint64_t claim;
            uint64_t number; /* Commit: to a sender its offer's, to a receiver the delivery's */
            struct wire_operation offer; /* Claim: who offers */
            bool asks;                   /* Abort */
        } meet;                          /* Claim, Claimed, Refuse, Commit, Abort */
        struct {
            enum wire_verdict verdict;
            const struct wire_range
                *ranges; /* ascending, apart from each other, 1 .. WIRE_RANGES_MAX */
            uint32_t n_ranges;
            uint64_t delay_ms;
            const char *why; /* REJECTED, REFUSED */
        } settle;
        struct {
            uint64_t number;
            enum wire_code code; /* OK, SLOW */
        } lost;
        struct wire_counts counts;
        struct {
            const char *query_name; /* "": all */
            enum wire_want query_want;
            const char *query_node; /* DUMP; "": all */
        };                          /* Query */
        struct {
            const struct wire_channel_info *channels;
            uint32_t n_channels;
            bool last;
            const struct wire_node_info *nodes;
            uint32_t n_nodes;
            enum wire_code code;
            const char *sentence;
            const struct wire_element *elements;
            uint32_t n_elements;
            bool more;
            uint64_t incarnation;
            uint64_t dropped, dropped_bytes;
            uint32_t tap;
            uint64_t skipped;
        } answer;
        struct {
            const char *name;
            uint64_t from, offset;
            uint32_t count;     /* 0: as many as fit */
            bool force;         /* Remove */
            uint32_t tap, rate; /* Tap: 0, 0: one begins, as fast as usual */
            bool end;
        } peek; /* Peek; Purge, Remove and Tap use the name */
        struct {
            const char *channel; /* "": all goroutines */
            bool end;
        } inspect;
        struct {
            const char *host;
            uint32_t pid;
            const struct wire_goroutine *goroutines;
            uint32_t n_goroutines;
            bool last;
        } report;
    };
};

/* n elements of one channel, still encoded: `body` is count times a varint length and that many
 * bytes, `size` bytes in all, inside a frame.  A piece: `size` bytes of one element of `bytes` bytes, from `offset` on. */
struct wire_section {
    uint32_t bind;
    uint32_t count;
    uint64_t number;
    uint64_t position;
    uint64_t incarnation;
    uint32_t epoch;
    uint32_t deliveries;
    uint64_t bytes;
    uint32_t flags;
    uint32_t size;
    const uint8_t *body;
    union {                /* with WIRE_TIMED, else 0 */
        uint64_t delay_ms; /* node to broker */
        uint64_t clock_ms; /* broker to node: the home's, when it made the section */
    };
    uint64_t ttl_ms; /* with WIRE_TIMED, else 0: none */
    uint64_t offset; /* of a piece; else 0 */
};

struct wire_hello {
    uint32_t version;
    uint64_t features;
    uint8_t instance[16];
    const char *name;
    uint64_t lease_ms;
    bool resume;
    uint64_t received;
};

struct wire_welcome {
    uint32_t version;
    uint64_t features;
    uint64_t lease_ms;
    uint64_t received;
    bool resumed;
    uint64_t clock_ms; /* the home's, when it said this; 0: not told */
};

struct wire_refusal {
    enum wire_code code;
    const char *sentence;
};

#endif
