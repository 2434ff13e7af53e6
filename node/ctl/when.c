/* when.c - see when.h.   SPDX-License-Identifier: MIT */
#include "node/ctl/when.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "node/runnel.h"

static int64_t read_duration(const char *text)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = { { "ms", 1e6 }, { "s", 1e9 },    { "", 1e9 },
                  { "m", 60e9 }, { "h", 3600e9 }, { "d", 86400e9 } };
    char *end;
    double n = strtod(text, &end);

    if (end == text || !isdigit((unsigned char)text[0]) || !isfinite(n))
        return 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        double ns = n * units[i].ns;
        if (strcmp(end, units[i].name) == 0)
            return ns >= 1 && ns < 9e18 ? (int64_t)ns : 0;
    }
    return 0;
}

/* n digits at *at as a number from least to most, behind the character `before` unless that is 0.  -1: they are not there. */
static int field(const char **at, char before, int n, int least, int most)
{
    int value = 0;

    if (before != 0 && *(*at)++ != before)
        return -1;
    for (; n > 0; n--, (*at)++) {
        if (!isdigit((unsigned char)**at))
            return -1;
        value = value * 10 + (**at - '0');
    }
    return value >= least && value <= most ? value : -1;
}

/* ".5": as ns; nothing: 0; -1: no digits behind the point. */
static int64_t fraction(const char **at)
{
    int64_t ns = 0, unit = 100000000;

    if (**at != '.')
        return 0;
    if (!isdigit((unsigned char)*++*at))
        return -1;
    for (; isdigit((unsigned char)**at); (*at)++, unit /= 10)
        ns += (**at - '0') * unit;
    return ns;
}

/* "Z", "+01:00": seconds before UTC.  false: it is none. */
static bool offset(const char **at, int64_t *s)
{
    char sign = *(*at)++;
    int hours, minutes;

    *s = 0;
    if (sign == 'Z' || sign == 'z')
        return true;
    if (sign != '+' && sign != '-')
        return false;
    if ((hours = field(at, 0, 2, 0, 23)) < 0 || (minutes = field(at, ':', 2, 0, 59)) < 0)
        return false;
    *s = (hours * 60 + minutes) * (sign == '+' ? 60 : -60);
    return true;
}

static bool date(const char **at, struct tm *t)
{
    t->tm_year = field(at, 0, 4, 1970, 2200) - 1900;
    if (t->tm_year < 0 || (t->tm_mon = field(at, '-', 2, 1, 12) - 1) < 0 ||
        (t->tm_mday = field(at, '-', 2, 1, 31)) < 0)
        return false;
    struct tm real = *t;
    timegm(&real); /* makes the 1st of May of the 31st of April */
    return real.tm_mon == t->tm_mon;
}

static bool clock_time(const char **at, struct tm *t)
{
    char between = *(*at)++;

    if (between != 'T' && between != 't' && between != ' ')
        return false;
    return (t->tm_hour = field(at, 0, 2, 0, 23)) >= 0 &&
           (t->tm_min = field(at, ':', 2, 0, 59)) >= 0 &&
           (t->tm_sec = field(at, ':', 2, 0, 60)) >= 0;
}

static int64_t read_time(const char *text)
{
    const char *at = text;
    struct tm t = { 0 };
    int64_t ns, before;

    if (!date(&at, &t) || !clock_time(&at, &t) || (ns = fraction(&at)) < 0 ||
        !offset(&at, &before) || *at != '\0')
        return 0;
    int64_t s = timegm(&t) - before;
    return s > 0 || ns > 0 ? s * RN_SEC + ns : 0;
}

int64_t when_duration(const char *text, const char *what, const struct argp_state *state)
{
    int64_t ns = read_duration(text);

    if (ns == 0)
        argp_error(state, "%s must be a time such as 500ms, 5s, 10m, 2h or 1d, not '%s'", what,
                   text);
    return ns;
}

int64_t when_time(const char *text, const char *what, const struct argp_state *state)
{
    int64_t ns = read_time(text);

    if (ns == 0)
        argp_error(
            state,
            "%s must be a time such as 2027-01-31T08:00:00Z or 2027-01-31T09:00:00+01:00, not '%s'",
            what, text);
    return ns;
}

const char *when_show_ms(char *to, size_t size, uint64_t ms)
{
    if (ms % 1000 == 0)
        snprintf(to, size, "%" PRIu64 "s", ms / 1000);
    else
        snprintf(to, size, "%" PRIu64 "ms", ms);
    return to;
}
