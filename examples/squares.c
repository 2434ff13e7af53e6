/* squares.c - a module: squares of numbers, as a service, and fifty who ask for them.   SPDX-License-Identifier: MIT
 *
 *   runnel-node --name server --module ./squares.so -- serve    as many of these as there is work
 *   runnel-node --name asker --module ./squares.so -- ask 1000   or by hand: runnel call squares 12
 *
 * A request is acknowledged when its reply is sent: one that a server dies with goes to another. */
#include <errno.h>
#include <runnel/runnel.h>
#include <runnel/sync.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int serve(rn_node *node)
{
    const rn_bind_opts by_hand = { .manual_ack = true };
    rn_chan *squares = rn_chan_new(sizeof(rn_msg), 0, NULL);
    int rc = rn_bind(node, "squares", RN_IN, squares, &rn_codec_msg, &by_hand,
                     rn_after(5 * RN_SEC));
    rn_msg request;

    while (rc == 0 && (rc = rn_chan_recv(squares, &request, RN_FOREVER)) == 0) {
        char text[32] = "";

        memcpy(text, request.bytes.data, request.bytes.len < 20 ? request.bytes.len : 20);
        int len = snprintf(text, sizeof text, "%lld", atoll(text) * atoll(text));
        rn_reply(node, &request, text, (size_t)len, RN_FOREVER); /* who asked may have gone */
        rn_msg_ack(&request);
    }
    rn_chan_unref(squares);
    return rc == RN_ECLOSED ? 0 : rc;
}

#define ASKERS 50

struct asker {
    rn_node *node;
    int first, end; /* asks for the squares of first, first + ASKERS ... */
    int *wrong;     /* answers, or none at all */
    rn_mutex *lock;
};

static void ask(void *arg)
{
    struct asker *a = arg;

    for (int n = a->first; n < a->end; n += ASKERS) {
        char text[32], square[32];
        rn_bytes reply;

        snprintf(text, sizeof text, "%d", n);
        int len = snprintf(square, sizeof square, "%lld", (long long)n * n);
        int rc = rn_call(a->node, "squares", text, strlen(text), &reply, rn_after(60 * RN_SEC));
        bool right = rc == 0 && reply.len == (size_t)len &&
                     memcmp(reply.data, square, reply.len) == 0;
        if (rc == 0)
            rn_bytes_free(&reply);
        rn_mutex_lock(a->lock);
        *a->wrong += !right;
        rn_mutex_unlock(a->lock);
    }
}

int runnel_module(rn_node *node, int argc, char **argv)
{
    int wrong = 0, end = argc > 2 ? atoi(argv[2]) : 0;
    rn_mutex lock = { 0 };

    if (argc > 1 && strcmp(argv[1], "serve") == 0)
        return serve(node);
    rn_group *askers = rn_group_new();
    for (int i = 0; i < ASKERS; i++) {
        struct asker a = { node, i, end, &wrong, &lock };
        rn_group_go(askers, ask, &a, sizeof a);
    }
    rn_group_wait(askers, RN_FOREVER);
    rn_group_free(askers);
    printf("%d of %d squares\n", end - wrong, end);
    return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
