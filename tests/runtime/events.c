/* events.c - see events.h.   SPDX-License-Identifier: MIT */
#include "tests/runtime/events.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DEPTH_MAX 8

struct reader {
    const char *at;
    const char *begin;
    struct events *out;
    struct event *event; /* that is being read, or NULL */
    size_t room;
};

static void wrong(const struct reader *r, const char *what)
{
    fail_msg("not JSON: %s at %td: \"%.60s\"", what, r->at - r->begin, r->at);
}

static void space(struct reader *r)
{
    while (*r->at == ' ' || *r->at == '\n')
        r->at++;
}

static void expect(struct reader *r, char c)
{
    space(r);
    if (*r->at != c)
        wrong(r, (char[]){ c, '\0' });
    r->at++;
}

static bool take(struct reader *r, char c)
{
    space(r);
    if (*r->at != c)
        return false;
    r->at++;
    return true;
}

/* One escape of those that JSON has; text keeps only its last character. */
static char escape(struct reader *r)
{
    if (strchr("\"\\/bfnrt", *r->at) == NULL || *r->at == '\0')
        wrong(r, "escape");
    return *r->at++;
}

static void string(struct reader *r, char *text, size_t size)
{
    size_t n = 0;

    expect(r, '"');
    while (*r->at != '"') {
        char c = *r->at++;

        if ((unsigned char)c < 0x20)
            wrong(r, "control character");
        if (c == '\\')
            c = escape(r);
        if (n + 1 < size)
            text[n++] = c;
    }
    text[n] = '\0';
    r->at++;
}

/* In thousandths. */
static int64_t number(struct reader *r)
{
    bool negative = take(r, '-');
    int64_t n = 0, places = -1;

    if (!isdigit((unsigned char)*r->at))
        wrong(r, "number");
    for (; isdigit((unsigned char)*r->at) || (*r->at == '.' && places < 0); r->at++) {
        if (*r->at == '.')
            places = 0;
        else
            n = n * 10 + (*r->at - '0');
        places += places >= 0 && *r->at != '.';
    }
    if (places == 0 || places > 3)
        wrong(r, "fraction");
    for (places = places < 0 ? 0 : places; places < 3; places++)
        n *= 10;
    return negative ? -n : n;
}

static void text_member(struct event *e, const char *key, const char *text)
{
    if (strcmp(key, "ph") == 0)
        e->kind = text[0];
    else if (strcmp(key, "name") == 0)
        snprintf(e->name, sizeof e->name, "%.63s", text);
    else if (strcmp(key, "args.name") == 0)
        snprintf(e->arg_name, sizeof e->arg_name, "%.63s", text);
    else if (strcmp(key, "args.until") == 0)
        snprintf(e->arg_until, sizeof e->arg_until, "%.63s", text);
}

static void number_member(struct event *e, const char *key, int64_t thousandths)
{
    if (strcmp(key, "pid") == 0)
        e->process = (int)(thousandths / 1000);
    else if (strcmp(key, "tid") == 0)
        e->track = thousandths / 1000;
    else if (strcmp(key, "id") == 0)
        e->id = thousandths / 1000;
    else if (strcmp(key, "ts") == 0)
        e->begin_ns = thousandths;
    else if (strcmp(key, "dur") == 0)
        e->end_ns = thousandths; /* until the event is whole */
    else if (strcmp(key, "args.chan") == 0)
        e->arg_chan = thousandths / 1000;
}

static void value(struct reader *r, const char *key, int depth);

static struct event *event_new(struct reader *r)
{
    struct events *out = r->out;

    if (out->n == r->room) {
        r->room = r->room == 0 ? 256 : r->room * 2;
        out->of = realloc(out->of, r->room * sizeof *out->of);
        assert_non_null(out->of);
    }
    memset(&out->of[out->n], 0, sizeof *out->of);
    return &out->of[out->n++];
}

static void object(struct reader *r, const char *prefix, int depth)
{
    char name[40], key[64];

    expect(r, '{');
    if (take(r, '}'))
        return;
    do {
        space(r);
        string(r, name, sizeof name);
        snprintf(key, sizeof key, "%.20s%s%s", prefix, prefix[0] != '\0' ? "." : "", name);
        expect(r, ':');
        value(r, key, depth + 1);
    } while (take(r, ','));
    expect(r, '}');
}

static void event_read(struct reader *r, int depth)
{
    struct event *e = r->event = event_new(r);

    object(r, "", depth);
    e->end_ns += e->begin_ns;
    r->event = NULL;
}

static void array(struct reader *r, const char *key, int depth)
{
    bool events = depth == 1 && strcmp(key, "traceEvents") == 0;

    expect(r, '[');
    if (take(r, ']'))
        return;
    do {
        space(r);
        if (events)
            event_read(r, depth + 1);
        else
            value(r, key, depth + 1);
    } while (take(r, ','));
    expect(r, ']');
}

static void value(struct reader *r, const char *key, int depth)
{
    char text[128];
    int64_t n;

    if (depth > DEPTH_MAX)
        wrong(r, "depth");
    space(r);
    if (*r->at == '{') {
        object(r, key, depth);
    } else if (*r->at == '[') {
        array(r, key, depth);
    } else if (*r->at == '"') {
        string(r, text, sizeof text);
        if (r->event != NULL)
            text_member(r->event, key, text);
    } else {
        n = number(r);
        if (r->event != NULL)
            number_member(r->event, key, n);
        else if (strcmp(key, "otherData.records") == 0)
            r->out->records = n / 1000;
        else if (strcmp(key, "otherData.dropped") == 0)
            r->out->dropped = n / 1000;
    }
}

/* ---- what holds in every trace ---- */

static int by_time(const void *a, const void *b)
{
    const struct event *x = a, *y = b;

    if (x->process != y->process)
        return x->process < y->process ? -1 : 1;
    if (x->track != y->track)
        return x->track < y->track ? -1 : 1;
    return x->begin_ns != y->begin_ns ? (x->begin_ns < y->begin_ns ? -1 : 1)
                                      : (x->end_ns > y->end_ns) - (x->end_ns < y->end_ns);
}

static void slices_follow_one_another(const struct events *e)
{
    const struct event *last = NULL;

    for (size_t i = 0; i < e->n; i++) {
        const struct event *at = &e->of[i];

        if (at->kind != 'X')
            continue;
        assert_true(at->end_ns >= at->begin_ns);
        if (last != NULL && last->process == at->process && last->track == at->track &&
            last->end_ns > at->begin_ns)
            fail_msg("%s and %s of track %lld overlap at %lld ns", last->name, at->name,
                     (long long)at->track, (long long)at->begin_ns);
        last = at;
    }
}

static bool in_a_slice(const struct events *e, const struct event *end)
{
    for (size_t i = 0; i < e->n; i++)
        if (e->of[i].kind == 'X' && e->of[i].process == end->process &&
            e->of[i].track == end->track && e->of[i].begin_ns <= end->begin_ns &&
            e->of[i].end_ns >= end->begin_ns)
            return true;
    return false;
}

static const struct event *end_of(const struct events *e, const struct event *begin)
{
    const struct event *found = NULL;

    for (size_t i = 0; i < e->n; i++)
        if (e->of[i].kind == 'f' && e->of[i].id == begin->id) {
            assert_null(found);
            found = &e->of[i];
        }
    return found;
}

static void arrows_are_whole(const struct events *e)
{
    size_t begins = 0, ends = 0;

    for (size_t i = 0; i < e->n; i++) {
        const struct event *begin = &e->of[i], *end;

        ends += begin->kind == 'f';
        if (begin->kind != 's')
            continue;
        begins++;
        end = end_of(e, begin);
        assert_non_null(end);
        assert_string_equal(begin->name, end->name);
        assert_true(begin->begin_ns <= end->begin_ns);
        assert_true(in_a_slice(e, begin));
        assert_true(in_a_slice(e, end));
    }
    assert_int_equal(begins, ends);
}

/* ---- */

static char *file_text(const char *path)
{
    FILE *f = fopen(path, "r");
    size_t n = 0, room = 1 << 16;
    char *text = malloc(room);

    if (f == NULL)
        fail_msg("no file %s", path);
    assert_non_null(text);
    for (size_t got; (got = fread(text + n, 1, room - n - 1, f)) > 0;) {
        n += got;
        if (n + 1 == room)
            text = realloc(text, room *= 2);
        assert_non_null(text);
    }
    text[n] = '\0';
    fclose(f);
    return text;
}

void events_read(struct events *out, const char *path)
{
    char *text = file_text(path);
    struct reader r = { .at = text, .begin = text, .out = out };

    memset(out, 0, sizeof *out);
    value(&r, "", 0);
    space(&r);
    if (*r.at != '\0')
        wrong(&r, "what follows");
    free(text);
    qsort(out->of, out->n, sizeof *out->of, by_time);
    slices_follow_one_another(out);
    arrows_are_whole(out);
}

void events_free(struct events *e)
{
    free(e->of);
    memset(e, 0, sizeof *e);
}

int64_t events_track(const struct events *e, const char *name)
{
    for (size_t i = 0; i < e->n; i++)
        if (e->of[i].kind == 'M' && e->of[i].process == 1 &&
            strcmp(e->of[i].name, "thread_name") == 0 &&
            strncmp(e->of[i].arg_name, name, strlen(name)) == 0)
            return e->of[i].track;
    fail_msg("no track \"%s\"", name);
    return -1;
}

size_t events_arrows(const struct events *e, const char *what, int64_t from, int64_t to)
{
    size_t n = 0;

    for (size_t i = 0; i < e->n; i++)
        if (e->of[i].kind == 's' && strcmp(e->of[i].name, what) == 0 && e->of[i].track == from)
            n += end_of(e, &e->of[i])->track == to;
    return n;
}

size_t events_slices(const struct events *e, int64_t track, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < e->n; i++)
        n += e->of[i].kind == 'X' && e->of[i].process == 1 && e->of[i].track == track &&
             strcmp(e->of[i].name, name) == 0;
    return n;
}
