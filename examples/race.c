/* race.c - to find a race by seeds: between a check and the act it allows, somebody else comes.
 *   SPDX-License-Identifier: MIT
 *
 *   race                tries seeds until one fails, and says how to see that again
 *   RN_SEED=N race      that one again, step for step the same: for a debugger, or with more printf
 *   race cured          tries them with a lock around check and act
 *
 * Each access is atomic, and no race detector complains: it is the two together that are not. */
#include <inttypes.h>
#include <runnel/sync.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef rn_chan_of(int64_t) journal_chan;

static _Atomic int64_t balance;
static journal_chan journal;
static rn_mutex lock; /* of the cure */
static int cured;

static void keep_journal(void *arg)
{
    int64_t amount;

    (void)arg;
    while (rn_recv(journal, &amount) == 0)
        printf("%8" PRId64 " us: paid %" PRId64 "\n", rn_now() / RN_US % 1000, amount);
}

static void withdraw(void *arg)
{
    const int64_t *amount = arg;

    if (cured)
        rn_mutex_lock(&lock);
    if (balance >= *amount) {
        rn_send(journal, *amount); /* waits for the journal: now others come and check */
        balance -= *amount;
    }
    if (cured)
        rn_mutex_unlock(&lock);
}

/* What is tried, and at its end what must hold.  Nothing in it knows of the simulation. */
static int run(void *arg)
{
    const int64_t amounts[] = { 60, 60, 10 };
    rn_group *customers = rn_group_new(), *clerks = rn_group_new();

    (void)arg;
    balance = 100;
    rn_make(&journal, 1);
    rn_group_go(clerks, keep_journal, NULL, 0);
    for (int i = 0; i < RN_LEN(amounts); i++)
        rn_group_go(customers, withdraw, &amounts[i], sizeof amounts[i]);
    rn_group_wait(customers, RN_FOREVER);
    rn_group_free(customers);
    rn_close(journal);
    rn_group_wait(clerks, RN_FOREVER);
    rn_group_free(clerks);
    rn_chan_unref(journal.chan);
    printf("the balance is %" PRId64 "\n", balance);
    return balance < 0;
}

int main(int argc, char **argv)
{
    cured = argc == 2 && strcmp(argv[1], "cured") == 0;
    if (rn_sim_seeds(1, 1000, run, NULL) != 0)
        return EXIT_FAILURE;
    puts("the balance was never below zero");
    return EXIT_SUCCESS;
}
