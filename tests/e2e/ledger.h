/* ledger.h - what one process of a round was told, in a file that outlives its kill -9.   SPDX-License-Identifier: MIT
 *
 * The process that is under test writes it, the driver of the rounds reads it: a shared mapping, so what was written is
 * there whatever happens to the writer.  Each call has an entry: for a sender entry i is the send of its element number
 * i + 1, for a receiver the i-th element that it took. */
#ifndef TESTS_E2E_LEDGER_H
#define TESTS_E2E_LEDGER_H

#include <stdatomic.h>
#include <stdint.h>

/* The file has holes, so what is not written costs nothing. */
#define LEDGER_ENTRIES (UINT64_C(8) << 20)

enum entry_state {
    ENTRY_NONE,
    ENTRY_CALLED,   /* the send was called and has not returned */
    ENTRY_SENT,     /* it gave 0 */
    ENTRY_NOT_SENT, /* it gave an error that says that nothing was sent */
    ENTRY_IN_DOUBT, /* it gave RN_EUNKNOWN, or rn_chan_unsent() counted it when the session was over */
    ENTRY_TAKEN,    /* a receive gave it */
};

struct entry {
    _Atomic uint32_t state; /* written last */
    uint32_t handle;        /* under which it was sent or taken: 1, 2, 3 ... of this process */
    uint32_t sender;        /* the number of the process that sent it */
    uint64_t seq;           /* its number there: 1, 2, 3 ... */
    int64_t called_ns;      /* taken: CLOCK_BOOTTIME, when the receive was called ... */
    int64_t at_ns;          /* ... and when it had returned */
};

struct ledger {
    _Atomic uint64_t entries;
    _Atomic uint64_t moved; /* sends that gave 0, or elements taken: tells whether it goes on */
    _Atomic uint64_t
        confirmed; /* entries before this one that are SENT were accepted by the home */
    _Atomic uint32_t
        handle; /* the newest; all before it ended with their sessions; 0: none was bound yet */
    _Atomic uint32_t homes_lost; /* how many of them with RN_EHOMELOST */
    _Atomic uint32_t orderly;    /* 1: the newest was unbound in order */
    struct entry entry[];
};

/* Makes the file, or opens the one that is there.  NULL, and errno says why. */
struct ledger *ledger_open(const char *path);
void ledger_close(struct ledger *l);

int64_t ledger_now_ns(void);

#endif
