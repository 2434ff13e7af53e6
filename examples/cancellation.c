/* cancellation.c - the first answer of three, and the others are called off: groups and deadlines.
 *   SPDX-License-Identifier: MIT
 *
 * A group is Go's context and errgroup in one: what is started in it can be cancelled and waited
 * for.  A cancelled goroutine finds out in its next call that could wait: RN_ECANCELED. */
#include <runnel/rn.h>
#include <stdio.h>

typedef rn_chan_of(const char *) names_chan;

struct server {
    const char *name;
    int64_t needs_ns;
    names_chan answers, farewells;
};

static void serve(void *arg)
{
    struct server *server = arg;

    if (rn_sleep(rn_after(server->needs_ns)) == RN_ECANCELED) {
        rn_shield(1); /* else this send would fail at once, too */
        rn_send(server->farewells, server->name);
        rn_shield(0);
    } else {
        rn_send(server->answers, server->name);
    }
}

static void first_of_three(struct server server)
{
    rn_group *servers = rn_group_new();
    const char *name;

    server.name = "quick", server.needs_ns = 10 * RN_MS;
    rn_group_go(servers, serve, &server, sizeof server);
    server.name = "slow", server.needs_ns = 3600 * RN_SEC;
    rn_group_go(servers, serve, &server, sizeof server);
    rn_group_go(servers, serve, &server, sizeof server);

    rn_recv(server.answers, &name);
    printf("the first is %s\n", name);
    rn_group_cancel(servers);
    for (int i = 0; i < 2; i++) {
        rn_recv(server.farewells, &name);
        printf("a %s one has tidied up\n", name);
    }
    rn_group_free(servers); /* waits: below this line nobody is left that was started above it */
}

static void until_a_deadline(struct server server)
{
    rn_group *servers = rn_group_new_deadline(rn_after(RN_SEC)); /* cancels itself then */
    const char *name;

    server.name = "late", server.needs_ns = 3600 * RN_SEC;
    rn_group_go(servers, serve, &server, sizeof server);
    rn_recv(server.farewells, &name);
    printf("a %s one has tidied up\n", name);
    rn_group_free(servers);
}

static int run(void *arg)
{
    struct server server;

    (void)arg;
    rn_make(&server.answers, 0);
    rn_make(&server.farewells, 0);
    first_of_three(server);
    until_a_deadline(server);
    rn_chan_unref(server.answers.chan);
    rn_chan_unref(server.farewells.chan);
    return 0;
}

int main(void)
{
    return rn_main(0, run, NULL);
}
