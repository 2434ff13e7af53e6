/* Two selects of one node, each of which sends and receives on one channel.   SPDX-License-Identifier: MIT */
#define NODES 2
#define CHANNELS 1
#define OPS 2
#define OP_NODE      { 0, 0 }
#define CASE_CHANNEL { 0, 0, 0, 0 }
#define CASE_DIR     { 1, 0, 0, 1 }
#include "rendezvous.pml"
