/* One sends, two receive on two nodes.   SPDX-License-Identifier: MIT */
#define NODES 3
#define CHANNELS 1
#define OPS 3
#define OP_NODE      { 0, 1, 2 }
#define CASE_CHANNEL { 0, 9, 0, 9, 0, 9 }
#define CASE_DIR     { 1, 9, 0, 9, 0, 9 }
#include "rendezvous.pml"
