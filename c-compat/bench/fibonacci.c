/* fib(n) over and over, timed: the CPU seconds of each run, one line each. `make bench-service`
   compares them with Rust's. */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../service/fibonacci.h"

#include "../common.h"

int main(int argc, char **argv)
{
    if (argc != 2) usage("usage: %s N", argv[0]);
    volatile unsigned long n = strtoul(argv[1], NULL, 10);
    struct timespec start, end;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start) == -1) die("clock_gettime");
    unsigned long number = fib(n);
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end) == -1) die("clock_gettime");
    double seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    printf("%.9f %lu\n", seconds, number);
}
