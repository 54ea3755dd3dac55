#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdio>
#include <string>

#include "../base/error.h"
#include "../base/file.h"

/**
 * swarm-compress FILE: makes FILE.gz of it and removes it. The file's inode number and time of birth (INODE.NANOSECONDS) are the comment in the header (RFC 1952, section 2.3), so that a reader who has it open knows it again.
 * When something fails, FILE stays and nothing else does.
 */
namespace {

constexpr size_t PART_SIZE = 65536;
/** Windows of 32 KB, with gzip's header. */
constexpr int WINDOW_BITS = 15 + 16;
constexpr int MEMORY_LEVEL = 8;

void deflateAll(const Fd& from, const Fd& to, const std::string& path, std::string comment) {
  z_stream stream = {};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) failWith("deflateInit2", ENOMEM);
  gz_header header = {};
  header.os = 3;  // Unix
  header.comment = reinterpret_cast<Bytef*>(comment.data());
  deflateSetHeader(&stream, &header);
  static unsigned char in[PART_SIZE];
  static unsigned char out[PART_SIZE];
  for (int flush = Z_NO_FLUSH; flush != Z_FINISH;) {
    const ssize_t count = retry([&] { return read(from.get(), in, sizeof in); });
    if (count < 0) fail("read", path);
    flush = count == 0 ? Z_FINISH : Z_NO_FLUSH;
    stream.next_in = in;
    stream.avail_in = static_cast<unsigned>(count);
    do {
      stream.next_out = out;
      stream.avail_out = sizeof out;
      deflate(&stream, flush);
      writeAll(to.get(), {reinterpret_cast<char*>(out), sizeof out - stream.avail_out}, path);
    } while (stream.avail_out == 0);
  }
  deflateEnd(&stream);
}

void compress(const std::string& path) {
  const std::string made = path + ".gz";
  const std::string unfinished = made + ".new";
  try {
    const Fd from = openFile(path, O_RDONLY);
    struct statx info = {};
    check(statx(from.get(), "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &info), "stat", path);
    const uint64_t birth = static_cast<uint64_t>(info.stx_btime.tv_sec) * 1000000000ULL + info.stx_btime.tv_nsec;
    const Fd to = openFile(unfinished, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    deflateAll(from, to, path, std::to_string(info.stx_ino) + "." + std::to_string(birth));
    check(rename(unfinished.c_str(), made.c_str()), "rename", unfinished);
    check(unlink(path.c_str()), "remove", path);
  } catch (const Failure&) {
    unlink(unfinished.c_str());
    throw;
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    fputs("usage: swarm-compress FILE\n", stderr);
    return 2;
  }
  try {
    compress(arguments[1]);
    return 0;
  } catch (const Failure& failure) {
    fprintf(stderr, "swarm-compress: %s\n", failure.text.c_str());
    return 1;
  }
}
