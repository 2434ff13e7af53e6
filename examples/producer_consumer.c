/* producer_consumer.c - two producers, and a consumer that selects until both have closed.
 *   SPDX-License-Identifier: MIT
 *
 * The channels are unbuffered: each send waits until the consumer takes it. */
#include <inttypes.h>
#include <runnel/rn.h>
#include <stdio.h>

typedef rn_chan_of(int64_t) numbers_chan;
typedef rn_chan_of(const char *) words_chan;

static void count(void *arg)
{
    numbers_chan numbers = *(numbers_chan *)arg;

    for (int64_t i = 1; i <= 3; i++)
        rn_send(numbers, i);
    rn_close(numbers);
}

static void talk(void *arg)
{
    static const char *const text[] = { "ready", "steady", "go" };
    words_chan words = *(words_chan *)arg;

    for (int i = 0; i < 3; i++)
        rn_send(words, text[i]);
    rn_close(words);
}

static void consume(numbers_chan numbers, words_chan words)
{
    int64_t number;
    const char *word;
    rn_case cases[] = { rn_on_recv(numbers, &number), rn_on_recv(words, &word) };

    for (int open = 2; open > 0;) {
        int i = rn_select(cases, RN_LEN(cases), RN_FOREVER);

        if (cases[i].rc == RN_ECLOSED) {
            cases[i].op = RN_OFF; /* a closed channel is always ready: look at it no more */
            open--;
        } else if (i == 0) {
            printf("number %" PRId64 "\n", number);
        } else {
            printf("word %s\n", word);
        }
    }
    puts("both closed");
}

static int run(void *arg)
{
    rn_group *producers = rn_group_new();
    numbers_chan numbers;
    words_chan words;

    (void)arg;
    rn_make(&numbers, 0);
    rn_make(&words, 0);
    rn_group_go(producers, count, &numbers, sizeof numbers);
    rn_group_go(producers, talk, &words, sizeof words);
    consume(numbers, words);

    rn_group_wait(producers, RN_FOREVER); /* then nobody uses the channels any more */
    rn_group_free(producers);
    rn_chan_unref(numbers.chan);
    rn_chan_unref(words.chan);
    return 0;
}

int main(void)
{
    return rn_main(0, run, NULL);
}
