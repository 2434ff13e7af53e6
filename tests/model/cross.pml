/* Two selects that want each other, on two channels.   SPDX-License-Identifier: MIT */
#define NODES 2
#define CHANNELS 2
#define OPS 2
#define OP_NODE      { 0, 1 }
#define CASE_CHANNEL { 0, 1, 0, 1 }
#define CASE_DIR     { 1, 0, 0, 1 }
#include "rendezvous.pml"
