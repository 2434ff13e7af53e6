/* trial.h - one run: everybody is started, works for a while that counts, and ends; then the sums are done.
 *   SPDX-License-Identifier: MIT
 *
 * What the members do is not its business: they follow the stages of the board (board.h). */
#ifndef NODE_CTL_MEASURE_TRIAL_H
#define NODE_CTL_MEASURE_TRIAL_H

#include "node/ctl/measure/board.h"
#include "node/ctl/measure/crew.h"
#include "node/ctl/measure/figures.h"

struct trial {
    struct board *board;
    struct crew crew;    /* the server has been started; the members have not */
    bool server_is_ours; /* else nothing is known of its CPU and memory */

    double seconds; /* that count */
    double idle_s;  /* that everybody is there and nothing happens; 0 */
    int64_t size;   /* bytes of an element */
    int channels, connections;
    double patience_s; /* how long anything may take that has no time of its own */
    bool pings; /* the first producer's elements are the rate, and it records how long each took */
    bool
        load; /* others send besides, so that the CPU time is not that of the elements that count */

    void (*progress)(void *arg, const char *text); /* NULL: none */
    void *progress_arg;
};

enum trial_result {
    TRIAL_DONE,
    TRIAL_FAILED, /* trial_why() tells */
    TRIAL_SAID,   /* a member has said what went wrong */
};

/* Moves everybody through the stages and fills in the figures of run `run`. */
enum trial_result trial_run(struct trial *t, struct figures *out, int run, char *why,
                            size_t why_size);

/* Waits until all members have come so far: for starting one after the other. */
enum trial_result trial_wait(struct trial *t, const struct board_line *line, int n,
                             enum line_state state, char *why, size_t why_size);

#endif
