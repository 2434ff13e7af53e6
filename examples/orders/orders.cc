/* orders.cc - orders.c in C++, with the C++ library of protobuf.   SPDX-License-Identifier: MIT
 *
 *   orders_cc serve | place | bill       as orders_c */
#include "orders.pb.h"
#include "protobuf_codec.hpp"
#include <cstdio>
#include <memory>
#include <runnel/runnel.h>
#include <string>

using orders_chan = rn_chan_of(shop::Order *);

static int place(orders_chan orders)
{
    uint32_t pieces = 0;

    for (const char *customer : { "Ada", "Grace", "Edsger" }) {
        auto order = std::make_unique<shop::Order>();
        order->set_customer(customer);
        order->set_pieces(++pieces);
        int rc = rn_send(orders, order.get());
        if (rc < 0)
            return rc; /* the order is still ours */
        order.release();
    }
    rn_close(orders);
    return 0;
}

static int serve(orders_chan orders)
{
    shop::Order *order;
    int rc;

    while ((rc = rn_recv(orders, &order)) == 0) {
        std::printf("%s wants %u\n", order->customer().c_str(), order->pieces());
        delete order;
    }
    return rc == RN_ECLOSED ? rn_chan_err(orders.chan) : rc;
}

static int run(void *arg)
{
    std::string role = static_cast<const char *>(arg);
    rn_dir dir = role == "serve" ? RN_IN : RN_OUT;
    rn_codec codec = role == "bill" ? codec_of<shop::Bill>() : codec_of<shop::Order>();
    orders_chan orders;
    rn_node *node = nullptr;
    char why[1024];

    rn_make(&orders, 0);
    int rc = rn_node_open(&node, nullptr, rn_after(5 * RN_SEC));
    if (rc == 0)
        rc = rn_bind(node, "orders", dir, orders.chan, &codec, nullptr, RN_FOREVER);
    if (rc < 0) {
        rn_node_last_error(node, why, sizeof why);
        std::fprintf(stderr, "%s: %s\n", rn_strerror(rc), why);
        return 1;
    }
    rc = dir == RN_IN ? serve(orders) : place(orders);
    return rc == 0 && rn_node_close(node, RN_FOREVER, nullptr) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    return rn_main(0, run, argc > 1 ? argv[1] : const_cast<char *>("place"));
}
