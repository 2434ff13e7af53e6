/* orders.c - messages of one's own over a named channel; orders.cc is the same in C++, and each understands the other.
 *   SPDX-License-Identifier: MIT
 *
 *   orders_c serve       receives shop.Order messages until the channel is closed
 *   orders_c place       sends three, and closes it
 *   orders_c bill        would send shop.Bill messages into it, and is told why not */
#include "orders.pb-c.h"
#include <runnel/runnel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef rn_chan_of(Shop__Order *) orders_chan;

/* A send takes the message, as protobuf-c frees one: all of it comes from malloc. */
static Shop__Order *order_new(const char *customer, uint32_t pieces)
{
    Shop__Order *order = malloc(sizeof *order);

    shop__order__init(order);
    order->customer = strdup(customer);
    order->pieces = pieces;
    return order;
}

static int place(orders_chan orders)
{
    const char *customers[] = { "Ada", "Grace", "Edsger" };

    for (uint32_t i = 0; i < RN_LEN(customers); i++) {
        Shop__Order *order = order_new(customers[i], i + 1);
        if (rn_send(orders, order) < 0) { /* then it is still ours */
            shop__order__free_unpacked(order, NULL);
            return 1;
        }
    }
    rn_close(orders);
    return 0;
}

static int serve(orders_chan orders)
{
    Shop__Order *order;
    int rc;

    while ((rc = rn_recv(orders, &order)) == 0) {
        printf("%s wants %u\n", order->customer, order->pieces);
        shop__order__free_unpacked(order, NULL);
    }
    return rc == RN_ECLOSED ? rn_chan_err(orders.chan) : rc;
}

static int run(void *role)
{
    bool bills = strcmp(role, "bill") == 0;
    rn_codec codec = rn_codec_protobuf(bills ? &shop__bill__descriptor : &shop__order__descriptor);
    enum rn_dir dir = strcmp(role, "serve") == 0 ? RN_IN : RN_OUT;
    orders_chan orders;
    rn_node *node = NULL;
    char why[1024];
    int rc;

    rn_make(&orders, 0);
    rc = rn_node_open(&node, NULL, rn_after(5 * RN_SEC));
    if (rc == 0)
        rc = rn_bind(node, "orders", dir, orders.chan, &codec, NULL, RN_FOREVER);
    if (rc < 0) {
        rn_node_last_error(node, why, sizeof why);
        fprintf(stderr, "%s: %s\n", rn_strerror(rc), why);
        return 1;
    }
    rc = dir == RN_IN ? serve(orders) : place(orders);
    return rc == 0 && rn_node_close(node, RN_FOREVER, NULL) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    return rn_main(0, run, argc > 1 ? argv[1] : "place");
}
