/* deadlock.c - two goroutines, two locks, each has one and wants the other; and the cure.
 *   SPDX-License-Identifier: MIT
 *
 *   deadlock            each locks the account that pays first: the runtime says who waits where,
 *                       and exits with status 2
 *   deadlock ordered    both lock the accounts in the same order: all is well */
#include <inttypes.h>
#include <runnel/sync.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct account {
    rn_mutex lock;
    int64_t balance; /* guarded by lock */
};

struct payment {
    struct account *from, *to;
    bool ordered;
};

static void pay(void *arg)
{
    struct payment *payment = arg;
    struct account *first = payment->from, *second = payment->to;

    /* By address; any order will do that is the same for all. */
    if (payment->ordered && first > second) {
        first = payment->to;
        second = payment->from;
    }
    rn_mutex_lock(&first->lock);
    rn_yield(); /* the other one comes here too: each time we run this, not once in a month */
    rn_mutex_lock(&second->lock);
    payment->from->balance -= 10;
    payment->to->balance += 10;
    rn_mutex_unlock(&second->lock);
    rn_mutex_unlock(&first->lock);
}

static int run(void *ordered)
{
    struct account accounts[2] = { { .balance = 100 }, { .balance = 100 } };
    struct payment there = { &accounts[0], &accounts[1], ordered != NULL };
    struct payment back = { &accounts[1], &accounts[0], ordered != NULL };
    rn_group *payments = rn_group_new();

    rn_set_name("bank");
    rn_group_go(payments, pay, &there, sizeof there);
    rn_group_go(payments, pay, &back, sizeof back);
    rn_group_wait(payments, RN_FOREVER);
    rn_group_free(payments);
    printf("%" PRId64 " and %" PRId64 "\n", accounts[0].balance, accounts[1].balance);
    return 0;
}

int main(int argc, char **argv)
{
    bool ordered = argc > 1 && strcmp(argv[1], "ordered") == 0;

    return rn_main(/* workers= */ 1, run, ordered ? argv[1] : NULL);
}
