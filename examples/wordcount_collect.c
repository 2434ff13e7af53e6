/* wordcount_collect.c - a module: adds up what was counted.   SPDX-License-Identifier: MIT
 *   runnel-node --name collector --module ./wordcount_collect.so -- WORKERS [FILE] */
#include <runnel/runnel.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct count {
    long n;
    char word[];
};

static struct count **words; /* also in the tree that finds them */
static size_t n_words;
static void *tree;

static int by_word(const void *a, const void *b)
{
    return strcmp(((const struct count *)a)->word, ((const struct count *)b)->word);
}

static int by_frequency(const void *a, const void *b)
{
    const struct count *left = *(struct count *const *)a, *right = *(struct count *const *)b;
    return left->n != right->n ? (left->n < right->n ? 1 : -1) : by_word(left, right);
}

/* "WORD N" makes N more of WORD; -EPROTO when it is something else. */
static int add(const char *text, size_t len)
{
    struct count *fresh = calloc(1, sizeof *fresh + len + 1), *count;
    long n;
    if (!fresh || sscanf(text, "%[a-z] %ld", fresh->word, &n) != 2)
        return -EPROTO;
    count = *(struct count **)tsearch(fresh, &tree, by_word);
    count->n += n;
    if (count != fresh)
        return free(fresh), 0;
    words = realloc(words, (n_words + 1) * sizeof *words);
    words[n_words++] = fresh;
    return 0;
}

static void report(long elements, double seconds, FILE *all)
{
    qsort(words, n_words, sizeof *words, by_frequency);
    for (size_t i = 0; i < n_words; i++) {
        if (i < 10)
            printf("%8ld  %s\n", words[i]->n, words[i]->word);
        fprintf(all, "%ld %s\n", words[i]->n, words[i]->word);
    }
    printf("%ld lines and counts: %.0f elements per second\n", elements,
           (double)elements / seconds);
}

int runnel_module(rn_node *node, int argc, char **argv)
{
    rn_chan *counts = rn_chan_new(sizeof(rn_bytes), 0, NULL);
    const char *path = argc > 2 ? argv[2] : "/dev/null";
    FILE *all = fopen(path, "w"); /* every word and how often it came */
    long n, elements = 0, workers = argc > 1 ? atol(argv[1]) : 1;
    rn_time begin = 0;
    rn_bytes bytes;
    int rc = all ? rn_bind(node, "counts", RN_IN, counts, &rn_codec_bytes, NULL, RN_FOREVER) : -EIO;

    while (workers > 0 && rc == 0 && (rc = rn_chan_recv(counts, &bytes, RN_FOREVER)) == 0) {
        char *text = strndup((char *)bytes.data, bytes.len);
        begin = begin ? begin : rn_now();
        if (sscanf(text, "= %ld", &n) == 1) /* a worker has counted n lines and is done */
            elements += n, workers--;
        else
            elements++, rc = add(text, bytes.len);
        free(text);
        rn_bytes_free(&bytes);
    }
    if (rc == 0)
        report(elements, (double)(rn_now() - begin) / (double)RN_SEC, all);
    rn_chan_unref(counts);
    if (all && fclose(all) == 0)
        return rc;
    fprintf(stderr, "wordcount_collect: cannot write %s\n", path);
    return EXIT_FAILURE;
}
