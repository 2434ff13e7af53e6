/* Three selects in a ring.   SPDX-License-Identifier: MIT */
#define NODES 3
#define CHANNELS 2
#define OPS 3
#define OP_NODE      { 0, 1, 2 }
#define CASE_CHANNEL { 0, 1, 0, 1, 0, 1 }
#define CASE_DIR     { 1, 0, 1, 0, 0, 1 }
#include "rendezvous.pml"
