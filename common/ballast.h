/* Room on a disk that is kept for a program's own last writes: without it a full disk could not even be tidied up. */
#ifndef MC_COMMON_BALLAST_H
#define MC_COMMON_BALLAST_H

#include <stdbool.h>
#include <sys/types.h>

/* Have a file there that takes so many bytes of the disk; where there is no room for it there is none. */
void mc_ballast_take(const char *path, off_t bytes);

/* Give the room up. False where that has happened already. */
bool mc_ballast_give(const char *path);

#endif
