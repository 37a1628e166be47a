/* Between the program and its library of MPI, and its C library: one rank is killed at a place, and nowhere else.
 *
 * KILLED="RANK PLACE N" says which rank and where, counted from 1:
 *   sum         between both exchanges of the N-th sum of gradients: its values went to the others, its part of the sum did not
 *   validation  the same in the N-th sum of a validation, which is known by how few values it has
 *   saving      when rank 0 has written the N-th checkpoint and is about to give it its name; rank 0 stays there until it ends
 *
 * Built with the library of MPI as one that it needs; the program gets it by LD_PRELOAD and EBT_MPI_LIB. Handles of MPI go on
 * as they came, in a register, whatever they are in a binary interface. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bytes of a sum from which on it is one of gradients. */
enum { GRADIENTS = 100000 };

/* In the folder of the test, for rank 0: the process that is to be killed. */
static const char *const VICTIM = "victim";

static int victim = -1, number, own = -1, torn;
static char place[16];

static int here(const char *name, int count) { return strcmp(place, name) == 0 && count == number; }

__attribute__((constructor)) static void read_environment(void) {
    const char *told = getenv("KILLED"), *rank = getenv("PMI_RANK");
    if (!rank) rank = getenv("OMPI_COMM_WORLD_RANK");
    if (!told || !rank) return;
    own = atoi(rank);
    if (sscanf(told, "%d %15s %d", &victim, place, &number) != 3) abort();
    if (own != victim) return;
    FILE *file = fopen(VICTIM, "w");
    if (!file || fprintf(file, "%d", getpid()) < 0 || fclose(file) != 0) abort();
}

int MPI_Alltoall(const void *from, int count, void *type, void *to, int received, void *its, void *world) {
    static int gradients, validations;
    int ranks = 0;
    ((int (*)(void *, int *))dlsym(RTLD_NEXT, "MPI_Comm_size"))(world, &ranks);
    const int large = (long)count * ranks >= GRADIENTS;
    const int nth = large ? ++gradients : ++validations;
    torn = own == victim && here(large ? "sum" : "validation", nth);
    int (*next)(const void *, int, void *, void *, int, void *, void *) = dlsym(RTLD_NEXT, "MPI_Alltoall");
    return next(from, count, type, to, received, its, world);
}

int MPI_Allgather(const void *from, int count, void *type, void *to, int received, void *its, void *world) {
    if (torn) kill(getpid(), SIGKILL);
    int (*next)(const void *, int, void *, void *, int, void *, void *) = dlsym(RTLD_NEXT, "MPI_Allgather");
    return next(from, count, type, to, received, its, world);
}

int rename(const char *from, const char *to) {
    static int savings;
    const char *name = strrchr(to, '/');
    if (own == 0 && name && strncmp(name, "/step-", 6) == 0 && here("saving", ++savings)) {
        FILE *file = fopen(VICTIM, "r");
        int pid = 0;
        if (!file || fscanf(file, "%d", &pid) != 1 || pid <= 0) abort();
        kill(pid, SIGKILL);
        for (;;) pause();
    }
    int (*next)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    return next(from, to);
}
