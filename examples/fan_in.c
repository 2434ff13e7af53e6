/* fan_in.c - what three say in one channel is heard by one, who need not know how many they are.
 *   SPDX-License-Identifier: MIT
 *
 * The last to speak should close the channel, and nobody knows that he is the last: so another
 * goroutine waits for all of them and closes it then. */
#include <runnel/sync.h>
#include <stdio.h>

struct line {
    char source;
    int number;
};

typedef rn_chan_of(struct line) lines_chan;

struct talk {
    char source;
    lines_chan lines;
    rn_waitgroup *sources; /* that have not said everything yet */
};

static void say(void *arg)
{
    struct talk *talk = arg;

    for (int i = 1; i <= 3; i++)
        rn_send(talk->lines, (struct line){ talk->source, i });
    rn_waitgroup_done(talk->sources);
}

static void close_after_all(void *arg)
{
    struct talk *talk = arg;

    rn_waitgroup_wait(talk->sources, RN_FOREVER);
    rn_close(talk->lines);
}

static int run(void *arg)
{
    rn_group *talkers = rn_group_new();
    rn_waitgroup sources = { 0 };
    struct talk talk = { .sources = &sources };
    struct line line;

    (void)arg;
    rn_make(&talk.lines, 0);
    rn_waitgroup_add(&sources, 3);
    for (talk.source = 'a'; talk.source <= 'c'; talk.source++)
        rn_group_go(talkers, say, &talk, sizeof talk);
    rn_group_go(talkers, close_after_all, &talk, sizeof talk);
    while (rn_recv(talk.lines, &line) == 0)
        printf("%c %d\n", line.source, line.number);
    puts("all said");

    rn_group_wait(talkers, RN_FOREVER);
    rn_group_free(talkers);
    rn_chan_unref(talk.lines.chan);
    return 0;
}

int main(void)
{
    return rn_main(0, run, NULL);
}
