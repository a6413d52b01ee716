/* Numbered crash points, for tests only: compiled in with -DMC_CRASH_POINTS.
 *
 * The environment variable MINICLOUD_CRASH chooses among them. A number N ends the process
 * by SIGKILL at the Nth point that it passes, as if the power had gone at that instruction.
 * A path is that of a SOCK_SEQPACKET socket where each point asks: it sends
 * "PROGRAM FILE:LINE[:WHEN] ADDRESS..." and waits for a byte, or for the end of the connection, and goes
 * on then. WHEN is "before" or "after" a call, or "asks" before one that changes nothing; the addresses are where the functions of the program that the
 * point was come to by would go on, innermost first, counted from the program's begin, in hexadecimal digits. Meanwhile the judge at the other end may kill this process, or any other. Where
 * nobody listens, and without the variable, nothing happens. */
#ifndef MC_COMMON_CRASH_H
#define MC_COMMON_CRASH_H

#ifdef MC_CRASH_POINTS
/* when: ":before", ":after", ":asks" or "". errno stays what it was. */
void mc_crash_point(const char *file, int line, const char *when);
#define MC_CRASH_POINT() mc_crash_point(__FILE__, __LINE__, "")
#else
#define MC_CRASH_POINT() ((void)0)
#endif

/* A call that changes something elsewhere, with a point before and one after it; and one
 * that only asks, with a point before it. Both have the call's value. */
#ifdef MC_CRASH_POINTS
#define MC_CRASH_AROUND(call) MC_CRASH_AROUND_AS_(call, __COUNTER__)
#define MC_CRASH_AROUND_AS_(call, n) MC_CRASH_AROUND_NAMED_(call, n)
#define MC_CRASH_AROUND_NAMED_(call, n) ({ \
	mc_crash_point(__FILE__, __LINE__, ":before"); \
	__auto_type mc_crash_result_##n = (call); \
	mc_crash_point(__FILE__, __LINE__, ":after"); \
	mc_crash_result_##n; })
#define MC_CRASH_BEFORE(call) ({ \
	mc_crash_point(__FILE__, __LINE__, ":asks"); \
	(call); })
#else
#define MC_CRASH_AROUND(call) (call)
#define MC_CRASH_BEFORE(call) (call)
#endif

#endif
