#pragma once

#include <cstddef>
#include <memory>

/** What is read from: bytes in order, 0 at the end. Throws Failure or BadArchive. */
class Source {
 public:
  virtual ~Source() = default;
  virtual size_t read(char* data, size_t size) = 0;
};

/** The bytes of a descriptor, which stays the caller's. */
std::unique_ptr<Source> readDescriptor(int fd);

/** What is in an archive that may be compressed with gzip (RFC 1952, several members too) or zstd (RFC 8878): told by its first bytes. */
std::unique_ptr<Source> decompress(std::unique_ptr<Source> source);
