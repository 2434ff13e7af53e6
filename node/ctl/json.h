/* json.h - JSON on standard output.   SPDX-License-Identifier: MIT */
#ifndef NODE_CTL_JSON_H
#define NODE_CTL_JSON_H

/* A string with its quotes; what is no UTF-8 comes as U+FFFD. */
void json_string(const char *text);

#endif
