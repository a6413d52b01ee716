/* Numbered crash points, for tests only: compiled in with -DMC_CRASH_POINTS.
 *
 * While a file with the program's name exists in the directory MINICLOUD_CRASH_DIR,
 * every point passed counts the number in it down; at zero the file is removed and the process ends by SIGKILL,
 * as if the power had gone at that instruction. Without the file nothing happens,
 * so a test arms a running daemon by writing a number, and learns from the file's
 * absence that it was reached. */
#ifndef MC_COMMON_CRASH_H
#define MC_COMMON_CRASH_H

#ifdef MC_CRASH_POINTS
void mc_crash_point(void);
#define MC_CRASH_POINT() mc_crash_point()
#else
#define MC_CRASH_POINT() ((void)0)
#endif

#endif
