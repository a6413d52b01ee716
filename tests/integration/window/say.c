/* usage: say PAUSE-MS ADDRESS... : "window" to UDP ports 7 and 9 of each, again and again, until killed. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void say(int s, const char *address, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	if (inet_pton(AF_INET, address, &to.sin_addr) == 1)
		(void)!sendto(s, "window", 6, 0, (struct sockaddr *)&to, sizeof(to)); /* it may be nobody's yet */
}

int main(int argc, char **argv)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	if (s < 0 || argc < 3) {
		perror("say");
		return 1;
	}
	for (;; usleep((useconds_t)strtoul(argv[1], NULL, 10) * 1000))
		for (int i = 2; i < argc; i++) {
			say(s, argv[i], 7);
			say(s, argv[i], 9);
		}
}
