/* mutate.c - see mutate.h.   SPDX-License-Identifier: MIT
 *
 * A change is made in the innermost message that is come upon: one of its fields gets another value, goes, comes again (up
 * to hundreds of times, because limits of counts are only met so), or a new one comes.  Which field is which kind is
 * known from the descriptors that protoc-c makes. */
#include "tests/fuzz/mutate.h"

#include "tests/fuzz/input.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#define MESSAGE_MAX 61440
#define FIELDS_MAX  512 /* of a message; what is behind them is only carried along */
#define DEPTH_MAX   8

/* A field as it stands: tag and value in [at, end), the content (of a string, bytes, a message) from `content`. */
struct field {
    size_t at, content, end;
    const ProtobufCFieldDescriptor *type; /* NULL: not known */
    unsigned wire;
};

struct message {
    const ProtobufCMessageDescriptor *type;
    uint8_t *data;
    size_t size, max;
};

static unsigned draw(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static size_t varint_read(const uint8_t *data, size_t size, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < size && i < 10; i++) {
        *value |= (uint64_t)(data[i] & 0x7f) << (7 * i);
        if (data[i] < 0x80)
            return i + 1;
    }
    return 0;
}

static size_t varint_write(uint8_t *to, uint64_t value)
{
    size_t n = 0;

    for (; value >= 0x80; value >>= 7)
        to[n++] = (uint8_t)(value | 0x80);
    to[n++] = (uint8_t)value;
    return n;
}

/* How long the value of that wire type is, where its content begins; 0: cut off or unknown. */
static size_t value_size(const uint8_t *data, size_t size, unsigned wire, size_t *head)
{
    uint64_t n;

    *head = 0;
    switch (wire) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        return varint_read(data, size, &n);
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        return size >= 8 ? 8 : 0;
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        return size >= 4 ? 4 : 0;
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        *head = varint_read(data, size, &n);
        return *head > 0 && n <= size - *head ? *head + (size_t)n : 0;
    default:
        return 0;
    }
}

static bool field_read(const struct message *m, size_t at, struct field *f)
{
    uint64_t tag;
    size_t n = varint_read(m->data + at, m->size - at, &tag), head, size;

    if (n == 0)
        return false;
    f->at = at;
    f->wire = tag & 7;
    f->type = protobuf_c_message_descriptor_get_field(m->type, (unsigned)(tag >> 3));
    size = value_size(m->data + at + n, m->size - at - n, f->wire, &head);
    f->content = at + n + head;
    f->end = at + n + size;
    return size > 0;
}

/* Up to FIELDS_MAX fields.  false: these bytes are no message. */
static bool fields_read(const struct message *m, struct field *fields, unsigned *n)
{
    size_t at = 0;

    for (*n = 0; at < m->size && *n < FIELDS_MAX; at = fields[(*n)++].end)
        if (!field_read(m, at, &fields[*n]))
            return false;
    return true;
}

/* Puts `len` bytes in the place of [at, end); false: no room. */
static bool splice(struct message *m, size_t at, size_t end, const uint8_t *bytes, size_t len)
{
    if (m->size - (end - at) + len > m->max)
        return false;
    memmove(m->data + at + len, m->data + end, m->size - end);
    if (len > 0)
        memcpy(m->data + at, bytes, len);
    m->size = m->size - (end - at) + len;
    return true;
}

static uint64_t number_of(unsigned *seed)
{
    unsigned how = draw(seed) % 16;

    if (how < 10)
        return how;
    if (how < 12)
        return draw(seed) % 300;
    if (how < 14)
        return (UINT64_C(1) << draw(seed) % 64) - draw(seed) % 2;
    return UINT64_MAX - draw(seed) % 3;
}

/* Writes a plausible field of that type: numbers are small, strings short, messages empty. */
static size_t field_write(uint8_t *to, const ProtobufCFieldDescriptor *type, unsigned *seed)
{
    static const char text[] = "a.b-c.dead";
    size_t n, len;

    switch (type->type) {
    case PROTOBUF_C_TYPE_FIXED64:
        n = varint_write(to, type->id << 3 | PROTOBUF_C_WIRE_TYPE_64BIT);
        memset(to + n, 0, 8);
        to[n] = (uint8_t)draw(seed);
        return n + 8;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
        n = varint_write(to, type->id << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED);
        len = type->type == PROTOBUF_C_TYPE_BYTES ? 16 : draw(seed) % sizeof text;
        n += varint_write(to + n, len);
        memset(to + n, 7, len);
        memcpy(to + n, text, len < sizeof text - 1 ? len : sizeof text - 1);
        return n + len;
    case PROTOBUF_C_TYPE_MESSAGE:
        n = varint_write(to, type->id << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED);
        return n + varint_write(to + n, 0);
    default:
        n = varint_write(to, type->id << 3 | PROTOBUF_C_WIRE_TYPE_VARINT);
        return n + varint_write(to + n, number_of(seed));
    }
}

static void insert(struct message *m, size_t at, unsigned *seed)
{
    uint8_t bytes[64];

    if (m->type->n_fields == 0)
        return;
    size_t len = field_write(bytes, &m->type->fields[draw(seed) % m->type->n_fields], seed);
    (void)splice(m, at, at, bytes, len);
}

/* The field comes again: mostly once, seldom as often as there is room. */
static void repeat(struct message *m, const struct field *f, unsigned *seed)
{
    static uint8_t copy[MESSAGE_MAX];
    unsigned how = draw(seed) % 64, times = how == 0 ? UINT_MAX : how < 8 ? draw(seed) % 80 : 1;
    size_t len = f->end - f->at;

    memcpy(copy, m->data + f->at, len);
    while (times-- > 0 && splice(m, f->at, f->at, copy, len))
        continue;
}

/* Gives the field other bytes as its content, whose length stands before them. */
static void put_content(struct message *m, const struct field *f, const uint8_t *content,
                        size_t len)
{
    uint8_t head[20];
    uint64_t tag;
    size_t n = varint_read(m->data + f->at, m->size - f->at, &tag);

    n = varint_write(head, tag);
    n += varint_write(head + n, len);
    if (m->size - (f->end - f->at) + n + len > m->max)
        return;
    (void)splice(m, f->at, f->end, head, n);
    (void)splice(m, f->at + n, f->at + n, content, len);
}

static void change_number(struct message *m, const struct field *f, unsigned *seed)
{
    uint8_t bytes[20];
    uint64_t tag;
    size_t n = varint_read(m->data + f->at, m->size - f->at, &tag);

    if (f->wire != PROTOBUF_C_WIRE_TYPE_VARINT) {
        m->data[f->at + n + draw(seed) % (f->end - f->at - n)] ^= (uint8_t)(1u << draw(seed) % 8);
        return;
    }
    n = varint_write(bytes, tag);
    n += varint_write(bytes + n, number_of(seed));
    (void)splice(m, f->at, f->end, bytes, n);
}

static void change_message(struct message *m, unsigned depth, unsigned *seed);

static void change_content(struct message *m, const struct field *f, unsigned depth, unsigned *seed)
{
    size_t len = f->end - f->content, room = m->max - m->size + len;
    uint8_t *content = malloc(room + 1);

    memcpy(content, m->data + f->content, len);
    if (f->type != NULL && f->type->type == PROTOBUF_C_TYPE_MESSAGE && depth < DEPTH_MAX) {
        struct message inner = { f->type->descriptor, content, len, room };
        change_message(&inner, depth + 1, seed);
        len = inner.size;
    } else {
        len = LLVMFuzzerMutate(content, len, room < 4096 ? room : len < 4096 ? 4096 : len);
    }
    put_content(m, f, content, len);
    free(content);
}

static void change_field(struct message *m, const struct field *f, unsigned depth, unsigned *seed)
{
    if (f->wire == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
        change_content(m, f, depth, seed);
    else
        change_number(m, f, seed);
}

static void change_message(struct message *m, unsigned depth, unsigned *seed)
{
    struct field fields[FIELDS_MAX];
    unsigned n, how = draw(seed) % 16;

    if (!fields_read(m, fields, &n)) {
        m->size = LLVMFuzzerMutate(m->data, m->size, m->max);
        return;
    }
    const struct field *f = n > 0 ? &fields[draw(seed) % n] : NULL;
    if (f == NULL || how < 3)
        insert(m, f == NULL || how == 0 ? m->size : f->at, seed);
    else if (how < 4)
        repeat(m, f, seed);
    else if (how < 5)
        (void)splice(m, f->at, f->end, NULL, 0);
    else
        change_field(m, f, depth, seed);
}

size_t mutate_message(const ProtobufCMessageDescriptor *type, uint8_t *data, size_t size,
                      size_t max, unsigned seed)
{
    struct message m = { type, data, size, max < MESSAGE_MAX ? max : MESSAGE_MAX };

    if (size > m.max)
        return LLVMFuzzerMutate(data, size, max);
    change_message(&m, 0, &seed);
    return m.size;
}
