//===- Sram.cpp - Words and who wrote them --------------------------------===//
#include "Sram.h"
#include "absl/strings/str_cat.h"
#include "lpu/Support/Strings.h"
#include <cstring>
#include <sys/mman.h>

using namespace lpu;
using namespace lpu::executor;

Sram::Sram(const Target &target)
    : slices(target.numSlices()), banks(target.banks()),
      wordsPerBank(target.wordsPerBank()), lanes(target.lanes()),
      all(target.superlanes() == 64 ? ~uint64_t(0)
                                    : (uint64_t(1) << target.superlanes()) - 1),
      size(target.sramBytes()) {
  void *map = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  bytes = map == MAP_FAILED ? nullptr : static_cast<uint8_t *>(map);
  uint64_t total = uint64_t(slices) * banks * wordsPerBank;
  imageMasks.assign(total, 0);
  constant.assign(total, false);
}

Sram::~Sram() {
  if (bytes) {
    munmap(bytes, size);
  }
}

absl::StatusOr<uint64_t> Sram::locate(unsigned slice, unsigned bank,
                                      uint64_t first, uint64_t count,
                                      std::string_view what) const {
  if (slice >= slices || bank >= banks || first + count > wordsPerBank) {
    return absl::InvalidArgumentError(absl::StrCat(
        toAbsl(what), ": expected words inside the ", slices, " slices, ",
        banks, " banks and ", wordsPerBank, " words a bank, got slice ", slice,
        ", bank ", bank, ", words ", first, " to ", first + count, " (excl.)"));
  }
  return wordNumber(slice, bank, unsigned(first));
}

absl::Status Sram::load(const Program &program) {
  if (!bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot reserve ", size, " bytes for the chip's SRAM"));
  }
  for (const ImageBytes &image : program.image) {
    const WordRange &range = image.region.words();
    auto first = locate(range.slice(), range.bank(), range.first(),
                        range.count(), "image region '" +
                            image.region.label() + "'");
    if (!first.ok()) {
      return first.status();
    }
    uint64_t length = uint64_t(range.count()) * lanes;
    bool isWeights = image.region.kind() == WEIGHTS;
    if (isWeights && image.bytes.size() != length) {
      return absl::InvalidArgumentError(absl::StrCat(
          "image region '", image.region.label(), "': expected ", length,
          " bytes, got ", image.bytes.size()));
    }
    if (isWeights) {
      std::memcpy(data(*first), image.bytes.data(), length);
    }
    if (image.region.kind() == STATE) {
      stateRuns.emplace_back(*first, range.count());
    }
    for (uint64_t word = *first; word < *first + range.count(); ++word) {
      imageMasks[word] = all;
      constant[word] = isWeights;
    }
  }
  return absl::OkStatus();
}

void Sram::resetState() {
  for (auto [first, count] : stateRuns) {
    std::memset(data(first), 0, count * lanes);
  }
}

std::vector<uint8_t> Sram::readState() const {
  std::vector<uint8_t> state;
  for (auto [first, count] : stateRuns) {
    state.insert(state.end(), bytes + first * lanes, bytes + (first + count) * lanes);
  }
  return state;
}

void Sram::startRun() { writtenMasks = imageMasks; }
