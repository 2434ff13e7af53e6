/* A select that would send and receive on one channel, and nobody else.   SPDX-License-Identifier: MIT */
#define NODES 2
#define CHANNELS 1
#define OPS 2
#define OP_NODE      { 0, 1 }
#define CASE_CHANNEL { 0, 0, 9, 9 }
#define CASE_DIR     { 1, 0, 9, 9 }
#include "rendezvous.pml"
