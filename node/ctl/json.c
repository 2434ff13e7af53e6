/* json.c - see json.h.   SPDX-License-Identifier: MIT */
#include "node/ctl/json.h"

#include <stdio.h>

/* How many bytes the character at c has; 0: it is none. */
static int utf8_len(const unsigned char *c)
{
    static const unsigned least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    int len = c[0] < 0x80             ? 1
              : (c[0] & 0xe0) == 0xc0 ? 2
              : (c[0] & 0xf0) == 0xe0 ? 3
              : (c[0] & 0xf8) == 0xf0 ? 4
                                      : 0;
    unsigned code = len < 2 ? c[0] : c[0] & (0x7fu >> len);

    for (int i = 1; i < len; i++) { /* the terminating zero is no continuation */
        if ((c[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (c[i] & 0x3f);
    }
    if (len > 1 && (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)))
        return 0;
    return len;
}

void json_string(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;

    putchar('"');
    while (*c) {
        int len = utf8_len(c);

        if (len == 0)
            printf("\\ufffd");
        else if (*c < ' ' || *c == 0x7f)
            printf("\\u%04x", *c);
        else
            printf("%s%.*s", *c == '"' || *c == '\\' ? "\\" : "", len, (const char *)c);
        c += len > 0 ? len : 1;
    }
    putchar('"');
}
