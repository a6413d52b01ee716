/*
 * session - the login shell of ec2-user: /bin/sh with the right to ping.
 *
 * busybox runs its ping inside the shell, so no set-uid bit on a program of
 * that name would help. This file has the capability to open raw sockets and
 * makes it ambient, that is, inherited by the shell and what it starts.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#define SHELL "/bin/sh"

/* A capability must be inheritable before it can be ambient. A failure costs ping, not the login. */
static void raw_sockets_allow(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

        if (syscall(SYS_capget, &header, data) < 0)
                return;
        data[0].inheritable |= UINT32_C(1) << CAP_NET_RAW;
        if (syscall(SYS_capset, &header, data) == 0)
                (void) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0);
}

int main(int argc, char **argv) {
        char name[] = "-sh"; /* a login shell is one whose name begins so */

        raw_sockets_allow();
        (void) setenv("SHELL", SHELL, 1);
        if (argc > 0 && argv[0][0] != '-')
                memmove(name, name + 1, sizeof(name) - 1);
        argv[0] = name;
        execv(SHELL, argv);
        perror(SHELL);
        return EXIT_FAILURE;
}
