/* verbs.h - the verbs of `runnel`.   SPDX-License-Identifier: MIT
 *
 * Each takes the rest of the command line, argv[0] being "runnel VERB", and gives the exit status.
 * opts holds what was said before the verb; what is said after it wins. */
#ifndef NODE_CTL_VERBS_H
#define NODE_CTL_VERBS_H

#include "node/ctl/common.h"

int send_main(int argc, char **argv, struct ctl_opts *opts);
int recv_main(int argc, char **argv, struct ctl_opts *opts);
int call_main(int argc, char **argv, struct ctl_opts *opts);
int serve_main(int argc, char **argv, struct ctl_opts *opts);
int ls_main(int argc, char **argv, struct ctl_opts *opts);
int audit_main(int argc, char **argv, struct ctl_opts *opts);
int dead_main(int argc, char **argv, struct ctl_opts *opts);
int info_main(int argc, char **argv, struct ctl_opts *opts);
int peek_main(int argc, char **argv, struct ctl_opts *opts);
int purge_main(int argc, char **argv, struct ctl_opts *opts);
int rm_main(int argc, char **argv, struct ctl_opts *opts);
int tap_main(int argc, char **argv, struct ctl_opts *opts);
int why_main(int argc, char **argv, struct ctl_opts *opts);
int dump_main(int argc, char **argv, struct ctl_opts *opts);
int keygen_main(int argc, char **argv, struct ctl_opts *opts);
int bench_main(int argc, char **argv, struct ctl_opts *opts);

#endif
