#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "decompressor.h"

/** Blocks on their way from one thread to another: at most as many as `BLOCKS_MAX` wait. */
class BlockQueue {
 public:
  using Block = std::shared_ptr<const std::vector<char>>;
  /** Returns false when nobody takes any more. */
  bool push(Block block);
  /** Null at the end. Rethrows what ended it early. */
  Block pop();
  void close(std::exception_ptr failure = nullptr);
  /** The reader has gone. */
  void abandon();

 private:
  static constexpr size_t BLOCKS_MAX = 16;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Block> blocks_;
  std::exception_ptr failure_;
  bool isClosed_ = false;
  bool isAbandoned_ = false;
};

/**
 * What is in an archive, while one more thread decompresses ahead and another computes the digest: with two processors the digest costs nothing. Read it to
 * its end before asking for the digest.
 */
class DigestedSource : public Source {
 public:
  explicit DigestedSource(std::unique_ptr<Source> archive);
  ~DigestedSource() override;
  size_t read(char* data, size_t size) override;
  /** SHA-256 of everything that `read` gave, as hexadecimal. */
  std::string digest();

 private:
  void produce();
  void hash();

  std::unique_ptr<Source> archive_;
  BlockQueue toReader_;
  BlockQueue toHash_;
  BlockQueue::Block block_;
  size_t offset_ = 0;
  std::string digest_;
  std::thread producer_;
  std::thread hasher_;
};
