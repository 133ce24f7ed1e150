#include "table.h"

#include <stdlib.h>

#include "common.h"

/* How many descriptors a block is for. */
enum { BLOCK = 64 };

struct table table_new(size_t size)
{
    struct table table = {.size = size};
    entry(&table, 0);
    return table;
}

void *entry(struct table *table, int fd)
{
    while (fd / BLOCK >= table->count) {
        size_t count = (size_t)table->count + 1;
        table->blocks = realloc(table->blocks, count * sizeof *table->blocks);
        if (table->blocks == NULL) die("realloc");
        table->blocks[count - 1] = calloc(BLOCK, table->size);
        if (table->blocks[count - 1] == NULL) die("calloc");
        table->count++;
    }
    return table->blocks[fd / BLOCK] + (size_t)(fd % BLOCK) * table->size;
}

int descriptors(const struct table *table)
{
    return table->count * BLOCK;
}

void table_free(struct table *table)
{
    for (int i = 0; i < table->count; i++)
        free(table->blocks[i]);
    free(table->blocks);
}
