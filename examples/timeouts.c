/* timeouts.c - not to wait, to wait for a while, and to wait until a moment that many calls share.
 *   SPDX-License-Identifier: MIT
 *
 * A deadline is a point in time, no duration: it can be handed on, and no loop begins it anew. */
#include <inttypes.h>
#include <runnel/rn.h>
#include <stdio.h>

typedef rn_chan_of(int64_t) answers_chan;

/* One answer at once, one soon, and none after that. */
static void answer(void *arg)
{
    answers_chan answers = *(answers_chan *)arg;

    rn_send(answers, 1);
    rn_sleep(rn_after(20 * RN_MS));
    rn_send(answers, 2);
}

static void say(const char *what, int rc, int64_t number)
{
    if (rc == 0)
        printf("%s: %" PRId64 "\n", what, number);
    else
        printf("%s: %s\n", what, rn_strerror(rc));
}

static int run(void *arg)
{
    answers_chan answers;
    rn_chan *timer;
    int64_t number = 0;
    rn_group *others = rn_group_new();
    rn_time deadline;
    int rc;

    (void)arg;
    rn_make(&answers, 0);
    rc = rn_chan_recv(answers.chan, &number, RN_NOWAIT); /* Go: select with a default */
    say("not waiting", rc, number);
    rc = rn_chan_recv(answers.chan, &number, rn_after(20 * RN_MS));
    say("waiting a little", rc, number);

    rn_group_go(others, answer, &answers, sizeof answers);
    deadline = rn_after(2 * RN_SEC); /* for all three together */
    for (int i = 0; i < 3; i++) {
        rc = rn_chan_recv(answers.chan, &number, deadline);
        say("until the deadline", rc, number);
    }

    timer = rn_timer(20 * RN_MS); /* Go: time.After, for a select that does something else then */
    rn_case cases[] = { rn_on_recv(answers, &number), { timer, NULL, RN_RECV, 0 } };
    puts(rn_select(cases, RN_LEN(cases), RN_FOREVER) == 1 ? "the timer" : "an answer");
    rn_chan_unref(timer);

    rn_group_free(others);
    rn_chan_unref(answers.chan);
    return 0;
}

int main(void)
{
    return rn_main(0, run, NULL);
}
