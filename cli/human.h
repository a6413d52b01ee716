/* Figures as people read them. */
#ifndef MC_CLI_HUMAN_H
#define MC_CLI_HUMAN_H

#define HUMAN_LEN 32

/* "0 B", "999 B", "1.0 KiB", "12.3 MiB", "1234 TiB": three digits or so, in powers of 1,024. */
void human_bytes(double bytes, char out[HUMAN_LEN]);

/* "45s", "12m30s", "3h05m", "12d4h". */
void human_age(long long seconds, char out[HUMAN_LEN]);

#endif
