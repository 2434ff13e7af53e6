/* symbol.c - what an address in this process is called.   SPDX-License-Identifier: MIT
 *
 * dladdr finds the file and what it exports.  Most functions of a program are not exported, so the symbol
 * table of the file is read as well: mapped, searched from front to end, unmapped.  Nothing is cached: this
 * runs when a program is being looked at or is dying, and must not depend on the heap.
 *
 * Invariant: nothing outside [map, map + size) of the file is read, whatever the file says. */
#include "runtime/symbol.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct text {
    char *at;
    size_t left; /* including the terminator */
};

struct image {
    const unsigned char *map;
    size_t size;
};

static void text_add(struct text *t, const char *s)
{
    while (*s && t->left > 1) {
        *t->at++ = *s++;
        t->left--;
    }
    *t->at = '\0';
}

static void text_add_hex(struct text *t, uintptr_t value)
{
    char digits[2 + 2 * sizeof value + 1];
    char *p = digits + sizeof digits;

    *--p = '\0';
    do
        *--p = "0123456789abcdef"[value & 15];
    while ((value >>= 4) != 0);
    *--p = 'x';
    *--p = '0';
    text_add(t, p);
}

static bool image_open(struct image *image, const char *path)
{
    struct stat st;
    void *map = MAP_FAILED;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && st.st_size > 0)
        map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        return false;
    image->map = map;
    image->size = (size_t)st.st_size;
    return true;
}

/* The part of the file, or NULL when it does not lie in it or is not aligned for what is in it. */
static const void *image_part(const struct image *image, uint64_t offset, uint64_t size)
{
    if (offset > image->size || size > image->size - offset || offset % sizeof(ElfW(Addr)) != 0)
        return NULL;
    return image->map + offset;
}

static const ElfW(Shdr) * image_sections(const struct image *image, size_t *n)
{
    const ElfW(Ehdr) *header = image_part(image, 0, sizeof *header);

    if (!header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_shentsize != sizeof(ElfW(Shdr)))
        return NULL;
    *n = header->e_shnum;
    return image_part(image, header->e_shoff, *n * sizeof(ElfW(Shdr)));
}

/* The function that contains the address `where` of the file's own address space. */
static const ElfW(Sym) * table_find(const ElfW(Sym) * symbols, size_t n, uintptr_t where)
{
    for (size_t i = 0; i < n; i++) {
        const ElfW(Sym) *s = &symbols[i];

        /* The type is in the low four bits in both ELF classes. */
        if (ELF64_ST_TYPE(s->st_info) == STT_FUNC && where >= s->st_value &&
            where - s->st_value < s->st_size)
            return s;
    }
    return NULL;
}

static const char *image_find(const struct image *image, uintptr_t where, uintptr_t *offset)
{
    size_t n = 0;
    const ElfW(Shdr) *sections = image_sections(image, &n);

    for (size_t i = 0; sections && i < n; i++) {
        const ElfW(Shdr) *table = &sections[i];
        const ElfW(Shdr) * names;
        const ElfW(Sym) * symbols, *found;
        const char *strings;

        if (table->sh_type != SHT_SYMTAB || table->sh_link >= n)
            continue;
        names = &sections[table->sh_link];
        symbols = image_part(image, table->sh_offset, table->sh_size);
        if (names->sh_offset > image->size || names->sh_size > image->size - names->sh_offset)
            return NULL;
        strings = (const char *)image->map + names->sh_offset;
        if (!symbols || names->sh_size == 0 || strings[names->sh_size - 1] != '\0')
            return NULL;
        found = table_find(symbols, table->sh_size / sizeof *symbols, where);
        if (!found || found->st_name >= names->sh_size)
            return NULL;
        *offset = where - found->st_value;
        return strings + found->st_name;
    }
    return NULL;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void describe(struct text *t, const char *function, uintptr_t offset, const char *file)
{
    text_add(t, function);
    text_add(t, "+");
    text_add_hex(t, offset);
    text_add(t, " (");
    text_add(t, file);
    text_add(t, ")");
}

void rn__symbol_name(const void *address, char *out, size_t size)
{
    struct text t = { out, size };
    struct link_map *map = NULL;
    struct image image;
    const char *function = NULL;
    const char *path, *file;
    uintptr_t offset = 0;
    Dl_info info;

    if (size == 0)
        return;
    out[0] = '\0';
    if (dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP) == 0 || !info.dli_fname || !map) {
        text_add_hex(&t, (uintptr_t)address);
        return;
    }
    /* The program's own name in the link map is empty, and dli_fname is only what argv[0] was. */
    path = map->l_name && map->l_name[0] ? map->l_name : "/proc/self/exe";
    file = base_name(info.dli_fname);
    if (image_open(&image, path)) {
        function = image_find(&image, (uintptr_t)address - map->l_addr, &offset);
        if (function)
            describe(&t, function, offset, file);
        munmap((void *)image.map, image.size);
    }
    if (function)
        return;
    if (info.dli_sname && info.dli_saddr) {
        describe(&t, info.dli_sname, (uintptr_t)address - (uintptr_t)info.dli_saddr, file);
        return;
    }
    text_add(&t, file);
    text_add(&t, "+");
    text_add_hex(&t, (uintptr_t)address - map->l_addr);
}
