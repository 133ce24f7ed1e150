/* What a server has to remember by descriptor: a table in blocks, so that nothing moves when it grows
   and there is hardly room for nobody. Its counterpart in Rust is src/server/table.rs. */

#ifndef TABLE_H
#define TABLE_H

#include <stddef.h>

/* A table by descriptor. */
struct table {
    size_t size; /* of an entry, in bytes */
    char **blocks;
    int count;
};

/* With room for some. */
struct table table_new(size_t size);

/* The entry of a descriptor, for which there is room then; at first all bytes of it are zero. */
void *entry(struct table *table, int fd);

/* How many descriptors there is room for, from 0 on. */
int descriptors(const struct table *table);

void table_free(struct table *table);

#endif
