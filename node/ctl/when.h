/* when.h - times on the command line, and shown.   SPDX-License-Identifier: MIT */
#ifndef NODE_CTL_WHEN_H
#define NODE_CTL_WHEN_H

#include <argp.h>
#include <stddef.h>
#include <stdint.h>

/* "250ms", "5s", "1.5h", "2d", "5" (seconds): ns, at least 1.  Else ends the program with status 2. */
int64_t when_duration(const char *text, const char *what, const struct argp_state *state);

/* A time as RFC 3339 has it, "2027-01-31T08:00:00Z", "2027-01-31T09:00:00.5+01:00": ns since 1970, at least 1.  Else the same. */
int64_t when_time(const char *text, const char *what, const struct argp_state *state);

/* "5s", "1500ms"; returns to. */
const char *when_show_ms(char *to, size_t size, uint64_t ms);

#endif
