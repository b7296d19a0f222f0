/* The physical limit: a loop with one send() per socket. Prints its port. For each line `burst M` on standard
   input, it sends M frames of 100 bytes to every connection and prints `done`. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int clients[20000], count;

int main(void) {
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    if (bind(listener, (void *)&at, size) || listen(listener, 4096) || getsockname(listener, (void *)&at, &size))
        return 1;
    printf("port %d\n", ntohs(at.sin_port));
    fflush(stdout);
    struct pollfd both[2] = { { listener, POLLIN, 0 }, { 0, POLLIN, 0 } };
    char line[64], frame[100];
    memset(frame, 'x', sizeof frame);
    memcpy(frame, "\x81\x62\"seq\":", 8);
    while (poll(both, 2, -1) > 0) {
        if (both[0].revents) {
            int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            clients[count++] = client;
        }
        if (both[1].revents) {
            if (!fgets(line, sizeof line, stdin)) return 0;
            for (int burst = atoi(line + 6); burst > 0; burst--)
                for (int at = 0; at < count; at++)
                    if (send(clients[at], frame, sizeof frame, 0) < 0) perror("send");
            printf("done\n");
            fflush(stdout);
        }
    }
    return 0;
}
