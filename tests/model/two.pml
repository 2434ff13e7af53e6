/* Two send, two receive.   SPDX-License-Identifier: MIT */
#define NODES 2
#define CHANNELS 1
#define OPS 4
#define OP_NODE      { 0, 0, 1, 1 }
#define CASE_CHANNEL { 0, 9, 0, 9, 0, 9, 0, 9 }
#define CASE_DIR     { 1, 9, 1, 9, 0, 9, 0, 9 }
#include "rendezvous.pml"
