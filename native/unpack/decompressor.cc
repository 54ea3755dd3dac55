#include "decompressor.h"

#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cstring>
#include <string>
#include <vector>

#include "../base/error.h"
#include "archive-error.h"

namespace {

constexpr size_t INPUT_SIZE = 256 * 1024;

class DescriptorSource : public Source {
 public:
  explicit DescriptorSource(int fd) : fd_(fd) {}
  size_t read(char* data, size_t size) override {
    return static_cast<size_t>(check(static_cast<int>(retry([&] { return ::read(fd_, data, size); })), "read the archive"));
  }

 private:
  int fd_;
};

/** Compressed bytes in memory, with a look at the first ones. */
class Input {
 public:
  explicit Input(std::unique_ptr<Source> source) : source_(std::move(source)), buffer_(INPUT_SIZE) {}

  const char* data() const { return buffer_.data() + begin_; }
  size_t size() const { return end_ - begin_; }
  void consume(size_t count) { begin_ += count; }
  /** False at the end of the source. */
  bool more() {
    if (begin_ > 0) memmove(buffer_.data(), data(), size());
    end_ -= begin_;
    begin_ = 0;
    const size_t count = source_->read(buffer_.data() + end_, buffer_.size() - end_);
    end_ += count;
    return count > 0;
  }
  bool beginsWith(std::string_view magic) {
    while (size() < magic.size() && more()) continue;
    return size() >= magic.size() && memcmp(data(), magic.data(), magic.size()) == 0;
  }

 private:
  std::unique_ptr<Source> source_;
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

class PlainSource : public Source {
 public:
  explicit PlainSource(Input input) : input_(std::move(input)) {}
  size_t read(char* data, size_t size) override {
    if (input_.size() == 0 && !input_.more()) return 0;
    const size_t count = std::min(size, input_.size());
    memcpy(data, input_.data(), count);
    input_.consume(count);
    return count;
  }

 private:
  Input input_;
};

class GzipSource : public Source {
 public:
  explicit GzipSource(Input input) : input_(std::move(input)) {
    // 16: the gzip format and no other.
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) failWith("gzip cannot be started: out of memory", ENOMEM);
  }
  ~GzipSource() override { inflateEnd(&stream_); }

  size_t read(char* data, size_t size) override {
    stream_.next_out = reinterpret_cast<Bytef*>(data);
    stream_.avail_out = static_cast<uInt>(size);
    while (stream_.avail_out == size) {
      if (input_.size() == 0 && !input_.more()) {
        if (!isBetween_) badArchive("not a valid archive: its gzip stream ends in the middle");
        return 0;
      }
      step();
    }
    return size - stream_.avail_out;
  }

 private:
  void step() {
    isBetween_ = false;
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input_.data()));
    stream_.avail_in = static_cast<uInt>(input_.size());
    const int result = inflate(&stream_, Z_NO_FLUSH);
    input_.consume(input_.size() - stream_.avail_in);
    if (result == Z_STREAM_END) {
      isBetween_ = true;
      inflateReset(&stream_);
    } else if (result != Z_OK) {
      if (result == Z_MEM_ERROR) failWith("gzip ran out of memory", ENOMEM);
      badArchive(std::string("not a valid archive: its gzip stream is damaged") + (stream_.msg == nullptr ? "" : std::string(" (") + stream_.msg + ")"));
    }
  }

  Input input_;
  z_stream stream_ = {};
  bool isBetween_ = false;
};

class ZstdSource : public Source {
 public:
  explicit ZstdSource(Input input) : input_(std::move(input)), stream_(ZSTD_createDCtx()) {
    if (stream_ == nullptr) failWith("zstd cannot be started: out of memory", ENOMEM);
  }
  ~ZstdSource() override { ZSTD_freeDCtx(stream_); }

  size_t read(char* data, size_t size) override {
    ZSTD_outBuffer out = {data, size, 0};
    while (out.pos == 0) {
      const bool isAtEnd = input_.size() == 0 && !input_.more();
      if (isAtEnd && left_ == 0) return 0;
      ZSTD_inBuffer in = {input_.data(), input_.size(), 0};
      left_ = ZSTD_decompressStream(stream_, &out, &in);
      input_.consume(in.pos);
      if (ZSTD_isError(left_)) badArchive(std::string("not a valid archive: its zstd stream is damaged (") + ZSTD_getErrorName(left_) + ")");
      if (isAtEnd && out.pos == 0) badArchive("not a valid archive: its zstd stream ends in the middle");
    }
    return out.pos;
  }

 private:
  Input input_;
  ZSTD_DCtx* stream_;
  /** 0 between frames. */
  size_t left_ = 0;
};

}  // namespace

std::unique_ptr<Source> readDescriptor(int fd) { return std::make_unique<DescriptorSource>(fd); }

std::unique_ptr<Source> decompress(std::unique_ptr<Source> source) {
  Input input(std::move(source));
  if (input.beginsWith("\x1f\x8b")) return std::make_unique<GzipSource>(std::move(input));
  // The second is a skippable frame, which some tools put first.
  if (input.beginsWith("\x28\xb5\x2f\xfd") || (input.beginsWith("\x50\x2a\x4d\x18"))) return std::make_unique<ZstdSource>(std::move(input));
  if (input.beginsWith("BZh")) badArchive("archives compressed with bzip2 are not supported; use gzip, zstd or none");
  if (input.beginsWith(std::string_view("\xfd""7zXZ\0", 6))) badArchive("archives compressed with xz are not supported; use gzip, zstd or none");
  return std::make_unique<PlainSource>(std::move(input));
}
