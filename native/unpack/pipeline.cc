#include "pipeline.h"

#include <algorithm>
#include <cstring>

#include "sha256.h"

namespace {

constexpr size_t BLOCK_SIZE = 128 * 1024;

}  // namespace

bool BlockQueue::push(Block block) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return blocks_.size() < BLOCKS_MAX || isAbandoned_; });
  if (isAbandoned_) return false;
  blocks_.push_back(std::move(block));
  changed_.notify_all();
  return true;
}

BlockQueue::Block BlockQueue::pop() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !blocks_.empty() || isClosed_; });
  if (blocks_.empty()) {
    if (failure_ != nullptr) std::rethrow_exception(failure_);
    return nullptr;
  }
  Block block = std::move(blocks_.front());
  blocks_.pop_front();
  changed_.notify_all();
  return block;
}

void BlockQueue::close(std::exception_ptr failure) {
  const std::lock_guard lock(mutex_);
  isClosed_ = true;
  failure_ = std::move(failure);
  changed_.notify_all();
}

void BlockQueue::abandon() {
  const std::lock_guard lock(mutex_);
  isAbandoned_ = true;
  changed_.notify_all();
}

DigestedSource::DigestedSource(std::unique_ptr<Source> archive)
    : archive_(std::move(archive)), producer_([this] { produce(); }), hasher_([this] { hash(); }) {}

DigestedSource::~DigestedSource() {
  toReader_.abandon();
  toHash_.abandon();
  producer_.join();
  if (hasher_.joinable()) hasher_.join();
}

size_t DigestedSource::read(char* data, size_t size) {
  if (block_ == nullptr || offset_ == block_->size()) {
    block_ = toReader_.pop();
    offset_ = 0;
    if (block_ == nullptr) return 0;
  }
  const size_t count = std::min(size, block_->size() - offset_);
  memcpy(data, block_->data() + offset_, count);
  offset_ += count;
  return count;
}

std::string DigestedSource::digest() {
  hasher_.join();
  return digest_;
}

/** A failure reaches the reader after everything that came before it. */
void DigestedSource::produce() {
  std::exception_ptr failure;
  try {
    const auto source = decompress(std::move(archive_));
    for (bool isWanted = true; isWanted;) {
      auto block = std::make_shared<std::vector<char>>(BLOCK_SIZE);
      size_t filled = 0;
      while (filled < BLOCK_SIZE) {
        const size_t count = source->read(block->data() + filled, BLOCK_SIZE - filled);
        if (count == 0) break;
        filled += count;
      }
      if (filled == 0) break;
      block->resize(filled);
      isWanted = toReader_.push(block) && toHash_.push(block);
    }
  } catch (...) {
    failure = std::current_exception();
  }
  toReader_.close(failure);
  toHash_.close();
}

void DigestedSource::hash() {
  Sha256 sha;
  while (const auto block = toHash_.pop()) sha.update(block->data(), block->size());
  digest_ = sha.finish();
}
