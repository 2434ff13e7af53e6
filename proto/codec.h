/* codec.h - what the files of the codec share; nobody else includes it.   SPDX-License-Identifier: MIT */
#ifndef PROTO_CODEC_H
#define PROTO_CODEC_H

#include "proto/arena.h"
#include "proto/frame.h"
#include "proto/varint.h"
#include "runnel.pb-c.h"

/* ---- section.c ---- */

/* Reads and checks the section at data.  0, or -EPROTO with *why.  It is section_header_size() + s->size long. */
int section_read(struct wire_section *s, const uint8_t *data, size_t len, const char **why);

/* Writes the header of s, section_header_size() bytes. */
void section_write_header(uint8_t *to, const struct wire_section *s);

/* ---- control_read.c ---- */

/* Checks a decoded control and says it as a struct; borrows the message's strings.  1: done, 0: unknown to us,
 * skip it, -EPROTO with *why, -ENOMEM. */
int control_read(struct wire_control *c, const Runnel__Control *pb, struct arena *a,
                 const char **why);

/* A string of at most max bytes without a NUL inside; *to is never NULL.  0 or -EPROTO. */
int text_read(const char **to, const char *pb, size_t max);

/* Is code one of enum wire_code? */
bool code_valid(int code);
bool direction_valid(int direction);

/* ---- control_write.c ---- */

/* A string that must not be cut.  NULL is "".  0 or -EMSGSIZE. */
int text_write(char **to, const char *s, size_t max);

/* The string as it may be sent: what is longer than WIRE_TEXT_MAX is cut (between characters), NULL is "".
 * Gives s itself or a copy in `room`. */
char *text_clip(const char *s, char room[]);

/* The same; where it must be cut, a copy in the arena.  0 or -ENOMEM. */
int text_clip_in(char **to, const char *s, struct arena *a);

/* Appends a packed control, as it stands in an envelope.  0, -ENOMEM or -EMSGSIZE. */
int control_pack(struct control_buffer *b, const Runnel__Control *pb);

/* Room for so many bytes more, which are not counted yet.  NULL: no memory. */
uint8_t *control_reserve(struct control_buffer *b, size_t need);

/* ---- numbers.c ---- */

#define CONTROL_TAG 0x2a /* Envelope.control: field 5, length-delimited */

/* A control that is a few numbers.  0 or -ENOMEM; -EINVAL: it is none of those. */
int numbers_append(struct control_buffer *b, const struct wire_control *c);
/* Reads a packed Control, without its tag and length, if it is one of those and as one expects it.  false: let protobuf-c have it. */
bool numbers_read(struct wire_control *c, const uint8_t *data, size_t len);

/* varint_read() of a key or a length, which has five bytes at most. */
static inline bool length_read(const uint8_t **at, const uint8_t *end, uint64_t *v)
{
    const uint8_t *from = *at;
    return varint_read(at, end, v) && *at - from <= 5;
}

/* ---- goroutine.c ---- */

int report_read(struct wire_control *c, const Runnel__Report *pb, struct arena *a);
int report_append(struct control_buffer *b, const struct wire_control *c, Runnel__Control *pb);
/* The nodes of an Answer. */
int nodes_read(struct wire_control *c, const Runnel__Answer *pb, struct arena *a);
int nodes_write(Runnel__Answer *pb, const struct wire_control *c, struct arena *a);

/* ---- browse.c ---- */

/* Peek, Purge, Remove, Tap. */
int browse_read(struct wire_control *c, const Runnel__Control *pb);
int browse_append(struct control_buffer *b, const struct wire_control *c, Runnel__Control *pb);
/* The taps of a channel. */
int taps_read(struct wire_channel_info *to, const Runnel__ChannelInfo *pb, struct arena *a);
int taps_write(Runnel__ChannelInfo *pb, const struct wire_channel_info *from, struct arena *a);
/* The elements of an Answer, and what is said with them. */
int elements_read(struct wire_control *c, const Runnel__Answer *pb, struct arena *a);
int elements_write(Runnel__Answer *pb, const struct wire_control *c, struct arena *a);

#endif
