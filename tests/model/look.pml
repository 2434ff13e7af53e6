/* A select that is passed over while it is negotiated elsewhere, twice.   SPDX-License-Identifier: MIT */
#define NODES 2
#define CHANNELS 2
#define OPS 4
#define OP_NODE      { 0, 1, 1, 1 }
#define CASE_CHANNEL { 1, 0, 0, 9, 1, 9, 1, 9 }
#define CASE_DIR     { 1, 0, 1, 9, 0, 9, 0, 9 }
#include "rendezvous.pml"
