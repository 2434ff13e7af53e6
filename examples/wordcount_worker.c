/* wordcount_worker.c - a module: takes lines, competing with others, and sends what it counts.
 *   SPDX-License-Identifier: MIT
 *
 *   runnel-node --name worker-1 --module ./wordcount_worker.so
 *
 * Into `counts` goes "WORD N" for each word of a line, and at the end "= N": counted N lines. */
#include <ctype.h>
#include <errno.h>
#include <runnel/runnel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int send_count(rn_chan *counts, const char *word, long n)
{
    rn_bytes bytes;
    int rc = rn_bytes_new(&bytes, NULL, strlen(word) + 24);

    if (rc < 0)
        return rc;
    bytes.len = (size_t)snprintf((char *)bytes.data, bytes.len, "%s %ld", word, n);
    rc = rn_chan_send(counts, &bytes, RN_FOREVER);
    if (rc < 0)
        rn_bytes_free(&bytes);
    return rc;
}

static int by_word(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int count_line(rn_chan *counts, rn_bytes line)
{
    char **word = calloc(line.len / 2 + 1, sizeof *word),
         *text = strndup((char *)line.data, line.len);
    char *rest = text, *token;
    size_t n = 0, same;
    int rc = word && text ? 0 : -ENOMEM;

    for (char *c = text; rc == 0 && *c; c++)
        *c = isalpha((unsigned char)*c) ? (char)tolower((unsigned char)*c) : ' ';
    while (rc == 0 && (token = strtok_r(NULL, " ", &rest)) != NULL)
        word[n++] = token;
    qsort(word, n, sizeof *word, by_word);
    for (size_t i = 0; i < n && rc == 0; i += same) {
        for (same = 1; i + same < n && strcmp(word[i], word[i + same]) == 0;)
            same++;
        rc = send_count(counts, word[i], (long)same);
    }
    free(word);
    free(text);
    return rc;
}

int runnel_module(rn_node *node, int argc, char **argv)
{
    rn_chan *lines = rn_chan_new(sizeof(rn_bytes), 0, NULL);
    rn_chan *counts = rn_chan_new(sizeof(rn_bytes), 0, NULL);
    int rc = rn_bind(node, "lines", RN_IN, lines, &rn_codec_bytes, NULL, rn_after(5 * RN_SEC));
    rn_bytes line;
    long taken = 0;

    (void)argc, (void)argv;
    if (rc == 0)
        rc = rn_bind(node, "counts", RN_OUT, counts, &rn_codec_bytes, NULL, rn_after(5 * RN_SEC));
    while (rc == 0 && (rc = rn_chan_recv(lines, &line, RN_FOREVER)) == 0) {
        rc = count_line(counts, line);
        rn_bytes_free(&line);
        taken++;
    }
    if (rc == RN_ECLOSED) /* all lines are taken */
        rc = send_count(counts, "=", taken);
    rn_chan_unref(lines);
    rn_chan_unref(counts);
    return rc;
}
