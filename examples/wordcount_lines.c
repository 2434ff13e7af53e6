/* wordcount_lines.c - a module: sends the lines of files into the channel `lines`, then closes it.
 *   SPDX-License-Identifier: MIT
 *
 *   runnel-node --name reader --module ./wordcount_lines.so -- FILE... */
#include <errno.h>
#include <runnel/runnel.h>
#include <stdio.h>
#include <stdlib.h>

/* The bytes belong to the channel once they are sent, and stay ours if they could not be. */
static int send_bytes(rn_chan *chan, const char *data, size_t len)
{
    rn_bytes bytes;
    int rc = rn_bytes_new(&bytes, data, len);

    if (rc < 0)
        return rc;
    rc = rn_chan_send(chan, &bytes, RN_FOREVER);
    if (rc < 0)
        rn_bytes_free(&bytes);
    return rc;
}

static int send_file(rn_chan *lines, const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    int rc = 0;

    if (!file)
        return -errno;
    while (rc == 0 && (len = getline(&line, &size, file)) >= 0)
        rc = send_bytes(lines, line, (size_t)len);
    free(line);
    fclose(file);
    return rc;
}

int runnel_module(rn_node *node, int argc, char **argv)
{
    rn_chan *lines = rn_chan_new(sizeof(rn_bytes), 0, NULL);
    int rc = rn_bind(node, "lines", RN_OUT, lines, &rn_codec_bytes, NULL, rn_after(5 * RN_SEC));
    const char *what = "channel lines";

    for (int i = 1; i < argc && rc == 0; i++) {
        what = argv[i];
        rc = send_file(lines, argv[i]);
    }
    if (rc == 0) {
        rn_chan_close(lines); /* the workers end when they have taken the last line */
        rc = rn_unbind(lines, rn_after(30 * RN_SEC));
    }
    rn_chan_unref(lines);
    if (rc == 0)
        return EXIT_SUCCESS;
    /* Not rc: after a lost session runnel-node would begin again, and send lines twice. */
    fprintf(stderr, "wordcount_lines: %s: %s\n", what, rn_strerror(rc));
    return EXIT_FAILURE;
}
