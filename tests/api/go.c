/* go.c - runs the C of docs/GO.md, which go.sh has put into page.c.   SPDX-License-Identifier: MIT
 * Everything that the page has is called here, so nothing of it is unused; rn_panic alone is not carried out. */
#include "page.c"

#include <arpa/inet.h>
#include <sys/socket.h>

#define check_that(fact) ((fact) ? (void)0 : rn_panic("docs/GO.md: not so: %s", #fact))

static void channels(void)
{
    int dropped = 0, n = 5;
    ints numbers;
    strings words;

    rn_make(&numbers, 1);
    rn_make(&words, 1);
    check_that(sum_up() == 6);
    check_that(hand_over() == 0);
    check_that(receive_soon(numbers, &n) == RN_ETIMEDOUT && n == 5);
    check_that(offer(numbers, 1, &dropped) == 0 && dropped == 0);
    check_that(offer(numbers, 2, &dropped) == RN_ETIMEDOUT && dropped == 1);
    rn_send(words, "one");
    rn_close(numbers);
    rn_close(words);
    print_both(numbers, words);
    rn_chan_unref(numbers.chan);
    rn_chan_unref(words.chan);
    rn_make(&numbers, 0);
    check_that(sum_until_tick(numbers) == 0);
    rn_chan_unref(numbers.chan);
}

static void groups_and_locks(void)
{
    const int good[] = { 1, 2 }, bad[] = { 1, 404, 3600000 };
    struct queue queue = { .count = 0 };
    int item = 0;

    check_that(fetch_all(good, 2) == 0);
    check_that(fetch_all(bad, 3) == -ENOENT);
    check_that(take(&queue, &item, rn_after(RN_MS)) == RN_ETIMEDOUT);
    put(&queue, 3);
    check_that(take(&queue, &item, RN_FOREVER) == 0 && item == 3);
    check_that(work_three_times() == 0 && loads == 1);
}

static void net_and_files(void)
{
    int conn, listener = rn_listen("127.0.0.1", 0);
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    rn_group *server = rn_group_new();
    FILE *file = tmpfile();
    char byte = 0;

    check_that(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    rn_group_go(server, serve, &listener, sizeof listener);
    conn = rn_dial("127.0.0.1", ntohs(address.sin_port), rn_after(30 * RN_SEC));
    check_that(rn_write(conn, "x", 1, NULL, RN_FOREVER) == 0);
    check_that(rn_read(conn, &byte, 1, RN_FOREVER) == 1 && byte == 'x');
    rn_fd_close(conn);
    rn_fd_close(listener);
    rn_group_wait(server, RN_FOREVER);
    rn_group_free(server);
    check_that(file && save(fileno(file)) == 0);
    fclose(file);
}

static int handled;

static void handle(void *arg)
{
    handled = handle_until_interrupted(*(ints *)arg);
}

static void signals(void)
{
    rn_group *handler = rn_group_new();
    ints requests;

    rn_make(&requests, 0);
    rn_group_go(handler, handle, &requests, sizeof requests);
    rn_send(requests, 1); /* it has been taken, so the signal is caught by now */
    kill(getpid(), SIGINT);
    rn_group_wait(handler, RN_FOREVER);
    rn_group_free(handler);
    rn_chan_unref(requests.chan);
    check_that(handled == 1);
}

static int run(void *arg)
{
    check_that(start(arg) == 0);
    channels();
    groups_and_locks();
    net_and_files();
    signals();
    check(0);
    return 0;
}

int main(void)
{
    int rc = rn_main(0, run, NULL);

    return rc ? rc : an_hour_by_many_seeds();
}
