/*
 * sudo - run a command as another user, without a password.
 *
 * Who may do so is said by the file alone: it is setuid root and executable
 * by the group wheel (mode 4750). The environment is built anew, so that
 * nothing of the caller's reaches a privileged program except its terminal.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define SAFE_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct request {
        const char *user;
        bool login; /* -i: a login shell in the user's home */
        bool shell; /* -s: the user's shell here */
        char **command;
};

static const char usage[] =
        "usage: sudo [-n] [-H] [-E] [-u USER] COMMAND [ARGUMENT...]\n"
        "       sudo [-u USER] -i | -s [COMMAND [ARGUMENT...]]\n";

static void die(const char *what) {
        fprintf(stderr, "sudo: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

static void die_usage(int status) {
        fputs(usage, status == EXIT_SUCCESS ? stdout : stderr);
        exit(status);
}

static struct request request_parse(int argc, char **argv) {
        struct request r = { .user = "root" };
        int option;

        /* '+': options behind the command belong to the command */
        while ((option = getopt(argc, argv, "+nHEisku:hV")) != -1) {
                switch (option) {
                case 'u': r.user = optarg; break;
                case 'i': r.login = true; break;
                case 's': r.shell = true; break;
                case 'n': case 'H': case 'E': case 'k': break; /* accepted for scripts' sake */
                case 'h': case 'V': die_usage(EXIT_SUCCESS); break;
                default: die_usage(EXIT_FAILURE);
                }
        }
        r.command = argv + optind;
        if (!*r.command && !r.login && !r.shell)
                die_usage(EXIT_FAILURE);
        return r;
}

static struct passwd *user_find(const char *name) {
        struct passwd *user = getpwnam(name);

        if (!user) {
                fprintf(stderr, "sudo: no user '%s'\n", name);
                exit(EXIT_FAILURE);
        }
        return user;
}

static void variable_set(const char *name, const char *value) {
        if (value && setenv(name, value, 1) < 0)
                die(name);
}

static void environment_set(const struct passwd *user) {
        char uid[16];
        const struct passwd *caller;
        char *term = getenv("TERM"), *caller_name = NULL;

        snprintf(uid, sizeof(uid), "%u", (unsigned) getuid());
        term = term ? strdup(term) : NULL;
        if (clearenv() != 0)
                die("environment");
        variable_set("PATH", SAFE_PATH);
        variable_set("HOME", user->pw_dir);
        variable_set("SHELL", user->pw_shell);
        variable_set("USER", user->pw_name);
        variable_set("LOGNAME", user->pw_name);
        variable_set("TERM", term);
        variable_set("SUDO_UID", uid);
        free(term);
        /* last, since getpwuid overwrites what user points to */
        caller = getpwuid(getuid());
        caller_name = caller ? strdup(caller->pw_name) : NULL;
        variable_set("SUDO_USER", caller_name);
        free(caller_name);
}

static void become(const char *name, uid_t uid, gid_t gid) {
        if (initgroups(name, gid) < 0 || setgid(gid) < 0 || setuid(uid) < 0)
                die(name);
}

/* VAR=VALUE in front of the command, as with the real one. */
static char **assignments_take(char **command) {
        while (*command && strchr(*command, '=') && **command != '=')
                if (putenv(*command++) != 0)
                        die("environment");
        return command;
}

static void run_shell(const struct request *r, const char *shell) {
        const char *base = strrchr(shell, '/');
        char name[64];
        size_t n = 0, count = 0;
        char **argv;

        while (r->command[count])
                count++;
        argv = calloc(count + 5, sizeof(*argv));
        if (!argv)
                die("memory");
        snprintf(name, sizeof(name), "%s%s", r->login ? "-" : "", base ? base + 1 : shell);
        argv[n++] = name;
        if (count > 0) {
                argv[n++] = (char *) "-c";
                argv[n++] = (char *) "\"$@\"";
                argv[n++] = name;
                memcpy(argv + n, r->command, count * sizeof(*argv));
        }
        execv(shell, argv);
        die(shell);
}

int main(int argc, char **argv) {
        struct request r = request_parse(argc, argv);
        struct passwd *user = user_find(r.user);
        uid_t uid = user->pw_uid;
        gid_t gid = user->pw_gid;
        char *shell = strdup(*user->pw_shell ? user->pw_shell : "/bin/sh");
        char *home = strdup(user->pw_dir);

        if (!shell || !home)
                die("memory");
        environment_set(user);
        become(r.user, uid, gid);
        if (r.login && chdir(home) < 0)
                die(home);
        if (r.login || r.shell)
                run_shell(&r, shell);
        r.command = assignments_take(r.command);
        if (!*r.command)
                die_usage(EXIT_FAILURE);
        execvp(*r.command, r.command);
        die(*r.command);
}
