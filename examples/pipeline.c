/* pipeline.c - numbers go through stages that work at the same time, each a goroutine.
 *   SPDX-License-Identifier: MIT
 *
 * A stage ends when its input is closed, and closes its output then: so the end travels, too. */
#include <inttypes.h>
#include <runnel/rn.h>
#include <stdio.h>

typedef rn_chan_of(int64_t) numbers_chan;

struct stage {
    numbers_chan in, out;
};

static void produce(void *arg)
{
    struct stage *stage = arg;

    for (int64_t i = 1; i <= 10; i++)
        rn_send(stage->out, i);
    rn_close(stage->out);
}

static void square(void *arg)
{
    struct stage *stage = arg;
    int64_t number;

    while (rn_recv(stage->in, &number) == 0)
        rn_send(stage->out, number * number);
    rn_close(stage->out);
}

static void keep_odd(void *arg)
{
    struct stage *stage = arg;
    int64_t number;

    while (rn_recv(stage->in, &number) == 0)
        if (number % 2 != 0)
            rn_send(stage->out, number);
    rn_close(stage->out);
}

static int run(void *arg)
{
    rn_fn *const stages[] = { produce, square, keep_odd };
    rn_group *pipeline = rn_group_new();
    numbers_chan pipes[RN_LEN(stages)];
    struct stage stage = { { NULL }, { NULL } };
    int64_t number;

    (void)arg;
    for (int i = 0; i < RN_LEN(stages); i++) {
        rn_make(&pipes[i], 0);
        stage.out = pipes[i];
        rn_group_go(pipeline, stages[i], &stage, sizeof stage);
        stage.in = stage.out;
    }
    while (rn_recv(stage.in, &number) == 0)
        printf("%" PRId64 " ", number);
    puts("done");

    rn_group_wait(pipeline, RN_FOREVER);
    rn_group_free(pipeline);
    for (int i = 0; i < RN_LEN(stages); i++)
        rn_chan_unref(pipes[i].chan);
    return 0;
}

int main(void)
{
    return rn_main(0, run, NULL);
}
