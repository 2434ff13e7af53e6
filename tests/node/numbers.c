/* numbers.c - see numbers.h.   SPDX-License-Identifier: MIT */
#include "tests/node/numbers.h"

rn_chan *numbers(rn_node *node, const char *name, enum rn_dir dir, const rn_bind_opts *opts)
{
    rn_chan *c = rn_chan_new(sizeof(int64_t), 0, NULL);
    check_rc(rn_bind(node, name, dir, c, &rn_codec_int64, opts, SOON), 0);
    return c;
}

int send_number(rn_chan *c, int64_t number, rn_time deadline)
{
    return rn_chan_send(c, &number, deadline);
}

void send_numbers(rn_chan *c, int64_t first, int64_t last)
{
    for (int64_t i = first; i <= last; i++)
        check_rc(send_number(c, i, SOON), 0);
}

void receive_numbers(rn_chan *c, int64_t first, int64_t last)
{
    for (int64_t i = first; i <= last; i++) {
        int64_t got = -1;
        check_rc(rn_chan_recv(c, &got, SOON), 0);
        check(got == i);
    }
}

void stream_out(void *stream)
{
    struct stream *s = stream;
    send_numbers(s->chan, s->first, s->last);
    rn_chan_close(s->chan);
}
