//===- Memory.cpp - Words of SRAM -----------------------------------------===//

#include "Issues.h"

using namespace lpu;
using namespace lpu::verifier;

namespace {

enum : uint8_t { kUnwritten = 0, kWritten = 1, kConstant = 2 };

} // namespace

namespace lpu::verifier {

/// What is known of every word. A Scatter may or may not write a word of its
/// window: it proves nothing written.
class Words {
public:
  explicit Words(const Target &target)
      : target(target),
        states(size_t(target.numSlices()) * target.banks() * target.wordsPerBank()),
        contents(size_t(target.numSlices()) * target.banks()) {}

  uint8_t &at(unsigned slice, int64_t bank, int64_t word) {
    return states[getPlace(slice, bank, word)];
  }
  /// Who put what there.
  uint64_t getContents(unsigned slice, int64_t bank, int64_t word) const {
    size_t unit = getBank(slice, bank);
    uint64_t known = contents[unit].empty() ? 0 : contents[unit][size_t(word)];
    return known ? known : meaning::getInitial(meaning::Cell::Word, unit, uint64_t(word));
  }
  void setContents(unsigned slice, int64_t bank, int64_t word, uint64_t value) {
    std::vector<uint64_t> &words = contents[getBank(slice, bank)];
    words.resize(target.wordsPerBank());
    words[size_t(word)] = value;
  }
  void set(const WordRange &range, uint8_t state) {
    for (uint32_t k = 0; k < range.count(); ++k) {
      at(range.slice(), range.bank(), range.first() + k) = state;
    }
  }

private:
  size_t getBank(unsigned slice, int64_t bank) const {
    return size_t(slice) * target.banks() + size_t(bank);
  }
  size_t getPlace(unsigned slice, int64_t bank, int64_t word) const {
    return getBank(slice, bank) * target.wordsPerBank() + size_t(word);
  }

  const Target &target;
  std::vector<uint8_t> states;
  std::vector<std::vector<uint64_t>> contents; ///< of banks that are written; 0 for initial ones
};

} // namespace lpu::verifier

void EntryVerifier::checkParts(const Placed &p) {
  const Instruction &in = p.in();
  if (in.get("r") && in.get("w") && in.get("r_bank") == in.get("w_bank")) {
    forEachIssue(p, [&](const Issue &issue) {
      report(issue, absl::StrCat("read and write part both in bank ", in.get("r_bank")), "M3");
    });
  }
  if (!in.get("r") && !in.get("w")) {
    forEachIssue(p, [&](const Issue &issue) {
      report(issue, "neither a read nor a write part", "M1");
    });
  }
}

void EntryVerifier::checkAccesses(const Placed &p, bool isWrite, Words &words) {
  const Instruction &in = p.in();
  int64_t access = in.get(isWrite ? "w" : "r");
  if (access == 0) {
    return;
  }
  unsigned addr = unsigned(in.info().fieldIndex(isWrite ? "w_addr" : "r_addr"));
  int64_t bank = in.get(isWrite ? "w_bank" : "r_bank");
  int64_t count = access == 2 ? in.get(isWrite ? "w_len" : "r_len") : 1;
  forEachIssue(p, [&](const Issue &issue) {
    int64_t first = in.get(addr, issue.i, issue.j);
    if (first < 0 || first + count > int64_t(target.wordsPerBank()) ||
        bank >= int64_t(target.banks())) {
      report(issue, absl::StrCat("words ", first, " to ", first + count - 1, " of bank ", bank,
                                 ", the bank has ", target.wordsPerBank()),
             access == 2 ? "M6" : "M7");
      return;
    }
    for (int64_t word = first; word < first + count; ++word) {
      uint8_t &state = words.at(p.queue.index, bank, word);
      if (!isWrite && state == kUnwritten) {
        report(issue,
               absl::StrCat("read of word ", word, " of bank ", bank, ", which nobody wrote"),
               "M8");
      } else if (isWrite && state == kConstant) {
        report(issue,
               absl::StrCat("write to word ", word, " of bank ", bank, ", which holds weights"),
               "M9");
      } else if (isWrite && access == 1) {
        state = kWritten;
      }
      unsigned offset = unsigned(word - first);
      addAccess(p, isWrite ? meaning::Place::OldWord : meaning::Place::Word, 0, offset,
                issue.ordinal(), words.getContents(p.queue.index, bank, word));
      if (isWrite) {
        words.setContents(p.queue.index, bank, word,
                          meaning::getStored(p.number, issue.ordinal(), offset));
      }
    }
  });
}

void EntryVerifier::checkMemory() {
  Words words(target);
  for (const ImageBytes &image : program.image) {
    words.set(image.region.words(),
              image.region.kind() == WEIGHTS ? kConstant : kWritten);
  }
  for (const ImageRegion &region : entry.header.scratch()) {
    if (region.kind() == INPUT || region.kind() == DERIVED) {
      words.set(region.words(), kWritten);
    }
  }
  // A queue issues at most once a cycle and its two parts are in different
  // banks: their order is the order of accesses of every word.
  forEachPlaced(UnitKind::Mem, [&](const Placed &p) {
    if (p.in().opcode == Opcode::Mem) {
      checkParts(p);
      checkAccesses(p, false, words);
      checkAccesses(p, true, words);
    }
  });
  for (const TensorBinding &output : entry.header.outputs()) {
    for (const BytePlane &plane : output.byte_planes()) {
      for (uint32_t row = 0; row < output.rows(); ++row) {
        for (uint32_t vector = 0; vector < output.vectors(); ++vector) {
          uint32_t word = plane.first() + row * output.row_stride() + vector;
          if (words.at(plane.slice(), plane.bank(), word) == kUnwritten) {
            violations.push_back(
                {INT64_MAX,
                 absl::StrCat("entry ", entry.header.name(), ": output '", output.name(),
                              "': word ", word, " of bank ", plane.bank(), " of ",
                              target.queueName({UnitKind::Mem, uint16_t(plane.slice())}),
                              " is never written; violates (H2)")});
          }
        }
      }
    }
  }
}
