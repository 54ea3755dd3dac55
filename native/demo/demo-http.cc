/**
 * The demonstration image's only program: answers HTTP on PORT (80) with who it is, so that curl shows which task answered.
 * The version is the first argument, or VERSION. Static, one thread, ends at SIGTERM at once.
 */
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

std::string environment(const char* name, const char* fallback) {
  const char* value = getenv(name);
  return value == nullptr || *value == '\0' ? fallback : value;
}

std::string hostName() {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  return name;
}

/** `hello from web.3 (v1) on node-2`; TASK and NODE come from the service's template, else the container's host name stands for the task. */
std::string greeting(const std::string& version) {
  const std::string node = environment("NODE", "");
  return "hello from " + environment("TASK", hostName().c_str()) + " (" + version + ")" + (node.empty() ? "" : " on " + node) + "\n";
}

/** Reads the request's head (bounded in size and time) and answers; every path gets the same. */
void answer(int client, const std::string& text) {
  std::string request;
  char part[2048];
  pollfd wait = {client, POLLIN, 0};
  while (request.find("\r\n\r\n") == std::string::npos && request.size() < 16384 && poll(&wait, 1, 2000) > 0) {
    const ssize_t count = read(client, part, sizeof part);
    if (count <= 0) return;
    request.append(part, static_cast<size_t>(count));
  }
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: " + std::to_string(text.size()) + "\r\n\r\n";
  const std::string body = request.compare(0, 5, "HEAD ") == 0 ? "" : text;
  send(client, (head + body).data(), head.size() + body.size(), MSG_NOSIGNAL);
}

}  // namespace

int main(int count, char** arguments) {
  signal(SIGTERM, [](int) { _exit(0); });
  signal(SIGINT, [](int) { _exit(0); });
  const std::string version = count > 1 ? arguments[1] : environment("VERSION", "v1");
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(atoi(environment("PORT", "80").c_str())));
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(server, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 || listen(server, 128) < 0) {
    perror("demo-http");
    return 1;
  }
  printf("listening on port %d\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    const int client = accept4(server, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    answer(client, greeting(version));
    close(client);
  }
}
