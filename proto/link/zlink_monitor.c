/* zlink_monitor.c - what ZeroMQ tells of a socket's connections.   SPDX-License-Identifier: MIT
 *
 * It comes through a pair of sockets inside the context. */
#include "proto/link/zlink_inside.h"

#include <string.h>
#include <zmq.h>

int zlink_monitor_open(void *context, void *socket, const char *url, int events, void **monitor)
{
    /* With a high-water mark a slow owner would hold up ZeroMQ's thread. */
    static const struct zlink_setting settings[] = { { ZMQ_LINGER, 0 }, { ZMQ_RCVHWM, 0 }, { 0 } };
    int rc = zlink_result(zmq_socket_monitor(socket, url, events));

    if (rc < 0)
        return rc;
    *monitor = zmq_socket(context, ZMQ_PAIR);
    if (*monitor == NULL)
        return zlink_result(-1);
    rc = zlink_settings(*monitor, settings);
    return rc < 0 ? rc : zlink_result(zmq_connect(*monitor, url));
}

/* Its messages have two parts: the number of the event and a value, 6 bytes; and the URL. */
int zlink_monitor_next(void *monitor, uint16_t *event, uint32_t *value)
{
    zmq_msg_t message;
    int rc = zlink_message_receive(monitor, &message);

    if (rc < 0)
        return rc;
    *event = 0;
    *value = 0;
    if (zmq_msg_size(&message) == sizeof *event + sizeof *value) {
        memcpy(event, zmq_msg_data(&message), sizeof *event);
        memcpy(value, (const char *)zmq_msg_data(&message) + sizeof *event, sizeof *value);
    }
    zlink_parts_skip(monitor, zmq_msg_more(&message) != 0);
    zmq_msg_close(&message);
    return 0;
}

void zlink_monitor_close(void *monitor, void *socket)
{
    if (monitor == NULL)
        return;
    zmq_socket_monitor(socket, NULL, 0); /* first: ZeroMQ would wait for somebody who listens */
    zmq_close(monitor);
}
