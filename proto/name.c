/* name.c - the grammar of channel names.   SPDX-License-Identifier: MIT
 *
 *     name = word *("." word) / "reply:" word        word = 1*(A-Z / a-z / 0-9 / "_" / "-")
 *
 * A reserved name is called reserved even where the grammar would refuse it too: that sentence helps more. */
#include "proto/name.h"

#include "proto/limits.h"

#include <stddef.h>
#include <string.h>

static bool word_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static bool begins(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

static bool ends(const char *name, size_t len, const char *with)
{
    size_t n = strlen(with);

    return len >= n && memcmp(name + len - n, with, n) == 0;
}

bool name_is_reply(const char *name)
{
    return begins(name, NAME_REPLY);
}

/* What stands behind `reply:`. */
static const char *word_fault(const char *word)
{
    if (word[0] == '\0')
        return "has nothing behind reply:";
    for (; *word != '\0'; word++)
        if (!word_character(*word))
            return "has a character other than A-Z, a-z, 0-9, '_' and '-' behind reply:";
    return NULL;
}

const char *name_fault(const char *name)
{
    bool in_word = false;

    if (name == NULL || name[0] == '\0')
        return "is empty";
    size_t len = strnlen(name, WIRE_NAME_GIVEN_MAX + 1);
    if (len > WIRE_NAME_GIVEN_MAX)
        return "is longer than 250 bytes";
    if (begins(name, "actor:") || begins(name, "$sys."))
        return "begins with what is reserved (actor:, $sys.)";
    if (name_is_reply(name))
        return word_fault(name + strlen(NAME_REPLY));
    for (size_t i = 0; i < len; i++) {
        if (name[i] != '.' && !word_character(name[i]))
            return "has a character other than A-Z, a-z, 0-9, '_', '-' and '.'";
        if (name[i] == '.' && !in_word)
            return "has an empty word (a '.' at its beginning, or two in a row)";
        in_word = name[i] != '.';
    }
    if (!in_word)
        return "ends in '.'";
    if (ends(name, len, NAME_DEAD))
        return "ends in what is reserved (.dead)";
    return NULL;
}

bool name_is_dead(const char *name)
{
    size_t len = strnlen(name, WIRE_NAME_MAX + 1);

    return len <= WIRE_NAME_MAX && ends(name, len, NAME_DEAD);
}

const char *name_fault_in(const char *name)
{
    char given[WIRE_NAME_MAX + 1];

    if (name == NULL || !name_is_dead(name) || name_is_reply(name))
        return name_fault(name);
    strcpy(given, name);
    given[strlen(given) - strlen(NAME_DEAD)] = '\0';
    return name_fault(given);
}
