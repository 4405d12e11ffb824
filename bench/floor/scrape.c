/* The floor of a scrape: for every request the same system calls for files as one collection, then always the same
 * bytes over the kept connection. Nothing is parsed, written as text or compressed.
 *   scrape PORT BODY OPERATIONS */
#define _GNU_SOURCE
#include "operations.h"
#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

static char *read_body(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file) return perror(path), NULL;
  fseek(file, 0, SEEK_END);
  *length = ftell(file);
  rewind(file);
  char *body = malloc(*length + 1);
  *length = fread(body, 1, *length, file);
  fclose(file);
  return body;
}

int main(int argc, char **argv) {
  size_t length;
  char *body = argc < 4 ? NULL : read_body(argv[2], &length);
  if (!body || !load_operations(argv[3])) return 1;
  char head[256], request[1 << 16];
  int head_length = snprintf(head, sizeof head,
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: %zu\r\n\r\n", length);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int listener = socket(AF_INET, SOCK_STREAM, 0), poll = epoll_create1(0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16)) return perror("listen"), 1;
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    if (epoll_wait(poll, &event, 1, -1) < 1) continue;
    int fd = event.data.fd;
    if (fd == listener) {
      event.data.fd = accept(listener, NULL, NULL);
      epoll_ctl(poll, EPOLL_CTL_ADD, event.data.fd, &event);
      continue;
    }
    ssize_t got = read(fd, request, sizeof request);
    if (got <= 0) {
      close(fd);
      continue;
    }
    /* Requests of the benchmark come in one piece. */
    if (!memmem(request, got, "\r\n\r\n", 4)) continue;
    run_operations();
    struct iovec parts[] = {{head, head_length}, {body, length}};
    if (writev(fd, parts, 2) < 0) close(fd);
  }
}
